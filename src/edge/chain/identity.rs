//! Which nodes may speak: those of the chain that the configuration is for.
//!
//! # Invariants
//! - A node is asked for its chain's id, for block 0, and for a block below the tip that the others have. Of another answer
//!   than is due it is a stranger, and nothing it says counts. No answer is no reason: a node may lag, or keep no old blocks.

use std::sync::OnceLock;
use std::time::Duration;

use alloy_primitives::B256;

use crate::edge::chain::BlockId;
use crate::edge::chain::ChainError;
use crate::edge::chain::endpoint::Endpoint;

/// Blocks below a node's latest one at which nodes of one chain agree: no reorg since the merge was half as deep.
const AGREED: u64 = 16;
/// So long a node may take to say what its block is that another one's is held against.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a node is of another chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// Its id says so.
    #[error("it is of chain {found}, and {due} is due")]
    Id {
        /// What it says.
        found: u64,
        /// `chain.id`.
        due: u64,
    },
    /// Its blocks say so.
    #[error("its block {} is {found}, and other nodes have {}", .due.number, .due.hash)]
    Block {
        /// What it says.
        found: B256,
        /// What others say.
        due: BlockId,
    },
}

/// What nodes of the chain have in common.
#[derive(Debug)]
pub(super) struct Identity {
    /// `None`: whatever chain there is.
    chain_id: Option<u64>,
    genesis: OnceLock<B256>,
}

/// What a node says that it is.
pub(super) struct Said {
    id: u64,
    genesis: Option<B256>,
}

impl Identity {
    pub(super) fn new(chain_id: Option<u64>) -> Self {
        Self { chain_id, genesis: OnceLock::new() }
    }

    pub(super) fn chain_id(&self) -> Option<u64> {
        self.chain_id
    }

    /// Block 0, once it is known.
    pub(super) fn genesis(&self) -> Option<BlockId> {
        self.genesis.get().map(|hash| BlockId { number: 0, hash: *hash })
    }

    /// Whether `id` is the chain's.
    pub(super) fn is_due(&self, id: u64) -> Result<(), Stranger> {
        match self.chain_id {
            Some(due) if due != id => Err(Stranger::Id { found: id, due }),
            _ => Ok(()),
        }
    }

    /// Holds what a node says against the chain, and against `beside`, a node that may speak.
    pub(super) async fn judge(
        &self,
        node: &Endpoint,
        said: Said,
        beside: Option<&Endpoint>,
    ) -> Result<Result<(), Stranger>, ChainError> {
        if let Err(stranger) = self.is_due(said.id) {
            return Ok(Err(stranger));
        }
        if let Some(found) = said.genesis {
            // The first that may speak says what block 0 is.
            let hash = *self.genesis.get_or_init(|| found);
            if hash != found {
                return Ok(Err(Stranger::Block { found, due: BlockId { number: 0, hash } }));
            }
        }
        let Some(due) = agreed(beside).await else { return Ok(Ok(())) };
        match node.at(due.number).await? {
            Some(head) if head.hash != due.hash => Ok(Err(Stranger::Block { found: head.hash, due })),
            _ => Ok(Ok(())),
        }
    }

    /// Learns block 0 from what nodes say: from most of them, or of as many from the first in order.
    pub(super) fn learn<'a>(&self, all: impl Iterator<Item = &'a Said>) {
        let due = |said: &&Said| self.is_due(said.id).is_ok();
        let told: Vec<B256> = all.filter(due).filter_map(|said| said.genesis).collect();
        let votes = |hash: &B256| told.iter().filter(|other| *other == hash).count();
        // The last of equal ones wins there: so from the end.
        if let Some(genesis) = told.iter().rev().max_by_key(|hash| votes(hash)) {
            let _known = self.genesis.set(*genesis);
        }
    }
}

/// A block that nodes of the chain agree on, as this one has it; if it says so in time.
pub(super) async fn agreed(node: Option<&Endpoint>) -> Option<BlockId> {
    let node = node?;
    let asked = async {
        let latest = node.latest().await.ok().flatten()?;
        let head = node.at(latest.number.checked_sub(AGREED)?).await.ok().flatten()?;
        Some(head.id())
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
}

/// Asks a node what it is.
pub(super) async fn said(node: &Endpoint) -> Result<Said, ChainError> {
    let (id, genesis) = tokio::join!(node.chain_id(), node.at(0));
    // A node that keeps no old blocks may refuse to say what block 0 was.
    Ok(Said { id: id?, genesis: genesis.ok().flatten().map(|head| head.hash) })
}
