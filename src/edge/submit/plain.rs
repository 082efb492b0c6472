//! As most builders take it (BuilderNet direct, Titan, Quasar, rsync ..): a signature where the row says so.
//!
//! # Limits
//! - A bundle is taken back with an empty one of the same UUID, as BuilderNet and Titan have it. A builder that knows only
//!   `eth_cancelBundle` (rsync) does not hear of it; a bundle that stays costs nothing.

use uuid::Uuid;

use crate::edge::submit::Dialect;
use crate::edge::submit::wire;
use crate::hot::bundle::SignedBundle;

/// The builders' common form.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Dialect for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn must_sign(&self) -> bool {
        false
    }

    fn bundle(&self, bundle: &SignedBundle, uuid: &Uuid, to: &mut Vec<u8>) {
        wire::send_bundle(&bundle.txs(), bundle.block(), uuid, to);
    }

    fn cancel(&self, block: u64, uuid: &Uuid, to: &mut Vec<u8>) {
        wire::send_bundle(&[], block, uuid, to);
    }
}
