//! Base.
//!
//! Sources: the deployments that Uniswap and the tokens' issuers publish, written down from common knowledge and not held against
//! the chain here; predeploys are the OP stack's.
//!
//! # Limits
//! The schedule holds which of Ethereum's rules a fork of the OP stack brought. What it has of its own (deposits, the fee
//! for data, a base fee that headers set) is not held: sending on it is refused.

use alloy_op_hardforks::base::mainnet;
use alloy_primitives::address;

use crate::chain::fork::{Activation, CANCUN_BLOBS, Hardfork, PRAGUE_BLOBS};
use crate::chain::known::{OP_PRECOMPILES, OP_SYSTEMS, OP_WETH, PAIR, POOL, from_block, from_time, row};
use crate::chain::{ChainSpec, DataFee, Dialect, Factory, FeeRule, Maker};

/// Base.
pub static BASE: ChainSpec = ChainSpec {
    id: 8_453,
    name: "base",
    wrapped_native: OP_WETH,
    base_tokens: &[
        OP_WETH,
        address!("833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"), // USDC
    ],
    fees: FeeRule::InHeader,
    data_fee: DataFee::OpStack,
    forks: &FORKS,
    slot_seconds: Some(2),
    routers: &[
        row(address!("2626664c2603336E57B271c5C0b26F421741e481"), Dialect::Both),
        row(address!("4752ba5DBc23f44D87826276BF6Fd6b1C372aD24"), Dialect::V2(Maker::UniswapV2)),
    ],
    factories: &[
        Factory {
            kind: Maker::UniswapV2,
            address: address!("8909Dc15e40173Ff4699343b6eB8132c65e18eC6"),
            init_codes: &[PAIR],
        },
        Factory {
            kind: Maker::UniswapV3,
            address: address!("33128a8fC17869897dcE68Ed026d694621f6FDfD"),
            init_codes: &[POOL],
        },
    ],
    systems: &OP_SYSTEMS,
    precompiles: &OP_PRECOMPILES,
};

/// From Bedrock on. Canyon brought Shanghai, Ecotone Cancun, Isthmus Prague; the others changed what is the OP stack's own.
const FORKS: [Activation; 4] = [
    from_block(mainnet::BASE_MAINNET_BEDROCK_BLOCK, Hardfork::Paris),
    from_time(mainnet::BASE_MAINNET_CANYON_TIMESTAMP, Hardfork::Shanghai, CANCUN_BLOBS),
    from_time(mainnet::BASE_MAINNET_ECOTONE_TIMESTAMP, Hardfork::Cancun, CANCUN_BLOBS),
    from_time(mainnet::BASE_MAINNET_ISTHMUS_TIMESTAMP, Hardfork::Prague, PRAGUE_BLOBS),
];
