//! Signature nonces prepared ahead: what of a signature does not depend on what is signed.
//!
//! # Invariants
//! - One is used once: it cannot be copied or cloned, and signing consumes it. Two signatures of one key with one nonce
//!   give the key away.
//! - It is wiped when dropped, used or not, and is neither shown nor serialised.
//! - It is made of 32 bytes that the caller drew at random; those are wiped here.
//!
//! # Cost
//! 45 µs to make, 0.07 µs to sign with (facts/performance.md, section 7).

use std::fmt;

use alloy_primitives::{B256, Signature, U256};
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::ops::{Invert, Reduce};
use k256::elliptic_curve::point::AffineCoordinates;
use k256::elliptic_curve::scalar::IsHigh;
use k256::elliptic_curve::zeroize::Zeroize;
use k256::{FieldBytes, NonZeroScalar, ProjectivePoint, Scalar};

use crate::types::secret::Key;
use crate::types::secret::SignError;

/// A nonce `k` that nobody has used: its inverse, and the point's coordinate that becomes `r`.
///
/// ```compile_fail
/// fn twice(nonce: peregrine::types::onetime::OneTime) -> [peregrine::types::onetime::OneTime; 2] {
///     [nonce.clone(), nonce]
/// }
/// ```
pub struct OneTime {
    inverse: Scalar,
    r: Scalar,
    /// The point's `y`.
    odd: bool,
}

impl OneTime {
    /// From 32 random bytes, which are wiped. `None` when they are no scalar, which takes 2^127 draws to meet: draw again.
    #[must_use]
    pub fn new(random: &mut [u8; 32]) -> Option<Self> {
        let mut bytes = FieldBytes::from(*random);
        random.zeroize();
        let drawn = NonZeroScalar::from_repr(bytes).into_option();
        bytes.zeroize();
        let mut k = drawn?;
        let point = (ProjectivePoint::GENERATOR * *k).to_affine();
        let mut inverse = k.invert();
        k.zeroize();
        let x = point.x();
        let r = Scalar::reduce(&x);
        let made = Self { inverse: *inverse, r, odd: point.y_is_odd().into() };
        inverse.zeroize();
        // Reduced, r alone would not say which point it was.
        (r.to_repr() == x && !bool::from(r.is_zero())).then_some(made)
    }

    /// Signs, and is gone.
    pub(in crate::types) fn sign(self, digest: &B256, key: &NonZeroScalar) -> Result<Signature, SignError> {
        let z = Scalar::reduce(&FieldBytes::from(digest.0));
        let s = self.inverse * (z + self.r * **key);
        if bool::from(s.is_zero()) {
            return Err(SignError);
        }
        let high = bool::from(s.is_high());
        let s = if high { -s } else { s };
        let number = |scalar: &Scalar| U256::from_be_slice(&scalar.to_repr());
        Ok(Signature::new(number(&self.r), number(&s), self.odd ^ high))
    }
}

impl Drop for OneTime {
    fn drop(&mut self) {
        self.inverse.zeroize();
    }
}

impl fmt::Debug for OneTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTime(***)")
    }
}

impl Key {
    /// Signs a digest with a nonce prepared ahead.
    ///
    /// # Errors
    /// As [`Key::sign`]; the nonce is gone all the same.
    pub fn sign_once(&self, digest: &B256, nonce: OneTime) -> Result<Signature, SignError> {
        nonce.sign(digest, self.scalar())
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::keccak256;

    use super::*;

    fn nonce(seed: u64) -> OneTime {
        OneTime::new(&mut keccak256(seed.to_le_bytes()).0).expect("a scalar")
    }

    #[test]
    fn a_signature_with_a_prepared_nonce_is_the_keys_and_has_the_low_s() {
        let key = Key::from_bytes(&[7; 32]).unwrap();
        let half = U256::from_be_slice(&(-Scalar::ONE).to_repr()) / U256::from(2);
        for seed in 0..64 {
            let digest = keccak256([seed as u8]);
            let signature = key.sign_once(&digest, nonce(seed)).unwrap();
            assert!(signature.s() <= half);
            assert_eq!(signature.recover_address_from_prehash(&digest).unwrap(), key.address());
        }
    }

    #[test]
    fn no_two_signatures_of_a_long_run_share_an_r_prepared_or_not() {
        let key = Key::from_bytes(&[9; 32]).unwrap();
        let mut seen = std::collections::HashSet::new();
        for seed in 0..4_000 {
            let digest = keccak256(u64::to_be_bytes(seed));
            assert!(seen.insert(key.sign_once(&digest, nonce(seed)).unwrap().r()));
            assert!(seen.insert(key.sign(&digest).unwrap().r()));
        }
    }

    #[test]
    fn what_was_drawn_is_wiped_and_what_is_no_scalar_is_not_taken() {
        let mut drawn = [3; 32];
        assert_eq!(format!("{:?}", OneTime::new(&mut drawn)), "Some(OneTime(***))");
        assert_eq!(drawn, [0; 32]);
        assert!(OneTime::new(&mut [0; 32]).is_none());
        assert!(OneTime::new(&mut [0xff; 32]).is_none());
    }
}
