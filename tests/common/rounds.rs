//! Discovery as a node sees it: nothing is known until it has been asked for.

use peregrine::hot::evm::db::{Cold, Db, Unknown};
use peregrine::hot::evm::fork::Fork;
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols;
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::types::pool_key::PoolKey;

/// Asks for a pool, tells what was missed out of `known`, and asks again, until nothing is missed. With the answer come the rounds.
pub fn found(known: &Machine, fork: Fork, key: PoolKey) -> (Result<Option<AnyPool>, String>, usize) {
    let mut machine = Machine::new(1, fork, known.block().clone(), Db::default());
    machine.db_mut().set_unknown(Unknown::Refuse);
    for rounds in 0..40 {
        let mut probe = EvmProbe::new(&mut machine);
        let found = protocols::discover(&mut probe, &mut DiscoveryCache::default(), key, false);
        let missed = probe.into_missed();
        if missed.is_empty() {
            return (found, rounds);
        }
        tell(&mut machine, known.db(), &missed);
    }
    panic!("{key} is asked about for ever");
}

fn tell(machine: &mut Machine, known: &Db, missed: &[Cold]) {
    for cold in missed {
        match *cold {
            Cold::Account(at) => {
                let info = known.known_account(at).cloned().unwrap_or_default();
                machine.db_mut().tell_account(at, info);
            }
            Cold::Slot(at, slot) => {
                machine.db_mut().tell_slot(at, slot, known.known_slot(at, slot).unwrap_or_default());
            }
            Cold::BlockHash(_) | Cold::Code(_) => panic!("asks for {cold}"),
        }
    }
}
