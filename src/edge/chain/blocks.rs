//! Blocks whole, and logs over many of them.
//!
//! # Invariants
//! - A header that lacks what every block since the merge has alike is filled up, and must then hash to its hash.

use alloy::consensus::EMPTY_OMMER_ROOT_HASH;
use alloy::rpc::types::eth::{Block, BlockTransactions, Transaction};
use alloy::serde::null_as_default;
use alloy_primitives::{Address, B64, B256};
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::edge::chain::ChainError;
use crate::edge::chain::Head;
use crate::edge::chain::Log;
use crate::edge::chain::endpoint::Endpoint;
use crate::edge::chain::read_transaction;

/// What is in a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its transactions, in order; `None`: unreadable.
    pub txs: Vec<Option<B256>>,
    /// Who was paid out of the beacon chain.
    pub paid: Vec<Address>,
}

impl Endpoint {
    /// The block with this hash, its transactions in full.
    pub async fn full(&self, hash: B256) -> Result<Option<Block>, ChainError> {
        const METHOD: &str = "eth_getBlockByHash";
        let block: Value = self.call(METHOD, json!([hash, true])).await?;
        match (Block::deserialize(&block), block) {
            (Ok(block), _) => Ok(Some(block)),
            (Err(_), Value::Null) => Ok(None),
            (Err(error), Value::Object(fields)) => match filled(fields, self.chain_id().await?) {
                Some(block) => Ok(Some(block)),
                None => Err(self.shape(METHOD, error.to_string())),
            },
            (Err(error), _) => Err(self.shape(METHOD, error.to_string())),
        }
    }

    /// What is in the block, in short.
    pub async fn listing(&self, hash: B256) -> Result<Listing, ChainError> {
        #[derive(Deserialize)]
        struct Paid {
            address: Address,
        }
        #[derive(Deserialize)]
        struct Slim {
            #[serde(default, deserialize_with = "null_as_default")]
            transactions: Vec<Value>,
            #[serde(default, deserialize_with = "null_as_default")]
            withdrawals: Vec<Paid>,
        }
        let block: Option<Slim> = self.call("eth_getBlockByHash", json!([hash, false])).await?;
        let Slim { transactions, withdrawals } = block.ok_or_else(|| self.missing(hash))?;
        // In full, where a node does not listen.
        let hash = |tx: &Value| tx.as_str().or_else(|| tx["hash"].as_str())?.parse().ok();
        Ok(Listing {
            txs: transactions.iter().map(hash).collect(),
            paid: withdrawals.into_iter().map(|paid| paid.address).collect(),
        })
    }

    /// The error that a block which must be there is not.
    #[must_use]
    pub fn missing(&self, hash: B256) -> ChainError {
        self.shape("eth_getBlockByHash", format!("block {hash} is not known"))
    }

    /// All logs of one block, whoever emitted them.
    pub async fn all_logs(&self, block: B256) -> Result<Vec<Log>, ChainError> {
        self.call("eth_getLogs", json!([{"blockHash": block}])).await
    }

    /// The logs of `address` with one of `topics` first, of the blocks from `from` to `to`, both included.
    pub async fn logs_between(
        &self,
        from: u64,
        to: u64,
        address: Address,
        topics: &[B256],
    ) -> Result<Vec<Log>, ChainError> {
        let [from, to] = [from, to].map(|number| format!("{number:#x}"));
        let filter = json!([{"fromBlock": from, "toBlock": to, "address": address, "topics": [topics]}]);
        self.call("eth_getLogs", filter).await
    }

    /// Hashes of the blocks at `numbers` in the chain below `at`.
    pub async fn hashes(&self, at: B256, numbers: &[u64]) -> Result<Vec<(u64, B256)>, ChainError> {
        const METHOD: &str = "eth_getBlockByNumber";
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let params: Vec<Value> = numbers.iter().map(|number| json!([format!("{number:#x}"), false])).collect();
        let heads: Vec<Option<Head>> = self.many(METHOD, &params).await?;
        // Asked behind the look: what is canonical now has been so since, or the hashes belong to another branch.
        self.canonical(at, METHOD).await?;
        let hash = |(number, head): (&u64, Option<Head>)| {
            let head = head.ok_or_else(|| self.shape(METHOD, format!("block {number} is not known")))?;
            Ok((*number, head.hash))
        };
        numbers.iter().zip(heads).map(hash).collect()
    }
}

/// A block some of whose fields are null, or follow from the rest. `None`: it cannot be had, or does not hash to its hash.
fn filled(mut fields: Map<String, Value>, chain_id: u64) -> Option<Block> {
    let Some(Value::Array(shown)) = fields.remove("transactions") else { return None };
    fields.retain(|_, value| !value.is_null());
    let alike = [
        ("sha3Uncles", json!(EMPTY_OMMER_ROOT_HASH)),
        ("difficulty", json!("0x0")),
        ("nonce", json!(B64::ZERO)),
        ("mixHash", json!(B256::ZERO)),
        ("extraData", json!("0x")),
    ];
    let lacking: Vec<_> = alike.into_iter().filter(|(name, _)| !fields.contains_key(*name)).collect();
    let is_whole = lacking.is_empty();
    fields.extend(lacking.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let mut block = Block::<Transaction>::deserialize(Value::Object(fields)).ok()?;
    let header = &block.header;
    if !is_whole && header.inner.hash_slow() != header.hash {
        return None;
    }
    let txs = shown.iter().map(|tx| mined(tx, chain_id)).collect::<Option<Vec<_>>>()?;
    block.transactions = BlockTransactions::Full(txs);
    Some(block)
}

fn mined(shown: &Value, chain_id: u64) -> Option<Transaction> {
    let inner = read_transaction(shown, Some(chain_id)).ok()?.tx;
    // Nobody asks one of a block for its place: it is where it stands.
    Some(Transaction {
        inner,
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: None,
        block_timestamp: None,
    })
}

#[cfg(test)]
#[path = "blocks/tests.rs"]
mod tests;
