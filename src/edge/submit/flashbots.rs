//! As relay.flashbots.net takes it: always signed, taken back with `eth_cancelBundle`.

use uuid::Uuid;

use crate::edge::submit::Dialect;
use crate::edge::submit::wire;
use crate::hot::bundle::SignedBundle;

/// Flashbots' own relay, and who copies it.
#[derive(Clone, Copy, Debug)]
pub struct Flashbots;

impl Dialect for Flashbots {
    fn name(&self) -> &'static str {
        "flashbots"
    }

    fn must_sign(&self) -> bool {
        true
    }

    fn bundle(&self, bundle: &SignedBundle, uuid: &Uuid, to: &mut Vec<u8>) {
        wire::send_bundle(&bundle.txs(), bundle.block(), uuid, to);
    }

    fn cancel(&self, _block: u64, uuid: &Uuid, to: &mut Vec<u8>) {
        wire::cancel_bundle(uuid, to);
    }
}
