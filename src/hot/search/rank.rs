//! Which of the cycles that passed the screen are traced, where a budget of work does not reach for all of them: those that
//! promise most.
//!
//! A chain of constant products pays `p x / (1 + k x)` for `x`, with `p` the product of its marginal rates and `k` the sum,
//! over its hops, of what one unit at the start has become there, over the hop's depth. Its best input leaves
//! `(sqrt(p) - 1)^2 / k`: the promise. A curve made of stretches keeps it as far as its first stretch goes.
//!
//! # Invariants
//! - Of the same view and cycles the same are picked: by promise in ether, then by id.
//! - With enough budget every cycle is picked, and none is looked at for that.
//!
//! # Cost
//! Nothing where all are picked; else two loads a hop of a cycle that passed, and a selection in linear time. Nothing
//! allocates once warm.

use crate::hot::search::cycles::CycleId;
use crate::hot::search::cycles::Cycles;
use crate::hot::search::screen::ScreenedCycle;
use crate::hot::state::view::View;
use crate::types::id::TokenId;

/// Picks the most promising.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    ranked: Vec<(f64, CycleId)>,
    picked: Vec<CycleId>,
    /// What a unit of each base token is worth in ether.
    worth: Vec<f64>,
}

impl Picker {
    /// Picks so many of what passed the screen, at most.
    pub fn pick<V: View>(&mut self, cycles: &Cycles, view: &V, passed: &[ScreenedCycle], most: usize) {
        self.picked.clear();
        if passed.len() <= most {
            self.picked.extend(passed.iter().map(|passed| passed.id));
            return;
        }
        self.worth.clear();
        self.worth.extend(cycles.bases().iter().map(|base| worth(cycles, view, *base)));
        self.ranked.clear();
        let worth = &self.worth;
        self.ranked.extend(passed.iter().map(|passed| (estimate(cycles, view, worth, *passed), passed.id)));
        // The greatest promise first, of equal ones the lower id.
        self.ranked.select_nth_unstable_by(most, |a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        self.picked.extend(self.ranked[..most].iter().map(|(_, id)| *id));
    }

    /// Those picked last, in no order that matters.
    #[must_use]
    pub fn picked(&self) -> &[CycleId] {
        &self.picked
    }
}

/// A cycle's best profit in ether, were its pools constant products.
fn estimate<V: View>(cycles: &Cycles, view: &V, worth: &[f64], passed: ScreenedCycle) -> f64 {
    let (rates, depths) = (view.margins().rates(), view.margins().depths());
    let hops = cycles.hops(passed.id);
    let (mut here, mut slip) = (1.0, 0.0);
    for edge in hops {
        slip += here / depths[edge.index()];
        here *= rates[edge.index()];
    }
    let start = view.tables().edge(hops[0]).token_in;
    let worth = cycles.bases().iter().position(|base| *base == start).map_or(0.0, |at| worth[at]);
    let gain = passed.product.sqrt() - 1.0;
    // Within the screen's margin below one there is nothing to gain.
    if gain < 0.0 { 0.0 } else { gain * gain / slip * worth }
}

/// Ether for a unit of a base token, by the deepest pool between them; zero without any.
fn worth<V: View>(cycles: &Cycles, view: &V, base: TokenId) -> f64 {
    let Some(ether) = cycles.bases().first().filter(|ether| **ether != base) else { return 1.0 };
    let (rates, depths) = (view.margins().rates(), view.margins().depths());
    let ways = cycles.graph().between(base, *ether).iter().map(|way| way.edge.index());
    ways.max_by(|a, b| depths[*a].total_cmp(&depths[*b])).map_or(0.0, |edge| rates[edge])
}
