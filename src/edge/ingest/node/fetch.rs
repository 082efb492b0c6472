//! Bodies for hashes: what a node announces by hash alone is fetched in batches, as many as have gathered meanwhile.

use std::time::Duration;

use alloy_primitives::B256;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::edge::chain::Chain;
use crate::edge::chain::read_transaction;
use crate::edge::ingest::hearing::Kind;
use crate::edge::ingest::inlet::Inlet;

/// Hashes that may wait; beyond it they are let go, as another source may bring them.
pub(in crate::edge::ingest::node) const ROOM: usize = 8192;
/// Requests in one batch; common nodes accept 100 and more.
const BATCH: usize = 100;

/// Between the tries for a body that is not there: a node may announce what others of its provider's do not have yet.
const AGAIN: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1_600)];

/// A hash whose body was not there: when it is asked for again, and for how many times it was.
struct Absent {
    at: Instant,
    hash: B256,
    tries: usize,
}

/// Fetches until the session ends.
pub(in crate::edge::ingest::node) async fn run(chain: Chain, inlet: Inlet, mut hashes: mpsc::Receiver<B256>) {
    let mut come = Vec::with_capacity(BATCH);
    let mut absent: Vec<Absent> = Vec::new();
    loop {
        let next = absent.iter().map(|absent| absent.at).min();
        tokio::select! {
            biased;
            count = hashes.recv_many(&mut come, BATCH) => if count == 0 { return },
            () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => (),
        }
        let mut batch: Vec<(B256, usize)> = come.drain(..).map(|hash| (hash, 0)).collect();
        let now = Instant::now();
        absent.retain(|absent| {
            let is_due = absent.at <= now && batch.len() < BATCH;
            if is_due {
                batch.push((absent.hash, absent.tries));
            }
            !is_due
        });
        batch.retain(|(hash, _)| inlet.wanted(*hash));
        let asked: Vec<B256> = batch.iter().map(|(hash, _)| *hash).collect();
        let has_room = absent.len() < ROOM;
        match chain.transactions(&asked).await {
            Ok(bodies) => absent.extend(batch.into_iter().zip(bodies).filter_map(|(asked, body)| {
                let later = again(asked).filter(|_| body.is_null() && has_room);
                if later.is_none() {
                    take(&inlet, body);
                }
                later
            })),
            Err(error) => inlet.not_had(asked.len() as u64, &error.to_string()),
        }
    }
}

/// When a body that is not there is asked for once more, if it is.
fn again((hash, tries): (B256, usize)) -> Option<Absent> {
    let pause = AGAIN.get(tries)?;
    Some(Absent { at: Instant::now() + *pause, hash, tries: tries + 1 })
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
