//! A pool's curve in floats: what it pays at the margin, how deep it is, and stretches that lie nowhere below it.
//!
//! A volatile pool's curve is one hyperbola. Of a stable one, in whole tokens, `y` is the real root of `x^3 * y + x * y^3 = k`; it falls by
//! `(3 * x^2 * y + y^3) / (x^3 + 3 * x * y^2)` a unit.
//!
//! # Invariants
//! - Rates and stretches are raised by [`ABOVE`], which is more than what floats round.
//!
//! # Limits
//! - The fee is rounded down to a unit of what goes in, and `k` of a pool of less than about a whole token is coarse: for so much the pool
//!   may pay more than is shown. Stretches only bound, and no amount is taken from them.

use alloy_primitives::U256;

use crate::amm::Segment;
use crate::math::tangents;
use crate::math::tangents::Point;
use crate::solidly::curve::Curve;
use crate::solidly::curve::Fee;
use crate::solidly::curve::Side;
use crate::solidly::curve::real_root;

/// How far above the curve all of it is held, as a share.
const ABOVE: f64 = 2e-9;
/// So many times its input is a stretch's virtual reserve that it is a straight line.
const STRAIGHT: f64 = 1e9;

/// A pool the way a swap goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    r_in: f64,
    r_out: f64,
    /// Units that are free until 128 bits are full.
    room: u128,
    gamma: f64,
    /// Of a stable pool: units of a whole token of either.
    units: Option<[f64; 2]>,
}

impl Bound {
    /// `None` when the pool cannot swap.
    pub(super) fn new(curve: Curve, fee: Fee, side: Side) -> Option<Self> {
        let units = match curve {
            Curve::Volatile => None,
            Curve::Stable { units } => Some([side.token_in, 1 - side.token_in].map(|place| units[place] as f64)),
        };
        let (r_in, r_out, room) = (side.r_in as f64, side.r_out as f64, u128::MAX - side.r_in);
        (r_in > 0.0 && r_out > 0.0).then_some(Self { r_in, r_out, room, gamma: fee.gamma(), units })
    }

    /// Whole tokens that stand, of either, and the constant.
    fn stable(&self, [unit_in, unit_out]: [f64; 2]) -> (f64, f64) {
        let (x, y) = (self.r_in / unit_in, self.r_out / unit_out);
        (x, x * y * (x * x + y * y))
    }

    /// Units that come out for a unit that goes in, or a little more.
    pub(super) fn marginal_rate(&self) -> f64 {
        let slope = match self.units {
            None => self.r_out / self.r_in,
            Some(units) => {
                let (x, k) = self.stable(units);
                point(x, k).slope * units[1] / units[0]
            }
        };
        if slope.is_finite() { slope * self.gamma * (1.0 + ABOVE) } else { 0.0 }
    }

    /// Units that go in until half of that is paid, were the curve to go on as it begins.
    pub(super) fn depth(&self) -> f64 {
        let net = match self.units {
            None => self.r_in,
            Some(units) => {
                let (x, k) = self.stable(units);
                point(x, k).depth() * units[0]
            }
        };
        net / self.gamma
    }

    /// The stretches, from the present price until next to nothing is left.
    pub(super) fn segments(&self, mut visit: impl FnMut(Segment) -> bool) {
        let gamma = self.gamma;
        let Some([unit_in, unit_out]) = self.units else {
            let reserve_out = self.r_out * (1.0 + ABOVE);
            if self.room > 0 {
                visit(Segment { in_max: U256::from(self.room), reserve_in: self.r_in, reserve_out, gamma });
            }
            return;
        };
        let (x, k) = self.stable([unit_in, unit_out]);
        tangents::pieces(
            x,
            |x| point(x, k),
            |slope, length| {
                let in_max = (length * unit_in / gamma).ceil();
                if !(in_max.is_finite() && in_max >= 1.0) {
                    return true;
                }
                let reserve_in = in_max * STRAIGHT;
                let reserve_out = reserve_in * slope * unit_out / unit_in * (1.0 + ABOVE);
                visit(Segment { in_max: U256::from(in_max as u128), reserve_in, reserve_out, gamma })
            },
        );
    }
}

/// The stable curve where so much stands of what goes in.
fn point(x: f64, k: f64) -> Point {
    let y = real_root(x, k);
    let (above, below) = (3.0 * x * x * y + y * y * y, x * x * x + 3.0 * x * y * y);
    let slope = above / below;
    // Both sides move along the curve, on which `y` falls by the slope.
    let above_moves = 6.0 * x * y - 3.0 * slope * (x * x + y * y);
    let below_moves = 3.0 * (x * x + y * y) - 6.0 * slope * x * y;
    Point { x, y, slope, bend: (above_moves - slope * below_moves) / below }
}
