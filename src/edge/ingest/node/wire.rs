//! What a node sends over a subscription socket: replies and notices, told apart and decoded.
//!
//! # Invariants
//! - A single notice as geth and anvil send it is decoded once, into its own type: its subscription's id is found by scanning.
//!   All else, and what does not decode so, is read as a whole and looked at piece by piece: ids that are numbers, notices and
//!   replies in arrays, fields that are null or missing.

use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::Recovered;
use alloy::rpc::types::eth::Transaction;
use alloy_primitives::B256;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::edge::chain::Unreadable;
use crate::edge::chain::read_transaction;
use crate::edge::chain::transaction_hash;
use crate::edge::rpc::Reply;

/// Something a node said.
#[derive(Debug)]
pub(in crate::edge::ingest) enum Said {
    /// Something that happened, under a subscription's id.
    Notice(String, Vec<Value>),
    /// An answer.
    Reply(Reply),
    /// Neither.
    Odd,
}

/// A pending transaction as announced.
pub(in crate::edge::ingest::node) enum Announced {
    /// With the fields that had to be derived.
    Full(Box<Recovered<TxEnvelope>>, Vec<&'static str>),
    Hash(B256),
}

/// A pending transaction that cannot be read.
#[derive(Debug)]
pub(in crate::edge::ingest::node) struct Unread {
    pub(in crate::edge::ingest::node) why: String,
    /// By what it may be fetched, where there is any use in that.
    pub(in crate::edge::ingest::node) hash: Option<B256>,
}

#[derive(Deserialize)]
struct Notice<T> {
    params: Params<T>,
}

#[derive(Deserialize)]
struct Params<T> {
    result: T,
}

/// The value of the first `"subscription"` key of a single message. Whatever it is mistaken for fails to decode later.
pub(in crate::edge::ingest::node) fn subscription(text: &str) -> Option<&str> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let (_, rest) = text.split_once("\"subscription\"")?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    match rest.strip_prefix('"') {
        Some(rest) => rest.split_once('"').map(|(id, _)| id),
        None => {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            rest.get(..digits).filter(|id| !id.is_empty())
        }
    }
}

/// Whether two ids are one: nodes exist that tell a number here and its text there.
pub(in crate::edge::ingest::node) fn is_same(one: &str, other: &str) -> bool {
    let number = |id: &str| match id.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok(),
        None => id.parse().ok(),
    };
    one == other || number(one).is_some_and(|one| number(other) == Some(one))
}

/// A subscription's id, as a reply or a notice has it.
pub(in crate::edge::ingest) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// All that a message holds.
pub(in crate::edge::ingest) fn read(text: &str) -> Result<Vec<Said>, serde_json::Error> {
    let mut all = Vec::new();
    open(serde_json::from_str(text)?, &mut all);
    Ok(all)
}

fn open(value: Value, to: &mut Vec<Said>) {
    match value {
        Value::Array(items) if !items.is_empty() => items.into_iter().for_each(|item| open(item, to)),
        Value::Object(mut fields) if fields.contains_key("params") => {
            match fields.remove("params") {
                // One message for several.
                Some(Value::Array(each)) => to.extend(each.into_iter().map(notice_of)),
                Some(params) => to.push(notice_of(params)),
                None => {}
            }
        }
        value => to.push(match Reply::read(value) {
            Some(reply) => Said::Reply(reply),
            None => Said::Odd,
        }),
    }
}

fn notice_of(mut params: Value) -> Said {
    match (params.get("subscription").and_then(id), params.get_mut("result").map(Value::take)) {
        (Some(id), Some(Value::Array(results))) => Said::Notice(id, results),
        (Some(id), Some(result)) => Said::Notice(id, vec![result]),
        _ => Said::Odd,
    }
}

/// What a single notice tells.
pub(in crate::edge::ingest::node) fn notice<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str::<Notice<T>>(text).map(|notice| notice.params.result)
}

/// A pending transaction, in full or, where the node sends no more than that, by hash. `None`: not as the common nodes tell it.
pub(in crate::edge::ingest::node) fn pending(text: &str) -> Option<Announced> {
    match notice::<Transaction>(text) {
        // Without its type alloy may take it for a legacy one, whatever else it has.
        Ok(tx) if tx.inner.inner().is_legacy() && !text.contains("\"type\":\"0x") => None,
        Ok(tx) => Some(Announced::Full(Box::new(tx.inner), Vec::new())),
        Err(_) => notice(text).map(Announced::Hash).ok(),
    }
}

