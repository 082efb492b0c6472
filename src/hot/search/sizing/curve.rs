//! The real-valued curve of a cycle: its pools' stretches composed, and where it peaks.
//!
//! A composition of constant-product stretches is again `slope * x / (1 + bend * x)`, so each combination of current
//! stretches is one Möbius curve that holds until the first of its pools runs out of stretch. Its derivative only falls,
//! so the peak of `out - in` is where it crosses one.
//!
//! # Invariants (what a pool is assumed to keep to, beside `Amm`'s own promises)
//! - Its integer quotes never exceed its stretches, to [`ERROR`] of the amount.
//! - Inside a stretch they fall short of it by less than a unit of the output, and, in a pool with ticks, by a further
//!   unit of the input (the fee is floored first) and one step of a 96-bit square-root price.
//!
//! # Cost
//! A few dozen float operations a hop and stretch. Buffers are kept.

use crate::hot::search::MAX_HOPS;
use crate::hot::search::sizing::path::Path;
use crate::hot::search::sizing::side::Side;
use crate::protocols::amm::Amm;
use crate::protocols::amm::Segment;

/// Relative error allowed to a stretch and to the sums over it. Measured for tick ranges: 6e-13 (facts: performance, 5).
pub const ERROR: f64 = 1e-12;

/// How much of a curve is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// As far as the peak.
    Peak,
    /// As far as bounds need: some stretches beyond the peak. Past them the bound is a straight line, which holds but prunes
    /// less.
    Whole,
}

impl Reach {
    /// Stretches traced beyond the peak.
    const fn beyond(self) -> usize {
        match self {
            Self::Peak => 0,
            Self::Whole => 2,
        }
    }

    /// Stretches of a pool read at first.
    const fn read(self) -> usize {
        match self {
            Self::Peak => 2,
            Self::Whole => 8,
        }
    }
}

/// One Möbius stretch of the whole cycle: for `x` past `start`, up to `len`: `slope * x / (1 + bend * x)` more comes out.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: f64,
    len: f64,
    slope: f64,
    bend: f64,
}

impl Stretch {
    /// What `x` past the start adds to the profit.
    fn gain(&self, x: f64) -> f64 {
        x * (self.slope - 1.0 - self.bend * x) / (1.0 + self.bend * x)
    }

    /// Slope of the output at `x` past the start.
    fn slope_at(&self, x: f64) -> f64 {
        self.slope / (1.0 + self.bend * x).powi(2)
    }

    /// The same curve as seen from `x` past the start.
    fn from(&self, x: f64) -> Self {
        let bend = self.bend / (1.0 + self.bend * x);
        Self { start: self.start + x, len: self.len - x, slope: self.slope_at(x), bend }
    }
}

/// The end of a stretch before the peak.
#[derive(Clone, Copy, Debug)]
pub struct Kink {
    /// Amount of the grid's token there.
    pub amount: f64,
    /// The curve there, less that at the peak.
    pub change: f64,
    /// Most that fewer roundings can make up for it.
    pub spared: f64,
    here: Stretch,
    unit: f64,
}

impl Kink {
    /// How far back from here, in amounts of the grid's token, the curve falls by `fall`. Steers only.
    #[must_use]
    pub fn reach(&self, fall: f64) -> f64 {
        let climb = (self.here.slope - 1.0).max(0.0);
        let inputs = 2.0 * fall / (climb + (climb * climb + 4.0 * self.here.bend * fall).sqrt());
        inputs.min(self.here.start) / self.unit
    }
}

/// Where a cycle pays most, on the real-valued curve.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peak {
    /// Input there, an integer.
    pub input: u128,
    /// Profit there on the curve, and the most it can be after float error.
    pub profit: f64,
    /// See `profit`.
    pub profit_most: f64,
    /// Amount at every position.
    amounts: [f64; MAX_HOPS + 1],
    /// What one unit at each position is worth in the start token.
    unit: [f64; MAX_HOPS + 1],
    /// What each hop can lose to its own rounding before the floor, in the start token.
    lost: [f64; MAX_HOPS],
    /// What rounding at the ends of ranges already passed took in all, in the start token.
    passed: f64,
    /// What rounding at the end of one more range of each hop can take.
    crossing: f64,
    /// Its stretch, and how far into it.
    stretch: usize,
    into: f64,
}

