//! What edges pay at the margin, in flat arrays by edge: the rate, and how deep the pool is there.
//!
//! # Invariants
//! - Place 0 is of [`EdgeId::NONE`](crate::hot::state::pools::EdgeId::NONE): a rate of one, so that a row of edges padded
//!   with it multiplies to the same product, to the bit, and a depth without end, so that it adds no slippage.
//! - The arrays are of one length. Floats that may reject and steer; no amount is taken from them.
//!
//! # Cost
//! Setting an edge asks its pool twice; copying moves 16 bytes an edge. Only growing allocates.

use std::ops::Range;

use crate::protocols::amm::Amm;
use crate::protocols::amm::Leg;

/// Rates and depths by edge.
#[derive(Clone, Debug)]
pub struct Margins {
    rates: Vec<f64>,
    depths: Vec<f64>,
}

impl Default for Margins {
    fn default() -> Self {
        Self { rates: vec![1.0], depths: vec![f64::INFINITY] }
    }
}

impl Margins {
    /// Output per unit of input for a vanishing input, by edge; zero for a pool that is kept out.
    #[must_use]
    pub fn rates(&self) -> &[f64] {
        &self.rates
    }

    /// [`Amm::depth`], by edge.
    #[must_use]
    pub fn depths(&self) -> &[f64] {
        &self.depths
    }

    pub(in crate::hot::state) fn push<P: Amm>(&mut self, pool: &P, leg: Leg) {
        self.rates.push(pool.marginal_rate(leg));
        self.depths.push(pool.depth(leg));
    }

    pub(in crate::hot::state) fn set<P: Amm>(&mut self, at: usize, pool: &P, leg: Leg) {
        self.rates[at] = pool.marginal_rate(leg);
        self.depths[at] = pool.depth(leg);
    }

    /// Takes edges out of every search.
    pub(in crate::hot::state) fn silence(&mut self, edges: Range<usize>) {
        self.rates[edges.clone()].fill(0.0);
        self.depths[edges].fill(0.0);
    }

    pub(in crate::hot::state) fn copy(&mut self, from: &Self, edges: Range<usize>) {
        self.rates[edges.clone()].copy_from_slice(&from.rates[edges.clone()]);
        self.depths[edges.clone()].copy_from_slice(&from.depths[edges]);
    }

    /// Makes room for what `from` has more. What lies there is to be copied.
    pub(in crate::hot::state) fn grow(&mut self, from: &Self) {
        self.rates.resize(from.rates.len(), 0.0);
        self.depths.resize(from.depths.len(), 0.0);
    }
}
