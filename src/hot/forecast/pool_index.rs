//! Which pool of the table a hop means: by factory, tokens and fee, or by address.
//!
//! # Invariants
//! - A pool stands here only if CREATE2's arithmetic says that the factory made it: a pair of the same tokens by somebody
//!   else is not what the router would find.
//! - A pair stands here only with the fee that the routers forecast with.

use alloy_primitives::map::HashMap;

use crate::chain::{Contracts, Maker};
use crate::hot::forecast::why::Why;
use crate::hot::state::pools::Pools;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::amm::Leg;
use crate::protocols::calldata::{RouterHop, made};
use crate::types::id::PoolId;
use crate::types::id::TokenId;

/// Whose factory, tokens in the contract's order, fee.
type Key = (Maker, TokenId, TokenId, u32);

/// Pools by how they were made.
#[derive(Debug, Default)]
pub(super) struct PoolIndex {
    made: HashMap<Key, PoolId>,
    /// Pools looked at.
    seen: usize,
}

impl PoolIndex {
    pub(super) fn extend(&mut self, pools: &Pools<AnyPool>, contracts: &Contracts) {
        for index in self.seen..pools.len() {
            let id = PoolId::new(index);
            if let Some(key) = key(pools, pools.pool(id), contracts) {
                self.made.insert(key, id);
            }
        }
        self.seen = pools.len();
    }

    pub(super) fn find(&self, pools: &Pools<AnyPool>, hop: &RouterHop) -> Result<(PoolId, Leg), Why> {
        match *hop {
            RouterHop::Made { by, fee, token_in, token_out } => {
                let [a, b] = if token_in < token_out { [token_in, token_out] } else { [token_out, token_in] };
                let ids = pools.find_token(a).zip(pools.find_token(b)).ok_or(Why::NoPool)?;
                let id = *self.made.get(&(by, ids.0, ids.1, fee)).ok_or(Why::NoPool)?;
                Ok((id, pools.pool(id).leg(token_in, token_out).ok_or(Why::NoPool)?))
            }
            RouterHop::At { pool, first_in, keeps } => {
                let id = pools.find(pool).ok_or(Why::NoPool)?;
                let pool = pools.pool(id);
                let [a, b] = pool.tokens() else { return Err(Why::NoPool) };
                let (token_in, token_out) = if first_in { (*a, *b) } else { (*b, *a) };
                let leg = pool.leg(token_in, token_out).ok_or(Why::NoPool)?;
                if keeps == pool.keeps(leg) { Ok((id, leg)) } else { Err(Why::Fee) }
            }
        }
    }
}

fn key(pools: &Pools<AnyPool>, pool: &AnyPool, contracts: &Contracts) -> Option<Key> {
    let fee = pool.factory_fee()?;
    let [a, b] = <[_; 2]>::try_from(pool.tokens()).ok()?;
    // The address itself says who made it: no other factory's formula gives the same.
    let maker = Maker::ALL.into_iter().find(|maker| made(contracts, *maker, pool.address(), [a, b], fee))?;
    Some((maker, pools.find_token(a)?, pools.find_token(b)?, fee))
}
