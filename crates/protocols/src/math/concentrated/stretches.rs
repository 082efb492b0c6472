//! The curve in floats, for search to steer by: the price at the margin, and the stretches of constant liquidity.
//!
//! # Invariants
//! - A stretch ends wherever the contract's loop stops and rounds: at a tick, and at the end of a word of the bitmap.
//! - `in_max` is exact: the contract's own input for the stretch.
//! - A stretch without liquidity takes and pays nothing and is not visited.

use crate::amm::Segment;
use crate::math::concentrated::Curve;
use crate::math::concentrated::walk::Walk;
use crate::math::concentrated::walk::no_limit;
use crate::math::swap_step;
use crate::math::swap_step::PIPS;
use crate::math::wide;
use alloy_primitives::U256;

impl Curve<'_> {
    /// Share of the input left after the fee.
    #[inline]
    fn gamma(self) -> f64 {
        f64::from(PIPS - self.fee_pips) / f64::from(PIPS)
    }

    /// Output per input at the margin, after fee.
    #[inline]
    #[must_use]
    pub fn rate(self, down: bool) -> f64 {
        if self.at.sqrt_price.is_zero() {
            return 0.0;
        }
        if self.at.liquidity == 0 {
            // Nothing here: the first stretch that has liquidity sets the price.
            let mut rate = 0.0;
            self.stretches(down, |s| {
                rate = s.reserve_out * s.gamma / s.reserve_in;
                false
            });
            return rate;
        }
        let root = wide::to_f64(self.at.sqrt_price) / wide::Q96;
        let price = root * root;
        self.gamma() * if down { price } else { 1.0 / price }
    }

    /// Virtual reserve of the token that goes in at the present price, with the fee on it: the input that halves the rate, were
    /// there no ticks.
    #[inline]
    #[must_use]
    pub fn depth(self, down: bool) -> f64 {
        if self.at.sqrt_price.is_zero() {
            return 0.0;
        }
        let (root, liquidity) = (wide::to_f64(self.at.sqrt_price) / wide::Q96, self.at.liquidity as f64);
        let reserve_in = if down { liquidity / root } else { liquidity * root };
        reserve_in / self.gamma()
    }

    /// Visits the stretches from the present price on.
    pub fn stretches(self, down: bool, mut visit: impl FnMut(Segment) -> bool) {
        if self.at.sqrt_price.is_zero() {
            return;
        }
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

    #[inline]
    fn segment(self, walk: &Walk<'_>, down: bool, in_max: U256) -> Segment {
        let root = wide::to_f64(walk.sqrt_price) / wide::Q96;
        let liquidity = walk.liquidity as f64;
        let (zero, one) = (liquidity / root, liquidity * root);
        let (reserve_in, reserve_out) = if down { (zero, one) } else { (one, zero) };
        Segment { in_max, reserve_in, reserve_out, gamma: self.gamma() }
    }
}
