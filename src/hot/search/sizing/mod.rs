//! The best integer input of a cycle: the one that leaves the most of the start token.
//!
//! Three steps: [`curve`] composes the pools' stretches into the real-valued curve and finds its peak (pools that offer
//! no stretches: [`bracket`] searches on exact quotes; whose stretches only bound them: [`bounded`] does); [`rounding`]
//! guesses which integers near it lose least to rounding; [`refine`] walks those and others exactly, with a bound on what any
//! integer could pay that also says when to stop.
//!
//! # Invariants
//! - Amounts are exact quotes. The curve picks where to look and what not to look at; it never supplies an amount.
//! - [`Best::gap`] bounds what a better input could add. It holds if every pool keeps to what [`curve`] assumes of it.
//!
//! # Cost
//! Constant-product chains: about one walk of the hops in floats, then [`Best::evaluations`] exact walks. Where a token on
//! the path is coarse, some hundred to a thousand guesses as well, of some ten nanoseconds a hop.

pub mod bounded;
pub mod bracket;
pub mod ceiling;
pub mod curve;
pub mod path;
pub mod refine;
pub mod rounding;
pub mod side;

use crate::hot::search::MAX_HOPS;
use crate::hot::search::sizing::curve::Curve;
use crate::hot::search::sizing::curve::Reach;
use crate::hot::search::sizing::path::Path;
use crate::hot::search::sizing::refine::Refine;
use crate::protocols::amm::Amm;

/// How much work a cycle is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Most exact walks of a cycle. At least one is made. The rounding search's guesses are in proportion: eight a walk.
    pub evaluations: u32,
    /// Stops when no input could add more than `profit >> tolerance_bits`, nor more than one unit; or, with less than 128,
    /// when none could add more than what rounding takes, and the rounding search has looked for that. 128 and up: exact.
    pub tolerance_bits: u32,
    /// Walks spent on the last unit, once no input can add more than that. Rounding moves profits by a unit or so from
    /// input to input, so that some tries near the peak mostly find it; a proof that it is not there would take them all.
    /// With none, the rounding search is left out as well where the tolerance is met without it.
    pub last_unit: u32,
}

impl Effort {
    /// For all but proofs: after that, more walks hardly ever find more.
    pub const USUAL: Self = Self { evaluations: 128, tolerance_bits: 20, last_unit: 104 };
    /// A first look: what is left on the table is a millionth of the profit, or, where a coarse token's rounding is more
    /// than that, a small part of one unit of it.
    pub const QUICK: Self = Self { evaluations: 64, tolerance_bits: 20, last_unit: 0 };
    /// Goes on until it is proven, or for a million walks.
    pub const EXACT: Self = Self { evaluations: 1_000_000, tolerance_bits: 128, last_unit: 0 };
}

impl Default for Effort {
    fn default() -> Self {
        Self::USUAL
    }
}

/// A cycle's best input, as far as it was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Best {
    amounts: [u128; MAX_HOPS + 1],
    hops: u8,
    gap: u128,
    evaluations: u32,
}

impl Best {
    /// What goes in, then what comes out of each hop.
    #[must_use]
    pub fn amounts(&self) -> &[u128] {
        &self.amounts[..=usize::from(self.hops)]
    }

    /// What is left of the start token. Always above zero.
    #[must_use]
    pub fn profit(&self) -> u128 {
        self.amounts[usize::from(self.hops)].saturating_sub(self.amounts[0])
    }

    /// No input adds more than this to the profit. `u128::MAX` when nothing is known.
    #[must_use]
    pub const fn gap(&self) -> u128 {
        self.gap
    }

    /// True when no input is better by more than one unit. Otherwise the budget ended first, or the tolerance was met.
    #[must_use]
    pub const fn proven(&self) -> bool {
        self.gap <= 1
    }

    /// Exact walks made.
    #[must_use]
    pub const fn evaluations(&self) -> u32 {
        self.evaluations
    }
}

/// Sizes cycles. Keeps its buffers; one a thread.
#[derive(Debug, Default)]
pub struct Sizer {
    curve: Curve,
    refine: Refine,
}

impl Sizer {
    /// The most that any input can leave, by the curve alone, without an exact walk: [`u128::MAX`] where a pool offers no
    /// stretch. `None` when none leaves anything.
    pub fn most<P: Amm>(&mut self, path: &Path<'_, P>) -> Option<u128> {
        if !self.curve.trace(path, Reach::Peak) {
            return Some(u128::MAX);
        }
        let most = self.curve.peak().profit_most;
        // Float to integer saturates.
        (most >= 1.0).then_some(most as u128)
    }

    /// The best input. `None` when none leaves a profit (or, out of budget, none was found).
    pub fn best<P: Amm>(&mut self, path: &Path<'_, P>, effort: Effort) -> Option<Best> {
        self.refine.begin(effort);
        if !path.follows_stretches() {
            return self.bounded(path);
        }
        if self.curve.trace(path, Reach::Whole) {
            if self.curve.peak().profit_most < 1.0 {
                return None;
            }
            let (grid, start) = self.curve.grid();
            return self.refine.run(path, Some(&self.curve), grid, start);
        }
        let (grid, start) = bracket::peak(path, &mut self.refine);
        self.refine.run(path, None, grid, start)
    }

    /// The best input of no more than `most`. Where the best of all is beyond: that much, for the curve climbs until there but for
    /// roundings.
    pub fn best_within<P: Amm>(&mut self, path: &Path<'_, P>, effort: Effort, most: u128) -> Option<Best> {
        let best = self.best(path, effort)?;
        if best.amounts()[0] <= most {
            return Some(best);
        }
        self.refine.only(path, most, best.profit().saturating_add(best.gap()))
    }

    fn bounded<P: Amm>(&mut self, path: &Path<'_, P>) -> Option<Best> {
        if !self.curve.trace(path, Reach::Peak) {
            let (grid, start) = bracket::peak(path, &mut self.refine);
            return self.refine.run(path, None, grid, start);
        }
        let peak = *self.curve.peak();
        if peak.profit_most < 1.0 {
            return None;
        }
        bounded::climb(path, &mut self.refine, peak.input);
        // Float to integer saturates.
        self.refine.found(path, peak.profit_most as u128)
    }

    /// Exact walks made for the last cycle, also when it came to nothing.
    #[must_use]
    pub const fn evaluations(&self) -> u32 {
        self.refine.evaluations()
    }
}
