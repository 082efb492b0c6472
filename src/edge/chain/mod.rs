//! The chain as nodes tell of it, for the other rooms: the one place that dials their HTTP, in typed calls.
//!
//! - `endpoint`, `blocks`, `mined`, `state`, `trace`: one node. `any`: whichever of them is up and knows; `questions`:
//!   what can be asked; `logs`: held against their head. `identity`: which may speak.
//!
//! # Invariants
//! - A block that no node knows is `None`, never an error; an error says that there is no answer.
//! - State is read behind a block named by its hash; see `state`.
//! - A field that is null is absent, and what can be derived is not demanded: see `transaction`, and `blocks` for headers.
//! - Logs are of one block, by its hash, so that a reorg between two calls cannot mix two chains.

mod any;
mod blocks;
mod endpoint;
mod identity;
mod logs;
mod mined;
mod pace;
mod questions;
mod state;
mod trace;
mod transaction;

use alloy::serde::null_as_default;
use alloy_primitives::{Address, B256, Bloom, Bytes};
use serde::Deserialize;

use crate::edge::rpc::RpcError;
use crate::hot::event;
use crate::protocols::discover::Announcement;

pub use any::Chain;
pub use blocks::Listing;
pub use endpoint::{Bounds, Endpoint};
pub use identity::Stranger;
pub(in crate::edge) use pace::LATE;
pub(in crate::edge) use state::moves_nonce;
pub use trace::Trace;
pub use trace::vetting::{Belief, Finding, Vetting};
pub use transaction::{Shown, Unreadable, read_transaction, transaction_hash};

/// Why there is no answer.
pub type ChainError = RpcError;

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
    /// Which addresses and topics its logs have, as bits.
    #[serde(default)]
    pub logs_bloom: Option<Box<Bloom>>,
    /// What its receipts hash to.
    #[serde(default)]
    pub receipts_root: Option<B256>,
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

impl Log {
    /// What it says, for a pool that it announces.
    #[must_use]
    pub fn announcement(&self) -> Announcement {
        Announcement { topics: self.topics.clone(), data: self.data.clone() }
    }

    /// All that a receipt holds of it.
    fn says(&self) -> (Address, &[B256], &[u8]) {
        (self.address, &self.topics, &self.data)
    }
}
