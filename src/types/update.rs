//! What the chain has done, as edge tells it and the engine takes it: blocks, what they changed, and what was missed.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

/// A block's place, name and terms, as far as what comes after it depends on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Head {
    /// Height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block below.
    pub parent: B256,
    /// Unix time, in seconds.
    pub timestamp: u64,
    /// Wei per gas.
    pub base_fee: u64,
    /// Gas units.
    pub gas_used: u64,
    /// Gas units.
    pub gas_limit: u64,
    /// Who was paid.
    pub beneficiary: Address,
    /// The beacon's randomness.
    pub mix_hash: B256,
    /// Blob gas over target, summed up.
    pub excess_blob_gas: u64,
}

/// What became of an account. `None`: as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountUpdate {
    /// Which.
    pub address: Address,
    /// Wei.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<U256>,
    /// Its next nonce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<u64>,
    /// Its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Bytes>,
    /// Slots and what they hold now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<(U256, U256)>,
    /// It is gone, storage and all.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub destroyed: bool,
}

/// A log of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogUpdate {
    /// Who emitted it.
    pub address: Address,
    /// Signature and indexed fields.
    pub topics: Vec<B256>,
    /// The rest.
    pub data: Bytes,
}

/// The chain has grown by a block, and this is all that changed by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlockUpdate {
    /// The block.
    pub head: Head,
    /// Every account that it changed.
    pub accounts: Vec<AccountUpdate>,
    /// The logs of known pools, in order.
    pub logs: Vec<LogUpdate>,
}

/// State fetched after a miss.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FetchedState {
    /// As it is behind this block; told at any other tip it is stale and means nothing.
    pub at: B256,
    /// All of balance, nonce and code of an account not known before, or slots alone of a known one.
    pub accounts: Vec<AccountUpdate>,
    /// Hashes of older blocks, for BLOCKHASH.
    pub hashes: Vec<(u64, B256)>,
}

/// What the engine had to do without: the edge fetches it, tells it, and offers the event again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateKey {
    /// An account: balance, nonce, code.
    Account(Address),
    /// A storage slot.
    Slot(Address, U256),
    /// A block's hash.
    BlockHash(u64),
}

/// Why the state cannot follow: it must be loaded anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Desync {
    /// A block whose parent is not the tip.
    #[error("block {number} is no child of the tip")]
    NotAChild {
        /// Which.
        number: u64,
    },
    /// The block to go back to is not among those held.
    #[error("the reorg is deeper than the blocks held")]
    TooDeep,
}
