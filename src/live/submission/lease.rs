//! The lease under which bundles go out before their rows are written: see [`SendGate`].

use std::sync::Arc;

use alloy_primitives::B256;
use tokio::sync::watch;

use crate::edge::ledger::Ledger;
use crate::hot::worker::send_gate::SendGate;

/// Takes a lease for every new block, until nobody tells of blocks any more. Each is on disk before anything is sent under it.
pub async fn keep(send_gate: Arc<SendGate>, ledger: Arc<Ledger>, mut tip: watch::Receiver<B256>) {
    loop {
        if let Some(until) = send_gate.lease_due() {
            match ledger.lease(until).done().await {
                Ok(()) => send_gate.grant(until),
                Err(error) => tracing::error!(%error, "the ledger gives no lease: nothing is sent under one"),
            }
        }
        if tip.changed().await.is_err() {
            return;
        }
    }
}
