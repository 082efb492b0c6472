//! Straight stretches that lie nowhere below a concave curve: pieces of its tangents, each up to where the next one crosses it.
//!
//! # Invariants
//! - Floats steer and reject; no amount is taken from them.
//! - The tangents of a concave curve lie above it, and so do the pieces.
//!
//! # Cost
//! One look at the curve a tangent, or some more where it bends sharply; at most `TANGENTS`, of which the first lie closest.

/// Most tangents of a curve.
const TANGENTS: usize = 160;
/// Part of the slope that is lost from one tangent to the next: of the first pair, by how much more of each later one, at most.
const FIRST_FALL: f64 = 1e-4;
const FALL_GROWS: f64 = 1.25;
const MOST_FALL: f64 = 0.2;
/// Part of what comes out that is left where the curve ends.
const END: f64 = 1e-6;

/// A curve at one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// What stands of the token that goes in.
    pub x: f64,
    /// What stands of the one that comes out.
    pub y: f64,
    /// How much of it a unit more buys.
    pub slope: f64,
    /// How that changes with a unit more: below zero.
    pub bend: f64,
}

impl Point {
    /// What must go in until the slope has fallen by half, were it to bend as it does here.
    #[must_use]
    pub fn depth(&self) -> f64 {
        let depth = 2.0 * self.slope / -self.bend;
        if depth.is_finite() { depth.max(0.0) } else { 0.0 }
    }
}

/// Walks the pieces from `start` on until next to nothing is left; `visit` is given slope and length, and returns `false` to stop.
pub fn pieces(start: f64, at: impl Fn(f64) -> Point, mut visit: impl FnMut(f64, f64) -> bool) {
    let first = at(start);
    let (mut here, mut begun, mut fall) = (first, start, FIRST_FALL);
    for _ in 0..TANGENTS {
        let next = beyond(&at, here, fall);
        let length = next.x - here.x;
        // Both tangents are as high where they cross; where they are one, anywhere will do.
        let apart = here.slope - next.slope;
        let crossing = (here.y - next.y - next.slope * length) / apart;
        let ends = here.x + if apart > 0.0 { crossing.clamp(0.0, length) } else { length };
        if !visit(here.slope, ends - begun) {
            return;
        }
        (here, begun, fall) = (next, ends, (fall * FALL_GROWS).min(MOST_FALL));
        if next.y.is_nan() || next.y < first.y * END {
            return;
        }
    }
}

/// Where the slope has fallen by about `fall` of itself.
fn beyond(at: &impl Fn(f64) -> Point, from: Point, fall: f64) -> Point {
    let mut step = (fall * from.slope / -from.bend).clamp(from.x * 1e-9, from.x);
    let mut to = at(from.x + step);
    // It bends more further on: a step that was too long is halved, a few times.
    for _ in 0..8 {
        if to.slope >= from.slope * (1.0 - 2.0 * fall) {
            break;
        }
        step /= 2.0;
        to = at(from.x + step);
    }
    to
}
