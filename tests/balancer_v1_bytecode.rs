//! The real code of Balancer V1's pools, out of the records, against ours: quotes of recorded and of random states, recorded swaps, and
//! stories of a pool that is bound, joined, swapped, rebound and gulped.

mod common;
#[path = "balancer_v1_bytecode/quotes.rs"]
mod quotes;
#[path = "balancer_v1_bytecode/recorded.rs"]
mod recorded;
#[path = "common/rounds.rs"]
mod rounds;
#[path = "balancer_v1_bytecode/story.rs"]
mod story;

use std::path::{Path, PathBuf};

use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::balancer_v1::Pool;
use peregrine::protocols::discover::Venue;
use peregrine::replay::execute;
use peregrine::replay::record::{self, Codes, Record};

/// The records, and the codes that they share.
fn records() -> Option<(Vec<PathBuf>, Codes)> {
    let dirs = record::find(&[common::mainnet("blocks")?]).expect("records");
    let codes = Codes::of(dirs.first()?).expect("codes");
    Some((dirs, codes))
}

/// A record, its machine at the start of the block, and the pools there.
fn start(dir: &Path, codes: &Codes) -> (Record, Machine, Vec<Pool>) {
    let record = Record::read(dir, codes).unwrap_or_else(|error| panic!("{error}"));
    let mut machine = execute::machine(&record);
    let mut pools = Vec::new();
    for contract in machine.db().contracts() {
        match Pool::discover(&mut EvmProbe::new(&mut machine), &mut (), contract.into(), true) {
            Ok(found) => pools.extend(found),
            Err(reason) => println!("{}: {contract} cannot be used: {reason}", dir.display()),
        }
    }
    (record, machine, pools)
}
