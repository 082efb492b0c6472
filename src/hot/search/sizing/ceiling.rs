//! What the curve says that no input can exceed.
//!
//! # Invariants
//! - Sound if every pool keeps to what `curve` assumes of it: no exact profit between two inputs is above [`Ceiling::over`].
//! - The curve's height at the peak is what floats say plus their error, or, tighter by far for large amounts, any exact
//!   profit near it plus all that rounding can have taken: differences along the curve are precise where its height is not.

use crate::hot::search::sizing::curve::Curve;
use crate::hot::search::sizing::path::Point;

/// The curve's bound, as known so far.
#[derive(Debug)]
pub struct Ceiling<'a> {
    /// The cycle's.
    pub curve: &'a Curve,
    /// Position of the token whose amounts are looked at.
    pub grid: usize,
    /// Heights are kept relative to this, so that a float holds them to a small fraction of a unit.
    pub anchor: i128,
    /// The most the curve's peak can be, less `anchor`, by its floats.
    top: f64,
    /// The most the peak of exact profits can be, less `anchor`, by those seen near it.
    seen: f64,
}

impl<'a> Ceiling<'a> {
    /// What floats alone say.
    #[must_use]
    pub fn new(curve: &'a Curve, grid: usize) -> Self {
        let anchor = curve.peak().profit as i128;
        Self { curve, grid, anchor, top: curve.peak().profit_most - anchor as f64, seen: f64::INFINITY }
    }

    /// Takes in an exact point.
    pub fn learn(&mut self, point: Point) {
        if self.curve.is_near(point.input) {
            let taken = self.curve.noise(self.grid) + self.curve.ending(point.input);
            let found = point.profit().saturating_sub(self.anchor) as f64 + taken;
            let error = self.curve.slack(point.input) + self.curve.drift(self.grid, point.input);
            self.seen = self.seen.min(found + error - self.curve.change(point.input));
        }
    }

    /// The most at the peak, less `anchor`.
    #[must_use]
    pub fn height(&self) -> f64 {
        self.top.min(self.seen)
    }

    /// The most profit that an input between two can make.
    #[must_use]
    pub fn over(&self, low: u128, high: u128) -> i128 {
        let peak = self.curve.peak().input;
        // Concave: the most is at the peak or at the end nearer to it.
        let nearest = peak.clamp(low, high);
        let jumps = self.curve.crossings(low).max(self.curve.crossings(high));
        let most = |input| {
            let change = self.curve.change(input) + self.curve.slack(input);
            (self.top + change).min(self.seen + change + self.curve.drift(self.grid, input) + jumps)
        };
        // The far end as well: a curve that ends while it climbs goes on climbing in what is said of it beyond.
        let most = most(nearest).max(most(low)).max(most(high));
        // Float to integer saturates, and so must the sum.
        self.anchor.saturating_add(most.floor() as i128)
    }
}
