//! Where the vault keeps a pool's balances, and where the pool keeps its fee and whether it is paused.
//!
//! # Invariants
//! - A word is taken whole or refused: a refused change leaves everything as it was.
//! - The block of the last change, above the amounts, is bookkeeping that no quote depends on.

use alloy_primitives::Address;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::ApplyError;
use crate::balancer_v2::curve::LIMIT;

/// What a pool has of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// In the vault.
    pub cash: u128,
    /// Taken out of it by whoever manages the token; the pool counts it still.
    pub managed: u128,
}

impl Balance {
    /// Both, if the vault would keep them so.
    #[must_use]
    pub fn new(cash: u128, managed: u128) -> Option<Self> {
        let total = cash.checked_add(managed)?;
        (total < LIMIT).then_some(Self { cash, managed })
    }

    /// What the pool reckons with.
    #[must_use]
    pub const fn total(self) -> u128 {
        self.cash + self.managed
    }

    /// After so much has come or gone.
    pub(super) fn moved(self, cash: i128, managed: i128) -> Option<Self> {
        Self::new(self.cash.checked_add_signed(cash)?, self.managed.checked_add_signed(managed)?)
    }
}

/// The two amounts of 112 bits that a word holds, the lower first.
pub(super) fn halves(word: U256) -> [u128; 2] {
    [word, word >> 112].map(|word| (word & U256::from(LIMIT - 1)).saturating_to())
}

/// A word of two amounts and a block.
pub(super) fn packed([low, high]: [u128; 2], block: u32) -> U256 {
    U256::from(low) | U256::from(high) << 112 | U256::from(block) << 224
}

/// The vault's slots.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Of two tokens: the cash of both, and what is managed of both.
    Shared {
        /// Slot of the cash.
        cash: U256,
        /// Slot of the rest.
        managed: U256,
    },
    /// One a token, in their order: its cash, and what is managed of it.
    Own(Vec<U256>),
}

impl Layout {
    /// All slots.
    pub(super) fn slots(&self) -> Vec<U256> {
        match self {
            Self::Shared { cash, managed } => vec![*cash, *managed],
            Self::Own(slots) => slots.clone(),
        }
    }

    /// Takes changed slots, those that are the pool's, and says whether anything differs.
    pub(super) fn apply(&self, held: &mut [Balance], changes: &[(U256, U256)]) -> Result<bool, ApplyError> {
        match self {
            Self::Shared { cash, managed } => {
                let [a, b] = held else { return Err(ApplyError::Contradiction) };
                let now = |slot: &U256| changes.iter().rev().find(|(at, _)| at == slot).map(|(_, word)| halves(*word));
                let cash = now(cash).unwrap_or([a.cash, b.cash]);
                let managed = now(managed).unwrap_or([a.managed, b.managed]);
                let new = |at: usize| Balance::new(cash[at], managed[at]).ok_or(ApplyError::Contradiction);
                let (first, second) = (new(0)?, new(1)?);
                let changed = (*a, *b) != (first, second);
                (*a, *b) = (first, second);
                Ok(changed)
            }
            Self::Own(slots) => {
                let place = |slot: U256| slots.iter().position(|own| *own == slot);
                let own = || changes.iter().filter_map(|(slot, word)| Some((place(*slot)?, halves(*word))));
                if own().any(|(_, [cash, managed])| Balance::new(cash, managed).is_none()) {
                    return Err(ApplyError::Contradiction);
                }
                let mut changed = false;
                for (place, [cash, managed]) in own() {
                    let Some(balance) = held.get_mut(place) else { continue };
                    changed |= *balance != Balance { cash, managed };
                    *balance = Balance { cash, managed };
                }
                Ok(changed)
            }
        }
    }

