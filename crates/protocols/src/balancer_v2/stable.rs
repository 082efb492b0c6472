//! What a stable pool asks and pays: `StableMath` in both its forms, with rates, decimals and the fee.
//!
//! # Invariants
//! - Answers are the pool's own integers, held against recorded ones in `tests/recorded_quotes.rs`; a product that would leave 256 bits,
//!   and an iteration that does not settle, are refused, as there.
//!
//! # Cost
//! Two Newton iterations of some five to ten rounds, each a few divisions of 256 bits a token. Nothing allocates.
//!
//! # Limits
//! - **Arithmetic alone**: no pool of the registry swaps by it yet. Its rates change outside the vault (a provider's answer, a cache that
//!   runs out), and how these are followed is not written.
//! - The vault's own bounds (112 bits, what is managed) are not held here. The pool's own token, where it is registered, is left out by
//!   whoever asks, and is nothing that can be swapped here.

use alloy_primitives::U256;

use crate::amm::QuoteError;

/// One in eighteen decimals.
const WHOLE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// What an amplification is a multiple of: a thousandth.
const PRECISION: U256 = U256::from_limbs([1_000, 0, 0, 0]);
/// Tokens of a pool, its own left out.
const MOST_TOKENS: usize = 5;
/// Rounds after which an iteration is given up.
const ROUNDS: usize = 255;

/// How a pool's code finds its invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// Rounded up in each step: the first pools, and those with a price oracle.
    RoundedUp,
    /// By steps that truncate, as Curve's: the composable pools.
    Truncated,
}

/// A pool, as a swap sees it.
#[derive(Clone, Copy, Debug)]
pub struct Stable<'a> {
    /// In thousandths.
    pub amplification: u64,
    /// In the tokens' units.
    pub balances: &'a [U256],
    /// Decimals and rate together, of each token: a unit of it in eighteen decimals, in eighteen more.
    pub scaling: &'a [U256],
    /// Share of the input, in eighteen decimals.
    pub fee: u64,
    /// How the code finds its invariant.
    pub invariant: Invariant,
}

/// Balances in eighteen decimals.
struct Scaled {
    all: [U256; MOST_TOKENS],
    count: usize,
    /// Amplification times how many tokens there are.
    total: U256,
}

fn div(a: U256, b: U256, up: bool) -> Option<U256> {
    let (quotient, rest) = (!b.is_zero()).then(|| a.div_rem(b))?;
    Some(if up && !rest.is_zero() { quotient + U256::ONE } else { quotient })
}

/// The product over one in eighteen decimals.
fn scaled(amount: U256, by: U256) -> Option<U256> {
    Some(amount.checked_mul(by)? / WHOLE)
}

fn settled(a: U256, b: U256) -> bool {
    a.abs_diff(b) <= U256::ONE
}

