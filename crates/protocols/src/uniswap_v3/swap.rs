//! Swaps: the shared walk over ticks, with this pool's fee.

use crate::amm::Exact;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::amm::Traded;
use crate::math::concentrated::Curve;
use crate::math::concentrated::walk::Swap;
use crate::math::concentrated::walk::no_limit;
use crate::uniswap_v3::Pool;
use alloy_primitives::U256;

impl Pool {
    /// The pool, as the walk sees it.
    #[inline]
    pub(super) const fn curve(&self) -> Curve<'_> {
        Curve { at: &self.state.at, fee_pips: self.fee_pips, assume_empty: self.assume_empty }
    }

    /// The contract's `swap`: `amount` is the input when `exact_in`, else the output. Refused where the contract reverts:
    /// `TooSmall` for zero ("AS"), `TooLarge` for amounts past int256, a limit behind the price ("SPL") or an unset price.
    #[inline]
    pub fn swap(&self, leg: Leg, exact_in: bool, amount: U256, limit: U256) -> Result<Swap, QuoteError> {
        self.curve().swap(leg.zero_for_one(), exact_in, amount, limit)
    }

    /// Makes a swap: price, tick and liquidity become the contract's. Without a limit it is made whole or refused, as the
    /// periphery has it.
    ///
    /// # Errors
    /// The contract would revert, or the walk meets what is not known. The pool is as it was.
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
        self.curve().fill(leg.zero_for_one(), exact_in, amount)
    }
}
