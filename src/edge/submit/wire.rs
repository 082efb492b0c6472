//! Request bodies, written by hand: 50 ns against serde's 1200 for two transactions (facts/performance.md, section 8).
//!
//! # Invariants
//! - All that goes in is hex, digits or a UUID, so that nothing needs escaping.
//! - The safe form for everybody (facts/relays.md, section 7.1): `revertingTxHashes` always there, hex `blockNumber`, a
//!   hyphenated UUIDv4, nothing optional as `null`.

use std::fmt::Write;

use alloy_primitives::{Bytes, hex};
use uuid::Uuid;

use crate::edge::submit::Identity;
use crate::edge::submit::Kind;
use crate::types::secret::SignError;

/// A request: its bytes, and the header that was signed over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Of which dialect it is.
    pub kind: Kind,
    /// The body.
    pub body: Bytes,
    /// `X-Flashbots-Signature`, for the relays that want it. `None` when no relay of the dialect does.
    pub signature: Option<String>,
}

impl Message {
    /// Closes a body: from here on it is bytes, and those are what is signed.
    pub(in crate::edge::submit) fn seal(
        kind: Kind,
        body: String,
        identity: Option<&Identity>,
    ) -> Result<Self, SignError> {
        let signature = identity.map(|identity| identity.header(body.as_bytes())).transpose()?;
        Ok(Self { kind, body: body.into_bytes().into(), signature })
    }
}

/// `eth_sendBundle`.
pub(in crate::edge::submit) fn send_bundle(txs: &[Bytes], block: u64, uuid: &Uuid) -> String {
    let room = 256 + txs.iter().map(|tx| 2 * tx.len() + 5).sum::<usize>();
    let mut body = String::with_capacity(room);
    body.push_str(r#"{"jsonrpc":"2.0","id":1,"method":"eth_sendBundle","params":[{"txs":["#);
    for (index, tx) in txs.iter().enumerate() {
        body.push_str(if index == 0 { "\"0x" } else { ",\"0x" });
        body.push_str(&hex::encode(tx));
        body.push('"');
    }
    // Writing to a string cannot fail.
    let _infallible = write!(
        body,
        r#"],"blockNumber":"0x{block:x}","revertingTxHashes":[],"replacementUuid":"{}"}}]}}"#,
        uuid.as_hyphenated()
    );
    body
}

/// `eth_cancelBundle`.
pub(in crate::edge::submit) fn cancel_bundle(uuid: &Uuid) -> String {
    let uuid = uuid.as_hyphenated();
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_cancelBundle","params":[{{"replacementUuid":"{uuid}"}}]}}"#)
}
