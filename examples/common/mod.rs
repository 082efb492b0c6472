//! What the examples share: where their input lies, and an EVM over a bundle's state.
//!
//! A bundle's file (`bundles/*/*/case.json.zst`) holds the accounts, code and slots that one bundle reads, and nothing else. So
//! what an example reads beyond that is refused as cold, and never taken for zero.

#![allow(dead_code, reason = "each example uses its own part")]

use std::error::Error;
use std::path::{Path, PathBuf};

use peregrine::hot::evm::db::{Db, Unknown};
use peregrine::hot::evm::fork::Rules;
use peregrine::hot::evm::machine::Machine;
use peregrine::replay::bundle::Case;
use peregrine::replay::{discover, record};
use peregrine::types::update::FetchedState;

/// What an example prints, or one sentence why it cannot.
pub type Text = Result<String, Box<dyn Error>>;

/// The first argument, if there is one.
pub fn argument() -> Option<PathBuf> {
    std::env::args_os().nth(1).map(PathBuf::from)
}

/// The bundle's file that is asked for, else one of the repository's.
pub fn case(given: Option<&Path>, of: &str) -> Result<Case, Box<dyn Error>> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles").join(of).join("case.json.zst");
    Ok(Case::read(given.unwrap_or(&ours))?)
}

/// The state before the bundle and its trigger, under the rules of the bundle's block.
pub fn machine(case: &Case) -> Machine {
    let fork = Rules::of(&case.chain).at(case.block.number, case.block.timestamp);
    let mut db = Db::default();
    db.set_unknown(Unknown::Refuse);
    db.tell(&FetchedState { at: case.bundle.parent, accounts: case.accounts.clone(), hashes: case.hashes.clone() });
    Machine::new(case.chain.id, fork, case.block.terms().env(fork), db)
}

/// The pools among the contracts that a machine knows.
pub fn pools(machine: &mut Machine) -> discover::Found {
    discover::pools(machine, &mut peregrine::protocols::DiscoveryCache::default(), true)
}

/// The recorded block that is asked for, else one of mainnet's where such records are at hand. Says loudly when there is none.
pub fn record(given: Option<&Path>) -> Result<Option<PathBuf>, Box<dyn Error>> {
    if let Some(given) = given {
        return Ok(record::find(&[given.to_path_buf()])?.into_iter().next());
    }
    let mainnet = std::env::var_os("PEREGRINE_MAINNET")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/mainnet"), PathBuf::from);
    let block = mainnet.join("blocks/12047794");
    if block.exists() {
        return Ok(Some(block));
    }
    println!("SKIPPED: {} is not there; name a record, or set PEREGRINE_MAINNET", block.display());
    Ok(None)
}