/// A pending transaction as any node tells it.
pub(in crate::edge::ingest::node) fn any_pending(told: &Value, chain_id: Option<u64>) -> Result<Announced, Unread> {
    if told.is_string() {
        let hash = B256::deserialize(told);
        return hash.map(Announced::Hash).map_err(|error| Unread { why: error.to_string(), hash: None });
    }
    match read_transaction(told, chain_id) {
        Ok(shown) => Ok(Announced::Full(Box::new(shown.tx), shown.derived)),
        Err(error) => {
            // Asked for by hash it would be of the same kind.
            let is_other = matches!(error, Unreadable::Type(_));
            let hash = if is_other { None } else { transaction_hash(told) };
            Err(Unread { why: error.to_string(), hash })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::rpc::Answered;

    /// As anvil 1.7.1 sent it.
    const HEAD: &str = r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x5176","result":{"hash":"0x0000000000000000000000000000000000000000000000000000000000000002","parentHash":"0x0000000000000000000000000000000000000000000000000000000000000001","number":"0x1","timestamp":"0x6b00e082","gasLimit":"0x1c9c380","gasUsed":"0xea60","baseFeePerGas":"0x3b9aca00","miner":"0x0000000000000000000000000000000000000000","mixHash":"0x0000000000000000000000000000000000000000000000000000000000000000","excessBlobGas":"0x0"}}}"#;

    #[test]
    fn a_notice_is_told_by_its_subscription_and_decodes_to_its_type() {
        assert_eq!(subscription(HEAD), Some("0x5176"));
        let head: crate::edge::chain::Head = notice(HEAD).unwrap();
        assert_eq!((head.number, head.base_fee, head.excess_blob_gas), (1, Some(1_000_000_000), Some(0)));
        let numbered = HEAD.replace("\"0x5176\"", " 20854 ");
        assert_eq!(subscription(&numbered), Some("20854"));
        for (one, other, same) in
            [("0x5176", "20854", true), ("0x5176", "0x05176", true), ("a", "b", false), ("7", "8", false)]
        {
            assert_eq!(is_same(one, other), same);
        }
    }

    #[test]
    fn notices_and_replies_are_found_in_arrays_of_either_kind() {
        let all = |text: &str| read(text).unwrap();
        let array = format!("[{HEAD},{{\"id\":\"3\",\"result\":7}}, 5]");
        assert_eq!(subscription(&array), None);
        let [Said::Notice(id, results), Said::Reply(reply), Said::Odd] = &all(&array)[..] else { panic!("three") };
        assert_eq!((id.as_str(), results.len(), reply.to), ("0x5176", 1, Answered::Request(3)));
        for text in [
            r#"{"method":"eth_subscription","params":{"subscription":7,"result":["0x1","0x2"]}}"#,
            r#"{"params":{"result":["0x1","0x2"],"subscription":7}}"#,
        ] {
            let [Said::Notice(id, results)] = &all(text)[..] else { panic!("{text}") };
            assert_eq!((id.as_str(), results.len()), ("7", 2));
        }
        let several = r#"{"params":[{"subscription":7,"result":"0x1"},{"subscription":8,"result":"0x2"}]}"#;
        assert_eq!(all(several).len(), 2);
        for odd in ["[]", "null", "{}", "7", r#"{"params":{"result":1}}"#, r#"{"params":null}"#] {
            assert!(matches!(&all(odd)[..], [Said::Odd]), "{odd}");
        }
        assert!(read("{\"jsonrpc\":").is_err());
    }

    #[test]
    fn what_is_no_transaction_is_fetched_by_its_hash_if_it_has_one() {
        let hash = B256::repeat_byte(3);
        let unread = |told: Value| any_pending(&told, Some(1)).err().expect("unreadable").hash;
        assert_eq!(unread(serde_json::json!({"hash": hash, "nonce": "0x1"})), Some(hash));
        assert_eq!(unread(serde_json::json!({"hash": hash, "type": "0x7e"})), None);
        assert_eq!(unread(serde_json::json!({"hash": 7})), None);
        assert!(pending(r#"{"params":{"subscription":"0x1","result":{"hash":7}}}"#).is_none());
    }
}
