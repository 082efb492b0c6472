//! From a state to proofs: the search's best, one at a time, each judged by the EVM, until none that is left could be better.

use std::cell::Cell;

use alloy_primitives::U256;

use crate::hot::engine::Engine;
use crate::hot::engine::On;
use crate::hot::engine::choice;
use crate::hot::event::Outcome;
use crate::hot::refused::Refused;
use crate::hot::refused::Tally;
use crate::hot::search::Candidate;
use crate::hot::search::Counts;
use crate::hot::simulate::Proven;
use crate::metrics::span::Span;
use crate::types::amount::Wei;

impl Engine {
    /// Screens, sizes and proves: behind the pending transaction, or in the base state.
    pub(super) fn solve(&mut self, on: On, newest: &dyn Fn(u64) -> bool) -> Outcome {
        let behind = on != On::Base;
        let mut outcome = Outcome::default();
        let mut span = Span::start();
        let number = self.tip.as_ref().map(|tip| tip.head().number);
        // Once called off it stays so, whatever is heard next: what is decided then must not rest on a part of the search.
        let off = Cell::new(false);
        let go_on = || {
            off.set(off.get() || !number.is_none_or(newest));
            !off.get()
        };
        self.prover.begin(!behind);
        if on != On::Foreseen {
            self.begin(behind, &go_on);
        }
        // Found by maths, and so worth more than all that is left there.
        self.candidates.reverse();
        outcome.spent.search = span.lap();
        let price = self.tip.as_ref().map(|tip| tip.parent().next_base_fee());
        // What is left of the best proof after gas: a candidate that is worth no more before gas is not better. Nor is what is
        // worth less than is due looked at.
        let below = self.min_profit.0.saturating_sub(U256::from(1));
        let mut best = below;
        while outcome.proven.len() < self.proofs {
            let found = self.next(behind, Some(best).filter(|best| !best.is_zero()), &go_on);
            outcome.spent.search += span.lap();
            let Some(candidate) = found else { break };
            match self.judge(&candidate) {
                Ok(proven) => {
                    best = price.map_or(best, |price| best.max(choice::net(&proven, price)));
                    outcome.proven.push(proven);
                }
                Err(reason) => outcome.reject(candidate, reason),
            }
            outcome.spent.simulate += span.lap();
        }
        count(&mut outcome.refused, self.search.counts());
        match self.search.waiting() + self.candidates.len() {
            waiting if best == below && !best.is_zero() && outcome.proven.len() < self.proofs => {
                outcome.refused.add_many(Refused::BelowMinimum, waiting as u64);
            }
            waiting => outcome.left = waiting,
        }
        if self.search.counts().stopped || !go_on() {
            self.prover.take_back();
            return Outcome { cancelled: true, spent: outcome.spent, ..Outcome::default() };
        }
        self.remember(behind, &outcome.proven);
        outcome.want(self.prover.missed());
        outcome.spent.simulate += span.lap();
        outcome
    }

    /// Starts a search behind the pending transaction, or in the base state.
    fn begin(&mut self, behind: bool, go_on: &dyn Fn() -> bool) {
        self.candidates.clear();
        match behind {
            true => self.search.begin(&self.overlay.over(&self.pools), Some(&self.touched.moved), go_on),
            false => self.search.begin(&self.pools, None, go_on),
        }
    }

    /// The next best of that search.
    fn next(&mut self, behind: bool, floor: Option<U256>, go_on: &dyn Fn() -> bool) -> Option<Candidate> {
        if let Some(found) = self.candidates.last() {
            let is_worth_it = found.value().map(|value| value.0) > floor || floor.is_none();
            return if is_worth_it && go_on() { self.candidates.pop() } else { None };
        }
        match behind {
            true => self.search.next(&self.overlay.over(&self.pools), floor, go_on),
            false => self.search.next(&self.pools, floor, go_on),
        }
    }

    /// What proofs cost, by route.
    pub(super) fn remember(&mut self, behind: bool, proven: &[Proven]) {
        if self.forecaster.is_none() {
            return;
        }
        let held = self.held();
        for proof in proven {
            match behind {
                true => self.routes.learn(|id| self.overlay.pool(&self.pools, id), proof, held),
                false => self.routes.learn(|id| self.pools.pool(id), proof, held),
            }
        }
    }

    fn judge(&mut self, candidate: &Candidate) -> Result<Proven, Refused> {
        // A gain that the pools cannot value passes the default minimum of one wei, and no higher one.
        let value = candidate.value().unwrap_or(Wei(U256::from(1)));
        if value < self.min_profit {
            return Err(Refused::BelowMinimum);
        }
        self.prover.prove(&mut self.machine, &self.pools, candidate)
    }
}

/// What became of cycles that are no candidates.
const fn count(refused: &mut Tally, counts: &Counts) {
    refused.add_many(Refused::Unscreened, counts.screened.left);
    refused.add_many(Refused::Screened, counts.screened.rejected);
    refused.add_many(Refused::Unsized, counts.left);
    refused.add_many(Refused::NoGain, counts.flat);
}
