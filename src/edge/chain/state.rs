//! State as it is behind one block, named by its hash (EIP-1898): accounts, slots, views.
//!
//! # Invariants
//! - What is returned is of the block asked for, or there is an error. A node that knows no hashes here is asked by number
//!   between two looks at which block is canonical at that number.
//! - Answers come in the order asked. No request holds more calls than `Bounds::batch`; one that a node finds too long, or
//!   does not answer in time, is halved, and so are all after it. One call alone is no batch: a node may take none.

mod codes;
mod nonce;

pub(in crate::edge) use nonce::moves_nonce;

use std::fmt::Display;
use std::sync::atomic::Ordering;

use alloy_primitives::{Address, B256, Bytes, U64, U256, hex};
use futures_util::StreamExt;
use futures_util::TryStreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::json;

use crate::edge::chain::ChainError;
use crate::edge::chain::endpoint::Endpoint;
use crate::edge::chain::pace::LATE;
use crate::edge::rpc::UNSAID;
use crate::edge::rpc::is_of_size;
use crate::hot::event::AccountUpdate;
use crate::types::text::printable;

/// JSON-RPC's invalid parameters: what a node says that does not take a hash for a block's place.
const INVALID_PARAMS: i64 = -32602;
/// Characters kept of what is wrong with an answer.
const WORDS: usize = 512;
/// Calls that are written out at once: a start asks for millions.
const AT_ONCE: usize = 16_384;
/// Characters that parameters take without the block: an address and a word, mostly.
const PARAMS: usize = 116;

impl Endpoint {
    /// Balance, nonce and code of each.
    pub async fn accounts(&self, at: B256, addresses: &[Address]) -> Result<Vec<AccountUpdate>, ChainError> {
        if let Some(accounts) = self.surveyed(at, addresses).await? {
            return Ok(accounts);
        }
        let (mut accounts, codes) = tokio::try_join!(self.holdings(at, addresses), self.each_code(at, addresses))?;
        for (account, code) in accounts.iter_mut().zip(codes) {
            account.code = Some(code);
        }
        Ok(accounts)
    }

    /// Balance and nonce of each; of code nothing is said.
    pub async fn holdings(&self, at: B256, addresses: &[Address]) -> Result<Vec<AccountUpdate>, ChainError> {
        let (balances, nonces) = tokio::try_join!(self.balances(at, addresses), self.nonces(at, addresses))?;
        let account = |((address, balance), nonce): ((&Address, U256), u64)| AccountUpdate {
            address: *address,
            balance: Some(balance),
            nonce: Some(nonce),
            ..AccountUpdate::default()
        };
        Ok(addresses.iter().zip(balances).zip(nonces).map(account).collect())
    }

    async fn balances(&self, at: B256, addresses: &[Address]) -> Result<Vec<U256>, ChainError> {
        self.asked_of(at, "eth_getBalance", addresses, of_account).await
    }

    async fn nonces(&self, at: B256, addresses: &[Address]) -> Result<Vec<u64>, ChainError> {
        let nonces: Vec<U64> = self.asked_of(at, "eth_getTransactionCount", addresses, of_account).await?;
        Ok(nonces.iter().map(U64::to).collect())
    }

    /// What each slot holds.
    pub async fn slots(&self, at: B256, slots: &[(Address, U256)]) -> Result<Vec<U256>, ChainError> {
        let params = |(address, slot): &(Address, U256), text: &mut String| {
            quote(text, address.as_slice());
            text.push(',');
            quote(text, &slot.to_be_bytes::<32>());
        };
        self.asked_of(at, "eth_getStorageAt", slots, params).await
    }

    /// What each contract answers to each calldata.
    pub async fn views(&self, at: B256, calls: &[(Address, Bytes)]) -> Result<Vec<Bytes>, ChainError> {
        let params: Vec<String> = calls.iter().map(|(to, data)| json!({"to": to, "data": data}).to_string()).collect();
        self.pinned(at, "eth_call", &params).await
    }

    /// Calls of one method whose last parameter is the block, with so much in memory at once and no more. `params` writes all
    /// others.
    pub(super) async fn asked_of<K, T: DeserializeOwned>(
        &self,
        at: B256,
        method: &str,
        keys: &[K],
        params: impl Fn(&K, &mut String),
    ) -> Result<Vec<T>, ChainError> {
        let written = |key: &K| {
            let mut text = String::with_capacity(PARAMS);
            params(key, &mut text);
            text
        };
        let mut answers = Vec::with_capacity(keys.len());
        for part in keys.chunks(AT_ONCE) {
            let params: Vec<String> = part.iter().map(written).collect();
            answers.extend(self.pinned::<T>(at, method, &params).await?);
            self.has_answered(part.len());
        }
        Ok(answers)
    }

