//! The real curve of a pool in floats: what it pays at the margin, how deep it is, and straight stretches that lie nowhere below it.
//!
//! Past `x` of what goes in, with `c = D^(n + 1) / (n^n * ann * prod(x_k, k != out))` and `b = sum(x_k, k != out) + D / ann - D`,
//! the coin that comes out stands at the positive root of `y^2 + b * y = c`, and falls by `(ann + P / x) / (ann + P / y)` a unit,
//! where `P = ann * c / y`.
//!
//! # Invariants
//! - The curve is concave, so its tangents lie above it. A stretch is a piece of one ([`tangents::pieces`]); it is raised by [`RAISED`],
//!   which is more than the integers' rounding and the floats' together.
//! - A fee that grows far from balance is taken at its least.
//!
//! # Cost
//! A square root a look at the curve; see [`tangents`].

use alloy_primitives::U256;

use crate::amm::Segment;
use crate::curve_stable::swap::Standing;
use crate::curve_stable::swap::State;
use crate::curve_stable::swap::Terms;
use crate::curve_stable::swap::WHOLE;
use crate::math::tangents;
use crate::math::tangents::Point;

/// What a stretch is raised by, and what its own curvature takes of it in the end.
const RAISED: f64 = 2e-9;
const FLAT: f64 = 1e9;

/// A way through a pool, in scaled units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curve {
    ann: f64,
    d: f64,
    /// What stands at the start of what goes in.
    x: f64,
    /// Sum of the coins that do not move.
    others: f64,
    /// `c` times `x`.
    c: f64,
    gamma: f64,
    /// Scaled units of a unit of either token.
    unit_in: f64,
    unit_out: f64,
}

impl Curve {
    /// `None` when the pool cannot swap.
    pub(super) fn new(terms: &Terms, state: &State, now: &Standing, (i, j): (usize, usize)) -> Option<Self> {
        let n = terms.coins as f64;
        let ann = state.amp as f64 * n / f64::from(terms.precision);
        let (d, xp) = (f64::from(now.d), now.xp.map(f64::from));
        let (mut others, mut c) = (0.0, d * d / (n * ann) * d / n);
        for (_, x) in xp.iter().enumerate().take(terms.coins).filter(|(place, _)| *place != i && *place != j) {
            others += x;
            c *= d / (n * x);
        }
        let unit = |place: usize| f64::from(terms.rates[place]) / 1e18;
        let gamma = 1.0 - state.fee as f64 / WHOLE as f64;
        let sound = d > 0.0 && ann > 0.0 && c.is_finite();
        sound.then_some(Self { ann, d, x: xp[i], others, c, gamma, unit_in: unit(i), unit_out: unit(j) })
    }

    /// The same curve with what goes in and what comes out counted in other units, each of which is so many of the coins' own.
    pub(super) fn of_units(self, unit_in: f64, unit_out: f64) -> Self {
        Self { unit_in: self.unit_in * unit_in, unit_out: self.unit_out * unit_out, ..self }
    }

    fn at(&self, x: f64) -> Point {
        let (b, c) = (self.others + x + self.d / self.ann - self.d, self.c / x);
        let root = (b * b + 4.0 * c).sqrt();
        let y = if b > 0.0 { 2.0 * c / (b + root) } else { (root - b) / 2.0 };
        let p = self.ann * c / y;
        let slope = (self.ann + p / x) / (self.ann + p / y);
        Point { x, y, slope, bend: self.bend(x, y, slope) }
    }

    /// How fast the slope falls, which is below zero.
    fn bend(&self, x: f64, y: f64, slope: f64) -> f64 {
        let p = self.ann * self.c / x / y;
        let below = self.ann + p / y;
        let dp = p * (slope / y - 1.0 / x);
        let above_moves = dp / x - p / (x * x);
        let below_moves = dp / y + p * slope / (y * y);
        (above_moves - slope * below_moves) / below
    }

    /// Units that come out for a unit that goes in.
    pub(super) fn marginal_rate(&self) -> f64 {
        self.at(self.x).slope * self.gamma * self.unit_in / self.unit_out
    }

    /// Units that go in until the slope has fallen by half, were it to bend as it begins.
    pub(super) fn depth(&self) -> f64 {
        self.at(self.x).depth() / self.unit_in
    }

    /// The stretches, from the present price until next to nothing is left.
    pub(super) fn segments(&self, mut visit: impl FnMut(Segment) -> bool) {
        tangents::pieces(self.x, |x| self.at(x), |slope, length| self.stretch(slope, length, &mut visit));
    }

    /// A straight piece, as a hyperbola that hardly bends.
    fn stretch(&self, slope: f64, length: f64, visit: &mut impl FnMut(Segment) -> bool) -> bool {
        let in_max = (length / self.unit_in).ceil();
        if !(in_max.is_finite() && in_max >= 1.0) {
            return true;
        }
        let reserve_in = in_max * FLAT;
        let rate = slope * self.unit_in / self.unit_out * (1.0 + RAISED);
        visit(Segment {
            in_max: U256::from(in_max as u128),
            reserve_in,
            reserve_out: reserve_in * rate,
            gamma: self.gamma,
        })
    }
}
