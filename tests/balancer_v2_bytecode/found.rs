//! How pools are found: by the vault's log, by the pool's own contract, and never where their weights can change or the code does
//! something else.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, U256};
use peregrine::chain::MAINNET;
use peregrine::hot::evm::fork::Fork;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::hot::state::pools::Pools;
use peregrine::protocols;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::{Amm, QuoteError};
use peregrine::protocols::balancer_v2::{Layout, Powers};
use peregrine::protocols::discover::Probe;
use peregrine::protocols::site::{Slots, StateSite};
use peregrine::types::pool_key::PoolKey;

use crate::rounds;
use crate::world::{Code, PER_CENT, WINDOWS, World, id, legs, setPausedCall, setSwapFeePercentageCall};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// A new pool, and the keys that the logs of its creation name.
fn announced(world: &mut World) -> (PoolKey, Vec<PoolKey>) {
    let creation = protocols::creation("balancer_v2").expect("in the registry");
    let key = world.pool(Code::First, &[50, 50], PER_CENT);
    let named = world.announced().iter().filter(|log| log.topics()[0] == creation.topic);
    let named = named.filter_map(|log| (creation.pool)(log.address, log.topics(), &log.data.data)).collect();
    (key, named)
}

#[test]
fn the_vaults_log_and_the_pools_own_contract_lead_to_the_same_key() {
    let mut world = World::new(&[18, 6], WINDOWS);
    world.fund();
    let (key, named) = announced(&mut world);
    assert_eq!(named, [key]);
    let contract = Address::from_slice(&id(key)[..20]);
    let vault = world.vault;
    let mut probe = EvmProbe::new(&mut world.chain.machine);
    assert_eq!(protocols::keys(&mut probe, contract), [PoolKey::from(contract), key]);
    assert_eq!(protocols::keys(&mut probe, vault), [PoolKey::from(vault)]);
    // Nothing is in it yet.
    assert_eq!(world.discover(key).unwrap_err(), "a balance is zero");
    for other in [PoolKey::from(contract), PoolKey::from(vault), PoolKey { contract: vault, id: Some(B256::ZERO) }] {
        assert!(matches!(world.discover(other), Ok(None)), "{other}");
    }
    let elsewhere = PoolKey { contract: world.tokens[0], ..key };
    assert!(matches!(world.discover(elsewhere), Ok(None)));
}

#[test]
fn slots_fee_powers_and_pauses_are_learnt_of_each_code() {
    let mut world = World::new(&[18, 6, 8], WINDOWS);
    world.fund();
    let kinds = [
        (Code::First, vec![80, 20], Powers::General, true, 256),
        (Code::First, vec![50, 25, 25], Powers::General, false, 256),
        (Code::TwoTokens, vec![50, 50], Powers::General, true, 64),
        (Code::Third, vec![50, 50], Powers::Products, true, 63),
        (Code::Third, vec![50, 25, 25], Powers::Products, false, 63),
    ];
    for (code, weights, powers, shared, width) in kinds {
        let amounts = vec![5 * ETHER; weights.len()];
        let key = world.filled(code, &weights, 3 * PER_CENT / 10, &amounts);
        let pool = world.found(key);
        let terms = pool.terms();
        assert_eq!((pool.key(), pool.address(), pool.tokens()), (key, world.vault, &world.tokens[..weights.len()]));
        assert_eq!((terms.powers, matches!(terms.layout, Layout::Shared { .. })), (powers, shared), "{code:?}");
        assert_eq!((pool.fee(), terms.fee.width), (3 * PER_CENT / 10, width), "{code:?}");
        assert!(pool.held().iter().all(|held| (held.cash, held.managed) == (5 * ETHER, 0)));
        let due: Vec<u64> = weights.iter().map(|weight| weight * PER_CENT).collect();
        assert_eq!(terms.weights, due);
        assert!(terms.pauses.iter().all(Option::is_some), "{code:?}: {:?}", terms.pauses);
        for view in pool.views() {
            let answer = EvmProbe::new(&mut world.chain.machine).call(pool.address(), &view.data);
            for (place, due) in view.due {
                assert_eq!(answer.word(place), Some(due), "word {place}");
            }
        }
        // Each slot that it names is one that it reads: what is there makes the same pool again.
        let mut again = pool.clone();
        for StateSite { at, slots, .. } in pool.sites() {
            let Slots::Listed(slots) = slots else { panic!("{slots:?}") };
            let held = |slot: &U256| (*slot, world.chain.machine.db().known_slot(at, *slot).expect("known"));
            again.apply_slots(at, &slots.iter().map(held).collect::<Vec<_>>()).expect("applied");
        }
        assert!(again.agrees(&pool));
    }
}

