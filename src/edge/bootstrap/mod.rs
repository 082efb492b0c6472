//! From a node and a list of factories and lending contracts to a warm state: which pools and positions there are, all that
//! they and the proofs read, as it is behind one block; and from there on what each block changes of it.
//!
//! - `scan`: pools and borrowers by logs. `lending`: markets, and what they ask. `discovery`: asking and reading until nothing is missing.
//!   `alike`: what many pools of one code will read. `state_cache`: what is read.
//! - `verify`: our answers held against the node's. `snapshot`: what makes the next start a matter of seconds. `resume`: the state of the
//!   last run brought to the tip.
//! - `keep`: changes block by block, misses, pools found wrong.
//!
//! # Invariants
//! - All values of a [`Loaded`] are of one block, named by its hash: read there, or of an older block of the chain and followed from
//!   block to block.
//! - A pool that cannot be used is listed with the reason; none is dropped in silence.
//! - Everything in [`Loaded`] is `Send`: each hot thread makes its own machine of it.

mod alike;
mod config;
mod discovery;
mod keep;
mod lending;
mod resume;
mod scan;
mod snapshot;
mod state_cache;
mod verify;

use std::collections::HashSet;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes};

use crate::chain;
use crate::edge::bootstrap::discovery::Discovery;
use crate::edge::bootstrap::resume::Resumed;
use crate::edge::bootstrap::snapshot::Snapshot;
use crate::edge::bootstrap::snapshot::state;
use crate::edge::bootstrap::state_cache::StateCache;
use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::edge::chain::Head as ChainHead;
use crate::hot::event::AccountUpdate;
use crate::hot::event::Head;
use crate::hot::event::StateKey;
use crate::hot::evm::fork;
use crate::hot::evm::fork::{Fork, UnknownFork};
use crate::hot::evm::own::balance_of;
use crate::hot::evm::probe::PROBER;
use crate::protocols::AnyPool;
use crate::protocols::amm::{Amm, Asked};
use crate::protocols::discover::{Announced, Described};
use crate::protocols::lending::market_spec::MarketSpec;
use crate::types::pool_key::PoolKey;

pub use config::Config;
pub use config::Factory;
pub use config::PoolRow;
pub use keep::Allow;
pub use keep::ChangeSource;
pub use keep::Keep;
pub use keep::Opened;
pub use keep::Reseeded;
pub use lending::LendingRow;
pub use lending::markets;

/// Which chain's rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The chain's id.
    pub chain_id: u64,
    /// Its forks.
    pub forks: fork::Rules,
    /// The token that stands for ether, if any is known.
    pub wrapped_native: Option<Address>,
}

impl Rules {
    /// A configured chain's.
    #[must_use]
    pub fn of(config: &chain::Config) -> Self {
        let wrapped_native = Some(config.wrapped_native).filter(|token| !token.is_zero());
        Self { chain_id: config.id, forks: fork::Rules::of(config), wrapped_native }
    }

    /// The rules of a block at `number` and `timestamp`.
    pub fn fork(&self, number: u64, timestamp: u64) -> Result<Fork, UnknownFork> {
        self.forks.fork(number, timestamp)
    }
}

impl From<Rules> for state::Of {
    fn from(rules: Rules) -> Self {
        Self { chain_id: rules.chain_id, wrapped_native: rules.wrapped_native }
    }
}

/// A call that is run so that all it reads is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Who calls; he need not be able to.
    pub from: Address,
    /// Whom.
    pub to: Address,
    /// With what.
    pub data: Bytes,
}

/// What is to be loaded.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Whose pools.
    pub factories: Vec<Factory>,
    /// Pools besides.
    pub pools: Vec<PoolRow>,
    /// Lending contracts whose borrowers are followed.
    pub lending: Vec<LendingRow>,
    /// Accounts besides: owner, executor, builders.
    pub accounts: Vec<Address>,
    /// What else is to be run warm.
    pub looks: Vec<Look>,
    /// Every value is read, whatever was kept of the last run: what was told since is in doubt.
    pub anew: bool,
}

