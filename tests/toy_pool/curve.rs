//! The bank's arithmetic: what a swap pays, and the least that pays so much.
//!
//! # Invariants
//! - [`paid`] is the contract's own division. [`cost`] is its inverse: the smallest input that it pays so much for.
//! - Reserves are at most [`MOST`], so that no product leaves 256 bits.

use alloy_primitives::U256;

use crate::amm::QuoteError;

/// What a fee is a part of.
pub(super) const WHOLE: u32 = 1_000_000;
/// The largest reserve that the bank takes.
pub(super) const MOST: u128 = (1 << 112) - 1;

/// What stands on both sides of a swap, and the fee in millionths of what goes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) reserve_in: u128,
    pub(super) reserve_out: u128,
    pub(super) fee: u32,
}

impl Side {
    /// Millionths of the input that reach the curve.
    fn after_fee(self) -> U256 {
        U256::from(WHOLE - self.fee)
    }

    /// What more the pool can take.
    pub(super) const fn room(self) -> u128 {
        MOST - self.reserve_in
    }
}

/// What `into` pays.
pub(super) fn paid(side: Side, into: U256) -> Result<U256, QuoteError> {
    if into > U256::from(side.room()) {
        return Err(QuoteError::TooLarge);
    }
    let kept = into * side.after_fee();
    let whole = U256::from(side.reserve_in) * U256::from(WHOLE) + kept;
    let out = (U256::from(side.reserve_out) * kept).checked_div(whole).unwrap_or_default();
    if out.is_zero() { Err(QuoteError::TooSmall) } else { Ok(out) }
}

/// The smallest input that pays at least `out`.
pub(super) fn cost(side: Side, out: U256) -> Result<U256, QuoteError> {
    if out.is_zero() {
        return Err(QuoteError::TooSmall);
    }
    let left = U256::from(side.reserve_out).checked_sub(out).filter(|left| !left.is_zero());
    let left = left.ok_or(QuoteError::TooLarge)?;
    // `reserve_out * kept / (reserve_in * WHOLE + kept) >= out`, solved for the input within `kept`, which an empty pool leaves at none.
    let into = (out * U256::from(side.reserve_in) * U256::from(WHOLE)).div_ceil(left * side.after_fee());
    if into > U256::from(side.room()) { Err(QuoteError::TooLarge) } else { Ok(into) }
}
