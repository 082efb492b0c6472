//! Bodies for hashes: what a node announces by hash alone is fetched in batches, as many as have gathered meanwhile.

use alloy_primitives::B256;
use tokio::sync::mpsc;

use crate::edge::chain::Chain;
use crate::edge::chain::read_transaction;
use crate::edge::ingest::hearing::Kind;
use crate::edge::ingest::inlet::Inlet;

/// Hashes that may wait; beyond it they are let go, as another source may bring them.
pub(in crate::edge::ingest::node) const ROOM: usize = 8192;
/// Requests in one batch; common nodes accept 100 and more.
const BATCH: usize = 100;

/// Fetches until the session ends.
pub(in crate::edge::ingest::node) async fn run(chain: Chain, inlet: Inlet, mut hashes: mpsc::Receiver<B256>) {
    let mut batch = Vec::with_capacity(BATCH);
    while hashes.recv_many(&mut batch, BATCH).await > 0 {
        batch.retain(|hash| inlet.wanted(*hash));
        match chain.transactions(&batch).await {
            Ok(bodies) => bodies.into_iter().for_each(|body| take(&inlet, body)),
            Err(error) => inlet.not_had(batch.len() as u64, &error.to_string()),
        }
        batch.clear();
    }
}

fn take(inlet: &Inlet, body: serde_json::Value) {
    // Replaced, or dropped.
    if body.is_null() {
        return inlet.gone();
    }
    // Included: nothing to hand on.
    if body.get("blockHash").is_some_and(|hash| !hash.is_null()) {
        return;
    }
    let at_ns = inlet.now_ns();
    let text = body.to_string();
    inlet.fetched(at_ns, text.as_bytes());
    let began_ns = inlet.now_ns();
    match read_transaction(&body, inlet.chain_id()) {
        Ok(shown) => {
            if !shown.derived.is_empty() {
                inlet.derived(&shown.derived, &text);
            }
            inlet.body(shown.tx, began_ns);
        }
        Err(error) => {
            inlet.bad(Kind::Pending, at_ns, &text, error);
            inlet.not_had(1, "what was fetched cannot be read");
        }
    }
}
