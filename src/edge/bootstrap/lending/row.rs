//! `[[lending]]` rows.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::edge::bootstrap::BootstrapError;
use crate::edge::chain::Log;
use crate::protocols;
use crate::protocols::lending::discover::Heard;
use crate::protocols::lending::discover::Lender;

/// A lending contract whose borrowers are followed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LendingRow {
    /// Name in output.
    pub name: String,
    /// Whose kind it is: `aave_v2`, `aave_v3`, `morpho_blue`. A fork of one of them is a row of its name.
    pub protocol: String,
    /// Aave: the pool. Morpho: the contract that holds all markets.
    pub address: Address,
    /// Who prices the pool's assets, where the pool's own word is not to be taken. Aave alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oracle: Option<Address>,
    /// The block it was made in; no log is looked for before it.
    #[serde(default)]
    pub from_block: u64,
    /// Only the market of this id, of a contract that holds many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<B256>,
    /// Whose positions are followed at first, in place of all who the logs say have borrowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Address>,
}

impl LendingRow {
    /// The first value that makes no sense: key, value, what is due.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        if self.name.is_empty() || self.name.chars().any(char::is_control) {
            return Some(("lending.name", format!("{:?}", self.name), "a printable name"));
        }
        let Some(lender) = protocols::lender(&self.protocol) else {
            return Some(("lending.protocol", format!("{:?}", self.protocol), "aave_v2, aave_v3 or morpho_blue"));
        };
        if self.address.is_zero() {
            return Some(("lending.address", self.address.to_string(), "the contract's address"));
        }
        if self.oracle.is_some_and(|oracle| oracle.is_zero()) {
            return Some(("lending.oracle", "address 0".to_owned(), "the contract's address, or no such key,"));
        }
        match (lender.many, self.market, self.oracle) {
            (false, Some(market), _) => Some(("lending.market", market.to_string(), "none, a pool is one market,")),
            (true, _, Some(oracle)) => Some(("lending.oracle", oracle.to_string(), "none, each market names its own,")),
            (true, None, _) if !self.accounts.is_empty() => {
                Some(("lending.accounts", format!("a list of {}", self.accounts.len()), "lending.market beside it"))
            }
            _ => None,
        }
    }

    /// The first contract, or market of one, that two rows name: its positions would be followed twice.
    #[must_use]
    pub fn twice(rows: &[Self]) -> Option<(usize, (&'static str, String, &'static str))> {
        let both = |one: &Self, other: &Self| {
            let apart = one.market.is_some() && other.market.is_some() && one.market != other.market;
            one.address == other.address && !apart
        };
        let again = |(at, row): &(usize, &Self)| rows.iter().take(*at).any(|before| both(before, row));
        let (at, row) = rows.iter().enumerate().find(again)?;
        Some((at, ("lending.address", format!("{} twice", row.address), "each market in one row")))
    }

    /// What a log says of it, if it is of a contract all of whose markets are followed.
    #[must_use]
    pub fn heard(&self, log: &Log) -> Option<Heard> {
        let all = |lender: &Lender| lender.many && self.market.is_none() && log.address == self.address && !log.removed;
        let lender = protocols::lender(&self.protocol).filter(all)?;
        lender.topics.contains(log.topics.first()?).then(|| (lender.heard)(&log.topics, &log.data)).flatten()
    }

    /// How its markets and borrowers are found.
    pub(in crate::edge::bootstrap) fn lender(&self) -> Result<Lender, BootstrapError> {
        let unknown = || BootstrapError::Protocol { row: self.row(), protocol: self.protocol.clone() };
        protocols::lender(&self.protocol).ok_or_else(unknown)
    }

    /// As it is named in a sentence.
    pub(in crate::edge::bootstrap) fn row(&self) -> String {
        format!("lending {}", self.name)
    }
}
