//! Question: what does a pool pay for an amount, by integer maths alone, and is it what the contract paid?
//!
//! Input: a bundle's file. Its state holds real contracts, which are asked what they are; the bundle holds what each pool paid
//! in the EVM. By default `bundles/atomic_arb/three_hops`: a Uniswap V2 pair and two Uniswap V3 pools.
//!
//!     cargo run --example quote_pool [-- CASE]

mod common;

use std::fmt::Write as _;
use std::path::Path;

use peregrine::protocols::amm::Amm;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", quote_pool(common::argument().as_deref())?);
    Ok(())
}

/// A line a pool.
pub fn quote_pool(given: Option<&Path>) -> common::Text {
    let case = common::case(given, "atomic_arb/three_hops")?;
    // Discovery asks each contract, learns its storage layout from what its getters read, and its fee from what it lets through.
    let found = common::pools(&mut common::machine(&case));
    let mut text = String::new();
    for hop in &case.bundle.of.path.hops {
        let Some(pool) = found.pools.iter().find(|pool| pool.key() == hop.pool) else {
            writeln!(text, "{}: not recognised as a pool in the state of this file", hop.pool)?;
            continue;
        };
        // A leg is the only way to a quote, so a token that the pool does not hold cannot be taken for one that it does.
        let leg = pool.leg(hop.token_in, hop.token_out).ok_or("the pool does not hold the hop's tokens")?;
        let out = pool.quote_in(leg, hop.amount_in)?;
        // The other way round: the smallest input that pays as much. It is never more than what we put in.
        let back = pool.quote_out(leg, out)?;
        let verdict = if out == hop.amount_out { "as the contract paid" } else { "not what the contract paid" };
        writeln!(text, "{} {}: {} in, {out} out, {verdict}", pool.protocol(), hop.pool, hop.amount_in)?;
        writeln!(text, "  the least input for that output is {back}")?;
    }
    Ok(text)
}
