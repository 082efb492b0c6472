//! From a contract and a slot, or a log, to the pools and markets that keep state there: the one way for a block, a what-if and
//! a reorg, for pools and for lending markets alike.
//!
//! # Invariants
//! - One who has named a site stays on it: to be asked about a slot that is no longer one's own costs a look and changes nothing.
//! - Owners come in their own order; of several slots one may come more than once.
//!
//! # Cost
//! A look is one lookup of the address, and for a contract that several share one more a slot or log. Adding allocates; it is a
//! binary search, and ids come in rising order, so that the ten thousandth pool of a contract costs what the first did.

use alloy_primitives::map::AddressMap;
use alloy_primitives::map::B256Map;
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, U256};

use crate::protocols::site::Logs;
use crate::protocols::site::Slots;
use crate::protocols::site::StateSite;

/// Who keeps state at one contract.
#[derive(Clone, Debug)]
struct At<K> {
    /// Everybody who does.
    all: Vec<K>,
    /// Of every slot.
    whole: Vec<K>,
    /// Of some.
    slots: HashMap<U256, Vec<K>>,
    /// Of every log.
    heard: Vec<K>,
    /// Of those with this id.
    ids: B256Map<Vec<K>>,
}

impl<K> Default for At<K> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            whole: Vec::new(),
            slots: HashMap::default(),
            heard: Vec::new(),
            ids: B256Map::default(),
        }
    }
}

/// By contract. `K`: an index of a pool, or of a market.
#[derive(Clone, Debug)]
pub struct Sites<K>(AddressMap<At<K>>);

impl<K> Default for Sites<K> {
    fn default() -> Self {
        Self(AddressMap::default())
    }
}

fn note<K: Ord>(owners: &mut Vec<K>, owner: K) {
    if let Err(place) = owners.binary_search(&owner) {
        owners.insert(place, owner);
    }
}

impl<K: Copy + Ord> Sites<K> {
    /// This one keeps state here, besides where it did before.
    pub fn add(&mut self, owner: K, site: &StateSite) {
        let at = self.0.entry(site.at).or_default();
        note(&mut at.all, owner);
        match &site.slots {
            Slots::None => (),
            Slots::All => note(&mut at.whole, owner),
            Slots::Listed(slots) | Slots::Only(slots) => {
                slots.iter().for_each(|slot| note(at.slots.entry(*slot).or_default(), owner));
            }
        }
        match site.logs {
            Logs::None => (),
            Logs::All => note(&mut at.heard, owner),
            Logs::Of(id) => note(at.ids.entry(id).or_default(), owner),
        }
    }

    /// Everybody who keeps state at a contract.
    #[must_use]
    pub fn at(&self, address: Address) -> &[K] {
        self.0.get(&address).map_or(&[], |at| &at.all)
    }

    /// Calls `visit` with whoever keeps one of these slots of a contract.
    pub fn of_slots(&self, address: Address, slots: impl Iterator<Item = U256>, mut visit: impl FnMut(K)) {
        let Some(at) = self.0.get(&address) else { return };
        let mut slots = slots.peekable();
        if slots.peek().is_none() {
            return;
        }
        at.whole.iter().copied().for_each(&mut visit);
        if !at.slots.is_empty() {
            slots.filter_map(|slot| at.slots.get(&slot)).flatten().copied().for_each(visit);
        }
    }

    /// Calls `visit` with whoever a log of a contract concerns.
    pub fn of_log(&self, address: Address, topics: &[B256], mut visit: impl FnMut(K)) {
        let Some(at) = self.0.get(&address) else { return };
        at.heard.iter().copied().for_each(&mut visit);
        let ids = topics.get(1).filter(|_| !at.ids.is_empty()).and_then(|id| at.ids.get(id));
        ids.into_iter().flatten().copied().for_each(visit);
    }

    /// Whether a log of a contract concerns this one.
    #[must_use]
    pub fn hears(&self, owner: K, address: Address, topics: &[B256]) -> bool {
        let mut hears = false;
        self.of_log(address, topics, |other| hears |= other == owner);
        hears
    }

    /// Forgets all of it.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, U256};

