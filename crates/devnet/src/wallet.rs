//! Keys of the devnet, and EIP-1559 signatures with them.
//!
//! # Invariants
//! - What is printed of a wallet is its address. The key leaves by [`Wallet::secret`] alone.
//! - Senders' keys follow from the seed: they hold play money. The owner's key is fresh and from the system's randomness.

use alloy::consensus::SignableTransaction;
use alloy::consensus::TxEip1559;
use alloy::eips::eip2718::Encodable2718;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::Signature;
use alloy_primitives::U256;
use alloy_primitives::keccak256;
use k256::ecdsa::SigningKey;

use crate::DevnetError;

/// The chain of a wallet and of a devnet of which nothing else is said.
pub const CHAIN_ID: u64 = 1;

/// A key, the account it opens, and the chain that its transactions are for.
#[derive(Clone)]
pub struct Wallet {
    key: SigningKey,
    address: Address,
    chain_id: u64,
}

/// A transaction ready for `eth_sendRawTransaction`.
#[derive(Clone, Debug)]
pub struct Signed {
    /// EIP-2718 bytes.
    pub raw: Bytes,
    /// Their hash.
    pub hash: B256,
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wallet({})", self.address)
    }
}

impl Wallet {
    /// A new key that nobody else has.
    pub fn fresh() -> Result<Self, DevnetError> {
        Self::of(B256::from(rand::random::<[u8; 32]>()))
    }

    /// The key that a devnet of this seed has for this purpose.
    pub fn derived(purpose: &str, seed: u64, index: usize) -> Result<Self, DevnetError> {
        Self::of(keccak256(format!("peregrine devnet {purpose} {seed} {index}")))
    }

    fn of(secret: B256) -> Result<Self, DevnetError> {
        let key = SigningKey::from_slice(secret.as_slice()).map_err(|_| DevnetError::Key)?;
        let point = key.verifying_key().to_sec1_point(false);
        let address = Address::from_raw_public_key(point.as_bytes().get(1..65).ok_or(DevnetError::Key)?);
        Ok(Self { key, address, chain_id: CHAIN_ID })
    }

    /// Its transactions are for this chain.
    #[must_use]
    pub fn on(self, chain_id: u64) -> Self {
        Self { chain_id, ..self }
    }

    /// The account.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The key itself, for whoever signs in its stead.
    #[must_use]
    pub fn secret(&self) -> B256 {
        B256::from_slice(&self.key.to_bytes())
    }

    /// Signs a transaction for its chain.
    #[must_use]
    pub fn sign(&self, tx: TxEip1559) -> Signed {
        let tx = TxEip1559 { chain_id: self.chain_id, ..tx };
        let signature = self.sign_digest(&tx.signature_hash());
        let signed = tx.into_signed(signature);
        Signed { raw: signed.encoded_2718().into(), hash: *signed.hash() }
    }

    /// Signs a digest: of a transaction, or of a message to a builder.
    #[must_use]
    pub fn sign_digest(&self, digest: &B256) -> Signature {
        let (signature, recovery) = self.key.sign_prehash_recoverable(digest.as_slice());
        let (r, s) = signature.split_bytes();
        Signature::new(U256::from_be_slice(&r), U256::from_be_slice(&s), recovery.is_y_odd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::consensus::TxEnvelope;
    use alloy::eips::eip2718::Decodable2718;
    use k256::ecdsa::RecoveryId;
    use k256::ecdsa::VerifyingKey;

    #[test]
    fn signer_is_recovered_from_what_was_signed() {
        let wallet = Wallet::derived("test", 1, 0).expect("a key");
        for nonce in 0..16 {
            let tx = TxEip1559 { nonce, gas_limit: 21_000, ..TxEip1559::default() };
            let signed = wallet.sign(tx);
            let envelope = TxEnvelope::decode_2718(&mut signed.raw.as_ref()).expect("decodes");
            assert_eq!(*envelope.hash(), signed.hash);
            let (signature, prehash) = (envelope.signature(), envelope.signature_hash());
            let (r, s) = (signature.r().to_be_bytes::<32>(), signature.s().to_be_bytes::<32>());
            let scalars = k256::ecdsa::Signature::from_scalars(r, s).expect("scalars");
            let recovery = RecoveryId::new(signature.v(), false);
            let key = VerifyingKey::recover_from_prehash(prehash.as_slice(), &scalars, recovery).expect("a key");
            assert_eq!(key, *wallet.key.verifying_key());
        }
    }

    #[test]
    fn a_wallet_never_prints_its_key() {
        let wallet = Wallet::fresh().expect("a key");
        assert_eq!(format!("{wallet:?}"), format!("Wallet({})", wallet.address()));
    }
}
