//! Keeps the sockets of workers dialled: at the start, and whenever one breaks.
//!
//! # Invariants
//! - A port is dialled anew until it stands, with a back-off that grows and is never the same twice.
//! - Nonces are drawn from the system's source, on a thread of their own that ends with the worker.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel;
use eyre::WrapErr;
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::edge::chain::Chain;
use crate::edge::ingest::Backoff;
use crate::edge::ingest::node_socket;
use crate::edge::submit::connection;
use crate::edge::submit::keys;
use crate::hot::rt::inbox;
use crate::hot::rt::inbox::Supply;
use crate::hot::rt::port::Broken;
use crate::hot::rt::thread;
use crate::hot::rt::worth::Worth;
use crate::hot::send;
use crate::hot::send::RequestEncoder;
use crate::hot::worker::io;
use crate::hot::worker::io::Dialled;
use crate::hot::worker::io::Lost;
use crate::hot::worker::io::Port;
use crate::hot::worker::io::WorkerIo;
use crate::hot::worker::send_gate::SendGate;
use crate::live::stats::meter::Meters;
use crate::live::workers::sink;
use crate::metrics::count::Counter;
use crate::metrics::span::Clock;
use crate::types::onetime::OneTime;
use crate::types::secret::Place;
use crate::types::text::printable;

/// Connections to each relay: while one waits for its answer, the next bundle goes down another.
pub const CONNECTIONS: usize = 4;
/// Ports of one peer that may break one after another and are dialled at once: all of them, where it restarts.
const FREE: u32 = CONNECTIONS as u32;
/// ... of those that break within so long of each other.
const SOON: Duration = Duration::from_secs(2);
/// Characters of what a node says that are logged.
const WORDS: usize = 200;
/// Ports that may stand ready for a thread at once.
const ROOM: usize = 256;

/// Where to, and how.
#[derive(Clone)]
pub struct Dials {
    node_sockets: Vec<node_socket::Dial>,
    connections: Vec<connection::Dial>,
    /// The relays' names.
    relays: Arc<[String]>,
    /// Relays that were warned of, a bit each.
    warned: Arc<AtomicU64>,
}

impl Dials {
    /// To the relays that `connections` lead to; and where workers spin, to the nodes of a configuration.
    #[must_use]
    pub fn new(config: &Config, chain: &Chain, connections: Vec<connection::Dial>) -> Self {
        let timeout = Duration::from_millis(config.ingest.timeout_ms);
        let dials = if config.threads.spin { node_socket::dials(&config.node, timeout) } else { Vec::new() };
        let node_sockets = dials.into_iter().map(|dial| dial.behind(chain, &config.node)).collect();
        let relays = config.relay.iter().map(|relay| relay.name.clone()).collect();
        Self { node_sockets, connections, relays, warned: Arc::default() }
    }

    /// Says once what is wrong with a relay's answers, whichever worker met it; from then on it is only counted.
    fn warn_of(&self, relay: usize, why: &str) {
        let bit = 1 << (relay % send::MOST);
        let name = self.relays.get(relay).map_or("?", String::as_str);
        if self.warned.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            tracing::warn!(
                relay = name,
                why,
                "a relay's answer is no HTTP: its connection is dialled anew, and that is counted"
            );
        }
    }

    /// There is nothing to dial: a dry run of workers that do not spin.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.node_sockets.is_empty() && self.connections.is_empty()
    }
}

/// What the sockets of all workers share.
pub struct Parts {
    /// Where to, and how.
    pub dials: Dials,
    /// Whose transactions are ours, and no triggers.
    pub owner: alloy_primitives::Address,
    /// Asked before every send.
    pub send_gate: Arc<SendGate>,
    /// The run's clock.
    pub clock: Clock,
    /// The run's numbers.
    pub meters: Arc<Meters>,
    /// Where relays' answers go.
    pub replies: mpsc::UnboundedSender<io::Reply>,
}

/// Makes the sockets of workers.
pub struct Reconnector {
    parts: Parts,
    backoff: Backoff,
    patience: io::Patience,
    identity: Option<Place>,
    nonces: usize,
    room: usize,
    spins: bool,
    chain_id: u64,
    /// One a worker, to be run by tokio.
    tasks: Vec<Redial>,
}

impl Reconnector {
    /// With the settings of a configuration.
    #[must_use]
    pub fn new(config: &Config, parts: Parts) -> Self {
        let ns = |ms: u64| ms.saturating_mul(1_000_000);
        let patience = io::Patience {
            ping_ns: ns(config.ingest.ping_ms),
            silence_ns: ns(config.ingest.silence_ms),
            answer_ns: ns(config.relay.iter().map(|relay| relay.timeout_ms).max().unwrap_or_default()),
        };
        let [least, most] = [config.ingest.retry_least_ms, config.ingest.retry_most_ms].map(Duration::from_millis);
        let identity = config.executor.as_ref().and_then(|executor| executor.identity.clone());
        let backoff = Backoff { least, most };
        let (nonces, room) = (config.threads.nonces, config.ingest.pending_room);
        let (spins, chain_id) = (config.threads.spin, config.chain.id);
        Self { parts, backoff, patience, identity, nonces, room, spins, chain_id, tasks: Vec::new() }
    }

