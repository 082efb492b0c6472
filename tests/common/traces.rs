//! Ways in which a node's trace of a block, or a log, is wrong and looks right.
#![allow(dead_code, reason = "each test binary uses its own part")]

use serde_json::{Map, Value, json};

/// Spoils a trace: the list of results of `debug_traceBlockByHash`, a transaction each.
pub type Lie = fn(&mut Value);

/// By name.
pub const LIES: [(&str, Lie); 12] = [
    ("slots that were only read stand before and not behind", reads_stand_before),
    ("contracts with storage are left out", contracts_left_out),
    ("one slot of each contract is left out", slots_left_out),
    ("before and behind are exchanged", exchanged),
    ("what a slot holds is one off", one_off),
    ("slots are named by the hash of their key", hashed_keys),
    ("balances and nonces are left out", holdings_left_out),
    ("the last transaction is left out", last_left_out),
    ("the transactions are in another order, and named", reversed),
    ("the transactions are in another order, and not named", reversed_unnamed),
    ("all of it is another block's", |all| *all = json!([])),
    ("nothing stands behind", |all| each(all, |tx| tx["result"]["post"] = json!({}))),
];

fn each(all: &mut Value, mut lie: impl FnMut(&mut Value)) {
    all.as_array_mut().into_iter().flatten().for_each(&mut lie);
}

/// Every account before and behind each transaction.
fn accounts(all: &mut Value, mut lie: impl FnMut(&mut Value)) {
    each(all, |tx| {
        for side in ["pre", "post"] {
            let Some(side) = tx["result"][side].as_object_mut() else { continue };
            side.values_mut().for_each(&mut lie);
        }
    });
}

fn storages(all: &mut Value, mut lie: impl FnMut(&mut Map<String, Value>)) {
    accounts(all, |account| {
        if let Some(storage) = account.get_mut("storage").and_then(Value::as_object_mut) {
            lie(storage);
        }
    });
}

fn reads_stand_before(all: &mut Value) {
    // Of a pair: its tokens; of a V3 pool: its ticks' words. What stands there is no zero.
    each(all, |tx| {
        let Some(pre) = tx["result"]["pre"].as_object_mut() else { return };
        for account in pre.values_mut().filter(|account| account.get("storage").is_some()) {
            for slot in [0_u8, 4, 6, 7, 8] {
                let key = format!("0x{slot:064x}");
                if account["storage"].get(&key).is_none() {
                    account["storage"][key] = json!(format!("0x{:064x}", 7));
                }
            }
        }
    });
}

fn contracts_left_out(all: &mut Value) {
    each(all, |tx| {
        let has = |account: &Value| account.get("storage").is_some();
        let Some(pre) = tx["result"]["pre"].as_object() else { return };
        let out: Vec<String> = pre.iter().filter(|(_, account)| has(account)).map(|(name, _)| name.clone()).collect();
        for side in ["pre", "post"] {
            let Some(side) = tx["result"][side].as_object_mut() else { continue };
            side.retain(|name, _| !out.contains(name));
        }
    });
}

fn slots_left_out(all: &mut Value) {
    storages(all, |storage| {
        let last = storage.keys().max().cloned();
        last.map(|last| storage.remove(&last));
    });
}

fn exchanged(all: &mut Value) {
    each(all, |tx| {
        let (pre, post) = (tx["result"]["pre"].take(), tx["result"]["post"].take());
        (tx["result"]["pre"], tx["result"]["post"]) = (post, pre);
    });
}

fn one_off(all: &mut Value) {
    each(all, |tx| {
        let Some(post) = tx["result"]["post"].as_object_mut() else { return };
        for value in post.values_mut().filter_map(|a| a.get_mut("storage")?.as_object_mut()).flat_map(Map::values_mut) {
            let text = value.as_str().unwrap_or_default().to_owned();
            *value = json!(format!("{}{}", &text[..65], if text.ends_with('7') { '8' } else { '7' }));
        }
    });
}

fn hashed_keys(all: &mut Value) {
    storages(all, |storage| {
        let hashed = |(key, value): (&String, &Value)| {
            let key: alloy_primitives::B256 = key.parse().expect("a slot");
            (alloy_primitives::keccak256(key).to_string(), value.clone())
        };
        *storage = storage.iter().map(hashed).collect();
    });
}

fn holdings_left_out(all: &mut Value) {
    accounts(all, |account| {
        let Some(account) = account.as_object_mut() else { return };
        account.remove("balance");
        account.remove("nonce");
    });
}

fn last_left_out(all: &mut Value) {
    all.as_array_mut().map(Vec::pop);
}

fn reversed(all: &mut Value) {
    if let Some(all) = all.as_array_mut() {
        all.reverse();
    }
}

fn reversed_unnamed(all: &mut Value) {
    each(all, |tx| drop(tx.as_object_mut().map(|tx| tx.remove("txHash"))));
    reversed(all);
}

/// The last digit of a log's data is another.
pub fn other_data(log: &mut Value) {
    let data = log["data"].as_str().unwrap_or_default().to_owned();
    if let Some((last, rest)) = data.strip_prefix("0x").and_then(|data| data.as_bytes().split_last()) {
        let last = if *last == b'7' { '8' } else { '7' };
        log["data"] = json!(format!("0x{}{last}", std::str::from_utf8(rest).unwrap()));
    }
}
