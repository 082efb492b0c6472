//! A block as the EVM takes it, and what its header says of the outcome.
//!
//! # Invariants
//! - A block executed exactly when gas, logs bloom and receipts root are the header's; there is no other judge.

use alloy::consensus::Transaction as _;
use alloy::consensus::proofs::calculate_receipt_root;
use alloy::consensus::transaction::Recovered;
use alloy::consensus::{Eip658Value, Receipt, ReceiptEnvelope, TxEnvelope};
use alloy::eips::eip4844::{BLOB_TX_MIN_BLOB_GASPRICE, fake_exponential};
use alloy::rpc::types::eth::{Header, Transaction};
use alloy_primitives::{Address, B256, Bloom, U256};
use revm::context::result::{ExecutionResult, HaltReason};
use revm::context::{BlockEnv, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::context_interface::either::Either;

use crate::hot::evm::fork::Fork;
use crate::types::update::Head;

/// What of a header the EVM sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockFields {
    /// Height.
    pub number: u64,
    /// Unix time, in seconds.
    pub timestamp: u64,
    /// Who is paid.
    pub beneficiary: Address,
    /// Gas units.
    pub gas_limit: u64,
    /// Wei per gas; zero before London.
    pub base_fee: u64,
    /// Zero since the merge.
    pub difficulty: U256,
    /// The beacon's randomness.
    pub mix_hash: B256,
    /// Blob gas over target, summed up; `None` before Cancun.
    pub excess_blob_gas: Option<u64>,
}

impl From<&Header> for BlockFields {
    fn from(header: &Header) -> Self {
        Self {
            number: header.number,
            timestamp: header.timestamp,
            beneficiary: header.beneficiary,
            gas_limit: header.gas_limit,
            base_fee: header.base_fee_per_gas.unwrap_or(0),
            difficulty: header.difficulty,
            mix_hash: header.mix_hash,
            excess_blob_gas: header.excess_blob_gas,
        }
    }
}

impl From<&Head> for BlockFields {
    fn from(head: &Head) -> Self {
        Self {
            number: head.number,
            timestamp: head.timestamp,
            beneficiary: head.beneficiary,
            gas_limit: head.gas_limit,
            base_fee: head.base_fee,
            difficulty: U256::ZERO,
            mix_hash: head.mix_hash,
            // Before Cancun nothing looks at it.
            excess_blob_gas: Some(head.excess_blob_gas),
        }
    }
}

impl BlockFields {
    /// The block as the EVM sees it under `fork`.
    #[must_use]
    pub fn env(&self, fork: Fork) -> BlockEnv {
        let fraction = u128::from(fork.blob_update_fraction);
        // Alloy's exponential saturates; revm's overflows on a header that only claims such an excess.
        let blob = |excess: u64| BlobExcessGasAndPrice {
            excess_blob_gas: excess,
            blob_gasprice: fake_exponential(BLOB_TX_MIN_BLOB_GASPRICE, u128::from(excess), fraction),
        };
        BlockEnv {
            number: U256::from(self.number),
            beneficiary: self.beneficiary,
            timestamp: U256::from(self.timestamp),
            gas_limit: self.gas_limit,
            basefee: self.base_fee,
            difficulty: self.difficulty,
            prevrandao: fork.has_randao().then_some(self.mix_hash),
            blob_excess_gas_and_price: self.excess_blob_gas.map(blob),
            ..BlockEnv::default()
        }
    }
}

/// A transaction as the EVM takes it.
#[must_use]
pub fn tx_env(tx: &Recovered<TxEnvelope>) -> TxEnv {
    let inner = tx.inner();
    let max_fee = inner.max_fee_per_gas();
    TxEnv {
        tx_type: inner.tx_type().into(),
        caller: tx.signer(),
        gas_limit: inner.gas_limit(),
        gas_price: max_fee,
        kind: inner.kind(),
        value: inner.value(),
        data: inner.input().clone(),
        nonce: inner.nonce(),
        chain_id: inner.chain_id(),
        access_list: inner.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: inner.max_priority_fee_per_gas(),
        blob_hashes: inner.blob_versioned_hashes().map(<[B256]>::to_vec).unwrap_or_default(),
        max_fee_per_blob_gas: inner.max_fee_per_blob_gas().unwrap_or(0),
        authorization_list: inner
            .authorization_list()
            .map(|list| list.iter().cloned().map(Either::Left).collect())
            .unwrap_or_default(),
    }
}

/// Receipts of the transactions executed so far.
#[derive(Debug, Default)]
pub struct Receipts {
    all: Vec<ReceiptEnvelope>,
    gas_used: u64,
    bloom: Bloom,
}

/// What the header says of the receipts, point by point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Gas used by all transactions.
    pub gas_used: u64,
    /// ... is the header's.
    pub gas: bool,
    /// The logs' bloom is the header's.
    pub bloom: bool,
    /// The receipts' root is the header's.
    pub root: bool,
}

impl Verdict {
    /// The block executed exactly.
    #[must_use]
    pub const fn is_exact(self) -> bool {
        self.gas && self.bloom && self.root
    }
}

impl Receipts {
    /// Adds the receipt of the next transaction.
    pub fn push(&mut self, tx: &Transaction, result: &ExecutionResult<HaltReason>) {
        self.gas_used += result.tx_gas_used();
        let receipt = Receipt {
            status: Eip658Value::Eip658(result.is_success()),
            cumulative_gas_used: self.gas_used,
            logs: result.logs().to_vec(),
        }
        .with_bloom();
        self.bloom |= receipt.logs_bloom;
        self.all.push(ReceiptEnvelope::from_typed(tx.inner.inner().tx_type(), receipt));
    }

    /// Holds them against the header.
    #[must_use]
    pub fn verdict(&self, header: &Header) -> Verdict {
        Verdict {
            gas_used: self.gas_used,
            gas: self.gas_used == header.gas_used,
            bloom: self.bloom == header.logs_bloom,
            root: calculate_receipt_root(&self.all) == header.receipts_root,
        }
    }
}
