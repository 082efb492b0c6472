//! The trigger as it goes into a bundle: its own raw bytes.
//!
//! # Invariants
//! - The bytes hash to the trigger's hash. What a node said the hash is proves nothing about the bytes we made of its JSON.
//! - No blob transaction: its sidecar is not in the public mempool's objects.
//!
//! # Cost
//! One encoding, one keccak.

use alloy::consensus::TxEnvelope;
use alloy::eips::eip2718::Decodable2718;
use alloy::eips::eip2718::Encodable2718;
use alloy_primitives::{B256, KECCAK256_EMPTY, keccak256};

use crate::hot::refused::Refused;

/// EIP-2718's number of a blob transaction.
const BLOB: u8 = 3;

/// Raw bytes with the hash they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    raw: Vec<u8>,
    hash: B256,
}

/// Makes the raw bytes of a trigger, should they be needed, checked against the hash it was announced by: in the place of
/// those of another.
pub type Raw<'a> = &'a dyn Fn(&mut Target) -> Result<(), Refused>;

/// No bytes, and the hash of none.
impl Default for Target {
    fn default() -> Self {
        Self { raw: Vec::new(), hash: KECCAK256_EMPTY }
    }
}

impl Target {
    /// Encodes a transaction that came decoded. `hash`: as it was announced.
    pub fn encode(tx: &TxEnvelope, hash: B256) -> Result<Self, Refused> {
        Self::written(hash, |raw| tx.encode_2718(raw))
    }

    /// Takes bytes as they came over the wire.
    pub fn raw(raw: &[u8], hash: B256) -> Result<Self, Refused> {
        let mut rest = raw;
        TxEnvelope::decode_2718(&mut rest).map_err(|_| Refused::TargetMismatch)?;
        if !rest.is_empty() {
            return Err(Refused::TargetMismatch);
        }
        Self::written(hash, |to| to.extend_from_slice(raw))
    }

    fn written(hash: B256, write: impl FnOnce(&mut Vec<u8>)) -> Result<Self, Refused> {
        let mut target = Self::default();
        target.write(hash, write)?;
        Ok(target)
    }

    /// Written in the place of another, by somebody who writes nothing but whole transactions. In vain, there are no bytes.
    pub fn write(&mut self, hash: B256, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Refused> {
        self.raw.clear();
        write(&mut self.raw);
        // Hashed here and now: a decoded transaction caches the hash that its JSON claimed.
        self.hash = keccak256(&self.raw);
        let refused = match self.raw.first() {
            Some(&BLOB) => Refused::TargetBlob,
            _ if self.hash != hash => Refused::TargetMismatch,
            _ => return Ok(()),
        };
        self.raw.clear();
        self.hash = KECCAK256_EMPTY;
        Err(refused)
    }

    /// Its bytes, EIP-2718.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }
}
