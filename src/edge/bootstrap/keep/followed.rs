//! Which pools are followed, and where each keeps its state: one contract or several, alone or with others.
//!
//! # Invariants
//! - A contract is told of whole (of slots not known before, too) as long as any pool that is followed keeps state there of which more
//!   may come to be known. One that names a token's slot and never another does not have the token followed whole.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use alloy_primitives::Address;

use crate::edge::bootstrap::state_cache::StateCache;
use crate::hot::event::StateKey;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::site::Slots;
use crate::protocols::site::StateSite;
use crate::types::pool_key::PoolKey;

/// Slots may come to be known there that are not yet.
const fn may_grow(site: &StateSite) -> bool {
    !matches!(site.slots, Slots::Only(_))
}

/// Pools that are followed.
#[derive(Debug, Default)]
pub(super) struct Followed {
    sites: BTreeMap<PoolKey, Vec<StateSite>>,
    at: BTreeMap<Address, BTreeSet<PoolKey>>,
}

impl Followed {
    /// From now on all that is told of the contracts where this pool keeps its state is kept.
    pub(super) fn add(&mut self, known: &mut StateCache, pool: &AnyPool) {
        self.keep(known, pool.key(), pool.sites());
    }

    fn keep(&mut self, known: &mut StateCache, key: PoolKey, sites: Vec<StateSite>) {
        self.remove(known, key);
        for site in &sites {
            self.at.entry(site.at).or_default().insert(key);
            if may_grow(site) {
                known.accounts.entry(site.at).or_default().pool = true;
            }
        }
        self.sites.insert(key, sites);
    }

    /// The pool is of no use. Where others keep state they still do.
    pub(super) fn remove(&mut self, known: &mut StateCache, key: PoolKey) {
        for site in self.sites.remove(&key).unwrap_or_default() {
            let Some(here) = self.at.get_mut(&site.at) else { continue };
            here.remove(&key);
            let others = here.iter().filter_map(|key| self.sites.get(key)).flatten();
            let grows = others.into_iter().any(|other| other.at == site.at && may_grow(other));
            known.accounts.entry(site.at).or_default().pool = grows;
            if here.is_empty() {
                self.at.remove(&site.at);
            }
        }
    }

    /// The pools that keep state at one of these contracts, and all contracts where those keep theirs.
    pub(super) fn at<'a>(
        &self,
        contracts: impl IntoIterator<Item = &'a Address>,
    ) -> (BTreeSet<PoolKey>, BTreeSet<Address>) {
        let pools = contracts.into_iter().filter_map(|contract| self.at.get(contract)).flatten().copied();
        let pools: BTreeSet<PoolKey> = pools.collect();
        let sites = pools.iter().filter_map(|pool| self.sites.get(pool)).flatten().map(|site| site.at);
        let sites = sites.collect();
        (pools, sites)
    }

    /// All that is known to be the pool's: its contracts, and what is known of their slots, or, where others keep theirs there too,
    /// those that are its own. Of one that is not followed its contract is all there is.
    pub(super) fn keys_of(&self, known: &StateCache, pool: PoolKey) -> Vec<StateKey> {
        let unknown = || vec![StateSite::whole(pool.contract, pool.id.is_some())];
        let sites = self.sites.get(&pool).cloned().unwrap_or_else(unknown);
        let keys = sites.into_iter().flat_map(|StateSite { at, slots, .. }| {
            let slots = match slots {
                Slots::Listed(slots) | Slots::Only(slots) => slots,
                Slots::All => known.slots_of(at),
                // Logs tell what it quotes. What was read of it besides, to run its code, is read again where it is its contract.
                Slots::None if pool.id.is_none() => known.slots_of(at),
                Slots::None => Vec::new(),
            };
            slots.into_iter().map(move |slot| StateKey::Slot(at, slot)).chain([StateKey::Account(at)])
        });
        keys.collect()
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, U256};

    use crate::edge::bootstrap::keep::followed::Followed;
    use crate::edge::bootstrap::state_cache::StateCache;
    use crate::hot::event::StateKey;
    use crate::protocols::site::Logs;
    use crate::protocols::site::Slots;
    use crate::protocols::site::StateSite;
    use crate::types::pool_key::PoolKey;

    const BANK: Address = Address::with_last_byte(1);
    const VAULT: Address = Address::with_last_byte(2);

    fn key(id: u8) -> PoolKey {
        PoolKey { contract: BANK, id: Some(alloy_primitives::B256::with_last_byte(id)) }
    }

    fn followed(known: &mut StateCache) -> Followed {
        let mut followed = Followed::default();
        for id in 1..3 {
            let listed =
                |at, slot: u8| StateSite { at, slots: Slots::Listed(vec![U256::from(slot)]), logs: Logs::None };
            followed.keep(known, key(id), vec![listed(BANK, id), listed(VAULT, id + 10)]);
        }
        followed
    }

    #[test]
    fn a_contract_is_told_of_as_long_as_one_pool_keeps_state_there() {
        let mut known = StateCache::default();
        let mut followed = followed(&mut known);
        followed.remove(&mut known, key(1));
        assert!([BANK, VAULT].iter().all(|at| known.accounts[at].pool));
        followed.remove(&mut known, key(2));
        assert!([BANK, VAULT].iter().all(|at| !known.accounts[at].pool));
    }

    #[test]
    fn a_token_of_which_one_slot_is_all_that_matters_is_not_told_of_whole() {
        let mut known = StateCache::default();
        let mut followed = followed(&mut known);
        let only = |at| StateSite { at, slots: Slots::Only(vec![U256::ONE]), logs: Logs::None };
        let token = Address::with_last_byte(3);
        followed.keep(&mut known, key(3), vec![only(VAULT), only(token)]);
        assert!(known.accounts[&VAULT].pool && known.accounts.get(&token).is_none_or(|account| !account.pool));
        [1, 2].into_iter().for_each(|id| followed.remove(&mut known, key(id)));
        assert!(!known.accounts[&VAULT].pool, "whoever is left names its slot");
        assert_eq!(followed.at(&[VAULT]).0.len(), 1, "and is found there");
        assert_eq!(followed.keys_of(&known, key(3)).len(), 4);
    }

    #[test]
    fn what_is_read_anew_of_a_pool_is_its_own_at_all_its_contracts() {
        let mut known = StateCache::default();
        let followed = followed(&mut known);
        let slot = |at, slot: u8| StateKey::Slot(at, U256::from(slot));
        let due = [slot(BANK, 2), StateKey::Account(BANK), slot(VAULT, 12), StateKey::Account(VAULT)];
        assert_eq!(followed.keys_of(&known, key(2)), due);
        assert_eq!(followed.keys_of(&known, key(9)), [StateKey::Account(BANK)], "one that is not followed");
    }

    #[test]
    fn whoever_keeps_state_at_a_contract_is_found_with_all_contracts_where_it_does() {
        let followed = followed(&mut StateCache::default());
        let (pools, sites) = followed.at(&[VAULT]);
        assert_eq!((pools.len(), sites.len()), (2, 2));
        assert!(followed.at(&[Address::ZERO]).0.is_empty());
    }
}