impl Stable<'_> {
    /// What comes out of token `to` for `amount` of token `from`.
    ///
    /// # Errors
    /// The pool would revert.
    pub fn given_in(&self, from: usize, to: usize, amount: U256) -> Result<U256, QuoteError> {
        self.out_for(from, to, amount).ok_or(QuoteError::TooLarge)
    }

    /// What goes in of token `from` for `amount` of token `to`.
    ///
    /// # Errors
    /// The pool would revert.
    pub fn given_out(&self, from: usize, to: usize, amount: U256) -> Result<U256, QuoteError> {
        self.in_for(from, to, amount).ok_or(QuoteError::TooLarge)
    }

    fn out_for(&self, from: usize, to: usize, amount: U256) -> Option<U256> {
        let fee = div(amount.checked_mul(U256::from(self.fee))?, WHOLE, true)?;
        let net = scaled(amount.checked_sub(fee)?, *self.scaling.get(from)?)?;
        let mut balances = self.scaled()?;
        let before = *balances.all.get(to)?;
        let invariant = balances.invariant(self.invariant)?;
        let paid = balances.all.get_mut(from).filter(|_| from != to)?;
        *paid = paid.checked_add(net)?;
        let after = balances.balance_of(to, invariant)?;
        let out = before.checked_sub(after)?.checked_sub(U256::ONE)?;
        div(out.checked_mul(WHOLE)?, *self.scaling.get(to)?, false)
    }

    fn in_for(&self, from: usize, to: usize, amount: U256) -> Option<U256> {
        let out = scaled(amount, *self.scaling.get(to)?)?;
        let mut balances = self.scaled()?;
        let before = *balances.all.get(from)?;
        let invariant = balances.invariant(self.invariant)?;
        let paying = balances.all.get_mut(to).filter(|_| from != to)?;
        *paying = paying.checked_sub(out)?;
        let after = balances.balance_of(from, invariant)?;
        let into = after.checked_sub(before)?.checked_add(U256::ONE)?;
        let net = div(into.checked_mul(WHOLE)?, *self.scaling.get(from)?, true)?;
        div(net.checked_mul(WHOLE)?, WHOLE.checked_sub(U256::from(self.fee))?, true)
    }

    fn scaled(&self) -> Option<Scaled> {
        let count = self.balances.len();
        if !(2..=MOST_TOKENS).contains(&count)
            || self.scaling.len() != count
            || U256::from(self.amplification) < PRECISION
        {
            return None;
        }
        let mut all = [U256::ZERO; MOST_TOKENS];
        for (to, (balance, scaling)) in all.iter_mut().zip(self.balances.iter().zip(self.scaling)) {
            *to = scaled(*balance, *scaling)?;
        }
        Some(Scaled { all, count, total: U256::from(self.amplification) * U256::from(count) })
    }
}

impl Scaled {
    fn tokens(&self) -> impl Iterator<Item = &U256> {
        self.all.iter().take(self.count)
    }

    fn sum(&self) -> Option<U256> {
        self.tokens().try_fold(U256::ZERO, |sum, balance| sum.checked_add(*balance))
    }

    fn invariant(&self, form: Invariant) -> Option<U256> {
        let sum = self.sum()?;
        if sum.is_zero() {
            return Some(sum);
        }
        let mut invariant = sum;
        for _ in 0..ROUNDS {
            let before = invariant;
            invariant = match form {
                Invariant::RoundedUp => self.rounded_up(sum, before)?,
                Invariant::Truncated => self.truncated(sum, before)?,
            };
            if settled(invariant, before) {
                return Some(invariant);
            }
        }
        None
    }

    /// `n ** n` times the product of the balances, over the invariant to the power of one less than `n`.
    fn product(&self, invariant: U256, up: bool) -> Option<U256> {
        let count = U256::from(self.count);
        let mut tokens = self.tokens();
        let first = tokens.next()?.checked_mul(count)?;
        tokens
            .try_fold(first, |product, balance| div(product.checked_mul(*balance)?.checked_mul(count)?, invariant, up))
    }

    fn rounded_up(&self, sum: U256, invariant: U256) -> Option<U256> {
        let (count, product) = (U256::from(self.count), self.product(invariant, true)?);
        let square = count.checked_mul(invariant)?.checked_mul(invariant)?;
        let above = div(self.total.checked_mul(sum)?.checked_mul(product)?, PRECISION, true)?;
        let below = div((self.total - PRECISION).checked_mul(product)?, PRECISION, false)?;
        let whole = (count + U256::ONE).checked_mul(invariant)?.checked_add(below)?;
        div(square.checked_add(above)?, whole, true)
    }

    fn truncated(&self, sum: U256, invariant: U256) -> Option<U256> {
        let count = U256::from(self.count);
        // The invariant to the power of one more than `n`, over `n ** n` times the product of the balances.
        let ratio = self.tokens().try_fold(invariant, |ratio, balance| {
            div(ratio.checked_mul(invariant)?, balance.checked_mul(count)?, false)
        })?;
        let above = div(self.total.checked_mul(sum)?, PRECISION, false)?.checked_add(ratio.checked_mul(count)?)?;
        let below = div((self.total - PRECISION).checked_mul(invariant)?, PRECISION, false)?;
        let whole = below.checked_add((count + U256::ONE).checked_mul(ratio)?)?;
        div(above.checked_mul(invariant)?, whole, false)
    }

