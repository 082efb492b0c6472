//! Amounts of every size in random states, deposited and redeemed by the vault's own code between plain tokens.

use std::cell::RefCell;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, U256};
use peregrine::protocols::amm::{Amm, Leg, QuoteError};
use peregrine::protocols::erc4626::{Limit, Place, Pool, State};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::chain::USER;
use crate::world::{ETHER, World, depositCall, legs, limitCall, put};

/// States of each vault, and amounts each way in each.
const STATES: u32 = 60;
const AMOUNTS: u32 = 50;

/// From a unit to past what the vault takes.
fn amounts(pool: &Pool, leg: Leg) -> Vec<U256> {
    let State { supply, assets } = pool.state();
    let most = match (leg.token_in(), pool.terms().limit) {
        (0, Limit::Each(each)) => each,
        (0, Limit::Total(cap)) => cap.saturating_sub(assets),
        (0, Limit::None) => 1 << 100,
        _ => supply,
    };
    let top = (most as f64).ln() + 0.05;
    let at = move |step| (top * f64::from(step) / f64::from(AMOUNTS - 6)).exp();
    let spread = (0..AMOUNTS - 5).map(move |step| U256::from(at(step) as u128));
    let most = U256::from(most);
    spread.chain([U256::ZERO, most.saturating_sub(U256::ONE), most, most + U256::ONE, most << 3]).collect()
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    equal: u32,
    refused: u32,
    nothing: u32,
}

/// Is what was paid more than we count with, beside what there is and the largest addend of these vaults?
fn is_past_us(pool: &Pool, leg: Leg, done: U256) -> bool {
    let shares = done.saturating_add(U256::from(pool.state().supply)).saturating_add(U256::from(10_u128.pow(12)));
    leg.token_in() == 0 && shares > U256::from(u128::MAX)
}

/// Holds a vault's quotes of both kinds against its code.
fn compare(world: &mut World, pool: &Pool, shares: Place, seen: &mut Seen) -> Result<(), String> {
    for leg in legs(pool) {
        for amount in amounts(pool, leg) {
            let (quote, done) = (pool.quote_in(leg, amount), world.paid(pool, shares, leg, amount));
            let agrees = match quote {
                Ok(quote) => done == Some(quote),
                Err(QuoteError::TooSmall) => done.is_none_or(|done| done.is_zero()),
                Err(_) => done.is_none_or(|done| is_past_us(pool, leg, done)),
            };
            if !agrees {
                return Err(format!("{leg:?} of {pool:?}: {amount} pays {done:?}, quoted {quote:?}"));
            }
            let Ok(out) = quote else {
                seen.nothing += u32::from(quote == Err(QuoteError::TooSmall));
                seen.refused += u32::from(quote != Err(QuoteError::TooSmall));
                continue;
            };
            seen.equal += 1;
            let least = pool.quote_out(leg, out).map_err(|error| format!("{out} is not quoted back: {error}"))?;
            let pays = |amount| world_pays(world, pool, (shares, leg), amount);
            least_is_least(least, amount, out, pays)?;
        }
    }
    Ok(())
}

fn world_pays(world: &mut World, pool: &Pool, (shares, leg): (Place, Leg), amount: U256) -> U256 {
    world.paid(pool, shares, leg, amount).unwrap_or_default()
}

/// The code itself pays so much for the least input, and less for a unit less.
fn least_is_least(least: U256, amount: U256, out: U256, mut pays: impl FnMut(U256) -> U256) -> Result<(), String> {
    if least > amount || pays(least) < out || pays(least - U256::ONE) >= out {
        return Err(format!("{out} costs {least}, paid by {amount}"));
    }
    Ok(())
}

/// Of any size, and none at all.
fn states() -> impl Strategy<Value = State> {
    let number = || {
        prop_oneof![
            9 => (0..100u32, any::<u128>()).prop_map(|(bits, low)| (1 << bits) | (low & ((1 << bits) - 1))),
            1 => Just(0),
        ]
    };
    (number(), number()).prop_map(|(supply, assets)| State { supply, assets })
}

fn hold(name: &str, world: World, vault: Address) {
    let world = RefCell::new(world);
    let seen = RefCell::new(Seen::default());
    let pool = world.borrow_mut().found(vault);
    let shares = world.borrow_mut().share_slot(vault);
    let mut runner = TestRunner::new(Config { cases: STATES, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&states(), |state| {
        let there = put(&pool, state);
        compare(&mut world.borrow_mut(), &there, shares, &mut seen.borrow_mut()).map_err(TestCaseError::fail)
    });
    println!("{name}: {STATES} states, {:?}, {:?}", pool.terms().rate, seen.borrow());
    ran.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(seen.borrow().equal > STATES * AMOUNTS / 2, "{name}: {:?}", seen.borrow());
}

#[test]
fn a_vault_of_any_code_in_any_state_pays_what_is_quoted_both_ways() {
    let names = World::new().all().len();
    for at in 0..names {
        let mut world = World::new();
        let (name, vault) = world.all().swap_remove(at);
        world.filled(vault, 1_000 * ETHER);
        hold(&name, world, vault);
    }
}

#[test]
fn deposits_stop_at_the_limit_whether_it_is_a_number_or_a_cap() {
    for (each, cap) in [(U256::from(40 * ETHER), U256::MAX), (U256::MAX, U256::from(5_000 * ETHER))] {
        let mut world = World::new();
        let vault = world.vault("LimitedVault");
        world.filled(vault, 1_000 * ETHER);
        world.chain.call(vault, &limitCall { each, cap, share: U256::MAX });
        let due = if cap == U256::MAX { Limit::Each(40 * ETHER) } else { Limit::Total(5_000 * ETHER) };
        assert_eq!(world.found(vault).terms().limit, due);
        hold(&format!("{due:?}"), world, vault);
    }
}

/// The first to come, the inflation of a share by a gift, and a supply of a few units: where rounding takes the most.
#[test]
fn gifts_and_supplies_of_a_few_units_round_for_the_vault_as_its_code_does() {
    for offset in [0, 6] {
        let mut world = World::new();
        let vault = world.offset(offset);
        let shares = world.share_slot(vault);
        let mut seen = Seen::default();
        for (assets, gift) in [(1, 0), (1, 1_000 * ETHER), (7, 3), (1_000, 999_999_999_999_999_999)] {
            world.filled(vault, assets);
            world.gift(vault, gift);
            let pool = world.found(vault);
            compare(&mut world, &pool, shares, &mut seen).unwrap_or_else(|error| panic!("{error}"));
        }
        println!("offset {offset}: {seen:?}");
        assert!(seen.nothing > 0 && seen.equal > 100, "{seen:?}");
    }
}

/// What is not deposited cannot be had.
#[test]
fn an_empty_vault_takes_deposits_and_pays_nothing() {
    let mut world = World::new();
    for (name, vault) in world.all() {
        let pool = world.found(vault);
        let [into, back] = legs(&pool);
        let out = pool.quote_in(into, U256::from(ETHER)).expect("takes deposits");
        assert_eq!(pool.quote_in(back, U256::ONE), Err(QuoteError::TooLarge), "{name}");
        let done = world
            .attempt(vault, depositCall { assets: U256::from(ETHER), receiver: USER }.abi_encode())
            .expect("deposits");
        assert_eq!(done.result.output().map(|said| U256::from_be_slice(said)), Some(out), "{name}");
        assert_eq!(world.balance(vault, USER), out, "{name}");
    }
}
