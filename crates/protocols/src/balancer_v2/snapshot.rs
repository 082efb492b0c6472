//! A pool written down, for the journal: all of it, so that what is read back quotes and follows as it did.
//!
//! # Invariants
//! - What is read is held against the same bounds as what is discovered; a file makes no pool that a chain could not.

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::balancer_v2::curve::Powers;
use crate::balancer_v2::pool::Pool;
use crate::balancer_v2::pool::Terms;
use crate::balancer_v2::storage::Balance;
use crate::balancer_v2::storage::Field;
use crate::balancer_v2::storage::Layout;

/// The form on disk.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolSnapshot {
    vault: Address,
    id: B256,
    tokens: Vec<Address>,
    weights: Vec<u64>,
    powers: Powers,
    layout: Layout,
    fee_at: Field,
    pauses: [Option<Field>; 2],
    held: Vec<Balance>,
    fee: U256,
    paused: [bool; 2],
}

impl From<Pool> for PoolSnapshot {
    fn from(pool: Pool) -> Self {
        let Terms { vault, id, tokens, weights, powers, layout, fee: fee_at, pauses } = pool.terms().clone();
        let paused = [pool.state.paused, pool.state.vault_paused];
        let (held, fee) = (pool.state.held, U256::from(pool.state.fee));
        Self { vault, id, tokens, weights, powers, layout, fee_at, pauses, held, fee, paused }
    }
}

impl TryFrom<PoolSnapshot> for Pool {
    type Error = String;

    fn try_from(written: PoolSnapshot) -> Result<Self, String> {
        let PoolSnapshot { vault, id, tokens, weights, powers, layout, fee_at, pauses, held, fee, paused } = written;
        let terms = Terms { vault, id, tokens, weights, powers, layout, fee: fee_at, pauses };
        let pool = Self::new(terms, held, fee).map(|pool| pool.with_pauses(paused));
        pool.ok_or_else(|| format!("{id} is no weighted pool: its tokens, weights, balances or fee cannot be"))
    }
}
