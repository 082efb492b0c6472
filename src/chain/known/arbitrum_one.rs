//! Arbitrum One.
//!
//! Sources: the deployments that Uniswap and the tokens' issuers publish, written down from common knowledge and not held against
//! the chain here; precompiles are Nitro's (docs.arbitrum.io).
//!
//! # Limits
//! Its gas, its block numbers inside of contracts and its fees are its own, and none of them is held: it cannot be searched.

use alloy_hardforks::arbitrum::mainnet;
use alloy_primitives::{Address, address};

use crate::chain::fork::{Activation, CANCUN_BLOBS, Hardfork, PRAGUE_BLOBS};
use crate::chain::known::{POOL, from_time, row};
use crate::chain::{ChainSpec, DataFee, Dialect, Factory, FeeRule, Maker, System};

const WETH: Address = address!("82aF49447D8a07e3bd95BD0d56f35241523fBab1");

/// Arbitrum One.
pub static ARBITRUM_ONE: ChainSpec = ChainSpec {
    id: 42_161,
    name: "arbitrum_one",
    wrapped_native: WETH,
    base_tokens: &[
        WETH,
        address!("af88d065e77c8cC2239327C5EDb3A432268e5831"), // USDC
        address!("Fd086bC7CD5C481DCC9C85ebE478A1C0b69FCbb9"), // USDT
        address!("DA10009cBd5D07dd0CeCc66161FC93D7c9000da1"), // DAI
    ],
    fees: FeeRule::Own,
    data_fee: DataFee::Arbitrum,
    forks: &FORKS,
    slot_seconds: None,
    routers: &[
        row(address!("68b3465833fb72A70ecDF485E0e4C7bD8665Fc45"), Dialect::Both),
        row(address!("E592427A0AEce92De3Edee1F18E0157C05861564"), Dialect::V3),
    ],
    factories: &[Factory {
        kind: Maker::UniswapV3,
        address: address!("1F98431c8aD98523631AE4a59f267346ea31F984"),
        init_codes: &[POOL],
    }],
    systems: &[System { name: "ArbGasInfo", address: ARB_GAS_INFO }],
    precompiles: &[ARB_SYS, ARB_GAS_INFO],
};

const ARB_SYS: Address = address!("0000000000000000000000000000000000000064");
const ARB_GAS_INFO: Address = address!("000000000000000000000000000000000000006C");

const FORKS: [Activation; 4] = [
    from_time(mainnet::ARBITRUM_ONE_PARIS_TIMESTAMP, Hardfork::Paris, CANCUN_BLOBS),
    from_time(mainnet::ARBITRUM_ONE_SHANGHAI_TIMESTAMP, Hardfork::Shanghai, CANCUN_BLOBS),
    from_time(mainnet::ARBITRUM_ONE_CANCUN_TIMESTAMP, Hardfork::Cancun, CANCUN_BLOBS),
    from_time(mainnet::ARBITRUM_ONE_PRAGUE_TIMESTAMP, Hardfork::Prague, PRAGUE_BLOBS),
];
