//! Connections to relays stay open between bundles: many servers close what has been idle for some ten seconds, and a handshake
//! costs a bundle more than all of the search.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::edge::submit::Submitter;
use crate::hot::worker::send_gate::SendGate;

/// Between two rounds: below what common servers take for idle.
const EVERY: Duration = Duration::from_secs(10);

/// Asks every relay for a sign of life again and again, until nobody tells of blocks any more. A dry run dials nobody.
/// Those that want to be left alone are.
pub async fn keep(submitter: Arc<Submitter>, gate: Arc<SendGate>, mut tip: watch::Receiver<B256>) {
    let mut rounds = tokio::time::interval(EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = rounds.tick() => submitter.warm_again(gate.resting()).await,
            fetched = tip.changed() => if fetched.is_err() {
                return;
            },
        }
    }
}
