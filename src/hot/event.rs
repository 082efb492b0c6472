//! All that edge and engine may say to each other.

use std::sync::Arc;
use std::time::Duration;

use alloy::consensus::Transaction as _;
use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::Recovered;
use alloy_primitives::{Address, B256};
use revm::context::TxEnv;
use revm::context::result::{ExecutionResult, HaltReason};

use crate::hot::evm::machine::ExecuteError;
use crate::hot::opportunity::Opportunity;
use crate::hot::refused::Refused;
use crate::hot::refused::Tally;
use crate::hot::rt::worth::Shape;
use crate::hot::simulate::Proven;
use crate::protocols::AnyPool;
use crate::protocols::lending::market_spec::MarketSpec;
use crate::types::pool_key::PoolKey;

pub use crate::types::update::{AccountUpdate, BlockUpdate, Desync, FetchedState, Head, LogUpdate, StateKey};

/// What happens to the engine.
#[derive(Debug)]
pub enum Event {
    /// The chain has grown: the base becomes what the block left, the next block's terms follow. All cycles are looked at.
    Block(Arc<BlockUpdate>),
    /// The blocks above the one of this hash are no longer of the chain.
    Undo(B256),
    /// What was missed. Told behind another block than the tip it is stale, and means nothing.
    FetchedState(Arc<FetchedState>),
    /// A pool as it stands behind the block of this hash: new, or in the place of one that was quarantined. Stale at any
    /// other tip.
    Pool(B256, Box<AnyPool>),
    /// A lending market that is new behind the block of this hash: what it holds has been told. Stale at any other tip.
    Market(B256, Box<MarketSpec>),
    /// A new head: its state is the base. All cycles are looked at.
    Head,
    /// A transaction that may be next. The cycles of the pools it moves are looked at, on the state it leaves.
    Pending(Box<TxEnv>),
    /// The last pending transaction was included, as it ran: what it left becomes the base. Means nothing after a head,
    /// or after a transaction that did not run.
    Included,
}

/// What the engine answers.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Opportunities, best first.
    pub proven: Vec<Proven>,
    /// Cycles that passed the screen and were left, sized or not: as many as were asked for had been proven, each worth more, or
    /// by their curves none of these could be better than one that was.
    pub left: usize,
    /// Candidates that the EVM, or the limits, turned down: each with its reason.
    pub rejected: Vec<(Opportunity, Refused)>,
    /// How many cycles and candidates came to nothing, by reason; those of `rejected` among them.
    pub refused: Tally,
    /// What was missing, each once: told, the event may be offered again.
    pub wanted: Vec<StateKey>,
    /// Pools quarantined by the block: their change was not understood, or storage and logs told different stories.
    pub broken: Vec<PoolKey>,
    /// The state does not follow the chain any more: it must be loaded anew.
    pub desync: Option<Desync>,
    /// A newer head was heard of while this one's opportunities were looked for: nothing was decided.
    pub cancelled: bool,
    /// How the pending transaction ran. `None` when it did not.
    pub trigger: Option<Trigger>,
    /// Time by stage.
    pub spent: Spent,
}

/// A pending transaction's run.
#[derive(Debug)]
pub enum Trigger {
    /// To its end, success or not.
    Ran(ExecutionResult<HaltReason>),
    /// Not to its end. After [`ExecuteError::Cold`] the edge fetches and offers the event again.
    Stopped(ExecuteError),
}

/// Time by stage of one event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Running the pending transaction.
    pub execute: Duration,
    /// Applying its diff, screening, sizing.
    pub search: Duration,
    /// Proving.
    pub simulate: Duration,
}

impl Outcome {
    /// Nothing but a reason.
    #[must_use]
    pub fn refused(reason: Refused) -> Self {
        let mut outcome = Self::default();
        outcome.refused.add(reason);
        outcome
    }

    /// Adds what was missing, each once.
    pub fn add_missing(&mut self, state_keys: &[StateKey]) {
        self.wanted.extend_from_slice(state_keys);
        self.wanted.sort_unstable();
        self.wanted.dedup();
    }

    /// Adds what died.
    pub fn reject(&mut self, opportunity: Opportunity, reason: Refused) {
        self.refused.add(reason);
        self.rejected.push((opportunity, reason));
    }
}

/// A pending transaction, as the edge hears it.
#[derive(Clone, Debug)]
pub struct Pending {
    /// As signed, with its sender as the node says it.
    pub tx: Recovered<TxEnvelope>,
    /// When it was first heard of, ns since the run's start; by its hash alone, where a node announces hashes.
    pub at_ns: u64,
    /// How long its body took to parse, in ns.
    pub decode_ns: u64,
    /// When that was done, ns since the run's start: from then on it waits for its turn.
    pub ready_ns: u64,
    /// Whose body came first, by its number within the run.
    pub source: u16,
}

impl Pending {
    /// The hash it was announced by.
    #[must_use]
    pub fn hash(&self) -> B256 {
        *self.tx.inner().tx_hash()
    }

    /// Where it goes and what it calls.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let to = self.tx.to();
        Shape::new(to.as_ref().map(|to| &to.0.0), self.tx.input())
    }

    /// Who sent it.
    #[must_use]
    pub fn sender(&self) -> Address {
        self.tx.signer()
    }
}
