//! The `[bootstrap]` table, `[[factory]]` and `[[pool]]` rows.

use std::path::PathBuf;
use std::time::Duration;

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use crate::edge::chain::Bounds;
use crate::edge::chain::Log;
use crate::edge::rpc::MOST_IN_FLIGHT;
use crate::protocols;
use crate::protocols::PROTOCOLS;
use crate::protocols::discover::Described;
use crate::types::pool_key::PoolKey;

/// Settings of the bootstrap.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where what is learnt is kept for the next start. None: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<PathBuf>,
    /// Blocks whose logs are asked for at once; halved where a node refuses.
    pub page_blocks: u64,
    /// Calls in one request.
    pub batch: usize,
    /// Requests under way at once.
    pub in_flight: usize,
    /// Pools, and as many positions, that are held against the node before the start; 0: none.
    pub verify_pools: usize,
    /// Longest wait for an answer, in ms.
    pub timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { snapshot: None, page_blocks: 10_000, batch: 1_000, in_flight: 4, verify_pools: 16, timeout_ms: 30_000 }
    }
}

impl Config {
    /// The first value that makes no sense: key, value, what is due.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        if !(1..=1_000_000).contains(&self.page_blocks) {
            return Some(("bootstrap.page_blocks", self.page_blocks.to_string(), "1 to 1000000"));
        }
        if !(1..=10_000).contains(&self.batch) {
            return Some(("bootstrap.batch", self.batch.to_string(), "1 to 10000"));
        }
        // More are never under way to one node.
        if !(1..=MOST_IN_FLIGHT).contains(&self.in_flight) {
            return Some(("bootstrap.in_flight", self.in_flight.to_string(), "1 to 64"));
        }
        if !(1..=600_000).contains(&self.timeout_ms) {
            return Some(("bootstrap.timeout_ms", self.timeout_ms.to_string(), "1 to 600000"));
        }
        None
    }

    /// Longest wait for an answer.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(super) const fn bounds(&self) -> Bounds {
        Bounds { batch: self.batch, in_flight: self.in_flight }
    }
}

/// One factory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Factory {
    /// Name in output.
    pub name: String,
    /// Whose kind of pools it makes: `uniswap_v2`, `uniswap_v3`.
    pub protocol: String,
    /// The contract.
    pub address: Address,
    /// The block it was made in; no log is looked for before it.
    #[serde(default)]
    pub from_block: u64,
}

impl Factory {
    /// The first value that makes no sense: key, value, what is due.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        if self.name.is_empty() || self.name.chars().any(char::is_control) {
            return Some(("factory.name", format!("{:?}", self.name), "a printable name"));
        }
        if self.address.is_zero() {
            return Some(("factory.address", self.address.to_string(), "the contract's address"));
        }
        let known = PROTOCOLS.contains(&self.protocol.as_str());
        (!known).then(|| ("factory.protocol", format!("{:?}", self.protocol), "a protocol of crates/protocols"))
    }
}

impl Factory {
    /// The first contract that two rows name: each pool that it makes would be announced twice.
    #[must_use]
    pub fn twice(rows: &[Self]) -> Option<(usize, (&'static str, String, &'static str))> {
        let again = |(at, row): &(usize, &Self)| rows.iter().take(*at).any(|before| before.address == row.address);
        let (at, row) = rows.iter().enumerate().find(again)?;
        Some((at, ("factory.address", format!("{} twice", row.address), "each factory in one row")))
    }

    /// The pool that a log announces, if it is of this factory and does.
    #[must_use]
    pub fn created(&self, log: &Log) -> Option<PoolKey> {
        let creation = protocols::creation(&self.protocol).filter(|_| log.address == self.address && !log.removed)?;
        let topics = protocols::creation_topics(&self.protocol);
        let announces = log.topics.first().is_some_and(|topic| topics.contains(topic));
        announces.then(|| (creation.pool)(log.address, &log.topics, &log.data)).flatten()
    }
}

/// One pool that no factory of the list has made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PoolRow {
    /// The contract; or `contract/id`, of a contract that holds many.
    pub address: PoolKey,
    /// Of one that no protocol knows: its tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<Address>,
    /// The function that says what an amount pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// The function that swaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<String>,
    /// The same from the second token to the first, where these functions do not say which token goes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_back: Option<String>,
    /// See there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_back: Option<String>,
    /// Who says what an amount pays, if another contract does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoter: Option<Address>,
    /// How it names ether, if it takes that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ether: Option<Address>,
}

impl PoolRow {
    /// A pool of a protocol that is known.
    #[must_use]
    pub fn of(address: impl Into<PoolKey>) -> Self {
        let address = address.into();
        let (tokens, quote, swap, quoter, ether) = (Vec::new(), None, None, None, None);
        Self { address, tokens, quote, swap, quote_back: None, swap_back: None, quoter, ether }
    }

    /// The first value that makes no sense.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        if self.address.contract.is_zero() {
            return Some(("pool.address", self.address.to_string(), "the contract's address"));
        }
        let others = [self.quote_back.is_some(), self.swap_back.is_some(), self.quoter.is_some(), self.ether.is_some()];
        let is_described = !self.tokens.is_empty() || others.contains(&true);
        match (&self.quote, &self.swap) {
            (None, None) if !is_described => None,
            (Some(_), Some(_)) => {
                let reason = self.described().and_then(|row| protocols::is_described(self.address, &row).err())?;
                Some(("pool.quote", format!("of no use: {reason}"), "functions as docs/configuration.md writes them"))
            }
            (quote, _) => {
                let missing = if quote.is_none() { "pool.quote" } else { "pool.swap" };
                Some((missing, "unset".to_owned(), "a function beside tokens, quote and swap, all three or none,"))
            }
        }
    }

    /// The first pool that two rows describe: one of them would be left out unsaid.
    #[must_use]
    pub fn twice(rows: &[Self]) -> Option<(usize, (&'static str, String, &'static str))> {
        let again = |(at, row): &(usize, &Self)| {
            let mut before = rows.iter().take(*at).filter(|before| before.address == row.address);
            before.any(|before| before.quote.is_some() || row.quote.is_some())
        };
        let (at, row) = rows.iter().enumerate().find(again)?;
        Some((at, ("pool.address", format!("{} twice", row.address), "each pool that is described in one row")))
    }

    /// The pool as the row describes it, where it does.
    #[must_use]
    pub fn described(&self) -> Option<Described> {
        let Self { tokens, quote, swap, quote_back, swap_back, quoter, ether, .. } = self.clone();
        Some(Described { tokens, quote: quote?, swap: swap?, quote_back, swap_back, quoter, ether })
    }
}
