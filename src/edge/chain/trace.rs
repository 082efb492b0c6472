//! What a block changed, and what a transaction would read, by the node's own prestate tracer.
//!
//! # Invariants
//! - A slot that stood before a transaction and does not stand behind it holds zero.
//! - Where the tracer's words leave it open what became of an account, the account is [unsure](Trace::unsure) and has to
//!   be read back: one that stands before and not behind (destroyed; or, since Cancun, only emptied; or left with nothing
//!   but zeroed slots), and one whose delegated code may have been taken away, which is left out as no code.
//!
//! # Limits
//! What no transaction does is not in it: withdrawals, and the system's own calls at either end of the block.

pub mod vetting;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::edge::chain::ChainError;
use crate::edge::chain::endpoint::Endpoint;
use crate::hot::event::AccountUpdate;

/// What a block's transactions changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The transactions that were traced, in order, as far as the tracer says which.
    pub txs: Vec<Option<B256>>,
    /// Every account named, in order of address: what it became. Of an unsure one its slots name what to read.
    pub accounts: Vec<AccountUpdate>,
    /// Accounts to be read back.
    pub unsure: BTreeSet<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Traced {
    #[serde(default)]
    tx_hash: Option<B256>,
    result: Option<Change>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Change {
    pre: BTreeMap<Address, Part>,
    post: BTreeMap<Address, Part>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part {
    balance: Option<U256>,
    nonce: Option<Count>,
    code: Option<Bytes>,
    storage: BTreeMap<B256, B256>,
}

/// Some nodes write a number, some a quantity.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Quantity(#[serde(with = "alloy::serde::quantity")] u64),
}

impl Count {
    const fn value(self) -> u64 {
        match self {
            Self::Number(value) | Self::Quantity(value) => value,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    access_list: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    address: Address,
    #[serde(default)]
    storage_keys: Vec<B256>,
}

#[derive(Default)]
struct Merged {
    balance: Option<U256>,
    nonce: Option<u64>,
    code: Option<Bytes>,
    slots: BTreeMap<U256, U256>,
}

/// Code of an account that runs another's (EIP-7702).
const DELEGATED: [u8; 3] = [0xef, 0x01, 0x00];

impl Trace {
    /// Whether it can be of a block with these transactions.
    #[must_use]
    pub fn is_of(&self, txs: &[Option<B256>]) -> bool {
        let same = |(traced, due): (&Option<B256>, &Option<B256>)| match (traced, due) {
            (Some(traced), Some(due)) => traced == due,
            _ => true,
        };
        self.txs.len() == txs.len() && self.txs.iter().zip(txs).all(same)
    }
}

impl Endpoint {
    /// What the block's transactions changed. A node whose traces were contradicted is not asked.
    pub async fn trace(&self, block: B256) -> Result<Trace, ChainError> {
        const METHOD: &str = "debug_traceBlockByHash";
        if self.traces().is_refuted() {
            return Err(self.shape(METHOD, "its traces are not believed".to_owned()));
        }
        let how = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
        let traced: Vec<Traced> = self.call(METHOD, json!([block, how])).await?;
        let mut changes = Vec::with_capacity(traced.len());
        let txs = traced.iter().map(|tx| tx.tx_hash).collect();
        for Traced { result, error, .. } in traced {
            let none = || self.shape(METHOD, format!("a transaction was not traced: {}", error.unwrap_or_default()));
            changes.push(result.ok_or_else(none)?);
        }
        Ok(Trace { txs, ..merge(changes) })
    }

    /// All that a transaction would read behind block `at`, with what it holds there.
    pub async fn prestate(
        &self,
        at: B256,
        call: &Value,
        next: Option<(u64, u64)>,
    ) -> Result<Vec<AccountUpdate>, ChainError> {
        let mut how = json!({"tracer": "prestateTracer"});
        if let Some((number, time)) = next {
            how["blockOverrides"] = json!({"number": U64::from(number), "time": U64::from(time)});
        }
        let place = json!({"blockHash": at});
        let parts: BTreeMap<Address, Part> = self.call("debug_traceCall", json!([call, place, how])).await?;
        let account = |(address, part): (Address, Part)| AccountUpdate {
            address,
            balance: Some(part.balance.unwrap_or_default()),
            nonce: Some(part.nonce.map_or(0, Count::value)),
            code: Some(part.code.unwrap_or_default()),
            slots: part.storage.into_iter().map(|(slot, value)| (slot.into(), value.into())).collect(),
            destroyed: false,
        };
        Ok(parts.into_iter().map(account).collect())
    }

    /// Accounts and slots that a transaction would read behind block `at`, but for those that it reads in any case.
    pub async fn access_list(&self, at: B256, call: &Value) -> Result<Vec<(Address, Vec<U256>)>, ChainError> {
        let listed: Listed = self.call("eth_createAccessList", json!([call, {"blockHash": at}])).await?;
        let item = |item: Item| (item.address, item.storage_keys.into_iter().map(Into::into).collect());
        Ok(listed.access_list.into_iter().map(item).collect())
    }
}

/// Lays the transactions' changes over one another.
fn merge(changes: Vec<Change>) -> Trace {
    let mut merged: BTreeMap<Address, Merged> = BTreeMap::new();
    let mut unsure = BTreeSet::new();
    for Change { pre, mut post } in changes {
        for (address, before) in pre {
            let account = merged.entry(address).or_default();
            let zeroed = before.storage.keys().map(|slot| ((*slot).into(), U256::ZERO));
            account.slots.extend(zeroed);
            let Some(behind) = post.remove(&address) else {
                unsure.insert(address);
                continue;
            };
            if behind.code.is_none() && before.code.is_some_and(|code| code.starts_with(&DELEGATED)) {
                unsure.insert(address);
            }
            account.take(behind);
        }
        for (address, behind) in post {
            merged.entry(address).or_default().take(behind);
        }
    }
    Trace { txs: Vec::new(), accounts: merged.into_iter().map(Merged::update).collect(), unsure }
}

impl Merged {
    fn take(&mut self, behind: Part) {
        self.balance = behind.balance.or(self.balance);
        self.nonce = behind.nonce.map(Count::value).or(self.nonce);
        self.code = behind.code.or(self.code.take());
        for (slot, value) in behind.storage {
            self.slots.insert(slot.into(), value.into());
        }
    }

    fn update((address, merged): (Address, Self)) -> AccountUpdate {
        let Self { balance, nonce, code, slots } = merged;
        AccountUpdate { address, balance, nonce, code, slots: slots.into_iter().collect(), destroyed: false }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, merge};
    use alloy_primitives::{Address, U256};
    use serde_json::{Value, json};

    const A: &str = "0x00000000000000000000000000000000000000aa";
    const B: &str = "0x00000000000000000000000000000000000000bb";

    fn slot(n: u64) -> String {
        format!("{n:#066x}")
    }

    fn changes(blocks: &[Value]) -> Vec<Change> {
        blocks.iter().map(|block| serde_json::from_value(block.clone()).unwrap()).collect()
    }

    #[test]
    fn a_slot_that_is_gone_holds_zero_and_a_later_transaction_has_the_last_word() {
        let trace = merge(changes(&[
            json!({"pre": {A: {"balance": "0x1", "nonce": 3, "storage": {slot(1): slot(7), slot(2): slot(8)}}},
                   "post": {A: {"nonce": "0x4", "storage": {slot(2): slot(9)}}}}),
            json!({"pre": {A: {"storage": {slot(2): slot(9)}}}, "post": {A: {"storage": {slot(2): slot(5), slot(3): slot(6)}}}}),
        ]));
        let [account] = &trace.accounts[..] else { panic!("{trace:?}") };
        let [one, two, three] = [1, 2, 3].map(U256::from);
        assert_eq!(account.slots, [(one, U256::ZERO), (two, U256::from(5)), (three, U256::from(6))]);
        assert_eq!((account.nonce, account.balance, trace.unsure.len()), (Some(4), None, 0));
    }

    #[test]
    fn an_account_that_is_gone_and_one_that_may_be_no_longer_delegated_are_unsure() {
        let delegated = format!("0xef0100{}", "11".repeat(20));
        let trace = merge(changes(&[json!({
            "pre": {A: {"balance": "0x1", "storage": {slot(1): slot(7)}}, B: {"nonce": 1, "code": delegated}},
            "post": {B: {"nonce": 2}},
        })]));
        let both: Vec<Address> = [A, B].iter().map(|a| a.parse().unwrap()).collect();
        assert_eq!(trace.unsure.into_iter().collect::<Vec<_>>(), both);
    }
}
