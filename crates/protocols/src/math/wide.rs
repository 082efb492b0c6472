//! Multiply then divide, without losing the bits in between.
//!
//! # Invariants
//! - `None` exactly where Solidity's `FullMath` reverts: division by zero, or a quotient past 256 bits.
//!
//! # Cost
//! One 256-bit division when the product fits 256 bits, else one 512 by 256. No allocation.

use alloy_primitives::U256;
use alloy_primitives::Uint;

type U512 = Uint<512, 8>;

/// 2^96, the unit of a square-root price. A power of two, so the double is exact.
pub const Q96: f64 = (1_u128 << 96) as f64;

/// `floor(a * b / divisor)`.
#[inline]
#[must_use]
pub fn mul_div(a: U256, b: U256, divisor: U256) -> Option<U256> {
    mul_div_rem(a, b, divisor).map(|(quotient, _)| quotient)
}

/// `ceil(a * b / divisor)`.
#[inline]
#[must_use]
pub fn mul_div_up(a: U256, b: U256, divisor: U256) -> Option<U256> {
    let (quotient, exact) = mul_div_rem(a, b, divisor)?;
    if exact { Some(quotient) } else { quotient.checked_add(U256::ONE) }
}

/// `ceil(a / divisor)`.
#[inline]
#[must_use]
pub fn div_up(a: U256, divisor: U256) -> Option<U256> {
    if divisor.is_zero() {
        return None;
    }
    let (quotient, rest) = a.div_rem(divisor);
    // No overflow: a rest means the divisor is at least 2, so the quotient is at most half the range.
    Some(if rest.is_zero() { quotient } else { quotient + U256::ONE })
}

/// Quotient, and whether the division left nothing over.
#[inline]
fn mul_div_rem(a: U256, b: U256, divisor: U256) -> Option<(U256, bool)> {
    if divisor.is_zero() {
        return None;
    }
    if a.bit_len() + b.bit_len() <= 256 {
        let (quotient, rest) = a.wrapping_mul(b).div_rem(divisor);
        return Some((quotient, rest.is_zero()));
    }
    let product: U512 = a.widening_mul(b);
    let (quotient, rest) = product.div_rem(U512::from(divisor));
    Some((narrow(&quotient)?, rest.is_zero()))
}

/// The low 256 bits, when they are all there is.
#[inline]
fn narrow(wide: &U512) -> Option<U256> {
    let [a, b, c, d, high @ ..] = *wide.as_limbs();
    (high == [0; 4]).then(|| U256::from_limbs([a, b, c, d]))
}

/// `a * b / 2^96`, and whether nothing was cut off. `a < 2^128` and `b < 2^160` keep the result under 2^192.
#[inline]
#[must_use]
pub fn mul_shift_96(a: u128, b: U256) -> (U256, bool) {
    let [b0, b1, b2, _] = *b.as_limbs();
    let (a0, a1) = (u128::from(a as u64), a >> 64);
    // Schoolbook rows: a0 * b and a1 * b, five limbs in all. Each partial is under 2^128.
    let p0 = a0 * u128::from(b0);
    let t1 = a0 * u128::from(b1) + (p0 >> 64);
    let t2 = a0 * u128::from(b2) + (t1 >> 64);
    let s1 = a1 * u128::from(b0) + u128::from(t1 as u64);
    let s2 = a1 * u128::from(b1) + u128::from(t2 as u64) + (s1 >> 64);
    let s3 = a1 * u128::from(b2) + (t2 >> 64) + (s2 >> 64);
    let limbs = [p0 as u64, s1 as u64, s2 as u64, s3 as u64, (s3 >> 64) as u64];
    let joined = |low: u64, high: u64| (low >> 32) | (high << 32);
    let shifted = [joined(limbs[1], limbs[2]), joined(limbs[2], limbs[3]), joined(limbs[3], limbs[4]), limbs[4] >> 32];
    (U256::from_limbs(shifted), limbs[0] == 0 && limbs[1] << 32 == 0)
}

/// High 128 bits of a 256-bit product, and the low ones.
#[inline]
#[must_use]
pub const fn widening_mul_u128(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (a0, a1, b0, b1) = (a & LOW, a >> 64, b & LOW, b >> 64);
    let p00 = a0 * b0;
    let p01 = a0 * b1 + (p00 >> 64);
    let p10 = a1 * b0 + (p01 & LOW);
    (a1 * b1 + (p01 >> 64) + (p10 >> 64), (p10 << 64) | (p00 & LOW))
}

/// Nearest double, give or take a few units in the last place. Steers only.
#[inline]
#[must_use]
pub fn to_f64(value: U256) -> f64 {
    const LIMB: f64 = (1_u128 << 64) as f64;
    let [a, b, c, d] = *value.as_limbs();
    ((d as f64 * LIMB + c as f64) * LIMB + b as f64) * LIMB + a as f64
}
