//! The best integer, and the proof: branch and bound over the amounts of one token on the path.
//!
//! Rounding never gives, so the best input is the smallest that reaches its amounts. Hence the profit is a function of
//! the amount `m` of any one token on the path: `after(m) - before(m)`, with `before` quoted backwards, and any token's
//! amounts reach the same best profit. The coarsest token has the fewest.
//!
//! # Invariants
//! - An interval of `m` is dropped only when no integer in it can beat the best found. Two bounds
//!   say so: `after(high) - before(low)`, exact, as both are monotone; and the curve's profit over the inputs
//!   `before(low)..=before(high)`, largest at the end nearer the peak, as it is concave. The curve's height at the peak
//!   is what floats say plus their error, or, tighter by far for large amounts, any exact profit near it plus all that
//!   rounding can have taken (differences along the curve are precise where its height is not).
//! - Once nothing can add more than one unit, that unit itself is looked for in what is still open, `Effort::last_unit` times.
//! - What is left when the budget ends is bounded the same way, and reported as the gap.
//!
//! # Cost
//! One exact walk a split, one more (forwards) for each improvement, one heap operation. The heap is kept; it grows no
//! further than the budget.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::hot::search::MAX_HOPS;
use crate::hot::search::sizing::Best;
use crate::hot::search::sizing::Effort;
use crate::hot::search::sizing::curve::Curve;
use crate::hot::search::sizing::path::Path;
use crate::hot::search::sizing::path::Point;
use crate::protocols::amm::Amm;

/// Beyond every amount, see [`Point::profit`].
const END: u128 = 1 << 127;

/// The end of an interval: an exact point, or an amount that is outside of what the path can swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upper {
    Exact(Point),
    Outside(u128),
}

impl Upper {
    const fn amount(&self) -> u128 {
        match self {
            Self::Exact(point) => point.amount,
            Self::Outside(amount) => *amount,
        }
    }
}

/// The amounts strictly between two, with the most profit that any of them can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    bound: i128,
    low: Point,
    high: Upper,
}

impl Open {
    const fn width(&self) -> u128 {
        self.high.amount() - self.low.amount
    }

    const fn holds(&self, amount: u128) -> bool {
        self.low.amount < amount && amount < self.high.amount()
    }
}

impl Ord for Open {
    /// Highest bound first. Among equals the widest: when the budget ends, it was spent all over them.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.bound, self.width(), other.low.amount).cmp(&(other.bound, other.width(), self.low.amount))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The curve's bound, as known so far.
struct Ceiling<'a> {
    curve: &'a Curve,
    grid: usize,
    /// Heights are kept relative to this, so that a float holds them to a small fraction of a unit.
    anchor: i128,
    /// The most the curve's peak can be, less `anchor`, by its floats.
    top: f64,
    /// The most the peak of exact profits can be, less `anchor`, by those seen near it.
    seen: f64,
}

impl<'a> Ceiling<'a> {
    fn new(curve: &'a Curve, grid: usize) -> Self {
        let anchor = curve.peak().profit as i128;
        Self { curve, grid, anchor, top: curve.peak().profit_most - anchor as f64, seen: f64::INFINITY }
    }

    fn learn(&mut self, point: Point) {
        if self.curve.is_near(point.input) {
            let found = point.profit().saturating_sub(self.anchor) as f64 + self.curve.noise(self.grid);
            let error = self.curve.slack(point.input) + self.curve.drift(self.grid, point.input);
            self.seen = self.seen.min(found + error - self.curve.change(point.input));
        }
    }

    /// The most at the peak, less `anchor`.
    fn height(&self) -> f64 {
        self.top.min(self.seen)
    }

    /// The most profit that an input between two can make.
    fn over(&self, low: u128, high: u128) -> i128 {
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

/// An input, walked forwards.
#[derive(Clone, Copy, Debug)]
struct Walked {
    amounts: [u128; MAX_HOPS + 1],
    profit: i128,
}

impl Walked {
    fn new<P: Amm>(path: &Path<'_, P>, input: u128) -> Option<Self> {
        let amounts = path.amounts(input)?;
        let output = i128::try_from(amounts[path.hops().len()]).ok()?;
        Some(Self { amounts, profit: output - i128::try_from(input).ok()? })
    }
}

/// Branch and bound. Keeps its heap.
#[derive(Debug, Default)]
pub struct Polish {
    open: BinaryHeap<Open>,
    effort: Effort,
    evaluations: u32,
    best: Option<Walked>,
}

impl Polish {
    /// Starts on another cycle.
    pub fn begin(&mut self, effort: Effort) {
        self.open.clear();
        (self.effort, self.evaluations, self.best) = (effort, 0, None);
    }

    /// Exact walks made since [`Polish::begin`].
    #[must_use]
    pub const fn evaluations(&self) -> u32 {
        self.evaluations
    }

    /// Exact walks left of the budget.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.effort.evaluations.saturating_sub(self.evaluations)
    }

    /// The budget is spent.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.left() == 0
    }

    /// Profit for an input: one exact walk. `None` outside.
    pub fn walk<P: Amm>(&mut self, path: &Path<'_, P>, input: u128) -> Option<i128> {
        self.probe(path, 0, input).map(|point| point.profit())
    }

