//! The node under the builder. Both simulate. anvil mines what its pool holds, in the order it came; geth makes a block of
//! transactions that are named, or of its pool by its own order.
//!
//! # Limits
//! - anvil's `eth_simulateV1` checks balances, and neither nonces nor fees (1.7.1, measured). The rules check those.
//! - A pooled transaction without a valid signature (an impersonated sender's) cannot be put back and is lost.

use std::collections::{BTreeMap, BTreeSet};

use alloy::consensus::TxEnvelope;
use alloy::eips::eip1559::BaseFeeParams;
use alloy::eips::eip1559::calc_next_block_base_fee;
use alloy::eips::eip2718::Encodable2718;
use alloy::rpc::types::Transaction;
use alloy_primitives::{Address, B256, Bytes, U64, U256, address, keccak256};
use peregrine_rpc::Rpc;
use peregrine_rpc::RpcError;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::block_builder::order::Tx;

/// Where the simulation puts code that returns the coinbase's balance. Nobody lives there.
const PROBE: Address = address!("7065726567726965000000000000000000000b01");
/// `COINBASE BALANCE PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN`.
const PROBE_CODE: &str = "0x413160005260206000f3";
/// What one probe may burn; it takes 21 117.
const PROBE_GAS: u64 = 30_000;

/// A block's header, as far as the next one follows from it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    number: U64,
    /// Its hash.
    pub hash: B256,
    timestamp: U64,
    base_fee_per_gas: U64,
    gas_limit: U64,
    gas_used: U64,
    /// The hashes of its transactions, in order.
    pub transactions: Vec<B256>,
}

impl Head {
    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number.to()
    }

    /// The block after it, `seconds` later.
    #[must_use]
    pub fn next(&self, seconds: u64, coinbase: Address) -> Env {
        let (used, limit, fee) = (self.gas_used.to(), self.gas_limit.to(), self.base_fee_per_gas.to());
        Env {
            number: self.number() + 1,
            timestamp: self.timestamp.to::<u64>() + seconds,
            base_fee: calc_next_block_base_fee(used, limit, fee, BaseFeeParams::ethereum()),
            gas_limit: limit,
            coinbase,
        }
    }
}

/// A block that is yet to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Env {
    /// Its number.
    pub number: u64,
    /// Its time, in unix seconds.
    pub timestamp: u64,
    /// Its base fee, in wei per gas.
    pub base_fee: u64,
    /// Its gas.
    pub gas_limit: u64,
    /// Who is paid.
    pub coinbase: Address,
}

/// What a transaction did in a simulation.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Whether it did not revert.
    pub success: bool,
    /// Gas burnt.
    pub gas: u64,
    /// What the coinbase gained by it, in wei: tip and direct payments.
    pub paid: U256,
    /// What it returned.
    pub output: Bytes,
    /// The EVM's words when it failed.
    pub error: Option<String>,
}

#[derive(Deserialize)]
struct SimulatedBlock {
    calls: Vec<SimulatedCall>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SimulatedCall {
    return_data: Bytes,
    gas_used: U64,
    status: U64,
    error: Option<SimulatedError>,
}

#[derive(Deserialize)]
struct SimulatedError {
    message: String,
}

#[derive(Deserialize)]
struct Content {
    pending: BTreeMap<Address, BTreeMap<String, Value>>,
    queued: BTreeMap<Address, BTreeMap<String, Value>>,
}

/// How a node makes blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::block_builder) enum Mines {
    /// What its pool holds, in the order it came: anvil.
    Pool,
    /// What is named: geth.
    Named,
}

/// A connection to it.
#[derive(Clone, Debug)]
pub struct Node {
    rpc: Rpc,
    mines: Mines,
}

impl Node {
    /// An anvil at the end of `rpc`.
    #[must_use]
    pub const fn new(rpc: Rpc) -> Self {
        Self { rpc, mines: Mines::Pool }
    }

    /// A geth at the end of `rpc`.
    #[must_use]
    pub const fn geth(rpc: Rpc) -> Self {
        Self { rpc, mines: Mines::Named }
    }

    /// The one or the other, by what it says that it is.
    pub async fn of(rpc: Rpc) -> Result<Self, RpcError> {
        let version: String = rpc.call("web3_clientVersion", json!([])).await?;
        Ok(if version.starts_with("Geth/") { Self::geth(rpc) } else { Self::new(rpc) })
    }

    pub(in crate::block_builder) const fn mines(&self) -> Mines {
        self.mines
    }

    /// A block by number or tag.
    pub async fn head(&self, block: &Value) -> Result<Head, RpcError> {
        self.rpc.call("eth_getBlockByNumber", json!([block, false])).await
    }

    /// The next nonce of each sender, at a block.
    pub async fn nonces(&self, txs: &[&Tx], block: &Value) -> Result<BTreeMap<Address, u64>, RpcError> {
        let senders: BTreeSet<Address> = txs.iter().map(|tx| tx.sender).collect();
        let params: Vec<Value> = senders.iter().map(|sender| json!([sender, block])).collect();
        let nonces: Vec<U64> = self.rpc.batch("eth_getTransactionCount", &params).await?;
        Ok(senders.into_iter().zip(nonces.into_iter().map(|nonce| nonce.to())).collect())
    }

