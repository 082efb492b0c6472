//! What ingest hands on: one ordered stream for the dispatcher.
//!
//! # Invariants
//! - Every [`Feed::Head`] is the child of the block named last (by `Head`, `Undo` or `Lost`), and its [`Feed::Logs`]
//!   follow before the next head, complete and in order, unless the block is undone first.
//! - No [`Feed::Pending`] is handed on between a head and its logs, nor between a [`Feed::Gap`] and its
//!   [`Feed::Recovered`]: it would be judged on a state that is not the chain's.

use std::sync::Arc;

use alloy_primitives::Address;

use crate::edge::chain::BlockId;
use crate::edge::chain::Head;
use crate::edge::chain::Log;

pub use crate::hot::event::Pending;

/// A source's number within the run; the journal names it.
pub type SourceId = u16;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Feed {
    /// The chain has grown by one block.
    Head(Head),
    /// All logs of that block by the addresses that were watched when they were asked for.
    Logs {
        /// Their block.
        block: BlockId,
        /// In the block's order.
        logs: Vec<Log>,
        /// Those addresses, in order: whoever has come to watch more asks for the rest.
        watched: Arc<[Address]>,
    },
    /// A transaction that may be next; each once.
    Pending(Box<Pending>),
    /// The blocks above `to`, up to `from`, are no longer of the chain.
    Undo {
        /// The tip that was.
        from: BlockId,
        /// The tip that is.
        to: BlockId,
    },
    /// Something was missed. What follows until [`Feed::Recovered`] is the past being caught up with.
    Gap {
        /// The last block known.
        after: Option<BlockId>,
        /// Why.
        cause: Cause,
    },
    /// Nothing is missing any more.
    Recovered {
        /// The tip.
        at: BlockId,
    },
    /// The node's chain does not meet the one handed on within reach: the state must be loaded anew at `at`, whose
    /// head and logs do not come again.
    Lost {
        /// The tip from here on.
        at: BlockId,
    },
}

/// Why there is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No source is connected.
    NoSource,
    /// A head came whose parent did not.
    MissedHead,
    /// No node answers what has to be known.
    Unanswered,
}