    fn probe<P: Amm>(&mut self, path: &Path<'_, P>, grid: usize, amount: u128) -> Option<Point> {
        self.evaluations += 1;
        let point = path.at(grid, amount)?;
        if point.profit() > self.best_profit() {
            if grid > 0 {
                self.evaluations += 1;
            }
            // Walked forwards, a pool before the grid may pay more than was asked of it: better, unless that is more
            // than a later pool can take. Then this amount cannot be had, nor any above it.
            self.best = Some(Walked::new(path, point.input)?);
        }
        Some(point)
    }

    /// Of the best input so far, and zero without one: a loss is no answer.
    fn best_profit(&self) -> i128 {
        self.best.map_or(0, |best| best.profit)
    }

    /// Looks at amounts of the token at position `grid`, from `start` outwards. `None` when no profit was found.
    pub fn run<P: Amm>(&mut self, path: &Path<'_, P>, curve: Option<&Curve>, grid: usize, start: u128) -> Option<Best> {
        let mut ceiling = curve.map(|curve| Ceiling::new(curve, grid));
        let root = Open { bound: i128::MAX, low: Point::ZERO, high: Upper::Outside(END) };
        self.split(path, &mut ceiling, grid, root, start);
        self.bracket(path, &mut ceiling, grid, start);
        let (mut last_unit, mut unit_left) = (self.effort.last_unit, false);
        let gap = loop {
            let Some(next) = self.open.pop() else { break u128::from(unit_left) };
            let next = Open { bound: bound(&ceiling, next.low, next.high), ..next };
            let gap = next.bound.saturating_sub(self.best_profit());
            if gap < 1 {
                continue;
            }
            if gap == 1 && last_unit == 0 {
                // Given up here alone: bounds are brought up to date as they are looked at, and another may be higher.
                unit_left = true;
                continue;
            }
            if self.is_enough(gap) || self.evaluations >= self.effort.evaluations {
                break self.rest(&ceiling, next).max(u128::from(unit_left));
            }
            last_unit -= u32::from(gap == 1);
            let middle = next.low.amount + next.width() / 2;
            self.split(path, &mut ceiling, grid, next, middle);
        };
        let best = self.best?;
        Some(Best { amounts: best.amounts, hops: path.hops().len() as u8, gap, evaluations: self.evaluations })
    }

    /// Splits off what is so far from the peak that the curve alone rules it out, so that halving starts near it.
    fn bracket<P: Amm>(&mut self, path: &Path<'_, P>, ceiling: &mut Option<Ceiling<'_>>, grid: usize, start: u128) {
        for side in [-1i8, 1] {
            let Some(limits) = ceiling.as_ref() else { return };
            let gap = limits.over(0, END).saturating_sub(self.best_profit());
            if gap <= 1 || self.is_enough(gap) || self.evaluations >= self.effort.evaluations {
                return;
            }
            let fall = limits.height() - (self.best_profit() - limits.anchor) as f64 - 1.0;
            let reach = limits.curve.reach(grid, fall);
            let at = if side < 0 { start.saturating_sub(reach) } else { start.saturating_add(reach) };
            let Some(open) = self.take(at) else { continue };
            self.split(path, ceiling, grid, open, at);
        }
    }

    /// Takes the interval that holds an amount out of the heap.
    fn take(&mut self, amount: u128) -> Option<Open> {
        let found = self.open.iter().find(|open| open.holds(amount)).copied()?;
        self.open.retain(|open| *open != found);
        Some(found)
    }

    /// Walks one amount inside an interval and keeps what is left of it on both sides, where that is worth it.
    fn split<P: Amm>(
        &mut self,
        path: &Path<'_, P>,
        ceiling: &mut Option<Ceiling<'_>>,
        grid: usize,
        open: Open,
        amount: u128,
    ) {
        let Some(point) = self.probe(path, grid, amount) else {
            self.keep(ceiling, open.low, Upper::Outside(amount));
            return;
        };
        if let Some(ceiling) = ceiling {
            ceiling.learn(point);
        }
        self.keep(ceiling, open.low, Upper::Exact(point));
        self.keep(ceiling, point, open.high);
    }

    fn keep(&mut self, ceiling: &Option<Ceiling<'_>>, low: Point, high: Upper) {
        let open = Open { bound: bound(ceiling, low, high), low, high };
        if open.width() > 1 && open.bound > self.best_profit() {
            self.open.push(open);
        }
    }

    fn is_enough(&self, gap: i128) -> bool {
        gap <= self.best_profit().checked_shr(self.effort.tolerance_bits).unwrap_or(0)
    }

    /// The gap over all that is still open.
    fn rest(&self, ceiling: &Option<Ceiling<'_>>, next: Open) -> u128 {
        let bounds = self.open.iter().map(|open| bound(ceiling, open.low, open.high));
        let most = bounds.fold(next.bound, i128::max);
        if most == i128::MAX { u128::MAX } else { most.saturating_sub(self.best_profit()).max(0) as u128 }
    }
}

/// The most profit that an amount strictly between two can make.
fn bound(ceiling: &Option<Ceiling<'_>>, low: Point, high: Upper) -> i128 {
    let (exact, input) = match high {
        Upper::Exact(high) => (high.output as i128 - low.input as i128, high.input),
        Upper::Outside(_) => (i128::MAX, END),
    };
    ceiling.as_ref().map_or(exact, |ceiling| exact.min(ceiling.over(low.input, input)))
}
