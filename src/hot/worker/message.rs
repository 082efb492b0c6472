//! What workers and edge say to each other, beyond the engine's own events.

use std::fmt;
use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use uuid::Uuid;

use crate::hot::bundle::ProfitSplit;
use crate::hot::bundle::SignedBundle;
use crate::hot::decode::PendingTx;
use crate::hot::engine::choice::Choice;
use crate::hot::engine::plan::InitialState;
use crate::hot::event::BlockUpdate;
use crate::hot::event::Desync;
use crate::hot::event::FetchedState;
use crate::hot::event::Head;
use crate::hot::event::Pending;
use crate::hot::event::StateKey;
use crate::hot::rt::sink::Sink;
use crate::hot::send::Relays;
use crate::protocols::AnyPool;
use crate::protocols::lending::market_spec::MarketSpec;
use crate::protocols::lending::taken::Position;
use crate::types::amount::Gas;
use crate::types::decision::Decision;
use crate::types::decision::Hop;
use crate::types::pool_key::PoolKey;

/// To every hot thread: what concerns the chain.
#[derive(Clone, Debug)]
pub enum Work {
    /// It has grown.
    Block(Arc<BlockUpdate>),
    /// Blocks above this one are undone.
    Undo(B256),
    /// What was missed; and whether by a proof on the base state, which is then to be tried again.
    FetchedState(Arc<FetchedState>, bool),
    /// A pool behind the block of this hash: new, or read anew.
    Pool(B256, Arc<AnyPool>),
    /// A lending market that is new behind the block of this hash.
    Market(B256, Arc<MarketSpec>),
    /// All that was known is void: this is the state.
    Load(Arc<dyn StartingState>),
    /// How does the state stand, behind all that was said before?
    Look(Sink<Seen>),
}

/// A state that an engine can begin with, wherever it was loaded from.
pub trait StartingState: fmt::Debug + Send + Sync {
    /// It.
    fn initial_state(&self) -> InitialState<'_>;
}

/// The journal, as a worker knows it. Nothing in it waits, and nothing is serialised on the worker's thread.
pub trait Recorder: Send {
    /// What concerns the chain.
    fn fed(&mut self, work: &Work);
    /// A pending transaction that is looked at.
    fn offered(&mut self, pending: &Arc<Pending>);
    /// One that the worker heard of by itself.
    fn heard(&mut self, tx: &PendingTx);
    /// What was decided about the item fed last.
    fn decided(&mut self, decision: &dyn Fn() -> Decision, choice: Option<&Choice>);
}

/// What one hot thread holds for the state of the chain: for tests that hold it against the chain.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The block behind which it stands.
    pub head: Head,
    /// The owner's next nonce.
    pub nonce: u64,
    /// Every pool, and whether it is in quarantine.
    pub pools: Vec<(AnyPool, bool)>,
}

/// To one hot thread: a pending transaction.
#[derive(Clone, Debug)]
pub struct Offer {
    /// As it was heard.
    pub pending: Arc<Pending>,
    /// Why now.
    pub look: Look,
}

/// Why a pending transaction is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It was heard of.
    First,
    /// What was missing at the first look has been fetched.
    AfterMiss,
    /// It waits in the mempool, and there is a new block. The time since it was heard of says nothing of us any more.
    Again,
}

/// From a hot thread.
#[derive(Debug)]
pub enum Report {
    /// State was missing.
    Missed {
        /// The block behind which.
        at: B256,
        /// What.
        state_keys: Vec<StateKey>,
        /// The transaction that is to be offered again once it is told.
        again: Option<B256>,
    },
    /// Transactions that a block holds.
    Mined(Vec<B256>),
    /// Pools were quarantined.
    Broken(Vec<PoolKey>),
    /// A pool was put in place.
    Placed(PoolKey),
    /// The state does not follow the chain any more.
    Desync {
        /// Why.
        why: Desync,
        /// How often the state had been loaded anew: said of an earlier state it means nothing.
        loads: u64,
    },
}

/// From a hot thread to the sender.
#[derive(Debug)]
pub enum Handed {
    /// A bundle.
    Found(Box<Found>),
    /// What the EVM says of one that was handed over as [`Found::provisional`]. It follows the bundle on the same way.
    Verdict {
        /// The bundle's hash.
        bundle: B256,
        /// What it really costs and earns; `None`: it is withdrawn.
        terms: Option<ProfitSplit>,
    },
}

/// A bundle, and all that the ledger is to know of it.
#[derive(Debug)]
pub struct Found {
    /// What is sent.
    pub bundle: SignedBundle,
    /// The block behind which it was found.
    pub parent: B256,
    /// The strategy's name.
    pub strategy: &'static str,
    /// The token that the profit is held in.
    pub token: Address,
    /// What is left of it, before gas and bid, in its units.
    pub gross: U256,
    /// Gas that the proof burnt.
    pub gas: Gas,
    /// The path.
    pub hops: Vec<Hop>,
    /// Positions of others that it closes, in order.
    pub positions: Vec<Position>,
    /// When its trigger, or the block before it, was heard of: ns since the run's start.
    pub heard_ns: u64,
    /// When it was signed.
    pub signed_ns: u64,
    /// A hot thread has sent it already.
    pub sent: Option<Sent>,
    /// It was signed on maths alone: nothing of it is sent before its [`Handed::Verdict`] says the terms that it really has.
    pub provisional: bool,
    /// The trigger's first block: the time since it was heard of, fetches of what was missing included, is ours.
    pub fresh: bool,
}

/// How a hot thread sent a bundle.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Its `replacementUuid`.
    pub uuid: Uuid,
    /// Where it went.
    pub relays: Relays,
    /// When, in ns since the run's start.
    pub at_ns: u64,
    /// What it really costs and earns, as the EVM has it.
    pub terms: ProfitSplit,
    /// It was signed on maths alone, and the EVM did not agree.
    pub withdrawn: bool,
}