    /// What to write to make the vault believe in such balances.
    pub(super) fn write(&self, held: &[Balance]) -> Vec<(U256, U256)> {
        match (self, held) {
            (Self::Shared { cash, managed }, [a, b]) => {
                vec![(*cash, packed([a.cash, b.cash], 1)), (*managed, packed([a.managed, b.managed], 0))]
            }
            (Self::Shared { .. }, _) => Vec::new(),
            (Self::Own(slots), _) => {
                let word = |balance: &Balance| packed([balance.cash, balance.managed], 1);
                slots.iter().copied().zip(held.iter().map(word)).collect()
            }
        }
    }
}

/// A number in a part of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The contract.
    pub at: Address,
    /// The slot.
    pub slot: U256,
    /// Bits below it.
    pub shift: usize,
    /// Its own.
    pub width: usize,
}

impl Field {
    /// What the slot's word says.
    #[must_use]
    pub fn read(&self, word: U256) -> U256 {
        let above = 256_usize.saturating_sub(self.width);
        (word >> self.shift) << above >> above
    }

    /// The last word that `changes` of the contract `at` give.
    pub(super) fn changed(&self, at: Address, changes: &[(U256, U256)]) -> Option<U256> {
        let own = |(slot, _): &&(U256, U256)| at == self.at && *slot == self.slot;
        changes.iter().rev().find(own).map(|(_, word)| self.read(*word))
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, U256};

    use super::{Balance, Field, Layout, packed};
    use crate::amm::ApplyError;
    use crate::balancer_v2::curve::LIMIT;

    fn slots<const N: usize>(numbers: [u64; N]) -> [U256; N] {
        numbers.map(U256::from)
    }

    #[test]
    fn a_shared_word_of_cash_changes_both_and_leaves_what_is_managed() {
        let [cash, managed] = slots([7, 8]);
        let layout = Layout::Shared { cash, managed };
        let mut held = [Balance { cash: 1, managed: 10 }, Balance { cash: 2, managed: 20 }];
        let word = packed([LIMIT - 11, 5], u32::MAX);
        assert_eq!(layout.apply(&mut held, &[(managed + U256::ONE, word), (cash, word)]), Ok(true));
        let due = [Balance { cash: LIMIT - 11, managed: 10 }, Balance { cash: 5, managed: 20 }];
        assert_eq!(held, due);
        assert_eq!(layout.apply(&mut held, &[(cash, packed([LIMIT - 10, 5], 0))]), Err(ApplyError::Contradiction));
        assert_eq!(held, due);
        let mut again = [Balance::default(); 2];
        assert_eq!(layout.apply(&mut again, &layout.write(&held)), Ok(true));
        assert_eq!(again, held);
    }

    #[test]
    fn a_word_of_its_own_changes_one_token_and_all_are_held_against_bounds_first() {
        let [a, b, c] = slots([7, 8, 9]);
        let layout = Layout::Own(vec![a, b, c]);
        let mut held = [Balance { cash: 1, managed: 2 }; 3];
        assert_eq!(layout.apply(&mut held, &[(b, packed([5, 6], 9))]), Ok(true));
        assert_eq!(held[1], Balance { cash: 5, managed: 6 });
        assert_eq!(layout.apply(&mut held, &[(b, packed([5, 6], 10))]), Ok(false));
        let before = held;
        let changes = [(a, packed([3, 3], 0)), (c, packed([LIMIT - 1, 1], 0))];
        assert_eq!(layout.apply(&mut held, &changes), Err(ApplyError::Contradiction));
        assert_eq!(held, before);
        let mut again = [Balance::default(); 3];
        assert_eq!(layout.apply(&mut again, &layout.write(&held)), Ok(true));
        assert_eq!(again, held);
    }

    #[test]
    fn a_field_reads_its_bits_and_no_others() {
        let field = Field { at: Address::ZERO, slot: U256::ZERO, shift: 192, width: 63 };
        assert_eq!(field.read(U256::MAX), U256::from(u64::MAX >> 1));
        assert_eq!(field.read(U256::MAX >> 64), U256::ZERO);
        let whole = Field { shift: 0, width: 256, ..field };
        assert_eq!(whole.read(U256::MAX), U256::MAX);
    }
}
