//! What happened to bundles, said once: a stream of [`Fact`]s, and the sinks that take them. The ledger is the first, and its word
//! counts: what it does not take (a second bundle for one opportunity, an outcome that is there already) happened to nobody.
//! The run's own numbers and the file of lines ([`lines`]) are others. A new one is a file here and a line where the searcher
//! starts.
//!
//! # Invariants
//! - Every sink is told of the same facts, whole. Of one bundle they come in the order in which they happened.
//! - A sink never makes anybody wait: what takes time it does on a thread or task of its own.
//! - Nothing reaches a sink before the ledger has it on disk.
//! - What has happened already is written once the disk takes it, however long that is ([`Publishing::done_at_last`]); what is
//!   to happen is given up at once ([`Publishing::done`]).
//!
//! # Limits
//! - What hot threads decide and do not sign is not in the stream: that is in the journal, which is fed by them
//!   ([`crate::hot::worker::message::Recorder`]), since a replay needs their inputs and decisions in order.

pub mod lines;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alloy_primitives::B256;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::edge::ledger::Ack;
use crate::edge::ledger::Ledger;
use crate::edge::ledger::LedgerError;
use crate::edge::ledger::others::Liquidation;
use crate::edge::ledger::row::{Answer, Bundle, Outcome};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// A bundle was decided, and is or would be sent.
    Decided(Box<Bundle>),
    /// A bundle was signed and did not go out.
    Held {
        /// The block it was for.
        target: u64,
        /// Our transaction's hash.
        ours: B256,
        /// Why.
        why: Why,
    },
    /// A relay has answered, or has not.
    Answered {
        /// The bundle.
        #[serde(serialize_with = "text")]
        uuid: Uuid,
        /// What it said.
        answer: Box<Answer>,
    },
    /// A bundle has an outcome: landed, lost, or never sent.
    Settled {
        /// The bundle.
        bundle: Box<Bundle>,
        /// How it ended.
        outcome: Box<Outcome>,
    },
    /// A reorg took the outcome back.
    Reopened {
        /// The bundle.
        bundle: Box<Bundle>,
        /// How it had ended.
        outcome: Box<Outcome>,
    },
    /// Blocks above this one are undone, and with them what others took in them.
    Undone {
        /// The highest that still is.
        above: u64,
    },
    /// Who liquidated whom in a block, others as well.
    Liquidated {
        /// The block.
        block: u64,
        /// All of them, in the place of what was said of this block before.
        all: Vec<Liquidation>,
    },
    /// A part of the searcher has died: nothing is sent any more.
    Fault {
        /// Which.
        what: String,
    },
}

/// As it is written everywhere.
fn text<S: Serializer>(uuid: &Uuid, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(uuid)
}

/// Why a bundle was held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// As many have gone out behind this block as `limits.max_bundles_per_block` allows.
    Limit,
    /// Its block has come, the tip is another, or sending was halted.
    Late,
    /// The same opportunity has a bundle.
    Taken,
    /// The EVM did not confirm what the forecast had promised.
    Withdrawn,
    /// No request could be made of it.
    Unencodable,
    /// The ledger does not take it.
    Unwritten,
    /// Every relay wants to be left alone.
    Resting,
}

/// A sink of facts.
pub trait Sink: Send + Sync {
    /// Takes one. Does not wait.
    fn take(&self, fact: &Fact);
}

/// Until an answer is written again, whose bundle's row is on its way.
const AGAIN: Duration = Duration::from_millis(20);

/// The stream.
pub struct Facts {
    ledger: Arc<Ledger>,
    sinks: Vec<Arc<dyn Sink>>,
    /// Decided bundles that the ledger does not have on disk yet.
    undecided: AtomicUsize,
}

/// A fact on its way.
#[must_use = "until it is done the ledger may not have it, and no other sink has"]
pub struct Publishing {
    /// `None`: it is none of the ledger's.
    ack: Option<Ack>,
    fact: Fact,
    facts: Arc<Facts>,
    /// It has happened, and the ledger does not have it yet.
    is_missing: bool,
}

