//! The words that concentrated liquidity is said in: of logs, and packed in slots.
//!
//! # Invariants
//! - A word that is not what its type can hold is a contradiction, never cut to size; where a slot holds more than one number, each
//!   is read at its own bits.

use crate::amm::ApplyError;
use crate::math::concentrated::ticks::Liquidity;
use crate::math::tick;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::keccak256;

/// Slot of a signed key in the mapping at `slot`.
#[must_use]
pub fn mapped(key: i32, slot: U256) -> U256 {
    let mut bytes = [if key < 0 { 0xff } else { 0 }; 64];
    bytes[28..32].copy_from_slice(&key.to_be_bytes());
    bytes[32..].copy_from_slice(&slot.to_be_bytes::<32>());
    keccak256(bytes).into()
}

/// A signed 24-bit number in the low bits of a word; the bits above are not looked at.
#[must_use]
pub fn int24(word: U256) -> i32 {
    let low = word.as_limbs()[0] as u32;
    ((low << 8) as i32) >> 8
}

/// A whole word that must be a sign-extended int24.
#[must_use]
pub fn int24_word(word: U256) -> Option<i32> {
    let value = int24(word);
    let high = if value < 0 { U256::MAX << 23 } else { U256::ZERO };
    (word & (U256::MAX << 23) == high).then_some(value)
}

/// A whole word that must be a sign-extended int128.
#[must_use]
pub fn int128_word(word: U256) -> Option<i128> {
    let value = low128(word) as i128;
    let high = if value < 0 { U256::MAX << 127 } else { U256::ZERO };
    (word & (U256::MAX << 127) == high).then_some(value)
}

/// True for a price an initialised pool can stand at.
#[must_use]
pub fn is_price(price: U256) -> bool {
    (tick::MIN_SQRT_PRICE..tick::MAX_SQRT_PRICE).contains(&price)
}

/// The low half of a word.
#[must_use]
pub fn low128(word: U256) -> u128 {
    let [a, b, ..] = *word.as_limbs();
    u128::from(a) | u128::from(b) << 64
}

/// Price and tick, as the first slot of every pool begins: 160 and 24 bits.
#[must_use]
pub fn price_and_tick(word: U256) -> (U256, i32) {
    (word & (U256::MAX >> 96), int24(word >> 160))
}

/// A tick's first word.
#[must_use]
pub fn unpack_tick(word: U256) -> Liquidity {
    Liquidity { gross: low128(word), net: low128(word >> 128) as i128 }
}

/// A log's words, at the counts its signature promises.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    topics: &'a [B256],
    data: &'a [u8],
}

impl<'a> Words<'a> {
    /// `due`: topics, and words of data.
    ///
    /// # Errors
    /// There are more or less.
    pub const fn checked(topics: &'a [B256], data: &'a [u8], due: (usize, usize)) -> Result<Self, ApplyError> {
        if topics.len() != due.0 {
            return Err(ApplyError::Topics { have: topics.len(), due: due.0 });
        }
        if data.len() != due.1 * 32 {
            return Err(ApplyError::Data { have: data.len(), due: due.1 * 32 });
        }
        Ok(Self { topics, data })
    }

    /// A word of data as it is.
    #[must_use]
    pub fn word(&self, index: usize) -> U256 {
        self.data.get(index * 32..index * 32 + 32).map_or(U256::ZERO, U256::from_be_slice)
    }

    /// A topic as it is; the signature is the first.
    #[must_use]
    pub fn topic(&self, index: usize) -> U256 {
        self.topics.get(index).map_or(U256::ZERO, |topic| U256::from_be_bytes(topic.0))
    }

    /// A word that is a uint128.
    ///
    /// # Errors
    /// It is more.
    pub fn uint128(&self, index: usize) -> Result<u128, ApplyError> {
        u128::try_from(self.word(index)).map_err(|_| ApplyError::Contradiction)
    }

    /// A word that is an int128.
    ///
    /// # Errors
    /// It is more, or less.
    pub fn int128(&self, index: usize) -> Result<i128, ApplyError> {
        int128_word(self.word(index)).ok_or(ApplyError::Contradiction)
    }

    /// A word that is a price that a pool can stand at.
    ///
    /// # Errors
    /// None can.
    pub fn price(&self, index: usize) -> Result<U256, ApplyError> {
        let price = self.word(index);
        if is_price(price) { Ok(price) } else { Err(ApplyError::Contradiction) }
    }

    /// A word that is an int24.
    ///
    /// # Errors
    /// It is more, or less.
    pub fn tick(&self, index: usize) -> Result<i32, ApplyError> {
        int24_word(self.word(index)).ok_or(ApplyError::Contradiction)
    }

    /// A topic that is an int24.
    ///
    /// # Errors
    /// It is more, or less.
    pub fn topic_tick(&self, index: usize) -> Result<i32, ApplyError> {
        int24_word(self.topic(index)).ok_or(ApplyError::Contradiction)
    }
}
