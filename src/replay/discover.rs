//! Finds the pools of a record by asking every contract in it, as one who has followed the factories would know them.

use crate::hot::evm::machine::Machine;
use crate::hot::evm::probe::EvmProbe;
use crate::protocols;
use crate::protocols::AnyPool;
use crate::protocols::DiscoveryCache;
use crate::types::pool_key::PoolKey;

/// What the contracts of a record turned out to be.
#[derive(Debug, Default)]
pub struct Found {
    /// Usable pools, in order of their keys.
    pub pools: Vec<AnyPool>,
    /// Pools, or what looks like one, that cannot be used, and why.
    pub unusable: Vec<(PoolKey, String)>,
}

/// Asks every contract that `machine` knows what it is, and what it holds.
#[must_use]
pub fn pools(machine: &mut Machine, discovery_cache: &mut DiscoveryCache, assume_empty: bool) -> Found {
    let mut found = Found::default();
    for contract in machine.db().contracts() {
        for key in protocols::keys(&mut EvmProbe::new(machine), contract) {
            match protocols::discover(&mut EvmProbe::new(machine), discovery_cache, key, assume_empty) {
                Ok(Some(pool)) => found.pools.push(pool),
                Ok(None) => (),
                Err(reason) => found.unusable.push((key, reason)),
            }
        }
    }
    found
}
