//! The tip of the chain: what the last blocks changed, so that a reorg can take it back, and the terms of the next one.
//!
//! # Invariants
//! - Machine and pools stand behind `head`, always both.
//! - A pool's storage and its logs must tell the same story of a block. Where they do not, the pool is quarantined.
//! - Holds [`DEPTH`] blocks. A deeper reorg is for the edge: it loads the state anew.
//!
//! # Limits
//! - The next block's builder, randomness and blob price are not known: they are taken to be the last one's.

use std::collections::VecDeque;
use std::sync::Arc;

use alloy_primitives::Address;
use alloy_primitives::B256;
use revm::context::BlockEnv;

use crate::hot::build::fees::Parent;
use crate::hot::evm::block::Terms;
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
use crate::types::news::AccountNews;
use crate::types::news::Adrift;
use crate::types::news::BlockNews;
use crate::types::news::Head;
use crate::types::news::LogNews;

/// Blocks that can be undone: two epochs. Finality is never further away while the chain is well.
pub const DEPTH: usize = 64;

/// How a block changed the state, for whoever takes it back.
#[derive(Debug)]
struct Entry {
    below: Head,
    news: Arc<BlockNews>,
    before: Before,
    pools: Vec<(PoolId, AnyPool, bool)>,
    /// Pools told as they stand behind this block: below it nothing is known of them.
    told: Vec<PoolId>,
    /// State told behind this block. The block's own news do not speak of it: it was not known when the block came.
    learnt: Vec<Learnt>,
}

/// Where the state stands.
#[derive(Debug)]
pub struct Tip {
    rules: Rules,
    slot_seconds: u64,
    head: Head,
    log: VecDeque<Entry>,
}

impl Tip {
    /// Behind `head`, on a chain of these rules that makes a block every `slot_seconds`.
    #[must_use]
    pub fn new(head: Head, rules: Rules, slot_seconds: u64) -> Self {
        Self { rules, slot_seconds, head, log: VecDeque::with_capacity(DEPTH) }
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
        (fork, Terms::from(&next).env(fork))
    }

    /// Goes one block up. `broken` is given the pools whose change was not understood; they are quarantined.
    pub fn grow(
        &mut self,
        machine: &mut Machine,
        pools: &mut Pools<AnyPool>,
        news: &Arc<BlockNews>,
        broken: &mut Vec<Address>,
    ) -> Result<(), Adrift> {
        if news.head.parent != self.head.hash {
            return Err(Adrift::NotAChild { number: news.head.number });
        }
        let touched = touched(pools, news);
        let pools_before = keep(pools, &touched);
        let before = machine.db_mut().apply(&news.accounts);
        machine.db_mut().tell_block_hash(news.head.number, news.head.hash);
        for (id, old, out) in &pools_before {
            if !*out && !follow(pools, *id, old, news) {
                pools.quarantine(*id, true);
                broken.push(old.address());
            }
        }
        if self.log.len() == DEPTH {
            self.log.pop_front();
        }
        self.log.push_back(Entry {
            below: self.head,
            news: Arc::clone(news),
            before,
            pools: pools_before,
            told: Vec::new(),
            learnt: Vec::new(),
        });
        self.head = news.head;
        self.enter(machine);
        Ok(())
    }

    /// A pool was told as it stands at the tip.
    pub fn told(&mut self, pool: PoolId) {
        if let Some(entry) = self.log.back_mut() {
            entry.told.push(pool);
        }
    }

    /// State was told as it is at the tip: what of it was new.
    pub fn learnt(&mut self, learnt: Learnt) {
        if let Some(entry) = self.log.back_mut() {
            entry.learnt.push(learnt);
        }
    }

    /// Goes back down to the block of this hash. `broken` is given the pools of which nothing is known down there; they
    /// are quarantined.
    pub fn undo(
        &mut self,
        machine: &mut Machine,
        pools: &mut Pools<AnyPool>,
        to: B256,
        broken: &mut Vec<Address>,
    ) -> Result<(), Adrift> {
        while self.head.hash != to {
            let Entry { below, news, before, pools: old, told, learnt } = self.log.pop_back().ok_or(Adrift::TooDeep)?;
            machine.db_mut().undo(&news.accounts, before);
            learnt.into_iter().for_each(|learnt| machine.db_mut().forget(learnt));
            for (id, pool, out) in old {
                pools.edit(id, |now| now.clone_from(&pool));
                pools.quarantine(id, out);
            }
            for id in told {
                pools.quarantine(id, true);
                broken.push(pools.pool(id).address());
            }
            self.head = below;
        }
        self.enter(machine);
        Ok(())
    }
}

/// The pools that the news speak of, in order.
fn touched(pools: &Pools<AnyPool>, news: &BlockNews) -> Vec<PoolId> {
    let addresses = news.accounts.iter().map(|account| account.address).chain(news.logs.iter().map(|log| log.address));
    let mut ids: Vec<PoolId> = addresses.filter_map(|address| pools.find(address)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn keep(pools: &Pools<AnyPool>, ids: &[PoolId]) -> Vec<(PoolId, AnyPool, bool)> {
    ids.iter().map(|id| (*id, pools.pool(*id).clone(), pools.is_quarantined(*id))).collect()
}

/// Brings one pool up to date. False when the news do not make sense of it.
fn follow(pools: &mut Pools<AnyPool>, id: PoolId, old: &AnyPool, news: &BlockNews) -> bool {
    let address = old.address();
    let logs = || news.logs.iter().filter(|log| log.address == address);
    if old.log_fed() {
        return pools.edit(id, |pool| apply_logs(pool, logs()));
    }
    let account = news.accounts.iter().find(|account| account.address == address);
    let stored = account.is_none_or(|account| pools.edit(id, |pool| apply_slots(pool, account)));
    let mut told = old.clone();
    stored && apply_logs(&mut told, logs()) && told.agrees(pools.pool(id))
}

fn apply_slots(pool: &mut AnyPool, account: &AccountNews) -> bool {
    let mut slots = account.slots.clone();
    // Slots come in no order, and a pool's answer must not depend on it.
    slots.sort_unstable();
    !account.destroyed && (slots.is_empty() || pool.apply_slots(&slots).is_ok())
}

fn apply_logs<'a>(pool: &mut AnyPool, mut logs: impl Iterator<Item = &'a LogNews>) -> bool {
    logs.all(|log| pool.apply_log(&log.topics, &log.data).is_ok())
}
