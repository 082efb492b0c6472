//! Question: what did a liquidation earn and who got it, and what if the builder had included it a block later?
//!
//! Input: a bundle's file, by default `bundles/liquidation/three_behind_an_answer`: an oracle's pending answer makes three
//! positions of a Morpho Blue market liquidatable, and one transaction takes all three.
//!
//!     cargo run --example liquidation [-- CASE]

mod common;

use std::fmt::Write as _;
use std::path::Path;

use peregrine::protocols::LENDING_PROTOCOLS;
use peregrine::replay::bundle::explain::explain;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", liquidation(common::argument().as_deref())?);
    Ok(())
}

/// The positions, the split of what was earned, and the same transaction a block later.
pub fn liquidation(given: Option<&Path>) -> common::Text {
    let mut case = common::case(given, "liquidation/three_behind_an_answer")?;
    let said = explain(&case)?;
    let mut text = format!("{} in block {}: {}\n", said.strategy, said.block, said.verdict);
    // At a lending market the debt goes in and the collateral comes out; the other hops sell the one for the other.
    for hop in said.hops.iter().filter(|hop| LENDING_PROTOCOLS.contains(&hop.protocol.as_str())) {
        let (repaid, seized) = (&hop.amount_in.predicted, &hop.amount_out.predicted);
        writeln!(text, "  {}: {repaid} of debt repaid, {seized} of collateral seized", hop.protocol)?;
    }
    let split = &said.split;
    for (what, pair) in
        [("earned", &split.value), ("gas", &split.gas_cost), ("builder", &split.builder), ("ours", &split.take)]
    {
        let actual = pair.actual.as_deref().unwrap_or("nothing");
        writeln!(text, "  {what}: {} wei predicted, {actual} in the EVM", pair.predicted)?;
    }
    // Prices move from block to block, so the contract refuses any block but the one that the bundle was made for.
    case.block.number += 1;
    let later = explain(&case)?;
    let why = later.run.failure.as_deref().unwrap_or("it runs");
    writeln!(text, "a block later: {}, {why}", later.verdict)?;
    Ok(text)
}
