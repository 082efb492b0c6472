//! Keys: where the configuration says they lie, and the key itself.
//!
//! # Invariants
//! - A key is never printed: `Debug` of it is `***`, no error holds what was read, and it is wiped when dropped.
//! - A key cannot be copied; who signs, holds it.
//! - Signatures have the low `s` (EIP-2), and are deterministic (RFC 6979) but for those made with a
//!   [`OneTime`](crate::types::onetime::OneTime).
//!
//! # Limits
//! - Moving a key may leave a copy on the stack, and memory is not locked: swap and core dumps are the host's to turn off.
//!
//! # Cost
//! A signature: 27 µs (k256 0.14; facts/performance.md, section 7).

use std::fmt;
use std::path::PathBuf;

use alloy_primitives::{Address, B256, Signature, U256, hex, keccak256};
use k256::NonZeroScalar;
use k256::ecdsa::SigningKey;
use k256::elliptic_curve::zeroize::Zeroize;
use serde::{Deserialize, Serialize, Serializer};

/// Where a key lies. Reading it is `edge::submit::keys`' work.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Place {
    /// An environment variable: `env:NAME`.
    Env(String),
    /// A file with 64 hex digits that nobody but its owner may read.
    File(PathBuf),
    /// The configuration holds the key itself. Not kept, and refused when it is to be read: refusing it here would print
    /// the line with it in the parser's error.
    Naked,
}

impl From<String> for Place {
    fn from(mut text: String) -> Self {
        let digits = text.trim().trim_start_matches("0x").trim_start_matches("0X");
        if digits.len() >= 60 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            text.zeroize();
            return Self::Naked;
        }
        match text.strip_prefix("env:") {
            Some(name) => Self::Env(name.to_owned()),
            None => Self::File(text.into()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Naked => f.write_str("***"),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A URL for people to read: scheme, host and port. User, path and query may hold a key, and are `***`.
#[must_use]
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(_, host)| ("***@", host));
    let tail = if matches!(tail, "" | "/") { tail } else { "/***" };
    format!("{scheme}://{user}{host}{tail}")
}

/// [`shown`], for serde.
///
/// # Errors
/// The serialiser's own.
pub fn shown_url<S: Serializer>(url: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&shown(url))
}

/// [`shown`], for serde.
///
/// # Errors
/// The serialiser's own.
pub fn shown_url_if_any<S: Serializer>(url: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    url.as_deref().map(shown).serialize(to)
}

/// Why there is no key. Says nothing of what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 32 bytes of hex.
    #[error("not a key: 64 hex digits due")]
    Hex,
    /// Zero, or not below the order of the curve.
    #[error("not a key: the number is not on the curve")]
    Range,
}

/// The key could not sign. Not met in practice: it would take a digest that makes `r` or `s` zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the digest cannot be signed")]
pub struct SignError;

/// A private key. Wiped when dropped (by k256).
pub struct Key {
    signing: SigningKey,
    address: Address,
}

impl Key {
    /// From 64 hex digits, with or without `0x`; space around them does not count.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0u8; 32];
        let read = hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| KeyError::Hex);
        let key = read.and_then(|()| Self::from_bytes(&bytes));
        bytes.zeroize();
        key
    }

    /// From its 32 bytes; wiping those is the caller's.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let signing = SigningKey::from_slice(bytes).map_err(|_| KeyError::Range)?;
        let point = signing.verifying_key().to_sec1_point(false);
        // The first byte says that the point is uncompressed.
        let address = Address::from_slice(&keccak256(&point.as_bytes()[1..])[12..]);
        Ok(Self { signing, address })
    }

    /// Whose key it is.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    pub(in crate::types) fn scalar(&self) -> &NonZeroScalar {
        self.signing.as_nonzero_scalar()
    }

    /// Signs a digest.
    pub fn sign(&self, digest: &B256) -> Result<Signature, SignError> {
        let (signature, recovery) = self.signing.sign_prehash_recoverable(digest.as_slice());
        let bytes = signature.to_bytes();
        let (r, s) = bytes.split_at(32);
        // `x` reduced: r alone does not say which point. One in 2^127 digests.
        if recovery.is_x_reduced() {
            return Err(SignError);
        }
        Ok(Signature::new(U256::from_be_slice(r), U256::from_be_slice(s), recovery.is_y_odd()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, ***)", self.address)
    }
}