impl Facts {
    /// A stream into this ledger, and on to these.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, sinks: Vec<Arc<dyn Sink>>) -> Arc<Self> {
        Arc::new(Self { ledger, sinks, undecided: AtomicUsize::new(0) })
    }

    /// What was written.
    #[must_use]
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Bundles without an outcome, those among them that are on their way to the disk: they may have gone out.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn open_bundles(&self) -> Result<usize, LedgerError> {
        // In this order: a row that arrives in between counts twice rather than not at all.
        let on_their_way = self.undecided.load(Ordering::Acquire);
        Ok(on_their_way + self.ledger.open_bundles()?.len())
    }

    /// Says that something happened. The ledger is asked here and now: what is published later is written later.
    pub fn publish(self: &Arc<Self>, fact: Fact) -> Publishing {
        if let Fact::Decided(_) = &fact {
            self.undecided.fetch_add(1, Ordering::AcqRel);
        }
        Publishing { ack: self.ask(&fact), fact, facts: Arc::clone(self), is_missing: false }
    }

    fn ask(&self, fact: &Fact) -> Option<Ack> {
        match fact {
            Fact::Decided(bundle) => Some(self.ledger.decide(Bundle::clone(bundle))),
            Fact::Answered { uuid, answer } => Some(self.ledger.answer(*uuid, Answer::clone(answer))),
            Fact::Settled { bundle, outcome } => Some(self.ledger.settle(bundle.uuid, Outcome::clone(outcome))),
            Fact::Reopened { bundle, .. } => Some(self.ledger.revive(bundle.uuid)),
            Fact::Undone { above } => Some(self.ledger.forget(*above)),
            Fact::Liquidated { block, all } => Some(self.ledger.attribute(*block, all.clone())),
            Fact::Held { .. } | Fact::Fault { .. } => None,
        }
    }

    /// Whether the ledger has it, though the disk failed before it could say so.
    fn has(&self, fact: &Fact) -> bool {
        let row = |uuid| self.ledger.row(uuid);
        match fact {
            Fact::Decided(bundle) => row(bundle.uuid).is_ok(),
            Fact::Answered { uuid, answer } => row(*uuid).is_ok_and(|row| row.answers.contains(answer)),
            Fact::Settled { bundle, .. } => row(bundle.uuid).is_ok_and(|row| row.outcome.is_some()),
            Fact::Reopened { bundle, .. } => row(bundle.uuid).is_ok_and(|row| row.outcome.is_none()),
            // To be written twice changes nothing.
            Fact::Undone { .. } | Fact::Liquidated { .. } | Fact::Held { .. } | Fact::Fault { .. } => false,
        }
    }

    /// Says something that the ledger does not keep.
    pub fn say(&self, fact: &Fact) {
        self.sinks.iter().for_each(|sink| sink.take(fact));
    }
}

impl Publishing {
    /// Waits until it is on disk, and hands it on.
    ///
    /// # Errors
    /// The ledger does not take it; no other sink hears of it.
    pub async fn done(mut self) -> Result<(), LedgerError> {
        if let Some(ack) = self.ack.take() {
            ack.done().await?;
        }
        self.facts.say(&self.fact);
        Ok(())
    }

    /// The same of something that has happened: while the disk takes nothing it waits, and asks again.
    ///
    /// # Errors
    /// The ledger does not take it, for another reason than the disk's.
    pub async fn done_at_last(mut self) -> Result<(), LedgerError> {
        self.is_missing = true;
        while let Some(ack) = self.ack.take() {
            match ack.done().await {
                Ok(()) => (),
                Err(error) if error.is_the_disks() => {
                    self.facts.ledger.writes().again().await;
                    self.ack = if self.facts.has(&self.fact) { None } else { self.facts.ask(&self.fact) };
                }
                // Its bundle's row waits for the disk as well, and is on its way.
                Err(LedgerError::Unknown { .. }) if self.facts.undecided.load(Ordering::Acquire) > 0 => {
                    tokio::time::sleep(AGAIN).await;
                    self.ack = self.facts.ask(&self.fact);
                }
                Err(error) => {
                    self.is_missing = false;
                    return Err(error);
                }
            }
        }
        self.is_missing = false;
        self.facts.say(&self.fact);
        Ok(())
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        if self.is_missing {
            self.facts.ledger.writes().lose(1);
            tracing::error!(fact = ?self.fact, "the run ends before the ledger takes what has happened");
        }
        if let Fact::Decided(_) = &self.fact {
            self.facts.undecided.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
