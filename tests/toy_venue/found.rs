//! How the toy's pools are found, and how the table of pools reaches them.

use alloy_primitives::{Address, B256, U256};
use peregrine::chain::MAINNET;
use peregrine::hot::evm::db::{Cold, Db, Unknown};
use peregrine::hot::evm::fork::Fork;
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::hot::state::pools::Pools;
use peregrine::protocols;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::site::{Slots, StateSite};
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::types::pool_key::PoolKey;

use crate::bank::{Bank, legs};

#[test]
fn a_bank_lists_its_pools_and_its_log_names_the_one_that_is_new() {
    let mut bank = Bank::new();
    let first = bank.filled(3_000, [1 << 60; 3]);
    let second = bank.make(500);
    assert_eq!(bank.keys(), [PoolKey::from(bank.at), first, second]);
    let creation = protocols::creation("toy_pool").expect("in the registry");
    let made = bank.chain.call(bank.at, &protocols::toy_pool::makeCall { tokens: bank.tokens, fee: U256::ONE });
    let log = made.logs().iter().find(|log| log.topics()[0] == creation.topic).expect("a log");
    let named = (creation.pool)(log.address, log.topics(), &log.data.data).expect("its shape");
    assert_eq!(bank.keys().last(), Some(&named));
    assert_eq!((creation.pool)(log.address, &log.topics()[..1], &log.data.data), None);
}

#[test]
fn a_pool_is_found_by_its_key_and_by_nothing_else() {
    let mut bank = Bank::new();
    let key = bank.filled(3_000, [5, 6, 7]);
    let pool = bank.pool(key);
    assert_eq!((pool.key(), pool.address(), pool.tokens()), (key, bank.at, &bank.tokens[..]));
    assert_eq!(pool.state(), (3_000, [5, 6, 7]));
    let no_such = |contract, id| PoolKey { contract, id };
    for key in [no_such(bank.at, None), no_such(bank.at, Some(B256::ZERO)), no_such(bank.tokens[0], key.id)] {
        assert!(matches!(bank.discover(key), Ok(None)), "{key}");
    }
    let empty = bank.make(500);
    assert_eq!(bank.discover(empty).unwrap_err(), "a reserve is zero");
}

#[test]
fn what_is_not_known_of_either_contract_is_asked_for() {
    let mut bank = Bank::new();
    let key = bank.filled(3_000, [5, 6, 7]);
    let sites = bank.pool(key).sites();
    let (chain, fork) = (&bank.chain.machine, Fork::of(&MAINNET, 20_000_000, 1_717_000_000).expect("a fork"));
    for unknown in [bank.at, bank.vault] {
        // As a node tells of contracts: their accounts, and of their slots what was asked for. Of one of the two that is nothing.
        let mut machine = Machine::new(1, fork, chain.block().clone(), Db::default());
        machine.db_mut().set_unknown(Unknown::Refuse);
        for StateSite { at, slots, .. } in &sites {
            machine.db_mut().tell_account(*at, chain.db().known_account(*at).expect("known").clone());
            let Slots::Listed(slots) = slots else { panic!("{slots:?}") };
            // The bank's fee lies behind the three tokens, which never change.
            let tokens = slots.iter().flat_map(|slot| (1..4).map(|back| slot.wrapping_sub(U256::from(back))));
            for slot in slots.iter().copied().chain(tokens).filter(|_| *at != unknown) {
                machine.db_mut().tell_slot(*at, slot, chain.db().known_slot(*at, slot).unwrap_or_default());
            }
        }
        let mut probe = EvmProbe::new(&mut machine);
        let said = protocols::discover(&mut probe, &mut DiscoveryCache::default(), key, false);
        assert_eq!(said.unwrap_err(), "needs state that is not known");
        let missed = probe.into_missed();
        assert!(missed.iter().all(|cold| matches!(cold, Cold::Slot(at, _) if *at == unknown)), "{missed:?}");
    }
}

#[test]
fn the_table_reaches_each_pool_of_a_bank_by_its_own_slots_and_logs_at_both_contracts() {
    let mut bank = Bank::new();
    let keys: Vec<PoolKey> = (1..=5).map(|n| bank.filled(100 * n, [1 << (50 + n); 3])).collect();
    let mut pools: Pools<AnyPool> = Pools::default();
    let ids: Vec<_> = keys.iter().map(|key| pools.add(bank.pool(*key).into()).expect("new")).collect();
    assert_eq!(keys.iter().map(|key| pools.find(*key)).collect::<Option<Vec<_>>>(), Some(ids.clone()));
    assert_eq!(pools.find(bank.at), None, "the bank itself is no pool");
    assert_eq!(pools.edges_of(ids[0]).count(), 6, "each two of three tokens, both ways");
    let leg = legs(pools.pool(ids[2]))[3];
    let executed = bank.exchange(keys[2], leg, U256::from(1 << 20));
    let mut reached = Vec::new();
    for (at, account) in &executed.diff {
        let slots = account.changed_storage_slots().map(|(slot, _)| *slot);
        pools.sites().of_slots(*at, slots, |id| reached.push(id));
    }
    reached.dedup();
    assert_eq!(reached, [ids[2]]);
    let mut heard = Vec::new();
    for log in executed.logs() {
        pools.sites().of_log(log.address, log.topics(), |id| heard.push(id));
    }
    assert_eq!(heard, [ids[2]]);
    assert_eq!(pools.sites().at(bank.vault).len(), keys.len());
    assert!(pools.sites().at(Address::ZERO).is_empty());
}

#[test]
fn a_pool_that_is_written_down_is_read_back_as_the_same() {
    let mut bank = Bank::new();
    let key = bank.filled(3_000, [5, 1 << 100, 7]);
    let pool = AnyPool::from(bank.pool(key));
    let text = serde_json::to_string(&pool).expect("text");
    let back: AnyPool = serde_json::from_str(&text).expect("a pool");
    assert!(back.agrees(&pool) && back.key() == key && back.tokens() == pool.tokens() && back.sites() == pool.sites());
}
