//! Swaps: the walk over ticks that all concentrated liquidity shares, under the bounds that V4 puts on amounts and fees.

use crate::amm::Exact;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::amm::Traded;
use crate::math::concentrated::Curve;
use crate::math::concentrated::walk::Swap;
use crate::math::concentrated::walk::no_limit;
use crate::math::swap_step::PIPS;
use crate::uniswap_v4::Pool;
use alloy_primitives::U256;

/// The manager keeps what a swap moves as int128: what goes in as a negative number, which may be one more.
const MOST_IN: U256 = U256::from_limbs([0, 1 << 63, 0, 0]);
const MOST_OUT: U256 = U256::from_limbs([u64::MAX, u64::MAX >> 1, 0, 0]);

fn within_bounds(amount_in: U256, amount_out: U256) -> Result<(), QuoteError> {
    if amount_in <= MOST_IN && amount_out <= MOST_OUT { Ok(()) } else { Err(QuoteError::TooLarge) }
}

impl Pool {
    /// The pool, as the walk in one direction sees it.
    #[inline]
    pub(super) const fn curve(&self, down: bool) -> Curve<'_> {
        Curve { at: &self.state.at, fee_pips: self.state.fees.of_swap(down), assume_empty: self.assume_empty }
    }

    /// The curve, unless its fee leaves nothing that could buy an exact output (`InvalidFeeForExactOut`).
    #[inline]
    fn open(&self, down: bool, exact_in: bool, amount: U256) -> Result<Curve<'_>, QuoteError> {
        let curve = self.curve(down);
        let open = exact_in || curve.fee_pips < PIPS || amount.is_zero();
        if open { Ok(curve) } else { Err(QuoteError::TooLarge) }
    }

    /// The manager's `swap`: `amount` is the input when `exact_in`, else the output. It may be filled in part.
    ///
    /// # Errors
    /// Where the manager reverts: `TooSmall` for zero, `TooLarge` for amounts past what it can keep, a limit behind the price or out
    /// of range, a fee of everything for an exact output, or an unset price. Or the walk meets what is not known.
    #[inline]
    pub fn swap(&self, leg: Leg, exact_in: bool, amount: U256, limit: U256) -> Result<Swap, QuoteError> {
        let down = leg.zero_for_one();
        let swap = self.open(down, exact_in, amount)?.swap(down, exact_in, amount, limit)?;
        within_bounds(swap.amount_in, swap.amount_out)?;
        Ok(swap)
    }

    /// Makes a swap: price, tick and liquidity become the manager's. Without a limit it is made whole or refused.
    pub(super) fn make(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError> {
        let (exact_in, amount) = match exact {
            Exact::In(amount) => (true, amount),
            Exact::Out(amount) => (false, amount),
        };
        let swap = self.swap(leg, exact_in, amount, limit.unwrap_or(no_limit(leg.zero_for_one())))?;
        self.state.at.follow(&swap, limit.is_some())
    }

    /// Initialised ticks that a swap of exactly `amount_in` crosses; none where it is refused.
    pub(super) fn crossings(&self, leg: Leg, amount_in: u128) -> u32 {
        let swap = self.swap(leg, true, U256::from(amount_in), no_limit(leg.zero_for_one()));
        swap.map_or(0, |swap| swap.crossed)
    }

    /// The counter-amount of a swap that must be filled.
    #[inline]
    pub(super) fn fill(&self, leg: Leg, exact_in: bool, amount: U256) -> Result<U256, QuoteError> {
        let down = leg.zero_for_one();
        let other = self.open(down, exact_in, amount)?.fill(down, exact_in, amount)?;
        let (amount_in, amount_out) = if exact_in { (amount, other) } else { (other, amount) };
        within_bounds(amount_in, amount_out)?;
        Ok(other)
    }
}
