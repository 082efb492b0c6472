//! State kept current: what each block changes of it, what is missed, what is found wrong.
//!
//! - `followed`: which pools, and where their state lives. `execute`: by running the block's transactions. `reread`: by reading
//!   back what they touched. By the node's own trace: here, and `held`: whether that is believed. `wanted`: what is missed,
//!   new or found wrong.
//!
//! # Invariants
//! - What the engine is told of is known here first: a want is noted as known *before* it is read, and only behind the tip
//!   and while no block is being learnt. So no block's changes pass it by.
//! - Changes are told of known accounts and slots alone (of pools, and of what prices are read from, of every slot), else the engine
//!   would grow without end.
//! - A way of learning changes that no node offers is tried once an hour. A block that does not execute to its header, or
//!   cannot be executed, is read back.
//! - A node's traces are believed once some have stood against an execution of our own; when pools disagree they are held again.
//! - Our own accounts are read back behind each block, whatever a trace says of them.
//!
//! # Limits
//! Only since the merge: rewards of the miner and of uncles are in no transaction. What has once been asked for is kept
//! for good.

mod absent;
mod execute;
mod followed;
mod held;
mod reread;
mod wanted;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use alloy::eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy::eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy::eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
use alloy::eips::eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS;
use alloy_primitives::{Address, B256, U256};

use crate::edge::bootstrap::Loaded;
use crate::edge::bootstrap::Rules;
use crate::edge::bootstrap::keep::absent::Absent;
use crate::edge::bootstrap::keep::followed::Followed;
use crate::edge::bootstrap::snapshot::state;
use crate::edge::bootstrap::state_cache::Missing;
use crate::edge::bootstrap::state_cache::StateCache;
use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::edge::chain::Endpoint;
use crate::edge::chain::Head;
use crate::edge::chain::Listing;
use crate::edge::chain::Log;
use crate::hot::event;
use crate::hot::event::AccountUpdate;
use crate::hot::event::BlockUpdate;
use crate::hot::event::LogUpdate;
use crate::hot::event::StateKey;
use crate::protocols::AnyPool;
use crate::types::pool_key::PoolKey;

pub use wanted::{Allow, Opened, Reseeded};

/// How a block's changes are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeSource {
    /// The node traces the block.
    Trace,
    /// We execute it.
    Execute,
    /// Everything that it may have touched is read back.
    Reread,
}

/// Keeps the state current.
#[derive(Debug)]
pub struct Keep {
    chain: Chain,
    rules: Rules,
    /// Our accounts.
    own: Vec<Address>,
    /// The block of the state that lies in the file.
    saved_at: Option<(u64, B256)>,
    /// What was told of blocks before may be wrong: there is no going on from here.
    desynced: AtomicBool,
    /// A block was only read back, which may leave something out; or the state is being loaded anew. No other run goes on from it.
    doubtful: AtomicBool,
    inner: Mutex<Inner>,
    /// Tracing blocks.
    no_trace: Absent,
    /// Tracing calls.
    no_call_trace: Absent,
}

#[derive(Debug)]
struct Inner {
    known: StateCache,
    followed: Followed,
    /// What was read since the last block.
    fetched: BTreeSet<StateKey>,
    /// Contracts that have changed since the state that lies in the file.
    moved: BTreeSet<Address>,
    /// Behind which block it is so.
    at: B256,
    /// Number and timestamp of that block; after a reorg they are not known before the next block.
    numbered: Option<(u64, u64)>,
    /// How that block's changes were learnt.
    learnt_by: Option<ChangeSource>,
    /// A block's changes are being learnt: nothing may become known meanwhile, they would pass it by.
    learning: bool,
}

/// While it lives, [`Inner::learning`] is true; however it ends.
struct Turn<'a>(&'a Keep);

impl<'a> Turn<'a> {
    fn take(keep: &'a Keep) -> Self {
        keep.lock().learning = true;
        Self(keep)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().learning = false;
    }
}

/// Contracts that the system itself calls at either end of a block (EIP-4788, 2935, 7002, 7251): in no transaction.
const SYSTEM: [Address; 4] = [
    BEACON_ROOTS_ADDRESS,
    HISTORY_STORAGE_ADDRESS,
    WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
];

