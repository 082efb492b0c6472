//! A first block for geth that holds what a devnet's anvil holds behind its last one.
//!
//! # How
//! geth prints the first block of its own developer's chain, with the contracts that its forks call into. Into that go the
//! chain's id, its forks, time, gas and base fee, and every account that anvil dumps: code, storage, balance and nonce.
//!
//! # Limits
//! Blocks, transactions and logs of the set-up stay behind; so does what anvil keeps of the system contracts, whose
//! content is about those blocks.

use std::collections::BTreeMap;
use std::io::Read;

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::U64;
use alloy_primitives::U256;
use alloy_primitives::hex;
use flate2::read::GzDecoder;
use peregrine_rpc::Rpc;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::DevnetError;
use crate::block_builder::COINBASE;

/// Forks that a time switches on, in their order, as geth names them.
const FORKS: [(&str, &str); 3] = [("shanghai", "shanghaiTime"), ("cancun", "cancunTime"), ("prague", "pragueTime")];

/// What a first block is made of.
#[derive(Debug)]
pub(crate) struct Genesis {
    /// EIP-155's id.
    pub(crate) chain_id: u64,
    /// The last fork that is on.
    pub(crate) hardfork: &'static str,
    /// Of its gas.
    pub(crate) gas_limit: u64,
    head: Head,
    accounts: BTreeMap<Address, Account>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    timestamp: U64,
    base_fee_per_gas: U256,
}

#[derive(Deserialize)]
struct Dump {
    accounts: BTreeMap<Address, Account>,
}

#[derive(Debug, Deserialize)]
struct Account {
    nonce: u64,
    balance: U256,
    code: Bytes,
    storage: BTreeMap<U256, U256>,
}

impl Genesis {
    /// What an anvil of this id, fork and gas limit holds behind its last block.
    pub(crate) async fn of(
        rpc: &Rpc,
        (chain_id, hardfork, gas_limit): (u64, &'static str, u64),
    ) -> Result<Self, DevnetError> {
        let head: Head = rpc.call("eth_getBlockByNumber", json!(["latest", false])).await?;
        let dumped: Bytes = rpc.call("anvil_dumpState", json!([])).await?;
        let bad = |cause: String| DevnetError::Geth(format!("the state that anvil dumps: {cause}"));
        let mut text = Vec::new();
        GzDecoder::new(dumped.as_ref()).read_to_end(&mut text).map_err(|error| bad(error.to_string()))?;
        let dump: Dump = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        Ok(Self { chain_id, hardfork, gas_limit, head, accounts: dump.accounts })
    }

    /// The block as geth reads it, made of the one that it prints.
    pub(super) fn on(&self, base: &[u8]) -> Result<Vec<u8>, DevnetError> {
        let bad = |cause: String| DevnetError::Geth(format!("its own first block: {cause}"));
        let mut block: Map<String, Value> = serde_json::from_slice(base).map_err(|error| bad(error.to_string()))?;
        let config =
            block.get_mut("config").and_then(Value::as_object_mut).ok_or_else(|| bad("no forks".to_owned()))?;
        self.switch(config);
        let alloc = block.get_mut("alloc").and_then(Value::as_object_mut);
        let alloc = alloc.ok_or_else(|| bad("no accounts".to_owned()))?;
        for (address, account) in &self.accounts {
            alloc.entry(hex::encode(address)).or_insert_with(|| written(account));
        }
        // So that paying it never has to make it.
        alloc.entry(hex::encode(COINBASE)).or_insert_with(|| json!({"balance": "0x1"}));
        block.insert("timestamp".to_owned(), json!(self.head.timestamp));
        block.insert("baseFeePerGas".to_owned(), json!(self.head.base_fee_per_gas));
        block.insert("gasLimit".to_owned(), json!(U64::from(self.gas_limit)));
        serde_json::to_vec(&block).map_err(|error| bad(error.to_string()))
    }

    /// The chain's id, and its forks: none behind the last one.
    fn switch(&self, config: &mut Map<String, Value>) {
        let last = FORKS.iter().position(|(name, _)| *name == self.hardfork).unwrap_or(FORKS.len() - 1);
        let on: Vec<&str> = FORKS.iter().take(last + 1).map(|(_, key)| *key).collect();
        config.retain(|key, _| !key.ends_with("Time") || on.contains(&key.as_str()));
        config.insert("chainId".to_owned(), json!(self.chain_id));
    }
}

/// An account in a first block's form, in which nothing is zero.
fn written(account: &Account) -> Value {
    let word = |word: &U256| B256::from(*word);
    let storage = account.storage.iter().filter(|(_, value)| !value.is_zero());
    let storage: BTreeMap<B256, B256> = storage.map(|(slot, value)| (word(slot), word(value))).collect();
    json!({"nonce": U64::from(account.nonce), "balance": account.balance, "code": account.code, "storage": storage})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_block_has_the_forks_up_to_the_last_the_accounts_and_no_slot_of_zero() {
        let rich = Account {
            nonce: 3,
            balance: U256::from(5),
            code: Bytes::from_static(&[0xfe]),
            storage: BTreeMap::from([(U256::ONE, U256::from(7)), (U256::from(2), U256::ZERO)]),
        };
        let head = Head { timestamp: U64::from(9), base_fee_per_gas: U256::from(8) };
        let accounts = BTreeMap::from([(Address::with_last_byte(0xaa), rich)]);
        let genesis = Genesis { chain_id: 1, hardfork: "cancun", gas_limit: 30_000_000, head, accounts };
        let base = json!({
            "config": {"chainId": 1337, "londonBlock": 0, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0},
            "alloc": {"0000000000000000000000000000000000000001": {"balance": "0x1"}}, "gasLimit": "0x1", "difficulty": "0x0",
        });
        let made = genesis.on(base.to_string().as_bytes()).expect("a block");
        let made: Value = serde_json::from_slice(&made).expect("json");
        assert_eq!(made["config"], json!({"chainId": 1, "londonBlock": 0, "shanghaiTime": 0, "cancunTime": 0}));
        assert_eq!((&made["timestamp"], &made["baseFeePerGas"]), (&json!("0x9"), &json!("0x8")));
        let account = &made["alloc"]["00000000000000000000000000000000000000aa"];
        let slots = json!({(B256::with_last_byte(1).to_string()): B256::with_last_byte(7)});
        assert_eq!(*account, json!({"nonce": "0x3", "balance": "0x5", "code": "0xfe", "storage": slots}));
        assert_eq!(made["alloc"].as_object().map(Map::len), Some(3), "geth's, the devnet's, and who is paid");
    }
}
