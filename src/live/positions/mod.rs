//! Positions of the configured lending markets as they stand now: for whoever guards one as much as for who liquidates.
//!
//! - `row`: what is said of a position. `names`: what assets and currencies are called. `show`: the table.
//!
//! # Invariants
//! - It looks and does not act: no key is read, nothing is sent. All of it is of one block.
//! - Health is the protocol's own integer; what could not be had is noted.

mod names;
mod row;
mod show;

use alloy_primitives::{B256, U256};
use eyre::WrapErr;
use eyre::eyre;
use serde::Serialize;

use crate::config::Config;
use crate::edge::bootstrap;
use crate::edge::bootstrap::LendingRow;
use crate::live::positions::names::Names;
use crate::live::positions::row::Row;
use crate::live::screen::Screen;
use crate::live::session;
use crate::live::start;
use crate::live::state_loader;
use crate::protocols::lending::Lending;

pub use show::table;

/// What there is, the least healthy first.
#[derive(Clone, Debug, Serialize)]
pub struct Positions {
    /// The block.
    pub block: u64,
    /// Its hash.
    pub block_hash: B256,
    /// Its time, in seconds: interest is accrued to it.
    pub timestamp: u64,
    /// Everyone who owes.
    pub positions: Vec<Row>,
    /// What the operator should hear.
    pub notes: Vec<String>,
}

/// Loads the markets and looks at all who owe, and whose health factor is under `below` (wad) if that is given.
///
/// # Errors
/// One sentence that says what is missing or wrong.
pub fn positions(config: &Config, below: Option<U256>) -> eyre::Result<Positions> {
    session::runtime()?.block_on(async {
        let screen = Screen::new();
        let found = look(config, below, &screen).await;
        screen.clear();
        found
    })
}

async fn look(config: &Config, below: Option<U256>, screen: &Screen) -> eyre::Result<Positions> {
    let chain = start::dial(config).await?;
    let (mut loaded, rules) = state_loader::lending(&chain, config, &mut screen.progress()).await?;
    let (mut markets, missing) = bootstrap::markets(&loaded, rules)?;
    if let Some(want) = missing.first() {
        return Err(eyre!("{want:?} and {} more were not loaded", missing.len() - 1));
    }
    let known = &config.search.base_tokens;
    let names = Names::ask(&chain, loaded.head.hash, &markets, known).await.wrap_err("names of assets")?;
    let at = loaded.head.timestamp;
    let mut positions = Vec::new();
    for market in &mut markets {
        let owing = |account| {
            let health = market.health(account, at).ok()?;
            let asked = !health.debt.is_zero() && below.is_none_or(|below| health.factor < below);
            asked.then_some((account, health))
        };
        let owing: Vec<_> = market.accounts().into_iter().filter_map(owing).collect();
        let is_of =
            |row: &&LendingRow| row.address == market.address() && row.market.is_none_or(|id| market.id() == Some(id));
        let name = config.lending.iter().find(is_of);
        let name = name.map_or_else(|| market.protocol(), |row| row.name.as_str());
        for (account, health) in owing {
            match Row::new((market, name), (account, health), at, &names) {
                Ok(row) => positions.push(row),
                Err(refusal) => loaded.notes.push(format!("account {account} of {name} is left out: {refusal}")),
            }
        }
    }
    positions.sort_by_key(|row| row.health.factor);
    let head = loaded.head;
    Ok(Positions { block: head.number, block_hash: head.hash, timestamp: at, positions, notes: loaded.notes })
}
