//! The pair's K check solved for the output and for the input.
//!
//! The contract pays `y` for `x` when, with `d = den`, `n = num`, `b_in = r_in + x` and `b_out = r_out - y`
//! (UniswapV2Pair.swap, `UniswapV2: K`):
//!
//! ```text
//! (b_in * d - x * n) * (b_out * d)  >=  r_in * r_out * d^2
//! (r_in * d + x * g) * (r_out - y)  >=  r_in * r_out * d            with g = d - n, after dividing by d
//! ```
//!
//! which is linear in either unknown, so both solutions are exact, not approximations that happen to hold:
//!
//! ```text
//! y <= floor( x * g * r_out / (r_in * d + x * g) )                  the largest output
//! x >= ceil ( r_in * d * y / (g * (r_out - y)) )                    the smallest input
//! ```
//!
//! The first is the periphery's `getAmountOut`. The second is its `getAmountIn` but for the case of an exact division,
//! where the periphery adds one wei that the pair does not ask for.
//!
//! # Invariants
//! - Amounts and reserves are at most [`MAX_RESERVE`], `d` at most [`Fee::MAX_DEN`]: products end below 2^244.
//! - Balances equal reserves. A surplus (a donation nobody skimmed) would buy more: a quote is then short, never long.
//! - The contract's own check multiplies up to `2^(224) * d^2`, which for `d` above 10^4 can overflow 256 bits and
//!   revert where both sides are near 2^112. No such pool is known; the EVM would refuse the trade.
//!
//! # Cost
//! One division. In u128 when the products fit, about a fifth of the 256-bit price (`cargo bench --bench quote`).

use alloy_primitives::U256;

use crate::amm::QuoteError;

/// Reserves are `uint112`; a balance past it reverts with `UniswapV2: OVERFLOW`.
pub const MAX_RESERVE: u128 = (1 << 112) - 1;

/// Share of the input the pool keeps, as the fraction the contract computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fee {
    num: u32,
    den: u32,
}

impl Fee {
    /// Largest denominator: keeps every product of a quote below 2^244.
    pub const MAX_DEN: u32 = 1_000_000;

    /// `None` unless `num < den <= MAX_DEN`. Not reduced: 3/1000 and 30/10000 are the same fee but not equal.
    #[must_use]
    pub const fn new(num: u32, den: u32) -> Option<Self> {
        if num < den && den <= Self::MAX_DEN { Some(Self { num, den }) } else { None }
    }

    /// Parts kept by the pool.
    #[must_use]
    pub const fn num(self) -> u32 {
        self.num
    }

    /// Parts in the whole.
    #[must_use]
    pub const fn den(self) -> u32 {
        self.den
    }

    /// Share of the input left after the fee.
    #[must_use]
    pub fn gamma(self) -> f64 {
        f64::from(self.den - self.num) / f64::from(self.den)
    }

    /// Parts that reach the curve.
    const fn rest(self) -> u128 {
        (self.den - self.num) as u128
    }
}

/// Bits needed to write `x`.
const fn bits(x: u128) -> u32 {
    u128::BITS - x.leading_zeros()
}

/// Refuses what no formula covers. An empty side is no curve, though a pair with only its input side empty would pay.
fn check(amount: u128, r_in: u128, r_out: u128) -> Result<(), QuoteError> {
    if amount == 0 {
        return Err(QuoteError::TooSmall);
    }
    if r_in == 0 || r_out == 0 {
        return Err(QuoteError::TooLarge);
    }
    Ok(())
}

/// Largest output the pair pays for exactly `x`: one more reverts.
pub(super) fn largest_out(x: u128, r_in: u128, r_out: u128, fee: Fee) -> Result<u128, QuoteError> {
    check(x, r_in, r_out)?;
    if r_in > MAX_RESERVE || x > MAX_RESERVE - r_in {
        return Err(QuoteError::TooLarge);
    }
    let den = u128::from(fee.den);
    // The sum in the denominator is below 2^128 when each term is below 2^127.
    let fits = bits(x) + bits(fee.rest()) + bits(r_out) <= 128
        && bits(x) + bits(fee.rest()) <= 127
        && bits(r_in) + bits(den) <= 127;
    let y = if fits {
        let worth = x * fee.rest();
        worth * r_out / (r_in * den + worth)
    } else {
        let worth = U256::from(x) * U256::from(fee.rest());
        let whole = U256::from(r_in) * U256::from(den) + worth;
        // Below r_out, because worth < whole.
        (worth * U256::from(r_out) / whole).to::<u128>()
    };
    // The pair reverts on zero output: INSUFFICIENT_OUTPUT_AMOUNT.
    if y == 0 { Err(QuoteError::TooSmall) } else { Ok(y) }
}

/// Smallest input for which the pair pays `y`: one less reverts.
pub(super) fn smallest_in(y: u128, r_in: u128, r_out: u128, fee: Fee) -> Result<u128, QuoteError> {
    check(y, r_in, r_out)?;
    if r_in > MAX_RESERVE || y >= r_out {
        return Err(QuoteError::TooLarge);
    }
    let den = u128::from(fee.den);
    let left = r_out - y;
    let fits = bits(r_in) + bits(den) + bits(y) <= 128 && bits(fee.rest()) + bits(left) <= 128;
    let x = if fits {
        (r_in * den * y).div_ceil(fee.rest() * left)
    } else {
        let worth = U256::from(r_in) * U256::from(den) * U256::from(y);
        let share = U256::from(fee.rest()) * U256::from(left);
        u128::try_from(worth.div_ceil(share)).map_err(|_| QuoteError::TooLarge)?
    };
    if x > MAX_RESERVE - r_in { Err(QuoteError::TooLarge) } else { Ok(x) }
}

