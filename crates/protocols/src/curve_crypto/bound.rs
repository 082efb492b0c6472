//! The curve in floats: what a vanishing swap pays, and stretches that no swap pays more than.
//!
//! # Invariants
//! - Floats steer and reject; no amount is taken from them.
//! - The curve is concave, so its tangents lie above it. The fee moves with the balances: the least that it can be is taken, so that
//!   what is shown is as much too good as the fee is above that. The contract rounds a fee down to whole units: it may pay one more.

use alloy_primitives::U256;

use crate::amm::Segment;
use crate::curve_crypto::invariant::MOST_COINS;

/// How far above the curve all of it is held, as a share: what integers, and the share of `D` that they stop at, make no difference to.
const ABOVE: f64 = 1e-7;
/// A stretch's input, as a share of the balance.
const STRETCH: f64 = 1.0 / 256.0;
/// The least share of `D` that the contract lets a coin fall to.
const LEAST: f64 = 0.01;
/// So large a virtual reserve makes a stretch a straight line.
const STRAIGHT: f64 = 1e45;

/// A pool the way a swap goes, its balances as shares of `D`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// How many coins there are; places behind them count for nothing.
    pub coins: usize,
    pub x: [f64; MOST_COINS],
    pub token_in: usize,
    pub token_out: usize,
    /// `A` of the paper.
    pub amplification: f64,
    pub gamma: f64,
    /// Units of each coin that are worth `D`.
    pub units: [f64; MOST_COINS],
    /// The least fee, as a share.
    pub fee: f64,
}

impl Bound {
    fn is_dead(&self) -> bool {
        let all = self.x[..self.coins].iter().chain(&self.units[..self.coins]);
        !all.chain([&self.amplification, &self.gamma]).all(|part| part.is_finite() && *part > 0.0)
    }

    /// The invariant's derivative by each of the two coins.
    fn slopes(&self) -> [f64; 2] {
        let even = self.even();
        let near = self.gamma + 1.0 - even;
        let factor = self.amplification * self.gamma * self.gamma / (near * near);
        let rise = factor * (self.gamma + 1.0 + even) / near;
        let off = self.sum() - 1.0;
        let share = 1.0 / self.power();
        [self.token_in, self.token_out].map(|at| (rise * off + share) * even / self.x[at] + factor * even)
    }

    /// How even the balances are: one where they are.
    fn even(&self) -> f64 {
        self.x[..self.coins].iter().product::<f64>() * self.power()
    }

    fn sum(&self) -> f64 {
        self.x[..self.coins].iter().sum()
    }

    /// How many coins there are, to the power of itself.
    fn power(&self) -> f64 {
        self.coins.pow(self.coins as u32) as f64
    }

    fn invariant(&self) -> f64 {
        let even = self.even();
        let near = self.gamma + 1.0 - even;
        let factor = self.amplification * even * self.gamma * self.gamma / (near * near);
        factor * (self.sum() - 1.0) + (even - 1.0) / self.power()
    }

    /// Output per unit of input for a vanishing input, or a little more. Zero where it cannot swap.
    pub(super) fn rate(&self) -> f64 {
        if self.is_dead() {
            return 0.0;
        }
        let [by_in, by_out] = self.slopes();
        let rate = by_in / by_out * self.units[self.token_out] / self.units[self.token_in];
        if rate.is_finite() { rate * (1.0 - self.fee) * (1.0 + ABOVE) } else { 0.0 }
    }

    /// The pool behind a swap of so large a share of `D`.
    fn behind(mut self, share: f64) -> Option<Self> {
        let [by_in, by_out] = self.slopes();
        self.x[self.token_in] += share;
        self.x[self.token_out] -= share * by_in / by_out;
        for _ in 0..8 {
            let step = self.invariant() / self.slopes()[1];
            self.x[self.token_out] -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        (self.x[self.token_out] > LEAST && !self.is_dead()).then_some(self)
    }

    /// Input at which a unit pays half of what a vanishing one does, were the curve to go on as it begins.
    pub(super) fn depth(&self) -> f64 {
        if self.is_dead() {
            return 0.0;
        }
        let share = self.x[self.token_in] * STRETCH;
        let Some(next) = self.behind(share) else { return 0.0 };
        let bend = (self.rate() / next.rate()).sqrt() - 1.0;
        share * self.units[self.token_in] / bend.max(f64::EPSILON)
    }

    /// Walks tangents, one after another; `visit` returns `false` to stop.
    pub(super) fn stretches(mut self, mut visit: impl FnMut(Segment) -> bool) {
        let gamma = 1.0 - self.fee;
        while !self.is_dead() {
            let share = self.x[self.token_in] * STRETCH;
            // Float to integer saturates.
            let in_max = U256::from(((share * self.units[self.token_in]) as u128).max(1));
            let reserve_out = self.rate() * STRAIGHT / gamma;
            if !visit(Segment { in_max, reserve_in: STRAIGHT, reserve_out, gamma }) {
                return;
            }
            let Some(next) = self.behind(share) else { return };
            self = next;
        }
    }
}
