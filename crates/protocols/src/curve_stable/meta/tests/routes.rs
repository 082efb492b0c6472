//! Metapools as the engine has them: quotes, what a trade leaves, stretches, slots of three contracts.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U256;
use proptest::prelude::*;

use crate::amm::Amm;
use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::amm::Exact;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::curve_stable::Pool;
use crate::curve_stable::abi;
use crate::curve_stable::meta::Backing;
use crate::curve_stable::meta::Behind;
use crate::curve_stable::meta::Metapool;
use crate::curve_stable::meta::tests::any_pool;
use crate::curve_stable::meta::tests::pool;
use crate::curve_stable::tests::layout;
use crate::execution::PlannedSwap;
use crate::execution::Steps;

const AT: Address = Address::repeat_byte(0xcc);
const BASE: Address = Address::repeat_byte(0xba);
const SHARE: Address = Address::repeat_byte(0x5a);
const SUPPLY: U256 = U256::from_limbs([77, 0, 0, 0]);

/// The metapool's first coin is zero, those of the base pool come behind it.
fn coin(place: usize) -> Address {
    Address::with_last_byte(place as u8 + 1)
}

/// The same as a pool of the engine's.
fn traded(both: &Metapool) -> Pool {
    let base = both.base();
    let coins = (1..=base.terms().coins).map(|place| Some(coin(place))).collect();
    let layouts = [2, base.terms().coins].map(layout);
    let [own, below] = layouts;
    let backing = Backing { pool: BASE, terms: *base.terms(), layout: below, coins, share: SHARE, supply: SUPPLY };
    let behind = Behind { state: *base.state(), supply: base.supply() };
    let tokens = [Some(coin(0)), Some(SHARE)];
    let pool = Pool::new(AT, (&tokens, false), *both.terms(), own, *both.state()).expect("a pool");
    pool.over(backing, behind).expect("a metapool")
}

fn any_traded() -> impl Strategy<Value = Pool> {
    any_pool().prop_map(|both| traded(&both))
}

fn legs(pool: &Pool) -> Vec<Leg> {
    let tokens = pool.tokens();
    let all = tokens.iter().flat_map(|a| tokens.iter().map(move |b| (*a, *b)));
    all.filter_map(|(a, b)| pool.leg(a, b)).collect()
}

/// From a millionth of what there is of what goes in to ten times as much.
fn share(pool: &Pool, leg: Leg, (bits, whole): (u32, u64)) -> U256 {
    let (_, behind) = pool.backing().expect("a metapool");
    let place = pool.places(leg).0;
    let held = place.checked_sub(2).map_or(pool.state().held[place.min(1)], |at| behind.state.held[at]);
    ((U256::from(held) * U256::from(whole % 1_000 + 1) / U256::from(100)) >> bits).max(U256::ONE)
}

fn amount() -> impl Strategy<Value = (u32, u64)> {
    (0..24u32, any::<u64>())
}

