//! For pools that offer no stretches: a bracketed search on exact quotes.
//!
//! # Limits
//! Takes the profit for a hill with one top, which rounding makes it only roughly: it finds the neighbourhood, and
//! [`refine`](crate::hot::search::sizing::refine) does the rest with the one bound that needs no curve.
//!
//! # Cost
//! About 128 exact walks to find the power of two, 1.5 a bit after that. Counted.

use crate::hot::search::sizing::path::Path;
use crate::hot::search::sizing::refine::Refine;
use crate::protocols::amm::Amm;

/// Rounds of a golden section that bring a bracket of powers of two down to a unit.
const ROUNDS: u32 = 185;

/// The grid to refinement on and where to start. Where no power of two gives any output, the last that can be swapped.
pub fn peak<P: Amm>(path: &Path<'_, P>, refine: &mut Refine) -> (usize, u128) {
    let (mut top, mut best) = (1, None);
    for bit in 0..127 {
        if refine.is_spent() {
            break;
        }
        let Some(profit) = refine.walk(path, 1 << bit) else { break };
        let pays = profit > -(1 << bit);
        if best.is_none() || pays && best.is_none_or(|best| profit > best) {
            (top, best) = (1u128 << bit, pays.then_some(profit));
        }
    }
    if best.is_none() {
        return (0, top);
    }
    let input = golden(path, refine, top / 2, top * 2);
    let Some(amounts) = path.amounts(input) else { return (0, top) };
    let count = path.hops().len();
    // The token of which there are fewest on the way has the coarsest unit, near enough.
    let fewest = amounts[..=count].iter().enumerate().min_by_key(|(_, amount)| **amount);
    fewest.map_or((0, top), |(grid, start)| (grid, (*start).max(1)))
}

fn golden<P: Amm>(path: &Path<'_, P>, refine: &mut Refine, mut low: u128, mut high: u128) -> u128 {
    // Past the end of what the pools can swap counts as worst, which keeps the search on this side of it.
    let rounds = ROUNDS.min(refine.left());
    let mut profit = |input| refine.walk(path, input).unwrap_or(i128::MIN);
    let part = |low: u128, high: u128| ((high - low) as f64 * 0.381_966_011_250_105) as u128;
    let (mut a, mut b) = (low + part(low, high), high - part(low, high));
    let (mut at_a, mut at_b) = (profit(a), profit(b));
    for _ in 0..rounds {
        if high - low <= 3 || a >= b {
            break;
        }
        if at_a >= at_b {
            (high, b, at_b) = (b, a, at_a);
            a = low + part(low, high);
            at_a = profit(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = high - part(low, high);
            at_b = profit(b);
        }
    }
    if at_a >= at_b { a } else { b }
}
