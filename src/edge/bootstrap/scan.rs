//! Pools by their factories' logs, and borrowers by their markets', page by page.
//!
//! # Invariants
//! - A page is kept before the next one is asked for, so that a scan that was broken off goes on where it was; the blocks
//!   near the tip are read again, since they may be undone.
//! - A page that a node refuses, or does not answer in time, is halved, down to one block; what it refuses then is an error.

use alloy_primitives::{Address, B256};

use crate::edge::bootstrap::BootstrapError;
use crate::edge::bootstrap::Config;
use crate::edge::bootstrap::Factory;
use crate::edge::bootstrap::Hear;
use crate::edge::bootstrap::LendingRow;
use crate::edge::bootstrap::Progress;
use crate::edge::bootstrap::SETTLED;
use crate::edge::bootstrap::Wanted;
use crate::edge::bootstrap::snapshot::Snapshot;
use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::edge::chain::LATE;
use crate::edge::chain::Log;
use crate::protocols;
use crate::protocols::discover::Creation;
use crate::protocols::lending::discover::Lender;

/// Pages between two writes of the snapshot.
const PAGES: u64 = 16;

/// A contract whose logs are followed, and where what they say is kept.
trait Trail {
    fn address(&self) -> Address;
    fn topics(&self) -> Vec<B256>;
    /// The first block that is to be read.
    fn next(&self, snapshot: &mut Snapshot) -> u64;
    /// All before `next` is read for good.
    fn read_to(&self, snapshot: &mut Snapshot, next: u64);
    /// Takes a log.
    fn take(&self, snapshot: &mut Snapshot, log: &Log) -> Result<(), BootstrapError>;
    /// How far it has come: blocks done of all.
    fn tell(&self, snapshot: &Snapshot, done: u64, of: u64, hear: Hear<'_>);
}

/// A factory's pools.
struct Pools<'a>(&'a Factory, Creation);

impl Trail for Pools<'_> {
    fn address(&self) -> Address {
        self.0.address
    }

    fn topics(&self) -> Vec<B256> {
        protocols::creation_topics(&self.0.protocol)
    }

    fn next(&self, snapshot: &mut Snapshot) -> u64 {
        snapshot.next(self.0)
    }

    fn read_to(&self, snapshot: &mut Snapshot, next: u64) {
        snapshot.read_to(self.0, next);
    }

    fn take(&self, snapshot: &mut Snapshot, log: &Log) -> Result<(), BootstrapError> {
        let row = || format!("factory {}", self.0.name);
        let none = || BootstrapError::Log { row: row(), block: log.block_hash };
        let pool = (self.1.pool)(log.address, &log.topics, &log.data).ok_or_else(none)?;
        snapshot.found(self.0, pool, log);
        Ok(())
    }

    fn tell(&self, snapshot: &Snapshot, done: u64, of: u64, hear: Hear<'_>) {
        hear(Progress::Scanning { factory: &self.0.name, done, of, pools: snapshot.count(self.0) });
    }
}

/// A lending contract's borrowers.
struct Borrowers<'a>(&'a LendingRow, Lender);

impl Trail for Borrowers<'_> {
    fn address(&self) -> Address {
        self.0.address
    }

    fn topics(&self) -> Vec<B256> {
        self.1.topics.to_vec()
    }

    fn next(&self, snapshot: &mut Snapshot) -> u64 {
        snapshot.next_of(self.0)
    }

    fn read_to(&self, snapshot: &mut Snapshot, next: u64) {
        snapshot.read_of(self.0, next);
    }

    fn take(&self, snapshot: &mut Snapshot, log: &Log) -> Result<(), BootstrapError> {
        let none = || BootstrapError::Log { row: self.0.row(), block: log.block_hash };
        snapshot.heard(self.0, (self.1.heard)(&log.topics, &log.data).ok_or_else(none)?);
        Ok(())
    }

    fn tell(&self, snapshot: &Snapshot, done: u64, of: u64, hear: Hear<'_>) {
        hear(Progress::Borrowers { lending: &self.0.name, done, of, accounts: snapshot.count_of(self.0) });
    }
}

/// Reads all factories' and lending contracts' logs up to block `to`.
pub(super) async fn scan(
    chain: &Chain,
    config: &Config,
    wanted: &Wanted,
    to: u64,
    snapshot: &mut Snapshot,
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    let mut trails: Vec<Box<dyn Trail + Send + Sync + '_>> = Vec::new();
    for factory in &wanted.factories {
        let row = || format!("factory {}", factory.name);
        let unknown = || BootstrapError::Protocol { row: row(), protocol: factory.protocol.clone() };
        trails.push(Box::new(Pools(factory, protocols::creation(&factory.protocol).ok_or_else(unknown)?)));
    }
    // Whose accounts are listed need not be looked for.
    for row in wanted.lending.iter().filter(|row| row.accounts.is_empty()) {
        trails.push(Box::new(Borrowers(row, row.lender()?)));
    }
    for trail in &trails {
        let outcome = follow(chain, config, trail.as_ref(), to, snapshot, hear).await;
        // What was found before the node failed need not be looked for again.
        snapshot.write(config);
        outcome?;
    }
    Ok(())
}

async fn follow(
    chain: &Chain,
    config: &Config,
    trail: &(dyn Trail + Send + Sync),
    to: u64,
    snapshot: &mut Snapshot,
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    let (start, topics, address) = (trail.next(snapshot), trail.topics(), trail.address());
    let mut most = config.page_blocks.max(1);
    let (mut next, mut page, mut pages) = (start, most, 0);
    let (mut was_busy, mut late) = (false, 0);
    while next <= to {
        let last = next.saturating_add(page - 1).min(to);
        match chain.logs_between((next, last), address, &topics).await {
            Ok(logs) => {
                for log in logs.iter().filter(|log| !log.removed && log.address == address) {
                    trail.take(snapshot, log)?;
                }
                next = last + 1;
                // A page that was halved for one busy stretch need not stay small.
                page = page.saturating_mul(2).min(most);
                late = 0;
            }
            // That one was too long costs as long as is waited for an answer: none is so long again.
            Err(error) if last > next && late < LATE && error.is_late() => {
                page = (last - next).div_ceil(2);
                (most, late) = (page, late + 1);
                continue;
            }
            Err(error) if last > next && is_too_long(&error, &mut was_busy) => {
                page = (last - next).div_ceil(2);
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        trail.read_to(snapshot, next.min((to + 1).saturating_sub(SETTLED)).max(start));
        trail.tell(snapshot, next - start, to + 1 - start, hear);
        pages += 1;
        if pages % PAGES == 0 {
            snapshot.write(config);
        }
    }
    Ok(())
}

/// Nodes have no common word for a range or an answer that is too long. One that says nothing at all is not asked again. "Limit
/// exceeded" may mean either: where waiting did not help, less is asked for, once.
fn is_too_long(error: &ChainError, was_busy: &mut bool) -> bool {
    match error {
        ChainError::Refused { .. } | ChainError::Shape { .. } => true,
        ChainError::Busy { .. } => !std::mem::replace(was_busy, true),
        ChainError::Transport { .. } => false,
    }
}
