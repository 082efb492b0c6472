//! In which order cycles that passed the screen are sized: the most promising first, for a budget of work may end before
//! the list does.
//!
//! A chain of constant products pays `p x / (1 + k x)` for `x`, with `p` the product of its marginal rates and `k` the sum,
//! over its hops, of what one unit at the start has become there, over the hop's depth. Its best input leaves
//! `(sqrt(p) - 1)^2 / k`: the promise. A curve made of stretches keeps it as far as its first stretch goes.
//!
//! # Invariants
//! - Of the same view and cycles the same order comes out: by promise in ether, then by id.
//! - The order is all that it decides: with enough budget, every cycle is sized.
//!
//! # Cost
//! Two loads a hop of a cycle that passed; making the heap is linear, taking one off it logarithmic. Nothing allocates once
//! warm.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::hot::search::cycles::CycleId;
use crate::hot::search::cycles::Cycles;
use crate::hot::search::screen::Kept;
use crate::hot::state::view::View;
use crate::types::id::TokenId;

/// A cycle with what it promises.
#[derive(Clone, Copy, Debug)]
struct Ranked {
    promise: f64,
    id: CycleId,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        // The greatest comes first: of equal promise the lower id.
        self.promise.total_cmp(&other.promise).then_with(|| other.id.cmp(&self.id))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

/// The cycles that wait to be sized.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    heap: BinaryHeap<Ranked>,
    /// What a unit of each base token is worth in ether.
    worth: Vec<f64>,
}

impl Queue {
    /// Takes in what passed the screen; what was left of the last search is forgotten.
    pub fn fill<V: View>(&mut self, cycles: &Cycles, view: &V, kept: &[Kept]) {
        self.worth.clear();
        self.worth.extend(cycles.bases().iter().map(|base| worth(cycles, view, *base)));
        let mut list = std::mem::take(&mut self.heap).into_vec();
        list.clear();
        let worth = &self.worth;
        list.extend(kept.iter().map(|kept| Ranked { promise: promise(cycles, view, worth, *kept), id: kept.id }));
        self.heap = list.into();
    }

    /// The most promising that is left.
    pub fn pop(&mut self) -> Option<CycleId> {
        self.heap.pop().map(|ranked| ranked.id)
    }

    /// How many are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

/// A cycle's best profit in ether, were its pools constant products.
fn promise<V: View>(cycles: &Cycles, view: &V, worth: &[f64], kept: Kept) -> f64 {
    let (rates, depths) = (view.margins().rates(), view.margins().depths());
    let hops = cycles.hops(kept.id);
    let (mut here, mut slip) = (1.0, 0.0);
    for edge in hops {
        slip += here / depths[edge.index()];
        here *= rates[edge.index()];
    }
    let start = view.tables().edge(hops[0]).token_in;
    let worth = cycles.bases().iter().position(|base| *base == start).map_or(0.0, |at| worth[at]);
    let gain = kept.product.sqrt() - 1.0;
    // Within the screen's margin below one there is nothing to gain.
    if gain < 0.0 { 0.0 } else { gain * gain / slip * worth }
}

/// Ether for a unit of a base token, by the deepest pool between them; zero without any.
fn worth<V: View>(cycles: &Cycles, view: &V, base: TokenId) -> f64 {
    let Some(ether) = cycles.bases().first().filter(|ether| **ether != base) else { return 1.0 };
    let (rates, depths) = (view.margins().rates(), view.margins().depths());
    let ways = cycles.graph().between(base, *ether).iter().map(|way| way.edge.index());
    ways.max_by(|a, b| depths[*a].total_cmp(&depths[*b])).map_or(0.0, |edge| rates[edge])
}
