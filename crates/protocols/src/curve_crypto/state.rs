//! What a pool's quotes depend on, where that lies, and how storage changes it.

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

use crate::amm::{ApplyError, QuoteError};
use crate::curve_crypto::invariant::{Fees, MOST_COINS, ONE, Shape, WHOLE_FEE};

pub use crate::curve_crypto::invariant::Version;

/// What stands as long as the pool is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Terms {
    /// Which of the contracts it is.
    pub version: Version,
    /// Units of eighteen decimals in one of each coin's.
    pub precisions: [U256; MOST_COINS],
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
    /// In units of each coin; nothing where there is no third.
    pub balances: [U256; MOST_COINS],
    /// Of the second and the third coin in the first, eighteen decimals.
    pub prices: [U256; MOST_COINS - 1],
    /// What all coins are worth in the first, were they even.
    pub d: U256,
    /// Where all are even, where they are apart, and how fast the one becomes the other.
    pub fees: [U256; 3],
}

/// Where the fees lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FeeSlots {
    /// Each in its own.
    Each([U256; 3]),
    /// All in one, sixty-four bits each.
    Packed(U256),
}

/// Where it lies.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Places {
    /// One for each coin.
    pub balances: Vec<U256>,
    /// Of three coins both prices in halves of one slot, of two the one.
    pub prices: U256,
    pub d: U256,
    pub fees: FeeSlots,
    /// Slots, and what they must hold for the terms to stand.
    pub fixed: Vec<(U256, U256)>,
}

impl State {
    /// What `amount` of one coin pays in another. `None`: it reverts.
    #[must_use]
    pub fn paid(&self, terms: &Terms, places: [usize; 2], amount: U256) -> Option<U256> {
        self.pays(terms, places, amount).ok()
    }

    /// The same, and why it reverts: what is too little to move the other coin's balance on the curve by more than the contract's own error
    /// is another thing than what is too much.
    pub(super) fn pays(&self, terms: &Terms, [i, j]: [usize; 2], amount: U256) -> Result<U256, QuoteError> {
        let x = self.behind(terms, i, amount).ok_or(QuoteError::TooLarge)?;
        let Terms { version, ann, multiplier, gamma, .. } = *terms;
        let shape = Shape { version, ann, multiplier, gamma, d: self.d };
        let left = shape.partner(&x, j).ok_or(QuoteError::TooLarge)?;
        // It leaves a unit to the pool.
        let out = x[j].checked_sub(left).and_then(|out| out.checked_sub(U256::ONE)).ok_or(QuoteError::TooSmall)?;
        self.less_fee(terms, j, x, left, out).ok_or(QuoteError::TooLarge)
    }

    /// Scaled balances with `amount` of a coin more.
    fn behind(&self, terms: &Terms, i: usize, amount: U256) -> Option<[U256; MOST_COINS]> {
        let mut balances = self.balances;
        balances[i] = balances[i].checked_add(amount)?;
        let mut x = [U256::ZERO; MOST_COINS];
        for at in 0..terms.version.coins() {
            x[at] = self.scaled(terms, at, balances[at])?;
        }
        Some(x)
    }

    /// Scaled `out` of coin `j` in its units, less the fee where `left` of it is left.
    fn less_fee(&self, terms: &Terms, j: usize, mut x: [U256; MOST_COINS], left: U256, out: U256) -> Option<U256> {
        x[j] = left;
        let out = if j > 0 { out.checked_mul(ONE)?.checked_div(self.prices[j - 1])? } else { out };
        let out = out.checked_div(terms.precisions[j])?;
        let [mid, far, gamma] = self.fees;
        let fee = Fees { mid, out: far, gamma }.at(terms.version, &x)?;
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
    pub(super) fn scales(&self, terms: &Terms) -> [f64; MOST_COINS] {
        let price = |at: usize| if at == 0 { 1.0 } else { f64::from(self.prices[at - 1]) / 1e18 };
        std::array::from_fn(|at| f64::from(terms.precisions[at]) * price(at))
    }
}

impl Places {
    /// The state after `changes`, from `state` before them.
    pub(super) fn fold(&self, version: Version, state: &State, changes: &[(U256, U256)]) -> Result<State, ApplyError> {
        let mut state = state.clone();
        for (slot, word) in changes {
            if self.fixed.iter().any(|(at, due)| at == slot && due != word) {
                return Err(ApplyError::Contradiction);
            }
            if *slot == self.prices {
                state.prices = unpacked(version, *word);
            } else if *slot == self.d {
                state.d = *word;
            }
            match self.fees {
                FeeSlots::Packed(at) if at == *slot => state.fees = three(*word),
                FeeSlots::Packed(_) => {}
                FeeSlots::Each(all) => {
                    all.iter().zip(&mut state.fees).filter(|(at, _)| *at == slot).for_each(|(_, fee)| *fee = *word);
                }
            }
            let balances = self.balances.iter().zip(&mut state.balances);
            balances.filter(|(at, _)| *at == slot).for_each(|(_, held)| *held = *word);
        }
        Ok(state)
    }

    /// The slots that say so much: what a contract is made to believe in this state by.
    pub(super) fn written(&self, version: Version, state: &State) -> Vec<(U256, U256)> {
        let mut all: Vec<_> = self.balances.iter().copied().zip(state.balances).collect();
        let [second, third] = state.prices;
        let prices = if version.coins() == 2 { second } else { (third << 128) | second };
        all.extend([(self.d, state.d), (self.prices, prices)]);
        let [mid, out, gamma] = state.fees;
        match self.fees {
            FeeSlots::Each(slots) => all.extend(slots.into_iter().zip(state.fees)),
            FeeSlots::Packed(slot) => all.push((slot, (mid << 128) | (out << 64) | gamma)),
        }
        all
    }
}

/// Prices out of their slot: of three coins the second's in the low half.
pub(super) fn unpacked(version: Version, word: U256) -> [U256; MOST_COINS - 1] {
    if version.coins() == 2 { [word, U256::ZERO] } else { [word & U256::from(u128::MAX), word >> 128] }
}

/// Three numbers of sixty-four bits out of one slot, the last in the lowest.
pub(super) fn three(word: U256) -> [U256; 3] {
    [128, 64, 0].map(|bits: usize| (word >> bits) & U256::from(u64::MAX))
}
