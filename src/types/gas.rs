//! What a transaction of ours is charged, and what it would be charged were some bytes of its calldata others: a bid is decided after
//! the run that says what gas costs.
//!
//! # Sources
//! EIP-2028: a byte that is not zero costs 16 gas, a zero 4. EIP-3529: refunds give back a fifth of what was spent at most, a half before
//! London. EIP-7623: calldata alone costs so much at least, a byte that is not zero 40, a zero 10.
//!
//! # Limits
//! Where refunds were cut off, what they came to is not known. A few bytes more could then raise the most that comes back above that:
//! within some ten gas of the limit the charge is told too low by as much.

use crate::types::amount::Gas;

/// Gas of a byte that is not zero, above one that is.
const FILLED: i64 = 16 - 4;
/// The same where calldata alone is charged.
const FILLED_FLOOR: i64 = 40 - 10;

/// A run's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasCost {
    /// Before refunds.
    pub spent: u64,
    /// What came back, no more than may.
    pub refunded: u64,
    /// Refunds give back what was spent, divided by this, at most.
    pub quotient: u64,
    /// The least that its calldata costs; 0: there is no such least.
    pub floor: u64,
}

impl GasCost {
    /// Of a run of which nothing is known but what it is charged.
    #[must_use]
    pub const fn plain(charged: Gas) -> Self {
        Self { spent: charged.0, refunded: 0, quotient: 1, floor: 0 }
    }

    /// What it is charged.
    #[must_use]
    pub fn charged(self) -> Gas {
        self.with(0)
    }

    /// What it is charged with so many zeros of its calldata filled, or, below nothing, emptied.
    #[must_use]
    pub fn with(self, filled: i64) -> Gas {
        let spent = self.spent.saturating_add_signed(FILLED.saturating_mul(filled));
        let refunded = if self.is_cut_off() { spent / self.quotient } else { self.refunded.min(spent / self.quotient) };
        let floor =
            if self.floor == 0 { 0 } else { self.floor.saturating_add_signed(FILLED_FLOOR.saturating_mul(filled)) };
        Gas(spent.saturating_sub(refunded).max(floor))
    }

    /// With so much gas more.
    #[must_use]
    pub const fn plus(self, gas: u64) -> Self {
        Self { spent: self.spent.saturating_add(gas), ..self }
    }

    /// Refunds may have come to more than was given back.
    const fn is_cut_off(self) -> bool {
        self.refunded > 0 && self.refunded >= self.spent / self.quotient
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn cost(spent: u64, refunded: u64) -> GasCost {
        GasCost { spent, refunded, quotient: 5, floor: 0 }
    }

    #[test]
    fn a_byte_more_costs_twelve_gas_and_four_fifths_of_it_where_refunds_are_cut_off() {
        assert_eq!([-1, 0, 1].map(|filled| cost(1_000_000, 4_800).with(filled).0), [995_188, 995_200, 995_212]);
        assert_eq!(
            [-1, 0, 1, 2].map(|filled| cost(1_000_000, 200_000).with(filled).0),
            [799_991, 800_000, 800_010, 800_020]
        );
        // Below the limit, and above it with a byte less.
        assert_eq!(cost(1_000_004, 199_999).with(-1).0, 999_992 - 199_998);
        assert_eq!(GasCost::plain(Gas(100)).with(2), Gas(124));
    }

    #[test]
    fn calldata_alone_is_the_least_that_is_charged() {
        let cost = GasCost { floor: 50_000, ..cost(49_000, 0) };
        assert_eq!(
            [cost.charged(), cost.with(1), cost.plus(9_000).charged()].map(|gas| gas.0),
            [50_000, 50_030, 58_000]
        );
    }
}
