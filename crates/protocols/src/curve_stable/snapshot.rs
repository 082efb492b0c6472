//! A pool written down, for the journal: all of it, so that what is read back quotes and follows as it did.
//!
//! # Invariants
//! - What is read is held against the same bounds as what is discovered; a file makes no pool that a chain could not.

use alloy_primitives::Address;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::Amm;
use crate::curve_stable::layout::Layout;
use crate::curve_stable::meta::Backing;
use crate::curve_stable::meta::Behind;
use crate::curve_stable::meta::SHARE;
use crate::curve_stable::pool::Pool;
use crate::curve_stable::swap::RATE;
use crate::curve_stable::swap::State;
use crate::curve_stable::swap::Terms;

/// The form on disk.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolSnapshot {
    address: Address,
    /// By the contract's places; none where a coin is no way through.
    coins: Vec<Option<Address>>,
    /// Its lists are asked for by `int128`.
    signed: bool,
    /// The place of the coin that is ether.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ether: Option<usize>,
    terms: Terms,
    layout: Layout,
    state: State,
    /// Of a metapool, its base pool and how that stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<(Backing, Behind)>,
}

impl From<Pool> for PoolSnapshot {
    fn from(pool: Pool) -> Self {
        let (coins, signed) = pool.coins();
        let (mut terms, layout, state) = (*pool.terms(), pool.layout().clone(), *pool.state());
        let base = pool.backing().map(|(backing, behind)| (backing.clone(), *behind));
        if base.is_some() {
            // The base pool's state tells it, or that there is none.
            terms.rates[SHARE] = RATE;
        }
        let (address, ether) = (pool.address(), pool.ether());
        Self { address, coins, signed, ether, terms, layout, state, base }
    }
}

impl TryFrom<PoolSnapshot> for Pool {
    type Error = String;

    fn try_from(kept: PoolSnapshot) -> Result<Self, String> {
        let PoolSnapshot { address, coins, signed, ether, terms, layout, state, base } = kept;
        let pool = Self::new(address, (&coins, signed), terms, layout, state);
        let pool = pool.map(|pool| pool.paid_in_ether(ether)).filter(|pool| pool.ether() == ether);
        let pool = pool.and_then(|pool| match base {
            Some((backing, behind)) => pool.over(backing, behind),
            None => Some(pool),
        });
        pool.ok_or_else(|| format!("{address} is no curve_stable pool: its coins, terms or state cannot be"))
    }
}
