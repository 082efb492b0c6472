//! Where a pair keeps its reserves.
//!
//! # Invariants
//! - A layout other than [`Layout::Opaque`] has been tested on the pair itself: writing the slots moves `getReserves`.

use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::ApplyError;
use crate::uniswap_v2::curve::MAX_RESERVE;

/// Storage slots that hold the reserves, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// `uint112 reserve0 | uint112 reserve1 | uint32 timestamp` from the low end of one slot: slot 8 in Uniswap's pair.
    Packed {
        /// The slot.
        slot: U256,
    },
    /// Each reserve alone in its slot.
    Split {
        /// The slots of reserve 0 and reserve 1.
        slots: [U256; 2],
    },
    /// Not understood: only logs tell the reserves.
    Opaque,
}

impl Layout {
    /// The reserves in a packed slot. The timestamp above them is bookkeeping that no quote depends on.
    #[must_use]
    pub fn unpack(word: U256) -> [u128; 2] {
        let low = |word: U256| (word & U256::from(MAX_RESERVE)).to::<u128>();
        [low(word), low(word >> 112)]
    }

    /// Reads the reserves afresh. `None` when a slot is not known, holds no reserve, or the layout is opaque.
    pub fn load(self, mut slot: impl FnMut(U256) -> Option<U256>) -> Option<[u128; 2]> {
        match self {
            Self::Packed { slot: at } => Some(Self::unpack(slot(at)?)),
            Self::Split { slots } => Some([narrow(slot(slots[0])?)?, narrow(slot(slots[1])?)?]),
            Self::Opaque => None,
        }
    }

    /// The reserves after `changes`, from `reserves` before them. Later changes of a slot win.
    pub(super) fn fold(self, mut reserves: [u128; 2], changes: &[(U256, U256)]) -> Result<[u128; 2], ApplyError> {
        for &(at, word) in changes {
            match self {
                Self::Packed { slot } if at == slot => reserves = Self::unpack(word),
                Self::Split { slots } if at == slots[0] => {
                    reserves[0] = narrow(word).ok_or(ApplyError::Contradiction)?
                }
                Self::Split { slots } if at == slots[1] => {
                    reserves[1] = narrow(word).ok_or(ApplyError::Contradiction)?
                }
                _ => {}
            }
        }
        Ok(reserves)
    }

    /// What to write to make the pair believe in `reserves`; empty for an opaque layout. The timestamp is written as zero.
    pub(super) fn write(self, reserves: [u128; 2]) -> Vec<(U256, U256)> {
        let [r0, r1] = reserves.map(U256::from);
        match self {
            Self::Packed { slot } => vec![(slot, r0 | r1 << 112)],
            Self::Split { slots } => vec![(slots[0], r0), (slots[1], r1)],
            Self::Opaque => Vec::new(),
        }
    }
}

/// A word as a reserve.
pub(super) fn narrow(word: U256) -> Option<u128> {
    u128::try_from(word).ok().filter(|reserve| *reserve <= MAX_RESERVE)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;

    use super::Layout;
    use crate::amm::ApplyError;
    use crate::uniswap_v2::curve::MAX_RESERVE;

    const AT: U256 = U256::from_limbs([8, 0, 0, 0]);
    const NEXT: U256 = U256::from_limbs([9, 0, 0, 0]);

    #[test]
    fn a_packed_slot_keeps_two_reserves_below_the_timestamp() {
        let layout = Layout::Packed { slot: AT };
        let stamp = U256::from(u32::MAX) << 224;
        let word = layout.write([MAX_RESERVE, 7])[0].1 | stamp;
        assert_eq!(Layout::unpack(word), [MAX_RESERVE, 7]);
        assert_eq!(layout.fold([1, 1], &[(NEXT, U256::MAX), (AT, word)]), Ok([MAX_RESERVE, 7]));
    }

    #[test]
    fn split_slots_change_one_by_one_and_refuse_more_than_a_reserve() {
        let layout = Layout::Split { slots: [AT, NEXT] };
        assert_eq!(layout.fold([1, 2], &[(NEXT, U256::from(5))]), Ok([1, 5]));
        let wide = U256::from(MAX_RESERVE) + U256::ONE;
        assert_eq!(layout.fold([1, 2], &[(AT, wide)]), Err(ApplyError::Contradiction));
    }

    #[test]
    fn an_opaque_layout_ignores_storage() {
        assert_eq!(Layout::Opaque.fold([1, 2], &[(AT, U256::MAX)]), Ok([1, 2]));
        assert_eq!(Layout::Opaque.load(|_| Some(U256::ZERO)), None);
    }
}
