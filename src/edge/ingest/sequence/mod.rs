//! Puts what N sources tell of the chain into one order, and fills what they left out.
//!
//! # Invariants
//! - A head that is the tip's child goes straight through. Any other is only a hint: the node is asked, and parent hashes
//!   lead back to a block known here. So duplicates, reordering, gaps, reorgs and `removed` logs are one case.
//! - A rival at or below the tip is followed only when its node had told of the tip itself, hence has left it, or when no
//!   such node is connected. A node that lags behind, or sits on another fork, moves nothing until it is ahead.
//! - No answer is a gap, never a guess: all nodes are asked in turn, with back-off, before anything later is handed on.

mod followed;
mod heard;

use std::collections::BTreeSet;
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
use crate::edge::ingest::sequence::followed::Followed;
use crate::edge::ingest::sequence::heard::Heard;
use crate::edge::ingest::supervise::Backoff;
use crate::metrics::said::is_said;

/// Blocks caught up with one by one; a longer absence is cheaper to load anew.
const MAX_WALK: usize = 1024;

/// Why a step did not succeed; it is taken again.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("the node does not know block {0}")]
    UnknownBlock(B256),
    #[error("the node has no latest block")]
    NoLatest,
    #[error("block {} has another number than follows its parent's", .0.number)]
    Misplaced(BlockId),
    #[error("the logs of block {} are due", .0.number)]
    LogsDue(BlockId),
    #[error("no node to ask")]
    NoNode,
    #[error("the node is out")]
    Out,
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
    known: Followed,
    up: BTreeSet<SourceId>,
    /// The tip, while its logs are due.
    logs_due: Option<Head>,
    /// What blocks of this chain do not say of themselves.
    unsaid: [bool; 4],
    gap: bool,
    /// More blocks follow at once: no pending transaction in between.
    climbing: bool,
    heard: Heard,
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
            known: Followed::new(after),
            up: BTreeSet::new(),
            logs_due: None,
            unsaid: [false; 4],
            gap: false,
            climbing: false,
            heard: Heard::default(),
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

    async fn head(&mut self, source: SourceId, head: Head) {
        if self.known.has(head.hash) {
            return self.known.vouch(head.hash, source);
        }
        let own = self.chains.get(usize::from(source)).cloned().flatten();
        let Some(chain) = own.or_else(|| self.chains.iter().flatten().next().cloned()) else { return };
        let Some(tip) = self.known.tip().filter(|tip| self.logs_due.is_none() && head.number > tip.number) else {
            return self.check(source).await;
        };
        let done = match head.parent == tip.hash && !self.gap {
            true => self.extend(&chain, source, head).await,
            false => self.follow(&chain, source, head).await,
        };
        match done {
            Ok(()) => self.close_gap().await,
            Err(error) => {
                if let StepError::Misplaced(_) = error {
                    tracing::warn!(source, %error, "a head is not believed; the nodes are asked");
                }
                self.check(source).await;
            }
        }
    }

    async fn log(&mut self, source: SourceId, log: Log) {
        let known = self.known.has(log.block_hash);
        if log.removed {
            self.heard.take(log.block_hash);
            if known {
                self.check(source).await;
            }
        } else if !known || self.logs_due.as_ref().is_some_and(|due| due.hash == log.block_hash) {
            self.heard.add(log);
        }
    }

    /// Asks where the chain is and follows, until that is done: `source` first, then the others in turn.
    async fn check(&mut self, source: SourceId) {
        self.climbing = false;
        let sources = self.chains.len().max(1);
        let mut tries = 0;
        loop {
            let asked = (usize::from(source) + tries) % sources;
            let step = match self.chains.get(asked).cloned().flatten() {
                // Nothing that another chain's says counts.
                Some(chain) if chain.stranger().is_some() => Err(StepError::Out),
                // One that is out would be waited for in vain, while there is another.
                Some(chain) if chain.is_out() && self.chains.iter().flatten().any(|chain| !chain.is_out()) => {
                    Err(StepError::Out)
                }
                Some(chain) => self.catch_up(&chain, asked as SourceId).await,
                None => Err(StepError::NoNode),
            };
            tries += 1;
            match step {
                Ok(()) => return self.close_gap().await,
                Err(StepError::Deaf) => return,
                Err(StepError::Out) => (),
                Err(error) if is_said(tries as u64) => {
                    tracing::warn!(%error, tries, "the chain cannot be followed; asking again");
                }
                Err(error) => tracing::debug!(%error, tries, "the chain cannot be followed; asking again"),
            }
            if tries % sources == 0 {
                // Everyone was asked.
                self.open_gap(Cause::Unanswered).await;
                let rounds = u32::try_from(tries / sources - 1).unwrap_or(u32::MAX);
                tokio::time::sleep(self.backoff.delay(rounds)).await;
            }
        }
    }

    async fn catch_up(&mut self, chain: &Chain, source: SourceId) -> Result<(), StepError> {
        self.pay(chain).await?;
        // Its own word alone: what another node has says nothing of this one.
        let latest = chain.only().latest().await?.ok_or(StepError::NoLatest)?;
        if self.known.has(latest.hash) {
            self.known.vouch(latest.hash, source);
            return Ok(());
        }
        let ahead = self.known.tip().is_none_or(|tip| latest.number > tip.number);
        if !ahead && !self.known.may_leave(source, &self.up) {
            return Ok(());
        }
        self.follow(chain, source, latest).await
    }

    /// The logs that are due. If their block is undone they will never come: the walk that follows undoes it here too.
    async fn pay(&mut self, chain: &Chain) -> Result<(), StepError> {
        let Some(logs_due) = self.logs_due.clone() else { return Ok(()) };
        let failed = match self.logs(chain, &logs_due).await {
            Ok(()) | Err(StepError::Deaf) => return Ok(()),
            Err(error) => error,
        };
        match chain.only().at(logs_due.number).await? {
            Some(now) if now.hash != logs_due.hash => Ok(()),
            _ => Err(failed),
        }
    }

    /// Walks from `target` down to a block known here, undoes what is above it, and hands on the way up.
    async fn follow(&mut self, chain: &Chain, source: SourceId, target: Head) -> Result<(), StepError> {
        let mut path = vec![target];
        let (Some(oldest), Some(tip)) = (self.known.oldest(), self.known.tip()) else {
            return self.climb(chain, source, path).await;
        };
        while let Some(lowest) = path.last().filter(|lowest| !self.known.has(lowest.parent)) {
            if path.len() >= MAX_WALK || lowest.number <= oldest.number + 1 {
                return self.lose(source, path.swap_remove(0).id()).await;
            }
            let parent = lowest.parent;
            if lowest.number > tip.number + 1 {
                self.open_gap(Cause::MissedHead).await;
            }
            let block = chain.block(parent).await?.filter(|block| block.hash == parent);
            path.push(block.ok_or(StepError::UnknownBlock(parent))?);
        }
        if let Some((from, to)) = path.last().and_then(|lowest| self.known.cut(lowest.parent)) {
            self.logs_due = None;
            self.send(Feed::Undo { from, to }, true).await?;
        }
        if let Some(logs_due) = &self.logs_due {
            return Err(StepError::LogsDue(logs_due.id()));
        }
        self.climb(chain, source, path).await
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
        let is_child = |tip: BlockId| tip.hash != head.parent || tip.number.checked_add(1) == Some(head.number);
        if !self.known.tip().is_none_or(is_child) {
            return Err(StepError::Misplaced(head.id()));
        }
        let head = self.whole(chain, head).await;
        self.known.push(head.id(), source);
        self.logs_due = Some(head.clone());
        self.send(Feed::Head(head.clone()), true).await?;
        self.logs(chain, &head).await
    }

    /// What a head leaves out is asked for, unless blocks of this chain do not say it: an absent base fee is not zero.
    async fn whole(&mut self, chain: &Chain, head: Head) -> Head {
        if !unsaid(&head).into_iter().zip(self.unsaid).any(|(unsaid, is_known)| unsaid && !is_known) {
            return head;
        }
        match chain.block(head.hash).await {
            Ok(Some(whole)) if whole.id() == head.id() && whole.parent == head.parent => {
                self.unsaid = unsaid(&whole);
                whole
            }
            Ok(_) | Err(_) => head,
        }
    }

    async fn logs(&mut self, chain: &Chain, head: &Head) -> Result<(), StepError> {
        let (watched, block) = (self.watched.borrow().clone(), head.id());
        // What a source announced of this very block counts as an answer does.
        let logs = chain.logs_of(head, &watched, self.heard.of(block.hash)).await?;
        self.heard.take(block.hash);
        self.logs_due = None;
        self.send(Feed::Logs { block, logs, watched }, self.gap || self.climbing).await
    }

    async fn lose(&mut self, source: SourceId, at: BlockId) -> Result<(), StepError> {
        self.known.restart(at, source);
        self.logs_due = None;
        self.send(Feed::Lost { at }, self.gap).await
    }

    async fn open_gap(&mut self, cause: Cause) {
        if !std::mem::replace(&mut self.gap, true) {
            let _deaf = self.send(Feed::Gap { after: self.known.tip(), cause }, true).await;
        }
    }

    async fn close_gap(&mut self) {
        let Some(at) = self.known.tip().filter(|_| self.gap && self.logs_due.is_none() && !self.up.is_empty()) else {
            return;
        };
        self.gap = false;
        let _deaf = self.send(Feed::Recovered { at }, false).await;
    }

    async fn send(&self, item: Feed, held: bool) -> Result<(), StepError> {
        if self.queue.push(item, held).await { Ok(()) } else { Err(StepError::Deaf) }
    }
}

/// What of it is missing that a block may have.
fn unsaid(head: &Head) -> [bool; 4] {
    [head.base_fee.is_none(), head.excess_blob_gas.is_none(), head.logs_bloom.is_none(), head.receipts_root.is_none()]
}
