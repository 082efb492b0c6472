//! Question: what would the pools quote behind a transaction that is still pending?
//!
//! Input: a bundle's file with a trigger, by default `bundles/backrun/v2_v3`: somebody sells ether on a Uniswap V3 pool.
//!
//!     cargo run --example what_if [-- CASE]

mod common;

use std::fmt::Write as _;
use std::path::Path;

use peregrine::hot::evm::whatif::Touched;
use peregrine::hot::state::pools::Pools;
use peregrine::hot::state::view::Overlay;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::replay::bundle::explain;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", what_if(common::argument().as_deref())?);
    Ok(())
}

/// What the transaction does, and what each pool that it moves pays before and behind it.
pub fn what_if(given: Option<&Path>) -> common::Text {
    let case = common::case(given, "backrun/v2_v3")?;
    let tx = explain::trigger(&case)?.ok_or("the bundle follows no transaction")?;
    let mut machine = common::machine(&case);
    let mut pools: Pools<AnyPool> = Pools::default();
    for pool in common::pools(&mut machine).pools {
        pools.add(pool)?;
    }
    // The run changes nothing: it comes back as a difference, which is laid over the pools.
    let executed = machine.execute(tx)?;
    let (mut overlay, mut touched) = (Overlay::default(), Touched::default());
    touched.apply(&pools, &mut overlay, &executed);
    let outcome = if executed.is_success() { "succeeds" } else { "fails" };
    let mut text = format!("the transaction {outcome} with {} gas and moves:\n", executed.gas_used());
    for id in &touched.moved {
        let (before, behind) = (pools.pool(*id), overlay.pool(&pools, *id));
        writeln!(text, "{} {}", before.protocol(), before.address())?;
        for edge in pools.edges_of(*id).map(|edge| pools.edge(edge)) {
            // Rates steer and reject. An amount is never taken from a float.
            let (was, is) = (before.marginal_rate(edge.leg), behind.marginal_rate(edge.leg));
            writeln!(text, "  {} pays {:+.4} % more", pools.token(edge.token_out), (is / was - 1.0) * 100.0)?;
        }
    }
    Ok(text)
}