/// What the periphery's `getAmountIn` asks for `y`: rounded down and one more, so that an exact division pays one unit
/// that the pair does not need.
pub(super) fn periphery_in(y: u128, r_in: u128, r_out: u128, fee: Fee) -> Result<u128, QuoteError> {
    check(y, r_in, r_out)?;
    if r_in > MAX_RESERVE || y >= r_out {
        return Err(QuoteError::TooLarge);
    }
    let worth = U256::from(r_in) * U256::from(y) * U256::from(fee.den);
    let share = U256::from(r_out - y) * U256::from(fee.rest());
    let x = u128::try_from(worth / share).map_err(|_| QuoteError::TooLarge)?.saturating_add(1);
    if x > MAX_RESERVE - r_in { Err(QuoteError::TooLarge) } else { Ok(x) }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U512;
    use proptest::prelude::Strategy;
    use proptest::prelude::prop;
    use proptest::prelude::prop_assert;
    use proptest::prelude::prop_assert_eq;
    use proptest::prelude::proptest;

    use super::Fee;
    use super::MAX_RESERVE;
    use super::largest_out;
    use super::periphery_in;
    use super::smallest_in;
    use crate::amm::QuoteError;

    /// The contract's check as it is written, in integers that cannot overflow.
    fn pays(x: u128, y: u128, r_in: u128, r_out: u128, fee: Fee) -> bool {
        if x == 0 || y == 0 || y >= r_out || x > MAX_RESERVE - r_in {
            return false;
        }
        let (n, d) = (U512::from(fee.num), U512::from(fee.den));
        let b_in = U512::from(r_in + x) * d - U512::from(x) * n;
        let b_out = U512::from(r_out - y) * d;
        b_in * b_out >= U512::from(r_in) * U512::from(r_out) * d * d
    }

    /// Any size from one bit to `uint112`, each as likely.
    fn amount() -> impl Strategy<Value = u128> {
        (1u32..=112, 0u128..=MAX_RESERVE).prop_map(|(bits, x)| (x >> (112 - bits)).max(1))
    }

    fn fee() -> impl Strategy<Value = Fee> {
        let any = (prop::sample::select(vec![1000u32, 10_000, 100_000, 1_000_000]), 0u32..1_000_000);
        any.prop_filter_map("a whole fee", |(den, num)| Fee::new(num % den, den))
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(20_000))]

        #[test]
        fn largest_output_passes_k_and_one_more_does_not(x in amount(), r_in in amount(), r_out in amount(), fee in fee()) {
            match largest_out(x, r_in, r_out, fee) {
                Ok(y) => {
                    prop_assert!(pays(x, y, r_in, r_out, fee));
                    prop_assert!(!pays(x, y + 1, r_in, r_out, fee));
                }
                Err(QuoteError::TooSmall) => prop_assert!(!pays(x, 1, r_in, r_out, fee)),
                Err(why) => {
                    prop_assert_eq!(why, QuoteError::TooLarge);
                    prop_assert!(x > MAX_RESERVE - r_in);
                }
            }
        }

        #[test]
        fn smallest_input_passes_k_and_one_less_does_not(y in amount(), r_in in amount(), r_out in amount(), fee in fee()) {
            match smallest_in(y, r_in, r_out, fee) {
                Ok(x) => {
                    prop_assert!(pays(x, y, r_in, r_out, fee));
                    prop_assert!(!pays(x - 1, y, r_in, r_out, fee));
                }
                Err(why) => {
                    prop_assert_eq!(why, QuoteError::TooLarge);
                    prop_assert!(!pays(MAX_RESERVE - r_in, y, r_in, r_out, fee));
                }
            }
        }
    }

    #[test]
    fn the_periphery_asks_for_a_wei_more_where_the_division_is_exact() {
        let free = Fee::new(0, 1000).unwrap();
        assert_eq!(periphery_in(500, 1000, 1000, free), Ok(1001));
        let fee = Fee::new(3, 1000).unwrap();
        assert_eq!(periphery_in(7, 1_000_003, 999_983, fee), smallest_in(7, 1_000_003, 999_983, fee));
        assert_eq!(periphery_in(10, 9, 10, fee), Err(QuoteError::TooLarge));
    }

    #[test]
    fn an_exact_division_asks_for_no_extra_wei() {
        let free = Fee::new(0, 1000).unwrap();
        assert_eq!(smallest_in(500, 1000, 1000, free), Ok(1000));
        assert_eq!(largest_out(1000, 1000, 1000, free), Ok(500));
    }

    #[test]
    fn an_empty_side_is_no_curve() {
        let fee = Fee::new(3, 1000).unwrap();
        assert_eq!(largest_out(1, 0, 9, fee), Err(QuoteError::TooLarge));
        assert_eq!(smallest_in(1, 9, 0, fee), Err(QuoteError::TooLarge));
    }
}
