//! The ledger: what we decided, what we sent, what came of it, and what it earned. One file, and whoever reads it needs no
//! server.
//!
//! # Invariants
//! - What was acknowledged is on disk: a crash at any moment loses none of it, and what was not acknowledged is there whole
//!   or not at all.
//! - A bundle is written before it is sent, or a lease that covers its block is ([`Ledger::lease`]): then a crash may lose its
//!   row, and the run that opens the ledger next sends nothing for such a block.
//! - One bundle per target block and opportunity: the second one is refused as [`LedgerError::Taken`], unless it says that it
//!   replaces the first. So nothing is sent twice.
//! - [`Ledger::open_bundles`] is what a restart has to follow up: nothing is forgotten.
//! - A disk that takes nothing is told at once ([`LedgerError::is_the_disks`]) and tried again for as long as the ledger is open:
//!   [`Ledger::writes`]. A file that is damaged is one sentence, and never a panic.
//!
//! # Cost
//! A write waits for the disk (one `fsync`); those that queue up meanwhile share the next one.

mod file;
pub mod landed;
pub mod others;
pub mod row;
pub mod store;
mod writer;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use alloy_primitives::B256;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::edge::disk::{Retry, Writes};
use crate::edge::ledger::file::File;
use crate::edge::ledger::others::Liquidation;
use crate::edge::ledger::row::Answer;
use crate::edge::ledger::row::Bundle;
use crate::edge::ledger::row::Latency;
use crate::edge::ledger::row::Outcome;
use crate::edge::ledger::row::Row;
use crate::edge::ledger::row::Totals;
use crate::edge::ledger::store::Which;
use crate::edge::ledger::writer::Writer;

pub use file::is_guarded;

/// Why something was not written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The uuid is in use.
    #[error("bundle {uuid} is in the ledger already")]
    Exists {
        /// Which.
        uuid: Uuid,
    },
    /// Another bundle is for this block and opportunity.
    #[error("bundle {by} is for this block and opportunity already")]
    Taken {
        /// Which.
        by: Uuid,
    },
    /// There is no such bundle.
    #[error("bundle {uuid} is not in the ledger")]
    Unknown {
        /// Which.
        uuid: Uuid,
    },
    /// It has an outcome.
    #[error("bundle {uuid} has an outcome already")]
    Settled {
        /// Which.
        uuid: Uuid,
    },
    /// It has none.
    #[error("bundle {uuid} has no outcome")]
    Open {
        /// Which.
        uuid: Uuid,
    },
    /// The file is of another version.
    #[error("the ledger has schema {have}, {due} due")]
    Schema {
        /// The file's.
        have: u64,
        /// Ours.
        due: u64,
    },
    /// A row does not read, or does not write.
    #[error("a row of the ledger does not read: {cause}")]
    Row {
        /// What is wrong.
        cause: String,
    },
    /// The database failed: out of space, another process holds it.
    #[error("the ledger failed: {cause}")]
    Store {
        /// Its words.
        cause: String,
    },
    /// The file is not as it was written, or is somebody else's.
    #[error("{path} is damaged, or no ledger ({cause}): move it away, or put a whole copy in its place")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// An earlier write failed, and none has been possible since.
    #[error("the ledger is not written: {why}")]
    Unwritten {
        /// Why the first failed.
        why: String,
    },
    /// Its thread is gone.
    #[error("the ledger is closed")]
    Closed,
}

impl LedgerError {
    /// Whether it is no fault of what was asked: asked again once the ledger is written ([`Ledger::writes`]), it is done.
    #[must_use]
    pub const fn is_the_disks(&self) -> bool {
        matches!(self, Self::Store { .. } | Self::Damaged { .. } | Self::Unwritten { .. })
    }

    /// With the file that it is about.
    fn of(self, path: &Path) -> Self {
        let path = path.to_path_buf();
        match self {
            Self::Damaged { cause, .. } => Self::Damaged { path, cause },
            Self::Row { cause } => Self::Row { cause: format!("{}: {cause}", path.display()) },
            Self::Store { cause } => Self::Store { cause: format!("{}: {cause}", path.display()) },
            other => other,
        }
    }
}

/// What can be written.
#[derive(Clone, Debug)]
pub enum Op {
    /// A bundle was decided.
    Decide(Box<Bundle>),
    /// A relay answered, or did not.
    Answer(Uuid, Box<Answer>),
    /// It ended.
    Settle(Uuid, Box<Outcome>),
    /// Its block was undone by a reorg: it has no outcome again.
    Revive(Uuid),
    /// Bundles may go out, unrecorded, for blocks up to this one.
    Lease(u64),
    /// The liquidations of a block, in the place of those that it had.
    Liquidations(u64, Vec<Liquidation>),
    /// Blocks above this one are undone, and with them their liquidations.
    Forget(u64),
    /// Latencies of a run, stage by stage; those of the same run and stage are written over.
    Latencies(u64, Vec<(String, Latency)>),
}

struct Request {
    op: Op,
    ack: oneshot::Sender<Result<(), LedgerError>>,
}

/// An operation under way. It happens whether or not somebody waits for it; only after the wait it is on disk.
#[must_use = "until it is acknowledged it may be lost"]
pub struct Ack(oneshot::Receiver<Result<(), LedgerError>>);

