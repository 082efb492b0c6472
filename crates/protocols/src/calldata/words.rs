//! ABI arguments read where they lie, as the contracts read them: by offset, without a copy.
//!
//! # Invariants
//! - Nothing is taken from outside the bytes: what is not there is `None`.
//! - An address whose upper twelve bytes are not zero is `None`: newer compilers revert on it, older ones cut it off.

use alloy_primitives::Address;
use alloy_primitives::U256;

/// Words from some place on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn word(self, index: usize) -> Option<U256> {
        let at = index.checked_mul(32)?;
        self.0.get(at..at.checked_add(32)?).map(U256::from_be_slice)
    }

    pub(super) fn address(self, index: usize) -> Option<Address> {
        let word = self.word(index)?;
        (word.bit_len() <= 160).then(|| Address::from_word(word.into()))
    }

    fn size(self, index: usize) -> Option<usize> {
        usize::try_from(self.word(index)?).ok()
    }

    /// A number that fits 24 bits.
    pub(super) fn uint24(self, index: usize) -> Option<u32> {
        u32::try_from(self.word(index)?).ok().filter(|number| *number < 1 << 24)
    }

    /// What the offset in a word leads to, counted from here.
    pub(super) fn tail(self, index: usize) -> Option<Self> {
        self.0.get(self.size(index)?..).map(Self)
    }

    /// The dynamic bytes that a word leads to.
    pub(super) fn bytes(self, index: usize) -> Option<&'a [u8]> {
        let tail = self.tail(index)?;
        tail.0.get(32..)?.get(..tail.size(0)?)
    }

    /// The list that a word leads to: its length, and its elements' words (or their offsets).
    pub(super) fn list(self, index: usize) -> Option<(usize, Self)> {
        let tail = self.tail(index)?;
        let (length, rest) = (tail.size(0)?, Self(tail.0.get(32..)?));
        // Every element has at least one word here.
        (length.checked_mul(32)? <= rest.0.len()).then_some((length, rest))
    }
}