/// State, warm.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The block behind which it stands.
    pub head: Head,
    /// Everything read: each account with balance, nonce, code and the slots that are known of it.
    pub accounts: Vec<AccountUpdate>,
    /// Hashes of older blocks that were asked for.
    pub hashes: Vec<(u64, B256)>,
    /// Usable pools, in order of their keys.
    pub pools: Vec<AnyPool>,
    /// Lending markets and who borrows there, in the order of the configuration. What they hold is among the accounts.
    pub markets: Vec<MarketSpec>,
    /// Contracts that the markets' prices are read from, tokens apart: each change of their storage is told.
    pub whole: Vec<Address>,
    /// Pools that cannot be used, in order of their keys, and why; then lending contracts, by their addresses.
    pub unusable: Vec<(PoolKey, String)>,
    /// What the operator should hear: one sentence each.
    pub notes: Vec<String>,
    /// What lies in no contract's state: discovery asks for it whenever a pool is read anew.
    pub announced: Arc<Announced>,
    /// The state that lies in the file, for whoever brings it up to date; `None`: there is none.
    pub saved: Option<SavedState>,
}

/// What is known of a state that lies in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedState {
    /// Number and hash of its block.
    pub at: (u64, B256),
    /// Contracts that have changed since.
    pub moved: BTreeSet<Address>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A factory's logs are being read: blocks done of all, pools found so far.
    Scanning {
        /// The factory's name.
        factory: &'a str,
        /// Blocks read.
        done: u64,
        /// Blocks to read.
        of: u64,
        /// Its pools so far.
        pools: usize,
    },
    /// A lending contract's logs are being read: blocks done of all, borrowers found so far.
    Borrowers {
        /// The row's name.
        lending: &'a str,
        /// Blocks read.
        done: u64,
        /// Blocks to read.
        of: u64,
        /// Its borrowers so far, those of each of its markets.
        accounts: usize,
    },
    /// The state of the last run is being brought to the tip: blocks followed of all.
    Following {
        /// Blocks followed.
        done: usize,
        /// Blocks to follow.
        of: usize,
    },
    /// What is known of and has no value is being read.
    Reading {
        /// Accounts.
        accounts: usize,
        /// Slots.
        slots: usize,
    },
    /// Of what is being read, so much has been.
    Read {
        /// Accounts and slots answered.
        done: usize,
        /// Accounts and slots asked for.
        of: usize,
    },
    /// Pools are being asked, positions read, or calls run, and what they miss is being read.
    Asking {
        /// From 1.
        round: usize,
        /// Pools, positions' slots or calls not yet done.
        open: usize,
        /// Accounts and slots that are read in this round.
        missing: usize,
    },
    /// Pools are being held against the node.
    Verifying {
        /// How many.
        pools: usize,
    },
    /// Positions are being held against the node.
    Positions {
        /// How many.
        held: usize,
    },
    /// Something that the operator should hear.
    Note(&'a str),
}

