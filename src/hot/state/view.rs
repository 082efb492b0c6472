//! The pools as a search sees them: as they stand, or as they would stand after a transaction that has not happened.
//!
//! # Invariants
//! - An [`Overlay`] belongs to one [`Pools`]; laid over another table it gives nonsense, not unsafety.
//! - What was touched before [`Overlay::clear`] is never seen after it.
//!
//! # Cost
//! An overlay keeps margins of its own for the whole table, so that a screen reads one flat array whatever lies over what.
//! They follow the table by the pools that changed: laying it over costs a copy of those pools' margins, of 32 bytes for a
//! pool of two. Touching costs one `clone_from` of the pool and its margins; clearing is O(1) (an epoch moves on). Nothing
//! else allocates once warm; the index and the margins grow with the table, by the first touch after the table grew.

use crate::hot::state::margins::Margins;
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

    /// What edges pay at the margin, as this view has it. May only reject and steer.
    fn margins(&self) -> &Margins;

    /// One edge's marginal rate.
    fn rate(&self, id: EdgeId) -> f64 {
        self.margins().rates()[id.index()]
    }
}

impl<P: Amm> View for Pools<P> {
    type Pool = P;

    fn tables(&self) -> &Self {
        self
    }

    fn pool(&self, id: PoolId) -> &P {
        Self::pool(self, id)
    }

    fn margins(&self) -> &Margins {
        Self::margins(self)
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
    /// The table's, those touched excepted.
    margins: Margins,
    /// The table's version that `margins` follow.
    version: u64,
    /// Touched in the last epoch: their margins are to be taken from the table again.
    stale: Vec<PoolId>,
}

impl<P> Default for Overlay<P> {
    fn default() -> Self {
        Self {
            // A fresh mark has epoch 0 and must not count.
            epoch: 1,
            marks: Vec::new(),
            touched: Vec::new(),
            pools: Vec::new(),
            margins: Margins::default(),
            version: 0,
            stale: Vec::new(),
        }
    }
}

impl<P: Amm + Clone> Overlay<P> {
    /// Changes a pool in the overlay alone. The first touch of an epoch copies it from `base`.
    pub fn edit<R>(&mut self, base: &Pools<P>, id: PoolId, change: impl FnOnce(&mut P) -> R) -> R {
        let at = self.slot(base, id);
        let pool = &mut self.pools[at];
        let answer = change(pool);
        if base.is_quarantined(id) {
            self.margins.silence(base.edge_range(id));
            return answer;
        }
        for edge in base.edges_of(id) {
            self.margins.set(edge.index(), pool, base.edge(edge).leg);
        }
        answer
    }

    /// Keeps a pool out of every search of this epoch: its margins are zero.
    pub fn silence(&mut self, base: &Pools<P>, id: PoolId) {
        self.slot(base, id);
        self.margins.silence(base.edge_range(id));
    }

    fn slot(&mut self, base: &Pools<P>, id: PoolId) -> usize {
        self.follow(base);
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
        // So that it is this that allocates, and not the clearing of a table that is warm by then.
        self.stale.reserve(self.touched.len());
        // The cast is of a length below the number of pools, which is a u32.
        self.marks[id.index()] = Mark { epoch: self.epoch, at: at as u32 };
        at
    }
}

impl<P> Overlay<P> {
    /// Takes over what has changed in the table.
    fn follow(&mut self, base: &Pools<P>) {
        if self.marks.len() < base.len() {
            self.marks.resize(base.len(), Mark::default());
            self.margins.grow(base.margins());
        }
        while let Some(id) = self.stale.pop() {
            self.take_over(base, id);
        }
        match base.changed_since(self.version) {
            Some(changed) => changed.for_each(|id| self.take_over(base, id)),
            None => (0..base.len()).for_each(|index| self.take_over(base, PoolId::new(index))),
        }
        self.version = base.version();
    }

    fn take_over(&mut self, base: &Pools<P>, id: PoolId) {
        if self.marks[id.index()].epoch != self.epoch {
            self.margins.copy(base.margins(), base.edge_range(id));
        }
    }

    /// Forgets what was touched.
    pub fn clear(&mut self) {
        self.stale.append(&mut self.touched);
        let Some(next) = self.epoch.checked_add(1) else {
            // Once in four billion clears: old marks could be taken for new ones.
            self.marks.fill(Mark::default());
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

    /// A pool as it stands under the overlay.
    #[must_use]
    pub fn pool<'a>(&'a self, base: &'a Pools<P>, id: PoolId) -> &'a P {
        match self.marks.get(id.index()) {
            Some(mark) if mark.epoch == self.epoch => &self.pools[mark.at as usize],
            _ => base.pool(id),
        }
    }

    /// Lays the overlay over its table.
    pub fn over<'a>(&'a mut self, base: &'a Pools<P>) -> Overlaid<'a, P> {
        self.follow(base);
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
        self.over.pool(self.base, id)
    }

    fn margins(&self) -> &Margins {
        &self.over.margins
    }
}