impl Keep {
    /// Goes on from what was loaded.
    #[must_use]
    pub fn new(chain: Chain, rules: Rules, loaded: &Loaded) -> Self {
        let mut known = StateCache::default();
        known.learn(&loaded.accounts);
        known.hashes.extend(loaded.hashes.iter().copied());
        known.announced = Arc::clone(&loaded.announced);
        let keep = Self::over((chain, rules), known, (&loaded.pools, &loaded.whole), loaded.head.hash);
        {
            let mut inner = keep.lock();
            inner.numbered = Some((loaded.head.number, loaded.head.timestamp));
            inner.moved = loaded.saved.iter().flat_map(|saved| &saved.moved).copied().collect();
        }
        Self { saved_at: loaded.saved.as_ref().map(|saved| saved.at), ..keep }
    }

    /// Goes on from what is known behind the block `at`. `whole`: contracts that prices are read from.
    pub(super) fn over(
        (chain, rules): (Chain, Rules),
        mut known: StateCache,
        (pools, whole): (&[AnyPool], &[Address]),
        at: B256,
    ) -> Self {
        let mut followed = Followed::default();
        pools.iter().for_each(|pool| followed.add(&mut known, pool));
        for contract in whole {
            known.accounts.entry(*contract).or_default().whole = true;
        }
        let inner = Mutex::new(Inner {
            known,
            followed,
            fetched: BTreeSet::new(),
            moved: BTreeSet::new(),
            at,
            numbered: None,
            learnt_by: None,
            learning: false,
        });
        let (no_trace, no_call_trace) = (Absent::default(), Absent::default());
        let (own, saved_at) = (Vec::new(), None);
        let [desynced, doubtful] = [(); 2].map(|()| AtomicBool::new(false));
        Self { chain, rules, own, saved_at, desynced, doubtful, inner, no_trace, no_call_trace }
    }

    /// What is known behind the tip, and which contracts have changed meanwhile.
    pub(super) fn into_known(self) -> (StateCache, BTreeSet<Address>) {
        let inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        (inner.known, inner.moved)
    }

    /// It is not believed any more, or may lack something: it is not saved.
    pub fn distrust(&self) {
        self.doubtful.store(true, Ordering::Relaxed);
    }

