//! Pools by the hundred thousand are of a few codes, and what one of a code reads of itself its others do: it is known of before they are
//! asked, so that they are asked once and not again behind each slot.

use std::collections::BTreeSet;
use std::sync::Arc;

use alloy_primitives::map::B256Map;
use alloy_primitives::{B256, U256};

use crate::edge::bootstrap::BootstrapError;
use crate::edge::bootstrap::Hear;
use crate::edge::bootstrap::discovery::Discovery;
use crate::edge::bootstrap::state_cache::{Account, StateCache};
use crate::hot::event::StateKey;
use crate::types::pool_key::PoolKey;

/// Fewer of a code are asked as they are.
const WORTH: usize = 64;
/// So many of a code are asked: one alone may be empty, and read less than others.
const ASKED: usize = 4;

/// Asks some pools of each code that many have, and makes the slots known of (without values) that the others will read. Their codes are
/// known.
pub(super) async fn expect(
    discovery: &Discovery,
    known: &mut StateCache,
    pools: &[PoolKey],
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    let mut of_code: B256Map<Vec<PoolKey>> = B256Map::default();
    for pool in pools.iter().filter(|pool| pool.id.is_none()) {
        if let Some(hash) = code_of(known, pool) {
            of_code.entry(hash).or_default().push(*pool);
        }
    }
    for alike in of_code.into_values().filter(|alike| alike.len() >= WORTH) {
        let some: Vec<PoolKey> = alike.iter().step_by(alike.len() / ASKED).copied().collect();
        // What they read now, and not all that ever was read of them.
        let mut codes = StateCache { announced: Arc::clone(&known.announced), ..StateCache::default() };
        for pool in &some {
            let code = known.accounts.get(&pool.contract).and_then(|account| account.code.clone());
            codes.accounts.insert(pool.contract, Account { code, ..Account::default() });
        }
        discovery.pools(&mut codes, some.clone(), hear).await?;
        let slots: BTreeSet<U256> = some.iter().flat_map(|pool| codes.slots_of(pool.contract)).collect();
        for pool in alike {
            known.expect(&slots.iter().map(|slot| StateKey::Slot(pool.contract, *slot)).collect::<Vec<_>>());
        }
    }
    Ok(())
}

fn code_of(known: &StateCache, pool: &PoolKey) -> Option<B256> {
    let account = known.accounts.get(&pool.contract)?;
    account.has_fixed_code().then(|| account.code.as_ref().map(|code| code.hash_slow())).flatten()
}
