//! For paths with a pool whose stretches only bound it: the curve says where about to look and what no input can exceed, and exact walks
//! climb to the top.
//!
//! # Invariants
//! - Amounts are exact quotes. Only the input is tried, so that no pool is quoted backwards: here that is a search of its own.
//!
//! # Limits
//! Takes the profit for a hill with one top, which roundings of a few units make it only roughly: what it leaves is within the gap that it
//! reports, which the curve's looseness widens.
//!
//! # Cost
//! Three to six walks to have the top between two inputs, then a few more, at the tops of parabolas through the best three or halfway: no
//! more than two for each bit of what lies between.

use crate::hot::search::sizing::path::Path;
use crate::hot::search::sizing::refine::Refine;
use crate::protocols::amm::Amm;

/// Part of the input that the first steps away from the curve's peak take.
const FIRST_STEP: u128 = 32;

/// An input and what it leaves. Outside of what the pools can swap that is less than anything.
#[derive(Clone, Copy, Debug)]
struct Tried {
    input: u128,
    profit: i128,
}

/// Inputs round a top: neither end leaves more than the middle.
#[derive(Clone, Copy, Debug)]
struct Hill {
    low: Tried,
    middle: Tried,
    high: Tried,
}

impl Hill {
    /// Where the parabola through the three has its top, and how far above the middle.
    fn vertex(&self) -> Option<(f64, f64)> {
        let Self { low, middle, high } = self;
        if low.profit == i128::MIN || high.profit == i128::MIN {
            return None;
        }
        // As seen from the middle, so that doubles hold the differences.
        let [a, b] = [(middle.input - low.input) as f64, (high.input - middle.input) as f64];
        let [down, up] = [low, high].map(|end| end.profit.saturating_sub(middle.profit) as f64);
        let bend = (down * b + up * a) / (a * b * (a + b));
        let slope = (up * a * a - down * b * b) / (a * b * (a + b));
        (bend < 0.0).then(|| (-slope / (2.0 * bend), -slope * slope / (4.0 * bend)))
    }

    /// An input inside, and none of the three: so far from the middle, or halfway into the wider side.
    fn inside(&self, step: Option<f64>) -> u128 {
        let Self { low, middle, high } = self;
        let left = middle.input - low.input > high.input - middle.input;
        let halfway = if left { low.input.midpoint(middle.input) } else { middle.input.midpoint(high.input) };
        let Some(step) = step else { return halfway };
        // Float to integer saturates.
        let size = step.abs().round() as u128;
        let at = if step < 0.0 { middle.input.saturating_sub(size) } else { middle.input.saturating_add(size) };
        if low.input < at && at < high.input && at != middle.input { at } else { halfway }
    }

    const fn width(&self) -> u128 {
        self.high.input - self.low.input
    }

    fn take(&mut self, tried: Tried) {
        let is_right = tried.input > self.middle.input;
        match (tried.profit > self.middle.profit, is_right) {
            (true, true) => (self.low, self.middle) = (self.middle, tried),
            (true, false) => (self.high, self.middle) = (self.middle, tried),
            (false, true) => self.high = tried,
            (false, false) => self.low = tried,
        }
    }
}

/// Climbs from `start` until a parabola promises too little to walk for, twice in a row.
pub fn climb<P: Amm>(path: &Path<'_, P>, refine: &mut Refine, start: u128) {
    let mut hill = surround(path, refine, start.max(1));
    let (mut flat, mut before) = (0, hill.width());
    while hill.width() > 2 && !refine.is_spent() && flat < 2 {
        let vertex = hill.vertex();
        flat = if vertex.is_some_and(|(_, rise)| refine.is_idle(rise as i128)) { flat + 1 } else { 0 };
        // A parabola whose tops lie all on one side hardly narrows the hill: every other step halves it then.
        let narrowed = hill.width() <= before / 2;
        before = hill.width();
        let input = hill.inside(vertex.filter(|_| narrowed || flat > 0).map(|(step, _)| step));
        hill.take(walk(path, refine, input));
    }
}

/// Steps away from `start`, twice as far each time, until the top lies in between.
fn surround<P: Amm>(path: &Path<'_, P>, refine: &mut Refine, start: u128) -> Hill {
    let mut step = (start / FIRST_STEP).max(1);
    let middle = walk(path, refine, start);
    let low = walk(path, refine, start - step.min(start - 1));
    let mut hill = Hill { low, middle, high: walk(path, refine, start.saturating_add(step)) };
    while hill.high.profit > hill.middle.profit && !refine.is_spent() {
        step = step.saturating_mul(2);
        let next = walk(path, refine, hill.high.input.saturating_add(step));
        hill = Hill { low: hill.middle, middle: hill.high, high: next };
    }
    while hill.low.profit > hill.middle.profit && !refine.is_spent() {
        step = step.saturating_mul(2).min(hill.low.input / 2);
        let next = walk(path, refine, hill.low.input - step);
        hill = Hill { low: next, middle: hill.low, high: hill.middle };
    }
    hill
}

fn walk<P: Amm>(path: &Path<'_, P>, refine: &mut Refine, input: u128) -> Tried {
    Tried { input, profit: refine.walk(path, input).unwrap_or(i128::MIN) }
}
