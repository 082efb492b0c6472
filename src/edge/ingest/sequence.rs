//! Puts what N sources tell of the chain into one order, and fills what they left out.
//!
//! # Invariants
//! - A head that is the tip's child goes straight through. Any other is only a hint: the node is asked, and parent hashes
//!   lead back to a block known here. So duplicates, reordering, gaps, reorgs and `removed` logs are one case.
//! - A rival at or below the tip is followed only when its node had told of the tip itself, hence has left it, or when no
//!   such node is connected. A node that lags behind, or sits on another fork, moves nothing until it is ahead.
//! - No answer is a gap, never a guess: all nodes are asked in turn, with back-off, before anything later is handed on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use alloy_primitives::{Address, B256};
use tokio::sync::mpsc;
use tokio::sync::watch;

use crate::edge::chain::BlockId;
use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::edge::chain::Head;
use crate::edge::chain::Log;
use crate::edge::ingest::feed::Cause;
use crate::edge::ingest::feed::Feed;
use crate::edge::ingest::feed::SourceId;
use crate::edge::ingest::inlet::Note;
use crate::edge::ingest::queue::Queue;
use crate::edge::ingest::supervise::Backoff;

/// Blocks remembered; a reorg as deep as that cannot be undone by anyone.
const REMEMBERED: usize = 256;
/// Blocks caught up with one by one; a longer absence is cheaper to load anew.
const MAX_WALK: usize = 1024;
/// Blocks whose logs are kept as announced, until their head is handed on.
const HEARD_BLOCKS: usize = 32;

/// Why a step did not succeed; it is taken again.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("the node does not know block {0}")]
    UnknownBlock(B256),
    #[error("the node has no latest block")]
    NoLatest,
    #[error("no node to ask")]
    NoNode,
    #[error("nobody listens")]
    Deaf,
}

/// The chain as it was handed on.
pub(in crate::edge::ingest) struct Sequence {
    queue: Arc<Queue>,
    watched: watch::Receiver<Arc<[Address]>>,
    /// By source; `None` where a source has no node to ask.
    chains: Vec<Option<Chain>>,
    backoff: Backoff,
    /// Oldest first; the last is the tip.
    known: VecDeque<BlockId>,
    /// Who has told of the tip.
    vouched: BTreeSet<SourceId>,
    up: BTreeSet<SourceId>,
    /// The tip, while its logs are due.
    owed: Option<BlockId>,
    gap: bool,
    /// More blocks follow at once: no pending transaction in between.
    climbing: bool,
    /// Logs as announced, by block, oldest block first.
    heard: VecDeque<(B256, BTreeMap<u64, Log>)>,
}

impl Sequence {
    pub(in crate::edge::ingest) fn new(
        queue: Arc<Queue>,
        watched: watch::Receiver<Arc<[Address]>>,
        chains: Vec<Option<Chain>>,
        backoff: Backoff,
        after: Option<BlockId>,
    ) -> Self {
        Self {
            queue,
            watched,
            chains,
            backoff,
            known: after.into_iter().collect(),
            vouched: BTreeSet::new(),
            up: BTreeSet::new(),
            owed: None,
            gap: false,
            climbing: false,
            heard: VecDeque::new(),
        }
    }

    /// Until the sources or the reader are gone.
    pub(in crate::edge::ingest) async fn run(mut self, mut notes: mpsc::Receiver<Note>) {
        while let Some(note) = notes.recv().await {
            if self.queue.deaf() {
                break;
            }
            match note {
                Note::Up(source) => {
                    self.up.insert(source);
                    self.check(source).await;
                }
                Note::Down(source) => {
                    self.up.remove(&source);
                    if self.up.is_empty() {
                        self.open_gap(Cause::NoSource).await;
                    }
                }
                Note::Check(source) => self.check(source).await,
                Note::Head(source, head) => self.head(source, head).await,
                Note::Log(source, log) => self.log(source, log).await,
            }
        }
        self.queue.end();
    }

    fn tip(&self) -> Option<BlockId> {
        self.known.back().copied()
    }

