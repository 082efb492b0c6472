//! Question: what could have been earned in a block that is long past, as a searcher would have seen it?
//!
//! Input: a recorded block (a folder; docs/records.md has the format). By default block 12047794 of mainnet where records are at
//! hand; else the example says SKIPPED.
//!
//!     cargo run --example replay_block [-- RECORD]

mod common;

use std::fmt::Write as _;
use std::path::Path;

use peregrine::hot::search::config::Config;
use peregrine::replay::block::{Options, Replayer};
use peregrine::replay::report::Line;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", replay_block(common::argument().as_deref())?);
    Ok(())
}

/// A line an opportunity, and the block's totals.
pub fn replay_block(given: Option<&Path>) -> common::Text {
    let Some(dir) = common::record(given)? else { return Ok(String::new()) };
    // Strict: what reads a slot that the record lacks is refused, and not taken for zero.
    let mut replayer = Replayer::new(Options { strict: true, search: Config::patient() });
    let mut text = String::new();
    // No line comes back unless the block executes to its header's gas, bloom and receipts root.
    for line in replayer.block(&dir)? {
        match line {
            Line::Opportunity(found) => {
                let behind =
                    found.trigger_index.map_or("the block's start".to_owned(), |at| format!("transaction {at}"));
                let (hops, net) = (found.hops.len(), &found.net_profit_eth_wei);
                writeln!(text, "{} of {hops} hops behind {behind}: {net} wei after gas", found.strategy)?;
            }
            Line::Summary(sum) => {
                writeln!(text, "block {}: {} transactions, {} pools", sum.block, sum.txs, sum.pools)?;
            }
            Line::Refused(_) => (),
        }
    }
    Ok(text)
}
