//! The `[executor]`, `[bid]` and `[limits]` tables.

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};

use crate::types::secret::Place;
use crate::types::wei_text;

/// All basis points there are.
pub const WHOLE_BPS: u16 = 10_000;

/// Whose contract, and whose key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Executor {
    /// The contract.
    pub address: Address,
    /// The owner's key: `env:NAME`, or a file.
    pub owner: Place,
    /// The key that relays know us by. Holds nothing, and is never the owner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Place>,
    /// Send the access list that the proof measured.
    #[serde(default)]
    pub access_list: bool,
    /// Gas limit above what the proof needed, in basis points of it.
    #[serde(default = "default_margin_bps")]
    pub gas_margin_bps: u16,
}

const fn default_margin_bps() -> u16 {
    1_000
}

/// What the block's builder is offered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bid {
    /// Share of the profit after gas, in basis points.
    pub share_bps: u16,
    /// Least bid, in wei.
    #[serde(with = "wei_text")]
    pub floor_wei: U256,
    /// Most, in wei: a larger share is cut down to it.
    #[serde(with = "wei_text")]
    pub cap_wei: U256,
}

impl Default for Bid {
    fn default() -> Self {
        Self { share_bps: 9_000, floor_wei: U256::ZERO, cap_wei: ether_tenths(10) }
    }
}

/// The last gate: what passes here is signed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// No bid is above this, in wei. Unlike `bid.cap_wei` it refuses.
    #[serde(with = "wei_text")]
    pub max_bid_wei: U256,
    /// Least that must be left to us after gas and bid, in wei.
    #[serde(with = "wei_text")]
    pub min_net_wei: U256,
    /// Highest gas limit of a transaction of ours.
    pub max_gas: u64,
    /// Most bundles a block. They share a nonce, so at most one of them lands.
    pub max_bundles_per_block: u32,
    /// Most unknown slots of our own accounts that a proof may have taken as empty.
    pub max_assumed_slots: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bid_wei: ether_tenths(20),
            min_net_wei: U256::from(1),
            max_gas: 3_000_000,
            max_bundles_per_block: 64,
            max_assumed_slots: 0,
        }
    }
}

fn ether_tenths(tenths: u64) -> U256 {
    U256::from(tenths) * U256::from(100_000_000_000_000_000u64)
}

/// Since Osaka (EIP-7825) no transaction may have a higher gas limit; BuilderNet refuses it on any chain.
const MAX_TX_GAS: u64 = 1 << 24;

/// Of a transaction that does nothing.
const LEAST_GAS: u64 = 21_000;

impl Executor {
    /// The first value that makes no sense: key, value, what is due.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        match self {
            Self { address: Address::ZERO, .. } => {
                Some(("executor.address", self.address.to_string(), "the contract's address"))
            }
            Self { owner: Place::Naked, .. } => Some(("executor.owner", "***".to_owned(), "env:NAME or a file's path")),
            Self { identity: Some(Place::Naked), .. } => {
                Some(("executor.identity", "***".to_owned(), "env:NAME or a file's path"))
            }
            Self { owner, identity: Some(identity), .. } if owner == identity => {
                Some(("executor.identity", identity.to_string(), "another key than executor.owner"))
            }
            _ => None,
        }
    }
}

impl Bid {
    /// The first value that makes no sense.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        if self.share_bps > WHOLE_BPS {
            return Some(("bid.share_bps", self.share_bps.to_string(), "0 to 10000"));
        }
        if self.floor_wei > self.cap_wei {
            let found = format!("{}, and bid.cap_wei {}", self.floor_wei, self.cap_wei);
            return Some(("bid.floor_wei", found, "at most bid.cap_wei"));
        }
        None
    }
}

impl Limits {
    /// The first value that makes no sense.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        if self.max_gas == 0 || self.max_gas > MAX_TX_GAS {
            return Some(("limits.max_gas", self.max_gas.to_string(), "1 to 16777216"));
        }
        if self.max_gas < LEAST_GAS {
            return Some(("limits.max_gas", self.max_gas.to_string(), "at least 21000, what any transaction takes,"));
        }
        if self.max_bundles_per_block == 0 {
            return Some(("limits.max_bundles_per_block", "0".to_owned(), "at least 1"));
        }
        None
    }
}
