//! What a node sends over a subscription socket: replies and notices, told apart and decoded.
//!
//! The subscription's id is found by scanning, so that the rest is decoded once and into its own type.

use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::Recovered;
use alloy::rpc::types::eth::Transaction;
use alloy_primitives::B256;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A message.
pub(in crate::edge::ingest::node) enum Message<'a> {
    /// Something that happened, under a subscription's id.
    Notice(&'a str),
    /// An answer.
    Reply(Reply),
}

/// The answer to a request.
#[derive(Debug, Deserialize)]
pub(in crate::edge::ingest::node) struct Reply {
    pub(in crate::edge::ingest::node) id: u64,
    #[serde(default)]
    pub(in crate::edge::ingest::node) result: Value,
    pub(in crate::edge::ingest::node) error: Option<Refusal>,
}

/// A no.
#[derive(Debug, Deserialize)]
pub(in crate::edge::ingest::node) struct Refusal {
    pub(in crate::edge::ingest::node) code: i64,
    #[serde(default)]
    pub(in crate::edge::ingest::node) message: String,
}

/// A pending transaction as announced.
pub(in crate::edge::ingest::node) enum Announced {
    Full(Box<Recovered<TxEnvelope>>),
    Hash(B256),
}

#[derive(Deserialize)]
struct Notice<T> {
    params: Params<T>,
}

#[derive(Deserialize)]
struct Params<T> {
    result: T,
}

/// Which kind of message it is.
pub(in crate::edge::ingest::node) fn open(text: &str) -> Result<Message<'_>, serde_json::Error> {
    match subscription(text) {
        Some(id) => Ok(Message::Notice(id)),
        None => serde_json::from_str(text).map(Message::Reply),
    }
}

/// The value of the first `"subscription"` key. Whatever it is mistaken for fails to decode later.
fn subscription(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("\"subscription\"")?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    rest.split_once('"').map(|(id, _)| id)
}

/// What a notice tells.
pub(in crate::edge::ingest::node) fn notice<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str::<Notice<T>>(text).map(|notice| notice.params.result)
}

/// A pending transaction, in full or, where the node sends no more than that, by hash.
pub(in crate::edge::ingest::node) fn pending(text: &str) -> Result<Announced, serde_json::Error> {
    match notice::<Transaction>(text) {
        Ok(tx) => Ok(Announced::Full(Box::new(tx.inner))),
        Err(error) => notice(text).map(Announced::Hash).map_err(|_| error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As anvil 1.7.1 sent it.
    const HEAD: &str = r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x5176","result":{"hash":"0x0000000000000000000000000000000000000000000000000000000000000002","parentHash":"0x0000000000000000000000000000000000000000000000000000000000000001","number":"0x1","timestamp":"0x6b00e082","gasLimit":"0x1c9c380","gasUsed":"0xea60","baseFeePerGas":"0x3b9aca00","miner":"0x0000000000000000000000000000000000000000","mixHash":"0x0000000000000000000000000000000000000000000000000000000000000000","excessBlobGas":"0x0"}}}"#;

    #[test]
    fn a_notice_is_told_by_its_subscription_and_decodes_to_its_type() {
        let Ok(Message::Notice(id)) = open(HEAD) else { panic!("a notice") };
        assert_eq!(id, "0x5176");
        let head: crate::edge::chain::Head = notice(HEAD).unwrap();
        assert_eq!((head.number, head.base_fee, head.excess_blob_gas), (1, Some(1_000_000_000), Some(0)));
    }

    #[test]
    fn a_reply_a_refusal_and_garbage_are_told_apart() {
        let Ok(Message::Reply(reply)) = open(r#"{"jsonrpc":"2.0","id":3,"result":"0xab"}"#) else { panic!("a reply") };
        assert_eq!((reply.id, reply.result.as_str()), (3, Some("0xab")));
        let refused = r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32602,"message":"data did not match any variant"}}"#;
        let Ok(Message::Reply(reply)) = open(refused) else { panic!("a reply") };
        assert_eq!(reply.error.map(|error| error.code), Some(-32602));
        assert!(open("{\"jsonrpc\":").is_err());
        assert!(pending(r#"{"params":{"subscription":"0x1","result":{"hash":7}}}"#).is_err());
    }
}
