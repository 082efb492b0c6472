//! Made-up balances that a pool is tried at: some that are always the same, and as many as are asked for.
//!
//! # Invariants
//! - The same in every run: what a pool is found to be does not hang on chance.

use alloy_primitives::U256;

use crate::curve_stable::invariant::MOST_COINS;
use crate::curve_stable::swap::State;
use crate::curve_stable::swap::Terms;

/// Scaled balances that a pool is staged with, about.
const SIZES: [u64; 6] = [3_000, 700_000, 7_000_000_000_000, 3_000_000_000_000_000, 2_000_000_000_000_000_000, u64::MAX];

/// A pool's own state, and others whose balances are about as large as [`SIZES`], with its own `A` and with one of 1, which lets
/// roundings show.
pub(super) fn states(own: &State, terms: &Terms) -> Vec<State> {
    let mut all = vec![*own];
    for (turn, size) in SIZES.into_iter().enumerate() {
        for amp in [own.amp, u64::from(terms.precision)] {
            // From a half to twice as much, each coin its own.
            let share = |place: usize| U256::from(50 + (37 * (turn + 1) * (place + 2)) % 151);
            let scaled = |place| U256::from(size) * share(place) / U256::from(100);
            all.push(holding(&State { amp, ..*own }, terms, scaled));
        }
    }
    all
}

/// The state with other scaled balances; a unit at least.
fn holding(own: &State, terms: &Terms, mut scaled: impl FnMut(usize) -> U256) -> State {
    let mut state = State { admin_held: [0; MOST_COINS], ..*own };
    for (place, held) in state.held.iter_mut().enumerate().take(terms.coins) {
        let units = scaled(place) * U256::from(10).pow(U256::from(18)) / terms.rates[place];
        *held = units.saturating_to::<u128>().max(1);
    }
    state
}

/// Numbers without end.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new() -> Self {
        Self(1)
    }

    fn below(&mut self, end: u64) -> u64 {
        // SplitMix64, whose constants these are.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Any balances, up to thirty times as much of one coin as of another, and a small `A` or the pool's own.
    pub(super) fn state(&mut self, own: &State, terms: &Terms) -> State {
        let precision = u64::from(terms.precision);
        let amp = if self.below(4) == 0 { own.amp } else { precision * (1 + self.below(4)) };
        let size = U256::from(1_000 + self.below(9_000)) * U256::from(10).pow(U256::from(self.below(15)));
        holding(&State { amp, ..*own }, terms, |_| size * U256::from(1 + self.below(30)))
    }

    /// From a millionth of what there is of a coin to twice as much.
    pub(super) fn amount(&mut self, held: u128) -> U256 {
        ((U256::from(held) * U256::from(1 + self.below(1_000))) / U256::from(500)) >> self.below(21) as usize
    }

    /// One of these.
    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(self.below(all.len().max(1) as u64) as usize).copied()
    }
}
