//! Random states, many amounts to each, both ways: quotes are the most that the pool's own code pays and the least that it asks, and what
//! routers are answered is its own answer.

use alloy_primitives::U256;
use peregrine::protocols::amm::{Amm, QuoteError};
use peregrine::protocols::solidly::{Curve, Fee, Pool, Terms};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::world::{World, setCustomFeeCall};

/// States of each pool, and amounts to a state for each way.
const STATES: usize = 20;
const AMOUNTS: usize = 50;

/// Amounts of every size up to so many bits.
fn amount(bits: u32) -> impl Strategy<Value = u128> {
    (0..bits, any::<u128>()).prop_map(|(bits, random)| 1 << bits | random & ((1 << bits) - 1))
}

/// Of a stable pool: up to a billion whole tokens of one, and up to a million times as much of the other. Of others: any.
fn reserves(curve: Curve) -> impl Strategy<Value = [u128; 2]> {
    [amount(90), amount(90)].prop_map(move |sizes| match curve {
        Curve::Volatile => sizes.map(|size| size << 20),
        Curve::Stable { units } => std::array::from_fn(|place| {
            ((U256::from(units[place]) * U256::from(sizes[place])) >> 60_usize).saturating_to::<u128>().max(10)
        }),
    })
}

/// Parts of a balance, more than all of it, and amounts of no measure.
fn part(balance: u128) -> impl Strategy<Value = u128> {
    prop_oneof![
        4 => (1..=1_000_000u128).prop_map(move |millionths| (balance / 1_000_000 * millionths).max(1)),
        2 => (1..100u128).prop_map(move |times| balance.saturating_mul(times).min(1 << 120)),
        2 => amount(110),
        1 => (0..4u128).prop_map(move |off| balance.saturating_sub(off)),
        1 => 1..1_000u128,
    ]
}

/// How many quotes were equal, how many of them refusals; and how often routers were answered less than is paid.
#[derive(Debug, Default)]
struct Seen {
    quotes: usize,
    refusals: usize,
    inverses: usize,
    answers: usize,
    less: usize,
}

fn quoted(world: &mut World, pool: &Pool, token_in: usize, x: u128, seen: &mut Seen) {
    let leg = pool.leg(pool.tokens()[token_in], pool.tokens()[1 - token_in]).expect("its tokens");
    let ours = pool.quote_in(leg, U256::from(x));
    match ours {
        Ok(y) => {
            let y = y.to::<u128>();
            assert!(world.pays(pool, token_in, x, y), "{x} does not pay {y}: {pool:?}");
            assert!(!world.pays(pool, token_in, x, y + 1), "{x} pays more than {y}: {pool:?}");
        }
        Err(why) => {
            // With too much in, whatever is asked overflows.
            let least = if why == QuoteError::TooSmall { 1 } else { pool.state()[1 - token_in] / 2 + 1 };
            assert!(!world.pays(pool, token_in, x, least), "{why:?}, and {x} pays {least}: {pool:?}");
            seen.refusals += 1;
        }
    }
    seen.quotes += 1;
    let said = world.says(pool, token_in, x);
    assert_eq!(pool.amount_out(leg, U256::from(x)).ok(), said, "{x} of token {token_in}: {pool:?}");
    seen.answers += 1;
    seen.less += usize::from(said.is_some_and(|said| ours.is_ok_and(|ours| said < ours)));
}

fn quoted_back(world: &mut World, pool: &Pool, token_in: usize, y: u128, seen: &mut Seen) {
    let leg = pool.leg(pool.tokens()[token_in], pool.tokens()[1 - token_in]).expect("its tokens");
    match pool.quote_out(leg, U256::from(y)) {
        Ok(x) => {
            let x = x.to::<u128>();
            assert!(world.pays(pool, token_in, x, y), "{x} is too little for {y}: {pool:?}");
            assert!(x == 1 || !world.pays(pool, token_in, x - 1, y), "{x} is too much for {y}: {pool:?}");
        }
        Err(why) => {
            assert!(!world.pays(pool, token_in, 1 << 100, y), "{why:?}, and {y} is paid: {pool:?}");
            seen.refusals += 1;
        }
    }
    seen.inverses += 1;
}

#[test]
fn quotes_in_random_states_are_what_the_pools_own_code_pays_and_asks() {
    let mut world = World::new(&[18, 6, 8, 18, 24, 0]);
    // Places of tokens, and whether the pool is stable.
    let kinds = [
        ([0, 1], false),
        ([2, 4], false),
        ([0, 3], true),
        ([0, 1], true),
        ([1, 2], true),
        ([2, 4], true),
        ([3, 5], true),
    ];
    // The same states every time: a failure is one that comes again.
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (mut states, mut seen) = (0, Seen::default());
    for (places, stable) in kinds {
        let address = world.pool(places, stable);
        let units = places.map(|place| world.unit(place));
        world.fill(address, places, units.map(|unit| unit.saturating_mul(1_000)));
        for fee in [5, 30, 300, 420] {
            let factory = world.factory;
            world.chain.call(factory, &setCustomFeeCall { pool: address, fee: U256::from(fee) });
            let found = world.found(address);
            let due = if fee == 420 { 0 } else { fee };
            assert_eq!(found.terms().fee, Fee::new(due, 10_000).expect("a fee"));
            for _ in 0..STATES / 4 {
                let held = reserves(found.terms().curve).new_tree(&mut runner).expect("a value").current();
                let pool = Pool::new(Terms::clone(found.terms()), held).expect("sane");
                for (token_in, round) in (0..AMOUNTS).flat_map(|round| [(0, round), (1, round)]) {
                    let of = if round % 2 == 0 { token_in } else { 1 - token_in };
                    let amount = part(held[of]).new_tree(&mut runner).expect("a value").current();
                    if round % 2 == 0 {
                        quoted(&mut world, &pool, token_in, amount, &mut seen);
                    } else {
                        quoted_back(&mut world, &pool, token_in, amount, &mut seen);
                    }
                }
                states += 1;
            }
        }
    }
    println!("{states} states: {seen:?}");
    assert!(states >= 100 && seen.quotes > 3_000 && seen.inverses > 3_000 && seen.less > 0);
}
