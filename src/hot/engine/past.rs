//! How pools stood before the blocks that changed them: what a reorg goes back to.
//!
//! # Invariants
//! - Of a pool the records lie in the order of the blocks. Those behind the first `held` are kept for their buffers.
//! - Of a pool that no block held has changed nothing is kept.
//!
//! # Cost
//! One copy a pool and block, into a buffer of the same pool's: nothing allocates for a pool that was changed as often before
//! within the blocks held.

use std::collections::VecDeque;

use alloy_primitives::map::Entry;
use alloy_primitives::map::HashMap;

use crate::protocols::AnyPool;
use crate::types::id::PoolId;

#[derive(Debug, Default)]
struct Records {
    held: usize,
    all: VecDeque<AnyPool>,
}

/// Records of all pools.
#[derive(Debug, Default)]
pub struct Past(HashMap<PoolId, Records>);

impl Records {
    /// The record behind those held, made to be `pool`.
    fn spare(&mut self, pool: &AnyPool) -> Option<&mut AnyPool> {
        match self.all.get_mut(self.held) {
            Some(spare) => spare.clone_from(pool),
            None => self.all.push_back(pool.clone()),
        }
        self.all.get_mut(self.held)
    }
}

impl Past {
    /// A block is about to change this pool.
    pub fn keep(&mut self, id: PoolId, pool: &AnyPool) {
        let records = self.0.entry(id).or_default();
        records.spare(pool);
        records.held += 1;
    }

    /// A copy of a pool that is kept, to try something on. It is no record.
    pub fn copy(&mut self, id: PoolId, pool: &AnyPool) -> Option<&mut AnyPool> {
        self.0.get_mut(&id)?.spare(pool)
    }

    /// The oldest record of this pool will not be gone back to.
    pub fn retire(&mut self, id: PoolId) {
        let Entry::Occupied(mut entry) = self.0.entry(id) else { return };
        let records = entry.get_mut();
        records.held -= 1;
        records.all.rotate_left(1);
        if records.held == 0 {
            entry.remove();
        }
    }

    /// The block that last changed this pool is undone: `restore` is given the pool as it stood before.
    pub fn back(&mut self, id: PoolId, restore: impl FnOnce(&AnyPool)) {
        let Entry::Occupied(mut entry) = self.0.entry(id) else { return };
        let records = entry.get_mut();
        records.held -= 1;
        if let Some(record) = records.all.get(records.held) {
            restore(record);
        }
        if records.held == 0 {
            entry.remove();
        }
    }
}
