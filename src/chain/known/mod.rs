//! The chains that are known, a file each.
//!
//! # Limits
//! A known router or factory that is missing costs speed, not money: its transactions go through the EVM alone.

mod arbitrum_one;
mod base;
mod mainnet;
mod op_mainnet;
mod sepolia;

use alloy_primitives::{Address, B256, address, b256};

use crate::chain::fork::{Activation, Hardfork, When};
use crate::chain::{Dialect, Router, System};

pub use arbitrum_one::ARBITRUM_ONE;
pub use base::BASE;
pub use mainnet::MAINNET;
pub use op_mainnet::OP_MAINNET;
pub use sepolia::SEPOLIA;

/// Hash of the creation code of Uniswap's pair: `keccak256(UniswapV2Pair.bytecode)` of @uniswap/v2-core 1.0.1.
const PAIR: B256 = b256!("96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f");
/// The same of Sushi's pair, as its router computes it.
const SUSHI_PAIR: B256 = b256!("e18a34eb0e04b04f7a0ac29a6e80748dca96319b42c54d679cb821dca90c6303");
/// The same of Uniswap's V3 pool: @uniswap/v3-core 1.0.1.
const POOL: B256 = b256!("e34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54");

/// EIP-4788's and EIP-2935's, at the same addresses wherever the forks are that brought them.
const BEACON_ROOTS: System =
    System { name: "beacon roots", address: address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02") };
const BLOCK_HASHES: System =
    System { name: "block hashes", address: address!("0000F90827F1C53a10cb7A02335B175320002935") };

/// The OP stack's predeploys (specs.optimism.io, "Predeploys"): the same on all of its chains.
const OP_WETH: Address = address!("4200000000000000000000000000000000000006");
const OP_SYSTEMS: [System; 4] = [
    BEACON_ROOTS,
    BLOCK_HASHES,
    System { name: "GasPriceOracle", address: address!("420000000000000000000000000000000000000F") },
    System { name: "L1Block", address: address!("4200000000000000000000000000000000000015") },
];
/// RIP-7212 (P-256), since Fjord: before Ethereum has it.
const OP_PRECOMPILES: [Address; 1] = [address!("0000000000000000000000000000000000000100")];

const fn row(address: Address, dialect: Dialect) -> Router {
    Router { address, dialect }
}

const fn from_block(number: u64, rules: Hardfork) -> Activation {
    Activation { when: When::Block(number), rules, blob_update_fraction: super::fork::CANCUN_BLOBS }
}

const fn from_time(second: u64, rules: Hardfork, blob_update_fraction: u64) -> Activation {
    Activation { when: When::Time(second), rules, blob_update_fraction }
}
