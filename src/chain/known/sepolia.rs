//! Ethereum's test chain.
//!
//! Sources: the deployments that Uniswap and Circle publish, written down from common knowledge and not held against the chain
//! here.
//!
//! # Limits
//! The schedule ends with Amsterdam, whose rules are not held yet: blocks since 2026-10-06 are refused by name.

use alloy_hardforks::ethereum::sepolia;
use alloy_primitives::{Address, address};

use crate::chain::fork::{Activation, BPO1_BLOBS, BPO2_BLOBS, CANCUN_BLOBS, Hardfork, PRAGUE_BLOBS};
use crate::chain::known::{BEACON_ROOTS, BLOCK_HASHES, PAIR, POOL, from_block, from_time, row};
use crate::chain::{BaseFee, ChainSpec, DataFee, Dialect, Factory, FeeRule, Maker};

const WETH: Address = address!("fFf9976782d46CC05630D1f6eBAb18b2324d6B14");

/// Ethereum's test chain.
pub static SEPOLIA: ChainSpec = ChainSpec {
    id: 11_155_111,
    name: "sepolia",
    wrapped_native: WETH,
    base_tokens: &[WETH, address!("1c7D4B196Cb0C7B01d743Fbc6116a902379C7238")],
    fees: FeeRule::Eip1559(BaseFee::LONDON),
    data_fee: DataFee::None,
    forks: &FORKS,
    slot_seconds: Some(12),
    routers: &[row(address!("3bFA4769FB09eefC5a80d6E87c3B9C650f7Ae48E"), Dialect::Both)],
    factories: &[
        Factory {
            kind: Maker::UniswapV2,
            address: address!("F62c03E08ada871A0bEb309762E260a7a6a880E6"),
            init_codes: &[PAIR],
        },
        Factory {
            kind: Maker::UniswapV3,
            address: address!("0227628f3F023bb0B980b67D528571c95c6DaC1c"),
            init_codes: &[POOL],
        },
    ],
    systems: &[BEACON_ROOTS, BLOCK_HASHES],
    precompiles: &[],
};

/// London held from its first block on.
const FORKS: [Activation; 9] = [
    from_block(0, Hardfork::London),
    from_block(sepolia::SEPOLIA_PARIS_FORK_BLOCK, Hardfork::Paris),
    from_time(sepolia::SEPOLIA_SHANGHAI_TIMESTAMP, Hardfork::Shanghai, CANCUN_BLOBS),
    from_time(sepolia::SEPOLIA_CANCUN_TIMESTAMP, Hardfork::Cancun, CANCUN_BLOBS),
    from_time(sepolia::SEPOLIA_PRAGUE_TIMESTAMP, Hardfork::Prague, PRAGUE_BLOBS),
    from_time(sepolia::SEPOLIA_OSAKA_TIMESTAMP, Hardfork::Osaka, PRAGUE_BLOBS),
    from_time(sepolia::SEPOLIA_BPO1_TIMESTAMP, Hardfork::Osaka, BPO1_BLOBS),
    from_time(sepolia::SEPOLIA_BPO2_TIMESTAMP, Hardfork::Osaka, BPO2_BLOBS),
    from_time(sepolia::SEPOLIA_AMSTERDAM_TIMESTAMP, Hardfork::Amsterdam, BPO2_BLOBS),
];
