//! Who has sunk behind an event, the best liquidation of each, and as many of them in one run as pay together.
//!
//! # Invariants
//! - Each step is proven whole, in the state that the event leaves: what is added to a run is found in the state that the run
//!   so far leaves, and stays only if the whole then leaves more after gas.
//!
//! # Limits
//! - What stands behind fewer positions is kept as well: where the gas of many is above the limit, fewer are sent.
//! - [`LOOKED`] positions an event are looked at, the largest of each market in turn; the others are counted as left.
//! - Behind a run the markets' prices and cash are asked in the state before it: what it does to them is the proof's to find.

use std::sync::Arc;

use revm::state::EvmState;

use crate::hot::event::Outcome;
use crate::hot::lending::markets;
use crate::hot::lending::markets::Liquidatable;
use crate::hot::refused::Refused;
use crate::hot::simulate::Proven;
use crate::hot::state::view::Overlay;
use crate::hot::strategy::Context;
use crate::hot::strategy::liquidations::choice;
use crate::hot::strategy::liquidations::choice::Leg;
use crate::hot::strategy::liquidations::plan::Liquidation;
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

/// A run that was proven.
struct Step {
    proof: Proven,
    run: Arc<Liquidation>,
}

/// What is proven of those that have sunk, best first. `over`: a buffer.
pub(super) fn look(context: &mut Context<'_>, over: &mut Overlay<AnyPool>, outcome: &mut Outcome) -> Vec<Proven> {
    let mut liquidatable = context.markets.liquidatable(context.is_base(), markets::now(context.machine));
    outcome.left += liquidatable.len().saturating_sub(LOOKED);
    liquidatable.truncate(LOOKED);
    together(context, &liquidatable, over, outcome)
}

/// The best run of those that have sunk, best first: the best alone, and behind it whatever makes it better.
fn together(
    context: &mut Context<'_>,
    liquidatable: &[Liquidatable],
    over: &mut Overlay<AnyPool>,
    outcome: &mut Outcome,
) -> Vec<Proven> {
    let height = context.markets.height();
    // Each better than the one before it, by one leg more.
    let mut steps: Vec<Step> = Vec::new();
    apply_sale(context, over, None);
    // The one worth most is the last. What was found behind fewer legs is looked at again before it is proven: hardly ever is
    // it worth more by then.
    let mut waiting: Vec<Waiting> = Vec::new();
    liquidatable.iter().for_each(|liquidatable| find(context, *liquidatable, 0, over, (&mut waiting, outcome)));
    while let Some(Waiting { liquidatable, behind, leg }) = waiting.pop() {
        if behind < steps.len() {
            find(context, liquidatable, steps.len(), over, (&mut waiting, outcome));
            continue;
        }
        let run = match steps.last() {
            Some(behind) => behind.run.and(leg),
            None => Some(Liquidation::of(leg)),
        };
        let Some(run) = run.map(Arc::new) else { continue };
        let opportunity = run.opportunity(!context.is_base());
        match context.prove_leaving(&opportunity) {
            Ok((proof, diff)) if context.is_better(steps.last().map(|step| &step.proof), &proof) => {
                // Nobody looks at what the last one leaves.
                if !waiting.is_empty() {
                    context.markets.revert_to(height);
                    let changes = context.markets.concerns(&diff);
                    context.markets.apply_overlay(&changes, context.machine);
                    apply_sale(context, over, Some(&diff));
                }
                context.machine.take_back(diff);
                steps.push(Step { proof, run });
            }
            Ok((_, diff)) => {
                outcome.left += 1;
                context.machine.take_back(diff);
            }
            Err(reason) => outcome.reject(opportunity, reason),
        }
        if steps.len() >= TOGETHER {
            outcome.left += waiting.len();
            break;
        }
    }
    context.markets.revert_to(height);
    steps.into_iter().rev().map(|step| step.proof).collect()
}

/// The best liquidation of one that has sunk, behind so many legs, into its place among those that wait.
fn find(
    context: &Context<'_>,
    liquidatable: Liquidatable,
    behind: usize,
    over: &mut Overlay<AnyPool>,
    (waiting, outcome): (&mut Vec<Waiting>, &mut Outcome),
) {
    let view = over.over(context.pools);
    let market = context.markets.market(liquidatable.market);
    let (cycles, at) = (context.search.cycles(), markets::now(context.machine));
    let Some(leg) = market.and_then(|market| choice::best(&view, cycles, market, liquidatable.account, at)) else {
        return outcome.refused.add(Refused::NoGain);
    };
    if leg.value() < context.min_profit {
        return outcome.refused.add(Refused::BelowMinimum);
    }
    let key = |liquidatable: &Liquidatable, leg: &Leg| (leg.value(), liquidatable.market, liquidatable.account);
    let place = waiting.partition_point(|other| key(&other.liquidatable, &other.leg) < key(&liquidatable, &leg));
    waiting.insert(place, Waiting { liquidatable, behind, leg });
}

/// Lays over the pools what the pending transaction has left, and behind it what a run leaves.
fn apply_sale(context: &mut Context<'_>, over: &mut Overlay<AnyPool>, run: Option<&EvmState>) {
    over.clear();
    for (id, pool) in context.overlay.entries() {
        over.edit(context.pools, id, |now| now.clone_from(pool));
    }
    for id in &context.touched.broken {
        over.silence(context.pools, *id);
    }
    if let Some(diff) = run {
        context.touched.also(context.pools, over, diff);
    }
}
