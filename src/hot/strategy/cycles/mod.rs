//! Cycles: through pools and back to the token that went in, behind a pending transaction or in the state as it is. The search's best,
//! one at a time, each judged by the EVM, until none that is left could be better.

use alloy_primitives::U256;

use crate::hot::event::Outcome;
use crate::hot::opportunity::Gain;
use crate::hot::opportunity::Opportunity;
use crate::hot::opportunity::Profile;
use crate::hot::opportunity::Swaps;
use crate::hot::refused::Refused;
use crate::hot::refused::Tally;
use crate::hot::search::Candidate;
use crate::hot::search::Counts;
use crate::hot::simulate::Proven;
use crate::hot::strategy::Context;
use crate::hot::strategy::On;
use crate::hot::strategy::Strategy;
use crate::metrics::span::Span;
use crate::types::amount::Wei;

/// A path of pools alone: what it gains is what its first hop spends, and is not said again.
pub static PROFILE: Profile =
    Profile { base: "atomic_arb", behind: "backrun", counts_hops: true, wrote: |path| path.token.is_none() };

/// Cycles.
#[derive(Debug, Default)]
pub struct Cycles {
    /// Found by maths, and so worth more than all that is left there: the best last. A buffer, used again.
    found: Vec<Opportunity>,
}

impl Strategy for Cycles {
    fn is_concerned(&self, context: &Context<'_>) -> bool {
        context.is_base() || !context.touched.moved.is_empty()
    }

    /// Screens, sizes and proves: behind the pending transaction, or in the base state.
    fn look(&mut self, context: &mut Context<'_>, outcome: &mut Outcome) {
        let mut span = Span::start();
        self.begin(context);
        outcome.spent.search += span.lap();
        // What is left of the best proof after gas: a candidate that is worth no more before gas is not better. Nor is what is
        // worth less than is due looked at.
        let below = context.min_profit.0.saturating_sub(U256::from(1));
        let (mut best, mut proofs) = (below, 0);
        while proofs < context.proofs {
            let found = self.next(context, Some(best).filter(|best| !best.is_zero()));
            outcome.spent.search += span.lap();
            let Some(opportunity) = found else { break };
            match judge(context, &opportunity) {
                Ok(proven) => {
                    best = context.price.map_or(best, |price| best.max(proven.net(price)));
                    outcome.proven.push(proven);
                    proofs += 1;
                }
                Err(reason) => outcome.reject(opportunity, reason),
            }
            outcome.spent.simulate += span.lap();
        }
        count(&mut outcome.refused, context.search.counts());
        match context.search.waiting() + self.found.len() {
            waiting if best == below && !best.is_zero() && proofs < context.proofs => {
                outcome.refused.add_many(Refused::BelowMinimum, waiting as u64);
            }
            waiting => outcome.left += waiting,
        }
        outcome.cancelled = context.search.counts().stopped || !(context.go_on)();
        outcome.spent.simulate += span.lap();
    }

    fn foresee(&mut self, context: &mut Context<'_>) {
        let Some(forecaster) = context.forecaster.as_deref_mut() else { return };
        let (view, moved) = forecaster.over(context.pools);
        context.search.begin(&view, Some(moved), context.go_on);
        // As many as are looked at: none of unknown value, nor less worth than is due.
        let floor = Some(context.min_profit.0.saturating_sub(U256::from(1)));
        let mut found = 0;
        while found < context.proofs
            && let Some(candidate) = context.search.next(&view, floor, context.go_on)
        {
            context.foreseen.extend(opportunity(&candidate, true));
            found += 1;
        }
    }
}

impl Cycles {
    /// Starts a search behind the pending transaction, or in the base state; what maths has found there comes first.
    fn begin(&mut self, context: &mut Context<'_>) {
        self.found.clear();
        match context.on {
            On::Base => context.search.begin(context.pools, None, context.go_on),
            On::Behind => {
                let view = context.overlay.over(context.pools);
                context.search.begin(&view, Some(&context.touched.moved), context.go_on);
            }
            On::Foreseen => {
                let ours = context.foreseen.iter().rev().filter(|found| std::ptr::eq(found.profile(), &PROFILE));
                self.found.extend(ours.cloned());
            }
        }
    }

    /// The next best of that search.
    fn next(&mut self, context: &mut Context<'_>, floor: Option<U256>) -> Option<Opportunity> {
        if let Some(found) = self.found.last() {
            let is_worth_it = found.value().map(|value| value.0) > floor || floor.is_none();
            return if is_worth_it && (context.go_on)() { self.found.pop() } else { None };
        }
        let candidate = match context.on {
            On::Base => context.search.next(context.pools, floor, context.go_on),
            On::Behind | On::Foreseen => {
                context.search.next(&context.overlay.over(context.pools), floor, context.go_on)
            }
        };
        opportunity(&candidate?, !context.is_base())
    }
}

fn judge(context: &mut Context<'_>, opportunity: &Opportunity) -> Result<Proven, Refused> {
    // A gain that the pools cannot value passes the default minimum of one wei, and no higher one.
    let value = opportunity.value().unwrap_or(Wei(U256::from(1)));
    if value < context.min_profit {
        return Err(Refused::BelowMinimum);
    }
    context.prove(opportunity)
}

/// A candidate as later stages read it. `behind`: found behind a pending transaction.
#[must_use]
pub fn opportunity(candidate: &Candidate, behind: bool) -> Option<Opportunity> {
    let swaps = Swaps::new(candidate.hops(), candidate.amounts())?;
    let gain = Gain { token: candidate.start(), gross: candidate.gross(), value: candidate.value() };
    Some(Opportunity::of_swaps(&PROFILE, behind, gain, swaps))
}

/// What became of cycles that are no candidates.
const fn count(refused: &mut Tally, counts: &Counts) {
    refused.add_many(Refused::Unscreened, counts.screened.left);
    refused.add_many(Refused::Screened, counts.screened.rejected);
    refused.add_many(Refused::Unsized, counts.left);
    refused.add_many(Refused::NoGain, counts.flat);
}
