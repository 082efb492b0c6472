//! A cycle's pools, walked exactly, forwards and backwards.
//!
//! # Invariants
//! - `None` means outside of what the pools can swap, know, or 128 bits can hold. All of it is monotone: where an amount
//!   is outside, so is every larger one.
//! - Too small an amount swaps to nothing.
//!
//! # Cost
//! One quote a hop. Nothing allocates.

use alloy_primitives::U256;

use crate::hot::search::MAX_HOPS;
use crate::hot::state::pools::EdgeId;
use crate::hot::state::view::View;
use crate::protocols::amm::Amm;
use crate::protocols::amm::Leg;
use crate::protocols::amm::QuoteError;

/// What it takes and gives to have an amount at some point of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The amount there.
    pub amount: u128,
    /// Smallest input of the whole path that reaches it.
    pub input: u128,
    /// What the rest of the path makes of it.
    pub output: u128,
}

impl Point {
    /// No trade.
    pub const ZERO: Self = Self { amount: 0, input: 0, output: 0 };

    /// Output less input. Both are held to 127 bits by [`Path`].
    #[must_use]
    pub const fn profit(&self) -> i128 {
        self.output as i128 - self.input as i128
    }
}

/// Up to [`MAX_HOPS`] legs in a row.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a, P> {
    hops: [(&'a P, Leg); MAX_HOPS],
    len: usize,
}

impl<'a, P: Amm> Path<'a, P> {
    /// A path over legs. `None` without legs, or with more than [`MAX_HOPS`].
    pub fn new(legs: impl IntoIterator<Item = (&'a P, Leg)>) -> Option<Self> {
        let mut legs = legs.into_iter();
        let mut hops = [legs.next()?; MAX_HOPS];
        let mut len = 1;
        for leg in legs {
            *hops.get_mut(len)? = leg;
            len += 1;
        }
        Some(Self { hops, len })
    }

    /// The path of a cycle's edges in a view.
    pub fn of<V: View<Pool = P>>(view: &'a V, edges: &[EdgeId]) -> Option<Self> {
        Self::new(edges.iter().map(|id| {
            let edge = view.tables().edge(*id);
            (view.pool(edge.pool), edge.leg)
        }))
    }

    /// The legs in order.
    #[must_use]
    pub fn hops(&self) -> &[(&'a P, Leg)] {
        &self.hops[..self.len]
    }

    /// All of its pools quote as their stretches say.
    #[must_use]
    pub fn follows_stretches(&self) -> bool {
        self.hops().iter().all(|(pool, _)| pool.follows_stretches())
    }

    /// What `amount` at position `from` has become at the end.
    #[must_use]
    pub fn forward(&self, from: usize, amount: u128) -> Option<u128> {
        self.hops()[from..].iter().try_fold(amount, |amount, hop| pay(*hop, amount))
    }

    /// Smallest input of the path that has at least `amount` at position `to`.
    #[must_use]
    pub fn backward(&self, to: usize, amount: u128) -> Option<u128> {
        self.hops()[..to].iter().rev().try_fold(amount, |amount, hop| cost(*hop, amount))
    }

    /// What it takes and gives to have `amount` at position `at`.
    #[must_use]
    pub fn at(&self, at: usize, amount: u128) -> Option<Point> {
        let input = self.backward(at, amount)?;
        let output = self.forward(at, amount)?;
        // 2^127 of a token's units is no amount of anything; this keeps every difference in an i128.
        (input.max(output) <= i128::MAX as u128).then_some(Point { amount, input, output })
    }

    /// The amount at every position for an input.
    #[must_use]
    pub fn amounts(&self, input: u128) -> Option<[u128; MAX_HOPS + 1]> {
        let mut amounts = [0; MAX_HOPS + 1];
        amounts[0] = input;
        for (i, hop) in self.hops().iter().enumerate() {
            amounts[i + 1] = pay(*hop, amounts[i])?;
        }
        Some(amounts)
    }
}

fn pay<P: Amm>((pool, leg): (&P, Leg), amount: u128) -> Option<u128> {
    match pool.quote_in(leg, U256::from(amount)) {
        Ok(out) => u128::try_from(out).ok(),
        Err(QuoteError::TooSmall) => Some(0),
        Err(QuoteError::TooLarge | QuoteError::UnknownTick) => None,
    }
}

fn cost<P: Amm>((pool, leg): (&P, Leg), amount: u128) -> Option<u128> {
    if amount == 0 {
        return Some(0);
    }
    u128::try_from(pool.quote_out(leg, U256::from(amount)).ok()?).ok()
}
