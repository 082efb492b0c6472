//! Transactions that wait for a block, and what was missing of those that we have yet to hear of.
//!
//! # Invariants
//! - What waits is offered again behind every block, for five blocks, and then forgotten.
//! - A transaction's misses are fetched so many times a block; then it is left until the next.

use std::collections::HashMap;
use std::sync::Arc;

use alloy_primitives::B256;

use crate::hot::event::Pending;
use crate::hot::event::StateKey;

/// Blocks that a pending transaction may wait for.
const WAITS: u64 = 5;
/// Transactions that wait; beyond it those worth least are not kept for the next block. Twice what fits a block of 60 million gas.
const ROOM: usize = 5_000;
/// Misses of one transaction that are fetched before it is given up until the next block: a trace fetches most at once.
const TRIES: u8 = 12;

/// A transaction that waits.
#[derive(Debug)]
struct Waiting {
    pending: Arc<Pending>,
    /// What it could be expected to bring when it came.
    value: u64,
    since: u64,
    tries: u8,
}

/// All that wait.
#[derive(Debug, Default)]
pub struct Mempool {
    waiting: HashMap<B256, Waiting>,
    /// Misses of transactions that a hot thread heard of before we did.
    early: HashMap<B256, Vec<StateKey>>,
}

/// A miss that is to be fetched.
#[derive(Debug)]
pub struct Miss {
    /// What missed it.
    pub pending: Arc<Pending>,
    /// What is missing.
    pub state_keys: Vec<StateKey>,
    /// Nothing was fetched for it behind this block.
    pub first: bool,
}

impl Mempool {
    /// Another one, heard of behind block `at`. How many were forgotten to make room for it.
    pub fn add(&mut self, pending: Arc<Pending>, value: u64, at: u64) -> usize {
        let forgotten = if self.waiting.len() >= ROOM { self.thin() } else { 0 };
        self.waiting.insert(pending.hash(), Waiting { pending, value, since: at, tries: 0 });
        forgotten
    }

    /// What a hot thread missed of it before it was heard of here.
    pub fn missed_early(&mut self, hash: &B256) -> Option<Vec<StateKey>> {
        self.early.remove(hash)
    }

    /// It waits no more.
    pub fn remove(&mut self, hash: &B256) {
        self.waiting.remove(hash);
    }

    /// The tip is another one: misses behind the last are void.
    pub fn turn(&mut self) {
        self.early.clear();
    }

    /// Those that are to be looked at behind block `number`. As they came: what a sender sent first must be looked at first.
    pub fn again(&mut self, number: u64) -> Vec<&Arc<Pending>> {
        self.waiting.retain(|_, waiting| waiting.since + WAITS > number);
        self.waiting.values_mut().for_each(|waiting| waiting.tries = 0);
        let mut all: Vec<_> = self.waiting.values().map(|waiting| &waiting.pending).collect();
        all.sort_unstable_by_key(|pending| pending.at_ns);
        all
    }

    /// State was missing. `None`: it was fetched often enough, or the transaction has yet to be heard of.
    pub fn miss(&mut self, hash: B256, state_keys: Vec<StateKey>) -> Option<Miss> {
        let Some(waiting) = self.waiting.get_mut(&hash) else {
            self.early.insert(hash, state_keys);
            return None;
        };
        if waiting.tries >= TRIES {
            return None;
        }
        waiting.tries += 1;
        Some(Miss { pending: Arc::clone(&waiting.pending), state_keys, first: waiting.tries == 1 })
    }

    /// It still waits.
    #[must_use]
    pub fn waits(&self, hash: &B256) -> bool {
        self.waiting.contains_key(hash)
    }

    /// It was heard of behind block `at`, and still waits.
    #[must_use]
    pub fn is_new(&self, hash: &B256, at: u64) -> bool {
        self.waiting.get(hash).is_some_and(|waiting| waiting.since >= at)
    }

    /// Forgets the eighth of what waits that is worth least; of those alike the oldest. Many at once, for each time all of
    /// them are gone through.
    fn thin(&mut self) -> usize {
        let least = self.waiting.len() / 8;
        let mut order: Vec<_> =
            self.waiting.iter().map(|(hash, waiting)| (waiting.value, waiting.pending.at_ns, *hash)).collect();
        order.select_nth_unstable(least);
        order[..least].iter().for_each(|(.., hash)| self.remove(hash));
        least
    }
}
