//! From touched pools to candidates: screen by rates, trace curves, and give the best first, sized exactly, one at a time.
//!
//! # Invariants
//! - What comes out depends on the view and the touched set alone, in one order: value in ether, best first, those of
//!   unknown value last, then by id. How many are asked for changes nothing but how many are sized.
//! - Nothing is left out unsaid: every cycle of the touched pools is in one of the [`Counts`].
//! - A [`Budget`] bounds the worst case in units of work, not of time: the engine has no clock, and a replay on another
//!   machine must leave out the same cycles. What it sizes, it sizes most promising first.
//!
//! # Cost
//! See `screen`, `rank` and `sizing`. Nothing allocates once warm.

pub mod candidate;
pub mod config;
pub mod cycles;
pub mod frontier;
pub mod graph;
pub mod rank;
pub mod screen;
pub mod sizing;
pub mod value;

pub use candidate::Candidate;

use alloy_primitives::U256;

use crate::hot::search::cycles::CycleId;
use crate::hot::search::cycles::Cycles;
use crate::hot::search::frontier::Frontier;
use crate::hot::search::frontier::Next;
use crate::hot::search::rank::Picker;
use crate::hot::search::screen::Screen;
use crate::hot::search::screen::Screened;
use crate::hot::search::sizing::Effort;
use crate::hot::search::sizing::Sizer;
use crate::hot::search::sizing::path::Path;
use crate::hot::search::value::Bound;
use crate::hot::state::pools::Pools;
use crate::hot::state::view::View;
use crate::protocols::amm::Amm;
use crate::protocols::flash::Funding;
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
    /// Walks of cycles while they are sized: each exact one, and one more for each curve. Curves of cycles that wait take half
    /// of them at most. The last cycle begun is finished, and one is sized whatever it takes.
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
    /// No input pays, by their curve or by exact walks.
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
    picker: Picker,
    frontier: Frontier,
    sizer: Sizer,
    effort: Effort,
    budget: Budget,
    counts: Counts,
    /// Spent of the budget.
    walks: u64,
}

impl Search {
    /// A search over no pools yet. `bases` are the tokens cycles may start from, highest priority first; the first is
    /// wrapped ether.
    #[must_use]
    pub fn new(bases: &[TokenId], max_hops: usize, effort: Effort) -> Self {
        Self {
            cycles: Cycles::new(bases, max_hops),
            screen: Screen::default(),
            picker: Picker::default(),
            frontier: Frontier::default(),
            sizer: Sizer::default(),
            effort,
            budget: Budget::NONE,
            counts: Counts::default(),
            walks: 0,
        }
    }

    /// Cycles of the pools that are added from now on may begin out of these where no pool lends, of each with no more than its most.
    #[must_use]
    pub fn funded(mut self, fundings: &[(TokenId, Funding)]) -> Self {
        self.cycles.fund(fundings);
        self
    }

    /// No search is more work than this from now on.
    #[must_use]
    pub const fn within(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Takes in the pools added to the table since the last call. Cold: allocates.
    pub fn extend<P: Amm>(&mut self, pools: &Pools<P>) {
        self.cycles.extend(pools);
    }

    /// The table of cycles.
    #[must_use]
    pub const fn cycles(&self) -> &Cycles {
        &self.cycles
    }

    /// Appends what pays among the cycles through `touched`, or among all when `None`: every one, best first.
    pub fn candidates<V: View>(&mut self, view: &V, touched: Option<&[PoolId]>, out: &mut Vec<Candidate>) -> Counts {
        self.candidates_while(view, touched, out, &|| true)
    }

    /// As [`Search::candidates`], as long as `go_on` says.
    pub fn candidates_while<V: View>(
        &mut self,
        view: &V,
        touched: Option<&[PoolId]>,
        out: &mut Vec<Candidate>,
        go_on: &dyn Fn() -> bool,
    ) -> Counts {
        self.begin(view, touched, go_on);
        while let Some(candidate) = self.next(view, None, go_on) {
            out.push(candidate);
        }
        self.counts
    }

    /// Screens the cycles through `touched`, or all when `None`, and traces the curves of those that pass, as long as `go_on`
    /// says: asked at every batch of the screen and before every curve. What was left of the last search is forgotten.
    pub fn begin<V: View>(&mut self, view: &V, touched: Option<&[PoolId]>, go_on: &dyn Fn() -> bool) {
        let screened = self.screen.run(&self.cycles, view, touched, self.budget.cycles, go_on);
        self.counts = Counts { screened, ..Counts::default() };
        self.frontier.clear();
        self.walks = 0;
        // Half of the budget, and one at least: the rest is for what the curves promise.
        let most = usize::try_from(self.budget.walks.div_ceil(2)).unwrap_or(usize::MAX);
        self.picker.pick(&self.cycles, view, self.screen.passed(), most);
        for at in 0..self.picker.picked().len() {
            self.counts.stopped = !go_on();
            if self.counts.stopped {
                break;
            }
            self.trace(view, self.picker.picked()[at]);
            self.walks += 1;
        }
        self.counts.left = self.screen.passed().len() as u64 - self.walks;
    }

    /// The best of what the last [`Search::begin`] found and is still left, if it is worth more than `floor`; without a floor
    /// whatever it is worth. `view` is the one that it began with. Sizes what could be better, as long as `go_on` says.
    pub fn next<V: View>(&mut self, view: &V, floor: Option<U256>, go_on: &dyn Fn() -> bool) -> Option<Candidate> {
        loop {
            if !go_on() {
                self.counts.stopped = true;
                self.counts.left += self.frontier.give_up() as u64;
                return None;
            }
            let id = match self.frontier.take(floor)? {
                Next::Best(at) => return self.frontier.sized(at).copied(),
                Next::Open(id) => id,
            };
            if self.counts.evaluations > 0 && self.walks >= self.budget.walks {
                self.counts.left += 1 + self.frontier.give_up() as u64;
                continue;
            }
            if let Some(candidate) = self.size(view, id) {
                self.frontier.put(id, candidate);
            }
            self.walks += u64::from(self.sizer.evaluations()) + 1;
        }
    }

    /// What became of the cycles of this search so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What can still be asked for: candidates, and cycles that could become some.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.frontier.len()
    }

    /// Bounds what a cycle can be worth.
    fn trace<V: View>(&mut self, view: &V, id: CycleId) {
        let edges = self.cycles.hops(id);
        let most = Path::of(view, edges).and_then(|path| self.sizer.most(&path));
        let Some(most) = most else {
            self.counts.flat += 1;
            return;
        };
        let start = view.tables().edge(edges[0]).token_in;
        // Without a bound, or with one of which nothing can be said: it is sized at once.
        let bound = if most == u128::MAX { Bound::Open } else { value::bound(&self.cycles, view, start, most) };
        self.frontier.wait(id, bound);
    }

    fn size<V: View>(&mut self, view: &V, id: CycleId) -> Option<Candidate> {
        let edges = self.cycles.hops(id);
        let best = Path::of(view, edges).and_then(|path| {
            let is_on = |at| path.hops().iter().any(|(pool, _)| pool.key().contract == at);
            let is_lent = path.hops().iter().any(|(pool, _)| pool.execution().lends());
            let start = view.tables().edge(edges[0]).token_in;
            let most = if is_lent { u128::MAX } else { self.cycles.most(start, is_on) };
            self.sizer.best_within(&path, self.effort, most)
        });
        let counts = &mut self.counts;
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