    /// It is not to be gone on from by another run.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Relaxed) || self.desynced.load(Ordering::Relaxed)
    }

    /// Brings what is kept for the next start behind the tip: at an orderly end, when no block is being learnt. What the operator
    /// should hear.
    #[must_use]
    pub fn save(&self, snapshot: &Path) -> Option<String> {
        if self.is_doubtful() {
            return None;
        }
        let (inner, saved_at) = (self.lock(), self.saved_at?);
        // Between a reorg and the block behind it nothing is known that would be worth it.
        let (number, _) = inner.numbered?;
        let path = state::path(snapshot);
        // What was fetched may be ahead of the tip: the block that brings it will not say that it has changed.
        let fetched = inner.fetched.iter().filter_map(|key| match key {
            StateKey::Account(address) | StateKey::Slot(address, _) => Some(*address),
            StateKey::BlockHash(_) => None,
        });
        let moved = fetched.chain(inner.moved.iter().copied()).collect();
        let at = [saved_at, (number, inner.at)];
        let outcome = state::rewrite(&path, self.rules.into(), at, &inner.known, &moved);
        outcome
            .err()
            .map(|what| format!("{}: the state kept there {what}: the next start takes longer", path.display()))
    }

    /// A log has announced a pool: whoever asks for it later asks with what the log said.
    pub fn announce(&self, pool: PoolKey, log: &Log) {
        if pool.id.is_some() {
            Arc::make_mut(&mut self.lock().known.announced).pools.insert(pool, log.announcement());
        }
    }

    /// These accounts are ours: what they hold is read back behind each block.
    #[must_use]
    pub fn with_own(self, own: &[Address]) -> Self {
        Self { own: own.to_vec(), ..self }
    }

    /// Pools were found to say something else than their state: what was told of blocks may be wrong, so the next ones' traces
    /// are held against executions, and their logs against their receipts.
    pub fn doubt(&self) {
        self.chain.doubt_logs();
        for node in self.chain.nodes() {
            if node.traces().doubt() {
                tracing::info!(node = node.name(), "pools disagree: its traces are held against executions");
            }
        }
    }

    /// What the block changed. From here on this is the tip.
    pub async fn update(&self, head: &Head, logs: &[Log]) -> Result<BlockUpdate, ChainError> {
        let _turn = Turn::take(self);
        let traces = !self.no_trace.is_absent() && !self.chain.nodes().iter().all(|node| node.traces().is_refuted());
        let mut way = if traces { ChangeSource::Trace } else { ChangeSource::Execute };
        let changes = loop {
            match self.learn(way, head).await {
                Ok(Some(changes)) => break changes,
                Ok(None) => way = next(way),
                // A node that cannot trace this block, or not in time, may still answer for what it holds.
                Err(error) if way != ChangeSource::Reread && !self.desynced.load(Ordering::Relaxed) => {
                    if way == ChangeSource::Trace {
                        self.no_trace.learn("a block's trace", &error);
                    }
                    tracing::debug!(?way, block = head.number, %error, "learnt in another way");
                    way = next(way);
                }
                Err(error) => return Err(error),
            }
        };
        if way == ChangeSource::Reread {
            self.distrust();
        }
        let accounts = self.advance(head, way, changes);
        let log = |log: &Log| LogUpdate { address: log.address, topics: log.topics.clone(), data: log.data.clone() };
        let logs = logs.iter().filter(|log| log.block_hash == head.hash && !log.removed).map(log).collect();
        Ok(BlockUpdate { head: event::Head::from(head), accounts, logs })
    }

    /// How the last block's changes were learnt.
    #[must_use]
    pub fn learnt_by(&self) -> Option<ChangeSource> {
        self.lock().learnt_by
    }

    /// What the block changed of what is known, learnt in one way alone; the tip stays. `None`: this way does not serve
    /// for this block.
    pub async fn changes(&self, way: ChangeSource, head: &Head) -> Result<Option<Vec<AccountUpdate>>, ChainError> {
        let changes = self.learn(way, head).await?;
        Ok(changes.map(|changes| {
            self.behind(head.parent, changes.iter().map(|update| update.address)).sift(changes, &BTreeSet::new())
        }))
    }

    /// The chain has gone back: this is the tip. Values are read anew when they are wanted.
    pub fn rewind(&self, to: B256) {
        let mut inner = self.lock();
        if inner.at != to {
            inner.known.forget();
            inner.fetched.clear();
            (inner.at, inner.numbered) = (to, None);
        }
    }

    /// Whether this is the tip.
    #[must_use]
    pub fn stands(&self, at: B256) -> bool {
        self.lock().at == at
    }

    fn desync(&self) {
        self.desynced.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held; and if, what is in it is whole after every statement.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of these accounts, with values if they are of `block`. Never of all: they may be of every pool there is.
    fn behind(&self, block: B256, addresses: impl IntoIterator<Item = Address>) -> StateCache {
        let mut part = {
            let inner = self.lock();
            let hashes = if inner.at == block { inner.known.hashes.clone() } else { BTreeMap::new() };
            StateCache { hashes, announced: Arc::clone(&inner.known.announced), ..StateCache::default() }
        };
        self.share(&mut part, (block, true), addresses);
        part
    }

    /// Adds what is known of accounts, with values if they are wanted and of the block.
    fn share(&self, to: &mut StateCache, (block, values): (B256, bool), addresses: impl IntoIterator<Item = Address>) {
        let inner = self.lock();
        for address in addresses {
            let Some(account) = inner.known.accounts.get(&address) else { continue };
            let shared = to.accounts.entry(address).or_default();
            shared.clone_from(account);
            if !values || inner.at != block {
                shared.forget();
            }
        }
    }

    /// Makes `head` the tip, and of its changes what is to be told.
    fn advance(&self, head: &Head, way: ChangeSource, changes: Vec<AccountUpdate>) -> Vec<AccountUpdate> {
        let mut inner = self.lock();
        if inner.at != head.parent {
            inner.known.forget();
        }
        let update = match way {
            ChangeSource::Trace => inner.known.concern(changes),
            // All that the block may have touched: most of it has not changed.
            ChangeSource::Execute | ChangeSource::Reread => inner.known.sift(changes, &inner.fetched),
        };
        inner.known.learn(&update);
        inner.moved.extend(update.iter().map(|account| account.address));
        inner.fetched.clear();
        inner.known.hashes.insert(head.number.saturating_sub(1), head.parent);
        (inner.at, inner.numbered) = (head.hash, Some((head.number, head.timestamp)));
        inner.learnt_by = Some(way);
        update
    }

    async fn learn(&self, way: ChangeSource, head: &Head) -> Result<Option<Vec<AccountUpdate>>, ChainError> {
        match way {
            ChangeSource::Trace => {
                let (changes, node) = self.traced(head).await?;
                self.no_trace.had();
                let stands = !node.traces().is_due() || held::stands(self, head, &node, &changes).await?;
                Ok(stands.then_some(changes))
            }
            ChangeSource::Execute => execute::changes(self, head).await,
            ChangeSource::Reread => reread::changes(self, head).await.map(Some),
        }
    }

    /// By a node's trace, and by which one's; what the trace leaves open, and what no transaction does, is read back.
    async fn traced(&self, head: &Head) -> Result<(Vec<AccountUpdate>, Endpoint), ChainError> {
        let ((trace, node), listing) = tokio::try_join!(self.chain.trace(head.hash), self.chain.listing(head.hash))?;
        if !trace.is_of(&listing.txs) {
            let cause = format!("{} traces that are not of the block's {}", trace.txs.len(), listing.txs.len());
            return Err(node.shape("debug_traceBlockByHash", cause));
        }
        let rest = self.unowned(&listing);
        let (mut open, mut changes) = (rest, trace.accounts);
        self.open(&mut open, changes.iter().filter(|update| trace.unsure.contains(&update.address)));
        changes.retain(|update| !trace.unsure.contains(&update.address));
        let mut read = open.read(&self.chain, head.hash).await?;
        for account in read.accounts.iter_mut().filter(|account| trace.unsure.contains(&account.address)) {
            let code = account.code.as_ref().is_some_and(|code| code.is_empty());
            account.destroyed = code && account.nonce == Some(0) && account.balance == Some(U256::ZERO);
        }
        changes.extend(read.accounts);
        Ok((changes, node))
    }

    /// Adds all that is known of accounts, and the slots named besides.
    fn open<'a>(&self, open: &mut Missing, named: impl Iterator<Item = &'a AccountUpdate>) {
        let known = &self.lock().known;
        for update in named {
            let Some(account) = known.accounts.get(&update.address) else { continue };
            let slots = update.slots.iter().map(|(slot, _)| *slot).chain(account.slots.keys().copied());
            open.slots.extend(slots.map(|slot| (update.address, slot)));
            open.accounts.insert(update.address);
        }
    }

    /// What of the known a block changes outside of its transactions, to be read back: who may have withdrawn (anyone, so
    /// the block says it) and what the system's own contracts keep. And what is ours: by it we sign.
    fn unowned(&self, block: &Listing) -> Missing {
        let known = &self.lock().known;
        let mut open = Missing::default();
        let held = block.paid.iter().chain(&self.own).copied();
        open.holdings.extend(held.filter(|address| known.accounts.contains_key(address)));
        for address in SYSTEM {
            let slots = known.accounts.get(&address).into_iter().flat_map(|account| account.slots.keys());
            open.slots.extend(slots.map(|slot| (address, *slot)));
        }
        open
    }
}

const fn next(way: ChangeSource) -> ChangeSource {
    match way {
        ChangeSource::Trace => ChangeSource::Execute,
        ChangeSource::Execute | ChangeSource::Reread => ChangeSource::Reread,
    }
}