    /// Sockets for a worker: its index, of so many; `worth` is where it learns what transactions bring.
    ///
    /// # Errors
    /// The identity key cannot be read, or the system has no randomness or no thread to give.
    pub fn io(&mut self, share: (usize, usize), worth: Arc<Worth>) -> eyre::Result<WorkerIo> {
        let identity = self.identity.as_ref().map(keys::read).transpose().wrap_err("executor.identity")?;
        let nonces = identity.is_some().then(|| nonces(self.nonces)).transpose()?.flatten();
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).wrap_err("the system's randomness")?;
        let (put, ports) = inbox::supply(ROOM);
        let (lost, missing) = mpsc::unbounded_channel();
        self.tasks.push(Redial {
            dials: self.parts.dials.clone(),
            backoff: self.backoff,
            put,
            missing,
            meters: self.parts.meters.clone(),
        });
        let io = WorkerIo::new(io::Parts {
            ports,
            lost: sink(&lost),
            replies: sink(&self.parts.replies),
            encoder: RequestEncoder::new(identity, nonces, seed),
            send_gate: self.parts.send_gate.clone(),
            patience: self.patience,
            owner: self.parts.owner,
            worth,
            room: self.room,
            share,
            clock: self.parts.clock,
            spins: self.spins,
        });
        Ok(io.on_chain(self.chain_id))
    }

    /// What keeps the workers' sockets dialled.
    #[must_use]
    pub fn tasks(&mut self) -> Vec<Redial> {
        std::mem::take(&mut self.tasks)
    }
}

/// One worker's.
pub struct Redial {
    dials: Dials,
    backoff: Backoff,
    put: channel::Sender<Dialled>,
    missing: mpsc::UnboundedReceiver<Lost>,
    meters: Arc<Meters>,
}

impl Redial {
    /// Dials until the worker is gone.
    pub async fn run(mut self) {
        let mut under_way = JoinSet::new();
        for dial in &self.dials.node_sockets {
            under_way.spawn(stand(Port::NodeSocket(dial.clone()), self.backoff, self.put.clone()));
        }
        for dial in self.dials.connections.iter().flat_map(|dial| std::iter::repeat_n(dial, CONNECTIONS)) {
            under_way.spawn(stand(Port::RelayConnection(dial.clone()), self.backoff, self.put.clone()));
        }
        // One that breaks soon after it stood is dialled as one that was not had: a peer may take connections in and close them.
        let mut broke: HashMap<Port<usize, usize>, (Instant, u32)> = HashMap::new();
        while let Some(Lost { port, why, confused }) = self.missing.recv().await {
            let now = Instant::now();
            let (last, tries) = broke.entry(port.clone()).or_insert((now, 0));
            *tries = if now.duration_since(*last) > SOON { 0 } else { tries.saturating_add(1) };
            *last = now;
            let tries = tries.saturating_sub(FREE);
            match port {
                Port::RelayConnection(relay) if confused => self.dials.warn_of(relay, &why),
                Port::RelayConnection(_) | Port::NodeSocket(_) => {
                    tracing::debug!(?port, why, "a port of a hot thread broke");
                }
            }
            self.meters.edge().counters.add(Counter::SocketsLost);
            let again = match port {
                Port::NodeSocket(node) => {
                    self.dials.node_sockets.iter().find(|dial| dial.node() == node).cloned().map(Port::NodeSocket)
                }
                Port::RelayConnection(relay) => {
                    self.dials.connections.iter().find(|dial| dial.relay() == relay).cloned().map(Port::RelayConnection)
                }
            };
            if let Some(dial) = again {
                let (backoff, put) = (self.backoff, self.put.clone());
                under_way.spawn(async move {
                    if tries > 0 {
                        tokio::time::sleep(backoff.delay(tries)).await;
                    }
                    stand(dial, backoff, put).await;
                });
            }
            while under_way.try_join_next().is_some() {}
        }
    }
}

/// Dials until it stands.
async fn stand(dial: Port<node_socket::Dial, connection::Dial>, backoff: Backoff, put: channel::Sender<Dialled>) {
    for tries in 0.. {
        let this = dial.clone();
        let dialled = tokio::task::spawn_blocking(move || match this {
            Port::NodeSocket(dial) => dial.node_socket().map(Port::NodeSocket),
            Port::RelayConnection(dial) => dial.connection().map(Port::RelayConnection),
        });
        match dialled.await {
            Ok(Ok(port)) => {
                // Full or gone: a worker that takes nothing in has no use for more.
                let _unused = put.try_send(port);
                return;
            }
            Ok(Err(Broken(why))) => missed(&dial, &why, tries),
            // Dialling panicked, or the runtime is ending.
            Err(_) => return,
        }
        tokio::time::sleep(backoff.delay(tries)).await;
    }
}

/// The first miss of a node's is said: what it tells comes over the edge's sockets until it stands.
fn missed(dial: &Port<node_socket::Dial, connection::Dial>, why: &str, tries: u32) {
    match dial {
        Port::NodeSocket(dial) if tries == 0 => {
            let (node, why) = (dial.name(), printable(why, WORDS));
            tracing::warn!(node, why, "a spinning thread does not hear a node by itself; it is dialled again");
        }
        Port::NodeSocket(_) | Port::RelayConnection(_) => {
            tracing::debug!(why, tries, "a port of a hot thread does not stand");
        }
    }
}

/// A supply of so many nonces, and the thread that fills it up. `None` for no nonces.
///
/// # Errors
/// The system has no thread to give.
pub fn nonces(room: usize) -> eyre::Result<Option<Supply<OneTime>>> {
    if room == 0 {
        return Ok(None);
    }
    let (put, take) = inbox::supply(room);
    let fill = move || {
        thread::give_way();
        loop {
            let mut drawn = [0; 32];
            // Without randomness there are no nonces, and signatures are deterministic: slower, and as good.
            if SysRng.try_fill_bytes(&mut drawn).is_err() {
                return;
            }
            if OneTime::new(&mut drawn).is_some_and(|nonce| put.send(nonce).is_err()) {
                return;
            }
        }
    };
    std::thread::Builder::new().name("nonces".to_owned()).spawn(fill).wrap_err("a thread for nonces")?;
    Ok(Some(take))
}
