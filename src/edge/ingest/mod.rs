//! The feed: N nodes raced into one ordered stream of heads, logs and pending transactions.
//!
//! ```text
//! node_ws, node_ipc --frames--> node (session) --> Inlet --+-- pending: race (first wins) ------> queue --> Outlet
//!        ^ supervise: restart with back-off                `-- heads, logs: sequence (gaps, reorgs) --^
//! ```
//! A source only decodes. `supervise` owns retries, `sequence` order and completeness, `queue` what is dropped when the
//! reader is slow. What the reader may rely on stands in [`feed`].

pub mod feed;
pub mod hearing;
pub mod inlet;
mod node;
pub mod node_ipc;
pub mod node_socket;
pub mod node_ws;
pub mod queue;
pub mod race;
mod range;
mod sequence;
mod supervise;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::edge::chain::BlockId;
use crate::edge::chain::Chain;
use crate::edge::chain::Endpoint;
use crate::edge::chain::Stranger;
use crate::edge::ingest::feed::SourceId;
use crate::edge::ingest::hearing::Heard;
use crate::edge::ingest::hearing::Hearing;
use crate::edge::ingest::inlet::BadFrame;
use crate::edge::ingest::inlet::Inlet;
use crate::edge::ingest::inlet::Shared;
use crate::edge::ingest::node_ipc::NodeIpc;
use crate::edge::ingest::node_ws::NodeWs;
use crate::edge::ingest::queue::Outlet;
use crate::edge::ingest::queue::Queue;
use crate::edge::ingest::race::Race;
use crate::edge::ingest::race::Standing;
use crate::edge::ingest::sequence::Sequence;
use crate::edge::record::JournalHandle;
use crate::hot::rt::worth::Worth;
use crate::types::secret;

pub use supervise::Backoff;

/// Every kind of source.
pub const SOURCES: [&str; 2] = [NodeWs::NAME, NodeIpc::NAME];

/// A feed of transactions and blocks. Implementors only decode; the supervisor owns retries and calls `run` again.
pub trait Source: Send + Sync + 'static {
    /// Label in metrics and in the journal. Never reused.
    const NAME: &'static str;
    /// Hands in what it hears until the feed ends. Cancel-safe: at most the message in hand is lost.
    fn run(&self, out: Inlet) -> impl Future<Output = Result<(), SourceError>> + Send;
}

/// Why a source ended. All of it is retried.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The connection could not be made, or broke.
    #[error("connection: {0}")]
    Link(String),
    /// Nothing came for too long.
    #[error("nothing heard for {0:?}")]
    Silent(Duration),
    /// No head came for too long, twice.
    #[error("no head for {0:?}")]
    NoHeads(Duration),
    /// The node is of another chain.
    #[error("left out: {0}")]
    Stranger(#[from] Stranger),
}

/// A `[[node]]` row.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// For logs and metrics.
    pub name: String,
    /// Websocket for subscriptions.
    #[serde(serialize_with = "secret::shown_url_if_any", skip_serializing_if = "Option::is_none")]
    pub ws: Option<String>,
    /// For requests. Without it, the websocket's host and port.
    #[serde(serialize_with = "secret::shown_url_if_any", skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// Path of a unix socket for subscriptions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipc: Option<String>,
}

/// URLs may hold keys, so they are not shown.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Node {
    /// The node for requests; `None` without a URL, or with one that is none.
    #[must_use]
    pub fn endpoint(&self, timeout: Duration) -> Option<Endpoint> {
        let derived = || Some(format!("http{}", self.ws.as_ref()?.strip_prefix("ws")?));
        Endpoint::new(&self.name, &self.http.clone().or_else(derived)?, timeout)
    }
}

/// The chain of this id, or whatever chain there is, by these nodes.
#[must_use]
pub fn chain(nodes: &[Node], timeout: Duration, chain_id: Option<u64>) -> Chain {
    Chain::of(nodes.iter().filter_map(|node| node.endpoint(timeout)).collect(), chain_id)
}

/// The `[ingest]` table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Between pings, in ms.
    pub ping_ms: u64,
    /// Nothing heard for so long, not even a pong, and the connection is taken for dead; in ms.
    pub silence_ms: u64,
    /// No head for so long, and the node is asked for one; twice, and the connection is made anew; in ms.
    pub head_silence_ms: u64,
    /// Longest wait for a connection or for an answer, in ms.
    pub timeout_ms: u64,
    /// First wait before a retry, in ms; it doubles, with jitter.
    pub retry_least_ms: u64,
    /// Longest wait before a retry, in ms.
    pub retry_most_ms: u64,
    /// Pending transactions that may wait for the engine, and for each hot thread; when full, those worth least are dropped.
    pub pending_room: usize,
    /// How long a transaction's hash is remembered, in ms.
    pub remember_ms: u64,
    /// Accounts and slots that are fetched for one pending transaction; it is not looked at if it reads more that is not known.
    pub fetch_per_tx: u64,
    /// ... for all of one sender, behind one block.
    pub fetch_per_sender: u64,
    /// ... for all together, behind one block.
    pub fetch_per_block: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_ms: 5_000,
            silence_ms: 15_000,
            head_silence_ms: 30_000,
            timeout_ms: 5_000,
            retry_least_ms: 100,
            retry_most_ms: 10_000,
            pending_room: 8_192,
            remember_ms: 300_000,
            fetch_per_tx: 1_024,
            fetch_per_sender: 2_048,
            fetch_per_block: 16_384,
        }
    }
}

