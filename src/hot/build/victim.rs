//! The trigger as it goes into a bundle: its own raw bytes.
//!
//! # Invariants
//! - The bytes hash to the trigger's hash. What a node said the hash is proves nothing about the bytes we made of its JSON.
//! - No blob transaction: its sidecar is not in the public mempool's objects.
//!
//! # Cost
//! One encoding, one keccak.

use alloy::consensus::Transaction;
use alloy::consensus::TxEnvelope;
use alloy::eips::eip2718::Decodable2718;
use alloy::eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Bytes, keccak256};

use crate::hot::refused::Refused;

/// Raw bytes with the hash they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    raw: Bytes,
    hash: B256,
}

impl Victim {
    /// Encodes a transaction that came decoded. `hash`: as it was announced.
    pub fn encode(tx: &TxEnvelope, hash: B256) -> Result<Self, Refused> {
        if tx.blob_versioned_hashes().is_some() {
            return Err(Refused::VictimBlob);
        }
        Self::check(tx.encoded_2718().into(), hash)
    }

    /// Takes bytes as they came over the wire.
    pub fn raw(raw: Bytes, hash: B256) -> Result<Self, Refused> {
        let mut rest = &raw[..];
        let tx = TxEnvelope::decode_2718(&mut rest).map_err(|_| Refused::VictimMismatch)?;
        if !rest.is_empty() {
            return Err(Refused::VictimMismatch);
        }
        if tx.blob_versioned_hashes().is_some() {
            return Err(Refused::VictimBlob);
        }
        Self::check(raw, hash)
    }

    /// Hashed here and now: a decoded transaction caches the hash that its JSON claimed.
    fn check(raw: Bytes, hash: B256) -> Result<Self, Refused> {
        if keccak256(&raw) != hash {
            return Err(Refused::VictimMismatch);
        }
        Ok(Self { raw, hash })
    }

    /// Its bytes, EIP-2718.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.raw
    }

    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }
}
