//! Random states, many amounts to each, both ways round: quotes are the vault's own answers, and refusals its reverts.

use alloy_primitives::U256;
use peregrine::protocols::amm::{Amm, QuoteError};
use peregrine::protocols::balancer_v2::{Balance, Pool};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::world::{Code, PER_CENT, WINDOWS, World, legs};

/// States of each pool, and amounts to a state for each way between two tokens.
const STATES: usize = 16;
const AMOUNTS: usize = 50;

/// Amounts of every size up to so many bits.
fn amount(bits: u32) -> impl Strategy<Value = u128> {
    (0..bits, any::<u128>()).prop_map(|(bits, random)| 1 << bits | random & ((1 << bits) - 1))
}

fn balance() -> impl Strategy<Value = Balance> {
    let managed = prop_oneof![3 => Just(0_u128), 1 => amount(108)];
    (amount(110), managed).prop_map(|(cash, managed)| Balance { cash, managed })
}

/// Around and beyond what a pool takes of a balance, and amounts of no measure.
fn part(balance: u128) -> impl Strategy<Value = u128> {
    prop_oneof![
        4 => (1_u128..=300_000_000).prop_map(move |billionths| balance / 1_000_000_000 * billionths),
        2 => (0_u128..4).prop_map(move |off| (balance * 3 / 10).saturating_sub(1).saturating_add(off)),
        2 => amount(110),
        1 => 1_u128..1_000,
    ]
}

/// A pool in a state, asked for amounts: how many answers and how many refusals were the vault's.
fn compare(world: &mut World, pool: &Pool, runner: &mut TestRunner) -> [usize; 3] {
    let mut counts = [0; 3];
    for leg in legs(pool) {
        for round in 0..AMOUNTS {
            let given_out = round % 2 == 1;
            let of = if given_out { leg.token_out() } else { leg.token_in() };
            let amount = part(pool.held()[of].total()).new_tree(runner).expect("a value").current();
            let amount = U256::from(amount);
            let theirs = world.would_answer(pool, leg, given_out, amount);
            let ours = if given_out { pool.asks(leg, amount) } else { pool.quote_in(leg, amount) };
            assert_eq!(ours.ok(), theirs, "{amount} given out {given_out}, {leg:?} of {pool:?}: {ours:?}");
            counts[usize::from(theirs.is_none())] += 1;
            if let (Some(paid), false) = (theirs.filter(|paid| !paid.is_zero()), given_out) {
                // What pays as much is found, and by the vault's own word pays it; a unit less does not.
                let least = pool.quote_out(leg, paid).expect("it pays so much");
                assert!(least <= amount && world.would_answer(pool, leg, false, least) >= Some(paid));
                let less = least - U256::ONE;
                assert!(less.is_zero() || world.would_answer(pool, leg, false, less) < Some(paid));
                counts[2] += 1;
            }
        }
    }
    counts
}

#[test]
fn quotes_in_random_states_are_what_the_vault_answers_to_the_unit() {
    let mut world = World::new(&[18, 6, 8, 18, 0], WINDOWS);
    world.fund();
    let kinds = [
        (Code::First, vec![50, 50]),
        (Code::First, vec![80, 20]),
        (Code::First, vec![40, 20, 10, 30]),
        (Code::TwoTokens, vec![50, 50]),
        (Code::TwoTokens, vec![2, 98]),
        (Code::Third, vec![50, 50]),
        (Code::Third, vec![80, 20]),
        (Code::Third, vec![33, 67]),
        (Code::Third, vec![20, 20, 40, 10, 10]),
    ];
    // The same states every time: a failure is one that comes again.
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (mut states, mut counts) = (0, [0; 3]);
    for (code, weights) in kinds {
        let fee = (1_000_000_000_000_u64..=10 * PER_CENT).new_tree(&mut runner).expect("a value").current();
        let key = world.filled(code, &weights, fee, &vec![1_000_000_000_000_000_000; weights.len()]);
        let found = world.found(key);
        for _ in 0..STATES {
            let held: Vec<Balance> =
                weights.iter().map(|_| balance().new_tree(&mut runner).expect("a value").current()).collect();
            world.put(&found, &held);
            let pool = Pool::new(found.terms().clone(), held, U256::from(fee)).expect("a weighted pool");
            let seen = compare(&mut world, &pool, &mut runner);
            counts.iter_mut().zip(seen).for_each(|(all, one)| *all += one);
            states += 1;
        }
    }
    let [answers, refusals, inverses] = counts;
    println!(
        "{states} states: {answers} answers and {refusals} refusals are the vault's, {inverses} least inputs pay what they should"
    );
    assert!(states > 100 && answers > 10_000 && refusals > 1_000 && inverses > 1_000);
}

#[test]
fn the_codes_differ_where_an_exponent_is_one_two_or_four() {
    let mut world = World::new(&[18, 18], WINDOWS);
    world.fund();
    let amounts = [1 << 90, 1 << 88];
    let keys = [Code::First, Code::Third].map(|code| world.filled(code, &[80, 20], PER_CENT, &amounts));
    let [first, third] = keys.map(|key| world.found(key));
    let leg = legs(&first)[0];
    let amount = U256::from(1_u128 << 80);
    let [general, products] = [&first, &third].map(|pool| pool.quote_in(leg, amount).expect("pays"));
    // No margin of error is kept where a power is a product.
    assert!(products > general);
    assert_eq!(world.would_answer(&first, leg, false, amount), Some(general));
    assert_eq!(world.would_answer(&third, leg, false, amount), Some(products));
    assert_eq!(first.quote_in(leg, U256::ZERO), Err(QuoteError::TooSmall));
}
