//! A local block builder in front of anvil or geth: takes bundles over JSON-RPC as relays do, and makes a block a slot of those
//! that pay most per gas, with the public mempool behind them.
//!
//! It is a program of its own to be tested against: it knows nothing of the searcher, and its rules ([`rules`]) are
//! tested without a node.
//!
//! # Limits
//! - It alone may mine on the node: anvil with `--no-mining --order fifo --disable-min-priority-fee`, or geth with `--dev`,
//!   the namespace `testing` and a `--dev.period` without end.
//! - On anvil public transactions had better come through its `eth_sendRawTransaction`, which waits while a block is put together.
//!   One that reaches the node's pool in those milliseconds may come between bundles; the block is then mined again,
//!   which subscribers see as a reorg of one block.

pub mod build;
pub mod node;
pub mod order;
pub mod pool;
pub mod rules;
mod server;
pub mod signature;
pub mod wire;

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, address};
use peregrine_rpc::Rpc;
use peregrine_rpc::RpcError;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::block_builder::node::Node;
use crate::block_builder::order::Tx;
use crate::block_builder::pool::Bundles;

pub use pool::Entry;
pub use pool::Fate;
pub use rules::verdict::LeftOut;

/// Who is paid, unless it is said.
pub const COINBASE: Address = address!("00000000000000000000000000b1d1e5b1d1e500");

/// How it runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node's HTTP endpoint.
    pub node: String,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Time between blocks. A block's timestamp is its parent's plus the whole seconds of this, at least one.
    pub slot: Duration,
    /// Whether it builds by itself, once a slot. Without it only [`BlockBuilder::build_now`] does.
    pub timer: bool,
    /// Who is paid.
    pub coinbase: Address,
}

impl Options {
    /// Two seconds a slot, on a free port of loopback.
    #[must_use]
    pub fn new(node: &str) -> Self {
        Self {
            node: node.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            slot: Duration::from_secs(2),
            timer: true,
            coinbase: COINBASE,
        }
    }
}

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum BlockBuilderError {
    /// The node's URL is none.
    #[error("{0} is no url of a node")]
    Url(String),
    /// It may listen on loopback alone: whoever can reach it can fill blocks.
    #[error("{0} is not a loopback address")]
    Public(SocketAddr),
    /// The socket cannot be had.
    #[error("cannot listen on {at}: {cause}")]
    Listen {
        /// Where.
        at: SocketAddr,
        /// The system's words.
        cause: std::io::Error,
    },
    /// The node does not do what is due.
    #[error(transparent)]
    Node(#[from] RpcError),
}

/// A block we built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hashes of the bundles in it, in order.
    pub bundles: Vec<B256>,
    /// The hashes of all its transactions, in order.
    pub txs: Vec<B256>,
}

/// What the door and the block have in common.
pub(in crate::block_builder) struct Shared {
    node: Node,
    coinbase: Address,
    /// Seconds between the timestamps of two blocks.
    step: u64,
    bundles: Mutex<Bundles>,
    /// Held while a block is put together; inside, the public transactions that wait for a lower base fee.
    building: tokio::sync::Mutex<Vec<Tx>>,
    /// The last block we know of.
    head: AtomicU64,
    built: watch::Sender<Option<Built>>,
}

impl Shared {
    /// Never held across an await.
    fn bundles(&self) -> MutexGuard<'_, Bundles> {
        self.bundles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    async fn send_public(&self, raw: &Bytes) -> Result<B256, RpcError> {
        let _parked = self.building.lock().await;
        self.node.send(raw).await
    }

    async fn build(&self) -> Result<Built, RpcError> {
        let mut parked = self.building.lock().await;
        let built = build::build(self, &mut parked).await?;
        self.head.store(built.number, Ordering::Release);
        self.built.send_replace(Some(built.clone()));
        Ok(built)
    }
}

/// A running builder. It stops when dropped; [`BlockBuilder::stop`] lets the block in hand be finished first.
pub struct BlockBuilder {
    shared: Arc<Shared>,
    at: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl BlockBuilder {
    /// Makes sure of the node, listens, and begins to build if `timer` says so.
    pub async fn start(options: Options) -> Result<Self, BlockBuilderError> {
        let Options { node, listen, slot, timer, coinbase } = options;
        if !listen.ip().is_loopback() {
            return Err(BlockBuilderError::Public(listen));
        }
        let rpc = Rpc::new(&node, Duration::from_secs(10)).ok_or(BlockBuilderError::Url(node))?;
        let node = Node::of(rpc).await?;
        node.set_coinbase(coinbase).await?;
        let head = node.head(&json!("latest")).await?.number();
        let socket =
            TcpListener::bind(listen).await.map_err(|cause| BlockBuilderError::Listen { at: listen, cause })?;
        let at = socket.local_addr().map_err(|cause| BlockBuilderError::Listen { at: listen, cause })?;
        let shared = Arc::new(Shared {
            node,
            coinbase,
            step: slot.as_secs().max(1),
            bundles: Mutex::new(Bundles::default()),
            building: tokio::sync::Mutex::new(Vec::new()),
            head: AtomicU64::new(head),
            built: watch::Sender::new(None),
        });
        let router = server::router(Arc::clone(&shared));
        let mut tasks = vec![tokio::spawn(async move {
            if let Err(error) = axum::serve(socket, router).await {
                tracing::error!(%error, "the block builder's door is closed");
            }
        })];
        if timer {
            tasks.push(tokio::spawn(every(slot, Arc::clone(&shared))));
        }
        Ok(Self { shared, at, tasks })
    }

    /// Where bundles go.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// Builds the next block now.
    pub async fn build_now(&self) -> Result<Built, RpcError> {
        self.shared.build().await
    }

    /// Puts a transaction into the public mempool, but never while a block is put together.
    pub async fn send_public(&self, raw: &Bytes) -> Result<B256, RpcError> {
        self.shared.send_public(raw).await
    }

    /// The last block built; changes with each.
    #[must_use]
    pub fn blocks(&self) -> watch::Receiver<Option<Built>> {
        self.shared.built.subscribe()
    }

    /// What became of every bundle, oldest first.
    #[must_use]
    pub fn bundles(&self) -> Vec<Entry> {
        self.shared.bundles().entries().cloned().collect()
    }

    /// A handle to that list, which outlives a borrow of the builder.
    #[must_use]
    pub fn verdicts(&self) -> Verdicts {
        Verdicts(Arc::clone(&self.shared))
    }

    /// Ends it between two blocks, so that the node's pool is whole.
    pub async fn stop(self) {
        let _parked = self.shared.building.lock().await;
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What became of bundles, to be asked at any time.
#[derive(Clone)]
pub struct Verdicts(Arc<Shared>);

impl Verdicts {
    /// Those of the list that `pick` takes, oldest first; and the number that the next bundle will have.
    pub fn pick(&self, pick: impl Fn(&Entry) -> bool) -> (Vec<Entry>, u64) {
        let held = self.0.bundles();
        (held.entries().filter(|entry| pick(entry)).cloned().collect(), held.listed())
    }
}

impl Drop for BlockBuilder {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// A block a slot. One that fails is told and the next one tried: the node may come back.
async fn every(slot: Duration, shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(slot);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if let Err(error) = shared.build().await {
            tracing::warn!(%error, "no block this slot");
        }
    }
}
