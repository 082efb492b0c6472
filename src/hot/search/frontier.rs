//! What a search has left to give, best first, sized no sooner than it must be.
//!
//! A cycle's curve bounds what any input of it can leave, for a hundredth of what finding that input costs. So cycles wait by
//! that bound in ether; the one that promises most is sized, and goes back with what it is worth; and what comes up sized
//! is the best of all that is left, whatever the others would come to.
//!
//! # Invariants
//! - What is taken out comes in one order, the same as if all had been sized first: by value in ether, best first, those of
//!   unknown value last, then by id.
//! - A bound is of every amount up to a cycle's most: sales quote monotonously, and where one refuses there is no bound.
//!
//! # Cost
//! A heap operation for what goes in and what comes out. Buffers are kept.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use alloy_primitives::U256;

use crate::hot::search::Candidate;
use crate::hot::search::cycles::CycleId;
use crate::hot::search::value::Bound;

/// A cycle that waits, in the order in which it comes up: the greatest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    /// The most it can be worth in ether, or what it is worth. `None`, of unknown value, lies below all.
    most: Option<U256>,
    /// A bound comes up before what is worth as much: there may be more of the same value behind it.
    open: bool,
    id: Reverse<CycleId>,
    /// Where the candidate lies, of a cycle that was sized.
    at: usize,
}

/// What comes up.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// To be sized: it may be the best.
    Open(CycleId),
    /// The best of what is left: where [`Frontier::sized`] has it.
    Best(usize),
}

/// Cycles by what they can be worth. Keeps its buffers.
#[derive(Debug, Default)]
pub struct Frontier {
    heap: BinaryHeap<Waiting>,
    sized: Vec<Candidate>,
    /// Of the heap, those that are not sized.
    open: usize,
}

impl Frontier {
    /// Forgets what is left.
    pub fn clear(&mut self) {
        self.heap.clear();
        self.sized.clear();
        self.open = 0;
    }

    /// Takes in a cycle.
    pub fn wait(&mut self, id: CycleId, bound: Bound) {
        self.open += 1;
        let most = match bound {
            Bound::Never => None,
            Bound::Within(most) => Some(most.0),
            Bound::Open => Some(U256::MAX),
        };
        self.heap.push(Waiting { most, open: true, id: Reverse(id), at: 0 });
    }

    /// Takes in what a cycle came to.
    pub fn put(&mut self, id: CycleId, candidate: Candidate) {
        let most = candidate.value().map(|value| value.0);
        self.heap.push(Waiting { most, open: false, id: Reverse(id), at: self.sized.len() });
        self.sized.push(candidate);
    }

    /// What comes up, if it can be worth more than `floor`; without a floor whatever it is worth.
    pub fn take(&mut self, floor: Option<U256>) -> Option<Next> {
        let top = self.heap.peek()?;
        // `None` is less than any value, and no more than itself.
        if floor.is_some() && top.most <= floor {
            return None;
        }
        let top = self.heap.pop()?;
        if top.open {
            self.open -= 1;
            return Some(Next::Open(top.id.0));
        }
        Some(Next::Best(top.at))
    }

    /// What a cycle that was sized came to.
    #[must_use]
    pub fn sized(&self, at: usize) -> Option<&Candidate> {
        self.sized.get(at)
    }

    /// Drops what is not sized, and tells how many those are.
    pub fn give_up(&mut self) -> usize {
        self.heap.retain(|waiting| !waiting.open);
        std::mem::take(&mut self.open)
    }

    /// How many are left, sized or not.
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
