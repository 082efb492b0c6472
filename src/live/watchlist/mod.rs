//! Whose logs are due: the one owner of that list. It follows from the sites of the state: the pools and the markets that are
//! in use, those that are new and may come into use, and the contracts that announce new ones.
//!
//! # Invariants
//! - A site is on the list from the block behind which it is read or announced, until it is of no use. Ingest may have asked for
//!   a block's logs before that: [`Watchlist::lacking`] says whose are still to be asked for, so that no block is left out.
//! - What cannot be used is watched all the same, and asked when it moves: a pool without a price, or drained, gets liquidity. One
//!   that is new is asked each time for [`PROBATION`] blocks; then, as one that could not be used when it was read, after a
//!   wait that doubles with every time in vain.
//! - What undone blocks have changed of it is taken back.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;

use alloy_primitives::Address;
use alloy_primitives::B256;
use tokio::sync::watch;

use crate::edge::bootstrap::Factory;
use crate::edge::bootstrap::LendingRow;
use crate::edge::bootstrap::Loaded;
use crate::edge::chain::Log;
use crate::hot::engine::tip::DEPTH;
use crate::protocols::AnyLending;
use crate::protocols::amm::Amm;
use crate::protocols::lending::Lending;
use crate::protocols::lending::discover::Heard;
use crate::protocols::site::Logs;
use crate::protocols::site::StateSite;
use crate::types::pool_key::PoolKey;

/// Blocks for which a new site is asked whenever it moves: a pool without a price gets one with its first liquidity.
pub const PROBATION: u64 = 256;
/// Blocks between two questions to one that cannot be used, at most: a day.
const MOST_WAIT: u64 = 7_200;

/// Where a part of the state lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    /// A pool.
    Pool(PoolKey),
    /// A lending contract, and which of its markets; zero where it is one.
    Market(Address, B256),
}

impl Site {
    /// The contract that is called: who speaks of it, as far as that is known before it has been read.
    #[must_use]
    pub const fn contract(&self) -> Address {
        match self {
            Self::Pool(PoolKey { contract, .. }) | Self::Market(contract, _) => *contract,
        }
    }
}

/// How a site stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// The state holds it, and these contracts' logs speak of it.
    Used(Vec<Address>),
    /// It was announced, and is not in use. Asked whenever it moves, up to this block.
    New(u64),
    /// It could not be used when it was asked. Asked when it moves at this block or later; if in vain, so many blocks after that.
    Idle {
        /// From which block on.
        from: u64,
        /// The next wait.
        wait: u64,
    },
}

/// Contracts that announce new sites.
#[derive(Clone, Debug, Default)]
pub struct Announcers {
    /// Factories, which make pools.
    pub factories: Vec<Factory>,
    /// Lending contracts: they speak of their borrowers, and of new markets where they hold many.
    pub lenders: Vec<LendingRow>,
}

/// Whose logs are due.
#[derive(Debug)]
pub struct Watchlist {
    announcers: Announcers,
    sites: BTreeMap<Site, Standing>,
    /// What has changed at which block, and how it stood before; oldest first.
    changes: VecDeque<(u64, Site, Option<Standing>)>,
    fetched: watch::Sender<Arc<[Address]>>,
}

impl Watchlist {
    /// The list of a state that was loaded.
    #[must_use]
    pub fn new(announcers: Announcers, loaded: &Loaded) -> Self {
        let (fetched, _) = watch::channel(Arc::from([]));
        let mut list = Self { announcers, sites: BTreeMap::new(), changes: VecDeque::new(), fetched };
        list.reload(loaded);
        list
    }

    /// The state was loaded anew: nothing of before holds.
    pub fn reload(&mut self, loaded: &Loaded) {
        let pools = loaded.pools.iter().map(|pool| (Site::Pool(pool.key()), pool.sites()));
        let market = |market: AnyLending| {
            (Site::Market(market.address(), market.id().unwrap_or_default()), Lending::sites(&market))
        };
        let markets = loaded.markets.iter().filter_map(AnyLending::from_spec).map(market);
        let used = |(site, sites): (Site, Vec<StateSite>)| (site, Standing::Used(emitters(&sites)));
        let lenders: BTreeSet<Address> = self.announcers.lenders.iter().map(|row| row.address).collect();
        let unusable = loaded.unusable.iter().map(|(key, _)| *key).filter(|key| !lenders.contains(&key.contract));
        let idle = unusable.map(|key| (Site::Pool(key), Standing::Idle { from: 0, wait: 1 }));
        self.sites = idle.chain(pools.chain(markets).map(used)).collect();
        self.changes.clear();
        self.tell();
    }

