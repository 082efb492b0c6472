//! Which amounts near the peak lose least to rounding, guessed in floats.
//!
//! Near its peak the curve is so flat that what rounding takes decides: up to a unit of each coarse token on the path,
//! for millions of amounts that differ by less on the curve. The contracts' roundings are few and known (the fee, and
//! both sides of a stretch), so that a copy of the path in floats, roundings included, tells good amounts from bad ones
//! for a hundredth of what an exact walk costs.
//!
//! # Invariants
//! - Steers only: what it picks is walked exactly before it counts, and it rules nothing out.
//!
//! # Limits
//! A double holds an integer to 2^53: of amounts past that it tells nothing about a last unit. It needs not, where a
//! coarser token's rounding matters more; where there is none, it is not asked.
//!
//! # Cost
//! Some ten float operations a hop and amount, and an exact quote for each end of a stretch in the window. Buffers are
//! kept.

use alloy_primitives::U256;

use crate::hot::search::MAX_HOPS;
use crate::hot::search::sizing::curve::Curve;
use crate::hot::search::sizing::path::Path;
use crate::protocols::amm::Amm;
use crate::protocols::amm::Segment;

/// Amounts picked.
pub const PICKS: usize = 8;

/// A stretch of one hop, from where the contract last rounded.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    start_in: f64,
    start_out: f64,
    reserve_in: f64,
    reserve_out: f64,
}

/// One hop's stretches inside the window.
#[derive(Debug, Default)]
struct HopStretches {
    pieces: Vec<Piece>,
    gamma: f64,
    /// A constant product, floored once, so that the fee alone takes nothing.
    plain: bool,
}

impl HopStretches {
    /// Smallest input for an output.
    fn cost(&self, out: f64) -> f64 {
        let [first, rest @ ..] = &self.pieces[..] else { return 0.0 };
        let piece = rest.iter().rev().find(|piece| piece.start_out < out).unwrap_or(first);
        let left = out - piece.start_out;
        let net = piece.reserve_in * left / (piece.reserve_out - left);
        if self.plain {
            return floor(net / self.gamma) + 1.0;
        }
        piece.start_in + ceil(ceil(net) / self.gamma)
    }

    /// Output for an input.
    fn pay(&self, input: f64) -> f64 {
        let [first, rest @ ..] = &self.pieces[..] else { return 0.0 };
        let piece = rest.iter().rev().find(|piece| piece.start_in <= input).unwrap_or(first);
        let net = (input - piece.start_in) * self.gamma;
        let net = if self.plain { net } else { floor(net * (1.0 + NUDGE) + NUDGE_UNIT) };
        piece.start_out + floor(piece.reserve_out * net / (piece.reserve_in + net))
    }
}

/// A fee often leaves an exact integer, the best case of all, which float error must not floor to the one below: what is
/// left differs from the next integer by a millionth, or not at all.
const NUDGE: f64 = 1e-15;
/// See [`NUDGE`].
const NUDGE_UNIT: f64 = 1e-7;

/// `f64::floor` without a call into the C library. Past 2^51 it may be off by one, where a double says no more anyway.
#[inline]
fn floor(x: f64) -> f64 {
    const SHIFT: f64 = (3u64 << 51) as f64;
    let near = (x + SHIFT) - SHIFT;
    if near > x { near - 1.0 } else { near }
}

#[inline]
fn ceil(x: f64) -> f64 {
    -floor(-x)
}

/// Amounts to try: the first, the step and how many.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    low: u128,
    step: u128,
    count: u128,
}

impl Window {
    /// All between two amounts where there are no more than `tries`, else every so manieth. What that leaves over is left
    /// out: `share` of it at the low end.
    fn over(low: f64, high: f64, tries: u32, share: f64) -> Self {
        let low = low.max(1.0);
        // Past 126 bits there is no amount of anything, and sums would overflow.
        let width = (high.min(2f64.powi(126)) - low).max(0.0);
        // Float to integer saturates.
        let mut step = ((width / f64::from(tries)).ceil() as u128).max(1);
        // A fee's roundings repeat after 1,000 or 2,000 amounts: a step prime to those meets them all.
        while step.is_multiple_of(2) && step > 1 || step.is_multiple_of(5) {
            step -= 1;
        }
        let count = (width as u128 / step + 1).min(u128::from(tries));
        let over = width - (step * (count - 1)) as f64;
        Self { low: (low + share * over) as u128, step, count }
    }

    const fn high(&self) -> u128 {
        self.low + self.step * self.count
    }
}

/// Windows: one round the peak, and one before each of so many ends of stretches.
const WINDOWS: usize = 1 + KINKS;
/// See [`WINDOWS`].
const KINKS: usize = 3;
/// A window is at least so wide on either side, if the reach is: a fee's roundings repeat within it.
const PERIOD: f64 = 2_000.0;
/// Most neighbours looked at on either side of what a step has found.
const NEAR: u128 = 32;

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    /// Position of the token whose amounts are tried.
    pub grid: usize,
    /// Amount of it at the peak.
    pub start: u128,
    /// The best profit so far: no amount that makes less is picked.
    pub best: i128,
    /// Most that another amount near the peak can add to it.
    pub fall: f64,
    /// Amounts to try in each window, above zero.
    pub tries: u32,
}

