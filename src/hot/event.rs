//! All that edge and engine may say to each other.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256};
use revm::context::TxEnv;
use revm::context::result::{ExecutionResult, HaltReason};

use crate::hot::evm::machine::ExecuteError;
use crate::hot::refused::Refused;
use crate::hot::refused::Tally;
use crate::hot::search::Candidate;
use crate::hot::simulate::Proven;

/// A block's place, name and terms, as far as what comes after it depends on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block below.
    pub parent: B256,
    /// Unix time, in seconds.
    pub timestamp: u64,
    /// Wei per gas.
    pub base_fee: u64,
    /// Gas units.
    pub gas_used: u64,
    /// Gas units.
    pub gas_limit: u64,
    /// Who was paid.
    pub beneficiary: Address,
    /// The beacon's randomness.
    pub mix_hash: B256,
    /// Blob gas over target, summed up.
    pub excess_blob_gas: u64,
}

/// What became of an account. `None`: as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountNews {
    /// Which.
    pub address: Address,
    /// Wei.
    pub balance: Option<U256>,
    /// Its next nonce.
    pub nonce: Option<u64>,
    /// Its code.
    pub code: Option<Bytes>,
    /// Slots and what they hold now.
    pub slots: Vec<(U256, U256)>,
    /// It is gone, storage and all.
    pub destroyed: bool,
}

/// A log of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogNews {
    /// Who emitted it.
    pub address: Address,
    /// Signature and indexed fields.
    pub topics: Vec<B256>,
    /// The rest.
    pub data: Bytes,
}

/// The chain has grown by a block, and this is all that changed by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockNews {
    /// The block.
    pub head: Head,
    /// Every account that it changed.
    pub accounts: Vec<AccountNews>,
    /// The logs of known pools, in order.
    pub logs: Vec<LogNews>,
}

/// State fetched after a miss.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// As it is behind this block; told at any other tip it is stale and means nothing.
    pub at: B256,
    /// All of balance, nonce and code of an account not known before, or slots alone of a known one.
    pub accounts: Vec<AccountNews>,
    /// Hashes of older blocks, for BLOCKHASH.
    pub hashes: Vec<(u64, B256)>,
}

/// What the engine had to do without: the edge fetches it, tells it, and offers the event again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Want {
    /// An account: balance, nonce, code.
    Account(Address),
    /// A storage slot.
    Slot(Address, U256),
    /// A block's hash.
    BlockHash(u64),
}

/// What happens to the engine.
#[derive(Debug)]
pub enum Event {
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
    /// Candidates that the EVM, or the limits, turned down: each with its reason.
    pub rejected: Vec<(Candidate, Refused)>,
    /// How many cycles and candidates came to nothing, by reason; those of `rejected` among them.
    pub refused: Tally,
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

    /// Adds a candidate that died.
    pub fn reject(&mut self, candidate: Candidate, reason: Refused) {
        self.refused.add(reason);
        self.rejected.push((candidate, reason));
    }
}
