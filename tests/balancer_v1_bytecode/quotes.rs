//! Amounts of every size in recorded and in random states, swapped by the pool's own code between plain tokens.

use std::cell::Cell;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, Bytes, U256, address};
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::amm::{Amm, Leg, QuoteError};
use peregrine::protocols::balancer_v1::Pool;
use peregrine::protocols::discover::{PLAIN_TOKEN, Probe, plain_balance_slot};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use revm::state::{AccountInfo, Bytecode};

use crate::{records, start};

alloy::sol! {
    function swapExactAmountIn(address token_in, uint256 amount_in, address token_out, uint256 least_out, uint256 most_price)
        external returns (uint256 amount_out, uint256 price_after);
}

const SWAPPER: Address = address!("0x000000000000000000000000000000005ca1ab1e");
/// Amounts each way.
const AMOUNTS: u32 = 50;

fn call(pool: &Pool, leg: Leg, amount_in: U256) -> Vec<u8> {
    let [token_in, token_out] = [pool.tokens()[leg.token_in()], pool.tokens()[leg.token_out()]];
    swapExactAmountInCall { token_in, amount_in, token_out, least_out: U256::ZERO, most_price: U256::MAX }.abi_encode()
}

/// What the pool's own code pays. `None`: it reverts.
fn paid(
    probe: &mut EvmProbe<'_>,
    pool: &Pool,
    leg: Leg,
    amount: U256,
    state: &[(Address, U256, U256)],
) -> Option<U256> {
    let token_in = pool.tokens()[leg.token_in()];
    let funds = (token_in, plain_balance_slot(SWAPPER), U256::MAX >> 1);
    let overrides: Vec<_> = state.iter().copied().chain([funds]).collect();
    probe.call_staged(SWAPPER, pool.address(), &call(pool, leg, amount), &overrides, pool.tokens()).word(0)
}

fn legs(pool: &Pool) -> Vec<Leg> {
    let pairs = pool.tokens().iter().flat_map(|one| pool.tokens().iter().map(move |other| (*one, *other)));
    pairs.filter_map(|(one, other)| pool.leg(one, other)).collect()
}

/// Amounts from a unit to past what the pool takes.
fn amounts(most: u128) -> impl Iterator<Item = U256> {
    let top = (most as f64).ln() + 0.05;
    let at = move |step| (top * f64::from(step) / f64::from(AMOUNTS - 4)).exp();
    let spread = (0..AMOUNTS - 3).map(move |step| U256::from(at(step) as u128));
    spread.chain([U256::from(most), U256::from(most) + U256::ONE, U256::ZERO])
}

/// Holds quotes of both kinds against the code. Returns how many were equal, how many of them reverts, and how many outputs were not
/// quoted back.
fn compare(machine: &mut Machine, pool: &Pool, state: &[(Address, U256, U256)]) -> Result<[u32; 3], String> {
    let [mut equal, mut reverted, mut refused] = [0; 3];
    for leg in legs(pool) {
        for amount in amounts(pool.held()[leg.token_in()].balance / 2) {
            let due = paid(&mut EvmProbe::new(machine), pool, leg, amount, state);
            let quote = pool.quote_in(leg, amount);
            if quote.ok() != due {
                return Err(format!("{leg:?} of {pool:?}: {amount} pays {due:?}, quoted {quote:?}"));
            }
            equal += 1;
            reverted += u32::from(due.is_none());
            let Some(out) = due else { continue };
            let Ok(least) = pool.quote_out(leg, out) else {
                refused += 1;
                continue;
            };
            let below = pool.quote_in(leg, least - U256::ONE);
            let pays = pool.quote_in(leg, least).is_ok_and(|got| got >= out);
            if least > amount || !pays || below.is_ok_and(|got| got >= out) {
                return Err(format!("{leg:?} of {pool:?}: {out} costs {least}, paid by {amount}"));
            }
        }
    }
    Ok([equal, reverted, refused])
}

#[test]
fn recorded_pools_pay_what_is_quoted() {
    let Some((dirs, codes)) = records() else { return };
    let (mut pools, mut seen) = (0, [0; 3]);
    for dir in &dirs {
        let (_, mut machine, found) = start(dir, &codes);
        for pool in &found {
            let more = compare(&mut machine, pool, &[]).unwrap_or_else(|error| panic!("{error}"));
            (pools, seen) = (pools + 1, std::array::from_fn(|at| seen[at] + more[at]));
        }
    }
    let [equal, reverted, refused] = seen;
    println!("{pools} recorded pools: {equal} amounts equal, {reverted} of them reverts; {refused} not quoted back");
    assert!(pools >= 4 && equal >= 8 * AMOUNTS, "{pools} pools, {equal} amounts");
    assert_eq!(refused, 0, "outputs are not quoted back");
}

