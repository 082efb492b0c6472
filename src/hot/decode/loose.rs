//! A frame of a node that leaves out what the rest gives: sender, type, chain, parity, what is empty; or has null for it.
//!
//! # Invariants
//! - Every way it could have been signed is tried, and the one that hashes to its hash is it: nothing is taken on trust but a
//!   sender that is named.
//!
//! # Cost
//! This is not the path of the common nodes, and it allocates: some buffers, and what a recovery takes where the sender is missing.

use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::SignerRecoverable;
use alloy::eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, U256, keccak256};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::hot::decode::PendingTx;
use crate::hot::decode::TxType;
use crate::hot::decode::json::Hex;
use crate::hot::decode::json::Number;
use crate::hot::decode::json::bytes;

#[derive(Deserialize)]
struct Notice<'a> {
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    result: Tx<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tx<'a> {
    #[serde(rename = "type")]
    kind: Option<Number<u64>>,
    hash: Hex<32>,
    from: Option<Hex<20>>,
    to: Option<Hex<20>>,
    chain_id: Option<Number<u64>>,
    nonce: Number<u64>,
    gas: Number<u64>,
    gas_price: Option<Number<u128>>,
    max_fee_per_gas: Option<Number<u128>>,
    max_priority_fee_per_gas: Option<Number<u128>>,
    value: Option<Number<U256>>,
    input: Option<&'a str>,
    data: Option<&'a str>,
    #[serde(borrow)]
    access_list: Option<&'a RawValue>,
    y_parity: Option<Number<u64>>,
    v: Option<Number<u64>>,
    r: Number<U256>,
    s: Number<U256>,
    block_hash: Option<&'a RawValue>,
    blob_versioned_hashes: Option<&'a RawValue>,
    authorization_list: Option<&'a RawValue>,
}

/// Reads a notice into `to`. `chain_id`: of the chain that the node is on, where that is known. `None`: it is none, or nothing
/// proves it.
#[cold]
pub(in crate::hot::decode) fn read(frame: &str, to: &mut PendingTx, chain_id: Option<u64>) -> Option<()> {
    let Notice { params: Params { result: tx } } = serde_json::from_str(frame).ok()?;
    let has = |field: Option<&RawValue>| field.is_some_and(|field| field.get() != "null");
    // Included already, or of a type that is left to the edge.
    if has(tx.block_hash) || has(tx.blob_versioned_hashes) || has(tx.authorization_list) {
        return None;
    }
    to.hash = B256::new(tx.hash.0);
    to.to = tx.to.as_ref().map(|to| Address::new(to.0));
    (to.nonce, to.gas, to.r, to.s) = (tx.nonce.0, tx.gas.0, tx.r.0, tx.s.0);
    to.value = tx.value.as_ref().map_or(U256::ZERO, |value| value.0);
    bytes(tx.input.or(tx.data).unwrap_or("0x"), &mut to.input).ok()?;
    let mut raw = Vec::new();
    for kind in kinds(&tx)? {
        if fees(&tx, kind, to).is_none() || list(&tx, kind, to).is_none() {
            continue;
        }
        for (v, chain_id) in signatures(&tx, kind, chain_id) {
            (to.v, to.chain_id) = (v, chain_id);
            to.encode(&mut raw);
            if keccak256(&raw) == to.hash {
                to.sender = tx.from.as_ref().map(|from| Address::new(from.0)).or_else(|| signer(&raw))?;
                return Some(());
            }
        }
    }
    None
}

/// What it may be, the likeliest first: nodes show a price for every kind.
fn kinds(tx: &Tx<'_>) -> Option<Vec<TxType>> {
    Some(match (tx.kind.as_ref().map(|kind| kind.0), &tx.max_fee_per_gas) {
        (Some(0), _) => vec![TxType::Legacy],
        (Some(1), _) => vec![TxType::Listed],
        (Some(2), _) => vec![TxType::Dynamic],
        (Some(_), _) => return None,
        (None, Some(_)) => vec![TxType::Dynamic, TxType::Legacy, TxType::Listed],
        (None, None) => vec![TxType::Legacy, TxType::Listed],
    })
}

fn fees(tx: &Tx<'_>, kind: TxType, to: &mut PendingTx) -> Option<()> {
    to.kind = kind;
    (to.price, to.tip) = match kind {
        TxType::Legacy | TxType::Listed => (tx.gas_price.as_ref()?.0, 0),
        TxType::Dynamic => (tx.max_fee_per_gas.as_ref()?.0, tx.max_priority_fee_per_gas.as_ref()?.0),
    };
    Some(())
}

fn list(tx: &Tx<'_>, kind: TxType, to: &mut PendingTx) -> Option<()> {
    match tx.access_list.filter(|list| kind != TxType::Legacy && list.get() != "null") {
        Some(list) => to.access.read(list.get()).ok(),
        None => {
            to.access.clear();
            Some(())
        }
    }
}

/// Every `v` that it may have been signed with, each with its chain.
fn signatures(tx: &Tx<'_>, kind: TxType, chain_id: Option<u64>) -> Vec<(u64, Option<u64>)> {
    let home = tx.chain_id.as_ref().map(|id| id.0).or(chain_id);
    let v = tx.v.as_ref().map(|v| v.0);
    let said = tx.y_parity.as_ref().map(|parity| parity.0).filter(|parity| *parity <= 1);
    let parity = said.or(match v {
        Some(v @ 0..=1) => Some(v),
        Some(v @ 27..=28) => Some(v - 27),
        Some(v @ 35..) => Some((v - 35) % 2),
        _ => None,
    });
    let parities = parity.map_or_else(|| vec![0, 1], |parity| vec![parity]);
    let of = |parity: u64| match (kind, v) {
        (TxType::Legacy, Some(v @ 27..=28)) => vec![(v, None)],
        (TxType::Legacy, Some(v @ 35..)) => vec![(v, Some((v - 35) / 2))],
        (TxType::Legacy, _) => {
            // One that would not fit is no chain's.
            let bound = home.and_then(|id| Some((id.checked_mul(2)?.checked_add(35 + parity)?, Some(id))));
            bound.into_iter().chain([(27 + parity, None)]).collect()
        }
        (TxType::Listed | TxType::Dynamic, _) => home.map(|id| (parity, Some(id))).into_iter().collect(),
    };
    parities.into_iter().flat_map(of).collect()
}

fn signer(mut raw: &[u8]) -> Option<Address> {
    TxEnvelope::decode_2718(&mut raw).ok()?.recover_signer().ok()
}
