//! How much moves a square-root price how far: Uniswap's SqrtPriceMath, rounding and overflow branches included.
//!
//! # Invariants
//! - Every result is the contract's integer; `None` where it reverts.
//! - Amounts in round up and amounts out round down, so the pool never loses by rounding.
//!
//! # Cost
//! Amount of token 0: two divisions. Amount of token 1: none. A new price: one division.

use crate::math::wide;
use alloy_primitives::U256;

/// `liquidity * 2^96`. Always fits: 128 + 96 bits.
#[inline]
fn shifted(liquidity: u128) -> U256 {
    U256::from_limbs([0, (liquidity << 32) as u64, (liquidity >> 32) as u64, (liquidity >> 96) as u64])
}

/// `value` when it is a uint160.
#[inline]
fn uint160(value: U256) -> Option<U256> {
    (value.bit_len() <= 160).then_some(value)
}

/// Token 0 between two prices: `liquidity * 2^96 * (upper - lower) / upper / lower`.
#[inline]
#[must_use]
pub fn amount0(a: U256, b: U256, liquidity: u128, round_up: bool) -> Option<U256> {
    let (lower, upper) = if a > b { (b, a) } else { (a, b) };
    if lower.is_zero() {
        return None;
    }
    let (numerator, width) = (shifted(liquidity), upper - lower);
    if round_up {
        wide::div_up(wide::mul_div_up(numerator, width, upper)?, lower)
    } else {
        Some(wide::mul_div(numerator, width, upper)? / lower)
    }
}

/// Token 1 between two prices: `liquidity * (upper - lower) / 2^96`.
#[inline]
#[must_use]
pub fn amount1(a: U256, b: U256, liquidity: u128, round_up: bool) -> U256 {
    let width = if a > b { a - b } else { b - a };
    let (amount, exact) = wide::mul_shift_96(liquidity, width);
    if round_up && !exact { amount + U256::ONE } else { amount }
}

/// Price after `amount` of the token that goes in, never past what it pays for.
#[inline]
#[must_use]
pub fn after_input(price: U256, liquidity: u128, amount: U256, zero_for_one: bool) -> Option<U256> {
    if price.is_zero() || liquidity == 0 {
        return None;
    }
    if zero_for_one { add_token0(price, liquidity, amount) } else { add_token1(price, liquidity, amount) }
}

/// Price after `amount` of the token that comes out, never short of what must be paid.
#[inline]
#[must_use]
pub fn after_output(price: U256, liquidity: u128, amount: U256, zero_for_one: bool) -> Option<U256> {
    if price.is_zero() || liquidity == 0 {
        return None;
    }
    if zero_for_one { remove_token1(price, liquidity, amount) } else { remove_token0(price, liquidity, amount) }
}

/// `liquidity * price / (liquidity + amount * price)`, rounded up.
#[inline]
fn add_token0(price: U256, liquidity: u128, amount: U256) -> Option<U256> {
    if amount.is_zero() {
        return Some(price);
    }
    let numerator = shifted(liquidity);
    let denominator = amount.checked_mul(price).and_then(|product| numerator.checked_add(product));
    match denominator {
        Some(denominator) => wide::mul_div_up(numerator, price, denominator),
        // The contract's way round a product past 256 bits; coarser, and to be matched.
        None => wide::div_up(numerator, (numerator / price).checked_add(amount)?),
    }
    // The contract cuts to 160 bits unchecked here; adding token 0 only lowers the price, so nothing is cut.
}

/// `liquidity * price / (liquidity - amount * price)`, rounded up.
#[inline]
fn remove_token0(price: U256, liquidity: u128, amount: U256) -> Option<U256> {
    if amount.is_zero() {
        return Some(price);
    }
    let numerator = shifted(liquidity);
    let product = amount.checked_mul(price).filter(|product| numerator > *product)?;
    uint160(wide::mul_div_up(numerator, price, numerator - product)?)
}

/// `price + amount / liquidity`, rounded down.
#[inline]
fn add_token1(price: U256, liquidity: u128, amount: U256) -> Option<U256> {
    let quotient = wide::mul_div(amount, U256::ONE << 96, U256::from(liquidity))?;
    uint160(price.checked_add(quotient)?)
}

/// `price - amount / liquidity`, rounded down.
#[inline]
fn remove_token1(price: U256, liquidity: u128, amount: U256) -> Option<U256> {
    let quotient = wide::mul_div_up(amount, U256::ONE << 96, U256::from(liquidity))?;
    if price > quotient { Some(price - quotient) } else { None }
}
