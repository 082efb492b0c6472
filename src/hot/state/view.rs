//! The pools as a search sees them: as they stand, or as they would stand after a transaction that has not happened.
//!
//! # Invariants
//! - An [`Overlay`] belongs to one [`Pools`]; whoever lays it over another table gets nonsense, not unsafety.
//! - What was touched before [`Overlay::clear`] is never seen after it.
//!
//! # Cost
//! Touching costs one `clone_from` of the pool and its rates; clearing costs O(1) (an epoch moves on). Nothing else
//! allocates once warm; the sparse index grows with the table, by the first touch after the table grew.

use crate::hot::state::pools::EdgeId;
use crate::hot::state::pools::Pools;
use crate::protocols::amm::Amm;
use crate::types::id::PoolId;

/// Pools to search in.
pub trait View {
    /// What a pool is.
    type Pool: Amm;

    /// The tables underneath: ids, edges, tokens.
    fn tables(&self) -> &Pools<Self::Pool>;

    /// The pool as this view has it.
    fn pool(&self, id: PoolId) -> &Self::Pool;

    /// The marginal rate as this view has it. May only reject.
    fn rate(&self, id: EdgeId) -> f64;
}

impl<P: Amm> View for Pools<P> {
    type Pool = P;

    fn tables(&self) -> &Self {
        self
    }

    fn pool(&self, id: PoolId) -> &P {
        Self::pool(self, id)
    }

    fn rate(&self, id: EdgeId) -> f64 {
        Self::rate(self, id)
    }
}

/// Where an entry of the overlay lies, and in which epoch it was written there.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    epoch: u32,
    at: u32,
}

/// A few replaced pools. Buffers only: [`Overlay::over`] makes it a [`View`].
#[derive(Clone, Debug)]
pub struct Overlay<P> {
    epoch: u32,
    /// By pool.
    marks: Vec<Mark>,
    touched: Vec<PoolId>,
    /// The first `touched.len()` are of this epoch; the rest are kept for their buffers.
    pools: Vec<P>,
    /// By edge.
    rate_marks: Vec<Mark>,
    rates: Vec<f64>,
}

impl<P> Default for Overlay<P> {
    fn default() -> Self {
        Self {
            // A fresh mark has epoch 0 and must not count.
            epoch: 1,
            marks: Vec::new(),
            touched: Vec::new(),
            pools: Vec::new(),
            rate_marks: Vec::new(),
            rates: Vec::new(),
        }
    }
}

impl<P: Amm + Clone> Overlay<P> {
    /// Changes a pool in the overlay alone. The first touch of an epoch copies it from `base`.
    pub fn edit<R>(&mut self, base: &Pools<P>, id: PoolId, change: impl FnOnce(&mut P) -> R) -> R {
        let at = self.slot(base, id);
        let pool = &mut self.pools[at];
        let answer = change(pool);
        let out = base.is_quarantined(id);
        for edge in base.edges_of(id) {
            let rate = if out { 0.0 } else { pool.marginal_rate(base.edge(edge).leg) };
            self.rates[self.rate_marks[edge.index()].at as usize] = rate;
        }
        answer
    }

    /// Keeps a pool out of every search of this epoch: all its rates are zero.
    pub fn silence(&mut self, base: &Pools<P>, id: PoolId) {
        self.slot(base, id);
        for edge in base.edges_of(id) {
            self.rates[self.rate_marks[edge.index()].at as usize] = 0.0;
        }
    }

    fn slot(&mut self, base: &Pools<P>, id: PoolId) -> usize {
        if self.marks.len() < base.len() {
            self.marks.resize(base.len(), Mark::default());
            self.rate_marks.resize(base.edge_count(), Mark::default());
        }
        let mark = self.marks[id.index()];
        if mark.epoch == self.epoch {
            return mark.at as usize;
        }
        let at = self.touched.len();
        match self.pools.get_mut(at) {
            Some(kept) => kept.clone_from(base.pool(id)),
            None => self.pools.push(base.pool(id).clone()),
        }
        self.touched.push(id);
        // Both casts are of lengths below the number of pools and edges, which are u32.
        self.marks[id.index()] = Mark { epoch: self.epoch, at: at as u32 };
        for edge in base.edges_of(id) {
            self.rate_marks[edge.index()] = Mark { epoch: self.epoch, at: self.rates.len() as u32 };
            self.rates.push(base.rate(edge));
        }
        at
    }
}

impl<P> Overlay<P> {
    /// Forgets what was touched.
    pub fn clear(&mut self) {
        self.touched.clear();
        self.rates.clear();
        let Some(next) = self.epoch.checked_add(1) else {
            // Once in four billion clears: old marks could be taken for new ones.
            self.marks.fill(Mark::default());
            self.rate_marks.fill(Mark::default());
            self.epoch = 1;
            return;
        };
        self.epoch = next;
    }

    /// Pools touched since the last clear, in the order of their first touch.
    #[must_use]
    pub fn touched(&self) -> &[PoolId] {
        &self.touched
    }

    /// What was touched, in its new state, in the order of the first touch.
    pub fn entries(&self) -> impl Iterator<Item = (PoolId, &P)> {
        // Kept buffers of other epochs lie behind the first `touched.len()`.
        self.touched.iter().copied().zip(&self.pools)
    }

    /// Lays the overlay over its table.
    #[must_use]
    pub const fn over<'a>(&'a self, base: &'a Pools<P>) -> Overlaid<'a, P> {
        Overlaid { base, over: self }
    }
}

/// A table with an overlay on top.
#[derive(Debug)]
pub struct Overlaid<'a, P> {
    base: &'a Pools<P>,
    over: &'a Overlay<P>,
}

impl<P: Amm> View for Overlaid<'_, P> {
    type Pool = P;

    fn tables(&self) -> &Pools<P> {
        self.base
    }

    fn pool(&self, id: PoolId) -> &P {
        match self.over.marks.get(id.index()) {
            Some(mark) if mark.epoch == self.over.epoch => &self.over.pools[mark.at as usize],
            _ => self.base.pool(id),
        }
    }

    fn rate(&self, id: EdgeId) -> f64 {
        match self.over.rate_marks.get(id.index()) {
            Some(mark) if mark.epoch == self.over.epoch => self.over.rates[mark.at as usize],
            _ => self.base.rate(id),
        }
    }
}