/// A cycle's curve. Keeps its buffers.
#[derive(Debug, Default)]
pub struct Curve {
    sides: [Side; MAX_HOPS],
    hops: usize,
    stretches: Vec<Stretch>,
    /// The amount at every position where each stretch ends.
    ends: Vec<[f64; MAX_HOPS + 1]>,
    peak: Peak,
}

impl Curve {
    /// Traces a path. False when a pool offers no stretch.
    pub fn trace<P: Amm>(&mut self, path: &Path<'_, P>, reach: Reach) -> bool {
        self.hops = path.hops().len();
        self.stretches.clear();
        self.ends.clear();
        for (side, (pool, leg)) in self.sides.iter_mut().zip(path.hops()) {
            if !side.begin(*pool, *leg, reach.read()) {
                return false;
            }
        }
        let (mut start, mut paid, mut found) = (0.0, [0.0; MAX_HOPS + 1], None);
        loop {
            let (stretch, shortest) = self.compose(start);
            self.stretches.push(stretch);
            let top = ((stretch.slope.sqrt() - 1.0) / stretch.bend).clamp(0.0, stretch.len);
            if found.is_none() {
                // As far as the curve is known: should it end with this stretch while it still climbs, its end is the peak.
                self.settle(top, &paid);
                found = (top < stretch.len).then_some(self.stretches.len());
            }
            if found.is_some_and(|at| self.stretches.len() >= at + reach.beyond()) || !stretch.len.is_finite() {
                return true;
            }
            start += stretch.len;
            self.advance(stretch.len, &mut paid);
            self.ends.push(paid);
            let (pool, leg) = path.hops()[shortest];
            if !self.sides[shortest].enter(pool, leg) {
                return true;
            }
        }
    }

    /// The Möbius curve of the current stretches, and the hop that ends it.
    fn compose(&self, start: f64) -> (Stretch, usize) {
        let (mut slope, mut bend, mut len, mut shortest) = (1.0, 0.0, f64::INFINITY, 0);
        for (i, side) in self.sides[..self.hops].iter().enumerate() {
            // The input that brings this hop to the end of its stretch, if any does.
            let rest = slope - bend * side.room;
            if rest > 0.0 && side.room / rest < len {
                (len, shortest) = ((side.room / rest).max(0.0), i);
            }
            bend += slope * side.bend();
            slope *= side.slope();
        }
        (Stretch { start, len, slope, bend }, shortest)
    }

    fn advance(&mut self, x: f64, paid: &mut [f64; MAX_HOPS + 1]) {
        let mut amount = x;
        paid[0] += amount;
        for (side, paid) in self.sides[..self.hops].iter_mut().zip(&mut paid[1..]) {
            amount = side.advance(amount);
            *paid += amount;
        }
    }

    /// Notes the peak at `into` past the start of the last stretch, before which `paid` was paid at each position.
    fn settle(&mut self, into: f64, paid: &[f64; MAX_HOPS + 1]) {
        let Some(stretch) = self.stretches.last() else { return };
        let mut peak = Peak { stretch: self.stretches.len() - 1, ..Peak::default() };
        // Float to integer saturates. From here on the peak is this integer, so that distances from it are exact.
        peak.input = (stretch.start + into).round() as u128;
        peak.into = peak.input as f64 - stretch.start;
        let (mut amount, mut slopes) = (into, [0.0; MAX_HOPS]);
        peak.amounts[0] = stretch.start + into;
        for (i, side) in self.sides[..self.hops].iter().enumerate() {
            slopes[i] = side.slope() / (1.0 + side.bend() * amount).powi(2);
            amount = side.out(amount);
            peak.amounts[i + 1] = paid[i + 1] + amount;
        }
        peak.unit[self.hops] = 1.0;
        for i in (0..self.hops).rev() {
            peak.unit[i] = peak.unit[i + 1] * slopes[i];
            let side = &self.sides[i];
            if !side.plain {
                // The unit floored away is one after the fee, which is more than one before it.
                peak.lost[i] = peak.unit[i] / side.gamma + peak.unit[i + 1] * side.price_step();
                // Two units of the input (the amount and its fee, each rounded up) and one of the output a range.
                let range = 2.0 * peak.unit[i] / side.gamma + peak.unit[i + 1];
                peak.crossing += range;
                peak.passed += f64::from(side.passed) * range;
            }
        }
        peak.profit = self.stretches.iter().rev().skip(1).map(|s| s.gain(s.len)).sum::<f64>() + stretch.gain(into);
        peak.profit_most = peak.profit + ERROR * (peak.amounts[0] + peak.amounts[self.hops]);
        self.peak = peak;
    }

