//! The stops every pool of one tick spacing shares: both ends of each 256-bit word of the tick bitmap, with their prices.
//!
//! # Invariants
//! - The contract looks no further than the end of a word and rounds there, so a quote must stop there too.
//! - Ends past the lowest or highest tick are drawn in to it, as the contract does.
//!
//! # Cost
//! Two prices a word, once a spacing: 2 x 6 932 words at spacing 1 (450 kB), 2 x 116 at 60. Pools share it by `Arc`.

use crate::math::tick;
use alloy_primitives::U256;
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;

/// Word ends of one spacing.
#[derive(PartialEq, Eq)]
pub struct Grid {
    spacing: i32,
    first: i32,
    ends: Vec<Ends>,
}

/// All of it follows from the spacing, and it is thousands of lines.
impl fmt::Debug for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grid").field("spacing", &self.spacing).finish_non_exhaustive()
    }
}

#[derive(PartialEq, Eq)]
struct Ends {
    low: Stop,
    high: Stop,
}

/// A tick to stop at, and its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The tick.
    pub tick: i32,
    /// Its price.
    pub sqrt_price: U256,
}

impl Stop {
    fn at(tick: i32) -> Self {
        let tick = tick.clamp(tick::MIN_TICK, tick::MAX_TICK);
        Self { tick, sqrt_price: tick::sqrt_price_at(tick).unwrap_or_default() }
    }
}

/// The widest spacing of any contract (V4's `MAX_TICK_SPACING`, the largest int16), so that word positions and products stay small.
pub const WIDEST: i32 = 32_767;

impl Grid {
    /// The grid of a spacing. Common spacings are computed once a process. `None` outside `1..=WIDEST`.
    #[must_use]
    pub fn of(spacing: i32) -> Option<Arc<Self>> {
        const COMMON: [i32; 6] = [1, 10, 50, 60, 100, 200];
        static SHARED: [OnceLock<Arc<Grid>>; 6] = [const { OnceLock::new() }; 6];
        if !(1..=WIDEST).contains(&spacing) {
            return None;
        }
        let shared = COMMON.iter().position(|s| *s == spacing).and_then(|i| SHARED.get(i));
        Some(match shared {
            Some(cell) => Arc::clone(cell.get_or_init(|| Arc::new(Self::build(spacing)))),
            None => Arc::new(Self::build(spacing)),
        })
    }

    fn build(spacing: i32) -> Self {
        let first = tick::MIN_TICK.div_euclid(spacing) >> 8;
        // Upwards the contract looks from the tick after the current one.
        let last = (tick::MAX_TICK.div_euclid(spacing) + 1) >> 8;
        let end = |position: i32, bit: i32| Stop::at((position * 256 + bit) * spacing);
        let ends = (first..=last).map(|p| Ends { low: end(p, 0), high: end(p, 255) }).collect();
        Self { spacing, first, ends }
    }

    /// Ticks between usable ticks.
    #[must_use]
    pub const fn spacing(&self) -> i32 {
        self.spacing
    }

    /// Every word a swap can ask for.
    pub fn positions(&self) -> impl Iterator<Item = i16> + use<> {
        // Fits: the ends lie at about -3466 and 3466 for spacing 1, nearer zero for any other.
        (self.first..self.first + self.ends.len() as i32).map(|p| p as i16)
    }

    /// End of a word in the direction of travel.
    #[inline]
    #[must_use]
    pub fn end(&self, position: i32, down: bool) -> Option<Stop> {
        let ends = self.ends.get(usize::try_from(position - self.first).ok()?)?;
        Some(if down { ends.low } else { ends.high })
    }

    /// Word the contract reads for a tick when going down.
    #[inline]
    #[must_use]
    pub const fn word_of(&self, tick: i32) -> i32 {
        tick.div_euclid(self.spacing) >> 8
    }

    /// Word the contract reads when going up: that of the next usable tick.
    #[inline]
    #[must_use]
    pub const fn word_above(&self, tick: i32) -> i32 {
        (tick.div_euclid(self.spacing) + 1) >> 8
    }
}
