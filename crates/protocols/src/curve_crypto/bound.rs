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
/// Steps to a balance: eight or nine are usual, ten times as many halve what is left to nothing.
const STEPS: usize = 80;
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
        let out = self.token_out;
        // Where it is: below what there is, as some goes in. Where the curve turns sharply, at the peg, Newton's steps alone go astray.
        let (mut low, mut high) = (0.0, self.x[out]);
        self.x[self.token_in] += share;
        self.x[out] -= share * by_in / by_out;
        for _ in 0..STEPS {
            if self.x[out] <= low || self.x[out] >= high {
                self.x[out] = f64::midpoint(low, high);
            }
            let off = self.invariant();
            if off > 0.0 {
                high = self.x[out];
            } else {
                low = self.x[out];
            }
            let step = off / self.slopes()[1];
            self.x[out] -= step;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve_crypto::state::{State, Terms, Version};

    /// A state of tricrypto-NG from which WETH goes in across the peg of its coins: the third stretch began at less than half of what it
    /// pays there, for Newton's steps had not ended.
    #[test]
    fn no_swap_across_the_peg_pays_more_than_the_stretches() {
        let number = |text: &str| text.parse::<U256>().expect("a number");
        let balances = ["4029539718924925088071286", "1037442897478104570721", "8738835064944932437054397"].map(number);
        let prices = ["3807405531937711715369", "457235647292622900"].map(number);
        let d = number("11974900215790229132731853");
        let state = State { balances, prices, d, fees: [U256::ZERO, U256::ZERO, U256::from(350_000_000_000_000_u64)] };
        let terms = Terms {
            version: Version::ThreeByRoot,
            precisions: [U256::ONE; MOST_COINS],
            ann: U256::from(2_700_000),
            multiplier: U256::from(10_000),
            gamma: U256::from(1_300_000_000_000_u64),
        };
        let units = state.scales(&terms).map(|scale| f64::from(d) / scale);
        for (token_in, token_out) in [(1, 0), (0, 1), (1, 2), (2, 1), (0, 2), (2, 0)] {
            let x = std::array::from_fn(|at| f64::from(balances[at]) / units[at]);
            let amplification = 2_700_000.0 / 10_000.0 / 27.0;
            let bound = Bound { coins: 3, x, token_in, token_out, amplification, gamma: 1.3e-6, units, fee: 0.0 };
            let (mut at, mut most, mut seen) = (U256::ZERO, 0.0, 0);
            bound.stretches(|stretch| {
                at += stretch.in_max;
                most += f64::from(stretch.in_max) * stretch.reserve_out / stretch.reserve_in;
                let paid = state.paid(&terms, [token_in, token_out], at).map_or(0.0, f64::from);
                assert!(
                    paid <= most * (1.0 + 1e-6) + 1.0,
                    "{token_in} {token_out}: {at} pays {paid}, bounded by {most}"
                );
                // Nor is it held far too high where the curve is as good as straight.
                assert!(seen > 8 || paid > most * 0.95, "{token_in} {token_out}: {at} pays {paid}, bounded by {most}");
                seen += 1;
                seen < 60
            });
            assert!(seen == 60, "{seen} stretches");
        }
    }
}