    /// What the pool must have of a token, so that it has so much of all others and this invariant. Rounded up.
    fn balance_of(&self, token: usize, invariant: U256) -> Option<U256> {
        let (product, present) = (self.product(invariant, false)?, *self.all.get(token)?);
        let others = self.sum()?.checked_sub(present)?;
        let square = invariant.checked_mul(invariant)?;
        let share = div(square, self.total.checked_mul(product)?, true)?;
        let free = share.checked_mul(PRECISION)?.checked_mul(present)?;
        let linear = others.checked_add(div(invariant, self.total, false)?.checked_mul(PRECISION)?)?;
        let mut balance = div(square.checked_add(free)?, invariant.checked_add(linear)?, true)?;
        for _ in 0..ROUNDS {
            let before = balance;
            let whole = before.checked_mul(U256::from(2))?.checked_add(linear)?.checked_sub(invariant)?;
            balance = div(before.checked_mul(before)?.checked_add(free)?, whole, true)?;
            if settled(balance, before) {
                return Some(balance);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use proptest::prelude::*;

    use super::{Invariant, Stable};
    use crate::amm::QuoteError;

    const WHOLE: u64 = 1_000_000_000_000_000_000;

    proptest! {
        #[test]
        fn the_pool_gives_nothing_away(
            balances in prop::collection::vec((50_u32..90, any::<u64>()).prop_map(|(bits, low)| U256::from((1_u128 << bits) + u128::from(low))), 2..5),
            rate in WHOLE..2 * WHOLE,
            amplification in 1_000_u64..5_000_000,
            fee in 1_000_000_000_000_u64..100_000_000_000_000_000,
            share in 1_u64..2_000,
            truncated in any::<bool>(),
        ) {
            let invariant = if truncated { Invariant::Truncated } else { Invariant::RoundedUp };
            let mut scaling = vec![U256::from(WHOLE); balances.len()];
            scaling[0] = U256::from(rate);
            let pool = Stable { amplification, balances: &balances, scaling: &scaling, fee, invariant };
            let amount = balances[0] * U256::from(share) / U256::from(1_000);
            let Ok(out) = pool.given_in(0, 1, amount) else { return Ok(()) };
            prop_assert!(out < balances[1]);
            let mut after = balances.clone();
            (after[0], after[1]) = (balances[0] + amount, balances[1] - out);
            let moved = Stable { balances: &after, ..pool };
            prop_assert!(moved.given_in(1, 0, out).unwrap_or_default() <= amount);
            if let Ok(more) = pool.given_in(0, 1, amount + U256::from(1_u64 << 40)) {
                prop_assert!(more + U256::from(2) >= out);
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let (balances, scaling) = ([U256::from(WHOLE); 2], [U256::from(WHOLE); 2]);
        let pool = Stable {
            amplification: 100_000,
            balances: &balances,
            scaling: &scaling,
            fee: 0,
            invariant: Invariant::RoundedUp,
        };
        assert!(pool.given_in(0, 1, U256::from(1_000_000)).is_ok());
        for (from, to) in [(0, 0), (0, 2), (2, 0)] {
            assert_eq!(pool.given_in(from, to, U256::from(1_000_000)), Err(QuoteError::TooLarge));
        }
        assert_eq!(pool.given_out(0, 1, U256::from(WHOLE) + U256::ONE), Err(QuoteError::TooLarge));
        assert_eq!(pool.given_in(0, 1, U256::MAX), Err(QuoteError::TooLarge));
        let short = Stable { scaling: &scaling[..1], ..pool };
        assert_eq!(short.given_in(0, 1, U256::ONE), Err(QuoteError::TooLarge));
    }
}
