//! Who lands, and where: the builder's rules, without a node. [`Merge`] is asked for the next bundle to try on top of
//! those chosen, and told how it fared; trying it is the caller's part.
//!
//! # Invariants
//! - Bundles are tried by what they pay per gas alone at the top of the block; of equals the one that came first.
//! - Bundles lie one after the other in the order they were chosen, and nothing lies within one.
//! - A nonce is used once, and a bundle that names a used one is outbid by the one that used it.
//! - A bundle whose value in its place is less than 95 % of what it promised is tried once more, at the new value.
//!
//! # Limits
//! A bundle that works only after another one (it waits for its nonce or its state) is not found.

pub mod public;
#[cfg(test)]
mod tests;
pub mod verdict;

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use alloy_primitives::Address;

use crate::block_builder::order::Bundle;
use crate::block_builder::order::BundleId;
use crate::block_builder::rules::public::check_nonces;
use crate::block_builder::rules::verdict::LeftOut;
use crate::block_builder::rules::verdict::Value;

/// A bundle and what it brings alone at the top of the block.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The bundle.
    pub bundle: Bundle,
    /// What it promises.
    pub value: Value,
    /// Whether it came back once already with a lower value.
    retried: bool,
}

impl Candidate {
    /// A bundle that was simulated alone.
    #[must_use]
    pub const fn new(bundle: Bundle, value: Value) -> Self {
        Self { bundle, value, retried: false }
    }
}

/// How a candidate fared on top of those chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It works, and brings this.
    Works(Value),
    /// It fails. `with` is the chosen bundle that is enough to make it fail, where one alone is.
    Fails {
        /// Which of the chosen.
        with: Option<BundleId>,
    },
}

/// What a block is to hold of the bundles.
#[derive(Debug)]
pub struct Choice {
    /// The chosen ones, in their order.
    pub chosen: Vec<Candidate>,
    /// The others, and why.
    pub left_out: Vec<(BundleId, LeftOut)>,
    /// The senders' next nonces behind the chosen ones.
    pub nonces: BTreeMap<Address, u64>,
}

/// The choice of a block's bundles, step by step.
#[derive(Debug)]
pub struct Merge {
    /// Worst first, so that the best is popped.
    queue: Vec<Candidate>,
    chosen: Vec<Candidate>,
    left_out: Vec<(BundleId, LeftOut)>,
    /// Who used which nonce.
    used: HashMap<(Address, u64), BundleId>,
    nonces: BTreeMap<Address, u64>,
    gas_left: u64,
}

impl Merge {
    /// `nonces` holds the next nonce of every sender at the head.
    #[must_use]
    pub fn new(mut queue: Vec<Candidate>, nonces: BTreeMap<Address, u64>, gas_limit: u64) -> Self {
        queue.sort_by(worst_first);
        Self { queue, chosen: Vec::new(), left_out: Vec::new(), used: HashMap::new(), nonces, gas_left: gas_limit }
    }

    /// The bundles chosen so far, in their order.
    #[must_use]
    pub fn chosen(&self) -> &[Candidate] {
        &self.chosen
    }

    /// The next candidate to try. Those that cannot work are left out on the way, without a trial.
    pub fn next_candidate(&mut self) -> Option<Candidate> {
        while let Some(candidate) = self.queue.pop() {
            match self.objection(&candidate) {
                Some(why) => self.left_out.push((candidate.bundle.id, why)),
                None => return Some(candidate),
            }
        }
        None
    }

    /// Takes what came of a trial.
    pub fn report(&mut self, mut candidate: Candidate, trial: &Trial) {
        match trial {
            Trial::Works(value) if value.paid.is_zero() => self.outbid(&candidate, None),
            Trial::Works(value) if value.keeps(&candidate.value) || candidate.retried => {
                candidate.value = *value;
                self.take(candidate);
            }
            Trial::Works(value) => {
                candidate.value = *value;
                candidate.retried = true;
                let at = self.queue.partition_point(|other| worst_first(other, &candidate) == Ordering::Less);
                self.queue.insert(at, candidate);
            }
            Trial::Fails { with } => self.outbid(&candidate, *with),
        }
    }

    /// The choice.
    #[must_use]
    pub fn finish(self) -> Choice {
        Choice { chosen: self.chosen, left_out: self.left_out, nonces: self.nonces }
    }

    fn objection(&self, candidate: &Candidate) -> Option<LeftOut> {
        let txs = &candidate.bundle.txs;
        if let Some(by) = txs.iter().find_map(|tx| self.used.get(&(tx.sender, tx.nonce))) {
            return Some(self.lost_to(Some(*by)));
        }
        let gas = txs.iter().try_fold(0_u64, |sum, tx| sum.checked_add(tx.gas_limit));
        if gas.is_none_or(|gas| gas > self.gas_left) {
            return Some(LeftOut::NoRoom);
        }
        check_nonces(txs, &self.nonces).err()
    }

    fn take(&mut self, candidate: Candidate) {
        self.gas_left = self.gas_left.saturating_sub(candidate.value.gas);
        for tx in &candidate.bundle.txs {
            self.used.insert((tx.sender, tx.nonce), candidate.bundle.id);
            self.nonces.insert(tx.sender, tx.nonce + 1);
        }
        self.chosen.push(candidate);
    }

    fn outbid(&mut self, candidate: &Candidate, with: Option<BundleId>) {
        let why = self.lost_to(with);
        self.left_out.push((candidate.bundle.id, why));
    }

    /// Names the rival; the last one chosen when it is several together that are in the way.
    fn lost_to(&self, with: Option<BundleId>) -> LeftOut {
        let named = self.chosen.iter().find(|other| Some(other.bundle.id) == with);
        named.or(self.chosen.last()).map_or(LeftOut::NoPayment, |other| LeftOut::Outbid {
            by: other.bundle.hash,
            paid: other.value.paid,
            gas: other.value.gas,
        })
    }
}

/// Best last. Of equals the earlier one is the better.
fn worst_first(left: &Candidate, right: &Candidate) -> Ordering {
    left.value.compare(&right.value).then_with(|| right.bundle.id.cmp(&left.bundle.id))
}
