//! Bodies for hashes: what a node announces by hash alone is fetched in batches, as many as have gathered meanwhile.

use alloy::rpc::types::eth::Transaction;
use alloy_primitives::B256;
use tokio::sync::mpsc;

use crate::edge::chain::Chain;
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
            Err(error) => tracing::debug!(source = inlet.name(), %error, lost = batch.len(), "bodies not fetched"),
        }
        batch.clear();
    }
}

fn take(inlet: &Inlet, body: serde_json::Value) {
    // Gone again, replaced or included: nothing to hand on.
    if body.is_null() || body.get("blockHash").is_some_and(|hash| !hash.is_null()) {
        return;
    }
    let at_ns = inlet.now_ns();
    let text = body.to_string();
    inlet.fetched(at_ns, text.as_bytes());
    let began_ns = inlet.now_ns();
    match serde_json::from_value::<Transaction>(body) {
        Ok(tx) => inlet.body(tx.inner, began_ns),
        Err(error) => inlet.bad(at_ns, &text, error),
    }
}
