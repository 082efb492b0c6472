//! The smallest input that pays so much. The contract has no such question: it is searched for on what `exchange` pays.
//!
//! # Invariants
//! - The answer pays at least what was wanted, and one unit less does not.
//!
//! # Cost
//! The invariant solved backwards says where to look; then mostly four to eight forward quotes.

use alloy_primitives::U256;

use crate::amm::QuoteError;
use crate::curve_stable::swap::Standing;
use crate::curve_stable::swap::State;
use crate::curve_stable::swap::Terms;

/// Most units that can be put in.
const MOST: U256 = U256::from_limbs([u64::MAX, u64::MAX, 0, 0]);

/// A search on exact quotes.
struct Search<'a> {
    terms: &'a Terms,
    state: &'a State,
    now: &'a Standing,
    places: (usize, usize),
    least: U256,
}

impl Search<'_> {
    /// Does so much pay enough?
    fn pays(&self, dx: U256) -> Result<bool, QuoteError> {
        match self.terms.exchange(self.state, self.now, self.places, dx) {
            Ok(made) => Ok(made.paid >= self.least),
            Err(QuoteError::TooSmall) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// An input that pays enough, and one that does not, from a guess outwards.
    fn around(&self, guess: U256) -> Result<(U256, U256), QuoteError> {
        let mut step = U256::ONE;
        if self.pays(guess)? {
            let mut enough = guess;
            loop {
                let less = enough.saturating_sub(step);
                if less.is_zero() || !self.pays(less)? {
                    return Ok((less, enough));
                }
                (enough, step) = (less, step << 2);
            }
        }
        let mut short = guess;
        loop {
            let more = short.saturating_add(step).min(MOST);
            if self.pays(more)? {
                return Ok((short, more));
            }
            if more == MOST {
                return Err(QuoteError::TooLarge);
            }
            (short, step) = (more, step << 2);
        }
    }
}

/// The smallest input that pays at least `least`.
pub(super) fn smallest_in(
    terms: &Terms,
    state: &State,
    now: &Standing,
    places: (usize, usize),
    least: U256,
) -> Result<U256, QuoteError> {
    let guess = terms.near(state, now, places, least)?;
    let search = Search { terms, state, now, places, least };
    let (mut short, mut enough) = search.around(guess)?;
    while enough - short > U256::ONE {
        let middle = short + ((enough - short) >> 1);
        if search.pays(middle)? {
            enough = middle;
        } else {
            short = middle;
        }
    }
    Ok(enough)
}