    /// Calls of one method whose last parameter is the block; all others stand in `params` as JSON has them in a list.
    pub(super) async fn pinned<T: DeserializeOwned>(
        &self,
        at: B256,
        method: &str,
        params: &[String],
    ) -> Result<Vec<T>, ChainError> {
        if params.is_empty() {
            return Ok(Vec::new());
        }
        let mut is_sure = false;
        if !self.by_number.load(Ordering::Relaxed) {
            match self.many(method, &placed(params, &json!({"blockHash": at}))).await {
                Err(ChainError::Refused { code: INVALID_PARAMS, .. }) => is_sure = true,
                Err(ChainError::Refused { code: UNSAID, .. }) => (),
                outcome => return outcome,
            }
        }
        let number = self.canonical(at, method).await?;
        let answers = self.many(method, &placed(params, &json!(format!("{number:#x}")))).await?;
        self.canonical(at, method).await?;
        if is_sure {
            self.by_number.store(true, Ordering::Relaxed);
        }
        Ok(answers)
    }

    /// The number of a block that is canonical now.
    pub(super) async fn canonical(&self, at: B256, method: &str) -> Result<u64, ChainError> {
        let number = self.block(at).await?.map(|head| head.number);
        let canonical = match number {
            Some(number) => self.at(number).await?.map(|head| head.hash),
            None => None,
        };
        match number {
            Some(number) if canonical == Some(at) => Ok(number),
            _ => Err(self.shape(method, format!("block {at} is not of the node's chain"))),
        }
    }

    /// Calls of one method, in as many requests as it takes, a few of them at a time.
    pub(super) async fn many<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &[impl Display],
    ) -> Result<Vec<T>, ChainError> {
        let batch = self.bounds.batch.min(self.pace.most()).max(1);
        let requests: Vec<_> = params.chunks(batch).map(|part| self.part(method, part)).collect();
        let parts: Vec<Vec<T>> =
            futures_util::stream::iter(requests).buffered(self.bounds.in_flight.max(1)).try_collect().await?;
        Ok(parts.into_iter().flatten().collect())
    }

    async fn part<T: DeserializeOwned>(&self, method: &str, mut params: &[impl Display]) -> Result<Vec<T>, ChainError> {
        let mut answers = Vec::with_capacity(params.len());
        let (mut size, mut late) = (params.len(), 0);
        while !params.is_empty() {
            let (now, later) = params.split_at(size.min(params.len()));
            let answered = match now {
                [alone] => self.call(method, alone).await.map(|answer| vec![answer]),
                many => self.batch(method, many).await,
            };
            match answered {
                Ok(part) => {
                    self.pace.taken(now.len());
                    late = 0;
                    answers.extend::<Vec<T>>(part);
                    params = later;
                }
                Err(error) if now.len() > 1 && is_too_much(&error) => {
                    size = self.pace.too_large(now.len());
                }
                Err(error) if now.len() > 1 && error.is_late() => {
                    // Where the whole is asked for anew, it begins where this left off.
                    (size, late) = (self.pace.too_slow(now.len()), late + 1);
                    if late > LATE {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answers)
    }

    pub(in crate::edge) fn shape(&self, method: &str, cause: String) -> ChainError {
        let cause = printable(&cause, WORDS);
        ChainError::Shape { host: self.host().to_owned(), method: method.to_owned(), cause }
    }
}

/// An answer that is none may be a proxy's page about the length of the request.
fn is_too_much(error: &ChainError) -> bool {
    match error {
        ChainError::Refused { code, message, .. } => *code == UNSAID || is_of_size(*code, message),
        ChainError::Shape { .. } => true,
        ChainError::Transport { .. } | ChainError::Busy { .. } => false,
    }
}

fn of_account(address: &Address, text: &mut String) {
    quote(text, address.as_slice());
}

/// Bytes as JSON-RPC writes them.
fn quote(text: &mut String, bytes: &[u8]) {
    text.push('"');
    text.push_str(&hex::encode_prefixed(bytes));
    text.push('"');
}

/// Lists of parameters, the block behind all others.
fn placed(params: &[String], place: &Value) -> Vec<String> {
    let place = place.to_string();
    params.iter().map(|params| format!("[{params},{place}]")).collect()
}
