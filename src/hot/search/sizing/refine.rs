//! The best integer, and the proof: branch and bound over the amounts of one token on the path.
//!
//! Rounding never gives, so the best input is the smallest that reaches its amounts. Hence the profit is a function of
//! the amount `m` of any one token on the path: `after(m) - before(m)`, with `before` quoted backwards, and any token's
//! amounts reach the same best profit. The coarsest token has the fewest.
//!
//! # Invariants
//! - An interval of `m` is dropped only when no integer in it can beat the best found. Two bounds
//!   say so: `after(high) - before(low)`, exact, as both are monotone; and the curve's profit over the inputs
//!   `before(low)..=before(high)`, largest at the end nearer the peak, as it is concave: [`Ceiling`].
//! - Once nothing can add more than one unit, that unit itself is looked for in what is still open, `Effort::last_unit` times.
//! - What is left when the budget ends is bounded the same way, and reported as the gap.
//!
//! # Cost
//! One exact walk a split or pick, one more (forwards) for each improvement, one heap operation. The heap is kept; it grows no
//! further than the budget.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::hot::search::MAX_HOPS;
use crate::hot::search::sizing::Best;
use crate::hot::search::sizing::Effort;
use crate::hot::search::sizing::ceiling::Ceiling;
use crate::hot::search::sizing::curve::Curve;
use crate::hot::search::sizing::path::Path;
use crate::hot::search::sizing::path::Point;
use crate::hot::search::sizing::rounding::Aim;
use crate::hot::search::sizing::rounding::RoundingSearch;
use crate::protocols::amm::Amm;

/// Beyond every amount, see [`Point::profit`].
const END: u128 = 1 << 127;

/// Amounts guessed at in each of the rounding search's windows for each exact walk allowed, and the most of them.
const TRIES: u32 = 8;
/// See [`TRIES`].
const MOST_TRIES: u32 = 1 << 14;

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

    /// Where to split: halfway, or, sooner, twice as far from the peak as the nearer end. An interval far from the peak
    /// reaches on to where walks are long and nothing is found.
    fn middle(&self, peak: u128) -> u128 {
        let (low, high, half) = (self.low.amount, self.high.amount(), self.width() / 2);
        if low > peak {
            return low + half.min(low - peak);
        }
        if high < peak { high - half.min(peak - high) } else { low + half }
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
pub struct Refine {
    open: BinaryHeap<Open>,
    effort: Effort,
    evaluations: u32,
    best: Option<Walked>,
    rounding: RoundingSearch,
    /// The rounding search has picked.
    sifted: bool,
    /// Walks that [`Refine::scan`] made.
    scanned: u32,
}

impl Refine {
    /// Starts on another cycle.
    pub fn begin(&mut self, effort: Effort) {
        self.open.clear();
        (self.effort, self.evaluations, self.best) = (effort, 0, None);
        (self.sifted, self.scanned) = (false, 0);
    }

    /// Exact walks made since [`Refine::begin`].
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
        self.try_picks(path, &mut ceiling, grid, start);
        let (mut last_unit, mut unit_left) = (self.effort.last_unit.saturating_sub(self.scanned), false);
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
            if self.is_enough(gap) || self.is_sifted(gap, &ceiling) || self.evaluations >= self.effort.evaluations {
                break self.rest(&ceiling, next).max(u128::from(unit_left));
            }
            last_unit -= u32::from(gap == 1);
            self.split(path, &mut ceiling, grid, next, next.middle(start));
        };
        self.end(path, gap)
    }

    /// The best so far, where none can leave more than `most`.
    pub fn found<P: Amm>(&self, path: &Path<'_, P>, most: u128) -> Option<Best> {
        self.end(path, most.saturating_sub(self.best_profit() as u128))
    }

    /// This input and no other, where none leaves more than `most`. `None` when it leaves nothing.
    pub fn only<P: Amm>(&mut self, path: &Path<'_, P>, input: u128, most: u128) -> Option<Best> {
        self.best = None;
        self.walk(path, input)?;
        self.found(path, most)
    }

    fn end<P: Amm>(&self, path: &Path<'_, P>, gap: u128) -> Option<Best> {
        let best = self.best?;
        Some(Best { amounts: best.amounts, hops: path.hops().len() as u8, gap, evaluations: self.evaluations })
    }

    /// A gap that is worth no further walk. A unit is, where all is to be proven.
    #[must_use]
    pub fn is_idle(&self, gap: i128) -> bool {
        gap < 1 || self.is_enough(gap)
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

    /// Walks the amounts that rounding should be kindest to.
    fn try_picks<P: Amm>(&mut self, path: &Path<'_, P>, ceiling: &mut Option<Ceiling<'_>>, grid: usize, start: u128) {
        let Some(limits) = ceiling.as_ref() else { return };
        let gap = limits.over(0, END).saturating_sub(self.best_profit());
        let last_unit = self.effort.last_unit > 0;
        if gap < 1 || !last_unit && (gap == 1 || self.is_enough(gap)) || self.is_spent() {
            return;
        }
        if !limits.curve.is_coarse(grid) {
            return self.scan(path, limits.curve, grid, start);
        }
        let fall = limits.height() - (self.best_profit() - limits.anchor) as f64;
        let tries = self.effort.evaluations.saturating_mul(TRIES).clamp(TRIES, MOST_TRIES);
        let aim = Aim { grid, start, best: self.best_profit(), fall, tries };
        let mut rounding = std::mem::take(&mut self.rounding);
        for (guess, amount) in rounding.pick(path, limits.curve, aim) {
            if self.is_spent() || *guess <= self.best_profit() as f64 {
                break;
            }
            let Some(open) = self.take(*amount) else { continue };
            self.split(path, ceiling, grid, open, *amount);
        }
        self.rounding = rounding;
        self.sifted = true;
    }

    /// Where no token is coarse, only exact walks tell the last unit: those next to the peak.
    fn scan<P: Amm>(&mut self, path: &Path<'_, P>, curve: &Curve, grid: usize, start: u128) {
        let reach = curve.reach(grid, 1.0).min(u128::from(self.effort.last_unit / 2));
        for amount in start.saturating_sub(reach).max(1)..=start.saturating_add(reach) {
            if self.is_spent() {
                return;
            }
            if amount != start {
                self.probe(path, grid, amount);
                self.scanned += 1;
            }
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

    /// No more is open than what rounding takes, and the rounding search has looked for that: halving on would be blind.
    fn is_sifted(&self, gap: i128, ceiling: &Option<Ceiling<'_>>) -> bool {
        let rounding = ceiling.as_ref().map_or(0.0, |ceiling| ceiling.curve.rounding(ceiling.grid));
        self.sifted && self.effort.tolerance_bits < 128 && gap as f64 <= rounding
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
