//! How vaults are found: by what they answer and do, by their own log, and each that cannot be used with its reason.

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, Bytes, FixedBytes, TxKind, U256, hex};
use peregrine::chain::MAINNET;
use peregrine::hot::evm::fork::Fork;
use peregrine::protocols;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::{Amm, ApplyError};
use peregrine::protocols::erc4626::{Limit, Pool, Rate};
use peregrine::types::pool_key::PoolKey;
use revm::state::{AccountInfo, Bytecode};

use crate::common::chain::USER;
use crate::rounds;
use crate::world::{ETHER, World, depositCall, limitCall, pauseCall, streamCall};

/// A vault, and what is to be done to it, is refused with this.
fn refused(name: &str, prepare: impl FnOnce(&mut World, Address), due: &str) {
    let mut world = World::new();
    let vault = world.vault(name);
    refused_there(&mut world, vault, prepare, due);
}

fn refused_there(world: &mut World, vault: Address, prepare: impl FnOnce(&mut World, Address), due: &str) {
    world.filled(vault, 1_000 * ETHER);
    prepare(world, vault);
    let reason = world.discover(vault).map(|found| found.is_some()).expect_err(due);
    assert!(reason.contains(due), "{reason}, not {due}");
}

#[test]
fn rate_limit_and_both_places_are_learnt() {
    let mut world = World::new();
    let asset = world.asset;
    let due = [Rate::Plain, Rate::Virtual(0), Rate::Virtual(3), Rate::Virtual(0)]
        .into_iter()
        .chain([0, 6, 12].map(Rate::Virtual));
    for ((name, vault), rate) in world.all().into_iter().zip(due) {
        for assets in [1_000 * ETHER, 1] {
            world.filled(vault, assets);
            let pool = world.found(vault);
            let terms = pool.terms();
            assert_eq!((terms.tokens, terms.rate, terms.limit), ([asset, vault], rate, Limit::None), "{name}");
            let holder = if name == "ManagedVault" { vault } else { asset };
            assert_eq!((terms.supply.at, terms.assets.at), (vault, holder), "{name}");
            assert_eq!(pool.state().assets % ETHER, assets % ETHER, "{name}");
        }
    }
}

#[test]
fn what_is_no_vault_is_passed_over() {
    let mut world = World::new();
    // It answers one, whatever it is asked.
    let code = Bytecode::new_legacy(Bytes::from_static(&hex!("600160005260206000f3")));
    let yes = Address::repeat_byte(0x1e);
    let info = AccountInfo { nonce: 1, code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() };
    world.chain.machine.db_mut().tell_whole_account(yes, info);
    world.chain.machine.db_mut().tell_whole_account(Address::with_last_byte(1), AccountInfo::default());
    for other in [world.asset, USER, yes] {
        assert!(matches!(world.discover(other), Ok(None)), "{other}");
    }
}

#[test]
fn a_vault_announces_itself_by_whoever_deposits() {
    let creation = protocols::creation("erc4626").expect("in the registry");
    let mut world = World::new();
    for (name, vault) in world.all() {
        let call = depositCall { assets: U256::from(ETHER), receiver: USER };
        let done = world.chain.send(TxKind::Call(vault), call.abi_encode(), U256::ZERO);
        let named = done.logs().iter().filter(|log| log.topics()[0] == creation.topic);
        let named: Vec<_> =
            named.filter_map(|log| (creation.pool)(log.address, log.topics(), &log.data.data)).collect();
        assert_eq!(named, [PoolKey::from(vault)], "{name}");
    }
}

#[test]
fn a_vault_whose_rate_moves_with_time_is_refused_while_it_stands_still_too() {
    refused(
        "StreamingVault",
        |world, vault| drop(world.chain.call(vault, &streamCall { perSecond: U256::from(1_000) })),
        "moves with time",
    );
    // Nothing streams yet: whether anything will is in a slot.
    refused("StreamingVault", |_, _| {}, "its rate hangs on slot");
}

