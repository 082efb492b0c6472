//! From touched pools to candidates: screen by rates, size exactly, value in ether, rank.
//!
//! # Invariants
//! - What comes out depends on the view and the touched set alone, in one order: value in ether, best first, those of
//!   unknown value last, then by path.
//! - Nothing is left out unsaid: every cycle looked at is in one of the [`Counts`].
//!
//! # Cost
//! See `screen` and `sizing`. Nothing allocates once warm.

pub mod candidate;
pub mod config;
pub mod cycles;
pub mod graph;
pub mod screen;
pub mod sizing;
pub mod value;

pub use candidate::Candidate;

use std::cmp::Reverse;

use crate::hot::search::cycles::Cycles;
use crate::hot::search::screen::Screen;
use crate::hot::search::screen::Screened;
use crate::hot::search::sizing::Effort;
use crate::hot::search::sizing::Sizer;
use crate::hot::search::sizing::path::Path;
use crate::hot::state::pools::Pools;
use crate::hot::state::view::View;
use crate::types::id::PoolId;
use crate::types::id::TokenId;

/// Longest cycle: the executor's longest path.
pub use crate::protocols::executor::MAX_HOPS;

/// Longest cycle unless configured.
pub const DEFAULT_HOPS: usize = 4;

/// What became of the cycles of one search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Looked at, and rejected by rates.
    pub screened: Screened,
    /// Sized, without an input that pays.
    pub flat: u64,
    /// Became candidates.
    pub candidates: u64,
    /// Of the candidates, those within a unit of the best input, proven.
    pub proven: u64,
    /// Of the candidates, those whose budget of exact walks ended first.
    pub out_of_budget: u64,
    /// Exact walks made.
    pub evaluations: u64,
}

/// Finds candidates. One a thread.
#[derive(Debug)]
pub struct Search {
    cycles: Cycles,
    screen: Screen,
    sizer: Sizer,
    effort: Effort,
}

impl Search {
    /// A search over no pools yet. `bases` are the tokens cycles may start from, highest priority first; the first is
    /// wrapped ether.
    #[must_use]
    pub fn new(bases: &[TokenId], max_hops: usize, effort: Effort) -> Self {
        Self { cycles: Cycles::new(bases, max_hops), screen: Screen::default(), sizer: Sizer::default(), effort }
    }

    /// Takes in the pools added to the table since the last call. Cold: allocates.
    pub fn extend<P>(&mut self, pools: &Pools<P>) {
        self.cycles.extend(pools);
    }

    /// The table of cycles.
    #[must_use]
    pub const fn cycles(&self) -> &Cycles {
        &self.cycles
    }

    /// Appends what pays among the cycles through `touched`, or among all when `None`, and sorts what it appended.
    pub fn candidates<V: View>(&mut self, view: &V, touched: Option<&[PoolId]>, out: &mut Vec<Candidate>) -> Counts {
        let mut counts = Counts { screened: self.screen.run(&self.cycles, view, touched), ..Counts::default() };
        let from = out.len();
        for id in self.screen.kept() {
            let edges = self.cycles.hops(*id);
            let Some(path) = Path::of(view, edges) else { continue };
            let best = self.sizer.best(&path, self.effort);
            counts.evaluations += u64::from(self.sizer.evaluations());
            let candidate = best.and_then(|best| {
                let hops = edges.iter().map(|id| view.tables().edge(*id));
                let start = hops.clone().next()?.token_in;
                Candidate::new(hops, best, value::in_ether(&self.cycles, view, start, best.profit()))
            });
            let Some(candidate) = candidate else {
                counts.flat += 1;
                continue;
            };
            counts.candidates += 1;
            counts.proven += u64::from(candidate.best().proven());
            let spent = !candidate.best().proven() && candidate.best().evaluations() >= self.effort.evaluations;
            counts.out_of_budget += u64::from(spent);
            out.push(candidate);
        }
        // `None` sorts below any value, so that it comes last here.
        out[from..].sort_unstable_by(|a, b| (Reverse(a.value()), a.hops()).cmp(&(Reverse(b.value()), b.hops())));
        counts
    }
}
