//! The contracts whose calldata is read, by their addresses on mainnet. (The devnet puts its own in the same places.)
//!
//! An address is not enough: on another chain somebody else may hold it. `hot::forecast` asks for the code's hash too, and
//! learns it from the first transaction on which the EVM agreed, so that no hash stands here that nobody has checked.

use alloy_primitives::Address;
use alloy_primitives::address;

use crate::protocols::calldata::Factory;

/// Wrapped ether, as all routers here have it built in.
pub const WETH: Address = address!("C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");

/// Which functions a router has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `UniswapV2Router02`, and 01, which has fewer.
    V2(Factory),
    /// `SwapRouter` of V3.
    V3,
    /// `SwapRouter02`: V3's without deadlines, and V2's two.
    Both,
    /// `UniversalRouter`: commands.
    Universal,
    /// 1inch's `AggregationRouterV4` and `V5`: paths of pools.
    OneInch,
    /// 0x's exchange proxy: `sellToUniswap`.
    ZeroEx,
}

/// A known contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Router {
    /// Where it is.
    pub address: Address,
    /// What it understands.
    pub dialect: Dialect,
}

const fn row(address: Address, dialect: Dialect) -> Router {
    Router { address, dialect }
}

/// All of them, in order of address.
pub const ROUTERS: [Router; 11] = [
    row(address!("1111111254EEB25477B68fb85Ed929f73A960582"), Dialect::OneInch),
    row(address!("1111111254fb6c44bAC0beD2854e76F90643097d"), Dialect::OneInch),
    row(address!("3fC91A3afd70395Cd496C647d5a6CC9D4B2b7FAD"), Dialect::Universal),
    row(address!("66a9893cC07D91D95644AEDD05D03f95e1dBA8Af"), Dialect::Universal),
    row(address!("68b3465833fb72A70ecDF485E0e4C7bD8665Fc45"), Dialect::Both),
    row(address!("7a250d5630B4cF539739dF2C5dAcb4c659F2488D"), Dialect::V2(Factory::UniswapV2)),
    row(address!("d9e1cE17f2641f24aE83637ab66a2cca9C378B9F"), Dialect::V2(Factory::Sushi)),
    row(address!("Def1C0ded9bec7F1a1670819833240f027b25EfF"), Dialect::ZeroEx),
    row(address!("E592427A0AEce92De3Edee1F18E0157C05861564"), Dialect::V3),
    row(address!("Ef1c6E67703c7BD7107eed8303Fbe6EC2554BF6B"), Dialect::Universal),
    row(address!("f164fC0Ec4E93095b804a4795bBe1e041497b92a"), Dialect::V2(Factory::UniswapV2)),
];
