//! What a contract answered for some inputs, and what is taken to lie between them.
//!
//! What goes in per unit that comes out is a straight line of the input where a pool is a constant product, whatever its reserves and its
//! fee. Of any pool a cubic through the four answers around is laid, which gives three points between two of them; and from point to point
//! the curve is the constant product through both.
//!
//! # Invariants
//! - At an answer the quote is that answer. More in never pays less, and the smallest input is the smallest.
//! - Inputs and outputs have 112 bits at most, so that nothing overflows.

use alloy_primitives::{U256, U512};
use serde::{Deserialize, Serialize};

use crate::amm::{QuoteError, Segment};

/// Most bits of an amount.
pub const BITS: usize = 112;

/// A piece that bends less than this over its length is taken as straight: so many times its length stand on either side of it.
const STRAIGHT: usize = 24;

/// Points between two answers.
const POINTS: usize = 3;

/// What a stretch is raised by, which is more than the floats' roundings.
const RAISED: f64 = 1e-12;

/// An input, and what it pays.
pub type Sample = [u128; 2];

/// The curve from one answer to the next: `reserve_out * d / (reserve_in + d)` for a further input `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    from: Sample,
    /// How much more goes in and comes out up to its end.
    length: u128,
    gain: u128,
    reserve_in: U256,
    reserve_out: U256,
    /// It ends at an answer, and not between two.
    is_answer: bool,
}

impl Piece {
    /// `bend`: the virtual reserve of what goes in, where it is known.
    fn new([from, to]: [Sample; 2], bend: Option<U256>, is_answer: bool) -> Self {
        let (length, gain) = (to[0] - from[0], to[1] - from[1]);
        let straight = U256::from(length) << STRAIGHT;
        let reserve_in = bend.unwrap_or(straight).clamp(U256::from(1), straight);
        // Rounded up, so that the end is reached.
        let reserve_out = (U256::from(gain) * (reserve_in + U256::from(length))).div_ceil(U256::from(length));
        Self { from, length, gain, reserve_in, reserve_out, is_answer }
    }

    fn out(&self, into: u128) -> u128 {
        let more = U256::from(into - self.from[0]);
        let gained: U256 = self.reserve_out * more / (self.reserve_in + more);
        self.from[1] + gained.saturating_to::<u128>().min(self.gain)
    }

    /// The smallest input of this piece that pays `out`, which is no more than its end pays.
    fn cost(&self, out: u128) -> u128 {
        let more = U256::from(out.saturating_sub(self.from[1]));
        let left = self.reserve_out.saturating_sub(more);
        let into = if left.is_zero() { U256::MAX } else { (more * self.reserve_in).div_ceil(left) };
        self.from[0] + into.saturating_to::<u128>().min(self.length)
    }
}

/// What a pool pays one way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<Sample>", into = "Vec<Sample>")]
pub struct Curve {
    pieces: Vec<Piece>,
}

impl TryFrom<Vec<Sample>> for Curve {
    type Error = String;

    fn try_from(samples: Vec<Sample>) -> Result<Self, String> {
        let have = samples.len();
        let curve = Self::new(samples);
        (curve.samples().count() == have)
            .then_some(curve)
            .ok_or_else(|| "samples that no curve goes through".to_owned())
    }
}

impl From<Curve> for Vec<Sample> {
    fn from(curve: Curve) -> Self {
        curve.samples().collect()
    }
}

impl Curve {
    /// Through these. What pays no more than a smaller input did is left out, and what is past 112 bits.
    #[must_use]
    pub fn new(mut samples: Vec<Sample>) -> Self {
        samples.sort_unstable();
        let mut last = [0, 0];
        samples.retain(|sample| {
            let is_in_range = sample.iter().all(|amount| *amount >> BITS == 0);
            let rises = sample[0] > last[0] && sample[1] > last[1] && is_in_range;
            if rises {
                last = *sample;
            }
            rises
        });
        let mut pieces = Vec::with_capacity(samples.len());
        if let Some(first) = samples.first() {
            // Before the first answer it bends as behind it.
            let next = samples.get(1).and_then(|second| bend(*first, *second));
            let bend = next.map(|reserve| reserve.saturating_sub(U256::from(first[0])));
            pieces.push(Piece::new([[0, 0], *first], bend, true));
        }
        for at in 1..samples.len() {
            let mut from = samples[at - 1];
            for to in between(&samples, at).into_iter().flatten() {
                pieces.push(Piece::new([from, to], bend(from, to), false));
                from = to;
            }
            pieces.push(Piece::new([from, samples[at]], bend(from, samples[at]), true));
        }
        Self { pieces }
    }

