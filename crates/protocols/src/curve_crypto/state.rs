//! What a pool's quotes depend on, where that lies, and how storage changes it.

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

use crate::amm::ApplyError;
use crate::curve_crypto::invariant::{COINS, Fees, ONE, Shape, WHOLE_FEE};

/// What stands as long as the pool is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Terms {
    /// Units of eighteen decimals in one of each coin's.
    pub precisions: [U256; COINS],
    /// `A`, as the contract's step takes it.
    pub ann: U256,
    /// What `ann` is multiplied by, above the coins' own power.
    pub multiplier: U256,
    /// How soon the curve turns.
    pub gamma: U256,
}

/// All that a quote depends on and that changes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct State {
    /// In units of each coin.
    pub balances: [U256; COINS],
    /// Of the second and the third coin in the first, eighteen decimals.
    pub prices: [U256; COINS - 1],
    /// What all coins are worth in the first, were they even.
    pub d: U256,
    /// Where all are even, where they are apart, and how fast the one becomes the other.
    pub fees: [U256; 3],
}

/// Where it lies.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Places {
    pub balances: [U256; COINS],
    /// Both prices in halves of one slot.
    pub prices: U256,
    pub d: U256,
    pub fees: [U256; 3],
    /// Slots, and what they must hold for the terms to stand.
    pub fixed: Vec<(U256, U256)>,
}

impl State {
    /// What `amount` of one coin pays in another. `None`: it reverts.
    #[must_use]
    pub fn paid(&self, terms: &Terms, [i, j]: [usize; 2], amount: U256) -> Option<U256> {
        let mut balances = self.balances;
        balances[i] = balances[i].checked_add(amount)?;
        let mut x = [U256::ZERO; COINS];
        for at in 0..COINS {
            x[at] = self.scaled(terms, at, balances[at])?;
        }
        let shape = Shape { ann: terms.ann, multiplier: terms.multiplier, gamma: terms.gamma, d: self.d };
        let out = x[j].checked_sub(shape.partner(&x, j)?)?;
        x[j] -= out;
        let mut out = out.checked_sub(U256::ONE)?;
        if j > 0 {
            out = out.checked_mul(ONE)?.checked_div(self.prices[j - 1])?;
        }
        out = out.checked_div(terms.precisions[j])?;
        let [mid, far, gamma] = self.fees;
        let fee = Fees { mid, out: far, gamma }.at(&x)?;
        out.checked_sub(fee.checked_mul(out)? / WHOLE_FEE)
    }

    /// A balance at the first coin's price.
    fn scaled(&self, terms: &Terms, at: usize, balance: U256) -> Option<U256> {
        if at == 0 {
            return balance.checked_mul(terms.precisions[0]);
        }
        Some(balance.checked_mul(self.prices[at - 1])?.checked_mul(terms.precisions[at])? / ONE)
    }

    /// What a unit of each coin is at the first one's price, in floats.
    pub(super) fn scales(&self, terms: &Terms) -> [f64; COINS] {
        let price = |at: usize| if at == 0 { 1.0 } else { f64::from(self.prices[at - 1]) / 1e18 };
        std::array::from_fn(|at| f64::from(terms.precisions[at]) * price(at))
    }
}

impl Places {
    /// The state after `changes`, from `state` before them.
    pub(super) fn fold(&self, state: &State, changes: &[(U256, U256)]) -> Result<State, ApplyError> {
        let mut state = state.clone();
        for (slot, word) in changes {
            if self.fixed.iter().any(|(at, due)| at == slot && due != word) {
                return Err(ApplyError::Contradiction);
            }
            if *slot == self.prices {
                state.prices = unpacked(*word);
            } else if *slot == self.d {
                state.d = *word;
            }
            let lists = self.balances.iter().zip(&mut state.balances).chain(self.fees.iter().zip(&mut state.fees));
            lists.filter(|(at, _)| *at == slot).for_each(|(_, held)| *held = *word);
        }
        Ok(state)
    }
}

/// Two prices out of one slot, the second coin's in the low half.
pub(super) fn unpacked(word: U256) -> [U256; COINS - 1] {
    [word & U256::from(u128::MAX), word >> 128]
}
