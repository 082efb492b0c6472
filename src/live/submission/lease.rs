//! The lease under which bundles go out before their rows are written: see [`SendGate`].

use std::sync::Arc;

use alloy_primitives::B256;
use tokio::sync::watch;

use crate::edge::ledger::Ledger;
use crate::hot::worker::send_gate::SendGate;

/// Takes a lease for every new block, until nobody tells of blocks any more. Each is on disk before anything is sent under it.
/// While the ledger is not written there is none.
pub async fn keep(send_gate: Arc<SendGate>, ledger: Arc<Ledger>, mut tip: watch::Receiver<B256>) {
    let mut trouble = ledger.writes().watch();
    loop {
        let is_written = trouble.borrow_and_update().is_none();
        match send_gate.lease_due().filter(|_| is_written) {
            Some(until) => match ledger.lease(until).done().await {
                Ok(()) => send_gate.grant(until),
                Err(error) => {
                    send_gate.revoke();
                    tracing::debug!(%error, "the ledger gives no lease: nothing is sent under one");
                }
            },
            None if !is_written => send_gate.revoke(),
            None => (),
        }
        let told = tokio::select! {
            told = tip.changed() => told,
            told = trouble.changed() => told,
        };
        if told.is_err() {
            return;
        }
    }
}
