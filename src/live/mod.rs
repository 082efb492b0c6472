//! The composition root: cores, threads, channels, runtime, shutdown. `Armed` is made here, when the user said `--live`, and by
//! `edge::submit` for relays on this very host.
//!
//! ```text
//!  nodes ==NodeSocket==> worker ==RelayConnection==> relays   (a worker's own: a NodeSocket only where it spins)
//!  ingest --Feed--> dispatcher --Work, Offer--> worker (a hot thread each) --Report--> dispatcher
//!                     |  ^--- fetches --- Keep (state at the edge) |
//!                     |                                            `--Handed--> sender --> relays
//!                     `--Note--> inclusion tracker <------------- ledger <------------------'
//! ```
//! | thread | core | reads | writes |
//! |---|---|---|---|
//! | `hot-N` | `threads.cores`, or the host's last ones | its inbox, answers of its relay connections; spinning, its node sockets | its relay connections, reports, its meter |
//! | `nonces` | any | the system's randomness | a hot thread's supply |
//! | tokio's workers | any | sockets, reports | inboxes, relays |
//! | `ledger` | any | its queue | the ledger's file |
//! | `journal` | any | its queue | the journal's file |

pub mod dial;
pub mod dispatcher;
pub mod executor;
pub mod fetches;
pub mod mempool;
pub mod positions;
pub mod reconnector;
pub mod screen;
pub mod searchers;
pub mod session;
mod start;
mod state_loader;
pub mod stats;
pub mod submission;
mod watchlist;
pub mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::task::JoinSet;

use crate::edge::export::Exporter;
use crate::edge::ingest::Ingest;
use crate::edge::ledger::Ledger;
use crate::edge::ledger::row;
use crate::edge::record::Writer;
use crate::edge::sink::{Fact, Facts};
use crate::edge::submit::Armed;
use crate::edge::submit::Setup;
use crate::edge::submit::SetupError;
use crate::edge::submit::Submitter;
use crate::hot::rt::thread::CorePlacement;
use crate::hot::worker::message::Seen;
use crate::hot::worker::send_gate::SendGate;
use crate::live::stats::export;
use crate::live::stats::meter::Meters;
use crate::live::stats::totals::Source;
use crate::live::stats::totals::Stats;
use crate::live::stats::totals::Status;
use crate::metrics::stage::Stage;

pub use start::{load, start, start_behind};

/// What is done with a signed bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Written down.
    Dry,
    /// Sent.
    Live,
    /// Sent, to this host alone: a devnet of one's own.
    Loopback,
}

impl How {
    /// The one door through which anything is sent.
    fn submitter(self, setup: Setup) -> Result<Submitter, SetupError> {
        match self {
            Self::Dry => Submitter::dry(setup),
            Self::Live => Submitter::live(setup, Armed::arm()),
            Self::Loopback => Submitter::loopback(setup),
        }
    }
}

/// What tokio runs of a searcher.
#[derive(Default)]
struct Tasks {
    set: JoinSet<()>,
    /// Of each: a set counts those that have ended until they are joined.
    alive: Vec<AbortHandle>,
}

impl Tasks {
    fn run(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.alive.push(self.set.spawn(task));
    }
}

/// A running searcher.
pub struct Searcher {
    stats: Arc<Stats>,
    meters: Arc<Meters>,
    ledger: Arc<Ledger>,
    facts: Arc<Facts>,
    /// A fault has been said.
    faulty: AtomicBool,
    ingest: Arc<Ingest>,
    newest: Arc<AtomicU64>,
    exporter: Option<Exporter>,
    /// What sends must pass.
    send_gate: Arc<SendGate>,
    /// True: the feed ends, and with it everything behind it.
    stop: watch::Sender<bool>,
    looks: mpsc::UnboundedSender<mpsc::UnboundedSender<Seen>>,
    tasks: Tasks,
    threads: Vec<JoinHandle<()>>,
    placements: Vec<CorePlacement>,
    journal: Option<Writer>,
    /// Pools searched in.
    pools: usize,
    /// When it began, in unix milliseconds: what its latencies are filed under.
    run: u64,
    chain_timeout: Duration,
}

