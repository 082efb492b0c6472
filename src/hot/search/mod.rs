//! From touched pools to candidates: screen by rates, size exactly, value in ether, rank.
//!
//! # Invariants
//! - What comes out depends on the view and the touched set alone, in one order: value in ether, best first, those of
//!   unknown value last, then by path.
//! - Nothing is left out unsaid: every cycle of the touched pools is in one of the [`Counts`].
//! - A [`Budget`] bounds the worst case in units of work, not of time: the engine has no clock, and a replay on another
//!   machine must leave out the same cycles. What it sizes, it sizes most promising first.
//!
//! # Cost
//! See `screen`, `rank` and `sizing`. Nothing allocates once warm.

pub mod candidate;
pub mod config;
pub mod cycles;
pub mod graph;
pub mod rank;
pub mod screen;
pub mod sizing;
pub mod value;

pub use candidate::Candidate;

use std::cmp::Reverse;

use crate::hot::search::cycles::CycleId;
use crate::hot::search::cycles::Cycles;
use crate::hot::search::rank::Queue;
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

/// How much work one search may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Cycles screened.
    pub cycles: u64,
    /// Walks of cycles while they are sized: each exact one, and one more a cycle for its curve. The last cycle begun is
    /// finished.
    pub walks: u64,
}

impl Budget {
    /// No bound: for a search that is not in a hurry.
    pub const NONE: Self = Self { cycles: u64::MAX, walks: u64::MAX };
}

/// What became of the cycles of one search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Looked at, and rejected by rates.
    pub screened: Screened,
    /// Passed the screen, and were not sized: the budget of walks was spent on more promising ones.
    pub left: u64,
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
    /// The search was told to stop: what it has found is not all there is, nor the best of it.
    pub stopped: bool,
}

/// Finds candidates. One a thread.
#[derive(Debug)]
pub struct Search {
    cycles: Cycles,
    screen: Screen,
    queue: Queue,
    sizer: Sizer,
    effort: Effort,
    budget: Budget,
}

impl Search {
    /// A search over no pools yet. `bases` are the tokens cycles may start from, highest priority first; the first is
    /// wrapped ether.
    #[must_use]
    pub fn new(bases: &[TokenId], max_hops: usize, effort: Effort) -> Self {
        Self {
            cycles: Cycles::new(bases, max_hops),
            screen: Screen::default(),
            queue: Queue::default(),
            sizer: Sizer::default(),
            effort,
            budget: Budget::NONE,
        }
    }

    /// No search is more work than this from now on.
    #[must_use]
    pub const fn within(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
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
        self.candidates_while(view, touched, out, &|| true)
    }

    /// As [`Search::candidates`], as long as `go_on` says: asked at every batch of the screen and before every cycle that
    /// is sized.
    pub fn candidates_while<V: View>(
        &mut self,
        view: &V,
        touched: Option<&[PoolId]>,
        out: &mut Vec<Candidate>,
        go_on: &dyn Fn() -> bool,
    ) -> Counts {
        let screened = self.screen.run(&self.cycles, view, touched, self.budget.cycles, go_on);
        let mut counts = Counts { screened, ..Counts::default() };
        self.queue.fill(&self.cycles, view, self.screen.kept());
        let (from, mut walks) = (out.len(), 0);
        while walks < self.budget.walks && go_on() {
            let Some(id) = self.queue.pop() else { break };
            out.extend(self.size(view, id, &mut counts));
            walks += u64::from(self.sizer.evaluations()) + 1;
        }
        counts.left = self.queue.len() as u64;
        counts.stopped = !go_on();
        // `None` sorts below any value, so that it comes last here.
        out[from..].sort_unstable_by(|a, b| (Reverse(a.value()), a.hops()).cmp(&(Reverse(b.value()), b.hops())));
        counts
    }

    fn size<V: View>(&mut self, view: &V, id: CycleId, counts: &mut Counts) -> Option<Candidate> {
        let edges = self.cycles.hops(id);
        let best = Path::of(view, edges).and_then(|path| self.sizer.best(&path, self.effort));
        counts.evaluations += u64::from(self.sizer.evaluations());
        let candidate = best.and_then(|best| {
            let hops = edges.iter().map(|id| view.tables().edge(*id));
            let start = hops.clone().next()?.token_in;
            Candidate::new(hops, best, value::in_ether(&self.cycles, view, start, best.profit()))
        });
        let Some(found) = &candidate else {
            counts.flat += 1;
            return None;
        };
        counts.candidates += 1;
        counts.proven += u64::from(found.best().proven());
        let spent = !found.best().proven() && found.best().evaluations() >= self.effort.evaluations;
        counts.out_of_budget += u64::from(spent);
        candidate
    }
}
