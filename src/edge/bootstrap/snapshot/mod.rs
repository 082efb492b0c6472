//! What makes the next start a matter of seconds: how far the factories and lending contracts have been read, the pools and
//! borrowers found; and, in a file beside it (`state`), what stood in the state then.
//!
//! # Invariants
//! - It is of one chain: a block far enough below the tip not to be undone anchors it there.
//! - Written whole or not at all. One that cannot be used is told in one sentence and made anew; one that cannot be written in
//!   another, and the searcher begins without it.

mod packed;
pub(super) mod state;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use alloy_primitives::{Address, B256};
use serde::Deserialize;
use serde::Serialize;

use crate::edge::bootstrap::BootstrapError;
use crate::edge::bootstrap::Config;
use crate::edge::bootstrap::Factory;
use crate::edge::bootstrap::Hear;
use crate::edge::bootstrap::LendingRow;
use crate::edge::bootstrap::Progress;
use crate::edge::bootstrap::SETTLED;
use crate::edge::chain::Chain;
use crate::edge::chain::Head;
use crate::edge::chain::Log;
use crate::protocols::discover::Announcement;
use crate::protocols::lending::discover::Heard;
use crate::types::pool_key::PoolKey;

/// Raised whenever the format changes; an older file is made anew.
const VERSION: u32 = 3;

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Snapshot {
    version: u32,
    chain_id: u64,
    /// A block that is the chain's.
    anchor: Option<(u64, B256)>,
    factories: BTreeMap<Address, Scanned>,
    lenders: BTreeMap<Address, Lent>,
    /// Why it was not written.
    #[serde(skip)]
    unwritten: Option<String>,
    /// There is more in it than in the file.
    #[serde(skip)]
    has_grown: bool,
}

/// One factory.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scanned {
    /// The first block not yet read for good.
    next: u64,
    pools: BTreeSet<PoolKey>,
    /// What the logs said, of pools that are some of many at a contract.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    announced: BTreeMap<PoolKey, Announcement>,
}

/// One lending contract.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lent {
    /// As what it was read: another protocol says the same in other logs.
    protocol: String,
    /// Nothing before this block was read.
    from: u64,
    /// The first block not yet read for good.
    next: u64,
    /// Who has borrowed in each market; a contract that is one market has the id zero.
    markets: BTreeMap<B256, BTreeSet<Address>>,
}

impl Snapshot {
    /// The file's, if there is one and it is of this chain; else an empty one. And what there is to say about it.
    pub(super) async fn open(
        chain: &Chain,
        config: &Config,
        chain_id: u64,
        hear: Hear<'_>,
    ) -> Result<(Self, Vec<String>), BootstrapError> {
        let fresh = Self { version: VERSION, chain_id, has_grown: true, ..Self::default() };
        let Some(path) = config.snapshot.as_deref().filter(|path| path.exists()) else {
            return Ok((fresh, Vec::new()));
        };
        let found = match Self::read(path, chain_id) {
            Ok(snapshot) => snapshot.anchored(chain).await?,
            Err(what) => Err(what),
        };
        match found {
            Ok(snapshot) => Ok((snapshot, Vec::new())),
            Err(what) => {
                let note = format!("{}: snapshot {what}: it is made anew", path.display());
                hear(Progress::Note(&note));
                Ok((fresh, vec![note]))
            }
        }
    }

