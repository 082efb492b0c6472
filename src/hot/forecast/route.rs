//! What our own run costs, remembered: gas of routes that were proven before, so that a bundle can be built without a proof.
//!
//! # Invariants
//! - No route through a pool that only estimates what it pays is known.
//! - Only a proof of the same pools in the same directions, paid the same way, says what a route costs. The largest seen
//!   counts.
//! - A [`Forecast`] exists only for such a route. Its amounts are the opportunity's own; the executor reverts on chain unless
//!   it earns exactly them, so that a wrong one costs nothing.
//!
//! # Limits
//! An estimate: a tick more is forecast with [`TICK_GAS`], other amounts in the calldata with [`CALLDATA_GAS`]. The proof that
//! follows says what it was.

use alloy_primitives::map::HashMap;

use crate::hot::opportunity::Opportunity;
use crate::hot::opportunity::Swaps;
use crate::hot::search::MAX_HOPS;
use crate::hot::simulate::Proven;
use crate::hot::state::pools::Edge;
use crate::protocols::AnyPool;
use crate::protocols::amm::{Amm, Asked};
use crate::types::amount::Gas;
use crate::types::amount::Wei;
use crate::types::id::PoolId;

/// Gas of crossing a tick that is initialised: measured at 20 to 25 thousand on Uniswap's pool.
pub const TICK_GAS: u64 = 25_000;
/// Gas that other amounts may cost in the calldata: 12 for each byte that is not zero any more, 16 bytes an amount.
pub const CALLDATA_GAS: u64 = 600;

/// A route: its edges, and whether the bid was more than the executor held in ether.
type Key = ([Option<Edge>; MAX_HOPS], bool);

#[derive(Clone, Copy, Debug)]
struct LearntCost {
    gas: Gas,
    /// What was paid in the proof that cost it.
    paid: Wei,
    crossed: u32,
}

/// An opportunity whose cost is known from its route, and which the EVM has not run.
#[derive(Clone, Debug)]
pub struct Forecast {
    opportunity: Opportunity,
    gas: Gas,
    paid: Wei,
}

impl Forecast {
    /// What is believed.
    #[must_use]
    pub const fn opportunity(&self) -> &Opportunity {
        &self.opportunity
    }

    /// Gas that the executor's transaction is forecast to use.
    #[must_use]
    pub const fn gas(&self) -> Gas {
        self.gas
    }

    /// The bid that this gas was measured with.
    #[must_use]
    pub const fn paid(&self) -> Wei {
        self.paid
    }
}

/// Gas by route.
#[derive(Debug, Default)]
pub struct Routes(HashMap<Key, LearntCost>);

impl Routes {
    /// Remembers what a proof cost. `held`: ether of the executor before it.
    pub fn learn<'a>(&mut self, pool: impl Fn(PoolId) -> &'a AnyPool, proven: &Proven, held: Wei) {
        let Some(swaps) = proven.opportunity().swaps() else { return };
        // Whose amounts are estimates is for the EVM: it is asked for them, and no bundle goes before it has answered.
        if is_asked(&pool, swaps) {
            return;
        }
        let (gas, paid) = (proven.gas_used(), proven.builder_paid());
        let known = LearntCost { gas, paid, crossed: crossed(pool, swaps) };
        let entry = self.0.entry(key(swaps, paid > held)).or_insert(known);
        if known.gas > entry.gas {
            *entry = known;
        }
    }

    /// What the opportunity would cost. `unwraps`: the bid is more than the executor holds in ether.
    pub fn forecast<'a>(
        &self,
        pool: impl Fn(PoolId) -> &'a AnyPool,
        opportunity: &Opportunity,
        unwraps: bool,
    ) -> Option<Forecast> {
        let swaps = opportunity.swaps().filter(|swaps| !is_asked(&pool, swaps))?;
        let known = self.0.get(&key(swaps, unwraps))?;
        let more = u64::from(crossed(pool, swaps).saturating_sub(known.crossed));
        let gas = Gas(known.gas.0 + CALLDATA_GAS + TICK_GAS * more);
        Some(Forecast { opportunity: opportunity.clone(), gas, paid: known.paid })
    }

    /// Routes known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A pool of the path only estimates what it pays.
fn is_asked<'a>(pool: impl Fn(PoolId) -> &'a AnyPool, swaps: &Swaps) -> bool {
    swaps.hops().iter().any(|edge| pool(edge.pool).asked() != Asked::Never)
}

fn key(swaps: &Swaps, unwraps: bool) -> Key {
    let mut edges = [None; MAX_HOPS];
    for (slot, edge) in edges.iter_mut().zip(swaps.hops()) {
        *slot = Some(*edge);
    }
    (edges, unwraps)
}

/// Initialised ticks that swaps cross.
fn crossed<'a>(pool: impl Fn(PoolId) -> &'a AnyPool, swaps: &Swaps) -> u32 {
    let hop = |(edge, amount): (&Edge, &u128)| pool(edge.pool).crossed(edge.leg, *amount);
    swaps.hops().iter().zip(swaps.amounts()).map(hop).sum()
}