    /// The peak of the last trace.
    #[must_use]
    pub const fn peak(&self) -> &Peak {
        &self.peak
    }

    /// The position whose token has the coarsest unit, and the integer amount of it nearest to the peak. Between two
    /// amounts of that token no other token makes a difference, so there are fewest of them to look at.
    #[must_use]
    pub fn grid(&self) -> (usize, u128) {
        let mut grid = 0;
        for at in 1..=self.hops {
            // Twice: quoting backwards costs more than quoting forwards, and gains nothing among equals.
            if self.peak.unit[at] > 2.0 * self.peak.unit[grid] {
                grid = at;
            }
        }
        (grid, self.peak.amounts[grid].round().max(1.0) as u128)
    }

    /// About the amount at position `at` where that at `grid` is `amount`.
    #[must_use]
    pub fn amount_at(&self, grid: usize, at: usize, amount: f64) -> f64 {
        let peak = &self.peak;
        if amount >= peak.amounts[grid] {
            return peak.amounts[at] + (amount - peak.amounts[grid]) * peak.unit[grid] / peak.unit[at];
        }
        // Straight lines between the ends of stretches.
        let mut high = &peak.amounts;
        for low in self.ends[..peak.stretch].iter().rev().chain([&[0.0; MAX_HOPS + 1]]) {
            if amount >= low[grid] {
                let share = (amount - low[grid]) / (high[grid] - low[grid]);
                return low[at] + share * (high[at] - low[at]);
            }
            high = low;
        }
        0.0
    }

    /// The ends of stretches before the peak, nearest first: up to there the contracts round less often.
    pub fn kinks(&self, grid: usize) -> impl Iterator<Item = Kink> {
        let mut change = self.stretches[self.peak.stretch].from(self.peak.into).gain(-self.peak.into);
        (0..self.peak.stretch).rev().map(move |at| {
            let stretch = &self.stretches[at];
            let here = stretch.from(stretch.len);
            let crossed = (self.peak.stretch - at) as f64 * self.peak.crossing;
            let unit = self.peak.unit[grid] / self.peak.unit[0];
            let kink = Kink { amount: self.ends[at][grid], change, spared: self.most_crossed(crossed), here, unit };
            change += here.gain(-stretch.len);
            kink
        })
    }