impl Aim {
    fn windows(&self, curve: &Curve) -> ([Window; WINDOWS], usize) {
        let Self { grid, start, tries, .. } = *self;
        let mut windows = [Window::default(); WINDOWS];
        if curve.is_plain() {
            // One stretch, and one rounding a hop that no fee's period adds to: fewer tries do.
            let tries = tries.div_ceil(4);
            let reach = curve.reach(grid, self.fall) as f64;
            let half = (reach * (8.0 / f64::from(tries)).sqrt()).max(f64::from(tries) / 2.0).min(reach);
            windows[0] = Window::over(start as f64 - half, start as f64 + half, tries, 0.5);
            return (windows, 1);
        }
        let half = self.spread(curve.reach(grid, self.fall) as f64);
        windows[0] = Window::over(start as f64 - half, start as f64 + half, tries, 0.5);
        let mut count = 1;
        for kink in curve.kinks(grid).take(KINKS) {
            let fall = self.fall + kink.spared + kink.change;
            if fall > 0.0 {
                let back = self.spread(kink.reach(fall));
                windows[count] = Window::over(kink.amount - back, kink.amount + 1.0, tries, 1.0);
                count += 1;
            }
        }
        (windows, count)
    }

    /// The part of a reach over which the curve falls by a few times what the best of so many tries still loses; all of a
    /// narrow one.
    fn spread(&self, reach: f64) -> f64 {
        (reach * (8.0 / f64::from(self.tries)).sqrt()).max(PERIOD).min(reach)
    }
}

/// Picks amounts. Keeps its buffers.
#[derive(Debug, Default)]
pub struct RoundingSearch {
    hops: [HopStretches; MAX_HOPS],
    /// Guessed profit and amount, best first.
    picks: [(f64, u128); PICKS],
    count: usize,
}

impl RoundingSearch {
    /// The amounts that are guessed to add most to the best so far, best first, each with the profit guessed.
    pub fn pick<P: Amm>(&mut self, path: &Path<'_, P>, curve: &Curve, aim: Aim) -> &[(f64, u128)] {
        let (windows, count) = aim.windows(curve);
        let windows = &windows[..count];
        self.count = 0;
        let low = windows.iter().map(|window| window.low).min().unwrap_or_default();
        let high = windows.iter().map(Window::high).max().unwrap_or_default();
        let hops = path.hops().len();
        for at in 0..hops {
            let [low, high] = [low, high].map(|end| curve.amount_at(aim.grid, at, end as f64));
            // Straight lines are a little off.
            let margin = 0.05 * (high - low);
            if !self.apply(path, curve, at, [low - margin, high + margin]) {
                return &[];
            }
        }
        for window in windows {
            self.sift(hops, aim, *window);
        }
        // What was stepped over next to the best: where a fee's roundings decide, neighbours are nearly as good.
        let around = windows.iter().map(|window| window.step).max().unwrap_or(1).min(NEAR);
        let (seeds, seeded) = (self.picks, self.count);
        for (_, seed) in &seeds[..seeded] {
            let low = seed.saturating_sub(around - 1).max(1);
            self.sift(hops, aim, Window { low, step: 1, count: 2 * around - 1 });
        }
        &self.picks[..self.count]
    }

    /// Lays out a hop's stretches between two inputs. False where a stretch cannot be quoted.
    fn apply<P: Amm>(&mut self, path: &Path<'_, P>, curve: &Curve, at: usize, [low, high]: [f64; 2]) -> bool {
        let (segments, plain) = curve.segments(at);
        let hop = &mut self.hops[at];
        hop.pieces.clear();
        (hop.plain, hop.gamma) = (plain, segments.first().map_or(1.0, |segment| segment.gamma));
        let (pool, leg) = path.hops()[at];
        let mut start = U256::ZERO;
        for Segment { in_max, reserve_in, reserve_out, .. } in segments {
            let end = start.saturating_add(*in_max);
            if f64::from(start) > high {
                break;
            }
            if f64::from(end) >= low {
                let paid = if start.is_zero() { U256::ZERO } else { pool.quote_in(leg, start).unwrap_or(U256::MAX) };
                if paid == U256::MAX {
                    return false;
                }
                let (start_in, start_out) = (f64::from(start), f64::from(paid));
                hop.pieces.push(Piece { start_in, start_out, reserve_in: *reserve_in, reserve_out: *reserve_out });
            }
            start = end;
        }
        !hop.pieces.is_empty()
    }

    /// Notes the best of a window.
    fn sift(&mut self, hops: usize, aim: Aim, window: Window) {
        let mut least = self.least(aim);
        for i in 0..window.count {
            let amount = window.low + i * window.step;
            let profit = self.guess(hops, aim.grid, amount as f64);
            if profit > least && !self.picks[..self.count].iter().any(|pick| pick.1 == amount) {
                self.note(profit, amount);
                least = self.least(aim);
            }
        }
    }

    /// What a guess has to exceed to be noted.
    fn least(&self, aim: Aim) -> f64 {
        if self.count < PICKS { aim.best as f64 } else { self.picks[PICKS - 1].0 }
    }

    fn guess(&self, hops: usize, grid: usize, amount: f64) -> f64 {
        let before = self.hops[..grid].iter().rev().fold(amount, |amount, hop| hop.cost(amount));
        let after = self.hops[grid..hops].iter().fold(amount, |amount, hop| hop.pay(amount));
        after - before
    }

    fn note(&mut self, profit: f64, amount: u128) {
        self.count = (self.count + 1).min(PICKS);
        let mut at = self.count - 1;
        while at > 0 && self.picks[at - 1].0 < profit {
            self.picks[at] = self.picks[at - 1];
            at -= 1;
        }
        self.picks[at] = (profit, amount);
    }
}