    fn read(path: &Path, chain_id: u64) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| format!("cannot be read ({error})"))?;
        let damaged = |what: String| format!("is damaged ({what})");
        let mut text = Vec::new();
        let mut unpack = |file| packed::read(file)?.read_to_end(&mut text);
        unpack(file).map_err(|error| damaged(error.to_string()))?;
        let version: Version = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if version.version != VERSION {
            return Err(format!("is of version {}, {VERSION} due", version.version));
        }
        let snapshot: Self = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if snapshot.chain_id != chain_id {
            return Err(format!("is of chain {}, {chain_id} due", snapshot.chain_id));
        }
        Ok(snapshot)
    }

    /// It, if its anchor is a block of this chain.
    async fn anchored(self, chain: &Chain) -> Result<Result<Self, String>, BootstrapError> {
        let Some((number, hash)) = self.anchor else { return Ok(Ok(self)) };
        let found = chain.at(number).await?.map(|head| head.hash);
        Ok(if found == Some(hash) { Ok(self) } else { Err(format!("is of another chain (block {number} differs)")) })
    }

    /// Writes the file, if there is to be one. That it was not is no reason not to begin: see [`Snapshot::note`].
    pub(super) fn write(&mut self, config: &Config) {
        let Some(path) = config.snapshot.as_deref().filter(|_| self.has_grown) else { return };
        let written = self.put(path);
        self.has_grown = written.is_err();
        self.unwritten = written.err().map(|error| {
            format!("{}: the snapshot is not written ({error}): the next start reads everything anew", path.display())
        });
    }

    /// What the operator should hear of its being written.
    pub(super) fn note(&mut self) -> Option<String> {
        self.unwritten.take()
    }

    fn put(&self, path: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec(self)?;
        packed::write(path, |out| out.write_all(&text))
    }

    /// The first block of `factory` that is to be read.
    pub(super) fn next(&self, factory: &Factory) -> u64 {
        self.factories.get(&factory.address).map_or(0, |scanned| scanned.next).max(factory.from_block)
    }

    /// All before `next` is read for good.
    pub(super) fn read_to(&mut self, factory: &Factory, next: u64) {
        let before = std::mem::replace(&mut self.factories.entry(factory.address).or_default().next, next);
        self.has_grown |= before != next;
    }

    /// The factory has made a pool, and has said so by this log.
    pub(super) fn found(&mut self, factory: &Factory, pool: PoolKey, log: &Log) {
        let scanned = self.factories.entry(factory.address).or_default();
        self.has_grown |= scanned.pools.insert(pool);
        if pool.id.is_some() {
            scanned.announced.insert(pool, log.announcement());
        }
    }

    /// What the logs said that announced pools.
    pub(super) fn announced(&self) -> BTreeMap<PoolKey, Announcement> {
        let all = self.factories.values().flat_map(|scanned| &scanned.announced);
        all.map(|(key, said)| (*key, said.clone())).collect()
    }

    /// How many pools the factory has made.
    pub(super) fn count(&self, factory: &Factory) -> usize {
        self.factories.get(&factory.address).map_or(0, |scanned| scanned.pools.len())
    }

    /// The pools of these factories.
    pub(super) fn pools(&self, factories: &[Factory]) -> impl Iterator<Item = PoolKey> {
        factories
            .iter()
            .filter_map(|row| self.factories.get(&row.address))
            .flat_map(|found| found.pools.iter().copied())
    }

    /// The first block of a lending contract that is to be read: anew from the row's on, where less was read before.
    pub(super) fn next_of(&mut self, row: &LendingRow) -> u64 {
        let (protocol, from) = (row.protocol.clone(), row.from_block);
        let fresh = || Lent { protocol, from, next: from, ..Lent::default() };
        let lent = self.lenders.entry(row.address).or_default();
        if lent.protocol != row.protocol {
            *lent = fresh();
            self.has_grown = true;
        }
        if row.from_block < lent.from {
            (lent.from, lent.next) = (row.from_block, row.from_block);
            self.has_grown = true;
        }
        lent.next
    }

    /// All of the contract before `next` is read for good.
    pub(super) fn read_of(&mut self, row: &LendingRow, next: u64) {
        let before = std::mem::replace(&mut self.lenders.entry(row.address).or_default().next, next);
        self.has_grown |= before != next;
    }

    /// The contract has said so.
    pub(super) fn heard(&mut self, row: &LendingRow, heard: Heard) {
        self.has_grown = true;
        let markets = &mut self.lenders.entry(row.address).or_default().markets;
        match heard {
            Heard::Market(market) => {
                markets.entry(market).or_default();
            }
            Heard::Borrower { market, account } => {
                markets.entry(market).or_default().insert(account);
            }
        }
    }

    /// How many have borrowed of the contract, in each market.
    pub(super) fn count_of(&self, row: &LendingRow) -> usize {
        self.lenders.get(&row.address).map_or(0, |lent| lent.markets.values().map(BTreeSet::len).sum())
    }

    /// The contract's markets.
    pub(super) fn markets(&self, row: &LendingRow) -> Vec<B256> {
        self.lenders.get(&row.address).map_or_else(Vec::new, |lent| lent.markets.keys().copied().collect())
    }

    /// Who has borrowed in a market.
    pub(super) fn borrowers(&self, row: &LendingRow, market: B256) -> Vec<Address> {
        let accounts = self.lenders.get(&row.address).and_then(|lent| lent.markets.get(&market));
        accounts.map_or_else(Vec::new, |accounts| accounts.iter().copied().collect())
    }

    /// A block of the chain that stays: what is written from here on is of it.
    pub(super) async fn anchor(&mut self, chain: &Chain, head: &Head) -> Result<(), BootstrapError> {
        let number = head.number.saturating_sub(SETTLED);
        let anchor = chain.at(number).await?.map(|head| (head.number, head.hash));
        self.has_grown |= self.anchor != anchor;
        self.anchor = anchor;
        Ok(())
    }
}

/// Read first: what else there is depends on it.
#[derive(Deserialize)]
struct Version {
    version: u32,
}
