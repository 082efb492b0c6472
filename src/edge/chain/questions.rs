//! What the chain can be asked: each question is put to one node after the other, until one has an answer.

use alloy::rpc::types::TransactionReceipt;
use alloy::rpc::types::eth::Block;
use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::Value;

use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::edge::chain::Endpoint;
use crate::edge::chain::Head;
use crate::edge::chain::Listing;
use crate::edge::chain::Log;
use crate::edge::chain::Trace;
use crate::hot::event::AccountUpdate;

/// The questions: each is one node's, as the method of the same name of an endpoint says.
impl Chain {
    /// The latest block.
    pub async fn latest(&self) -> Result<Option<Head>, ChainError> {
        self.some(|node| async move { node.latest().await }).await
    }

    /// The block that is canonical at `number`.
    pub async fn at(&self, number: u64) -> Result<Option<Head>, ChainError> {
        self.some(|node| async move { node.at(number).await }).await
    }

    /// The block with this hash, canonical or not.
    pub async fn block(&self, hash: B256) -> Result<Option<Head>, ChainError> {
        self.some(|node| async move { node.block(hash).await }).await
    }

    /// The block with this hash, its transactions in full.
    pub async fn full(&self, hash: B256) -> Result<Option<Block>, ChainError> {
        self.some(|node| async move { node.full(hash).await }).await
    }

    /// The receipts of a block, in order; `None` when no node knows it.
    pub async fn receipts(&self, block: B256) -> Result<Option<Vec<TransactionReceipt>>, ChainError> {
        self.some(|node| async move { node.receipts(block).await }).await
    }

    /// The logs that `addresses` emitted in one block, in order. No address, no logs, no call.
    pub async fn logs(&self, block: B256, addresses: &[Address]) -> Result<Vec<Log>, ChainError> {
        self.any(|node| async move { node.logs(block, addresses).await }).await
    }

    /// All logs of one block, whoever emitted them.
    pub async fn all_logs(&self, block: B256) -> Result<Vec<Log>, ChainError> {
        self.any(|node| async move { node.all_logs(block).await }).await
    }

    /// The logs of `address` with one of `topics` first, of the blocks from `from` to `to`, both included.
    pub async fn logs_between(
        &self,
        (from, to): (u64, u64),
        address: Address,
        topics: &[B256],
    ) -> Result<Vec<Log>, ChainError> {
        self.any(|node| async move { node.logs_between(from, to, address, topics).await }).await
    }

    /// What is in the block, in short.
    pub async fn listing(&self, hash: B256) -> Result<Listing, ChainError> {
        self.any(|node| async move { node.listing(hash).await }).await
    }

    /// Hashes of the blocks at `numbers` in the chain below `at`.
    pub async fn hashes(&self, at: B256, numbers: &[u64]) -> Result<Vec<(u64, B256)>, ChainError> {
        self.any(|node| async move { node.hashes(at, numbers).await }).await
    }

    /// Transactions by hash, in the order asked; `Null` for one that the node does not know.
    pub async fn transactions(&self, hashes: &[B256]) -> Result<Vec<Value>, ChainError> {
        self.any(|node| async move { node.transactions(hashes).await }).await
    }

    /// What a transaction of a block of `coinbase` transferred to it, in wei, tips apart. Asks for a trace.
    pub async fn coinbase_transfers(&self, tx: B256, coinbase: Address) -> Result<U256, ChainError> {
        self.any(|node| async move { node.coinbase_transfers(tx, coinbase).await }).await
    }

    /// The chain's id.
    pub async fn chain_id(&self) -> Result<u64, ChainError> {
        self.any(|node| async move { node.chain_id().await }).await
    }

    /// Balance, nonce and code of each.
    pub async fn accounts(&self, at: B256, addresses: &[Address]) -> Result<Vec<AccountUpdate>, ChainError> {
        self.any(|node| async move { node.accounts(at, addresses).await }).await
    }

    /// Balance and nonce of each; of code nothing is said.
    pub async fn holdings(&self, at: B256, addresses: &[Address]) -> Result<Vec<AccountUpdate>, ChainError> {
        self.any(|node| async move { node.holdings(at, addresses).await }).await
    }

    /// What each slot holds.
    pub async fn slots(&self, at: B256, slots: &[(Address, U256)]) -> Result<Vec<U256>, ChainError> {
        self.any(|node| async move { node.slots(at, slots).await }).await
    }

    /// What each contract answers to each calldata.
    pub async fn views(&self, at: B256, calls: &[(Address, Bytes)]) -> Result<Vec<Bytes>, ChainError> {
        self.any(|node| async move { node.views(at, calls).await }).await
    }

    /// What the block's transactions changed, and by which node's trace.
    pub async fn trace(&self, block: B256) -> Result<(Trace, Endpoint), ChainError> {
        self.any(|node| async move { Ok((node.trace(block).await?, node)) }).await
    }

    /// All that a transaction would read behind block `at`, with what it holds there.
    pub async fn prestate(
        &self,
        at: B256,
        call: &Value,
        next: Option<(u64, u64)>,
    ) -> Result<Vec<AccountUpdate>, ChainError> {
        self.any(|node| async move { node.prestate(at, call, next).await }).await
    }

    /// Accounts and slots that a transaction would read behind block `at`, but for those that it reads in any case.
    pub async fn access_list(&self, at: B256, call: &Value) -> Result<Vec<(Address, Vec<U256>)>, ChainError> {
        self.any(|node| async move { node.access_list(at, call).await }).await
    }
}
