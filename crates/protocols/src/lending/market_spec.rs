//! What a market is made of before anything of it is known: a row that can be written down, and read back.

use alloy_primitives::Address;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

/// A market of two tokens: what makes it what it is, but for its oracle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The token that is lent.
    pub loan: Address,
    /// The token that secures it.
    pub collateral: Address,
    /// The interest rate model; zero for none.
    pub irm: Address,
    /// Liquidation loan-to-value, in wad.
    pub lltv: U256,
}

/// A market, and whose positions are to be followed in it. All else is read from storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MarketSpec {
    /// Its protocol's name.
    pub protocol: String,
    /// The contract that is called to liquidate.
    pub address: Address,
    /// Who answers for its prices.
    pub oracle: Address,
    /// Of a market of two tokens: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<Pair>,
    /// Accounts that have borrowed.
    #[serde(default)]
    pub accounts: Vec<Address>,
}
