//! Proofs in the base state, kept as long as nothing they read can have changed: whenever a miss is told, the base is searched
//! again, and most of what pays there paid before.
//!
//! # Invariants
//! - A proof is found again only if running it again would come to the same: it read nothing unknown, no overlay lay over the
//!   base or lies there now, and the state's version, the block, our nonce, the amounts and the bid are what they were.
//!
//! # Limits
//! Runs behind pending transactions are not kept: another trigger moves what they read, by the way in which they were found.
//!
//! # Cost
//! A look at a few candidates. The list is as long as what pays in one state, [`MOST`] at most.

use revm::context::BlockEnv;

use crate::hot::evm::machine::Machine;
use crate::hot::opportunity::Swaps;
use crate::hot::simulate::Proven;
use crate::protocols::executor::Bid;

/// Proofs kept of one state.
const MOST: usize = 64;

/// In what a proof was run. `None`: in what lies over the base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At(Option<(u64, u64, BlockEnv)>);

impl At {
    /// Where the next proof is run.
    pub fn of(machine: &Machine, nonce: u64) -> Self {
        let db = machine.db();
        Self((!db.is_overlaid()).then(|| (db.version(), nonce, machine.block().clone())))
    }
}

/// Proofs of one state.
#[derive(Debug, Default)]
pub struct ProofCache {
    at: At,
    proofs: Vec<(Bid, Proven)>,
}

impl ProofCache {
    /// What was proven of these amounts with this bid.
    pub fn find(&self, at: &At, swaps: &Swaps, bid: Bid) -> Option<&Proven> {
        let same = |of: &Swaps| of.hops() == swaps.hops() && of.amounts() == swaps.amounts();
        if at.0.is_none() || self.at != *at {
            return None;
        }
        self.proofs
            .iter()
            .find(|(with, proof)| *with == bid && proof.opportunity().swaps().is_some_and(same))
            .map(|(_, proof)| proof)
    }

    /// Keeps a proof, if it rests on nothing that was assumed.
    pub fn keep(&mut self, at: At, proof: &Proven, bid: Bid) {
        if at.0.is_none() || proof.assumed() > 0 {
            return;
        }
        if self.at != at {
            self.at = at;
            self.proofs.clear();
        }
        if self.proofs.len() < MOST {
            self.proofs.push((bid, proof.clone()));
        }
    }
}
