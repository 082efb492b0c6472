//! What is true of one chain and not of every chain: [`ChainSpec`], a table a chain, chosen by `[chain] id`.
//!
//! # Invariants
//! - Outside this room no code knows one chain from another: it is given a spec, or what a spec says.
//! - A table holds what its sources say and nothing that is merely likely. What is not known is absent, and whoever needs it
//!   is refused by name ([`Config::fault`], [`Config::inexact`]).
//!
//! # Sources
//! Times and blocks of forks are the constants of `alloy-hardforks` and `alloy-op-hardforks`. Each table says where its
//! addresses come from.

#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod config;
mod fork;
mod known;

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

pub use crate::protocols::calldata::{Contracts, Dialect, Factory, Maker, Router};
pub use config::Config;
pub use fork::{Activation, CANCUN_BLOBS, Hardfork, PRAGUE_BLOBS, When, active};
pub use known::{ARBITRUM_ONE, BASE, MAINNET, OP_MAINNET, SEPOLIA};

/// All chains that are known.
pub static KNOWN: [&ChainSpec; 5] = [&MAINNET, &SEPOLIA, &BASE, &OP_MAINNET, &ARBITRUM_ONE];

/// The chain of a configuration that names none.
pub static DEFAULT: &ChainSpec = &MAINNET;

/// The chain of recorded blocks: a record has no chain id, and all that are kept are this chain's.
pub static RECORDED: &ChainSpec = &MAINNET;

/// What is true of one chain.
#[derive(Debug, PartialEq, Eq)]
pub struct ChainSpec {
    /// EIP-155's id.
    pub id: u64,
    /// Its name, and that of its schedule of forks.
    pub name: &'static str,
    /// The wrapped native token, in which profit is valued.
    pub wrapped_native: Address,
    /// Tokens a cycle may start from, highest priority first. The first is the wrapped native one.
    pub base_tokens: &'static [Address],
    /// What moves the base fee.
    pub fees: FeeRule,
    /// What a transaction pays beside its gas.
    pub data_fee: DataFee,
    /// Its forks, oldest first.
    pub forks: &'static [Activation],
    /// Seconds between two blocks; `None` where that is less than one, or not even.
    pub slot_seconds: Option<u64>,
    /// Contracts whose calldata is read, in order of address.
    pub routers: &'static [Router],
    /// Contracts that make pools, as those routers find them.
    pub factories: &'static [Factory],
    /// Contracts of the chain's own that hold a part of its rules.
    pub systems: &'static [System],
    /// Addresses that answer without code, beyond those that Ethereum's forks have.
    pub precompiles: &'static [Address],
}

/// What moves the base fee from block to block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeRule {
    /// EIP-1559 with these parameters.
    Eip1559(BaseFee),
    /// EIP-1559 with parameters that each header sets anew (OP stack, from Holocene on), with a least fee from Jovian on.
    InHeader,
    /// A rule of the chain's own.
    Own,
}

/// EIP-1559's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseFee {
    /// The gas target is the limit divided by this.
    pub elasticity: u64,
    /// The base fee moves by at most its own amount divided by this, a block.
    pub denominator: u64,
}

impl BaseFee {
    /// The parameters that EIP-1559 came with.
    pub const LONDON: Self = Self { elasticity: 2, denominator: 8 };
}

/// What a transaction pays beside its gas, for its bytes on another chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFee {
    /// Nothing.
    None,
    /// By the OP stack's `GasPriceOracle`.
    OpStack,
    /// By `ArbOS`, as gas of its own.
    Arbitrum,
    /// Nobody has said.
    Unsaid,
}

/// A contract that holds a part of the chain's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct System {
    /// What it holds.
    pub name: &'static str,
    /// Where it is.
    pub address: Address,
}

/// The chain of an id, if it is known.
#[must_use]
pub fn find(id: u64) -> Option<&'static ChainSpec> {
    KNOWN.into_iter().find(|spec| spec.id == id)
}

/// A chain by its name, as `chain.hardfork` names its schedule.
#[must_use]
pub fn named(name: &str) -> Option<&'static ChainSpec> {
    KNOWN.into_iter().find(|spec| spec.name == name)
}

impl ChainSpec {
    /// The contracts that calldata is read by.
    #[must_use]
    pub const fn contracts(&self) -> Contracts {
        Contracts { wrapped_native: self.wrapped_native, routers: self.routers, factories: self.factories }
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, When, find, named};

    #[test]
    fn every_table_is_found_and_in_order() {
        for spec in KNOWN {
            assert_eq!((find(spec.id), named(spec.name)), (Some(spec), Some(spec)));
            assert_eq!(spec.base_tokens.first(), Some(&spec.wrapped_native), "{}", spec.name);
            assert!(spec.routers.is_sorted_by_key(|row| row.address), "{}", spec.name);
            let at = |when: When| match when {
                When::Block(number) => (0, number),
                When::Time(second) => (1, second),
            };
            assert!(spec.forks.is_sorted_by_key(|row| at(row.when)), "{}", spec.name);
            assert!(spec.forks.is_sorted_by_key(|row| row.rules), "{}", spec.name);
        }
    }
}