    /// The answers it goes through, the smallest input first.
    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        let answers = self.pieces.iter().filter(|piece| piece.is_answer);
        answers.map(|piece| [piece.from[0] + piece.length, piece.from[1] + piece.gain])
    }

    /// The largest input that it knows an answer for.
    #[must_use]
    pub fn most(&self) -> u128 {
        self.pieces.last().map_or(0, |last| last.from[0] + last.length)
    }

    /// What `amount_in` pays.
    ///
    /// # Errors
    /// It is past the last answer, or pays nothing.
    pub fn quote_in(&self, amount_in: U256) -> Result<u128, QuoteError> {
        let into = u128::try_from(amount_in).ok().filter(|into| *into <= self.most()).ok_or(QuoteError::TooLarge)?;
        let at = self.pieces.partition_point(|piece| piece.from[0] + piece.length < into);
        let out = self.pieces.get(at).map_or(0, |piece| piece.out(into));
        if out == 0 { Err(QuoteError::TooSmall) } else { Ok(out) }
    }

    /// The smallest input that pays `amount_out`.
    ///
    /// # Errors
    /// As of [`Curve::quote_in`].
    pub fn quote_out(&self, amount_out: U256) -> Result<u128, QuoteError> {
        let out = u128::try_from(amount_out).map_err(|_| QuoteError::TooLarge)?;
        if out == 0 {
            return Err(QuoteError::TooSmall);
        }
        let at = self.pieces.partition_point(|piece| piece.from[1] + piece.gain < out);
        self.pieces.get(at).map(|piece| piece.cost(out)).ok_or(QuoteError::TooLarge)
    }

    /// What it pays a unit for a vanishing input.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.pieces.first().map_or(0.0, |first| f64::from(first.reserve_out) / f64::from(first.reserve_in))
    }

    /// Its pieces as stretches; `visit` returns `false` to stop.
    pub fn segments(&self, mut visit: impl FnMut(Segment) -> bool) {
        for piece in &self.pieces {
            let reserve_out = f64::from(piece.reserve_out) * (1.0 + RAISED);
            let (in_max, reserve_in) = (U256::from(piece.length), f64::from(piece.reserve_in));
            if !visit(Segment { in_max, reserve_in, reserve_out, gamma: 1.0 }) {
                return;
            }
        }
    }
}

/// Points between two answers, before the one at `at`: by a cubic through both and two more. None where that does not rise between them,
/// or there are no more.
fn between(samples: &[Sample], at: usize) -> Option<[Sample; POINTS]> {
    // At either end the last four.
    let first = at.saturating_sub(2).min(samples.len().checked_sub(4)?);
    let around: &[Sample; 4] = samples.get(first..first + 4)?.try_into().ok()?;
    let nodes = around.map(|[into, out]| [into as f64, into as f64 / out as f64]);
    let price = |into: f64| -> f64 {
        let term = |(i, [x, y]): (usize, &[f64; 2])| {
            let others = nodes.iter().enumerate().filter(|(j, _)| *j != i);
            y * others.map(|(_, [other, _])| (into - other) / (x - other)).product::<f64>()
        };
        nodes.iter().enumerate().map(term).sum()
    };
    let [mut last, end] = [samples[at - 1], samples[at]];
    let [low, high] = [last, end].map(|[into, _]| into as f64);
    let mut points = [[0; 2]; POINTS];
    for (place, point) in points.iter_mut().enumerate() {
        let into = (low + (high - low) * (place + 1) as f64 / (POINTS + 1) as f64).floor();
        // Float to integer saturates, and what is no number is nothing.
        *point = [into as u128, (into / price(into)) as u128];
        if point[0] <= last[0] || point[1] <= last[1] {
            return None;
        }
        last = *point;
    }
    (last[0] < end[0] && last[1] < end[1]).then_some(points)
}

/// The virtual reserve of what goes in, at the first of two answers. `None`: the larger input does not pay less a unit.
fn bend([x0, y0]: Sample, [x1, y1]: Sample) -> Option<U256> {
    let wide = U512::from::<u128>;
    let (before, behind) = (wide(x0) * wide(y1), wide(x1) * wide(y0));
    let falls = behind.checked_sub(before).filter(|falls| !falls.is_zero())?;
    Some((wide(x1 - x0) * before / falls).saturating_to())
}