/// Hears how far it has come.
pub type Hear<'a> = &'a mut (dyn FnMut(Progress<'_>) + Send);

/// Why there is no state.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The node did not answer as due.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// It has no block at all.
    #[error("{host}: has no latest block")]
    NoBlock {
        /// The node.
        host: String,
    },
    /// The block's rules are not known.
    #[error(transparent)]
    Fork(#[from] UnknownFork),
    /// A row names no protocol of ours.
    #[error("{row}: {protocol} is no protocol peregrine knows")]
    Protocol {
        /// The row.
        row: String,
        /// What it says.
        protocol: String,
    },
    /// A contract's logs are not the shape their signature promises.
    #[error("{row}: a log of block {block} is not the shape its signature promises")]
    Log {
        /// The row.
        row: String,
        /// Where.
        block: B256,
    },
    /// What we hold is not what the chain holds.
    #[error("{pool} is not loaded right at block {block}: {what}")]
    Wrong {
        /// The pool, or the lending contract.
        pool: PoolKey,
        /// The block.
        block: u64,
        /// What differs.
        what: String,
    },
    /// The process is on its way down.
    #[error("stopped while the evm was running")]
    Stopped,
}

/// Behind the tip by so much a block is taken for final: factories are read anew from there, and a snapshot's anchor lies
/// there. Two epochs.
const SETTLED: u64 = 64;

/// Loads all of `wanted` behind the node's latest block.
pub async fn load(
    chain: &Chain,
    config: &Config,
    rules: Rules,
    wanted: &Wanted,
    hear: Hear<'_>,
) -> Result<Loaded, BootstrapError> {
    let chain = &chain.clone().bounded(config.bounds());
    let (mut snapshot, notes) = Snapshot::open(chain, config, rules.chain_id, hear).await?;
    // The scan takes its time where nothing is known yet; the block is chosen behind it, and the rest of the scan is short.
    let tip = latest(chain).await?;
    scan::scan(chain, config, wanted, tip.number, &mut snapshot, hear).await?;
    for _ in 1..ATTEMPTS {
        let head = latest(chain).await?;
        match behind(chain, config, rules, wanted, &head, &mut snapshot, hear).await {
            Err(BootstrapError::Chain(error)) if is_gone(chain, &head).await? => {
                hear(Progress::Note(&format!("block {} was undone meanwhile ({error}): loading anew", head.number)));
            }
            outcome => return outcome.map(|loaded| noted(notes, loaded)),
        }
    }
    let head = latest(chain).await?;
    let loaded = behind(chain, config, rules, wanted, &head, &mut snapshot, hear).await?;
    Ok(noted(notes, loaded))
}

fn noted(mut notes: Vec<String>, loaded: Loaded) -> Loaded {
    notes.extend(loaded.notes);
    Loaded { notes, ..loaded }
}

/// A chain that undoes its tip more often than this is none to work on.
const ATTEMPTS: usize = 3;

/// The block is no longer of the chain.
async fn is_gone(chain: &Chain, head: &ChainHead) -> Result<bool, BootstrapError> {
    Ok(chain.at(head.number).await?.is_none_or(|now| now.hash != head.hash))
}

/// Loads all of `wanted` behind `head`.
async fn behind(
    chain: &Chain,
    config: &Config,
    rules: Rules,
    wanted: &Wanted,
    head: &ChainHead,
    snapshot: &mut Snapshot,
    hear: Hear<'_>,
) -> Result<Loaded, BootstrapError> {
    scan::scan(chain, config, wanted, head.number, snapshot, hear).await?;
    let discovery = Discovery::new(chain, rules, head.clone())?;
    let described: BTreeMap<PoolKey, Described> =
        wanted.pools.iter().filter_map(|row| Some((row.address, row.described()?))).collect();
    let announced = Announced { wrapped_native: rules.wrapped_native, pools: snapshot.announced(), described };
    let Resumed { mut known, pools: resumed, saved, note } =
        resume::at((chain, rules), config, (wanted, Arc::new(announced)), head, hear).await?;
    let listed = wanted.pools.iter().map(|row| row.address);
    let keys: BTreeSet<PoolKey> = snapshot.pools(&wanted.factories).chain(listed).collect();
    read_base(&discovery, &mut known, wanted, &keys, hear).await?;
    // What a row says may be another thing than it was, and what was answered then is answered no more.
    let is_row = |pool: &AnyPool| known.announced.described.contains_key(&pool.key());
    let resumed = resumed.into_iter().filter(|pool| pool.asked() == Asked::Never && !is_row(pool)).collect();
    let (mut pools, open) = split(keys, resumed);
    let (taken_over, mut unusable) = (pools.len(), Vec::new());
    if !open.is_empty() {
        alike::expect(&discovery, &mut known, &open, hear).await?;
        read_lost(&discovery, &mut known, hear).await?;
    }
    for (key, answer) in discovery.pools(&mut known, open, hear).await? {
        match answer {
            Ok(pool) => pools.push(pool),
            Err(reason) => unusable.push((key, reason)),
        }
    }
    unusable.sort_unstable();
    // What a pool that was taken over reads is known.
    discovery.warm(&mut known, looks(pools.get(taken_over..).unwrap_or_default(), wanted), hear).await?;
    pools.sort_unstable_by_key(Amm::key);
    verify::pools(&discovery, &mut known, &pools, config.verify_pools, hear).await?;
    let lent = (wanted.lending.as_slice(), config.verify_pools);
    let found = lending::load(&discovery, &mut known, lent, snapshot, hear).await?;
    let mut notes = found.notes();
    unusable.extend(found.unusable.into_iter().map(|(contract, reason)| (contract.into(), reason)));
    snapshot.anchor(chain, head).await?;
    snapshot.write(config);
    let unwritten = snapshot.note();
    // A file that serves is not written for the sake of some pools: it would take longer than asking them.
    let mut saved = saved.filter(|_| (pools.len() - taken_over) * WORTH_WRITING <= pools.len());
    if let Some(path) = config.snapshot.as_deref().filter(|_| unwritten.is_none() && saved.is_none()) {
        match write_state(path, rules, head, &known, (&pools, &found.whole)) {
            Ok(written) => saved = Some(written),
            Err(unwritten) => notes.push(unwritten),
        }
    }
    notes.extend(unwritten.into_iter().chain(note));
    let hashes = known.hashes.iter().map(|(number, hash)| (*number, *hash)).collect();
    let (head, announced, accounts) = (Head::from(head), Arc::clone(&known.announced), known.into_all());
    let (markets, whole) = (found.specs, found.whole);
    Ok(Loaded { head, accounts, hashes, pools, markets, whole, unusable, notes, announced, saved })
}

/// The pools that are had already of those that are due, and the others. Both come in the order of their keys.
fn split(due: BTreeSet<PoolKey>, had: Vec<AnyPool>) -> (Vec<AnyPool>, Vec<PoolKey>) {
    let (mut pools, mut open) = (Vec::with_capacity(due.len()), Vec::new());
    let mut had = had.into_iter().peekable();
    for key in due {
        while had.next_if(|pool| pool.key() < key).is_some() {}
        match had.next_if(|pool| pool.key() == key) {
            Some(pool) => pools.push(pool),
            None => open.push(key),
        }
    }
    (pools, open)
}

/// The state is written down once so many of the pools were asked, as one in this many.
const WORTH_WRITING: usize = 8;

/// Writes it down, or says what the operator should hear.
fn write_state(
    snapshot: &Path,
    rules: Rules,
    head: &ChainHead,
    known: &StateCache,
    of: (&[AnyPool], &[Address]),
) -> Result<SavedState, String> {
    let (path, at) = (state::path(snapshot), (head.number, head.hash));
    match state::write(&path, rules.into(), at, known, of) {
        Ok(()) => Ok(SavedState { at, moved: BTreeSet::new() }),
        Err(error) => {
            let path = path.display();
            Err(format!("{path}: the state is not written ({error}): the next start reads everything anew"))
        }
    }
}

async fn latest(chain: &Chain) -> Result<ChainHead, BootstrapError> {
    chain.latest().await?.ok_or_else(|| BootstrapError::NoBlock { host: chain.host().to_owned() })
}

/// Reads what is known of and has no value, the pools, and the accounts that every transaction may touch.
async fn read_base(
    discovery: &Discovery,
    known: &mut StateCache,
    wanted: &Wanted,
    pools: &BTreeSet<PoolKey>,
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    let precompiles = PRECOMPILES.map(Address::with_last_byte).into_iter().chain([P256_VERIFY]);
    let named = wanted.accounts.iter().copied().chain(pools.iter().map(|pool| pool.contract));
    let all = named.chain(precompiles).chain([discovery.head.beneficiary]).map(StateKey::Account);
    known.expect(&all.collect::<Vec<_>>());
    // Of ours nothing is taken on trust: by it we sign.
    for address in &wanted.accounts {
        known.accounts.entry(*address).or_default().holding = None;
    }
    read_lost(discovery, known, hear).await
}

/// Reads all that is known of and has no value.
async fn read_lost(discovery: &Discovery, known: &mut StateCache, hear: Hear<'_>) -> Result<(), BootstrapError> {
    let lost = known.lost();
    if lost.is_empty() {
        return Ok(());
    }
    let accounts = lost.accounts.len() + lost.holdings.len();
    hear(Progress::Reading { accounts, slots: lost.slots.len() });
    let read = lost.read_heard(&discovery.chain, discovery.head.hash, hear).await?;
    known.learn(&read.accounts);
    Ok(())
}

/// What is run warm: the balances that pools hold of their tokens, which every swap reads, and what was asked for. Which of the
/// contracts where a pool keeps its state holds its tokens it does not say; of the others a balance costs one slot.
fn looks(pools: &[AnyPool], wanted: &Wanted) -> Vec<Look> {
    let held = |pool: &AnyPool| {
        let tokens = pool.tokens().to_vec();
        pool.sites().into_iter().flat_map(move |site| tokens.clone().into_iter().map(move |token| (token, site.at)))
    };
    let mut seen = HashSet::new();
    let balances = pools.iter().flat_map(held).filter(|held| seen.insert(*held));
    let balances = balances.map(|(token, holder)| Look { from: PROBER, to: token, data: balance_of(holder) });
    balances.chain(wanted.looks.iter().cloned()).collect()
}

/// Low bytes of the precompiled contracts' addresses, up to Prague's; a call to one loads it as an account.
const PRECOMPILES: [u8; 17] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];
/// Osaka's (EIP-7951).
const P256_VERIFY: Address = alloy_primitives::address!("0x0000000000000000000000000000000000000100");
