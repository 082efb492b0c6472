//! First look: which cycles of the touched pools could pay at all, by the product of cached marginal rates.
//!
//! # Invariants
//! - A cycle that integer maths could make profitable is never rejected. Every curve is concave and every contract
//!   rounds against the trader, so `out <= product * in` with the true marginal rates: a profit needs a product above
//!   one. A cached rate comes of a handful of f64 operations on rounded integers, at most about 1e-13 off (measured for
//!   tick ranges; a constant product is below 1e-15 off); six of them and their product stay within 1e-12. [`MARGIN`] is
//!   a thousand times that, and still a millionth of the smallest fee in use.
//! - A cycle is looked at once, however many of its pools were touched. Nothing is capped: the counts say all.
//!
//! # Cost
//! One load a hop and one multiplication; memory is one u32 a cycle. Nothing allocates once warm.

use crate::hot::search::cycles::CycleId;
use crate::hot::search::cycles::Cycles;
use crate::hot::state::view::View;
use crate::types::id::PoolId;

/// How far below one a product of rates may lie before it rejects.
pub const MARGIN: f64 = 1e-9;

/// What the screen saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screened {
    /// Cycles looked at.
    pub looked: u64,
    /// Of these, rejected by their marginal rates.
    pub rejected: u64,
}

/// The screen's buffers.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    epoch: u32,
    seen: Vec<u32>,
    kept: Vec<CycleId>,
}

impl Screen {
    /// Looks at the cycles through `touched`, or at all when `None`. Those left are in [`Screen::kept`], in the order of
    /// the touched pools and then of their ids.
    pub fn run<V: View>(&mut self, cycles: &Cycles, view: &V, touched: Option<&[PoolId]>) -> Screened {
        self.kept.clear();
        let mut counts = Screened::default();
        let Some(touched) = touched else {
            for id in cycles.ids() {
                self.look(cycles, view, id, &mut counts);
            }
            return counts;
        };
        self.next_epoch(cycles.len());
        for id in touched.iter().flat_map(|pool| cycles.through(*pool)) {
            if self.seen[id.index()] != self.epoch {
                self.seen[id.index()] = self.epoch;
                self.look(cycles, view, *id, &mut counts);
            }
        }
        counts
    }

    fn look<V: View>(&mut self, cycles: &Cycles, view: &V, id: CycleId, counts: &mut Screened) {
        let product: f64 = cycles.hops(id).iter().map(|edge| view.rate(*edge)).product();
        counts.looked += 1;
        // Written so that a rate that is not a number is sized, which is exact, rather than rejected.
        if product < 1.0 - MARGIN {
            counts.rejected += 1;
        } else {
            self.kept.push(id);
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
    pub fn kept(&self) -> &[CycleId] {
        &self.kept
    }
}
