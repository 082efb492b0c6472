//! A block against its own hashes and signatures.

use std::collections::BTreeMap;
use std::path::Path;

use alloy::consensus::proofs::calculate_transaction_root;
use alloy::consensus::transaction::SignerRecoverable;
use alloy::eips::Encodable2718;
use alloy::rpc::types::eth::{Header, Transaction};
use alloy_primitives::keccak256;

use crate::replay::record::error::RecordError;

/// Fields of a block that are no part of its hash, or that another field stands for.
const BESIDE: [&str; 6] = ["hash", "size", "totalDifficulty", "uncles", "withdrawals", "transactions"];

/// Fields that the libraries know, of forks whose rules we do not hold.
const LATER: [&str; 2] = ["blockAccessListHash", "slotNumber"];

/// The header is its hash's, and of a fork whose rules we hold. `given`: every field of the block's file.
pub(super) fn header(
    path: &Path,
    header: &Header,
    given: &BTreeMap<String, serde_json::Value>,
) -> Result<(), RecordError> {
    let found = header.inner.hash_slow();
    let ours = serde_json::to_value(header).unwrap_or_default();
    let known = |name: &str| (ours.get(name).is_some() && !LATER.contains(&name)) || BESIDE.contains(&name);
    let unknown: Vec<&str> = given.keys().map(String::as_str).filter(|name| !known(name)).collect();
    let later = unknown.iter().any(|name| LATER.contains(name));
    if found == header.hash && !later {
        return Ok(());
    }
    let what = if unknown.is_empty() {
        format!("header hashes to {found}, {} due", header.hash)
    } else {
        format!("header has {}, which no fork up to osaka has: unknown fork", unknown.join(", "))
    };
    Err(RecordError::Damaged { path: path.to_path_buf(), what })
}

/// Each transaction is its hash's and its sender's, and all together are the header's.
pub(super) fn txs(path: &Path, header: &Header, txs: &[Transaction]) -> Result<(), RecordError> {
    let damaged = |what| Err(RecordError::Damaged { path: path.to_path_buf(), what });
    let envelopes: Vec<_> = txs.iter().map(|tx| tx.inner.inner()).collect();
    for (index, tx) in envelopes.iter().enumerate() {
        let found = keccak256(tx.encoded_2718());
        if found != *tx.tx_hash() {
            return damaged(format!("transaction {index} hashes to {found}, {} due", tx.tx_hash()));
        }
        let (named, signer) = (txs[index].inner.signer(), tx.recover_signer());
        if signer.as_ref().ok() != Some(&named) {
            let signer = signer.map_or_else(|error| error.to_string(), |signer| signer.to_string());
            return damaged(format!("transaction {index} names {named} as its sender, its signature says {signer}"));
        }
    }
    if calculate_transaction_root(&envelopes) != header.transactions_root {
        return damaged(format!("the transactions do not have the header's root {}", header.transactions_root));
    }
    Ok(())
}
