//! A transaction's run, as the pools feel it: its storage diff, or its logs, laid over the table of pools.
//!
//! # Invariants
//! - The table does not change; touched pools stand in the overlay in their new state, everything else is shared.
//! - A pool whose storage we can read is fed from storage alone, a log-fed one from logs alone.

use alloy_primitives::U256;
use revm::state::EvmState;

use crate::hot::evm::machine::Executed;
use crate::hot::state::pools::Pools;
use crate::hot::state::view::Overlay;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::amm::Applied;
use crate::types::id::PoolId;

/// What a transaction did to the pools. Buffers are reused.
#[derive(Debug, Default)]
pub struct Touched {
    /// Pools that quote differently now, in order.
    pub moved: Vec<PoolId>,
    /// Pools whose change was not understood: to be quarantined.
    pub broken: Vec<PoolId>,
    changes: Vec<(U256, U256)>,
    reached: Vec<PoolId>,
}

impl Touched {
    /// Forgets the last transaction.
    pub fn clear(&mut self) {
        self.moved.clear();
        self.broken.clear();
    }

    /// Lays `executed` over `pools`. Clears the overlay first.
    pub fn apply(&mut self, pools: &Pools<AnyPool>, overlay: &mut Overlay<AnyPool>, executed: &Executed) {
        overlay.clear();
        self.clear();
        if !executed.is_success() {
            return;
        }
        self.storage(pools, overlay, &executed.diff);
        self.logs(pools, overlay, executed);
        self.moved.sort_unstable();
        self.moved.dedup();
        self.broken.sort_unstable();
        self.broken.dedup();
        for id in &self.broken {
            overlay.silence(pools, *id);
        }
    }

    /// Lays what a run left behind the last transaction over an overlay of its own: `moved` and `broken` stay that one's. A pool
    /// whose storage we cannot read, and one that was not understood, is kept out of it.
    pub fn also(&mut self, pools: &Pools<AnyPool>, overlay: &mut Overlay<AnyPool>, diff: &EvmState) {
        let (moved, broken) = (self.moved.len(), self.broken.len());
        self.storage(pools, overlay, diff);
        self.moved.truncate(moved);
        for id in self.broken.drain(broken..) {
            overlay.silence(pools, id);
        }
        for address in diff.iter().filter(|(_, account)| account.is_touched()).map(|(address, _)| *address) {
            for id in pools.sites().at(address).iter().filter(|id| pools.pool(**id).log_fed()) {
                overlay.silence(pools, *id);
            }
        }
    }

    fn storage(&mut self, pools: &Pools<AnyPool>, overlay: &mut Overlay<AnyPool>, diff: &EvmState) {
        let Self { moved, broken, changes, reached } = self;
        for (address, account) in diff {
            if account.is_selfdestructed() {
                broken.extend_from_slice(pools.sites().at(*address));
                continue;
            }
            reached.clear();
            let slots = account.changed_storage_slots().map(|(slot, _)| *slot);
            pools.sites().of_slots(*address, slots, |id| reached.push(id));
            if reached.is_empty() {
                continue;
            }
            reached.sort_unstable();
            reached.dedup();
            changes.clear();
            changes.extend(account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value)));
            // Slots come in no order, and a pool's answer must not depend on it.
            changes.sort_unstable();
            for id in reached.iter().copied() {
                match overlay.edit(pools, id, |pool| pool.apply_slots(*address, changes)) {
                    Ok(Applied::Changed) => moved.push(id),
                    Ok(Applied::Irrelevant) => (),
                    Err(_) => broken.push(id),
                }
            }
        }
    }

    fn logs(&mut self, pools: &Pools<AnyPool>, overlay: &mut Overlay<AnyPool>, executed: &Executed) {
        let Self { moved, broken, .. } = self;
        for log in executed.logs() {
            pools.sites().of_log(log.address, log.topics(), |id| {
                if !pools.pool(id).log_fed() {
                    return;
                }
                match overlay.edit(pools, id, |pool| pool.apply_log(log.address, log.topics(), &log.data.data)) {
                    Ok(Applied::Changed) => moved.push(id),
                    Ok(Applied::Irrelevant) => (),
                    Err(_) => broken.push(id),
                }
            });
        }
    }
}
