//! What search believes would pay: a cycle, what goes in, and what each pool is to pay on the way.
//!
//! # Invariants
//! - Only search can make one. The amounts are the pools' own integer quotes in the view it was found in.
//! - Every amount fits 128 bits, as the executor's calldata demands.
//!
//! # Cost
//! Plain data of fixed size; copying is a `memcpy`.

use crate::hot::search::MAX_HOPS;
use crate::hot::search::sizing::Best;
use crate::hot::state::pools::Edge;
use crate::types::amount::Wei;
use crate::types::id::TokenId;

/// A cycle with its best amounts.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    hops: [Edge; MAX_HOPS],
    best: Best,
    value: Option<Wei>,
}

impl Candidate {
    /// `None` without hops, or when `best` is of a cycle of another length.
    pub(in crate::hot::search) fn new(
        hops: impl Iterator<Item = Edge> + Clone,
        best: Best,
        value: Option<Wei>,
    ) -> Option<Self> {
        let mut filled = [hops.clone().next()?; MAX_HOPS];
        let mut count = 0;
        for (slot, hop) in filled.iter_mut().zip(hops) {
            *slot = hop;
            count += 1;
        }
        (count + 1 == best.amounts().len()).then_some(Self { hops: filled, best, value })
    }

    /// The pools in order, with the token that goes into and comes out of each.
    #[must_use]
    pub fn hops(&self) -> &[Edge] {
        &self.hops[..self.best.amounts().len() - 1]
    }

    /// What goes into the first pool, then what comes out of each.
    #[must_use]
    pub fn amounts(&self) -> &[u128] {
        self.best.amounts()
    }

    /// The token that goes in first and comes out last.
    #[must_use]
    pub const fn start(&self) -> TokenId {
        self.hops[0].token_in
    }

    /// What is left of the start token, before gas and bid, in its units.
    #[must_use]
    pub fn gross(&self) -> u128 {
        self.best.profit()
    }

    /// The gross profit in ether. `None` when the pools know no way to it.
    #[must_use]
    pub const fn value(&self) -> Option<Wei> {
        self.value
    }

    /// How the amounts were found.
    #[must_use]
    pub const fn best(&self) -> &Best {
        &self.best
    }
}
