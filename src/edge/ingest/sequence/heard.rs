//! Logs as the sources announced them, until their block is handed on.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::B256;

use crate::edge::chain::Log;

/// Blocks whose logs are kept; the oldest go first.
const BLOCKS: usize = 32;

#[derive(Default)]
pub(in crate::edge::ingest::sequence) struct Heard {
    blocks: VecDeque<(B256, BTreeMap<u64, Log>)>,
}

impl Heard {
    pub(in crate::edge::ingest::sequence) fn add(&mut self, log: Log) {
        if self.blocks.iter().all(|(block, _)| *block != log.block_hash) {
            if self.blocks.len() >= BLOCKS {
                self.blocks.pop_front();
            }
            self.blocks.push_back((log.block_hash, BTreeMap::new()));
        }
        if let Some((_, logs)) = self.blocks.iter_mut().find(|(block, _)| *block == log.block_hash) {
            logs.insert(log.log_index, log);
        }
    }

    /// A block's logs by their position.
    pub(in crate::edge::ingest::sequence) fn of(&self, block: B256) -> BTreeMap<u64, Log> {
        let at = self.blocks.iter().find(|(hash, _)| *hash == block);
        at.map(|(_, logs)| logs.clone()).unwrap_or_default()
    }

    /// Forgets a block's logs.
    pub(in crate::edge::ingest::sequence) fn take(&mut self, block: B256) {
        self.blocks.retain(|(hash, _)| *hash != block);
    }
}
