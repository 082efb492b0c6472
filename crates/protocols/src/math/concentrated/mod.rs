//! Concentrated liquidity between ticks, as Uniswap V3 has it and V4 and all forks keep it: the ticks, the walk over them, the curve
//! that search steers by, and the words that logs and slots say it in.
//!
//! # Invariants
//! - Amounts, price, tick and liquidity are those of the contract's `swap`, to the unit, or the walk is refused.
//! - What is not known is not walked past, unless the pool's owner chose `assume_empty`.
//!
//! # Limits
//! What contracts differ in is a protocol's own: where state lies, how the fee of a swap comes about, how large an amount may be.

pub mod grid;
pub mod stretches;
pub mod ticks;
pub mod walk;
pub mod words;

use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::amm::QuoteError;
use crate::amm::Traded;
use crate::math::concentrated::grid::Grid;
use crate::math::concentrated::ticks::Ticks;
use crate::math::concentrated::walk::Swap;
use alloy_primitives::U256;
use std::sync::Arc;

/// Where a pool stands: what logs and storage say of it, but for its fees.
#[derive(Debug, PartialEq, Eq)]
pub struct Standing {
    /// `sqrt(token1 / token0) * 2^96`; zero until initialised.
    pub sqrt_price: U256,
    /// Current tick as the contract stores it.
    pub tick: i32,
    /// Liquidity in range.
    pub liquidity: u128,
    /// What is known of the ticks.
    pub ticks: Ticks,
}

impl Clone for Standing {
    fn clone(&self) -> Self {
        Self { ticks: self.ticks.clone(), ..*self }
    }

    /// Keeps the buffers.
    fn clone_from(&mut self, source: &Self) {
        self.set_price(source.sqrt_price, source.tick, source.liquidity);
        self.ticks.clone_from(&source.ticks);
    }
}

impl Standing {
    /// Not initialised, and nothing known of the ticks.
    #[must_use]
    pub const fn new(grid: Arc<Grid>) -> Self {
        Self { sqrt_price: U256::ZERO, tick: 0, liquidity: 0, ticks: Ticks::new(grid) }
    }

    /// Sets where it stands.
    pub const fn set_price(&mut self, sqrt_price: U256, tick: i32, liquidity: u128) {
        self.sqrt_price = sqrt_price;
        self.tick = tick;
        self.liquidity = liquidity;
    }

    /// Stands where a swap has led. What was filled in part counts only where a limit allowed it.
    ///
    /// # Errors
    /// It was, and none did. Nothing has changed.
    pub fn follow(&mut self, swap: &Swap, limited: bool) -> Result<Traded, QuoteError> {
        if !swap.complete && !limited {
            return Err(QuoteError::TooLarge);
        }
        self.set_price(swap.sqrt_price, swap.tick, swap.liquidity);
        Ok(Traded { amount_in: swap.amount_in, amount_out: swap.amount_out })
    }

    /// Changes a position from `lower` to `upper` by `delta`, as the contracts do: both ticks, and the liquidity if it is in range; or
    /// nothing. `listed` hears of each tick that is newly listed.
    ///
    /// # Errors
    /// The known state forbids the change.
    pub fn reposition(
        &mut self,
        (lower, upper): (i32, i32),
        delta: i128,
        assume_empty: bool,
        mut listed: impl FnMut(i32),
    ) -> Result<Applied, ApplyError> {
        if delta == 0 {
            // A change of nothing only settles fees.
            return Ok(Applied::Irrelevant);
        }
        if lower >= upper {
            return Err(ApplyError::Contradiction);
        }
        let within = lower <= self.tick && self.tick < upper;
        let liquidity = self.liquidity.checked_add_signed(if within { delta } else { 0 });
        let (liquidity, net) = liquidity.zip(delta.checked_neg()).ok_or(ApplyError::Contradiction)?;
        let plan = |tick, net| {
            let change = self.ticks.plan(tick, delta, net, assume_empty);
            change.map(|change| (tick, change)).ok_or(ApplyError::Contradiction)
        };
        for (tick, change) in [plan(lower, delta)?, plan(upper, net)?] {
            if self.ticks.change(tick, change) {
                listed(tick);
            }
        }
        self.liquidity = liquidity;
        Ok(Applied::Changed)
    }
}

/// A pool, as far as a swap goes: where it stands, and what it charges.
#[derive(Clone, Copy, Debug)]
pub struct Curve<'a> {
    /// Where it stands.
    pub at: &'a Standing,
    /// Fee in millionths of the input.
    pub fee_pips: u32,
    /// Words and ticks that are not known are taken as empty.
    pub assume_empty: bool,
}
