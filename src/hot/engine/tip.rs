//! The tip of the chain: what the last blocks changed, so that a reorg can take it back, and the terms of the next one.
//!
//! # Invariants
//! - Machine and pools stand behind `head`, always both.
//! - A pool's storage and its logs must tell the same story of a block. Where they do not, the pool is quarantined.
//! - Holds [`DEPTH`] blocks. A deeper reorg is for the edge: it loads the state anew.
//!
//! # Cost
//! Once as many blocks are held, a block that changes what blocks before it changed allocates nothing: what is kept of it is
//! written over what was kept of the oldest.
//!
//! # Limits
//! - The next block's builder, randomness and blob price are not known: they are taken to be the last one's.

use std::collections::VecDeque;
use std::sync::Arc;

use alloy_primitives::B256;
use alloy_primitives::U256;
use revm::context::BlockEnv;

use crate::hot::bundle::fees::Parent;
use crate::hot::engine::past::Past;
use crate::hot::evm::block::BlockFields;
use crate::hot::evm::db::Before;
use crate::hot::evm::db::Learnt;
use crate::hot::evm::fork::Fork;
use crate::hot::evm::fork::Rules;
use crate::hot::evm::machine::Machine;
use crate::hot::state::pools::Pools;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::types::amount::Gas;
use crate::types::amount::WeiPerGas;
use crate::types::id::PoolId;
use crate::types::pool_key::PoolKey;
use crate::types::update::AccountUpdate;
use crate::types::update::BlockUpdate;
use crate::types::update::Desync;
use crate::types::update::Head;
use crate::types::update::LogUpdate;

/// Blocks that can be undone: two epochs. Finality is never further away while the chain is well.
pub const DEPTH: usize = 64;

/// How a block changed the state, to take it back by.
#[derive(Debug)]
struct Entry {
    below: Head,
    update: Arc<BlockUpdate>,
    /// How many pools it changed.
    pools: usize,
    /// Pools told as they stand behind this block: below it nothing is known of them.
    fetched: Vec<PoolId>,
    /// State told behind this block. The block's own news do not speak of it: it was not known when the block came.
    learnt: Vec<Learnt>,
}

/// What of a block reaches a pool: a place among its accounts, or among its logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hit {
    Account(usize),
    Log(usize),
}

/// Where the state stands.
#[derive(Debug)]
pub struct Tip {
    rules: Rules,
    slot_seconds: u64,
    head: Head,
    log: VecDeque<Entry>,
    /// What the blocks of `log` wrote over.
    before: Before,
    past: Past,
    /// Pools that they changed, and whether those were in quarantine: of each block in order.
    pools: VecDeque<(PoolId, bool)>,
    touched: Vec<(PoolId, bool)>,
    hits: Vec<(PoolId, Hit)>,
    /// An account's slots, in order.
    slots: Vec<(U256, U256)>,
}

