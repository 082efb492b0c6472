//! Accounts by the hundred thousand: code by its hash, which of a factory's pairs is the same, and is asked for once; balances with the
//! hashes; nonces where they matter.
//!
//! # Invariants
//! - Code that is taken for an account's has the hash that the node says of the account, or each account's is asked for.
//! - Any node serves: one that runs a call without an address, else one that proves accounts, else each account is asked for.
//! - A nonce that is not asked for is one that nothing can read or move: of a contract whose code makes no other, itself or by another's
//!   code. No opcode tells a nonce; what CREATE makes has its address by it. It is said to be 1, as a contract's is at first (EIP-161).

use alloy_primitives::map::B256Map;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256, hex, keccak256};
use futures_util::StreamExt;
use futures_util::TryStreamExt;
use serde::Deserialize;
use serde_json::json;

use crate::edge::chain::ChainError;
use crate::edge::chain::endpoint::Endpoint;
use crate::edge::chain::state::nonce::moves_nonce;
use crate::edge::chain::state::quote;
use crate::hot::event::AccountUpdate;

/// Fewer accounts are asked for as they are.
const WORTH: usize = 64;
/// Creation code that makes a contract of a zero and, of each address that stands behind it, the hash of its code and its balance. That is
/// what an `eth_call` without an address gives back.
///
/// ```text
/// cursor = 47, out = 1
/// while cursor < codesize:
///     codecopy(out + 12, cursor, 20), a = mload(out), mstore(out + 32, balance(a)), mstore(out, extcodehash(a))
///     out += 64, cursor += 20
/// return(0, out)
/// ```
const SURVEY: [u8; 47] =
    hex!("602f60015b38821015602b57601482600c8301398051803182602001523f815260400190601401906004565b6000f3");
/// Addresses at once: what is made is a contract's code by the rules, of 24,576 bytes at most (EIP-170), of which the first may not be
/// 0xef (EIP-3541).
const AT_ONCE: usize = (24_576 - 1) / 64;
/// The nonce of a contract that has made none.
const UNREAD: u64 = 1;

/// What a node says of an account at once.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    code_hash: B256,
    balance: U256,
    /// Of a proof alone.
    nonce: Option<U64>,
}

impl Endpoint {
    /// Balance, nonce and code of each. `None`: they are few, or the node does not tell so many at once.
    pub(super) async fn surveyed(
        &self,
        at: B256,
        addresses: &[Address],
    ) -> Result<Option<Vec<AccountUpdate>>, ChainError> {
        if addresses.len() < WORTH {
            return Ok(None);
        }
        let Some(found) = self.survey(at, addresses).await? else { return Ok(None) };
        let mut firsts: B256Map<Address> = B256Map::default();
        for (address, found) in addresses.iter().zip(&found).filter(|(_, found)| !is_empty(found.code_hash)) {
            firsts.entry(found.code_hash).or_insert(*address);
        }
        let (due, firsts): (Vec<B256>, Vec<Address>) = firsts.into_iter().unzip();
        let codes = self.each_code(at, &firsts).await?;
        if codes.iter().zip(&due).any(|(code, due)| keccak256(code) != *due) {
            return Ok(None);
        }
        let codes: B256Map<(bool, Bytes)> =
            due.into_iter().zip(codes.into_iter().map(|code| (moves_nonce(&code), code))).collect();
        let mut accounts: Vec<AccountUpdate> = addresses
            .iter()
            .zip(&found)
            .map(|(address, found)| {
                let code = codes.get(&found.code_hash);
                let nonce = found.nonce.map(|nonce| nonce.to());
                AccountUpdate {
                    address: *address,
                    balance: Some(found.balance),
                    nonce: nonce.or_else(|| code.filter(|(makes, _)| !makes).map(|_| UNREAD)),
                    code: Some(code.map(|(_, code)| code.clone()).unwrap_or_default()),
                    ..AccountUpdate::default()
                }
            })
            .collect();
        self.read_nonces(at, &mut accounts).await?;
        Ok(Some(accounts))
    }

    /// Asks for the nonces that are open. Who asks has ether to burn with some nodes, and is nobody's address: of it the balance, too.
    async fn read_nonces(&self, at: B256, accounts: &mut [AccountUpdate]) -> Result<(), ChainError> {
        let open: Vec<Address> =
            accounts.iter().filter(|account| account.nonce.is_none()).map(|account| account.address).collect();
        let nonces = self.nonces(at, &open).await?;
        for (account, nonce) in accounts.iter_mut().filter(|account| account.nonce.is_none()).zip(nonces) {
            account.nonce = Some(nonce);
        }
        if let Some(nobody) = accounts.iter_mut().find(|account| account.address.is_zero()) {
            nobody.balance = self.balances(at, &[Address::ZERO]).await?.pop();
        }
        Ok(())
    }

    pub(super) async fn each_code(&self, at: B256, addresses: &[Address]) -> Result<Vec<Bytes>, ChainError> {
        self.asked_of(at, "eth_getCode", addresses, |address, text| quote(text, address.as_slice())).await
    }

    /// What there is to say of each. `None`: the node does not say it.
    async fn survey(&self, at: B256, addresses: &[Address]) -> Result<Option<Vec<Found>>, ChainError> {
        if let Some(found) = said(self.by_call(at, addresses).await)?.flatten() {
            return Ok(Some(found));
        }
        let first = addresses.get(..1).unwrap_or_default();
        if said(self.by_proof(at, first).await)?.is_none() {
            return Ok(None);
        }
        said(self.by_proof(at, addresses).await)
    }

    /// `None`: what came is no list of hashes and balances.
    async fn by_call(&self, at: B256, addresses: &[Address]) -> Result<Option<Vec<Found>>, ChainError> {
        let call = |part: &[Address]| {
            let data: Vec<u8> = SURVEY.iter().chain(part.iter().flat_map(|address| address.iter())).copied().collect();
            let (params, count) = ([json!({ "data": Bytes::from(data) }).to_string()], part.len());
            async move {
                let made = self.pinned::<Bytes>(at, "eth_call", &params).await;
                self.has_answered(count);
                made
            }
        };
        let calls = addresses.chunks(AT_ONCE).map(call);
        let made: Vec<Vec<Bytes>> =
            futures_util::stream::iter(calls).buffered(self.bounds.in_flight.max(1)).try_collect().await?;
        let found = |words: &[u8]| Found {
            code_hash: B256::from_slice(&words[..32]),
            balance: U256::from_be_slice(&words[32..]),
            nonce: None,
        };
        let words =
            |made: &Bytes| -> Vec<Found> { made.get(1..).unwrap_or_default().chunks_exact(64).map(found).collect() };
        let found: Vec<Found> = made.iter().flatten().flat_map(words).collect();
        Ok((found.len() == addresses.len()).then_some(found))
    }

    async fn by_proof(&self, at: B256, addresses: &[Address]) -> Result<Vec<Found>, ChainError> {
        let params = |address: &Address, text: &mut String| {
            quote(text, address.as_slice());
            text.push_str(",[]");
        };
        self.asked_of(at, "eth_getProof", addresses, params).await
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