/// Balances, weights and fee of a pool of two.
fn states() -> impl Strategy<Value = ([u128; 2], [u64; 2], u64)> {
    let balance = (10..110u32, any::<u128>()).prop_map(|(bits, low)| 1 << bits | low & ((1 << bits) - 1));
    let weight = prop_oneof![
        1_000_000_000_000_000_000..18_000_000_000_000_000_000u64,
        (1..18u64).prop_map(|w| w * 1_000_000_000_000_000_000)
    ];
    let fee = prop_oneof![1_000_000_000_000..100_000_000_000_000_000u64, Just(3_000_000_000_000_000u64)];
    ([balance.clone(), balance], [weight.clone(), weight], fee)
}

#[test]
fn a_pool_in_any_state_pays_what_is_quoted() {
    let Some((dirs, codes)) = records() else { return };
    let (_, mut machine, found) = dirs
        .iter()
        .map(|dir| start(dir, &codes))
        .find(|(_, _, found)| !found.is_empty())
        .expect("a record with a pool");
    let pool = found.into_iter().next().expect("a pool");
    let seen = Cell::new([0; 3]);
    let machine = std::cell::RefCell::new(&mut machine);
    let mut runner = TestRunner::new(Config { cases: 80, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&states(), |(balances, weights, fee)| {
        let mut there = pool.clone();
        let mut words = vec![(pool.fee_slot(), U256::from(fee))];
        for (at, [of_balance, of_weight]) in pool.token_slots()[..2].iter().enumerate() {
            words.push((*of_balance, U256::from(balances[at])));
            words.push((*of_weight, U256::from(weights[at])));
        }
        there.apply_slots(pool.address(), &words).expect("a state");
        let state: Vec<_> = words.into_iter().map(|(slot, word)| (pool.address(), slot, word)).collect();
        let more = compare(*machine.borrow_mut(), &there, &state).map_err(TestCaseError::fail)?;
        seen.set(std::array::from_fn(|at| seen.get()[at] + more[at]));
        Ok(())
    });
    let [equal, reverted, refused] = seen.get();
    println!("80 states: {equal} amounts equal, {reverted} of them reverts; {refused} not quoted back");
    ran.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(refused, 0, "outputs are not quoted back");
}

#[test]
fn what_a_swap_costs() {
    let Some((dirs, codes)) = records() else { return };
    let mut costs = Vec::new();
    for dir in &dirs {
        let (_, mut machine, found) = start(dir, &codes);
        machine.db_mut().tell_whole_account(SWAPPER, AccountInfo::default());
        for pool in &found {
            let code = Bytecode::new_legacy(Bytes::from_static(&PLAIN_TOKEN));
            let plain =
                AccountInfo { nonce: 1, code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() };
            for token in pool.tokens() {
                let _ = machine.db_mut().replace_account(*token, plain.clone());
                for owner in [SWAPPER, pool.address()] {
                    machine.db_mut().override_slots(&[(*token, plain_balance_slot(owner), U256::MAX >> 1)]);
                }
            }
            let leg = legs(pool)[0];
            let amount = U256::from(pool.held()[leg.token_in()].balance / 1_000);
            let ran = machine.call(SWAPPER, pool.address(), call(pool, leg, amount).into()).expect("runs");
            if ran.is_success() {
                costs.push((ran.gas_used() - 21_000, pool.gas(leg)));
            }
        }
    }
    println!("gas of a swap, less the transaction's own, and what is said: {costs:?}");
    assert!(!costs.is_empty() && costs.iter().all(|(real, said)| said.abs_diff(*real) < said / 10), "{costs:?}");
}

#[test]
fn what_a_pool_does_not_take_is_said() {
    let Some((dirs, codes)) = records() else { return };
    let pool = dirs.iter().find_map(|dir| start(dir, &codes).2.into_iter().next()).expect("a pool");
    let leg = legs(&pool)[0];
    let held = pool.held()[leg.token_out()].balance;
    assert_eq!(pool.quote_in(leg, U256::ZERO), Err(QuoteError::TooSmall));
    assert_eq!(pool.quote_in(leg, U256::MAX), Err(QuoteError::TooLarge));
    assert_eq!(pool.quote_out(leg, U256::from(held)), Err(QuoteError::TooLarge));
    assert_eq!(pool.quote_out(leg, U256::MAX), Err(QuoteError::TooLarge));
}
