//! Who signed: the `X-Flashbots-Signature` header over the bytes of a body, and the sender of a transaction.
//!
//! # Invariants
//! - The body is hashed as it came over the wire. It is never parsed and written again first.

use alloy_primitives::{Address, B256, Signature, eip191_hash_message, hex, keccak256};
use k256::ecdsa::RecoveryId;
use k256::ecdsa::Signature as Ecdsa;
use k256::ecdsa::VerifyingKey;

/// The header, in the lower case of HTTP/2.
pub const HEADER: &str = "x-flashbots-signature";

/// Why a header does not vouch for a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no header.
    #[error("signature is required")]
    Missing,
    /// Not `<address>:0x<65 bytes>`.
    #[error("invalid flashbots signature: {0}")]
    Form(&'static str),
    /// Someone else signed, or other bytes were signed.
    #[error("invalid flashbots signature: {recovered} signed these bytes, the header says {claimed}")]
    Stranger {
        /// Whom the header names.
        claimed: Address,
        /// Who signed the bytes that came.
        recovered: Address,
    },
}

/// The identity that signed `body`.
pub fn verify(header: Option<&str>, body: &[u8]) -> Result<Address, SignatureError> {
    let header = header.ok_or(SignatureError::Missing)?;
    let (address, signature) = header.split_once(':').ok_or(SignatureError::Form("no colon"))?;
    let claimed: Address = address.parse().map_err(|_| SignatureError::Form("no address before the colon"))?;
    let digits = signature.strip_prefix("0x").ok_or(SignatureError::Form("the signature has no 0x"))?;
    let mut bytes = [0_u8; 65];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| SignatureError::Form("the signature is not 65 bytes"))?;
    let [rs @ .., v] = bytes;
    let recovered = recover(digest(body), &rs, v).ok_or(SignatureError::Form("no key signs so"))?;
    if recovered == claimed { Ok(claimed) } else { Err(SignatureError::Stranger { claimed, recovered }) }
}

/// What is signed: EIP-191 over the text `0x` and 64 hex digits of the body's hash, not over the hash's bytes.
#[must_use]
pub fn digest(body: &[u8]) -> B256 {
    eip191_hash_message(hex::encode_prefixed(keccak256(body)).as_bytes())
}

/// The signer of a transaction's hash.
#[must_use]
pub fn sender(hash: B256, signature: &Signature) -> Option<Address> {
    let [rs @ .., _] = signature.as_bytes();
    recover(hash, &rs, u8::from(signature.v()))
}

/// `v` is 27 or 28, as wallets write it, or 0 or 1.
fn recover(hash: B256, rs: &[u8; 64], v: u8) -> Option<Address> {
    let id = RecoveryId::from_byte(if v >= 27 { v - 27 } else { v }).filter(|id| !id.is_x_reduced())?;
    let signature = Ecdsa::from_slice(rs).ok()?;
    let key = VerifyingKey::recover_from_prehash(hash.as_slice(), &signature, id).ok()?;
    Some(Address::from_raw_public_key(key.to_sec1_point(false).as_bytes().get(1..)?))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::address;

    use super::*;

    const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_sendBundle","params":[{"txs":["0x02"],"blockNumber":"0x1406f40","minTimestamp":0,"maxTimestamp":0,"revertingTxHashes":[]}]}"#;
    const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    const SIGNED: &str = "0x689951359160a337fdf253d29e121d924fff8800137755d0873b0536ec978ab2189d079295e87b10ffa79fb1a9610dbb124bbcf824554df4ef7df12b04021db1";

    #[test]
    fn the_worked_vector_is_accepted_with_v_in_either_form() {
        for v in ["1b", "00"] {
            let header = format!("{ADDRESS}:{SIGNED}{v}");
            assert_eq!(verify(Some(&header), BODY.as_bytes()), Ok(ADDRESS.parse().unwrap()));
        }
        let lower = format!("{}:{SIGNED}1b", ADDRESS.to_lowercase());
        assert!(verify(Some(&lower), BODY.as_bytes()).is_ok());
    }

    #[test]
    fn the_vector_of_go_utils_is_accepted() {
        let header = "0x96216849c49358B10257cb55b28eA603c874b05E:0x1446053488f02d460c012c84c4091cd5054d98c6cfca01b65f6c1a72773e80e60b8a4931aeee7ed18ce3adb45b2107e8c59e25556c1f871a8334e30e5bddbed21c";
        assert!(verify(Some(header), b"Hello").is_ok());
    }

    /// Each way clients get it wrong recovers the stranger that the facts name.
    #[test]
    fn the_usual_mistakes_recover_strangers() {
        let wrong = [
            (
                "af77693d0a171d1354d0ae5aa598a708add08d4e34191881f3c7d445445a79ba68e2c9c9a4a256ce3540ae59e05b91016aae73fca9df7c90b45fb7b359542ada1b",
                address!("364635DDEf128550A9738F5F489F83bcc213Fa3b"),
            ),
            (
                "977738642729d2ac84a041d337ce00c952591f1f889408b9ece3d3e22c02c4316503cee02e51e8210028205699735b049f78b67b98cf0f7465e22971ebfa88861b",
                address!("28645dFb9B8F419bF5C90023ED8425aaF6644d76"),
            ),
            (
                "d20e713af13b1de0ee75222d15e4a643884528f7b2f8e19086579447f92a106a6a46a97d9f3f8edd41ac7016df5c8ccb7917e10005ac60f2fa87e92208eb3e941b",
                address!("BD15D00f145E0e4bF60341c845f1AE52EcD3E3Ba"),
            ),
        ];
        let claimed: Address = ADDRESS.parse().unwrap();
        for (signature, recovered) in wrong {
            let header = format!("{ADDRESS}:0x{signature}");
            assert_eq!(verify(Some(&header), BODY.as_bytes()), Err(SignatureError::Stranger { claimed, recovered }));
        }
    }

    #[test]
    fn a_malformed_header_is_refused_without_a_panic() {
        assert_eq!(verify(None, b""), Err(SignatureError::Missing));
        let zeros = "0".repeat(130);
        for header in ["", ":", "0x:0x", ADDRESS, &format!("{ADDRESS}:{SIGNED}"), &format!("{ADDRESS}:0x{zeros}")] {
            assert!(matches!(verify(Some(header), b""), Err(SignatureError::Form(_))), "{header}");
        }
    }
}
