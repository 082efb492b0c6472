//! What a rival asks the node: what is pending, how the head stands, and what would happen if.

use alloy::eips::eip1559::BaseFeeParams;
use alloy::eips::eip1559::calc_next_block_base_fee;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::U64;
use alloy_primitives::U256;
use peregrine_rpc::Rpc;
use peregrine_rpc::RpcError;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::rivals::market::Log;

/// A block's header, as far as the next one follows from it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    number: U64,
    timestamp: U64,
    base_fee_per_gas: U64,
    gas_limit: U64,
    gas_used: U64,
}

/// The block to come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Next {
    pub(super) number: u64,
    pub(super) base_fee: u64,
    /// Later than the head. When exactly, the pools here do not ask.
    timestamp: u64,
}

/// A pending transaction, and its bytes.
#[derive(Clone, Debug)]
pub(super) struct TargetTx {
    /// As a simulation takes it.
    pub(super) call: Value,
    pub(super) raw: Bytes,
    pub(super) to: Option<Address>,
}

#[derive(Deserialize)]
struct Shown {
    from: Address,
    to: Option<Address>,
    nonce: U64,
    gas: U64,
    value: U256,
    input: Bytes,
}

/// What a transaction would do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ran {
    status: U64,
    pub(super) gas_used: U64,
    pub(super) return_data: Bytes,
    #[serde(default)]
    pub(super) logs: Vec<Log>,
}

impl Ran {
    pub(super) fn succeeded(&self) -> bool {
        !self.status.is_zero()
    }
}

#[derive(Deserialize)]
struct Simulated {
    calls: Vec<Ran>,
}

/// A rival's own connection.
pub(super) struct Node {
    pub(super) rpc: Rpc,
    filter: Option<U256>,
}

impl Node {
    pub(super) const fn new(rpc: Rpc) -> Self {
        Self { rpc, filter: None }
    }

    /// Hashes of what has become pending since it was asked last.
    pub(super) async fn heard(&mut self) -> Result<Vec<B256>, RpcError> {
        let Some(filter) = self.filter else {
            self.filter = Some(self.rpc.call("eth_newPendingTransactionFilter", json!([])).await?);
            return Ok(Vec::new());
        };
        let heard = self.rpc.call("eth_getFilterChanges", json!([filter])).await;
        if heard.is_err() {
            // Forgotten by the node, perhaps: the next time a new one is asked for.
            self.filter = None;
        }
        heard
    }

    pub(super) async fn next(&self) -> Result<Next, RpcError> {
        let head: Header = self.rpc.call("eth_getBlockByNumber", json!(["latest", false])).await?;
        let (used, limit, fee) = (head.gas_used.to(), head.gas_limit.to(), head.base_fee_per_gas.to());
        let base_fee = calc_next_block_base_fee(used, limit, fee, BaseFeeParams::ethereum());
        Ok(Next { number: head.number.to::<u64>() + 1, timestamp: head.timestamp.to::<u64>() + 1, base_fee })
    }

    /// Those of them that are their senders' next: only such can stand alone in a bundle.
    pub(super) async fn targets(&self, hashes: &[B256]) -> Result<Vec<TargetTx>, RpcError> {
        let params: Vec<Value> = hashes.iter().map(|hash| json!([hash])).collect();
        let shown: Vec<Option<Shown>> = self.rpc.batch("eth_getTransactionByHash", &params).await?;
        let raw: Vec<Option<Bytes>> = self.rpc.batch("eth_getRawTransactionByHash", &params).await?;
        // Gone where there are none: replaced, or in the builder's hands.
        let held: Vec<(Shown, Bytes)> = shown.into_iter().zip(raw).filter_map(|(tx, raw)| tx.zip(raw)).collect();
        let senders: Vec<Value> = held.iter().map(|(tx, _)| json!([tx.from, "latest"])).collect();
        let nonces: Vec<U64> = self.rpc.batch("eth_getTransactionCount", &senders).await?;
        let next = held.into_iter().zip(nonces).filter(|((tx, _), nonce)| tx.nonce == *nonce);
        let target = |((tx, raw), _): ((Shown, Bytes), U64)| {
            let Shown { from, to, gas, value, input, .. } = tx;
            let call = json!({"from": from, "to": to, "gas": gas, "value": value, "input": input});
            TargetTx { call, raw, to }
        };
        Ok(next.map(target).collect())
    }

    /// Answers of view calls at the head.
    pub(super) async fn ask(&self, calls: &[(Address, Bytes)]) -> Result<Vec<Bytes>, RpcError> {
        let ask = |(to, data): &(Address, Bytes)| json!([{"to": to, "data": data}, "latest"]);
        self.rpc.batch("eth_call", &calls.iter().map(ask).collect::<Vec<_>>()).await
    }

    /// Runs one after the other at the top of the block to come.
    pub(super) async fn simulate(&self, next: &Next, calls: &[&Value]) -> Result<Vec<Ran>, RpcError> {
        let time = U64::from(next.timestamp);
        let overrides =
            json!({"number": U64::from(next.number), "time": time, "baseFeePerGas": U64::from(next.base_fee)});
        let block = json!({"blockOverrides": overrides, "calls": calls});
        let params = json!([{"blockStateCalls": [block], "validation": false}, "latest"]);
        let blocks: Vec<Simulated> = self.rpc.call("eth_simulateV1", params).await?;
        Ok(blocks.into_iter().next().map(|block| block.calls).unwrap_or_default())
    }
}
