//! What a block is made of: transactions as their senders signed them, and bundles of them.

use alloy::consensus::Transaction as _;
use alloy::consensus::TxEnvelope;
use alloy::eips::eip2718::Decodable2718;
use alloy::rpc::types::TransactionRequest;
use alloy_primitives::{Address, B256, Bytes, Keccak256};
use serde::{Deserialize, Serialize};

use crate::block_builder::signature;

/// A signed transaction whose sender is known.
#[derive(Clone, Debug)]
pub struct Tx {
    /// As it was signed, typed envelope and all.
    pub raw: Bytes,
    /// Its hash.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
    /// Which of the sender's it is.
    pub nonce: u64,
    /// Most gas it may burn.
    pub gas_limit: u64,
    /// Most wei it gives for a unit of gas, base fee included.
    pub max_fee: u128,
    envelope: TxEnvelope,
}

/// Why bytes are no transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// Not an EIP-2718 envelope, or something behind it.
    #[error("transaction {0} does not decode")]
    Decode(usize),
    /// No key signs so.
    #[error("transaction {0} has an invalid signature")]
    Signature(usize),
}

impl Tx {
    /// Reads the `index`th transaction of a bundle.
    pub fn decode(index: usize, raw: Bytes) -> Result<Self, TxError> {
        let mut rest = raw.as_ref();
        let envelope = TxEnvelope::decode_2718(&mut rest).map_err(|_| TxError::Decode(index))?;
        if !rest.is_empty() {
            return Err(TxError::Decode(index));
        }
        let sender =
            signature::sender(envelope.signature_hash(), envelope.signature()).ok_or(TxError::Signature(index))?;
        Ok(Self {
            hash: *envelope.tx_hash(),
            sender,
            nonce: envelope.nonce(),
            gas_limit: envelope.gas_limit(),
            max_fee: envelope.max_fee_per_gas(),
            raw,
            envelope,
        })
    }

    /// What its sender gives the builder for a unit of gas; `None` when it does not pay the base fee.
    #[must_use]
    pub fn tip(&self, base_fee: u64) -> Option<u128> {
        self.envelope.effective_tip_per_gas(base_fee)
    }

    /// Whom it calls; `None` when it makes a contract.
    #[must_use]
    pub fn to(&self) -> Option<Address> {
        self.envelope.to()
    }

    /// As a node takes it for a simulation.
    #[must_use]
    pub fn request(&self) -> TransactionRequest {
        TransactionRequest::from_transaction_with_sender(self.envelope.clone(), self.sender)
    }
}

/// The builder's own number of a bundle, in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BundleId(pub u64);

/// Transactions that land together, in this order, with nothing between them, or not at all.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// In the order of arrival.
    pub id: BundleId,
    /// keccak of the transactions' hashes.
    pub hash: B256,
    /// Who sent it to us.
    pub signer: Address,
    /// The one block it is for.
    pub target: u64,
    /// At least one.
    pub txs: Vec<Tx>,
    /// Those that may revert and are included all the same.
    pub reverting: Vec<B256>,
    /// Earliest timestamp of the block, inclusive; 0 for none.
    pub min_timestamp: u64,
    /// Latest timestamp of the block, inclusive; 0 for none.
    pub max_timestamp: u64,
}

impl Bundle {
    /// Whether a block with this timestamp may hold it.
    #[must_use]
    pub fn allows(&self, timestamp: u64) -> bool {
        timestamp >= self.min_timestamp && (self.max_timestamp == 0 || timestamp <= self.max_timestamp)
    }
}

/// Flashbots' hash of a bundle.
#[must_use]
pub fn bundle_hash(txs: &[Tx]) -> B256 {
    let mut hasher = Keccak256::new();
    txs.iter().for_each(|tx| hasher.update(tx.hash));
    hasher.finalize()
}
