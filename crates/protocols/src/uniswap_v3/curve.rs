//! The curve in floats, for search to steer by: the price at the margin, and the stretches of constant liquidity.
//!
//! # Invariants
//! - A stretch ends wherever the contract's loop stops and rounds: at a tick, and at the end of a word of the bitmap.
//! - `in_max` is exact: the contract's own input for the stretch.
//! - A stretch without liquidity takes and pays nothing and is not visited.

use crate::amm::Leg;
use crate::amm::Segment;
use crate::math::swap_step;
use crate::math::swap_step::PIPS;
use crate::math::wide;
use crate::uniswap_v3::Pool;
use crate::uniswap_v3::swap::Walk;
use crate::uniswap_v3::swap::no_limit;
use alloy_primitives::U256;

impl Pool {
    /// Share of the input left after the fee.
    pub(super) fn gamma(&self) -> f64 {
        f64::from(PIPS - self.fee_pips) / f64::from(PIPS)
    }

    /// Output per input at the margin, after fee.
    pub(super) fn rate(&self, leg: Leg) -> f64 {
        if self.state.sqrt_price_x96.is_zero() {
            return 0.0;
        }
        if self.state.liquidity == 0 {
            // Nothing here: the first stretch that has liquidity sets the price.
            let mut rate = 0.0;
            self.stretches(leg, |s| {
                rate = s.reserve_out * s.gamma / s.reserve_in;
                false
            });
            return rate;
        }
        let root = wide::to_f64(self.state.sqrt_price_x96) / wide::Q96;
        let price = root * root;
        self.gamma() * if leg.zero_for_one() { price } else { 1.0 / price }
    }

    /// Virtual reserve of the token that goes in, at the present price.
    pub(super) fn reserve_in(&self, leg: Leg) -> f64 {
        if self.state.sqrt_price_x96.is_zero() {
            return 0.0;
        }
        let (root, liquidity) = (wide::to_f64(self.state.sqrt_price_x96) / wide::Q96, self.state.liquidity as f64);
        if leg.zero_for_one() { liquidity / root } else { liquidity * root }
    }

    /// Visits the stretches from the present price on.
    pub(super) fn stretches(&self, leg: Leg, mut visit: impl FnMut(Segment) -> bool) {
        if self.state.sqrt_price_x96.is_zero() {
            return;
        }
        let down = leg.zero_for_one();
        let limit = no_limit(down);
        let mut walk = Walk::start(self, down);
        while let Ok(end) = walk.end() {
            let past = if down { end.stop.sqrt_price <= limit } else { end.stop.sqrt_price >= limit };
            let target = if past { limit } else { end.stop.sqrt_price };
            let taken = swap_step::input_to_reach(walk.sqrt_price, target, walk.liquidity, self.fee_pips);
            let Some(in_max) = taken else { return };
            if !in_max.is_zero() && !visit(self.segment(&walk, down, in_max)) {
                return;
            }
            walk.sqrt_price = target;
            if past || walk.pass(&end).is_err() {
                return;
            }
        }
    }

    fn segment(&self, walk: &Walk<'_>, down: bool, in_max: U256) -> Segment {
        let root = wide::to_f64(walk.sqrt_price) / wide::Q96;
        let liquidity = walk.liquidity as f64;
        let (zero, one) = (liquidity / root, liquidity * root);
        let (reserve_in, reserve_out) = if down { (zero, one) } else { (one, zero) };
        Segment { in_max, reserve_in, reserve_out, gamma: self.gamma() }
    }
}