impl Ack {
    /// Waits in a task.
    pub async fn done(self) -> Result<(), LedgerError> {
        self.0.await.unwrap_or(Err(LedgerError::Closed))
    }

    /// Waits on a thread that is none of tokio's.
    pub fn wait(self) -> Result<(), LedgerError> {
        self.0.blocking_recv().unwrap_or(Err(LedgerError::Closed))
    }
}

/// An open ledger. Dropping it writes what is queued.
pub struct Ledger {
    file: Arc<File>,
    writes: Arc<Writes>,
    queue: Option<Sender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Opens the file, or makes it. One process at a time can.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = Arc::new(File::open(path)?);
        let writes = Arc::new(Writes::new("ledger", path));
        let (queue, requests) = channel();
        let writer = Writer { file: file.clone(), writes: writes.clone(), requests, retry: Retry::default() };
        let spawned = std::thread::Builder::new().name("ledger".into()).spawn(move || writer.run());
        let writer = spawned.map_err(|error| LedgerError::Store { cause: error.to_string() })?;
        Ok(Self { file, writes, queue: Some(queue), writer: Some(writer) })
    }

    /// Whether it is written, and if not, why.
    #[must_use]
    pub const fn writes(&self) -> &Arc<Writes> {
        &self.writes
    }

    /// Writes down a bundle. Wait for it before sending, unless a lease covers its block.
    pub fn decide(&self, bundle: Bundle) -> Ack {
        self.ask(Op::Decide(Box::new(bundle)))
    }

    /// Writes down what a relay said.
    pub fn answer(&self, uuid: Uuid, answer: Answer) -> Ack {
        self.ask(Op::Answer(uuid, Box::new(answer)))
    }

    /// Writes down how it ended.
    pub fn settle(&self, uuid: Uuid, outcome: Outcome) -> Ack {
        self.ask(Op::Settle(uuid, Box::new(outcome)))
    }

    /// Takes the outcome back: its block was undone.
    pub fn revive(&self, uuid: Uuid) -> Ack {
        self.ask(Op::Revive(uuid))
    }

    /// Writes down the latencies of the run that began at `run`, in unix milliseconds.
    pub fn latencies(&self, run: u64, stages: Vec<(String, Latency)>) -> Ack {
        self.ask(Op::Latencies(run, stages))
    }

    /// Writes down the liquidations of a block, whosever they are, in the place of those that it had.
    pub fn attribute(&self, block: u64, all: Vec<Liquidation>) -> Ack {
        self.ask(Op::Liquidations(block, all))
    }

    /// Takes back the liquidations of the blocks above one, which are undone.
    pub fn forget(&self, above: u64) -> Ack {
        self.ask(Op::Forget(above))
    }

    /// The liquidations of these blocks, in order: ours, and those of others.
    pub fn liquidations(&self, blocks: RangeInclusive<u64>) -> Result<Vec<Liquidation>, LedgerError> {
        self.file.read(|txn| store::liquidations(txn, blocks))
    }

    /// Writes down that bundles for blocks up to `block` may go out before their rows are written; zero: none may have.
    pub fn lease(&self, block: u64) -> Ack {
        self.ask(Op::Lease(block))
    }

    /// What [`Ledger::lease`] wrote last; zero when it never did.
    pub fn leased(&self) -> Result<u64, LedgerError> {
        self.file.read(store::leased)
    }

    /// One bundle.
    pub fn row(&self, uuid: Uuid) -> Result<Row, LedgerError> {
        self.file.read(|txn| store::row(txn, uuid))
    }

    /// The bundle that holds an opportunity in a block: with one, there is nothing to send.
    pub fn holder(&self, target: u64, opportunity: B256) -> Result<Option<Uuid>, LedgerError> {
        self.file.read(|txn| store::holder(txn, target, opportunity.0))
    }

    /// The bundles for a block.
    pub fn for_block(&self, target: u64) -> Result<Vec<Row>, LedgerError> {
        self.rows(Which::Block(target))
    }

    /// The bundles without an outcome, oldest target first.
    pub fn open_bundles(&self) -> Result<Vec<Row>, LedgerError> {
        self.rows(Which::Open)
    }

    /// Every bundle, oldest target first.
    pub fn all(&self) -> Result<Vec<Row>, LedgerError> {
        self.rows(Which::All)
    }

    /// Profit and loss.
    pub fn totals(&self) -> Result<Totals, LedgerError> {
        self.file.read(store::totals)
    }

    /// Profit and loss, counted from the rows: what [`Ledger::totals`] must equal.
    pub fn recount(&self) -> Result<Totals, LedgerError> {
        self.file.read(store::recount)
    }

    /// The latencies of a run, by stage.
    pub fn latencies_of(&self, run: u64) -> Result<Vec<(String, Latency)>, LedgerError> {
        self.file.read(|txn| store::latencies(txn, run))
    }

    fn rows(&self, which: Which) -> Result<Vec<Row>, LedgerError> {
        self.file.read(|txn| store::list(txn, which)?.into_iter().map(|uuid| store::row(txn, uuid)).collect())
    }

    fn ask(&self, op: Op) -> Ack {
        let (ack, answer) = oneshot::channel();
        if let Some(queue) = &self.queue {
            // A thread that is gone drops the request, and with it the sender: the wait says that we are closed.
            let _gone = queue.send(Request { op, ack });
        }
        Ack(answer)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // It does not panic.
            let _ended = writer.join();
        }
    }
}
