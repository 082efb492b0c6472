//! A mined block as the inclusion tracker sees it.

use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use alloy_primitives::B256;

use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::edge::ledger::landed::Block;
use crate::edge::ledger::landed::BlockError;

/// Why it is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum MinedError {
    /// The node does not answer as due.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// What it answers is not one block.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// The block of this hash, and its parent's hash; `None` when the node does not know it.
pub async fn mined(chain: &Chain, hash: B256) -> Result<Option<(Block, B256)>, MinedError> {
    let seen_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let (block, receipts) = tokio::try_join!(chain.full(hash), chain.receipts(hash))?;
    let (Some(block), Some(receipts)) = (block, receipts) else { return Ok(None) };
    let parent = block.header.parent_hash;
    let seen_ms = u64::try_from(seen_ms).unwrap_or(u64::MAX);
    Ok(Some((Block::read(&block, &receipts, seen_ms)?, parent)))
}

/// The canonical block of this number.
pub async fn mined_at(chain: &Chain, number: u64) -> Result<Option<(Block, B256)>, MinedError> {
    match chain.at(number).await? {
        Some(head) => mined(chain, head.hash).await,
        None => Ok(None),
    }
}