/// A part of the searcher has died: nothing is sent any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} has died")]
pub struct Fault(&'static str);

impl Searcher {
    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        Status { sources: Source::all(&self.ingest), ..self.stats.status(&self.meters) }
    }

    /// The run's numbers.
    #[must_use]
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// The feed's own numbers.
    #[must_use]
    pub fn ingest(&self) -> &Ingest {
        &self.ingest
    }

    /// What was decided, sent and earned.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The last block heard of.
    #[must_use]
    pub fn tip(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// Pools searched in.
    #[must_use]
    pub const fn pools(&self) -> usize {
        self.pools
    }

    /// What each hot thread holds for the state of the chain, behind all that the dispatcher has told it. Empty when it ends.
    pub async fn look(&self) -> Vec<Seen> {
        let (to, mut answers) = mpsc::unbounded_channel();
        let (mut seen, _ending) = (Vec::new(), self.looks.send(to));
        while let Some(answer) = answers.recv().await {
            seen.push(answer);
        }
        seen
    }

    /// Where each hot thread runs.
    #[must_use]
    pub fn placements(&self) -> &[CorePlacement] {
        &self.placements
    }

    /// Where its numbers are served.
    #[must_use]
    pub fn served_at(&self) -> Option<SocketAddr> {
        self.exporter.as_ref().map(Exporter::at)
    }

    /// Whether all of it still runs.
    ///
    /// # Errors
    /// A part has died.
    pub fn check(&self) -> Result<(), Fault> {
        let fault = if self.threads.iter().any(JoinHandle::is_finished) {
            Fault("a hot thread")
        } else if self.tasks.alive.iter().any(AbortHandle::is_finished) {
            Fault("a task of the edge")
        } else {
            return Ok(());
        };
        self.send_gate.halt();
        if !self.faulty.swap(true, Ordering::Relaxed) {
            self.facts.say(&Fact::Fault { what: fault.to_string() });
        }
        Err(fault)
    }

    /// Sends nothing from here on.
    pub fn halt(&self) {
        self.send_gate.halt();
    }

    /// Its numbers, for others to read; of which chain, where there are several.
    #[must_use]
    pub fn exported(&self, chain: Option<u64>) -> export::Row {
        export::Row { chain, meters: self.meters.clone(), stats: self.stats.clone(), ingest: self.ingest.clone() }
    }

    /// Sends nothing more, and waits until every bundle has an outcome, or for `patience`. How many have none.
    pub async fn wind_down(&self, patience: Duration) -> usize {
        self.send_gate.halt();
        let (mut open, mut seen_none) = (0, false);
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            // A ledger that cannot be read now says nothing of them.
            open = self.facts.open_bundles().unwrap_or(open.max(1));
            // Twice: what a spinning worker has just sent is on its way to the sender.
            let settled = open == 0 && seen_none;
            seen_none = open == 0;
            if settled || tokio::time::Instant::now() >= deadline {
                return open;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends it: feed, threads, senders, in this order. What was earned is in the ledger.
    pub async fn stop(self) -> Status {
        let Self { stop, mut tasks, threads, ledger, journal, meters, stats, run, ingest, exporter, .. } = self;
        stop.send_replace(true);
        // Bounded: a relay that hangs has its own time, a node as well.
        let ended =
            tokio::time::timeout(self.chain_timeout * 2, async { while tasks.set.join_next().await.is_some() {} });
        if ended.await.is_err() {
            tracing::warn!("a task did not end in time");
            // The hot threads end with the dispatcher: they are waited for below.
            tasks.set.shutdown().await;
        }
        let sources = Source::all(&ingest);
        drop((ingest, exporter));
        for thread in threads {
            // A panic of its own was said when it happened.
            let _ended = thread.join();
        }
        // Everything that went out is in its rows.
        if let Err(error) = ledger.lease(0).done().await {
            tracing::error!(%error, "the ledger does not take the lease back");
        }
        let latency = |stage: &Stage| (stage.name().to_owned(), filed(&meters, *stage));
        if let Err(error) = ledger.latencies(run, Stage::ALL.iter().map(latency).collect()).done().await {
            tracing::error!(%error, "the ledger does not take the latencies");
        }
        if let Some(Err(error)) = journal.map(Writer::finish) {
            tracing::error!(%error, "the journal is not whole");
        }
        for (file, lost) in stats.files().all().map(|file| (file, file.lost())).filter(|(_, lost)| *lost > 0) {
            tracing::warn!(path = %file.path().display(), lost, "entries are not in the {}", file.what());
        }
        Status { sources, ..stats.status(&meters) }
    }
}

/// Between two looks at something that has no way to call.
const POLL: Duration = Duration::from_millis(100);

fn filed(meters: &Meters, stage: Stage) -> row::Latency {
    let latency = meters.latency(stage);
    let ns = |us: f64| (us * 1e3) as u64;
    row::Latency {
        p50_ns: ns(latency.p50_us),
        p99_ns: ns(latency.p99_us),
        p999_ns: ns(latency.p999_us),
        n: latency.count,
    }
}
