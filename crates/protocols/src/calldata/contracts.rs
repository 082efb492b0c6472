//! Contracts of one chain that calldata is read by: routers, and the factories that made the pools they trade through.
//!
//! An address is not enough: on a chain with the same id somebody else may hold it. `hot::forecast` asks for the code's hash
//! too, and learns it from the first transaction on which the EVM agreed, so that no hash is kept that nobody has checked.

use alloy_primitives::{Address, B256};

/// Which functions a router has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `UniswapV2Router02`, and 01, which has fewer.
    V2(Maker),
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

/// A contract that makes pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factory {
    /// Which.
    pub kind: Maker,
    /// Where it is.
    pub address: Address,
    /// Hashes of the creation codes that it may use.
    pub init_codes: &'static [B256],
}

/// Whose pools a router trades through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Maker {
    /// Uniswap V2.
    UniswapV2,
    /// Sushi.
    Sushi,
    /// Uniswap V3.
    UniswapV3,
}

impl Maker {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::UniswapV2, Self::Sushi, Self::UniswapV3];
}

/// Contracts that calldata is read by, on one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contracts {
    /// Wrapped ether, as the routers have it built in.
    pub wrapped_native: Address,
    /// Contracts whose calldata is read.
    pub routers: &'static [Router],
    /// Contracts that make pools.
    pub factories: &'static [Factory],
}
