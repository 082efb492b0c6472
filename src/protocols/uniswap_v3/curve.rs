//! The curve in floats, for search to steer by: the price at the margin, and the stretches of constant liquidity.
//!
//! # Invariants
//! - `in_max` is exact: the contract's own input for the stretch, every word end it rounds at included.
//! - A stretch without liquidity takes and pays nothing and is not visited.

use crate::protocols::amm::Leg;
use crate::protocols::amm::Segment;
use crate::protocols::math::swap_step;
use crate::protocols::math::swap_step::PIPS;
use crate::protocols::math::wide;
use crate::protocols::uniswap_v3::Pool;
use crate::protocols::uniswap_v3::swap::Walk;
use crate::protocols::uniswap_v3::swap::no_limit;
use alloy_primitives::U256;

/// A stretch under way: where it began, and the input it has taken so far.
struct Stretch {
    sqrt_price: U256,
    liquidity: u128,
    in_max: U256,
    stops: u32,
}

impl Pool {
    /// Share of the input left after the fee.
    fn gamma(&self) -> f64 {
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

    /// Visits the stretches from the present price on.
    pub(super) fn stretches(&self, leg: Leg, mut visit: impl FnMut(Segment) -> bool) {
        if self.state.sqrt_price_x96.is_zero() {
            return;
        }
        let down = leg.zero_for_one();
        let limit = no_limit(down);
        let mut walk = Walk::start(self, down);
        let begin = |walk: &Walk<'_>| Stretch {
            sqrt_price: walk.sqrt_price,
            liquidity: walk.liquidity,
            in_max: U256::ZERO,
            stops: 0,
        };
        let mut stretch = begin(&walk);
        while let Ok(end) = walk.end() {
            let past = if down { end.stop.sqrt_price <= limit } else { end.stop.sqrt_price >= limit };
            let target = if past { limit } else { end.stop.sqrt_price };
            let taken = swap_step::input_to_reach(walk.sqrt_price, target, walk.liquidity, self.fee_pips);
            let Some(in_max) = taken.and_then(|taken| stretch.in_max.checked_add(taken)) else {
                break;
            };
            stretch.in_max = in_max;
            stretch.stops += 1;
            walk.sqrt_price = target;
            let ends = past || end.tick.is_some();
            if ends && !self.show(&stretch, down, &mut visit) {
                return;
            }
            if past || walk.pass(&end).is_err() {
                return;
            }
            if ends {
                stretch = begin(&walk);
            }
        }
        // Knowledge ended inside a stretch: what was walked of it is still good.
        self.show(&stretch, down, &mut visit);
    }

    fn show(&self, stretch: &Stretch, down: bool, visit: &mut impl FnMut(Segment) -> bool) -> bool {
        if stretch.in_max.is_zero() {
            return true;
        }
        let root = wide::to_f64(stretch.sqrt_price) / wide::Q96;
        let liquidity = stretch.liquidity as f64;
        let (zero, one) = (liquidity / root, liquidity * root);
        let (reserve_in, reserve_out) = if down { (zero, one) } else { (one, zero) };
        visit(Segment { in_max: stretch.in_max, reserve_in, reserve_out, gamma: self.gamma(), stops: stretch.stops })
    }
}
