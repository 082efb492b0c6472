//! OP mainnet.
//!
//! Sources: the deployments that Uniswap and the tokens' issuers publish, written down from common knowledge and not held against
//! the chain here; predeploys are the OP stack's.
//!
//! # Limits
//! The schedule holds which of Ethereum's rules a fork of the OP stack brought. What it has of its own (deposits, the fee
//! for data, a base fee that headers set) is not held: sending on it is refused.

use alloy_op_hardforks::optimism::mainnet;
use alloy_primitives::address;

use crate::chain::fork::{Activation, CANCUN_BLOBS, Hardfork, PRAGUE_BLOBS};
use crate::chain::known::{OP_PRECOMPILES, OP_SYSTEMS, OP_WETH, POOL, from_block, from_time, row};
use crate::chain::{ChainSpec, DataFee, Dialect, Factory, FeeRule, Maker};

/// OP mainnet.
pub static OP_MAINNET: ChainSpec = ChainSpec {
    id: 10,
    name: "op_mainnet",
    wrapped_native: OP_WETH,
    base_tokens: &[
        OP_WETH,
        address!("0b2C639c533813f4Aa9D7837CAf62653d097Ff85"), // USDC
        address!("94b008aA00579c1307B0EF2c499aD98a8ce58e58"), // USDT
        address!("DA10009cBd5D07dd0CeCc66161FC93D7c9000da1"), // DAI
        address!("68f180fcCe6836688e9084f035309E29Bf0A2095"), // WBTC
    ],
    fees: FeeRule::InHeader,
    data_fee: DataFee::OpStack,
    forks: &FORKS,
    slot_seconds: Some(2),
    routers: &[
        row(address!("68b3465833fb72A70ecDF485E0e4C7bD8665Fc45"), Dialect::Both),
        row(address!("E592427A0AEce92De3Edee1F18E0157C05861564"), Dialect::V3),
    ],
    factories: &[Factory {
        kind: Maker::UniswapV3,
        address: address!("1F98431c8aD98523631AE4a59f267346ea31F984"),
        init_codes: &[POOL],
    }],
    systems: &OP_SYSTEMS,
    precompiles: &OP_PRECOMPILES,
};

/// From Bedrock on. Canyon brought Shanghai, Ecotone Cancun, Isthmus Prague; the others changed what is the OP stack's own.
const FORKS: [Activation; 4] = [
    from_block(mainnet::OP_MAINNET_BEDROCK_BLOCK, Hardfork::Paris),
    from_time(mainnet::OP_MAINNET_CANYON_TIMESTAMP, Hardfork::Shanghai, CANCUN_BLOBS),
    from_time(mainnet::OP_MAINNET_ECOTONE_TIMESTAMP, Hardfork::Cancun, CANCUN_BLOBS),
    from_time(mainnet::OP_MAINNET_ISTHMUS_TIMESTAMP, Hardfork::Prague, PRAGUE_BLOBS),
];
