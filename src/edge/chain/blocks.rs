//! Blocks whole, and logs over many of them.

use alloy::rpc::types::eth::Block;
use alloy_primitives::{Address, B256};
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::edge::chain::Head;
use crate::edge::chain::Log;

impl Chain {
    /// The block with this hash, its transactions in full.
    pub async fn full(&self, hash: B256) -> Result<Option<Block>, ChainError> {
        self.rpc.call("eth_getBlockByHash", json!([hash, true])).await
    }

    /// Who was paid out of the beacon chain in this block.
    pub async fn withdrawals(&self, hash: B256) -> Result<Vec<Address>, ChainError> {
        #[derive(Deserialize)]
        struct Paid {
            address: Address,
        }
        #[derive(Deserialize)]
        struct Slim {
            #[serde(default)]
            withdrawals: Option<Vec<Paid>>,
        }
        let block: Option<Slim> = self.rpc.call("eth_getBlockByHash", json!([hash, false])).await?;
        let paid = block.ok_or_else(|| self.missing(hash))?.withdrawals.unwrap_or_default();
        Ok(paid.into_iter().map(|paid| paid.address).collect())
    }

    /// The error that a block which must be there is not.
    #[must_use]
    pub fn missing(&self, hash: B256) -> ChainError {
        self.shape("eth_getBlockByHash", format!("block {hash} is not known"))
    }

    /// All logs of one block, whoever emitted them.
    pub async fn all_logs(&self, block: B256) -> Result<Vec<Log>, ChainError> {
        self.rpc.call("eth_getLogs", json!([{"blockHash": block}])).await
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
        self.rpc.call("eth_getLogs", filter).await
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