#[test]
fn fees_and_rates_of_ones_own_are_refused() {
    for (entry, exit) in [(100, 0), (0, 1), (30, 30)] {
        let mut world = World::new();
        let arguments = (world.asset, U256::from(entry), U256::from(exit)).abi_encode_params();
        let vault = world.made("FeeVault", &arguments);
        refused_there(&mut world, vault, |_, _| {}, "it takes a fee");
    }
    refused("OddVault", |_, _| {}, "by no rate that is known");
    refused("StingyVault", |_, _| {}, "not as it previews");
    // Without fees it is OpenZeppelin's vault.
    let mut world = World::new();
    let arguments = (world.asset, U256::ZERO, U256::ZERO).abi_encode_params();
    let vault = world.made("FeeVault", &arguments);
    assert_eq!(world.found(vault).terms().rate, Rate::Virtual(0));
}

#[test]
fn an_asynchronous_vault_is_refused_by_either_kind_and_by_what_it_does_not_say() {
    let reasons = [
        ([0xce, 0x3b, 0xbe, 0x50], "asynchronous (ERC-7540)"),
        ([0x62, 0x0e, 0xe8, 0xe4], "asynchronous (ERC-7540)"),
        ([0; 4], "may be claimed later"),
    ];
    for (kind, due) in reasons {
        let mut world = World::new();
        let arguments = (world.asset, FixedBytes::<4>(kind)).abi_encode_params();
        let vault = world.made("AsynchronousVault", &arguments);
        refused_there(&mut world, vault, |_, _| {}, due);
    }
}

#[test]
fn limits_that_bind_are_refused_and_others_are_terms() {
    let limit = |each: u128, cap: U256, share: U256| {
        move |world: &mut World, vault: Address| {
            world.chain.call(vault, &limitCall { each: U256::from(each), cap, share });
        }
    };
    refused("LimitedVault", limit(0, U256::MAX, U256::MAX), "takes no deposits");
    refused("LimitedVault", limit(1, U256::from(ETHER), U256::MAX), "takes no deposits");
    refused("LimitedVault", limit(ETHER, U256::MAX, U256::from(5)), "shares be redeemed");
    let paused = |world: &mut World, vault: Address| drop(world.chain.call(vault, &pauseCall { to: true }));
    refused("LimitedVault", paused, "not as it previews");
}

/// Follows a transaction of the user's by storage.
fn follow(world: &mut World, pool: &mut Pool, data: Vec<u8>) -> Result<(), ApplyError> {
    let done = world.attempt(pool.address(), data).expect("succeeds");
    for (at, account) in &done.diff {
        let changed = account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value));
        pool.apply_slots(*at, &changed.collect::<Vec<_>>())?;
    }
    Ok(())
}

#[test]
fn a_vault_that_is_paused_or_limited_otherwise_is_asked_anew_and_bookkeeping_is_no_matter() {
    let mut world = World::new();
    let vault = world.vault("LimitedVault");
    world.filled(vault, ETHER);
    let mut pool = world.found(vault);
    // `count` grows with each deposit, and nothing hangs on it.
    let deposit = depositCall { assets: U256::from(ETHER), receiver: USER }.abi_encode();
    assert_eq!(follow(&mut world, &mut pool, deposit), Ok(()));
    assert_eq!(pool.state().assets, 2 * ETHER);
    let limited = limitCall { each: U256::from(5), cap: U256::MAX, share: U256::MAX }.abi_encode();
    for data in [limited, pauseCall { to: true }.abi_encode()] {
        let (before, mut pool) = (pool.state(), pool.clone());
        assert_eq!(follow(&mut world, &mut pool, data), Err(ApplyError::Contradiction));
        assert_eq!(pool.state(), before);
    }
}

#[test]
fn on_a_node_that_tells_what_is_asked_for_a_vault_is_found() {
    let mut world = World::new();
    for (name, vault) in world.all() {
        world.filled(vault, ETHER);
        let pool = world.found(vault);
        let fork = Fork::of(&MAINNET, 20_000_000, 1_717_000_000).expect("a fork");
        let (found, rounds) = rounds::found(&world.chain.machine, fork, vault.into());
        println!("{name}: {rounds} rounds");
        let AnyPool::Erc4626(found) = found.expect("usable").expect("a vault") else { panic!("another's") };
        assert!(found.agrees(&pool) && found.terms() == pool.terms(), "{name}");
    }
}
