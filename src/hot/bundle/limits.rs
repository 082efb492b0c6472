//! What may still be sent for a block: a bundle a trigger, so many bundles in all.
//!
//! # Invariants
//! - Only a bundle that was signed counts. Another parent is another block, even under the same number (a reorg).

use std::collections::HashSet;

use alloy_primitives::B256;

use crate::hot::refused::Refused;

/// What was signed for the block in hand.
#[derive(Debug, Default)]
pub struct BlockLimits {
    parent: B256,
    /// Emptied for every block, and never shrunk.
    triggers: HashSet<Option<B256>>,
}

impl BlockLimits {
    /// May a bundle behind `trigger` go to the block after `parent`? `most`: bundles a block may get.
    pub fn admit(&mut self, parent: B256, trigger: Option<B256>, most: u32) -> Result<(), Refused> {
        if parent != self.parent {
            self.parent = parent;
            self.triggers.clear();
        }
        if self.triggers.contains(&trigger) {
            return Err(Refused::Duplicate);
        }
        if self.triggers.len() >= most as usize {
            return Err(Refused::BlockFull);
        }
        Ok(())
    }

    /// A bundle behind `trigger` was signed.
    pub fn count(&mut self, trigger: Option<B256>) {
        self.triggers.insert(trigger);
    }

    /// The bundle behind `trigger` does not count any more.
    pub fn release(&mut self, trigger: Option<B256>) {
        self.triggers.retain(|held| *held != trigger);
    }
}