impl Tip {
    /// Behind `head`, on a chain of these rules that makes a block every `slot_seconds`.
    #[must_use]
    pub fn new(head: Head, rules: Rules, slot_seconds: u64) -> Self {
        Self {
            rules,
            slot_seconds,
            head,
            log: VecDeque::with_capacity(DEPTH + 1),
            before: Before::default(),
            past: Past::default(),
            pools: VecDeque::new(),
            touched: Vec::new(),
            hits: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// The last block.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The last block as the fees of the next one see it.
    #[must_use]
    pub fn parent(&self) -> Parent {
        let head = &self.head;
        Parent {
            number: head.number,
            hash: head.hash,
            gas_limit: Gas(head.gas_limit),
            gas_used: Gas(head.gas_used),
            base_fee: WeiPerGas(u128::from(head.base_fee)),
            rule: self.rules.base_fee(),
        }
    }

    /// Puts the machine into the next block.
    pub fn enter(&self, machine: &mut Machine) {
        let (fork, block) = self.next();
        machine.enter(fork, block);
    }

    /// The next block's rules, and the block itself as far as it is known.
    #[must_use]
    pub fn next(&self) -> (Fork, BlockEnv) {
        let next = Head {
            number: self.head.number.saturating_add(1),
            timestamp: self.head.timestamp.saturating_add(self.slot_seconds),
            base_fee: u64::try_from(self.parent().next_base_fee().0).unwrap_or(u64::MAX),
            ..self.head
        };
        let fork = self.rules.at(next.number, next.timestamp);
        (fork, BlockFields::from(&next).env(fork))
    }

    /// Goes one block up. `broken` is given the pools whose change was not understood; they are quarantined.
    pub fn grow(
        &mut self,
        machine: &mut Machine,
        pools: &mut Pools<AnyPool>,
        update: &Arc<BlockUpdate>,
        broken: &mut Vec<PoolKey>,
    ) -> Result<(), Desync> {
        if update.head.parent != self.head.hash {
            return Err(Desync::NotAChild { number: update.head.number });
        }
        let mut hits = std::mem::take(&mut self.hits);
        reached(pools, update, &mut hits);
        self.touched.clear();
        machine.db_mut().apply(&update.accounts, &mut self.before);
        machine.db_mut().tell_block_hash(update.head.number, update.head.hash);
        for hits in hits.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((id, _)) = hits.first().copied() else { continue };
            let out = pools.is_quarantined(id);
            self.touched.push((id, out));
            self.past.keep(id, pools.pool(id));
            if !out && !self.follow(pools, hits, update) {
                pools.quarantine(id, true);
                broken.push(pools.pool(id).key());
            }
        }
        self.hits = hits;
        self.pools.extend(&self.touched);
        self.log.push_back(Entry {
            below: self.head,
            update: Arc::clone(update),
            pools: self.touched.len(),
            fetched: Vec::new(),
            learnt: Vec::new(),
        });
        if self.log.len() > DEPTH {
            self.retire();
        }
        self.head = update.head;
        self.enter(machine);
        Ok(())
    }

    /// Lets go of the oldest block: there is no way back below the next.
    fn retire(&mut self) {
        let Some(oldest) = self.log.pop_front() else { return };
        self.before.retire(&oldest.update.accounts);
        for (id, _) in self.pools.drain(..oldest.pools) {
            self.past.retire(id);
        }
    }

    /// Brings the pool of these hits up to date. False when the news do not make sense of it.
    fn follow(&mut self, pools: &mut Pools<AnyPool>, hits: &[(PoolId, Hit)], update: &BlockUpdate) -> bool {
        let Some((id, _)) = hits.first().copied() else { return true };
        let log = |(_, hit): &(PoolId, Hit)| if let Hit::Log(place) = hit { update.logs.get(*place) } else { None };
        let logs = || hits.iter().filter_map(log);
        if pools.pool(id).log_fed() {
            return pools.edit(id, |pool| apply_logs(pool, logs()));
        }
        let Some(fetched) = self.past.copy(id, pools.pool(id)) else { return false };
        let account =
            |(_, hit): &(PoolId, Hit)| if let Hit::Account(place) = hit { update.accounts.get(*place) } else { None };
        let slots = &mut self.slots;
        let mut accounts = hits.iter().filter_map(account);
        let stored = accounts.all(|account| pools.edit(id, |pool| apply_slots(pool, account, slots)));
        stored && (!fetched.logs_state() || apply_logs(fetched, logs()) && fetched.agrees(pools.pool(id)))
    }

    /// A pool was told as it stands at the tip.
    pub fn fetched(&mut self, pool: PoolId) {
        if let Some(entry) = self.log.back_mut() {
            entry.fetched.push(pool);
        }
    }

    /// State was told as it is at the tip: what of it was new.
    pub fn learnt(&mut self, learnt: Learnt) {
        if let Some(entry) = self.log.back_mut() {
            entry.learnt.push(learnt);
        }
    }

    /// The blocks above the one of this hash, the newest first: what going back to it undoes.
    #[must_use]
    pub fn above(&self, hash: B256) -> Vec<Arc<BlockUpdate>> {
        let above = self.log.iter().rev().take_while(|entry| entry.update.head.hash != hash);
        above.map(|entry| Arc::clone(&entry.update)).collect()
    }

    /// Goes back down to the block of this hash. `broken` is given the pools of which nothing is known down there; they
    /// are quarantined.
    pub fn undo(
        &mut self,
        machine: &mut Machine,
        pools: &mut Pools<AnyPool>,
        to: B256,
        broken: &mut Vec<PoolKey>,
    ) -> Result<(), Desync> {
        while self.head.hash != to {
            let entry = self.log.pop_back().ok_or(Desync::TooDeep)?;
            // What was learnt behind the block goes first: it is not to be taken out of what stood before it.
            entry.learnt.into_iter().for_each(|learnt| machine.db_mut().forget(learnt));
            machine.db_mut().undo(&entry.update.accounts, &mut self.before);
            for (id, out) in self.pools.drain(self.pools.len() - entry.pools..) {
                self.past.back(id, |old| pools.edit(id, |now| now.clone_from(old)));
                pools.quarantine(id, out);
            }
            for id in entry.fetched {
                pools.quarantine(id, true);
                broken.push(pools.pool(id).key());
            }
            self.head = entry.below;
        }
        self.enter(machine);
        Ok(())
    }
}

/// The pools whose state the news speak of, in order, and what of the news it is, in the place of what `hits` holds.
fn reached(pools: &Pools<AnyPool>, update: &BlockUpdate, hits: &mut Vec<(PoolId, Hit)>) {
    let sites = pools.sites();
    hits.clear();
    for (place, account) in update.accounts.iter().enumerate() {
        let hit = Hit::Account(place);
        if account.destroyed {
            hits.extend(sites.at(account.address).iter().map(|id| (*id, hit)));
        } else {
            sites.of_slots(account.address, account.slots.iter().map(|(slot, _)| *slot), |id| hits.push((id, hit)));
        }
    }
    for (place, log) in update.logs.iter().enumerate() {
        sites.of_log(log.address, &log.topics, |id| hits.push((id, Hit::Log(place))));
    }
    hits.sort_unstable();
    hits.dedup();
}

fn apply_slots(pool: &mut AnyPool, account: &AccountUpdate, slots: &mut Vec<(U256, U256)>) -> bool {
    if account.destroyed || account.slots.is_empty() {
        return !account.destroyed;
    }
    // Slots come in no order, though most nodes tell them in theirs, and a pool's answer must not depend on it.
    if account.slots.is_sorted() {
        return pool.apply_slots(account.address, &account.slots).is_ok();
    }
    slots.clone_from(&account.slots);
    slots.sort_unstable();
    pool.apply_slots(account.address, slots).is_ok()
}

fn apply_logs<'a>(pool: &mut AnyPool, mut logs: impl Iterator<Item = &'a LogUpdate>) -> bool {
    logs.all(|log| pool.apply_log(log.address, &log.topics, &log.data).is_ok())
}