    use crate::hot::state::sites::Sites;
    use crate::protocols::site::Logs;
    use crate::protocols::site::Slots;
    use crate::protocols::site::StateSite;

    const SINGLETON: Address = Address::with_last_byte(1);
    const VAULT: Address = Address::with_last_byte(2);

    fn slot(number: u64) -> U256 {
        U256::from(number)
    }

    fn of_slots(sites: &Sites<u32>, at: Address, slots: &[u64]) -> Vec<u32> {
        let mut found = Vec::new();
        sites.of_slots(at, slots.iter().copied().map(slot), |owner| found.push(owner));
        found
    }

    fn of_log(sites: &Sites<u32>, at: Address, topics: &[B256]) -> Vec<u32> {
        let mut found = Vec::new();
        sites.of_log(at, topics, |owner| found.push(owner));
        found
    }

    #[test]
    fn of_thousands_at_one_contract_those_come_whose_slot_or_log_it_is() {
        let mut sites = Sites::default();
        let id = |pool: u32| B256::from(U256::from(pool));
        for pool in 0..3_000_u32 {
            let slots = Slots::Listed(vec![slot(u64::from(pool) * 2), slot(u64::from(pool) * 2 + 1)]);
            sites.add(pool, &StateSite { at: SINGLETON, slots, logs: Logs::Of(id(pool)) });
        }
        assert_eq!(of_slots(&sites, SINGLETON, &[4_001, 10, 7_777]), [2_000, 5]);
        assert_eq!(of_log(&sites, SINGLETON, &[B256::ZERO, id(77)]), [77]);
        assert!(of_log(&sites, SINGLETON, &[id(77)]).is_empty(), "a signature is no id");
        assert_eq!(sites.at(SINGLETON).len(), 3_000, "gone is whoever is there");
        assert!(of_slots(&sites, VAULT, &[10]).is_empty());
    }

    #[test]
    fn one_whose_state_lives_at_two_contracts_is_found_at_both() {
        let mut sites = Sites::default();
        sites.add(7, &StateSite::whole(SINGLETON, false));
        sites.add(7, &StateSite { at: VAULT, slots: Slots::Listed(vec![slot(3)]), logs: Logs::None });
        assert_eq!(of_slots(&sites, SINGLETON, &[99]), [7]);
        assert_eq!(of_slots(&sites, VAULT, &[2, 3]), [7]);
        assert!(of_slots(&sites, VAULT, &[2]).is_empty() && of_log(&sites, VAULT, &[]).is_empty());
        assert!(of_slots(&sites, SINGLETON, &[]).is_empty(), "nothing was written");
    }

    #[test]
    fn a_slot_that_is_named_later_is_found_from_then_on_and_those_of_before_stay() {
        let mut sites = Sites::default();
        let of = |slots: &[u64]| StateSite {
            at: SINGLETON,
            slots: Slots::Listed(slots.iter().copied().map(slot).collect()),
            logs: Logs::All,
        };
        sites.add(1, &of(&[5]));
        assert!(of_slots(&sites, SINGLETON, &[6]).is_empty());
        sites.add(1, &of(&[6]));
        assert_eq!(of_slots(&sites, SINGLETON, &[5, 6]), [1, 1]);
        assert_eq!(of_log(&sites, SINGLETON, &[]), [1], "heard once");
        assert_eq!(sites.at(SINGLETON), [1]);
    }

    #[test]
    fn owners_come_in_their_own_order_and_once_whenever_they_were_added() {
        let mut sites = Sites::default();
        for owner in [3, 1, 2, 3, 1] {
            sites.add(owner, &StateSite::whole(SINGLETON, false));
        }
        assert_eq!(sites.at(SINGLETON), [1, 2, 3]);
        assert_eq!(of_slots(&sites, SINGLETON, &[9]), [1, 2, 3]);
    }

    #[test]
    fn one_that_only_logs_tell_of_is_not_asked_about_storage() {
        let mut sites = Sites::default();
        sites.add(1, &StateSite::whole(SINGLETON, true));
        assert!(of_slots(&sites, SINGLETON, &[1]).is_empty());
        assert!(sites.hears(1, SINGLETON, &[]) && !sites.hears(2, SINGLETON, &[]));
    }
}
