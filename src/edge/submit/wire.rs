//! Request bodies, written by hand: 50 ns against serde's 1200 for two transactions (facts/performance.md, section 8).
//!
//! # Invariants
//! - All that goes in is hex, digits or a UUID, so that nothing needs escaping.
//! - The safe form for everybody (facts/relays.md, section 7.1): `revertingTxHashes` always there, hex `blockNumber`, a
//!   hyphenated UUIDv4, nothing optional as `null`.

use std::io::Write;

use alloy_primitives::{Bytes, hex};
use uuid::Uuid;

use crate::edge::submit::DialectName;
use crate::edge::submit::Identity;
use crate::types::secret::SignError;

/// A request: its bytes, and the header that was signed over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Of which dialect it is.
    pub kind: DialectName,
    /// The body.
    pub body: Bytes,
    /// `X-Flashbots-Signature`, for the relays that want it. `None` when no relay of the dialect does.
    pub signature: Option<String>,
}

impl Message {
    /// Closes a body: from here on it is bytes, and those are what is signed.
    pub(in crate::edge::submit) fn seal(
        kind: DialectName,
        body: Vec<u8>,
        identity: Option<&Identity>,
    ) -> Result<Self, SignError> {
        let signature = identity.map(|identity| identity.header(&body)).transpose()?;
        Ok(Self { kind, body: body.into(), signature })
    }
}

/// `eth_sendBundle`, behind what `body` holds.
pub(in crate::edge::submit) fn send_bundle(txs: &[&[u8]], block: u64, uuid: &Uuid, body: &mut Vec<u8>) {
    body.reserve(256 + txs.iter().map(|tx| 2 * tx.len() + 5).sum::<usize>());
    body.extend_from_slice(br#"{"jsonrpc":"2.0","id":1,"method":"eth_sendBundle","params":[{"txs":["#);
    for (index, tx) in txs.iter().enumerate() {
        body.extend_from_slice(if index == 0 { b"\"0x" } else { b",\"0x" });
        let at = body.len();
        body.resize(at + 2 * tx.len(), 0);
        // As long as it has to be.
        let _fits = hex::encode_to_slice(tx, &mut body[at..]);
        body.push(b'"');
    }
    // Writing to a vector cannot fail.
    let _infallible = write!(
        body,
        r#"],"blockNumber":"0x{block:x}","revertingTxHashes":[],"replacementUuid":"{}"}}]}}"#,
        uuid.as_hyphenated()
    );
}

/// `eth_cancelBundle`, behind what `body` holds.
pub(in crate::edge::submit) fn cancel_bundle(uuid: &Uuid, body: &mut Vec<u8>) {
    let uuid = uuid.as_hyphenated();
    // As above.
    let _infallible = write!(
        body,
        r#"{{"jsonrpc":"2.0","id":1,"method":"eth_cancelBundle","params":[{{"replacementUuid":"{uuid}"}}]}}"#
    );
}