/// The slots of all three contracts in this state.
fn written(pool: &Pool) -> [(Address, Vec<(U256, U256)>); 3] {
    let (backing, behind) = pool.backing().expect("a metapool");
    let below = backing.layout.written(&behind.state);
    let supply = vec![(SUPPLY, U256::from(behind.supply))];
    [(AT, pool.layout().written(pool.state())), (BASE, below), (SHARE, supply)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_trade_is_its_quote_and_what_it_leaves_is_read_back_from_three_contracts(
        pool in any_traded(), of in amount(), way in any::<prop::sample::Index>(), turned in any::<bool>(),
    ) {
        let legs = legs(&pool);
        let leg = legs[way.index(legs.len())];
        let into = share(&pool, leg, of);
        let mut after = pool.clone();
        let traded = after.trade(leg, Exact::In(into), None);
        prop_assert_eq!(traded.map(|traded| traded.amount_out), pool.quote_in(leg, into));
        if traded.is_err() {
            prop_assert!(after.agrees(&pool), "a refused trade leaves the pool as it was");
            return Ok(());
        }
        let mut told = pool.clone();
        let mut slots = written(&after);
        if turned {
            slots.reverse();
        }
        for (at, slots) in slots {
            told.apply_slots(at, &slots).expect("slots of a state");
        }
        prop_assert!(told.agrees(&after));
        for (at, slots) in written(&pool) {
            told.apply_slots(at, &slots).expect("slots of a state");
        }
        prop_assert!(told.agrees(&pool));
        prop_assert_eq!(told.quote_in(leg, into), pool.quote_in(leg, into));
    }

    /// The stretches promise at least what the integers pay, all the way.
    #[test]
    fn stretches_lie_above_what_is_paid(pool in any_traded(), of in amount(), way in any::<prop::sample::Index>()) {
        let legs = legs(&pool);
        let leg = legs[way.index(legs.len())];
        let into = share(&pool, leg, of);
        prop_assume!(pool.quote_in(leg, into).is_ok());
        let paid = pool.quote_in(leg, into).expect("it pays");
        let (mut left, mut promised, mut slope) = (f64::from(into), 0.0, f64::INFINITY);
        pool.segments(leg, |stretch| {
            let x = left.min(f64::from(stretch.in_max));
            let first = stretch.reserve_out * stretch.gamma / stretch.reserve_in;
            assert!(first <= slope * (1.0 + 1e-8), "slopes fall");
            slope = first;
            promised += stretch.reserve_out * stretch.gamma * x / (stretch.reserve_in + stretch.gamma * x);
            left -= x;
            left > 0.0
        });
        prop_assume!(left <= 0.0);
        prop_assert!(promised + 4.0 >= f64::from(paid), "{promised} promised, {paid} paid");
        prop_assert!(pool.marginal_rate(leg) > 0.0 && pool.depth(leg) > 0.0);
    }

    /// What is paid for next to nothing is near the rate at the margin: the bound is a close one where swaps are small.
    #[test]
    fn a_small_swap_pays_about_the_rate_at_the_margin(pool in any_traded(), way in any::<prop::sample::Index>()) {
        let legs = legs(&pool);
        let leg = legs[way.index(legs.len())];
        // A thousandth of what the metapool has of the coin, or of what it is worth in the base pool's.
        let into = share(&pool, leg, (7, 12)) / U256::from(10);
        let Ok(paid) = pool.quote_in(leg, into) else { return Ok(()) };
        prop_assume!(paid > U256::from(1_000_000));
        let rate = f64::from(paid) / f64::from(into);
        prop_assert!(rate <= pool.marginal_rate(leg) * (1.0 + 1e-5), "{rate} {}", pool.marginal_rate(leg));
    }
}

#[test]
fn only_ways_that_one_call_makes_are_legs() {
    let pool = traded(&pool());
    assert_eq!(pool.tokens(), [coin(0), SHARE, coin(1), coin(2), coin(3)]);
    assert!(pool.leg(coin(0), SHARE).is_some() && pool.leg(SHARE, coin(0)).is_some());
    for place in 1..=3 {
        assert!(pool.leg(coin(0), coin(place)).is_some() && pool.leg(coin(place), coin(0)).is_some());
        assert_eq!(pool.leg(SHARE, coin(place)), None);
        assert_eq!(pool.leg(coin(place), SHARE), None);
        assert_eq!(pool.leg(coin(place), coin(place % 3 + 1)), None);
    }
    let through = pool.leg(coin(0), coin(2)).expect("a leg");
    let own = pool.leg(coin(0), SHARE).expect("a leg");
    assert!(pool.gas(through) > pool.gas(own));
    assert_eq!(pool.quote_out(through, U256::from(1_000_000)), Err(QuoteError::TooLarge));
    assert!(pool.quote_out(own, U256::from(1_000_000)).is_ok());
}

#[test]
fn a_step_through_the_base_pool_names_the_places_there() {
    let pool = traded(&pool());
    let mut steps = Steps::of(Address::repeat_byte(7));
    steps.begin();
    let leg = pool.leg(coin(3), coin(0)).expect("a leg");
    let (amount_in, amount_out, recipient) = (1_000, 990, Address::repeat_byte(7));
    pool.write_step(&PlannedSwap { leg, token_in: coin(3), amount_in, amount_out, recipient }, &mut steps);
    let word = |index: usize| U256::from_be_slice(&steps.bytes()[4 + 32 * index..36 + 32 * index]);
    assert_eq!(steps.bytes()[..4], abi::exchange_underlyingCall::SELECTOR);
    assert_eq!([0, 1, 2, 3].map(word), [3u64, 0, 1_000, 990].map(U256::from));
}

#[test]
fn a_share_without_a_price_is_not_swapped_until_it_has_one() {
    let mut pool = traded(&pool());
    let (before, dx) = (pool.clone(), U256::from(1_u64 << 60));
    let price = pool.terms().rates[1];
    assert_eq!(pool.apply_slots(SHARE, &[(SUPPLY, U256::ZERO)]), Ok(Applied::Changed));
    for leg in legs(&pool) {
        assert_eq!(pool.quote_in(leg, dx), Err(QuoteError::TooLarge));
        assert_eq!((pool.marginal_rate(leg), pool.depth(leg)), (0.0, 0.0));
    }
    let text = serde_json::to_string(&pool).expect("it can be written");
    let read: Pool = serde_json::from_str(&text).expect("and read");
    assert!(read.agrees(&pool));
    let supply = before.backing().expect("a metapool").1.supply;
    assert_eq!(pool.apply_slots(SHARE, &[(SUPPLY, U256::from(supply / 2))]), Ok(Applied::Changed));
    assert_eq!(pool.terms().rates[1] / U256::from(2), price);
    assert_eq!(pool.apply_slots(SHARE, &[(SUPPLY, U256::from(supply))]), Ok(Applied::Changed));
    assert!(pool.agrees(&before));
    assert_eq!(pool.apply_slots(SHARE, &[(SUPPLY, U256::from(supply))]), Ok(Applied::Irrelevant));
    assert_eq!(pool.apply_slots(SHARE, &[(U256::ONE, U256::ONE)]), Ok(Applied::Irrelevant));
    assert_eq!(pool.apply_slots(Address::ZERO, &[(SUPPLY, U256::ONE)]), Ok(Applied::Irrelevant));
    assert_eq!(pool.apply_slots(SHARE, &[(SUPPLY, U256::MAX)]), Err(ApplyError::Contradiction));
    let moves = [(U256::from(11), U256::from(1_700_000_000))];
    assert_eq!(pool.apply_slots(BASE, &moves), Err(ApplyError::Contradiction));
    assert!(pool.agrees(&before), "a refused change leaves it as it was");
}

#[test]
fn a_metapool_that_is_read_back_is_the_same_and_a_torn_one_is_refused() {
    let pool = traded(&pool());
    let text = serde_json::to_string(&pool).expect("it can be written");
    let read: Pool = serde_json::from_str(&text).expect("and read");
    assert!(read.agrees(&pool) && read.sites() == pool.sites() && read.tokens() == pool.tokens());
    let at: Vec<Address> = pool.sites().iter().map(|site| site.at).collect();
    assert_eq!(at, [AT, BASE, SHARE]);
    let (backing, behind) = pool.backing().expect("a metapool");
    let torn = |change: fn(&mut Backing)| {
        let mut backing = backing.clone();
        change(&mut backing);
        pool.clone().over(backing, *behind)
    };
    assert!(torn(|backing| backing.share = AT).is_none(), "it is its own share");
    assert!(torn(|backing| backing.pool = AT).is_none(), "it is its own base pool");
    assert!(torn(|backing| backing.share = coin(0)).is_none(), "its first coin is the share");
    assert!(torn(|backing| backing.coins = vec![Some(coin(1))]).is_none(), "coins are missing");
    assert!(torn(|backing| backing.layout.held.truncate(1)).is_none(), "slots are missing");
}
