//! `X-Flashbots-Signature`: who relays know us as.

use alloy_primitives::{B256, hex, keccak256};

use crate::types::onetime::OneTime;
use crate::types::secret::Key;
use crate::types::secret::SignError;

/// What is signed: EIP-191 over the *text* of the body's hash, `0x` and 64 lower-case digits.
#[must_use]
pub fn digest(body: &[u8]) -> B256 {
    let mut text =
        *b"\x19Ethereum Signed Message:\n660x................................................................";
    let at = text.len() - 64;
    put_hex(&mut text[at..], keccak256(body).as_slice());
    keccak256(text)
}

/// Writes the header's value for a body behind what `out` holds: `address:signature`.
///
/// # Errors
/// The key cannot sign it.
pub fn write(identity: &Key, nonce: Option<OneTime>, body: &[u8], out: &mut Vec<u8>) -> Result<(), SignError> {
    let digest = digest(body);
    let signature = match nonce {
        Some(nonce) => identity.sign_once(&digest, nonce)?,
        None => identity.sign(&digest)?,
    };
    let mut address = [0; 42];
    out.extend_from_slice(identity.address().to_checksum_raw(&mut address, None).as_bytes());
    out.extend_from_slice(b":0x");
    let at = out.len();
    out.resize(at + 130, 0);
    put_hex(&mut out[at..], &signature.as_bytes());
    Ok(())
}

/// Twice as many digits as there are bytes: that they fit is the caller's.
fn put_hex(to: &mut [u8], bytes: &[u8]) {
    let fits = hex::encode_to_slice(bytes, to);
    debug_assert!(fits.is_ok());
}
