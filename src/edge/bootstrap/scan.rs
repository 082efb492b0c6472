//! Pools by their factories' logs, page by page.
//!
//! # Invariants
//! - A page is kept before the next one is asked for, so that a scan that was broken off goes on where it was; the blocks
//!   near the tip are read again, since they may be undone.
//! - A page that a node refuses is halved, down to one block; what it refuses then is an error.

use crate::edge::bootstrap::BootstrapError;
use crate::edge::bootstrap::Config;
use crate::edge::bootstrap::Factory;
use crate::edge::bootstrap::Hear;
use crate::edge::bootstrap::Progress;
use crate::edge::bootstrap::SETTLED;
use crate::edge::bootstrap::Wanted;
use crate::edge::bootstrap::snapshot::Snapshot;
use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::protocols;
use crate::protocols::discover::Creation;

/// Pages between two writes of the snapshot.
const PAGES: u64 = 16;

/// Reads all factories' logs up to block `to`.
pub(super) async fn scan(
    chain: &Chain,
    config: &Config,
    wanted: &Wanted,
    to: u64,
    snapshot: &mut Snapshot,
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    for factory in &wanted.factories {
        let unknown = || BootstrapError::Protocol { name: factory.name.clone(), protocol: factory.protocol.clone() };
        let creation = protocols::creation(&factory.protocol).ok_or_else(unknown)?;
        let outcome = follow(chain, config, factory, creation, to, snapshot, hear).await;
        // What was found before the node failed need not be looked for again.
        snapshot.write(config)?;
        outcome?;
    }
    Ok(())
}

async fn follow(
    chain: &Chain,
    config: &Config,
    factory: &Factory,
    creation: Creation,
    to: u64,
    snapshot: &mut Snapshot,
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    let start = snapshot.next(factory);
    let (mut next, mut page, mut pages) = (start, config.page_blocks.max(1), 0);
    while next <= to {
        let last = next.saturating_add(page - 1).min(to);
        match chain.logs_between(next, last, factory.address, &[creation.topic]).await {
            Ok(logs) => {
                for log in logs.iter().filter(|log| !log.removed && log.address == factory.address) {
                    let none = || BootstrapError::Log { name: factory.name.clone(), block: log.block_hash };
                    let pool = (creation.pool)(&log.topics, &log.data).ok_or_else(none)?;
                    snapshot.found(factory, pool);
                }
                next = last + 1;
                // A page that was halved for one busy stretch need not stay small.
                page = page.saturating_mul(2).min(config.page_blocks.max(1));
            }
            Err(error) if last > next && is_too_long(&error) => {
                page = (last - next).div_ceil(2);
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        snapshot.read_to(factory, next.min((to + 1).saturating_sub(SETTLED)).max(start));
        let pools = snapshot.count(factory);
        hear(Progress::Scanning { factory: &factory.name, done: next - start, of: to + 1 - start, pools });
        pages += 1;
        if pages % PAGES == 0 {
            snapshot.write(config)?;
        }
    }
    Ok(())
}

/// Nodes have no common word for a range or an answer that is too long. One that says nothing at all is not asked again.
fn is_too_long(error: &ChainError) -> bool {
    match error {
        ChainError::Refused { .. } | ChainError::Shape { .. } => true,
        ChainError::Transport { .. } => false,
    }
}
