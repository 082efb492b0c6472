//! Every directed simple cycle through a base token, kept up to date as pools are found.
//!
//! # Invariants
//! - A cycle uses no pool twice and no token twice, has 2 to `max_hops` hops, and is kept once a direction, starting at
//!   the base token of highest priority on it, where its profit is held. A pool on it lends what our contract begins with, wherever it
//!   stands: it pays before it is paid. Where none does: at the base token of highest priority that the executor holds itself or
//!   somebody else lends. A cycle without either is not kept: nothing could start it.
//! - All of them are kept; there is no cap.
//! - Cycles lie in rows of one width, the longest's; a shorter one is filled up with [`EdgeId::NONE`], whose rate is one:
//!   a screen goes over rows without asking how long they are. Nearly all cycles are of the longest kind, so that a table a
//!   length would save little and cost five lists a pool.
//! - A cycle is found when the last of its pools is added: the new pool is on it exactly once, so it is found exactly once.
//!
//! # Cost
//! Adding (cold) walks the simple paths between each two tokens of the new pool, from the end with fewer ways; the last
//! two hops are an intersection of two sorted lists, by the shorter. Memory: 4 bytes
//! times the longest cycle's hops for the row, and 4 a hop to find it by its pools.

use alloy_primitives::Address;

use crate::hot::search::MAX_HOPS;
use crate::hot::search::graph::Graph;
use crate::hot::search::graph::OutEdge;
use crate::hot::state::pools::Edge;
use crate::hot::state::pools::EdgeId;
use crate::hot::state::pools::Pools;
use crate::protocols::amm::Amm;
use crate::protocols::flash::Funding;
use crate::types::id::PoolId;
use crate::types::id::TokenId;

/// Index of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CycleId(u32);

impl CycleId {
    /// # Panics
    /// Past `u32::MAX` cycles, which at some 40 bytes each no host could keep.
    pub(in crate::hot::search) const fn new(index: usize) -> Self {
        assert!(index <= u32::MAX as usize, "more than u32::MAX cycles");
        Self(index as u32)
    }

    /// Position in the table.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The table of cycles.
#[derive(Clone, Debug)]
pub struct Cycles {
    graph: Graph,
    /// Highest priority first.
    bases: Vec<TokenId>,
    /// Out of what cycles can begin that no pool lends for.
    fundings: Vec<(TokenId, Funding)>,
    max_hops: usize,
    /// `max_hops` a cycle.
    rows: Vec<EdgeId>,
    by_pool: Vec<Vec<CycleId>>,
}

impl Cycles {
    /// An empty table. `max_hops` is held to 2..=[`MAX_HOPS`].
    #[must_use]
    pub fn new(bases: &[TokenId], max_hops: usize) -> Self {
        Self {
            graph: Graph::default(),
            bases: bases.to_vec(),
            fundings: Vec::new(),
            max_hops: max_hops.clamp(2, MAX_HOPS),
            rows: Vec::new(),
            by_pool: Vec::new(),
        }
    }

    /// Keeps as well, of the pools that are added from now on, cycles that no pool lends for and that can begin out of these.
    pub fn fund(&mut self, fundings: &[(TokenId, Funding)]) {
        self.fundings = fundings.to_vec();
    }

    /// The most that a cycle that no pool lends for may begin with: out of what is not itself on it. `is_on`: whether a contract is.
    #[must_use]
    pub fn most(&self, start: TokenId, is_on: impl Fn(Address) -> bool) -> u128 {
        let free = self.fundings.iter().filter(|(token, funding)| *token == start && funding.is_free(&is_on));
        free.map(|(_, funding)| funding.most).max().unwrap_or(0)
    }

    fn is_funded(&self, token: TokenId) -> bool {
        self.fundings.iter().any(|(funded, _)| *funded == token)
    }

    /// Adds every pool of the table that is not in yet.
    pub fn extend<P: Amm>(&mut self, pools: &Pools<P>) {
        for index in self.by_pool.len()..pools.len() {
            self.add_pool(pools, PoolId::new(index));
        }
    }

    /// Adds the cycles through a pool and those added before it. Pools come in the order of their ids.
    fn add_pool<P: Amm>(&mut self, pools: &Pools<P>, id: PoolId) {
        self.by_pool.push(Vec::new());
        // The graph does not hold the new pool yet: no path below can use it.
        for edge in pools.edges_of(id) {
            let (a, b) = (pools.edge(edge).token_in, pools.edge(edge).token_out);
            let (few, many) = (self.graph.from(a).len(), self.graph.from(b).len());
            // Both directions of a pair come by; one walk serves both. Start where there is less to walk.
            if (few, a) < (many, b) {
                self.close(pools, edge);
            }
        }
        self.graph.add(pools, id);
    }

    /// Adds every cycle that `edge` and its reverse close.
    fn close<P: Amm>(&mut self, pools: &Pools<P>, edge: EdgeId) {
        let (from, to) = (pools.edge(edge).token_in, pools.edge(edge).token_out);
        let graph = std::mem::take(&mut self.graph);
        let mut walk = Walk { pools, graph: &graph, to, tokens: vec![from], path: Vec::new() };
        for hops in 1..self.max_hops {
            walk.from(from, hops, &mut |path| self.keep(pools, path, edge));
        }
        self.graph = graph;
    }