/// Why ingest cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No row names a socket.
    #[error("no [[node]] has ws or ipc")]
    NoSource,
    /// No row names a usable URL for requests.
    #[error("no [[node]] has a usable http or ws url")]
    NoChain,
}

/// How one source stands.
#[derive(Clone, Debug)]
pub struct SourceStats {
    /// Node and kind.
    pub name: String,
    /// Transactions.
    pub txs: Standing,
    /// Heads.
    pub heads: Standing,
    /// What of it decodes.
    pub heard: Heard,
}

/// The running feed. Dropping it ends it.
pub struct Ingest {
    names: Vec<String>,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// Chain items that may wait for the reader; beyond it ingest waits, and drops none.
const CHAIN_ROOM: usize = 4096;
/// Notes between the sources and `sequence`.
const NOTES: usize = 4096;

/// Starts all sources; within a tokio runtime. `chain`: of these nodes, see [`chain`]. The feed begins behind `after`, or at the
/// latest block. `watched`: whose logs are due, in order; the watchlist tells what it becomes.
pub fn start(
    (nodes, chain): (&[Node], &Chain),
    config: &Config,
    after: Option<BlockId>,
    watched: watch::Receiver<Arc<[Address]>>,
    journal_handle: JournalHandle,
) -> Result<(Ingest, Outlet), StartError> {
    let sources: Vec<_> = nodes.iter().flat_map(sources).collect();
    let chains: Vec<_> = sources.iter().map(|(_, node, _)| chain.by(&node.name)).collect();
    if sources.is_empty() {
        return Err(StartError::NoSource);
    }
    if chains.iter().all(Option::is_none) {
        return Err(StartError::NoChain);
    }
    let queue = Queue::new(CHAIN_ROOM, config.pending_room);
    let (txs, heads) = (Race::new(sources.len()), Race::new(sources.len()));
    let (bad, hearings) = (inlet::Bad::default(), sources.iter().map(|(name, ..)| Hearing::new(name)).collect());
    let shared =
        Arc::new(Shared { queue: queue.clone(), txs, heads, bad, hearings, chain_id: chain.id(), journal_handle });
    let (notes, heard) = mpsc::channel(NOTES);
    let [least, most] = [config.retry_least_ms, config.retry_most_ms].map(Duration::from_millis);
    let backoff = Backoff { least, most };
    let mut tasks = JoinSet::new();
    let sequence = Sequence::new(queue.clone(), watched.clone(), chains.clone(), backoff, after);
    tasks.spawn(sequence.run(heard));
    tasks.spawn(sweep(shared.clone(), Duration::from_millis(config.remember_ms.max(1))));
    let mut names = Vec::new();
    for (index, ((name, _, kind), chain)) in sources.into_iter().zip(chains).enumerate() {
        let named = (index as SourceId, name.as_str());
        let inlet = Inlet::new(named, shared.clone(), notes.clone(), watched.clone(), chain);
        match kind {
            Transport::Ws(url) => tasks.spawn(supervise::supervise(NodeWs::new(url, config), inlet, backoff)),
            Transport::Ipc(path) => tasks.spawn(supervise::supervise(NodeIpc::new(path, config), inlet, backoff)),
        };
        names.push(name);
    }
    Ok((Ingest { names, shared, _tasks: tasks }, Outlet::new(queue)))
}

impl Ingest {
    /// From now on pending transactions leave in the order of what is learnt there, and the others are dropped first.
    pub fn value_by(&self, worth: Arc<Worth>) {
        self.shared.queue.value_by(worth);
    }

    /// Every source, in the order of its number.
    #[must_use]
    pub fn stats(&self) -> Vec<SourceStats> {
        let stats = |(index, name): (usize, &String)| SourceStats {
            name: name.clone(),
            txs: self.shared.txs.standing(index as SourceId),
            heads: self.shared.heads.standing(index as SourceId),
            heard: self.shared.hearings.get(index).map(Hearing::heard).unwrap_or_default(),
        };
        self.names.iter().enumerate().map(stats).collect()
    }

    /// Frames that did not decode.
    #[must_use]
    pub fn bad_frames(&self) -> u64 {
        self.shared.bad.count()
    }

    /// The latest of them, for inspection.
    #[must_use]
    pub fn last_bad_frames(&self) -> Vec<BadFrame> {
        self.shared.bad.last_bad_frames()
    }

    /// Pending transactions that found the queue full.
    #[must_use]
    pub fn dropped_pending(&self) -> u64 {
        self.shared.queue.dropped()
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.shared.queue.end();
    }
}

enum Transport {
    Ws(String),
    Ipc(String),
}

fn sources(node: &Node) -> Vec<(String, &Node, Transport)> {
    let ws = node.ws.clone().map(|url| (format!("{}/{}", node.name, NodeWs::NAME), node, Transport::Ws(url)));
    let ipc = node.ipc.clone().map(|path| (format!("{}/{}", node.name, NodeIpc::NAME), node, Transport::Ipc(path)));
    ws.into_iter().chain(ipc).collect()
}

/// Forgets old hashes.
async fn sweep(shared: Arc<Shared>, remember: Duration) {
    let mut tick = tokio::time::interval(remember / 4 + Duration::from_millis(1));
    loop {
        tick.tick().await;
        let keep = shared.journal_handle.clock().now_ns().saturating_sub(remember.as_nanos() as u64);
        shared.txs.sweep(keep);
        shared.heads.sweep(keep);
    }
}
