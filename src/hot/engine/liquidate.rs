//! Liquidations behind an event: who has sunk, the best liquidation of each, and as many of them in one run as pay together.
//!
//! # Invariants
//! - Each step is proven whole, in the state that the event leaves: what is added to a run is found in the state that the run
//!   so far leaves, and stays only if the whole then leaves more after gas.
//!
//! # Limits
//! - It is not called off by a new head: the search before it has learnt by then, and a replay must learn the same.
//! - What stands behind fewer positions is kept as well: where the gas of many is above the limit, fewer are sent.
//! - [`LOOKED`] positions an event are looked at, the largest of each market in turn; the others are counted as left.
//! - Behind a run the markets' prices and cash are asked in the state before it: what it does to them is the proof's to find.

use std::sync::Arc;

use alloy_primitives::U256;
use revm::state::EvmState;

use crate::hot::engine::Engine;
use crate::hot::engine::choice;
use crate::hot::event::Outcome;
use crate::hot::lending;
use crate::hot::lending::Leg;
use crate::hot::lending::Liquidation;
use crate::hot::lending::markets;
use crate::hot::lending::markets::Liquidatable;
use crate::hot::refused::Refused;
use crate::hot::simulate::Opportunity;
use crate::hot::simulate::Proven;
use crate::hot::state::view::Overlay;
use crate::metrics::span::Span;
use crate::protocols::AnyPool;

/// Positions looked at behind one event: each is a search for the best amounts of its pairs.
const LOOKED: usize = 32;
/// Positions in one run: each takes half a million gas and more.
const TOGETHER: usize = 6;

/// A liquidation that was found, and behind how many legs of a run.
struct Waiting {
    liquidatable: Liquidatable,
    behind: usize,
    leg: Leg,
}

impl Engine {
    /// Looks for liquidations in the state that the event leaves, and adds what is proven to `outcome`.
    pub(super) fn liquidate(&mut self, base: bool, outcome: &mut Outcome) {
        if self.markets.is_empty() || self.prover.own().liquidator.is_none() || outcome.cancelled {
            return;
        }
        let mut span = Span::start();
        let mut liquidatable = self.markets.liquidatable(base, markets::now(&self.machine));
        outcome.left += liquidatable.len().saturating_sub(LOOKED);
        liquidatable.truncate(LOOKED);
        let mut over = std::mem::take(&mut self.sold);
        let found = self.together(&liquidatable, &mut over, outcome);
        over.clear();
        self.sold = over;
        outcome.spent.simulate += span.lap();
        outcome.proven.extend(found);
        outcome.want(self.prover.missed());
    }

    /// The best run of those that have sunk, best first: the best alone, and behind it whatever makes it better.
    fn together(
        &mut self,
        liquidatable: &[Liquidatable],
        over: &mut Overlay<AnyPool>,
        outcome: &mut Outcome,
    ) -> Vec<Proven> {
        let height = self.markets.height();
        // Each better than the one before it, by one leg more.
        let mut steps: Vec<Proven> = Vec::new();
        self.apply_sale(over, None);
        // The one worth most is the last. What was found behind fewer legs is looked at again before it is proven: hardly ever is
        // it worth more by then.
        let mut waiting: Vec<Waiting> = Vec::new();
        liquidatable.iter().for_each(|liquidatable| self.look(*liquidatable, 0, over, (&mut waiting, outcome)));
        while let Some(Waiting { liquidatable, behind, leg }) = waiting.pop() {
            if behind < steps.len() {
                self.look(liquidatable, steps.len(), over, (&mut waiting, outcome));
                continue;
            }
            let Some(run) = run(steps.last(), leg) else { continue };
            match self.prover.prove_liquidation(&mut self.machine, &self.pools, &run, None) {
                Ok((proof, diff)) if self.is_better(steps.last(), &proof) => {
                    // Nobody looks at what the last one leaves.
                    if !waiting.is_empty() {
                        self.markets.revert_to(height);
                        let changes = self.markets.concerns(&diff);
                        self.markets.apply_overlay(&changes, &mut self.machine);
                        self.apply_sale(over, Some(&diff));
                    }
                    self.machine.take_back(diff);
                    steps.push(proof);
                }
                Ok((_, diff)) => {
                    outcome.left += 1;
                    self.machine.take_back(diff);
                }
                Err(reason) => outcome.reject(run, reason),
            }
            if steps.len() >= TOGETHER {
                outcome.left += waiting.len();
                break;
            }
        }
        self.markets.revert_to(height);
        // Best first.
        steps.reverse();
        steps
    }

    /// The best liquidation of one that has sunk, behind so many legs, into its place among those that wait.
    fn look(
        &self,
        liquidatable: Liquidatable,
        behind: usize,
        over: &mut Overlay<AnyPool>,
        (waiting, outcome): (&mut Vec<Waiting>, &mut Outcome),
    ) {
        let view = over.over(&self.pools);
        let market = self.markets.market(liquidatable.market);
        let (cycles, at) = (self.search.cycles(), markets::now(&self.machine));
        let Some(leg) = market.and_then(|market| lending::best(&view, cycles, market, liquidatable.account, at)) else {
            return outcome.refused.add(Refused::NoGain);
        };
        if leg.value() < self.min_profit {
            return outcome.refused.add(Refused::BelowMinimum);
        }
        let key = |liquidatable: &Liquidatable, leg: &Leg| (leg.value(), liquidatable.market, liquidatable.account);
        let place = waiting.partition_point(|other| key(&other.liquidatable, &other.leg) < key(&liquidatable, &leg));
        waiting.insert(place, Waiting { liquidatable, behind, leg });
    }

    /// Lays over the pools what the pending transaction has left, and behind it what a run leaves.
    fn apply_sale(&mut self, over: &mut Overlay<AnyPool>, run: Option<&EvmState>) {
        over.clear();
        for (id, pool) in self.overlay.entries() {
            over.edit(&self.pools, id, |now| now.clone_from(pool));
        }
        for id in &self.touched.broken {
            over.silence(&self.pools, *id);
        }
        if let Some(diff) = run {
            self.touched.also(&self.pools, over, diff);
        }
    }

    /// Whether a proof leaves more after gas; than nothing, where there is none to hold it against.
    pub(super) fn is_better(&self, than: Option<&Proven>, proof: &Proven) -> bool {
        let Some(price) = self.tip.as_ref().map(|tip| tip.parent().next_base_fee()) else { return than.is_none() };
        choice::net(proof, price) > than.map_or(U256::ZERO, |than| choice::net(than, price))
    }
}

/// What is to be proven: one more behind those that are.
fn run(behind: Option<&Proven>, leg: Leg) -> Option<Arc<Liquidation>> {
    match behind.map(Proven::opportunity) {
        Some(Opportunity::Liquidation(run)) => run.and(leg).map(Arc::new),
        Some(Opportunity::Cycle(_)) | None => Some(Arc::new(Liquidation::of(leg))),
    }
}
