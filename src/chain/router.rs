//! Contracts whose calldata is read.
//!
//! An address is not enough: on a chain with the same id somebody else may hold it. `hot::forecast` asks for the code's hash
//! too, and learns it from the first transaction on which the EVM agreed, so that no hash is kept that nobody has checked.

use alloy_primitives::Address;

use crate::chain::Maker;

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

/// A row of a chain's table.
pub(super) const fn row(address: Address, dialect: Dialect) -> Router {
    Router { address, dialect }
}
