//! The chain as it was handed on: the last blocks, and the sources that have told of the tip.

use std::collections::{BTreeSet, VecDeque};

use alloy_primitives::B256;

use crate::edge::chain::BlockId;
use crate::edge::ingest::feed::SourceId;

/// Blocks remembered; a reorg as deep as that cannot be undone by anyone.
const REMEMBERED: usize = 256;

pub(in crate::edge::ingest::sequence) struct Followed {
    /// Oldest first; the last is the tip.
    blocks: VecDeque<BlockId>,
    vouched: BTreeSet<SourceId>,
}

impl Followed {
    pub(in crate::edge::ingest::sequence) fn new(tip: Option<BlockId>) -> Self {
        Self { blocks: tip.into_iter().collect(), vouched: BTreeSet::new() }
    }

    /// Nothing but `tip`, which `source` told.
    pub(in crate::edge::ingest::sequence) fn restart(&mut self, tip: BlockId, source: SourceId) {
        self.blocks = VecDeque::from([tip]);
        self.vouched = BTreeSet::from([source]);
    }

    pub(in crate::edge::ingest::sequence) fn tip(&self) -> Option<BlockId> {
        self.blocks.back().copied()
    }

    pub(in crate::edge::ingest::sequence) fn oldest(&self) -> Option<BlockId> {
        self.blocks.front().copied()
    }

    pub(in crate::edge::ingest::sequence) fn has(&self, hash: B256) -> bool {
        // Looked up from the tip: it is nearly always there.
        self.blocks.iter().rev().any(|block| block.hash == hash)
    }

    /// A new tip, which `source` told.
    pub(in crate::edge::ingest::sequence) fn push(&mut self, block: BlockId, source: SourceId) {
        self.blocks.push_back(block);
        if self.blocks.len() > REMEMBERED {
            self.blocks.pop_front();
        }
        self.vouched = BTreeSet::from([source]);
    }

    /// `source` has told of `hash`; it counts if that is the tip.
    pub(in crate::edge::ingest::sequence) fn vouch(&mut self, hash: B256, source: SourceId) {
        if self.tip().is_some_and(|tip| tip.hash == hash) {
            self.vouched.insert(source);
        }
    }

    /// Whether `source` may lead off the tip: it has told of it, hence has left it, or none of `up` has.
    pub(in crate::edge::ingest::sequence) fn may_leave(&self, source: SourceId, up: &BTreeSet<SourceId>) -> bool {
        self.vouched.contains(&source) || self.vouched.is_disjoint(up)
    }

    /// Forgets what is above `meet`: the old and the new tip, if they differ.
    pub(in crate::edge::ingest::sequence) fn cut(&mut self, meet: B256) -> Option<(BlockId, BlockId)> {
        let from = self.tip()?;
        let at = self.blocks.iter().rposition(|block| block.hash == meet)?;
        self.blocks.truncate(at + 1);
        let to = self.tip()?;
        (to != from).then_some((from, to))
    }
}
