//! The swap itself: the contract's loop over steps, word ends included. V3's and V4's is one.
//!
//! # Invariants
//! - Amounts, price, tick and liquidity are those of the contract's `swap`, to the unit, or the walk is refused.
//! - The walk never passes a word or a tick that is not known, unless the pool's owner chose `assume_empty`.
//!
//! # Cost
//! Two binary searches to start, then one step of `math::swap_step` a stop. No hashing, no allocation.

use crate::amm::QuoteError;
use crate::math::concentrated::Curve;
use crate::math::concentrated::grid::Stop;
use crate::math::concentrated::ticks::Tick;
use crate::math::concentrated::ticks::Ticks;
use crate::math::swap_step;
use crate::math::tick;
use alloy_primitives::U256;

/// What a swap did, or would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// Input taken, fee included.
    pub amount_in: U256,
    /// Output paid.
    pub amount_out: U256,
    /// Price afterwards.
    pub sqrt_price: U256,
    /// Tick afterwards.
    pub tick: i32,
    /// Liquidity in range afterwards.
    pub liquidity: u128,
    /// Initialised ticks crossed.
    pub crossed: u32,
    /// The whole amount was swapped. False when the price limit came first.
    pub complete: bool,
}

/// Furthest price limit the contract accepts, by direction.
pub const LOWEST_LIMIT: U256 = U256::from_limbs([4_295_128_740, 0, 0, 0]);
/// See [`LOWEST_LIMIT`].
pub const HIGHEST_LIMIT: U256 = U256::from_limbs([0x5d95_1d52_6398_8d25, 0xefd1_fc6a_5064_8849, 0xfffd_8963, 0]);

/// The limit that lets a swap go as far as the pool does.
#[inline]
#[must_use]
pub const fn no_limit(zero_for_one: bool) -> U256 {
    if zero_for_one { LOWEST_LIMIT } else { HIGHEST_LIMIT }
}

/// Where the walk stands: price, tick and liquidity as in the contract's loop, and the places in the tables.
pub(super) struct Walk<'a> {
    ticks: &'a Ticks,
    down: bool,
    assume_empty: bool,
    pub(super) sqrt_price: U256,
    pub(super) tick: i32,
    pub(super) liquidity: u128,
    /// Next tick to meet: when going down the one before this index, when going up the one at it.
    next: usize,
    /// Word the contract reads next, and the index of the first known word at or after it.
    position: i32,
    word: usize,
    crossed: u32,
    /// The last move stopped short of a stop, so that the tick is the price's own.
    between: bool,
}

/// Where a walk ended, what is left of the amount, and the counter-amount.
type Ran<'a> = (Walk<'a>, U256, U256);

/// What ends a step.
pub(super) struct End<'a> {
    pub(super) stop: Stop,
    /// The tick there, unless it is a mere end of a word.
    pub(super) tick: Option<&'a Tick>,
    leaves_word: bool,
}

impl<'a> Walk<'a> {
    #[inline]
    pub(super) fn start(curve: Curve<'a>, down: bool) -> Self {
        let (at, ticks) = (curve.at, &curve.at.ticks);
        let position = if down { ticks.grid().word_of(at.tick) } else { ticks.grid().word_above(at.tick) };
        Self {
            ticks,
            down,
            assume_empty: curve.assume_empty,
            sqrt_price: at.sqrt_price,
            tick: at.tick,
            liquidity: at.liquidity,
            next: ticks.list().partition_point(|t| t.tick <= at.tick),
            position,
            word: ticks.word_index(position),
            crossed: 0,
            between: false,
        }
    }

    /// The contract's `nextInitializedTickWithinOneWord`.
    #[inline]
    pub(super) fn end(&self) -> Result<End<'a>, QuoteError> {
        if !self.assume_empty && self.ticks.word_at(self.word) != Some(self.position) {
            return Err(QuoteError::UnknownTick);
        }
        let edge = self.ticks.grid().end(self.position, self.down).ok_or(QuoteError::TooLarge)?;
        let index = if self.down { self.next.checked_sub(1) } else { Some(self.next) };
        let within = |t: &&Tick| {
            if self.down { t.tick >= edge.tick } else { t.tick <= edge.tick }
        };
        Ok(match index.and_then(|i| self.ticks.list().get(i)).filter(within) {
            Some(tick) => End {
                stop: Stop { tick: tick.tick, sqrt_price: tick.sqrt_price },
                tick: Some(tick),
                leaves_word: tick.tick == edge.tick,
            },
            None => End { stop: edge, tick: None, leaves_word: true },
        })
    }

    /// Moves past the end of a step: crosses its tick and turns to the next word where that is due.
    #[inline]
    pub(super) fn pass(&mut self, end: &End<'_>) -> Result<(), QuoteError> {
        if let Some(tick) = end.tick {
            let net = match tick.liquidity {
                Some(liquidity) => liquidity.net,
                None if self.assume_empty => 0,
                None => return Err(QuoteError::UnknownTick),
            };
            // Out of range means the contract's addDelta reverts.
            let moved = if self.down { subtract(self.liquidity, net) } else { self.liquidity.checked_add_signed(net) };
            self.liquidity = moved.ok_or(QuoteError::TooLarge)?;
            self.next = if self.down { self.next - 1 } else { self.next + 1 };
            self.crossed += 1;
        }
        self.tick = if self.down { end.stop.tick - 1 } else { end.stop.tick };
        if end.leaves_word {
            self.turn();
        }
        Ok(())
    }

    #[inline]
    fn turn(&mut self) {
        if self.down {
            self.position -= 1;
            if self.word > 0 && self.ticks.word_at(self.word - 1) == Some(self.position) {
                self.word -= 1;
            }
        } else {
            if self.ticks.word_at(self.word) == Some(self.position) {
                self.word += 1;
            }
            self.position += 1;
        }
    }
}

