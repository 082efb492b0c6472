//! Which tokens a token can be swapped for, and through which edges.
//!
//! # Invariants
//! - Every leg has its reverse, so the graph is undirected: whoever reaches `b` from `a` can come back.
//! - A token's ways are sorted by the token they lead to, then by edge: parallel pools lie side by side.
//!
//! # Cost
//! Adding moves the ways behind the new one. Looking up is a binary search. Only adding allocates.

use crate::hot::state::pools::EdgeId;
use crate::hot::state::pools::Pools;
use crate::types::id::PoolId;
use crate::types::id::TokenId;

/// One way out of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutEdge {
    /// Where it leads.
    pub to: TokenId,
    /// Through what.
    pub edge: EdgeId,
}

/// Adjacency of all tokens.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    out_edges: Vec<Vec<OutEdge>>,
}

impl Graph {
    /// Adds the edges of a pool.
    pub fn add<P>(&mut self, pools: &Pools<P>, id: PoolId) {
        self.out_edges.resize(pools.token_count().max(self.out_edges.len()), Vec::new());
        for edge in pools.edges_of(id) {
            let way = OutEdge { to: pools.edge(edge).token_out, edge };
            let out_edges = &mut self.out_edges[pools.edge(edge).token_in.index()];
            let at = out_edges.partition_point(|w| *w < way);
            out_edges.insert(at, way);
        }
    }

    /// All ways out of a token.
    #[must_use]
    pub fn from(&self, token: TokenId) -> &[OutEdge] {
        self.out_edges.get(token.index()).map_or(&[], Vec::as_slice)
    }

    /// The ways from one token to another.
    #[must_use]
    pub fn between(&self, from: TokenId, to: TokenId) -> &[OutEdge] {
        let out_edges = self.from(from);
        let start = out_edges.partition_point(|way| way.to < to);
        let count = out_edges[start..].partition_point(|way| way.to == to);
        &out_edges[start..start + count]
    }
}