    /// True when every hop is a constant product, floored once.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.sides[..self.hops].iter().all(|side| side.plain)
    }

    /// What is read of a hop's stretches, and whether it is a constant product, floored once.
    #[must_use]
    pub fn segments(&self, hop: usize) -> (&[Segment], bool) {
        (&self.sides[hop].segments, self.sides[hop].plain)
    }

    /// True when doubles tell amounts on the path apart to a fraction of what rounding takes on a grid's points.
    #[must_use]
    pub fn is_coarse(&self, grid: usize) -> bool {
        let step = self.peak.amounts[0].max(self.peak.amounts[self.hops]) * f64::EPSILON;
        self.noise(grid) > 16.0 * step.max(0.05)
    }

    /// Most by which the profit on a grid's points can lie below the curve, inside the peak's stretch.
    #[must_use]
    pub fn noise(&self, grid: usize) -> f64 {
        let units: f64 = (0..=self.hops).filter(|at| *at != grid).map(|at| self.peak.unit[at]).sum();
        // A thousandth more: rates change a little with the distance from the peak.
        1.001 * (units + self.peak.lost[..self.hops].iter().sum::<f64>())
    }

    /// Most by which an exact profit near the peak can lie below another: what rounding took there, and on the way there.
    #[must_use]
    pub fn rounding(&self, grid: usize) -> f64 {
        self.noise(grid) + 1.001 * self.peak.passed
    }

    /// How far from the peak, in amounts of the grid's token, the curve falls by `fall`. Steers only.
    #[must_use]
    pub fn reach(&self, grid: usize, fall: f64) -> u128 {
        let here = self.stretches[self.peak.stretch].from(self.peak.into);
        // The step in the grid's token is the step in the input over the ratio of their units.
        let inputs = (fall.max(0.0) / here.bend).sqrt();
        ((inputs * self.peak.unit[0] / self.peak.unit[grid] * 1.25) as u128).saturating_add(2)
    }

    /// True when an input is in the peak's stretch and near enough for [`Curve::noise`] to hold.
    #[must_use]
    pub fn is_near(&self, input: u128) -> bool {
        let stretch = &self.stretches[self.peak.stretch];
        let far = self.distance(input);
        let into = self.peak.into + far;
        (0.0..=stretch.len).contains(&into) && stretch.bend * far.abs() < 1e-4
    }

    /// What the ends of ranges take of an input that has reached the end of the peak's stretch, on top of [`Curve::noise`]: there a
    /// pool with ticks has already rounded as at any end.
    #[must_use]
    pub fn ending(&self, input: u128) -> f64 {
        let stretch = &self.stretches[self.peak.stretch];
        // Each hop's amount may be a little off.
        let margin = MAX_HOPS as f64 * ERROR * (stretch.start + stretch.len);
        let left = stretch.len - self.peak.into - self.distance(input);
        if left <= margin { 1.001 * self.peak.crossing } else { 0.0 }
    }

    /// How wrong [`Curve::change`] can be by float error.
    #[must_use]
    pub fn slack(&self, input: u128) -> f64 {
        1e-3 + ERROR * self.distance(input).abs()
    }

    /// How wrong [`Curve::change`] can be as the change of exact profits, on top of [`Curve::slack`]: what rounding took
    /// shifts a pool's input against the curve, so that its slope there, and the place of the peak, are a little others.
    #[must_use]
    pub fn drift(&self, grid: usize, input: u128) -> f64 {
        let bend = self.stretches[self.peak.stretch].from(self.peak.into).bend;
        let shift = self.noise(grid) + self.peak.passed;
        bend * shift * (2.0 * self.distance(input).abs() + shift)
    }

    /// The profit at an input less that at the peak: on the curve inside the peak's stretch, at least that beyond it.
    #[must_use]
    pub fn change(&self, input: u128) -> f64 {
        let far = self.distance(input);
        let here = &self.stretches[self.peak.stretch];
        let mut change = 0.0;
        let (mut at, mut from, mut left) = (self.peak.stretch, here.from(self.peak.into), far);
        if far >= 0.0 {
            while left > from.len {
                change += from.gain(from.len);
                left -= from.len;
                let Some(next) = self.stretches.get(at + 1) else {
                    return change + left * (from.slope_at(from.len) - 1.0);
                };
                (at, from) = (at + 1, *next);
            }
            return change + from.gain(left);
        }
        // Backwards: `gain` holds for negative steps inside a stretch, of which `start` is the other end.
        let mut room = self.peak.into;
        while -left > room && at > 0 {
            change += from.gain(-room);
            left += room;
            at -= 1;
            let stretch = &self.stretches[at];
            (from, room) = (stretch.from(stretch.len), stretch.len);
        }
        change + from.gain(left.max(-room))
    }

    /// A pool with ticks rounds at each end of a stretch as well, so that exact profits beyond it may lie higher against
    /// the curve than those at the peak: by this much between there and `input`. It is a jump, not a slope: whoever bounds
    /// an interval counts the jumps to its farther end, as the most may lie just beyond any of them.
    #[must_use]
    pub fn crossings(&self, input: u128) -> f64 {
        let far = self.distance(input);
        let here = &self.stretches[self.peak.stretch];
        let mut count = 0u32;
        if far >= 0.0 {
            let mut left = far - (here.len - self.peak.into);
            let mut at = self.peak.stretch + 1;
            while left > 0.0 {
                count += 1;
                // Beyond what was traced there may be any number of them.
                let Some(next) = self.stretches.get(at) else { return self.most_crossed(f64::INFINITY) };
                (left, at) = (left - next.len, at + 1);
            }
        } else {
            let mut left = -far - self.peak.into;
            let mut at = self.peak.stretch;
            while left > 0.0 && at > 0 {
                count += 1;
                at -= 1;
                left -= self.stretches[at].len;
            }
        }
        self.most_crossed(1.001 * self.peak.crossing * f64::from(count))
    }

    /// No profit lies above the curve, and those at the peak lie below it by no more than what rounding took on the way
    /// there: that is the most that any other can have been spared.
    fn most_crossed(&self, crossed: f64) -> f64 {
        crossed.min(1.001 * self.peak.passed)
    }

    fn distance(&self, input: u128) -> f64 {
        if input >= self.peak.input { (input - self.peak.input) as f64 } else { -((self.peak.input - input) as f64) }
    }
}
