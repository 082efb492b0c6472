//! Before a socket is listened to: is it of our chain?
//!
//! # Invariants
//! - A socket that says another chain's id, or another block where the other nodes agree, is not listened to; one whose row
//!   says so over HTTP neither. A socket that does not answer such questions has its row's word over HTTP.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U64};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::edge::chain::BlockId;
use crate::edge::chain::Chain;
use crate::edge::chain::Stranger;
use crate::edge::ingest::SourceError;
use crate::edge::ingest::node::Patience;
use crate::edge::ingest::node::link::Link;
use crate::edge::ingest::node::link::Received;
use crate::edge::rpc::{Answered, Reply};

/// Asks a socket that nothing was asked of yet. Its questions take the numbers below the one returned.
pub(in crate::edge::ingest::node) async fn check(
    link: &mut Link,
    chain: &Chain,
    patience: Patience,
) -> Result<u64, SourceError> {
    if let Some(stranger) = chain.stranger() {
        return Err(stranger.into());
    }
    let agreed = chain.agreed().await;
    let blocks = agreed.iter().map(|due| ("eth_getBlockByNumber", json!([U64::from(due.number), false])));
    let questions: Vec<_> = std::iter::once(("eth_chainId", json!([]))).chain(blocks).collect();
    for (id, (method, params)) in (1_u64..).zip(&questions) {
        link.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()).await?;
    }
    let mut answers = BTreeMap::new();
    let until = Instant::now() + patience.connect;
    while answers.len() < questions.len() {
        let Ok(received) = tokio::time::timeout_at(until, link.next()).await else { break };
        let Received::Text(text) = received? else { continue };
        let said = match serde_json::from_str(&text) {
            Ok(Value::Array(all)) => all,
            Ok(one) => vec![one],
            Err(_) => continue,
        };
        for reply in said.into_iter().filter_map(Reply::read) {
            if let Answered::Request(id) = reply.to {
                answers.insert(id, reply.said.ok());
            }
        }
    }
    let judged = judge(chain, &agreed, &answers);
    chain.first().into_iter().for_each(|node| node.hear(judged.is_ok()));
    judged?;
    Ok(questions.len() as u64 + 1)
}

fn judge(chain: &Chain, agreed: &[BlockId], answers: &BTreeMap<u64, Option<Value>>) -> Result<(), Stranger> {
    let answer = |id: u64| answers.get(&id)?.clone();
    if let Some(id) = answer(1).and_then(|id| serde_json::from_value::<U64>(id).ok()) {
        chain.is_due(id.to())?;
    }
    for (id, due) in (2..).zip(agreed) {
        let found = answer(id).and_then(|block| serde_json::from_value::<B256>(block.get("hash")?.clone()).ok());
        match found {
            Some(found) if found != due.hash => return Err(Stranger::Block { found, due: *due }),
            _ => (),
        }
    }
    Ok(())
}
