//! Compound V3 (Comet): a market of one base asset that is lent, against several collaterals that are not.
//!
//! A liquidation is two calls. `absorb` takes a position that has sunk: the market itself takes all its collateral and forgives
//! its debt, and whoever calls gets nothing for it. `buyCollateral` then sells what the market has on hand for the base asset,
//! at a discount, to anyone, while the market's reserves of the base asset are below their target. So the profit is that
//! of a purchase, which needs no position; the position only fills the shelf.
//!
//! # Limits
//! - **Untested on the contract's bytecode**, which no configured registry has; written from the published source and
//!   documentation, and held to examples worked by hand. So it is off: [`PROVEN`] is false, it is in no registry, and nothing
//!   here is a `Lending`. It goes in with its `tests/compound_v3_bytecode.rs`, and not before.
//! - The rules are those of `Comet` and `CometWithExtendedAssetList`. Versions that liquidate by part are being prepared
//!   (`CometWithPartialLiquidation`): a market behind a proxy may change its rules, as Aave's may.
//! - Terms are immutables of the code, and in no slot: they must be asked for (`getAssetInfo` and its like).

mod liquidation;
mod market;

pub use liquidation::Absorbed;
pub use liquidation::Prices;
pub use liquidation::Shelf;
pub use market::Account;
pub use market::Asset;
pub use market::Curve;
pub use market::MarketConfig;
pub use market::Totals;

/// Whether a test has held this against the contract's bytecode. Until then it is in no registry.
pub const PROVEN: bool = false;

#[cfg(test)]
mod tests;
