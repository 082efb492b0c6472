//! Question: how does a strategy of one's own find what it looks for, and what do the engine and the EVM make of it?
//!
//! Input: a bundle's file, by default `bundles/atomic_arb/two_pairs`. The strategy is `tests/seams/round_trip`, one folder: it sends
//! a tenth of an ether out by one pool and back by another. A strategy of yours is a folder like it, and a line in the registry
//! of `src/hot/strategy/mod.rs`; until then it runs beside the registered ones as it does here.
//!
//!     cargo run --example my_strategy [-- CASE]

mod common;
#[path = "../tests/seams/round_trip/mod.rs"]
mod round_trip;

use std::fmt::Write as _;
use std::path::Path;

use alloy_primitives::U256;
use peregrine::hot::engine::Engine;
use peregrine::hot::event::Event;
use peregrine::hot::evm::db::Unknown;
use peregrine::hot::evm::own::Own;
use peregrine::hot::search::Search;
use peregrine::hot::search::config::Config;
use peregrine::hot::simulate::Prover;
use peregrine::hot::state::pools::Pools;
use peregrine::hot::strategy::Registered;
use peregrine::protocols::AnyPool;
use peregrine::protocols::executor::Bid;
use peregrine::types::amount::Wei;
use round_trip::RoundTrip;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", my_strategy(common::argument().as_deref())?);
    Ok(())
}

/// What each strategy finds in the state before the bundle, and what the EVM says that it costs and earns.
pub fn my_strategy(given: Option<&Path>) -> common::Text {
    let case = common::case(given, "atomic_arb/two_pairs")?;
    let mut machine = common::machine(&case);
    let mut pools: Pools<AnyPool> = Pools::default();
    for pool in common::pools(&mut machine).pools {
        pools.add(pool)?;
    }
    let (config, ether) = (Config::default(), pools.intern(case.weth));
    let mut search = Search::new(&[ether], config.max_hops, config.effort());
    search.extend(&pools);
    // Our executor as the bundle's state has it; its transactions are run, and never signed here.
    let own = Own { owner: case.owner, executor: case.executor, weth: case.weth };
    let nonce = machine.db().known_account(case.owner).ok_or("the owner's account is not in the bundle's state")?.nonce;
    let prover = Prover::new(own, nonce, Unknown::Refuse, Bid::Wei(Wei(U256::from(1))));
    // The one line: those of the registry, and one more.
    let strategies = (Registered::default(), RoundTrip::default());
    let mut engine = Engine::running(strategies, (machine, pools), search, prover, Wei(U256::from(1)));
    let outcome = engine.on_event(Event::Head);
    let mut text = String::new();
    for proof in &outcome.proven {
        let opportunity = proof.opportunity();
        let (gross, gas) = (opportunity.gross(), proof.gas_used().0);
        let hops = opportunity.path(engine.pools()).hops.len();
        writeln!(text, "{}: {hops} hops earn {gross} wei of wrapped ether, for {gas} gas", opportunity.strategy())?;
    }
    for (opportunity, reason) in &outcome.rejected {
        writeln!(text, "{}: turned down, {}", opportunity.strategy(), reason.name())?;
    }
    Ok(text)
}