    /// For ingest: the addresses, in order, and whatever they become.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Arc<[Address]>> {
        self.fetched.subscribe()
    }

    /// Whose logs are due and were not asked for by whoever asked for those of `asked`, which are in order.
    #[must_use]
    pub fn lacking(&self, asked: &[Address]) -> Vec<Address> {
        let due = self.fetched.borrow();
        if std::ptr::eq(due.as_ptr(), asked.as_ptr()) {
            return Vec::new();
        }
        due.iter().filter(|address| asked.binary_search(address).is_err()).copied().collect()
    }

    /// The pool that a log says has been made.
    #[must_use]
    pub fn announced(&self, log: &Log) -> Option<PoolKey> {
        self.announcers.factories.iter().find_map(|factory| factory.created(log))
    }

    /// The pools that are not in use, of which a log of this block may speak, and that are to be asked by it.
    #[must_use]
    pub fn stirred(&self, log: &Log, block: u64) -> Vec<PoolKey> {
        let asked = |pool: &PoolKey| match self.sites.get(&Site::Pool(*pool)) {
            Some(Standing::New(_)) => true,
            Some(Standing::Idle { from, .. }) => *from <= block,
            Some(Standing::Used(_)) | None => false,
        };
        PoolKey::named_by(log.address, &log.topics).filter(asked).collect()
    }

    /// The market that a log opens or names, of a contract all of whose markets are followed; and who has borrowed there by it.
    #[must_use]
    pub fn named(&self, log: &Log) -> Option<(Site, Option<Address>)> {
        let heard = self.announcers.lenders.iter().find_map(|row| row.heard(log))?;
        Some(match heard {
            Heard::Market(market) => (Site::Market(log.address, market), None),
            Heard::Borrower { market, account } => (Site::Market(log.address, market), Some(account)),
        })
    }

    /// The row by which all markets of a contract are followed.
    #[must_use]
    pub fn row(&self, contract: Address) -> Option<&LendingRow> {
        self.announcers.lenders.iter().find(|row| row.address == contract && row.market.is_none())
    }

    /// Whether the state holds it.
    #[must_use]
    pub fn is_used(&self, site: Site) -> bool {
        matches!(self.sites.get(&site), Some(Standing::Used(_)))
    }

    /// Whether it is new, and not in use so far.
    #[must_use]
    pub fn is_new(&self, site: Site) -> bool {
        matches!(self.sites.get(&site), Some(Standing::New(_)))
    }

    /// A block announces a site.
    pub fn add(&mut self, site: Site, block: u64) {
        if !self.sites.contains_key(&site) {
            self.set(site, block, Some(Standing::New(block.saturating_add(PROBATION))));
            self.tell();
        }
    }

    /// The state holds it from this block on, and it lives there.
    pub fn take_up(&mut self, site: Site, sites: &[StateSite], block: u64) {
        let used = Standing::Used(emitters(sites));
        if self.sites.get(&site) != Some(&used) {
            self.set(site, block, Some(used));
            self.tell();
        }
    }

    /// It was asked, and cannot be used. One that is new has its time.
    pub fn give_up(&mut self, site: Site, block: u64) {
        let after = |wait: u64| Standing::Idle { from: block.saturating_add(wait), wait: (wait * 2).min(MOST_WAIT) };
        match self.sites.get(&site) {
            Some(Standing::Used(_)) => {
                self.set(site, block, Some(after(1)));
                self.tell();
            }
            Some(Standing::Idle { wait, .. }) => self.set(site, block, Some(after(*wait))),
            Some(Standing::New(_)) | None => (),
        }
    }

    /// The chain has grown: what was new for long enough is asked less, and what cannot be undone is forgotten.
    pub fn grow(&mut self, block: u64) {
        let over = |(site, standing): (&Site, &Standing)| match standing {
            Standing::New(until) if *until < block => Some(*site),
            Standing::New(_) | Standing::Used(_) | Standing::Idle { .. } => None,
        };
        let over: Vec<Site> = self.sites.iter().filter_map(over).collect();
        over.iter().for_each(|site| self.set(*site, block, Some(Standing::Idle { from: block, wait: 1 })));
        let kept = block.saturating_sub(DEPTH as u64);
        while self.changes.front().is_some_and(|(at, ..)| *at < kept) {
            self.changes.pop_front();
        }
    }

    /// The blocks above this one are undone. What was in use and is not any more.
    pub fn undo(&mut self, above: u64) -> Vec<Site> {
        let before = self.sites.clone();
        while let Some((_, site, standing)) = self.changes.pop_back_if(|(at, ..)| *at > above) {
            match standing {
                Some(standing) => self.sites.insert(site, standing),
                None => self.sites.remove(&site),
            };
        }
        if self.sites == before {
            return Vec::new();
        }
        self.tell();
        let lost =
            |(site, standing): &(&Site, &Standing)| matches!(standing, Standing::Used(_)) && !self.is_used(**site);
        before.iter().filter(lost).map(|(site, _)| *site).collect()
    }

    fn set(&mut self, site: Site, block: u64, standing: Option<Standing>) {
        let before = match standing {
            Some(standing) => self.sites.insert(site, standing),
            None => self.sites.remove(&site),
        };
        self.changes.push_back((block, site, before));
    }

    fn tell(&self) {
        let Announcers { factories, lenders } = &self.announcers;
        let announcers = factories.iter().map(|factory| factory.address).chain(lenders.iter().map(|row| row.address));
        let mut all: BTreeSet<Address> = announcers.collect();
        for (site, standing) in &self.sites {
            match standing {
                Standing::Used(emitters) => all.extend(emitters),
                Standing::New(_) | Standing::Idle { .. } => drop(all.insert(site.contract())),
            }
        }
        self.fetched.send_replace(all.into_iter().collect());
    }
}

/// Whose logs speak of a state that lives there.
fn emitters(sites: &[StateSite]) -> Vec<Address> {
    sites.iter().filter(|site| site.logs != Logs::None).map(|site| site.at).collect()
}

#[cfg(test)]
mod tests;
