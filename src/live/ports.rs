//! Keeps the ports of the hot threads' lanes dialled: at the start, and whenever one breaks.
//!
//! # Invariants
//! - A port is dialled anew until it stands, with a back-off that grows and is never the same twice.
//! - Nonces are drawn from the system's source, on a thread of their own that ends with the lane.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel;
use eyre::WrapErr;
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::edge::ingest::Backoff;
use crate::edge::ingest::ear;
use crate::edge::record::Clock;
use crate::edge::submit::keys;
use crate::edge::submit::line;
use crate::hot::rt::inbox;
use crate::hot::rt::inbox::Supply;
use crate::hot::rt::port::Broken;
use crate::hot::rt::thread;
use crate::hot::rt::worth::Worth;
use crate::hot::send::Pen;
use crate::live::bundles::gate::Gate;
use crate::live::desk::lane;
use crate::live::desk::lane::Dialled;
use crate::live::desk::lane::Lane;
use crate::live::desk::lane::Lost;
use crate::live::desk::lane::Port;
use crate::live::numbers::meter::Meters;
use crate::metrics::count::Counter;
use crate::types::onetime::OneTime;
use crate::types::secret::Place;

/// Lines to each relay: while one waits for its answer, the next bundle goes down another.
const LINES: usize = 4;
/// Ports that may stand ready for a thread at once.
const ROOM: usize = 256;

/// Where to, and how.
#[derive(Clone)]
pub struct Dials {
    ears: Vec<ear::Dial>,
    lines: Vec<line::Dial>,
}

impl Dials {
    /// To the nodes of a configuration, and to the relays that `lines` lead to.
    #[must_use]
    pub fn new(config: &Config, lines: Vec<line::Dial>) -> Self {
        Self { ears: ear::dials(&config.node, Duration::from_millis(config.ingest.timeout_ms)), lines }
    }
}

/// Makes lanes.
pub struct Ports {
    dials: Dials,
    backoff: Backoff,
    patience: lane::Patience,
    identity: Option<Place>,
    nonces: usize,
    room: usize,
    owner: alloy_primitives::Address,
    gate: Arc<Gate>,
    clock: Clock,
    meters: Arc<Meters>,
    replies: mpsc::UnboundedSender<lane::Reply>,
    /// One a lane, to be run by tokio.
    tasks: Vec<Dialler>,
}

impl Ports {
    /// `replies`: where relays' answers go.
    #[must_use]
    pub fn new(
        config: &Config,
        dials: Dials,
        (gate, clock, meters): (Arc<Gate>, Clock, Arc<Meters>),
        owner: alloy_primitives::Address,
        replies: mpsc::UnboundedSender<lane::Reply>,
    ) -> Self {
        let ns = |ms: u64| ms.saturating_mul(1_000_000);
        let patience = lane::Patience {
            ping_ns: ns(config.ingest.ping_ms),
            silence_ns: ns(config.ingest.silence_ms),
            answer_ns: ns(config.relay.iter().map(|relay| relay.timeout_ms).max().unwrap_or_default()),
        };
        let [least, most] = [config.ingest.retry_least_ms, config.ingest.retry_most_ms].map(Duration::from_millis);
        let identity = config.executor.as_ref().and_then(|executor| executor.identity.clone());
        let backoff = Backoff { least, most };
        let (nonces, room) = (config.threads.nonces, config.ingest.pending_room);
        Self {
            dials,
            backoff,
            patience,
            identity,
            nonces,
            room,
            owner,
            gate,
            clock,
            meters,
            replies,
            tasks: Vec::new(),
        }
    }

    /// A lane for a thread: its index, of so many; `worth` is where it learns what transactions bring.
    ///
    /// # Errors
    /// The identity key cannot be read, or the system has no randomness or no thread to give.
    pub fn lane(&mut self, share: (usize, usize), worth: Arc<Worth>) -> eyre::Result<Lane> {
        let identity = self.identity.as_ref().map(keys::read).transpose().wrap_err("executor.identity")?;
        let nonces = identity.is_some().then(|| nonces(self.nonces)).transpose()?.flatten();
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).wrap_err("the system's randomness")?;
        let (put, ports) = inbox::supply(ROOM);
        let (lost, missing) = mpsc::unbounded_channel();
        self.tasks.push(Dialler {
            dials: self.dials.clone(),
            backoff: self.backoff,
            put,
            missing,
            meters: self.meters.clone(),
        });
        Ok(Lane::new(lane::Parts {
            ports,
            lost,
            replies: self.replies.clone(),
            pen: Pen::new(identity, nonces, seed),
            gate: self.gate.clone(),
            patience: self.patience,
            owner: self.owner,
            worth,
            room: self.room,
            share,
            clock: self.clock,
        }))
    }

    /// What keeps the lanes' ports dialled.
    #[must_use]
    pub fn tasks(&mut self) -> Vec<Dialler> {
        std::mem::take(&mut self.tasks)
    }
}

/// One lane's.
pub struct Dialler {
    dials: Dials,
    backoff: Backoff,
    put: channel::Sender<Dialled>,
    missing: mpsc::UnboundedReceiver<Lost>,
    meters: Arc<Meters>,
}

impl Dialler {
    /// Dials until the lane is gone.
    pub async fn run(mut self) {
        let mut under_way = JoinSet::new();
        for dial in &self.dials.ears {
            under_way.spawn(stand(Port::Ear(dial.clone()), self.backoff, self.put.clone()));
        }
        for dial in self.dials.lines.iter().flat_map(|dial| std::iter::repeat_n(dial, LINES)) {
            under_way.spawn(stand(Port::Line(dial.clone()), self.backoff, self.put.clone()));
        }
        while let Some(lost) = self.missing.recv().await {
            self.meters.edge().counters.add(Counter::PortsLost);
            let again = match lost {
                Port::Ear(node) => self.dials.ears.iter().find(|dial| dial.node() == node).cloned().map(Port::Ear),
                Port::Line(relay) => {
                    self.dials.lines.iter().find(|dial| dial.relay() == relay).cloned().map(Port::Line)
                }
            };
            if let Some(dial) = again {
                under_way.spawn(stand(dial, self.backoff, self.put.clone()));
            }
            while under_way.try_join_next().is_some() {}
        }
    }
}

/// Dials until it stands.
async fn stand(dial: Port<ear::Dial, line::Dial>, backoff: Backoff, put: channel::Sender<Dialled>) {
    for tries in 0.. {
        let this = dial.clone();
        let dialled = tokio::task::spawn_blocking(move || match this {
            Port::Ear(dial) => dial.ear().map(Port::Ear),
            Port::Line(dial) => dial.line().map(Port::Line),
        });
        match dialled.await {
            Ok(Ok(port)) => {
                // Full or gone: a lane that takes nothing in has no use for more.
                let _unused = put.try_send(port);
                return;
            }
            Ok(Err(Broken(why))) => tracing::debug!(why, tries, "a port of a hot thread does not stand"),
            // Dialling panicked, or the runtime is ending.
            Err(_) => return,
        }
        tokio::time::sleep(backoff.delay(tries)).await;
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
