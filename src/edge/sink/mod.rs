//! What happened to bundles, said once: a stream of [`Fact`]s, and the sinks that take them. The ledger is the first, and its word
//! counts: what it does not take (a second bundle for one opportunity, an outcome that is there already) happened to nobody.
//! The run's own numbers and the file of lines ([`lines`]) are others. A new one is a file here and a line where the searcher
//! starts.
//!
//! # Invariants
//! - Every sink is told of the same facts, whole. Of one bundle they come in the order in which they happened.
//! - A sink never makes anybody wait: what takes time it does on a thread or task of its own.
//! - Nothing reaches a sink before the ledger has it on disk.
//!
//! # Limits
//! - What hot threads decide and do not sign is not in the stream: that is in the journal, which is fed by them
//!   ([`crate::hot::worker::message::Recorder`]), since a replay needs their inputs and decisions in order.

pub mod lines;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
        let ack = match &fact {
            Fact::Decided(bundle) => {
                self.undecided.fetch_add(1, Ordering::AcqRel);
                Some(self.ledger.decide(Bundle::clone(bundle)))
            }
            Fact::Answered { uuid, answer } => Some(self.ledger.answer(*uuid, Answer::clone(answer))),
            Fact::Settled { bundle, outcome } => Some(self.ledger.settle(bundle.uuid, Outcome::clone(outcome))),
            Fact::Reopened { bundle, .. } => Some(self.ledger.revive(bundle.uuid)),
            Fact::Undone { above } => Some(self.ledger.forget(*above)),
            Fact::Liquidated { block, all } => Some(self.ledger.attribute(*block, all.clone())),
            Fact::Held { .. } | Fact::Fault { .. } => None,
        };
        Publishing { ack, fact, facts: Arc::clone(self) }
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
}

impl Drop for Publishing {
    fn drop(&mut self) {
        if let Fact::Decided(_) = &self.fact {
            self.facts.undecided.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