    fn knows(&self, hash: B256) -> bool {
        // Looked up from the tip: it is nearly always there.
        self.known.iter().rev().any(|block| block.hash == hash)
    }

    async fn head(&mut self, source: SourceId, head: Head) {
        if self.tip().is_some_and(|tip| tip.hash == head.hash) {
            self.vouched.insert(source);
            return;
        }
        if self.knows(head.hash) {
            return;
        }
        let child = self.tip().is_some_and(|tip| tip.hash == head.parent) && self.owed.is_none() && !self.gap;
        let done = match self.chains.get(usize::from(source)).cloned().flatten().or_else(|| self.any_chain()) {
            Some(chain) if child => self.extend(&chain, source, head).await,
            Some(chain) if self.tip().is_some_and(|tip| head.number > tip.number) => {
                self.follow(&chain, source, head).await
            }
            _ => return self.check(source).await,
        };
        if done.is_err() {
            self.check(source).await;
        } else {
            self.close_gap().await;
        }
    }

    async fn log(&mut self, source: SourceId, log: Log) {
        if log.removed {
            self.heard.retain(|(block, _)| *block != log.block_hash);
            if self.knows(log.block_hash) {
                self.check(source).await;
            }
            return;
        }
        if self.knows(log.block_hash) && self.owed.is_none_or(|owed| owed.hash != log.block_hash) {
            return;
        }
        if self.heard.iter().all(|(block, _)| *block != log.block_hash) {
            if self.heard.len() >= HEARD_BLOCKS {
                self.heard.pop_front();
            }
            self.heard.push_back((log.block_hash, BTreeMap::new()));
        }
        if let Some((_, logs)) = self.heard.iter_mut().find(|(block, _)| *block == log.block_hash) {
            logs.insert(log.log_index, log);
        }
    }

    /// Asks where the chain is and follows, until that is done: `source` first, then the others in turn.
    async fn check(&mut self, source: SourceId) {
        self.climbing = false;
        let sources = self.chains.len().max(1);
        let mut tries = 0_u32;
        loop {
            let asked = (usize::from(source) + tries as usize) % sources;
            let step = match self.chains.get(asked).cloned().flatten() {
                Some(chain) => self.catch_up(&chain, asked as SourceId).await,
                None => Err(StepError::NoNode),
            };
            match step {
                Ok(()) => return self.close_gap().await,
                Err(StepError::Deaf) => return,
                Err(StepError::NoNode) if self.chains.iter().any(Option::is_some) && tries < sources as u32 => {}
                Err(error) => {
                    tracing::warn!(%error, tries, "the chain cannot be followed; asking again");
                    self.open_gap(Cause::Unanswered).await;
                    tokio::time::sleep(self.backoff.delay(tries)).await;
                }
            }
            tries = tries.saturating_add(1);
        }
    }

    async fn catch_up(&mut self, chain: &Chain, source: SourceId) -> Result<(), StepError> {
        self.pay(chain).await?;
        let latest = chain.latest().await?.ok_or(StepError::NoLatest)?;
        if self.knows(latest.hash) {
            if self.tip() == Some(latest.id()) {
                self.vouched.insert(source);
            }
            return Ok(());
        }
        let behind = self.tip().is_some_and(|tip| latest.number <= tip.number);
        let others = self.vouched.iter().any(|other| *other != source && self.up.contains(other));
        if behind && !self.vouched.contains(&source) && others {
            return Ok(());
        }
        self.follow(chain, source, latest).await
    }

    /// The logs that are due. If their block is undone they will never come: the walk that follows undoes it here too.
    async fn pay(&mut self, chain: &Chain) -> Result<(), StepError> {
        let Some(owed) = self.owed else { return Ok(()) };
        let failed = match self.logs(chain, owed).await {
            Ok(()) | Err(StepError::Deaf) => return Ok(()),
            Err(error) => error,
        };
        match chain.at(owed.number).await? {
            Some(now) if now.hash != owed.hash => Ok(()),
            _ => Err(failed),
        }
    }

