//! The state of the last run brought to a block: what each block since has changed is learnt as while running.
//!
//! # Invariants
//! - Nothing is taken from the file but of a block of this chain from which every block since is followed, each by its hash. Else its
//!   keys and codes stay, and every value is read anew.
//! - A pool whose contracts have changed is not taken over: it is asked anew. So is each a day after it was read, since what a contract
//!   hangs on need not be all ours to follow.
//! - A block that was only read back may have changed what it does not name: from there nothing is gone on from.
//! - Where everything is to be read anew the file is in doubt, and gone once it is read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::B256;

use crate::edge::bootstrap::BootstrapError;
use crate::edge::bootstrap::Config;
use crate::edge::bootstrap::Hear;
use crate::edge::bootstrap::Keep;
use crate::edge::bootstrap::Progress;
use crate::edge::bootstrap::Rules;
use crate::edge::bootstrap::SavedState;
use crate::edge::bootstrap::Wanted;
use crate::edge::bootstrap::snapshot::state;
use crate::edge::bootstrap::snapshot::state::Saved;
use crate::edge::bootstrap::state_cache::StateCache;
use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::edge::chain::Head;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::discover::Announced;

/// Blocks that are followed to come to the tip: an hour's. Of more, reading everything anew takes less.
const MOST_BLOCKS: u64 = 300;
/// ... and so long at most: a node may be slow to tell of a block.
const MOST_TIME: Duration = Duration::from_secs(30);
/// Requests that a block counts for: its trace, and what is read where that is held against an execution. Where all values take fewer,
/// they are read anew.
const BLOCK: usize = 16;
/// Blocks behind which pools are asked again: a day of twelve seconds each.
const MOST_AGE: u64 = 7_200;

/// What a start begins with.
#[derive(Debug, Default)]
pub(super) struct Resumed {
    /// Keys and codes; with values where they are of the block.
    pub(super) known: StateCache,
    /// Pools that need not be asked, in order of their keys.
    pub(super) pools: Vec<AnyPool>,
    /// The file that the values are out of, if they are of the block.
    pub(super) saved: Option<SavedState>,
    /// What the operator should hear.
    pub(super) note: Option<String>,
}

/// What was kept of the last run, as it is behind `head`.
pub(super) async fn at(
    (chain, rules): (&Chain, Rules),
    config: &Config,
    (wanted, announced): (&Wanted, Arc<Announced>),
    head: &Head,
    hear: Hear<'_>,
) -> Result<Resumed, BootstrapError> {
    let mut resumed = saved_state((chain, rules), config, (wanted, &announced), head, hear).await?;
    resumed.known.announced = announced;
    Ok(resumed)
}

async fn saved_state(
    (chain, rules): (&Chain, Rules),
    config: &Config,
    (wanted, announced): (&Wanted, &Arc<Announced>),
    head: &Head,
    hear: Hear<'_>,
) -> Result<Resumed, BootstrapError> {
    let Some(path) = config.snapshot.as_deref().map(state::path) else { return Ok(Resumed::default()) };
    let (named, doubted) = (path.display().to_string(), wanted.anew);
    let read = tokio::task::spawn_blocking(move || {
        let read = state::read(&path, rules.into());
        if doubted {
            // Should this run end before it writes another one, the next has none.
            let _gone = std::fs::remove_file(&path);
        }
        read
    });
    let mut saved = match read.await.map_err(|_| BootstrapError::Stopped)? {
        Ok(None) => return Ok(Resumed::default()),
        Ok(Some(saved)) => saved,
        Err(what) => {
            let note = format!("{named}: the state kept there {what}: it is made anew");
            hear(Progress::Note(&note));
            return Ok(Resumed { note: Some(note), ..Resumed::default() });
        }
    };
    let blocks = usize::try_from(head.number.saturating_sub(saved.at.0)).unwrap_or(usize::MAX);
    let is_worth = blocks.saturating_mul(BLOCK).saturating_mul(config.batch) <= saved.known.len();
    let way =
        if wanted.anew || !is_worth { None } else { known_or(blocks_since(chain, saved.at, head).await)?.flatten() };
    // The pools may be of a block that was undone while the last run went on.
    let pools_at = known_or(chain.at(saved.pools_at.0).await)?.flatten().map(|head| head.hash);
    let Some(way) = way.filter(|_| pools_at == Some(saved.pools_at.1)) else { return Ok(forgotten(saved.known)) };
    saved.known.announced = Arc::clone(announced);
    follow((chain, rules), saved, &way, hear).await
}

/// A node need not know old blocks, and may have any word for that.
fn known_or<T>(answer: Result<T, ChainError>) -> Result<Option<T>, ChainError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ChainError::Refused { .. } | ChainError::Shape { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Its keys and codes.
fn forgotten(mut known: StateCache) -> Resumed {
    known.forget();
    Resumed { known, ..Resumed::default() }
}

/// The blocks behind `from` up to `head`, in order. `None`: it is no block of this chain any more, or too far away.
async fn blocks_since(chain: &Chain, from: (u64, B256), head: &Head) -> Result<Option<Vec<Head>>, ChainError> {
    let Some(blocks) = head.number.checked_sub(from.0).filter(|blocks| *blocks <= MOST_BLOCKS) else { return Ok(None) };
    let mut way = Vec::with_capacity(blocks as usize);
    let mut next = head.clone();
    for _ in 0..blocks {
        let parent = next.parent;
        way.push(next);
        match chain.block(parent).await? {
            Some(block) => next = block,
            None => return Ok(None),
        }
    }
    way.reverse();
    Ok((next.hash == from.1).then_some(way))
}

/// Follows the blocks. Where one cannot be followed nothing that was kept is believed.
async fn follow(
    (chain, rules): (&Chain, Rules),
    saved: Saved,
    way: &[Head],
    hear: Hear<'_>,
) -> Result<Resumed, BootstrapError> {
    let Saved { at, known, pools, pools_at, moved: before, whole } = saved;
    let (mut known, mut moved, begun) = (known, BTreeSet::new(), Instant::now());
    if !way.is_empty() {
        let keep = Keep::over((chain.clone(), rules), known, (&pools, &whole), at.1);
        let mut behind = true;
        for (done, head) in way.iter().enumerate() {
            hear(Progress::Following { done, of: way.len() });
            if begun.elapsed() > MOST_TIME || keep.update(head, &[]).await.is_err() || keep.is_doubtful() {
                behind = false;
                break;
            }
        }
        (known, moved) = keep.into_known();
        if !behind {
            return Ok(forgotten(known));
        }
    }
    let tip = way.last().map_or(at.0, |head| head.number);
    let pools = if tip.saturating_sub(pools_at.0) > MOST_AGE { Vec::new() } else { pools };
    let mut pools = state::unmoved(pools, &before.union(&moved).copied().collect());
    // They were written so.
    pools.sort_unstable_by_key(Amm::key);
    Ok(Resumed { known, pools, saved: Some(SavedState { at, moved }), note: None })
}
