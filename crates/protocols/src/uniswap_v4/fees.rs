//! What a swap is charged: the liquidity providers' fee, and the protocol's on top, by direction.
//!
//! # Invariants
//! - The protocol's share is taken first and the providers' from what is left; both together are rounded up, against the user
//!   (`ProtocolFeeLibrary.calculateSwapFee`). How the two share it alters no amount of a swap.

use crate::math::swap_step::PIPS;

/// The most that the manager lets the protocol take, a direction (`MAX_PROTOCOL_FEE`).
const MOST_PROTOCOL: u32 = 1_000;
/// Bits of a direction's share in the packed fee.
const SHARE_BITS: u32 = 12;

/// Both fees, as the first slot has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    /// The providers', in millionths.
    pub lp: u32,
    /// The protocol's, in millionths, two of 12 bits: token 0 in is the lower.
    pub protocol: u32,
}

impl Fees {
    /// The manager stores no others.
    #[must_use]
    pub const fn are_sane(self) -> bool {
        let limit = 1 << (2 * SHARE_BITS);
        let [down, up] = [self.share(true), self.share(false)];
        self.lp <= PIPS && self.protocol < limit && down <= MOST_PROTOCOL && up <= MOST_PROTOCOL
    }

    /// The protocol's, of swaps in one direction.
    const fn share(self, down: bool) -> u32 {
        let mask = (1 << SHARE_BITS) - 1;
        if down { self.protocol & mask } else { self.protocol >> SHARE_BITS & mask }
    }

    /// What a swap in one direction is charged, in millionths of its input. `down`: token 0 goes in.
    #[inline]
    #[must_use]
    pub const fn of_swap(self, down: bool) -> u32 {
        let share = self.share(down);
        // Both are at most a million: the product is under 2^40.
        let both = share as u64 * self.lp as u64 / PIPS as u64;
        share + self.lp - both as u32
    }
}