    /// Keeps both directions of the cycle made of a path and `edge`, which has the path's start and end.
    fn keep<P: Amm>(&mut self, pools: &Pools<P>, path: &[EdgeId], edge: EdgeId) {
        let back = pools.reverse(edge);
        self.push(pools, path.iter().copied().chain([back]));
        self.push(pools, [edge].into_iter().chain(path.iter().rev().map(|e| pools.reverse(*e))));
    }

    fn push<P: Amm>(&mut self, pools: &Pools<P>, cycle: impl Iterator<Item = EdgeId>) {
        let (from, id) = (self.rows.len(), CycleId::new(self.len()));
        self.rows.extend(cycle);
        let is_lent = self.rows[from..].iter().any(|edge| pools.pool(pools.edge(*edge).pool).execution().lends());
        let rank = |edge: &EdgeId| {
            let Edge { token_out, .. } = pools.edge(*edge);
            let rank = self.bases.iter().position(|base| *base == token_out)?;
            (is_lent || self.is_funded(token_out)).then_some(rank)
        };
        let hops = self.rows[from..].iter().enumerate();
        let Some((_, last)) = hops.filter_map(|(at, edge)| Some((rank(edge)?, at))).min() else {
            self.rows.truncate(from);
            return;
        };
        let start = (last + 1) % (self.rows.len() - from);
        self.rows[from..].rotate_left(start);
        for edge in &self.rows[from..] {
            self.by_pool[pools.edge(*edge).pool.index()].push(id);
        }
        self.rows.resize(from + self.max_hops, EdgeId::NONE);
    }

    /// The hops of a cycle.
    #[must_use]
    pub fn hops(&self, id: CycleId) -> &[EdgeId] {
        let row = &self.rows[id.index() * self.max_hops..][..self.max_hops];
        let count = row.iter().position(|edge| *edge == EdgeId::NONE).unwrap_or(self.max_hops);
        &row[..count]
    }

    /// Hops of the longest cycle that is looked for: the width of a row.
    #[must_use]
    pub const fn max_hops(&self) -> usize {
        self.max_hops
    }

    /// All cycles by their ids, as rows of width `N`. Empty when that is not their width.
    #[must_use]
    pub fn rows<const N: usize>(&self) -> &[[EdgeId; N]] {
        if N == self.max_hops { self.rows.as_chunks().0 } else { &[] }
    }

    /// The cycles through a pool, in the order of their ids.
    #[must_use]
    pub fn through(&self, pool: PoolId) -> &[CycleId] {
        self.by_pool.get(pool.index()).map_or(&[], Vec::as_slice)
    }

    /// All cycles.
    pub fn ids(&self) -> impl Iterator<Item = CycleId> + use<> {
        (0..self.len()).map(CycleId::new)
    }

    /// Number of cycles.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len() / self.max_hops
    }

    /// True without cycles.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ways between tokens over all pools added.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Base tokens, highest priority first.
    #[must_use]
    pub fn bases(&self) -> &[TokenId] {
        &self.bases
    }
}

/// Depth-first walk over the simple paths to `to`.
struct Walk<'a, P> {
    pools: &'a Pools<P>,
    graph: &'a Graph,
    to: TokenId,
    tokens: Vec<TokenId>,
    path: Vec<EdgeId>,
}

impl<P> Walk<'_, P> {
    /// Shows every path of exactly `hops` more hops from `at`. At most [`MAX_HOPS`] calls deep.
    fn from(&mut self, at: TokenId, hops: usize, show: &mut impl FnMut(&[EdgeId])) {
        match hops {
            1 => self.last(at, show),
            2 => self.meet(at, show),
            _ => {
                for way in self.graph.from(at) {
                    self.step(*way, |walk| walk.from(way.to, hops - 1, show));
                }
            }
        }
    }

    fn last(&mut self, at: TokenId, show: &mut impl FnMut(&[EdgeId])) {
        for way in self.graph.between(at, self.to) {
            if self.fresh(way.edge) {
                self.path.push(way.edge);
                show(&self.path);
                self.path.pop();
            }
        }
    }

    /// Two hops: the tokens in the middle are the neighbours both ends share, looked for from the end with fewer.
    fn meet(&mut self, at: TokenId, show: &mut impl FnMut(&[EdgeId])) {
        let (near, far) = (self.graph.from(at), self.graph.from(self.to));
        if near.len() <= far.len() {
            for way in near {
                self.step(*way, |walk| walk.last(way.to, show));
            }
            return;
        }
        let mut seen = None;
        for back in far {
            if seen.replace(back.to) == Some(back.to) {
                continue;
            }
            for way in self.graph.between(at, back.to) {
                self.step(*way, |walk| walk.last(way.to, show));
            }
        }
    }

    /// Takes a way, unless it leads to a token or through a pool that the path has already.
    fn step(&mut self, way: OutEdge, go: impl FnOnce(&mut Self)) {
        if way.to == self.to || self.tokens.contains(&way.to) || !self.fresh(way.edge) {
            return;
        }
        self.tokens.push(way.to);
        self.path.push(way.edge);
        go(self);
        self.path.pop();
        self.tokens.pop();
    }

    fn fresh(&self, edge: EdgeId) -> bool {
        let pool = self.pools.edge(edge).pool;
        self.path.iter().all(|e| self.pools.edge(*e).pool != pool)
    }
}