#[test]
fn when_nothing_can_be_paused_any_longer_nothing_is_looked_at() {
    let mut world = World::new(&[18, 18], WINDOWS);
    world.fund();
    let key = world.filled(Code::TwoTokens, &[50, 50], PER_CENT, &[ETHER, ETHER]);
    world.pass(WINDOWS[0] + WINDOWS[1]);
    assert!(world.found(key).terms().pauses.iter().all(Option::is_some), "the last second counts");
    world.pass(1);
    assert_eq!(world.found(key).terms().pauses, [None, None]);
}

#[test]
fn a_vault_that_is_paused_swaps_nothing_and_its_pools_are_refused() {
    let mut world = World::new(&[18, 18], WINDOWS);
    world.fund();
    let key = world.filled(Code::First, &[50, 50], PER_CENT, &[ETHER, ETHER]);
    let mut pool = world.found(key);
    let vault = world.vault;
    world.allow(vault, setPausedCall::SELECTOR);
    let executed = world.chain.call(vault, &setPausedCall { paused: true });
    let changed = executed.diff[&vault].changed_storage_slots().map(|(slot, value)| (*slot, value.present_value));
    pool.apply_slots(vault, &changed.collect::<Vec<_>>()).expect("applied");
    let (leg, amount) = (legs(&pool)[0], U256::from(ETHER / 100));
    assert_eq!(pool.quote_in(leg, amount), Err(QuoteError::TooLarge));
    assert_eq!(world.would_answer(&pool, leg, false, amount), None);
    assert_eq!(world.discover(key).unwrap_err(), "it is paused, or its vault is");
}

#[test]
fn a_pool_whose_weights_lie_in_storage_is_refused() {
    let mut world = World::new(&[18, 18], WINDOWS);
    world.fund();
    let key = world.bootstrapping(&[50, 50], PER_CENT, &[ETHER, ETHER]);
    assert_eq!(world.discover(key).unwrap_err(), "its weights lie in storage, where they can change");
}

#[test]
fn on_a_node_that_tells_what_is_asked_for_a_pool_is_found_after_few_rounds() {
    for (code, weights) in
        [(Code::First, vec![50, 25, 25]), (Code::TwoTokens, vec![80, 20]), (Code::Third, vec![50, 50])]
    {
        let mut world = World::new(&[18, 6, 8], WINDOWS);
        world.fund();
        let key = world.filled(code, &weights, PER_CENT, &vec![ETHER; weights.len()]);
        let due = world.found(key);
        let fork = Fork::of(&MAINNET, 20_000_000, 1_717_000_000).expect("a fork");
        let (found, rounds) = rounds::found(&world.chain.machine, fork, key);
        println!("{code:?}: {rounds} rounds");
        let AnyPool::BalancerV2(pool) = found.expect("usable").expect("a pool") else { panic!("another's") };
        assert!(pool.agrees(&due) && pool.terms() == due.terms());
    }
}

#[test]
fn the_table_reaches_each_pool_of_the_vault_by_its_own_slots_and_logs_and_at_its_own_contract() {
    let mut world = World::new(&[18, 6], WINDOWS);
    world.fund();
    let codes = [Code::First, Code::TwoTokens, Code::Third, Code::First];
    let keys = codes.map(|code| world.filled(code, &[50, 50], PER_CENT, &[ETHER, ETHER]));
    let mut pools: Pools<AnyPool> = Pools::default();
    let ids = keys.map(|key| pools.add(world.found(key).into()).expect("new"));
    let pool = world.found(keys[2]);
    let swapped = world.swap(&pool, legs(&pool)[0], false, U256::from(ETHER / 10));
    let charged = world.chain.call(pool.contract(), &setSwapFeePercentageCall { fee: U256::from(2 * PER_CENT) });
    for executed in [swapped, charged] {
        let (mut reached, mut heard) = (Vec::new(), Vec::new());
        for (at, account) in &executed.diff {
            let slots = account.changed_storage_slots().map(|(slot, _)| *slot);
            pools.sites().of_slots(*at, slots, |id| reached.push(id));
        }
        for log in executed.logs() {
            pools.sites().of_log(log.address, log.topics(), |id| heard.push(id));
        }
        assert_eq!((reached, heard), (vec![ids[2]], vec![ids[2]]));
    }
}
