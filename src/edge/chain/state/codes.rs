//! Code by its hash: of a hundred thousand pairs of one factory it is the same, and is asked for once.
//!
//! # Invariants
//! - Code that is taken for an account's has the hash that the node says of the account, or each account's is asked for.
//! - Any node serves: one that runs a call without an address, else one that proves accounts, else each code is asked for.

use alloy_primitives::map::B256Map;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, hex, keccak256};
use futures_util::StreamExt;
use futures_util::TryStreamExt;
use serde::Deserialize;
use serde_json::json;

use crate::edge::chain::ChainError;
use crate::edge::chain::endpoint::Endpoint;

/// Below so many accounts their codes are asked for as they are.
const WORTH: usize = 64;
/// Creation code that makes a contract of a zero and the code hashes of the addresses that stand behind it, which are all that an
/// `eth_call` without an address gives back.
///
/// ```text
/// cursor = 40, out = 1
/// while cursor < codesize: codecopy(out + 12, cursor, 20), mstore(out, extcodehash(mload(out))), out += 32, cursor += 20
/// return(0, out)
/// ```
const HASHES: [u8; 40] = hex!("602860015b38821015602457601482600c83013980513f815260200190601401906004565b6000f3");
/// Addresses at once: what is made is a contract's code by the rules, of 24,576 bytes at most (EIP-170), of which the first may not be
/// 0xef (EIP-3541).
const AT_ONCE: usize = (24_576 - 1) / 32;

/// What is wanted of an account's proof.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    code_hash: B256,
}

impl Endpoint {
    /// The code of each.
    pub(super) async fn codes(&self, at: B256, addresses: &[Address]) -> Result<Vec<Bytes>, ChainError> {
        let hashes = if addresses.len() < WORTH { None } else { self.code_hashes(at, addresses).await? };
        let Some(hashes) = hashes else { return self.each_code(at, addresses).await };
        let mut firsts: B256Map<Address> = B256Map::default();
        for (address, hash) in addresses.iter().zip(&hashes).filter(|(_, hash)| !is_empty(**hash)) {
            firsts.entry(*hash).or_insert(*address);
        }
        let (due, firsts): (Vec<B256>, Vec<Address>) = firsts.into_iter().unzip();
        let codes = self.each_code(at, &firsts).await?;
        if codes.iter().zip(&due).any(|(code, due)| keccak256(code) != *due) {
            return self.each_code(at, addresses).await;
        }
        let codes: B256Map<Bytes> = due.into_iter().zip(codes).collect();
        Ok(hashes.iter().map(|hash| codes.get(hash).cloned().unwrap_or_default()).collect())
    }

    async fn each_code(&self, at: B256, addresses: &[Address]) -> Result<Vec<Bytes>, ChainError> {
        self.asked_of(at, "eth_getCode", addresses, |address| vec![json!(address)]).await
    }

    /// The hash of each one's code. `None`: the node does not say.
    async fn code_hashes(&self, at: B256, addresses: &[Address]) -> Result<Option<Vec<B256>>, ChainError> {
        if let Some(hashes) = said(self.hashes_by_call(at, addresses).await)?.flatten() {
            return Ok(Some(hashes));
        }
        let first = addresses.get(..1).unwrap_or_default();
        if said(self.hashes_by_proof(at, first).await)?.is_none() {
            return Ok(None);
        }
        said(self.hashes_by_proof(at, addresses).await)
    }

    /// `None`: what came is no list of hashes.
    async fn hashes_by_call(&self, at: B256, addresses: &[Address]) -> Result<Option<Vec<B256>>, ChainError> {
        let call = |part: &[Address]| {
            let data: Vec<u8> = HASHES.iter().chain(part.iter().flat_map(|address| address.iter())).copied().collect();
            let params = [vec![json!({ "data": Bytes::from(data) })]];
            async move { self.pinned::<Bytes>(at, "eth_call", &params).await }
        };
        let calls = addresses.chunks(AT_ONCE).map(call);
        let made: Vec<Vec<Bytes>> =
            futures_util::stream::iter(calls).buffered(self.bounds.in_flight.max(1)).try_collect().await?;
        let words = |made: &Bytes| -> Vec<B256> {
            made.get(1..).unwrap_or_default().chunks_exact(32).map(B256::from_slice).collect()
        };
        let hashes: Vec<B256> = made.iter().flatten().flat_map(words).collect();
        Ok((hashes.len() == addresses.len()).then_some(hashes))
    }

    async fn hashes_by_proof(&self, at: B256, addresses: &[Address]) -> Result<Vec<B256>, ChainError> {
        let params = |address: &Address| vec![json!(address), json!([])];
        let proofs: Vec<Proof> = self.asked_of(at, "eth_getProof", addresses, params).await?;
        Ok(proofs.into_iter().map(|proof| proof.code_hash).collect())
    }
}

/// Zero is said of an account that is not there.
fn is_empty(hash: B256) -> bool {
    hash.is_zero() || hash == KECCAK256_EMPTY
}

/// What a node does not do, another way does; one that does not answer is no reason to try others.
fn said<T>(outcome: Result<T, ChainError>) -> Result<Option<T>, ChainError> {
    match outcome {
        Ok(said) => Ok(Some(said)),
        Err(ChainError::Refused { .. } | ChainError::Shape { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
