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
//!
//! # Cost
//! A write waits for the disk (one `fsync`); those that queue up meanwhile share the next one.

pub mod landed;
pub mod others;
pub mod row;
pub mod store;

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use alloy_primitives::B256;
use redb::Database;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::edge::ledger::others::Liquidation;
use crate::edge::ledger::row::Answer;
use crate::edge::ledger::row::Bundle;
use crate::edge::ledger::row::Latency;
use crate::edge::ledger::row::Outcome;
use crate::edge::ledger::row::Row;
use crate::edge::ledger::row::Totals;
use crate::edge::ledger::store::Which;

/// Most operations that share one transaction.
const ABREAST: usize = 256;

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
    /// The database failed: out of space, another process holds it, a broken file.
    #[error("the ledger failed: {cause}")]
    Store {
        /// Its words.
        cause: String,
    },
    /// Its thread is gone.
    #[error("the ledger is closed")]
    Closed,
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
    db: Arc<Database>,
    queue: Option<Sender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Opens the file, or makes it. One process at a time can.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let named = |cause: String| LedgerError::Store { cause: format!("{}: {cause}", path.display()) };
        let db = Database::create(path).map_err(|error| named(error.to_string()))?;
        store::prepare(&db)?;
        let db = Arc::new(db);
        let (queue, requests) = channel();
        let writing = Arc::clone(&db);
        let spawned = std::thread::Builder::new().name("ledger".into()).spawn(move || write(&writing, &requests));
        let writer = spawned.map_err(|error| named(error.to_string()))?;
        Ok(Self { db, queue: Some(queue), writer: Some(writer) })
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
        store::liquidations(&store::read(&self.db)?, blocks)
    }

    /// Writes down that bundles for blocks up to `block` may go out before their rows are written; zero: none may have.
    pub fn lease(&self, block: u64) -> Ack {
        self.ask(Op::Lease(block))
    }

    /// What [`Ledger::lease`] wrote last; zero when it never did.
    pub fn leased(&self) -> Result<u64, LedgerError> {
        store::leased(&store::read(&self.db)?)
    }

    /// One bundle.
    pub fn row(&self, uuid: Uuid) -> Result<Row, LedgerError> {
        store::row(&store::read(&self.db)?, uuid)
    }

    /// The bundle that holds an opportunity in a block: with one, there is nothing to send.
    pub fn holder(&self, target: u64, opportunity: B256) -> Result<Option<Uuid>, LedgerError> {
        store::holder(&store::read(&self.db)?, target, opportunity.0)
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
        store::totals(&store::read(&self.db)?)
    }

    /// Profit and loss, counted from the rows: what [`Ledger::totals`] must equal.
    pub fn recount(&self) -> Result<Totals, LedgerError> {
        store::recount(&store::read(&self.db)?)
    }

    /// The latencies of a run, by stage.
    pub fn latencies_of(&self, run: u64) -> Result<Vec<(String, Latency)>, LedgerError> {
        store::latencies(&store::read(&self.db)?, run)
    }

    fn rows(&self, which: Which) -> Result<Vec<Row>, LedgerError> {
        let txn = store::read(&self.db)?;
        store::list(&txn, which)?.into_iter().map(|uuid| store::row(&txn, uuid)).collect()
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
            // It panics only if redb does; there is nobody left to tell.
            let _ended = writer.join();
        }
    }
}

/// The ledger's thread: takes what is queued, writes it in one transaction, and acknowledges each once that is on disk.
fn write(db: &Database, requests: &Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let batch: Vec<Request> = std::iter::once(first).chain(requests.try_iter().take(ABREAST - 1)).collect();
        let results = commit(db, &batch);
        for (index, request) in batch.into_iter().enumerate() {
            let result = match &results {
                Ok(results) => results.get(index).cloned().unwrap_or(Err(LedgerError::Closed)),
                Err(error) => Err(error.clone()),
            };
            // Nobody waits: it is written all the same.
            let _unheard = request.ack.send(result);
        }
    }
}

fn commit(db: &Database, batch: &[Request]) -> Result<Vec<Result<(), LedgerError>>, LedgerError> {
    let txn = db.begin_write().map_err(store::fail)?;
    let mut results = Vec::with_capacity(batch.len());
    for request in batch {
        let result = store::apply(&txn, &request.op);
        if let Err(broken @ (LedgerError::Store { .. } | LedgerError::Row { .. })) = result {
            // Half an operation may be in the transaction: none of it is kept.
            return Err(broken);
        }
        results.push(result);
    }
    txn.commit().map_err(store::fail)?;
    Ok(results)
}
