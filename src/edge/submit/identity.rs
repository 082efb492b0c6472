//! Who relays know us as: the key behind `X-Flashbots-Signature`.
//!
//! # Invariants
//! - The header speaks of exactly the bytes it was given.
//! - The key holds no funds and is never the owner's: [`crate::edge::submit::Submitter`] refuses it.

use alloy_primitives::{Address, Signature, hex};

use crate::hot::send::header;
use crate::types::secret::Key;
use crate::types::secret::SignError;

pub use crate::hot::send::header::digest;

/// The header's name.
pub const HEADER: &str = "X-Flashbots-Signature";

/// The identity key.
#[derive(Debug)]
pub struct Identity(Key);

impl Identity {
    /// An identity of a key of its own.
    #[must_use]
    pub const fn new(key: Key) -> Self {
        Self(key)
    }

    /// Whose it is.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.0.address()
    }

    /// The header's value for a body: `address:signature`.
    pub fn header(&self, body: &[u8]) -> Result<String, SignError> {
        let mut value = Vec::new();
        header::write(&self.0, None, body, &mut value)?;
        Ok(String::from_utf8_lossy(&value).into_owned())
    }
}

/// Whose signature a header carries. `None` when it is not one, or not that of the address it names.
#[must_use]
pub fn recover(header: &str, body: &[u8]) -> Option<Address> {
    let (address, signature) = header.split_once(':')?;
    let bytes = hex::decode(signature.strip_prefix("0x")?).ok()?;
    let signature = Signature::from_raw(&bytes).ok()?;
    let signer = signature.recover_address_from_prehash(&digest(body)).ok()?;
    address.parse().is_ok_and(|named: Address| named == signer).then_some(signer)
}