    /// Runs `txs` in order at the top of the block `env` on the state of `parent`; what the coinbase holds is read
    /// before and after each.
    pub async fn simulate(&self, env: &Env, parent: &Value, txs: &[&Tx]) -> Result<Vec<Ran>, RpcError> {
        let probe = json!({"from": PROBE, "to": PROBE, "gas": U64::from(PROBE_GAS)});
        let mut calls = vec![probe.clone()];
        for tx in txs {
            calls.extend([json!(tx.request()), probe.clone()]);
        }
        let room = env.gas_limit + PROBE_GAS * (txs.len() as u64 + 1);
        let block = json!({
            "blockOverrides": {
                "number": U64::from(env.number), "time": U64::from(env.timestamp), "feeRecipient": env.coinbase,
                "baseFeePerGas": U64::from(env.base_fee), "gasLimit": U64::from(room),
            },
            "stateOverrides": {(PROBE.to_string()): {"code": PROBE_CODE, "balance": "0xde0b6b3a7640000"}},
            "calls": calls,
        });
        let params = json!([{"blockStateCalls": [block], "validation": false}, parent]);
        let blocks: Vec<SimulatedBlock> = self.rpc.call("eth_simulateV1", params).await?;
        let calls = blocks.into_iter().next().map(|block| block.calls).unwrap_or_default();
        if calls.len() != 2 * txs.len() + 1 {
            let cause = format!("{} calls, {} due", calls.len(), 2 * txs.len() + 1);
            let (host, method) = (self.rpc.host().to_owned(), "eth_simulateV1".to_owned());
            return Err(RpcError::Shape { host, method, cause });
        }
        let balance = |call: &SimulatedCall| U256::try_from_be_slice(&call.return_data).unwrap_or_default();
        let ran = calls.windows(3).step_by(2).map(|around| Ran {
            success: around[1].status == U64::from(1),
            gas: around[1].gas_used.to(),
            paid: balance(&around[2]).saturating_sub(balance(&around[0])),
            output: around[1].return_data.clone(),
            error: around[1].error.as_ref().map(|error| error.message.clone()),
        });
        Ok(ran.collect())
    }

    /// Everything in the pool, whether it can run or waits for a nonce.
    pub async fn pool(&self) -> Result<Vec<Tx>, RpcError> {
        let content: Content = self.rpc.call("txpool_content", json!([])).await?;
        let held = content.pending.into_values().chain(content.queued.into_values());
        Ok(held.flat_map(BTreeMap::into_values).filter_map(decode).collect())
    }

    /// Empties the pool.
    pub async fn drop_all(&self) -> Result<(), RpcError> {
        self.rpc.call::<Value>("anvil_dropAllTransactions", json!([])).await.map(|_| ())
    }

    /// Puts a transaction into the pool, behind those in it.
    pub async fn send(&self, raw: &Bytes) -> Result<B256, RpcError> {
        self.rpc.call("eth_sendRawTransaction", json!([raw])).await
    }

    /// Makes `env` of what the pool holds.
    pub async fn mine(&self, env: &Env) -> Result<Head, RpcError> {
        self.rpc.call::<Value>("evm_setNextBlockTimestamp", json!([U64::from(env.timestamp)])).await?;
        self.rpc.call::<Value>("evm_mine", json!([])).await?;
        self.head(&json!("latest")).await
    }

    /// Makes `env` of these transactions in their order, each of which must be valid there; without a list, of geth's pool.
    pub async fn commit(&self, env: &Env, txs: Option<&[Bytes]>) -> Result<Head, RpcError> {
        let attributes = json!({
            "timestamp": U64::from(env.timestamp), "suggestedFeeRecipient": env.coinbase, "withdrawals": [],
            "prevRandao": keccak256(env.timestamp.to_be_bytes()), "parentBeaconBlockRoot": B256::ZERO,
        });
        let hash: B256 = self.rpc.call("testing_commitBlockV1", json!([attributes, txs, null])).await?;
        self.rpc.call("eth_getBlockByHash", json!([hash, false])).await
    }

    /// A transaction of the chain, as it was signed.
    pub async fn raw(&self, hash: B256) -> Result<Bytes, RpcError> {
        self.rpc.call("eth_getRawTransactionByHash", json!([hash])).await
    }

    /// Undoes the head, whose block `env` was, and mines it again with these in front and whatever else fits. Not with
    /// `anvil_reorg`: that gives the block its parent's timestamp (1.7.1, measured).
    pub async fn remine(&self, env: &Env, txs: &[Bytes]) -> Result<Head, RpcError> {
        self.rpc.call::<Value>("anvil_rollback", json!([1])).await?;
        self.drop_all().await?;
        for tx in txs {
            // Each was in the pool a moment ago. One that it refuses now is missing from the block, and that is checked.
            if let Err(error @ (RpcError::Transport { .. } | RpcError::Busy { .. } | RpcError::Shape { .. })) =
                self.send(tx).await
            {
                return Err(error);
            }
        }
        self.mine(env).await
    }

    /// Says who is paid. The account gets one wei if it has none, so that paying it never has to make it. geth is told with
    /// every block, and can give nobody anything.
    pub async fn set_coinbase(&self, coinbase: Address) -> Result<(), RpcError> {
        if self.mines == Mines::Named {
            return Ok(());
        }
        self.rpc.call::<Value>("anvil_setCoinbase", json!([coinbase])).await?;
        let balance: U256 = self.rpc.call("eth_getBalance", json!([coinbase, "latest"])).await?;
        if balance.is_zero() {
            self.rpc.call::<Value>("anvil_setBalance", json!([coinbase, "0x1"])).await?;
        }
        Ok(())
    }
}

/// A transaction as the pool shows it, written again as it was signed.
fn decode(shown: Value) -> Option<Tx> {
    let shown: Transaction<TxEnvelope> = serde_json::from_value(shown).ok()?;
    let hash = *shown.inner.tx_hash();
    let tx = Tx::decode(0, shown.inner.inner().encoded_2718().into()).ok()?;
    (tx.hash == hash).then_some(tx)
}
