//! Finds the pools of a record by asking every contract in it, as one who has followed the factories would know them.

use alloy_primitives::Address;

use crate::hot::evm::machine::Machine;
use crate::hot::evm::probe::EvmProbe;
use crate::protocols::AnyPool;
use crate::protocols::uniswap_v2;
use crate::protocols::uniswap_v2::FeeCache;
use crate::protocols::uniswap_v3;
use crate::protocols::uniswap_v3::Layouts;

/// What the contracts of a record turned out to be.
#[derive(Debug, Default)]
pub struct Found {
    /// Usable pools, in order of address.
    pub pools: Vec<AnyPool>,
    /// Pools, or what looks like one, that cannot be used, and why.
    pub unusable: Vec<(Address, String)>,
}

/// What is learnt of codes and storage layouts, and serves the next record too.
#[derive(Default)]
pub struct Lore {
    fees: FeeCache,
    layouts: Layouts,
}

/// Asks every contract that `machine` knows. `assume_empty`: V3 words and ticks that are not known are taken as empty,
/// as a machine that assumes empty slots would take them.
#[must_use]
pub fn pools(machine: &mut Machine, lore: &mut Lore, assume_empty: bool) -> Found {
    let mut found = Found::default();
    for address in machine.db().contracts() {
        let mut probe = EvmProbe::new(machine);
        if let Some(mut pool) = uniswap_v3::discover(&mut probe, &mut lore.layouts, address) {
            pool.assume_empty = assume_empty;
            found.pools.push(pool.into());
            continue;
        }
        match uniswap_v2::discover(&mut probe, address, &mut lore.fees) {
            Ok(Some(pool)) => found.pools.push(pool.into()),
            Ok(None) => (),
            Err(reason) => found.unusable.push((address, reason.to_string())),
        }
    }
    found
}
