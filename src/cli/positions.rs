//! `peregrine positions`: who owes in the configured lending markets, and how near the edge.

use std::path::PathBuf;

use alloy_primitives::U256;
use alloy_primitives::utils::parse_ether;
use clap::Args;
use eyre::eyre;

use crate::cli::Failure;
use crate::cli::log;
use crate::config::Config;
use crate::live::positions;

/// Printed below the options.
pub const HELP: &str = "Reads every [[lending]] market at the node's latest block, and prints whoever owes, the least healthy first: health factor,
collateral and debt in the market's base currency, the price at which it sinks and how far away that is (the bar: a cell for
2.5 %, full at half the price), and what the best liquidation would earn at the oracle's prices, before gas: now where it has
sunk, else once the nearest price is there. Nothing is sent, no key and no [executor] is needed.
--json prints one object: amounts are decimal strings of the smallest units, each asset and each price of a position apart.

Examples:
  peregrine positions --config peregrine.toml                        everyone
  peregrine positions --config peregrine.toml --below 1.05           those within 5 %
  peregrine positions --config peregrine.toml --json | jq '.positions[0]'";

/// Arguments of `positions`.
#[derive(Debug, Args)]
pub struct Positions {
    /// The configuration; of it [[node]], [[lending]], [chain] and [bootstrap] are read.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Of which chain, where the file has several [[chain]] rows.
    #[arg(long, value_name = "ID")]
    chain: Option<u64>,
    /// Only positions with a health factor under this.
    #[arg(long, value_name = "HF", value_parser = factor)]
    below: Option<U256>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A decimal number as wad.
fn factor(text: &str) -> Result<U256, String> {
    // What holds no digit would be read as 0.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text != "." && !text.is_empty();
    parse_ether(text).ok().filter(|_| plain).ok_or_else(|| "a number like 1.05 due".to_owned())
}

/// Runs the verb.
pub fn run(arguments: &Positions) -> Result<(), Failure> {
    log::start()?;
    let config = Config::read_of(&arguments.config, arguments.chain).map_err(Failure::input)?;
    for (missing, what) in [(config.node.is_empty(), "[[node]]"), (config.lending.is_empty(), "[[lending]]")] {
        if missing {
            return Err(Failure::Input(eyre!("{}: no {what}, at least one due", arguments.config.display())));
        }
    }
    let found = positions::positions(&config, arguments.below).map_err(Failure::Run)?;
    let text =
        if arguments.json { serde_json::to_string(&found).map_err(Failure::run)? } else { positions::table(&found) };
    log::say(&text);
    Ok(())
}