/// `liquidity - net` with the contract's bounds.
#[inline]
const fn subtract(liquidity: u128, net: i128) -> Option<u128> {
    if net < 0 { liquidity.checked_add(net.unsigned_abs()) } else { liquidity.checked_sub(net.unsigned_abs()) }
}

impl<'a> Curve<'a> {
    /// The contract's `swap`: `amount` is the input when `exact_in`, else the output. `down`: token 0 goes in.
    ///
    /// # Errors
    /// Where the contract reverts: `TooSmall` for zero ("AS"), `TooLarge` for amounts past int256, a limit behind the price ("SPL")
    /// or an unset price. Or the walk meets what is not known.
    #[inline]
    pub fn swap(self, down: bool, exact_in: bool, amount: U256, limit: U256) -> Result<Swap, QuoteError> {
        let (walk, left, other) = self.run(down, exact_in, amount, limit)?;
        let done = amount - left;
        let (amount_in, amount_out) = if exact_in { (done, other) } else { (other, done) };
        let Walk { sqrt_price, liquidity, crossed, .. } = walk;
        let tick = if walk.between { tick::tick_at(sqrt_price).ok_or(QuoteError::TooLarge)? } else { walk.tick };
        Ok(Swap { amount_in, amount_out, sqrt_price, tick, liquidity, crossed, complete: left.is_zero() })
    }

    /// The counter-amount of a swap that must be filled. Saves the tick, which no quote needs.
    ///
    /// # Errors
    /// As [`Curve::swap`], and where the pool cannot fill all of it.
    #[inline]
    pub fn fill(self, down: bool, exact_in: bool, amount: U256) -> Result<U256, QuoteError> {
        let (_, left, other) = self.run(down, exact_in, amount, no_limit(down))?;
        if left.is_zero() { Ok(other) } else { Err(QuoteError::TooLarge) }
    }

    #[inline]
    fn run(self, down: bool, exact_in: bool, amount: U256, limit: U256) -> Result<Ran<'a>, QuoteError> {
        if exact_in { self.walk::<true>(down, amount, limit) } else { self.walk::<false>(down, amount, limit) }
    }

    fn walk<const EXACT_IN: bool>(self, down: bool, amount: U256, limit: U256) -> Result<Ran<'a>, QuoteError> {
        if amount.is_zero() {
            return Err(QuoteError::TooSmall);
        }
        let price = self.at.sqrt_price;
        let behind =
            if down { limit >= price || limit < LOWEST_LIMIT } else { limit <= price || limit > HIGHEST_LIMIT };
        if behind || price.is_zero() || amount.bit_len() > 255 {
            return Err(QuoteError::TooLarge);
        }
        let mut walk = Walk::start(self, down);
        let (mut left, mut other) = (amount, U256::ZERO);
        while !left.is_zero() && walk.sqrt_price != limit {
            let end = walk.end()?;
            let past = if down { end.stop.sqrt_price < limit } else { end.stop.sqrt_price > limit };
            let target = if past { limit } else { end.stop.sqrt_price };
            let step = if EXACT_IN {
                swap_step::exact_in(walk.sqrt_price, target, walk.liquidity, left, self.fee_pips)
            } else {
                swap_step::exact_out(walk.sqrt_price, target, walk.liquidity, left, self.fee_pips)
            };
            let step = step.ok_or(QuoteError::TooLarge)?;
            let (used, gained) =
                if EXACT_IN { (step.amount_in, step.amount_out) } else { (step.amount_out, step.amount_in) };
            // A step takes no more than what is left.
            left = left.checked_sub(used).ok_or(QuoteError::TooLarge)?;
            other = other.checked_add(gained).ok_or(QuoteError::TooLarge)?;
            if step.sqrt_price == end.stop.sqrt_price {
                walk.pass(&end)?;
                walk.between = false;
            } else if step.sqrt_price != walk.sqrt_price {
                walk.between = true;
            }
            walk.sqrt_price = step.sqrt_price;
        }
        Ok((walk, left, other))
    }
}