    /// Walks from `target` down to a block known here, undoes what is above it, and hands on the way up.
    async fn follow(&mut self, chain: &Chain, source: SourceId, target: Head) -> Result<(), StepError> {
        let mut path = vec![target];
        let Some(oldest) = self.known.front().copied() else {
            return self.climb(chain, source, path).await;
        };
        while let Some(lowest) = path.last().filter(|lowest| !self.knows(lowest.parent)) {
            if path.len() >= MAX_WALK || lowest.number <= oldest.number + 1 {
                return self.lose(source, path.swap_remove(0).id()).await;
            }
            let parent = lowest.parent;
            if lowest.number > self.tip().map_or(0, |tip| tip.number + 1) {
                self.open_gap(Cause::MissedHead).await;
            }
            path.push(chain.block(parent).await?.ok_or(StepError::UnknownBlock(parent))?);
        }
        let meet = path.last().map(|lowest| lowest.parent);
        if let Some((from, to)) = self.cut(meet) {
            self.send(Feed::Undo { from, to }, true).await?;
        }
        self.climb(chain, source, path).await
    }

    /// Forgets what is above `meet`: the old and the new tip, if they differ.
    fn cut(&mut self, meet: Option<B256>) -> Option<(BlockId, BlockId)> {
        let from = self.tip()?;
        let at = self.known.iter().rposition(|block| Some(block.hash) == meet)?;
        self.known.truncate(at + 1);
        let to = self.tip()?;
        if to == from {
            return None;
        }
        self.owed = None;
        Some((from, to))
    }

    async fn climb(&mut self, chain: &Chain, source: SourceId, mut path: Vec<Head>) -> Result<(), StepError> {
        while let Some(head) = path.pop() {
            self.climbing = !path.is_empty();
            self.extend(chain, source, head).await?;
        }
        Ok(())
    }

    /// Hands on the tip's child, then its logs.
    async fn extend(&mut self, chain: &Chain, source: SourceId, head: Head) -> Result<(), StepError> {
        let block = head.id();
        self.known.push_back(block);
        if self.known.len() > REMEMBERED {
            self.known.pop_front();
        }
        self.vouched = BTreeSet::from([source]);
        self.owed = Some(block);
        self.send(Feed::Head(head), true).await?;
        self.logs(chain, block).await
    }

    async fn logs(&mut self, chain: &Chain, block: BlockId) -> Result<(), StepError> {
        let watched = self.watched.borrow().clone();
        let asked = chain.logs(block.hash, &watched).await?;
        // What a source announced of this very block is as true as the answer: the two are joined.
        let heard = self.heard.iter().position(|(hash, _)| *hash == block.hash).and_then(|at| self.heard.remove(at));
        let mut logs = heard.map(|(_, logs)| logs).unwrap_or_default();
        logs.extend(asked.into_iter().filter(|log| log.block_hash == block.hash).map(|log| (log.log_index, log)));
        let watched: BTreeSet<&Address> = watched.iter().collect();
        let logs = logs.into_values().filter(|log| watched.contains(&log.address)).collect();
        self.owed = None;
        self.send(Feed::Logs { block, logs }, self.gap || self.climbing).await
    }

    async fn lose(&mut self, source: SourceId, at: BlockId) -> Result<(), StepError> {
        self.known = VecDeque::from([at]);
        self.vouched = BTreeSet::from([source]);
        self.owed = None;
        self.send(Feed::Lost { at }, self.gap).await
    }

    async fn open_gap(&mut self, cause: Cause) {
        if !std::mem::replace(&mut self.gap, true) {
            let _deaf = self.send(Feed::Gap { after: self.tip(), cause }, true).await;
        }
    }

    async fn close_gap(&mut self) {
        let Some(at) = self.tip().filter(|_| self.gap && self.owed.is_none() && !self.up.is_empty()) else { return };
        self.gap = false;
        let _deaf = self.send(Feed::Recovered { at }, false).await;
    }

    async fn send(&self, item: Feed, held: bool) -> Result<(), StepError> {
        if self.queue.push(item, held).await { Ok(()) } else { Err(StepError::Deaf) }
    }

    fn any_chain(&self) -> Option<Chain> {
        self.chains.iter().flatten().next().cloned()
    }
}
