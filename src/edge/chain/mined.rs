//! Of a mined block: receipts, and what its builder was paid by transfer.

use alloy::rpc::types::TransactionReceipt;
use alloy_primitives::{Address, B256, U256};
use serde::Deserialize;
use serde_json::json;

use crate::edge::chain::ChainError;
use crate::edge::chain::endpoint::Endpoint;

/// A call and those below it, as `callTracer` tells.
#[derive(Deserialize)]
struct Frame {
    to: Option<Address>,
    #[serde(default)]
    value: U256,
    error: Option<String>,
    #[serde(default)]
    calls: Vec<Frame>,
}

impl Frame {
    /// Ether that reached `to` in calls that were not reverted.
    fn paid(&self, to: Address) -> U256 {
        if self.error.is_some() {
            return U256::ZERO;
        }
        let own = if self.to == Some(to) { self.value } else { U256::ZERO };
        self.calls.iter().fold(own, |sum, call| sum.saturating_add(call.paid(to)))
    }
}

impl Endpoint {
    /// The receipts of a block, in order; `None` when the node does not have them all (yet). A node that does not tell them by
    /// block, in whatever words, or not as they can be read, is asked for each transaction's, in one request.
    pub async fn receipts(&self, block: B256) -> Result<Option<Vec<TransactionReceipt>>, ChainError> {
        match self.call("eth_getBlockReceipts", json!([block])).await {
            Err(ChainError::Refused { .. } | ChainError::Shape { .. }) => self.receipts_one_by_one(block).await,
            answer => answer,
        }
    }

    async fn receipts_one_by_one(&self, block: B256) -> Result<Option<Vec<TransactionReceipt>>, ChainError> {
        #[derive(Deserialize)]
        struct Slim {
            transactions: Vec<B256>,
        }
        let slim: Option<Slim> = self.call("eth_getBlockByHash", json!([block, false])).await?;
        let Some(Slim { transactions }) = slim else { return Ok(None) };
        let params: Vec<_> = transactions.iter().map(|hash| json!([hash])).collect();
        let receipts: Vec<Option<TransactionReceipt>> = self.many("eth_getTransactionReceipt", &params).await?;
        // Of another block: that one has been undone, or is about to be.
        let here = |receipt: &TransactionReceipt| receipt.block_hash == Some(block);
        Ok(receipts.into_iter().map(|receipt| receipt.filter(here)).collect())
    }

    /// What a transaction of a block of `coinbase` transferred to it, in wei, tips apart. Asks for a trace.
    pub async fn coinbase_transfers(&self, tx: B256, coinbase: Address) -> Result<U256, ChainError> {
        let frame: Frame = self.call("debug_traceTransaction", json!([tx, {"tracer": "callTracer"}])).await?;
        Ok(frame.paid(coinbase))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_that_were_reverted_do_not_count() {
        let at = |byte| Address::repeat_byte(byte);
        let text = json!({"to": at(1), "value": "0x5", "calls": [
            {"to": at(9), "value": "0x7"},
            {"to": at(2), "error": "execution reverted", "calls": [{"to": at(9), "value": "0xff"}]},
            {"to": at(3), "calls": [{"to": at(9), "value": "0x1"}]},
        ]});
        let frame: Frame = serde_json::from_value(text).expect("a trace");
        assert_eq!(frame.paid(at(9)), U256::from(8));
    }
}
