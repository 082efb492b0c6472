//! A node's answers for the other rooms: the one place that dials its HTTP, in typed calls.
//!
//! # Invariants
//! - A block that the node does not know is `None`, never an error; an error says that there is no answer.
//! - State is read behind a block named by its hash; see `state`.
//! - A field that is null is absent, and what can be derived is not demanded: see `transaction`, and `blocks` for headers.
//! - Logs are of one block, by its hash, so that a reorg between two calls cannot mix two chains.

mod blocks;
mod mined;
mod state;
mod trace;
mod transaction;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use alloy::serde::null_as_default;
use alloy_primitives::{Address, B256, Bytes, U256};
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::edge::rpc::Rpc;
use crate::edge::rpc::RpcError;
use crate::hot::event;

pub use trace::Trace;
pub use transaction::{Shown, Unreadable, read_transaction, transaction_hash};

/// Why there is no answer.
pub type ChainError = RpcError;

/// Past so many addresses all logs of the block are asked for and sifted here: nodes bound the length of a filter.
const MAX_FILTER: usize = 256;

/// A block's place and name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BlockId {
    /// Height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// What of a header the searcher needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// Height.
    #[serde(with = "alloy::serde::quantity")]
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block below.
    #[serde(rename = "parentHash")]
    pub parent: B256,
    /// Unix time, in seconds.
    #[serde(with = "alloy::serde::quantity")]
    pub timestamp: u64,
    /// Wei per gas; absent before London.
    #[serde(rename = "baseFeePerGas", default, with = "alloy::serde::quantity::opt")]
    pub base_fee: Option<u64>,
    /// Gas units.
    #[serde(with = "alloy::serde::quantity")]
    pub gas_used: u64,
    /// Gas units.
    #[serde(with = "alloy::serde::quantity")]
    pub gas_limit: u64,
    /// Who is paid.
    #[serde(rename = "miner", default, deserialize_with = "null_as_default")]
    pub beneficiary: Address,
    /// The beacon's randomness.
    #[serde(default, deserialize_with = "null_as_default")]
    pub mix_hash: B256,
    /// Blob gas over target, summed up.
    #[serde(default, with = "alloy::serde::quantity::opt")]
    pub excess_blob_gas: Option<u64>,
}

impl From<&Head> for event::Head {
    fn from(head: &Head) -> Self {
        Self {
            number: head.number,
            hash: head.hash,
            parent: head.parent,
            timestamp: head.timestamp,
            base_fee: head.base_fee.unwrap_or(0),
            gas_used: head.gas_used,
            gas_limit: head.gas_limit,
            beneficiary: head.beneficiary,
            mix_hash: head.mix_hash,
            excess_blob_gas: head.excess_blob_gas.unwrap_or(0),
        }
    }
}

impl Head {
    /// Its place and name.
    #[must_use]
    pub fn id(&self) -> BlockId {
        BlockId { number: self.number, hash: self.hash }
    }
}

/// A log of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// Who emitted it.
    pub address: Address,
    /// Signature and indexed fields.
    #[serde(default, deserialize_with = "null_as_default")]
    pub topics: Vec<B256>,
    /// The rest.
    #[serde(default, deserialize_with = "null_as_default")]
    pub data: Bytes,
    /// Its block.
    pub block_hash: B256,
    /// Its transaction.
    pub transaction_hash: B256,
    /// Position in the block, over all its transactions.
    #[serde(with = "alloy::serde::quantity")]
    pub log_index: u64,
    /// The block was undone.
    #[serde(default, deserialize_with = "null_as_default")]
    pub removed: bool,
}

/// How much is asked for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Calls a request.
    pub batch: usize,
    /// Requests under way.
    pub in_flight: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { batch: 1_000, in_flight: 4 }
    }
}

/// One node.
#[derive(Clone, Debug)]
pub struct Chain {
    rpc: Rpc,
    bounds: Bounds,
    /// It takes no hash where state is read. Shared by the clones: one finds out for all.
    by_number: Arc<AtomicBool>,
    /// Most calls that it takes in a request, as far as it has been seen to refuse. Shared likewise.
    most: Arc<AtomicUsize>,
}

impl Chain {
    /// A node; nothing is dialled yet. `None` when the URL is not one.
    #[must_use]
    pub fn new(url: &str, timeout: Duration) -> Option<Self> {
        let most = Arc::new(AtomicUsize::new(usize::MAX));
        Some(Self { rpc: Rpc::new(url, timeout)?, bounds: Bounds::default(), by_number: Arc::default(), most })
    }

    /// The same node, asked for so much at once.
    #[must_use]
    pub fn bounded(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Requests sent so far, those of all clones together.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.rpc.requests()
    }

    /// Where it leads, without anything secret.
    #[must_use]
    pub fn host(&self) -> &str {
        self.rpc.host()
    }

    /// The node's latest block.
    pub async fn latest(&self) -> Result<Option<Head>, ChainError> {
        self.rpc.call("eth_getBlockByNumber", json!(["latest", false])).await
    }

    /// The block that the node holds canonical at `number`.
    pub async fn at(&self, number: u64) -> Result<Option<Head>, ChainError> {
        self.rpc.call("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await
    }

    /// The block with this hash, canonical or not.
    pub async fn block(&self, hash: B256) -> Result<Option<Head>, ChainError> {
        self.rpc.call("eth_getBlockByHash", json!([hash, false])).await
    }

    /// The logs that `addresses` emitted in one block, in order. No address, no logs, no call.
    pub async fn logs(&self, block: B256, addresses: &[Address]) -> Result<Vec<Log>, ChainError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let filter = match addresses.len() {
            ..=MAX_FILTER => json!({"blockHash": block, "address": addresses}),
            _ => json!({"blockHash": block}),
        };
        self.rpc.call("eth_getLogs", json!([filter])).await
    }

    /// Transactions by hash, in the order asked; `Null` for one that the node does not know.
    pub async fn transactions(&self, hashes: &[B256]) -> Result<Vec<Value>, ChainError> {
        let params: Vec<Value> = hashes.iter().map(|hash| json!([hash])).collect();
        self.rpc.batch("eth_getTransactionByHash", &params).await
    }

    /// The chain's id.
    pub async fn chain_id(&self) -> Result<u64, ChainError> {
        let id: U256 = self.rpc.call("eth_chainId", json!([])).await?;
        Ok(id.saturating_to())
    }
}
