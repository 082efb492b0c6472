//! One node: its HTTP, in typed calls. What is said of the chain's answers in `mod.rs` holds for each.

use std::fmt;
use std::fmt::Display;
use std::sync::atomic::Ordering;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::json;

use crate::edge::chain::ChainError;
use crate::edge::chain::Head;
use crate::edge::chain::Log;
use crate::edge::chain::identity::Stranger;
use crate::edge::chain::pace::{Pace, Waits};
use crate::edge::chain::trace::vetting::Vetting;
use crate::edge::rpc::Rpc;

/// Past so many addresses all logs of the block are asked for and sifted here: nodes bound the length of a filter.
const MAX_FILTER: usize = 256;

/// How much is asked for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Calls a request.
    pub batch: usize,
    /// Requests under way.
    pub in_flight: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { batch: 1_000, in_flight: 4 }
    }
}

/// Why a node is not asked while others are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// It does not answer, or not in time.
    Silent(String),
    /// It is of another chain.
    Stranger(Stranger),
}

impl Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(why) => f.write_str(why),
            Self::Stranger(stranger) => stranger.fmt(f),
        }
    }
}

/// One node. Clones are of the same one.
#[derive(Clone, Debug)]
pub struct Endpoint {
    name: Arc<str>,
    rpc: Rpc,
    pub(super) bounds: Bounds,
    /// Why it is not asked while others are; `None`: it is. Shared by the clones.
    out: Arc<Mutex<Option<Out>>>,
    /// Its socket was seen to be of our chain. Shared likewise.
    heard: Arc<AtomicBool>,
    /// It takes no hash where state is read. Shared by the clones: one finds out for all.
    pub(super) by_number: Arc<AtomicBool>,
    /// How much it takes at once, and how fast. Shared likewise.
    pub(super) pace: Arc<Pace>,
    /// Whether its traces are believed. Shared likewise.
    traces: Arc<Vetting>,
    /// How much it has answered. Shared likewise.
    answered: Arc<AtomicU64>,
}

impl Endpoint {
    /// A node of this name; nothing is dialled yet. `None` when the URL is not one.
    #[must_use]
    pub fn new(name: &str, url: &str, timeout: Duration) -> Option<Self> {
        Some(Self {
            name: name.into(),
            rpc: Rpc::new(url, timeout)?,
            bounds: Bounds::default(),
            out: Arc::default(),
            heard: Arc::default(),
            by_number: Arc::default(),
            pace: Arc::default(),
            traces: Arc::default(),
            answered: Arc::default(),
        })
    }

    /// As the configuration calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it is not asked while others are.
    #[must_use]
    pub fn out(&self) -> Option<Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its socket was seen to be of our chain: others may be opened there.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Whether its socket is of our chain.
    pub fn hear(&self, is_ours: bool) {
        self.heard.store(is_ours, Ordering::Relaxed);
    }

    /// Whether its traces are believed.
    #[must_use]
    pub fn traces(&self) -> &Vetting {
        &self.traces
    }

    /// From now on it stands so. How it stood.
    pub(super) fn stand(&self, out: Option<Out>) -> Option<Out> {
        std::mem::replace(&mut *self.out.lock().unwrap_or_else(PoisonError::into_inner), out)
    }

    /// The same node, asked for so much at once.
    #[must_use]
    pub fn bounded(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Requests sent so far, those of all clones together.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.rpc.requests()
    }

    /// Accounts, slots and the like answered so far, those of all clones together.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// So many more were.
    pub(super) fn has_answered(&self, more: usize) {
        self.answered.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// Where it leads, without anything secret.
    #[must_use]
    pub fn host(&self) -> &str {
        self.rpc.host()
    }

    /// One call; waited for as the node asks where it is too fast.
    pub(super) async fn call<T: DeserializeOwned>(&self, method: &str, params: impl Display) -> Result<T, ChainError> {
        let mut waits = Waits::default();
        loop {
            self.pace.turn().await;
            match self.rpc.call(method, &params).await {
                Err(ChainError::Busy { after, .. }) if self.pace.slow_down(&mut waits, after, &self.name) => (),
                outcome => return outcome,
            }
        }
    }

    /// Many calls of one method in one request; likewise.
    pub(super) async fn batch<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &[impl Display],
    ) -> Result<Vec<T>, ChainError> {
        let mut waits = Waits::default();
        loop {
            self.pace.turn().await;
            match self.rpc.batch(method, params).await {
                Err(ChainError::Busy { after, .. }) if self.pace.slow_down(&mut waits, after, &self.name) => (),
                outcome => return outcome,
            }
        }
    }

    /// The node's latest block.
    pub async fn latest(&self) -> Result<Option<Head>, ChainError> {
        self.call("eth_getBlockByNumber", json!(["latest", false])).await
    }

    /// The block that the node holds canonical at `number`.
    pub async fn at(&self, number: u64) -> Result<Option<Head>, ChainError> {
        self.call("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await
    }

    /// The block with this hash, canonical or not.
    pub async fn block(&self, hash: B256) -> Result<Option<Head>, ChainError> {
        self.call("eth_getBlockByHash", json!([hash, false])).await
    }

    /// The logs that `addresses` emitted in one block, in order. No address, no logs, no call.
    pub async fn logs(&self, block: B256, addresses: &[Address]) -> Result<Vec<Log>, ChainError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        if addresses.len() <= MAX_FILTER {
            match self.call("eth_getLogs", json!([{"blockHash": block, "address": addresses}])).await {
                // Of what length, each server has its own mind.
                Err(ChainError::Refused { .. }) if addresses.len() > 1 => (),
                answer => return answer,
            }
        }
        self.all_logs(block).await
    }

    /// Transactions by hash, in the order asked; `Null` for one that the node does not know.
    pub async fn transactions(&self, hashes: &[B256]) -> Result<Vec<Value>, ChainError> {
        let params: Vec<Value> = hashes.iter().map(|hash| json!([hash])).collect();
        self.many("eth_getTransactionByHash", &params).await
    }

    /// The chain's id.
    pub async fn chain_id(&self) -> Result<u64, ChainError> {
        let id: U256 = self.call("eth_chainId", json!([])).await?;
        Ok(id.saturating_to())
    }
}
