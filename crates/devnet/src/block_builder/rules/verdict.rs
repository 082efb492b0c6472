//! What a bundle is worth, and why it is not in the block.

use std::cmp::Ordering;

use alloy_primitives::{B256, U256};
use serde::{Deserialize, Serialize};

/// What a bundle brings the builder, and what room it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Value {
    /// Wei that the coinbase gains: tips and direct payments.
    pub paid: U256,
    /// Gas burnt.
    pub gas: u64,
}

impl Value {
    /// By payment per gas, exactly: no division. Less gas wins when both pay nothing.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        let left = self.paid.widening_mul::<256, 4, 512, 8>(U256::from(other.gas));
        let right = other.paid.widening_mul::<256, 4, 512, 8>(U256::from(self.gas));
        left.cmp(&right)
    }

    /// Whether this is at least 95 % of `promised`, per gas.
    #[must_use]
    pub fn keeps(&self, promised: &Self) -> bool {
        let have = Self { paid: self.paid.saturating_mul(U256::from(100)), gas: self.gas };
        let due = Self { paid: promised.paid.saturating_mul(U256::from(95)), gas: promised.gas };
        have.compare(&due) != Ordering::Less
    }
}

/// Why a bundle is not in the block it was for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LeftOut {
    /// It works at the top of the block, and not after one that pays more per gas.
    Outbid {
        /// The other bundle's hash.
        by: B256,
        /// What the other one pays the builder, in wei.
        paid: U256,
        /// What the other one burns.
        gas: u64,
    },
    /// A transaction that may not revert does.
    Reverted {
        /// Which.
        tx: B256,
        /// What it returned, or what the EVM said.
        output: String,
    },
    /// Its block was built already.
    Late {
        /// The last block when it came, or the one built without it.
        head: u64,
    },
    /// A transaction's nonce is not its sender's next.
    Nonce {
        /// Which.
        tx: B256,
        /// What it has.
        have: u64,
        /// What is due.
        due: u64,
    },
    /// A transaction gives less for gas than the block's base fee.
    Fee {
        /// Which.
        tx: B256,
        /// Most it gives.
        have: u128,
        /// The base fee.
        due: u128,
    },
    /// The block's timestamp is outside its bounds.
    Timestamp {
        /// The block's.
        timestamp: u64,
    },
    /// Its gas does not fit behind what pays more.
    NoRoom,
    /// The builder gains nothing by it.
    NoPayment,
    /// Its sender took it back.
    Cancelled,
    /// Its sender sent another one under the same uuid.
    Replaced,
    /// The header does not vouch for the body.
    Signature {
        /// What is wrong.
        message: String,
    },
    /// The node would not take it.
    Refused {
        /// The node's words.
        message: String,
    },
    /// Another transaction came between, and the block could not be mended.
    Interleaved,
}

impl LeftOut {
    /// One word for it, for people and for counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Outbid { .. } => "outbid",
            Self::Reverted { .. } => "reverted",
            Self::Late { .. } => "late",
            Self::Nonce { .. } => "nonce",
            Self::Fee { .. } => "fee",
            Self::Timestamp { .. } => "timestamp",
            Self::NoRoom => "no room",
            Self::NoPayment => "no payment",
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
            Self::Signature { .. } => "signature",
            Self::Refused { .. } => "refused",
            Self::Interleaved => "interleaved",
        }
    }
}
