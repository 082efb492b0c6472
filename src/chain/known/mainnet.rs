//! Ethereum.
//!
//! Sources: Uniswap's, Sushi's, 1inch's and 0x's lists of deployments; tokens are their issuers'.

use alloy_hardforks::ethereum::mainnet;
use alloy_primitives::{Address, address};

use crate::chain::fork::{Activation, BPO1_BLOBS, BPO2_BLOBS, CANCUN_BLOBS, Hardfork, PRAGUE_BLOBS};
use crate::chain::known::{BEACON_ROOTS, BLOCK_HASHES, PAIR, POOL, SUSHI_PAIR, from_block, from_time, row};
use crate::chain::{BaseFee, ChainSpec, DataFee, Dialect, Factory, FeeRule, Maker, Router};

const WETH: Address = address!("C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");

/// Ethereum.
pub static MAINNET: ChainSpec = ChainSpec {
    id: 1,
    name: "mainnet",
    wrapped_native: WETH,
    base_tokens: &[
        WETH,
        address!("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), // USDC
        address!("dAC17F958D2ee523a2206206994597C13D831ec7"), // USDT
        address!("6B175474E89094C44Da98b954EedeAC495271d0F"), // DAI
        address!("2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599"), // WBTC
    ],
    fees: FeeRule::Eip1559(BaseFee::LONDON),
    data_fee: DataFee::None,
    forks: &FORKS,
    slot_seconds: Some(12),
    routers: &ROUTERS,
    factories: &FACTORIES,
    systems: &[BEACON_ROOTS, BLOCK_HASHES],
    precompiles: &[],
};

/// From Istanbul on: older blocks are refused.
const FORKS: [Activation; 10] = [
    from_block(mainnet::MAINNET_ISTANBUL_BLOCK, Hardfork::Istanbul),
    from_block(mainnet::MAINNET_BERLIN_BLOCK, Hardfork::Berlin),
    from_block(mainnet::MAINNET_LONDON_BLOCK, Hardfork::London),
    from_block(mainnet::MAINNET_PARIS_BLOCK, Hardfork::Paris),
    from_time(mainnet::MAINNET_SHANGHAI_TIMESTAMP, Hardfork::Shanghai, CANCUN_BLOBS),
    from_time(mainnet::MAINNET_CANCUN_TIMESTAMP, Hardfork::Cancun, CANCUN_BLOBS),
    from_time(mainnet::MAINNET_PRAGUE_TIMESTAMP, Hardfork::Prague, PRAGUE_BLOBS),
    from_time(mainnet::MAINNET_OSAKA_TIMESTAMP, Hardfork::Osaka, PRAGUE_BLOBS),
    from_time(mainnet::MAINNET_BPO1_TIMESTAMP, Hardfork::Osaka, BPO1_BLOBS),
    from_time(mainnet::MAINNET_BPO2_TIMESTAMP, Hardfork::Osaka, BPO2_BLOBS),
];

const ROUTERS: [Router; 11] = [
    row(address!("1111111254EEB25477B68fb85Ed929f73A960582"), Dialect::OneInch),
    row(address!("1111111254fb6c44bAC0beD2854e76F90643097d"), Dialect::OneInch),
    row(address!("3fC91A3afd70395Cd496C647d5a6CC9D4B2b7FAD"), Dialect::Universal),
    row(address!("66a9893cC07D91D95644AEDD05D03f95e1dBA8Af"), Dialect::Universal),
    row(address!("68b3465833fb72A70ecDF485E0e4C7bD8665Fc45"), Dialect::Both),
    row(address!("7a250d5630B4cF539739dF2C5dAcb4c659F2488D"), Dialect::V2(Maker::UniswapV2)),
    row(address!("d9e1cE17f2641f24aE83637ab66a2cca9C378B9F"), Dialect::V2(Maker::Sushi)),
    row(address!("Def1C0ded9bec7F1a1670819833240f027b25EfF"), Dialect::ZeroEx),
    row(address!("E592427A0AEce92De3Edee1F18E0157C05861564"), Dialect::V3),
    row(address!("Ef1c6E67703c7BD7107eed8303Fbe6EC2554BF6B"), Dialect::Universal),
    row(address!("f164fC0Ec4E93095b804a4795bBe1e041497b92a"), Dialect::V2(Maker::UniswapV2)),
];

const FACTORIES: [Factory; 3] = [
    Factory {
        kind: Maker::UniswapV2,
        address: address!("5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f"),
        init_codes: &[PAIR],
    },
    // A devnet's Sushi makes Uniswap's pairs; on one chain there is only one of them.
    Factory {
        kind: Maker::Sushi,
        address: address!("C0AEe478e3658e2610c5F7A4A2E1777cE9e4f2Ac"),
        init_codes: &[SUSHI_PAIR, PAIR],
    },
    Factory {
        kind: Maker::UniswapV3,
        address: address!("1F98431c8aD98523631AE4a59f267346ea31F984"),
        init_codes: &[POOL],
    },
];
