//! Question: which cycles through the known pools pay, and how much should go in?
//!
//! Input: a recorded block (a folder), or a bundle's file. By default block 12047794 of mainnet where records are at hand, else
//! the state of `bundles/atomic_arb/three_hops`.
//!
//!     cargo run --example find_cycles [-- RECORD | CASE]

mod common;

use std::fmt::Write as _;
use std::path::Path;

use peregrine::hot::evm::machine::Machine;
use peregrine::hot::search::Search;
use peregrine::hot::search::config::Config;
use peregrine::hot::state::pools::Pools;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::replay::execute;
use peregrine::replay::record::{Codes, Record};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", find_cycles(common::argument().as_deref())?);
    Ok(())
}

/// The state that is asked for: a record's before its first transaction, or a bundle's.
fn machine(given: Option<&Path>) -> Result<Machine, Box<dyn std::error::Error>> {
    if given.is_some_and(Path::is_file) {
        return Ok(common::machine(&common::case(given, "")?));
    }
    let Some(dir) = common::record(given)? else {
        println!("... so the state of bundles/atomic_arb/three_hops has to do");
        return Ok(common::machine(&common::case(None, "atomic_arb/three_hops")?));
    };
    Ok(execute::machine(&Record::read(&dir, &Codes::of(&dir)?)?))
}

/// The five best cycles, the best first.
pub fn find_cycles(given: Option<&Path>) -> common::Text {
    let mut pools: Pools<AnyPool> = Pools::default();
    for pool in common::pools(&mut machine(given)?).pools {
        pools.add(pool)?;
    }
    // Cycles start from these tokens; the first is wrapped ether, in which profit is valued.
    let config = Config::default();
    let bases: Vec<_> = config.base_tokens.iter().map(|token| pools.intern(*token)).collect();
    let mut search = Search::new(&bases, config.max_hops, config.effort()).within(config.budget());
    search.extend(&pools);
    // `None`: all cycles, and not those of a few touched pools. What comes out is sized to the best integer input.
    let mut candidates = Vec::new();
    let counts = search.candidates(&pools, None, &mut candidates);
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.value()));
    let mut text = format!(
        "{} pools, {} cycles, {} of them pay before gas\n",
        pools.len(),
        search.cycles().len(),
        counts.candidates
    );
    for candidate in candidates.iter().take(5) {
        let value = candidate.value().map_or_else(|| "unknown".to_owned(), |wei| wei.0.to_string());
        writeln!(text, "{value} wei, {} in", candidate.amounts().first().copied().unwrap_or_default())?;
        for (hop, amount) in candidate.hops().iter().zip(candidate.amounts().iter().skip(1)) {
            let pool = pools.pool(hop.pool);
            writeln!(text, "  {} {} pays {amount} of {}", pool.protocol(), pool.address(), pools.token(hop.token_out))?;
        }
    }
    Ok(text)
}
