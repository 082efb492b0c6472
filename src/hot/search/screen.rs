//! First look: which cycles of the touched pools could pay at all, by the product of cached marginal rates.
//!
//! # Invariants
//! - A cycle that integer maths could make profitable is never rejected. Every curve is concave and every contract
//!   rounds against the trader, so `out <= product * in` with the true marginal rates: a profit needs a product above
//!   one. A cached rate comes of a handful of f64 operations on rounded integers, at most about 1e-13 off (measured for
//!   tick ranges; a constant product is below 1e-15 off); six of them and their product stay within 1e-12. [`MARGIN`] is
//!   a thousand times that, and still a millionth of the smallest fee in use. A row's filling multiplies by one.
//! - A cycle is looked at once, however many of its pools were touched. Nothing is left out unsaid: the counts say all.
//!
//! # Cost
//! One load a hop and one multiplication, eight cycles abreast: their chains of multiplications do not wait for each
//! other. Memory is one u32 a cycle. Nothing allocates once warm.

use crate::hot::search::cycles::CycleId;
use crate::hot::search::cycles::Cycles;
use crate::hot::state::pools::EdgeId;
use crate::hot::state::view::View;
use crate::types::id::PoolId;

/// How far below one a product of rates may lie before it rejects.
pub const MARGIN: f64 = 1e-9;

/// Cycles that are multiplied abreast.
const LANES: usize = 8;

/// Cycles between two questions whether to go on.
const BATCH: usize = 4096;

/// What the screen saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screened {
    /// Cycles looked at.
    pub looked: u64,
    /// Of these, rejected by their marginal rates.
    pub rejected: u64,
    /// Cycles not looked at, for want of budget or because the search was stopped.
    pub left: u64,
}

/// A cycle that passed.
#[derive(Clone, Copy, Debug)]
pub struct ScreenedCycle {
    /// Which.
    pub id: CycleId,
    /// The product of its marginal rates.
    pub product: f64,
}

/// The screen's buffers.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    epoch: u32,
    seen: Vec<u32>,
    ids: Vec<CycleId>,
    passed: Vec<ScreenedCycle>,
}

impl Screen {
    /// Looks at the cycles through `touched`, or at all when `None`, but at no more than `budget`, and goes on as long as
    /// `go_on` says. Those left over are in [`Screen::passed`], in the order of the touched pools and then of their ids.
    pub fn run<V: View>(
        &mut self,
        cycles: &Cycles,
        view: &V,
        touched: Option<&[PoolId]>,
        budget: u64,
        go_on: &dyn Fn() -> bool,
    ) -> Screened {
        self.passed.clear();
        let rates = view.margins().rates();
        let look = Look { cycles, rates, budget: usize::try_from(budget).unwrap_or(usize::MAX), go_on };
        match touched {
            Some([pool]) => look.at(cycles.through(*pool), &mut self.passed),
            Some(pools) => {
                self.gather(cycles, pools);
                look.at(&self.ids, &mut self.passed)
            }
            None => {
                self.ids.clear();
                self.ids.extend(cycles.ids());
                look.at(&self.ids, &mut self.passed)
            }
        }
    }

    /// The cycles through several pools, each once.
    fn gather(&mut self, cycles: &Cycles, pools: &[PoolId]) {
        self.next_epoch(cycles.len());
        self.ids.clear();
        for id in pools.iter().flat_map(|pool| cycles.through(*pool)) {
            if std::mem::replace(&mut self.seen[id.index()], self.epoch) != self.epoch {
                self.ids.push(*id);
            }
        }
    }

    fn next_epoch(&mut self, cycles: usize) {
        self.seen.resize(cycles.max(self.seen.len()), 0);
        self.epoch = self.epoch.checked_add(1).unwrap_or_else(|| {
            self.seen.fill(0);
            1
        });
    }

    /// Cycles that passed the last run.
    #[must_use]
    pub fn passed(&self) -> &[ScreenedCycle] {
        &self.passed
    }
}

/// One look.
struct Look<'a> {
    cycles: &'a Cycles,
    rates: &'a [f64],
    budget: usize,
    go_on: &'a dyn Fn() -> bool,
}

impl Look<'_> {
    fn at(&self, ids: &[CycleId], passed: &mut Vec<ScreenedCycle>) -> Screened {
        let within = &ids[..ids.len().min(self.budget)];
        let mut looked = 0;
        for batch in within.chunks(BATCH) {
            if !(self.go_on)() {
                break;
            }
            match self.cycles.max_hops() {
                2 => self.batch::<2>(batch, passed),
                3 => self.batch::<3>(batch, passed),
                4 => self.batch::<4>(batch, passed),
                5 => self.batch::<5>(batch, passed),
                _ => self.batch::<6>(batch, passed),
            }
            looked += batch.len();
        }
        Screened { looked: looked as u64, rejected: (looked - passed.len()) as u64, left: (ids.len() - looked) as u64 }
    }

    /// Looks at cycles that lie in rows of `N`.
    fn batch<const N: usize>(&self, ids: &[CycleId], passed: &mut Vec<ScreenedCycle>) {
        let rows = self.cycles.rows::<N>();
        let (abreast, rest) = ids.as_chunks::<LANES>();
        for ids in abreast {
            let rows = ids.map(|id| rows[id.index()]);
            let mut products = [1.0; LANES];
            for hop in 0..N {
                for (product, row) in products.iter_mut().zip(&rows) {
                    *product *= self.rates[row[hop].index()];
                }
            }
            // Nearly all are rejected, mostly all of the eight.
            if !products.iter().all(|product| rejects(*product)) {
                ids.iter().zip(products).for_each(|(id, product)| keep(passed, *id, product));
            }
        }
        for id in rest {
            keep(passed, *id, self.product(&rows[id.index()]));
        }
    }

    fn product(&self, row: &[EdgeId]) -> f64 {
        row.iter().fold(1.0, |product, edge| product * self.rates[edge.index()])
    }
}

/// Not so for what is not a number: that is sized, which is exact.
fn rejects(product: f64) -> bool {
    product < 1.0 - MARGIN
}

fn keep(passed: &mut Vec<ScreenedCycle>, id: CycleId, product: f64) {
    if !rejects(product) {
        passed.push(ScreenedCycle { id, product });
    }
}
