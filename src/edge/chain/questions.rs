//! What the chain can be asked: each question is put to one node after the other, until one has an answer.

use std::future::Future;
use std::pin::Pin;

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

/// An answer on its way. In a box, so that what asks holds a pointer: the requests, retries and second nodes behind a question are
/// compiled here, and not once more in each unit of each program that asks it.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ChainError>> + Send + 'a>>;

/// The questions: each is one node's, as the method of the same name of an endpoint says.
impl Chain {
    /// The latest block.
    pub fn latest(&self) -> Answer<'_, Option<Head>> {
        Box::pin(self.some(move |node| async move { node.latest().await }))
    }

    /// The block that is canonical at `number`.
    pub fn at(&self, number: u64) -> Answer<'_, Option<Head>> {
        Box::pin(self.some(move |node| async move { node.at(number).await }))
    }

    /// The block with this hash, canonical or not.
    pub fn block(&self, hash: B256) -> Answer<'_, Option<Head>> {
        Box::pin(self.some(move |node| async move { node.block(hash).await }))
    }

    /// The block with this hash, its transactions in full.
    pub fn full(&self, hash: B256) -> Answer<'_, Option<Block>> {
        Box::pin(self.some(move |node| async move { node.full(hash).await }))
    }

    /// The receipts of a block, in order; `None` when no node knows it.
    pub fn receipts(&self, block: B256) -> Answer<'_, Option<Vec<TransactionReceipt>>> {
        Box::pin(self.some(move |node| async move { node.receipts(block).await }))
    }

    /// The logs that `addresses` emitted in one block, in order. No address, no logs, no call.
    pub fn logs<'a>(&'a self, block: B256, addresses: &'a [Address]) -> Answer<'a, Vec<Log>> {
        Box::pin(self.any(move |node| async move { node.logs(block, addresses).await }))
    }

    /// All logs of one block, whoever emitted them.
    pub fn all_logs(&self, block: B256) -> Answer<'_, Vec<Log>> {
        Box::pin(self.any(move |node| async move { node.all_logs(block).await }))
    }

    /// The logs of `address` with one of `topics` first, of the blocks from `from` to `to`, both included.
    pub fn logs_between<'a>(
        &'a self,
        (from, to): (u64, u64),
        address: Address,
        topics: &'a [B256],
    ) -> Answer<'a, Vec<Log>> {
        Box::pin(self.any(move |node| async move { node.logs_between(from, to, address, topics).await }))
    }

    /// What is in the block, in short.
    pub fn listing(&self, hash: B256) -> Answer<'_, Listing> {
        Box::pin(self.any(move |node| async move { node.listing(hash).await }))
    }

    /// Hashes of the blocks at `numbers` in the chain below `at`.
    pub fn hashes<'a>(&'a self, at: B256, numbers: &'a [u64]) -> Answer<'a, Vec<(u64, B256)>> {
        Box::pin(self.any(move |node| async move { node.hashes(at, numbers).await }))
    }

    /// Transactions by hash, in the order asked; `Null` for one that the node does not know.
    pub fn transactions<'a>(&'a self, hashes: &'a [B256]) -> Answer<'a, Vec<Value>> {
        Box::pin(self.any(move |node| async move { node.transactions(hashes).await }))
    }

    /// What a transaction of a block of `coinbase` transferred to it, in wei, tips apart. Asks for a trace.
    pub fn coinbase_transfers(&self, tx: B256, coinbase: Address) -> Answer<'_, U256> {
        Box::pin(self.any(move |node| async move { node.coinbase_transfers(tx, coinbase).await }))
    }

    /// The chain's id.
    pub fn chain_id(&self) -> Answer<'_, u64> {
        Box::pin(self.any(move |node| async move { node.chain_id().await }))
    }

    /// Balance, nonce and code of each.
    pub fn accounts<'a>(&'a self, at: B256, addresses: &'a [Address]) -> Answer<'a, Vec<AccountUpdate>> {
        Box::pin(self.any(move |node| async move { node.accounts(at, addresses).await }))
    }

    /// Balance and nonce of each; of code nothing is said.
    pub fn holdings<'a>(&'a self, at: B256, addresses: &'a [Address]) -> Answer<'a, Vec<AccountUpdate>> {
        Box::pin(self.any(move |node| async move { node.holdings(at, addresses).await }))
    }

    /// What each slot holds.
    pub fn slots<'a>(&'a self, at: B256, slots: &'a [(Address, U256)]) -> Answer<'a, Vec<U256>> {
        Box::pin(self.any(move |node| async move { node.slots(at, slots).await }))
    }

    /// What each contract answers to each calldata.
    pub fn views<'a>(&'a self, at: B256, calls: &'a [(Address, Bytes)]) -> Answer<'a, Vec<Bytes>> {
        Box::pin(self.any(move |node| async move { node.views(at, calls).await }))
    }

    /// What the block's transactions changed, and by which node's trace.
    pub fn trace(&self, block: B256) -> Answer<'_, (Trace, Endpoint)> {
        Box::pin(self.any(move |node| async move { Ok((node.trace(block).await?, node)) }))
    }

    /// All that a transaction would read behind block `at`, with what it holds there.
    pub fn prestate<'a>(
        &'a self,
        at: B256,
        call: &'a Value,
        next: Option<(u64, u64)>,
    ) -> Answer<'a, Vec<AccountUpdate>> {
        Box::pin(self.any(move |node| async move { node.prestate(at, call, next).await }))
    }

    /// Accounts and slots that a transaction would read behind block `at`, but for those that it reads in any case.
    pub fn access_list<'a>(&'a self, at: B256, call: &'a Value) -> Answer<'a, Vec<(Address, Vec<U256>)>> {
        Box::pin(self.any(move |node| async move { node.access_list(at, call).await }))
    }
}
