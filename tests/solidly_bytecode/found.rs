//! How pools are found: by the factory's log, by what the contract answers, and never a pair of Uniswap's for one.

use alloy::sol_types::SolValue;
use alloy_primitives::U256;
use peregrine::chain::MAINNET;
use peregrine::hot::evm::fork::Fork;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::discover::Venue;
use peregrine::protocols::site::Slots;
use peregrine::protocols::solidly::{Curve, Fee, Pool};
use peregrine::types::pool_key::PoolKey;

use crate::common::chain::USER;
use crate::rounds;
use crate::world::{ETHER, World};

#[test]
fn the_factorys_log_names_the_pool() {
    let creation = protocols::creation("solidly").expect("in the registry");
    let mut world = World::new(&[18, 6]);
    for stable in [false, true] {
        let pool = world.pool([0, 1], stable);
        let named = world.made.iter().filter(|log| log.topics()[0] == creation.topic);
        let named: Vec<_> =
            named.filter_map(|log| (creation.pool)(log.address, log.topics(), &log.data.data)).collect();
        assert_eq!(named, [PoolKey::from(pool)]);
        assert_eq!(world.discover(pool).unwrap_err(), "a reserve is zero");
    }
}

#[test]
fn curve_units_fee_and_slots_are_learnt() {
    let mut world = World::new(&[18, 6]);
    let units = [0, 1].map(|place| world.unit(place));
    for (stable, fee) in [(false, 30), (true, 5)] {
        let amounts = units.map(|unit| unit * 1_000);
        let address = world.filled([0, 1], stable, amounts);
        let pool = world.found(address);
        let due = if stable { Curve::Stable { units } } else { Curve::Volatile };
        let terms = pool.terms();
        assert_eq!((terms.curve, terms.fee), (due, Fee::new(fee, 10_000).expect("a fee")));
        assert_eq!((pool.state(), pool.tokens(), pool.address()), (amounts, &world.tokens[..], address));
        assert!(terms.quoter);
        // The pause, the pool's own fee, and that of its kind.
        let sites = pool.sites();
        assert_eq!((sites.len(), sites[1].at), (2, world.factory));
        assert!(matches!(&sites[1].slots, Slots::Listed(slots) if slots.len() == 3), "{sites:?}");
    }
    for other in [world.factory, world.tokens[0], USER] {
        assert!(matches!(world.discover(other), Ok(None)), "{other}");
    }
}

#[test]
fn a_pair_of_uniswaps_stays_one() {
    let mut world = World::new(&[18, 18]);
    let factory = world.chain.deploy("@uniswap/v2-core/build/UniswapV2Factory.json", &USER.abi_encode());
    let tokens = [world.tokens[0], world.tokens[1]];
    let pair = world.chain.pair(factory, tokens, [U256::from(ETHER); 2]);
    assert!(matches!(world.discover(pair), Ok(Some(AnyPool::UniswapV2(_)))));
}

#[test]
fn codes_that_are_none_of_the_familys_are_told_by_their_hash_and_pools_beside_them_are_found() {
    let mut world = World::new(&[18, 18]);
    let factory = world.chain.deploy("@uniswap/v2-core/build/UniswapV2Factory.json", &USER.abi_encode());
    let tokens = [world.tokens[0], world.tokens[1]];
    let pair = world.chain.pair(factory, tokens, [U256::from(ETHER); 2]);
    let pool = world.filled([0, 1], false, [ETHER; 2]);
    let mut codes = <Pool as Venue>::Cache::default();
    let mut probe = EvmProbe::new(&mut world.chain.machine);
    for _ in 0..2 {
        assert!(matches!(Pool::discover(&mut probe, &mut codes, pair.into(), false), Ok(None)));
        assert!(matches!(Pool::discover(&mut probe, &mut codes, pool.into(), false), Ok(Some(_))));
    }
}

#[test]
fn on_a_node_that_tells_what_is_asked_for_a_pool_is_found() {
    let mut world = World::new(&[18, 6]);
    let units = [0, 1].map(|place| world.unit(place));
    for stable in [false, true] {
        let address = world.filled([0, 1], stable, units.map(|unit| unit * 1_000));
        let block = world.chain.machine.block();
        let fork = Fork::of(&MAINNET, block.number.to(), block.timestamp.to()).expect("a fork");
        let (found, rounds) = rounds::found(&world.chain.machine, fork, address.into());
        println!("{rounds} rounds");
        let AnyPool::Solidly(pool) = found.expect("usable").expect("a pool") else { panic!("another's") };
        let due = world.found(address);
        assert!(pool.agrees(&due) && pool.terms() == due.terms());
    }
}
