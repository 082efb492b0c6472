//! Pools of made-up balances: what must hold of any, whatever its version.

use alloy_primitives::Address;
use alloy_primitives::U256;
use proptest::prelude::*;

use crate::amm::Amm;
use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::amm::Exact;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::curve_stable::Layout;
use crate::curve_stable::MOST_COINS;
use crate::curve_stable::Pool;
use crate::curve_stable::Product;
use crate::curve_stable::Settle;
use crate::curve_stable::State;
use crate::curve_stable::Terms;
use crate::curve_stable::WHOLE;
use crate::execution::PlannedSwap;
use crate::execution::Steps;

const AT: Address = Address::repeat_byte(0xcc);

fn token(place: usize) -> Address {
    Address::with_last_byte(place as u8 + 1)
}

/// Balances from slot 0, then `A`, what says that it stands still, and both fees.
pub(super) fn layout(coins: usize) -> Layout {
    let slot = U256::from;
    Layout {
        held: (0..coins).map(slot).collect(),
        admin_held: Vec::new(),
        amp: slot(10),
        still: Some((slot(11), slot(1_600_000_000))),
        fee: slot(12),
        admin_fee: Some(slot(13)),
        offpeg: None,
    }
}

/// A pool of whole coins of each, with so many decimals.
fn pool(coins: &[(u64, u8)], version: (Product, u32, bool, Settle), amp: u64, fee: u64) -> Pool {
    let (product, precision, less_one, settle) = version;
    let mut terms =
        Terms { coins: coins.len(), rates: [U256::ZERO; MOST_COINS], product, precision, less_one, settle, said: None };
    let amp = amp * u64::from(precision);
    let mut state = State { amp, fee, admin_fee: WHOLE / 2, ..State::default() };
    for (place, (whole, decimals)) in coins.iter().enumerate() {
        terms.rates[place] = U256::from(10).pow(U256::from(36 - decimals));
        state.held[place] = u128::from(*whole) * 10u128.pow(u32::from(*decimals));
    }
    let tokens: Vec<Option<Address>> = (0..coins.len()).map(|place| Some(token(place))).collect();
    Pool::new(AT, (&tokens, false), terms, layout(coins.len()), state).expect("a pool")
}

fn version() -> impl Strategy<Value = (Product, u32, bool, Settle)> {
    let product = prop::sample::select(Product::ALL.to_vec());
    let settle = prop::sample::select(vec![Settle::Scaled, Settle::Units]);
    (product, prop::sample::select(vec![1u32, 100]), any::<bool>(), settle)
}

/// Any pool within reason: two to four coins, up to a thousand times as much of one as of another.
fn any_pool() -> impl Strategy<Value = Pool> {
    let coin = (1_000..1_000_000u64, prop::sample::select(vec![6u8, 8, 18]));
    let coins = prop::collection::vec(coin, 2..=MOST_COINS);
    (coins, version(), 1..5_000u64, 0..100_000_000u64)
        .prop_map(|(coins, version, amp, fee)| pool(&coins, version, amp, fee))
}

fn legs(pool: &Pool) -> Vec<Leg> {
    let tokens = pool.tokens();
    let all = tokens.iter().flat_map(|a| tokens.iter().map(move |b| (*a, *b)));
    all.filter_map(|(a, b)| pool.leg(a, b)).collect()
}

/// A part of what the pool has of the coin that goes in, up to ten times all of it.
fn share(pool: &Pool, leg: Leg, (bits, whole): (u32, u64)) -> U256 {
    let held = U256::from(pool.state().held[pool.places(leg).0]);
    ((held * U256::from(whole % 1_000 + 1) / U256::from(100)) >> bits).max(U256::ONE)
}

fn amount() -> impl Strategy<Value = (u32, u64)> {
    (0..40u32, any::<u64>())
}

/// What the stretches say comes out, and what of the input is past their end. Their slopes fall.
fn promised(pool: &Pool, leg: Leg, into: U256) -> (f64, f64) {
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
    (promised, left)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn more_in_never_pays_less(pool in any_pool(), a in amount(), b in amount(), way in any::<prop::sample::Index>()) {
        let legs = legs(&pool);
        let leg = legs[way.index(legs.len())];
        let [less, more] = { let mut both = [a, b].map(|of| share(&pool, leg, of)); both.sort(); both };
        let [less, more] = [less, more].map(|into| pool.quote_in(leg, into));
        prop_assume!(less.is_ok() && more.is_ok());
        prop_assert!(less.ok() <= more.ok());
    }

    #[test]
    fn the_smallest_input_pays_enough_and_one_less_does_not(
        pool in any_pool(), of in amount(), way in any::<prop::sample::Index>(),
    ) {
        let legs = legs(&pool);
        let leg = legs[way.index(legs.len())];
        let most = share(&pool, leg, of);
        prop_assume!(pool.quote_in(leg, most).is_ok());
        let out = pool.quote_in(leg, most).expect("it pays");
        let into = pool.quote_out(leg, out).expect("what pays has a least");
        prop_assert!(into <= most);
        prop_assert!(pool.quote_in(leg, into).is_ok_and(|paid| paid >= out));
        if into > U256::ONE {
            prop_assert!(pool.quote_in(leg, into - U256::ONE).map_or(true, |paid| paid < out));
        }
    }

    /// There and back leaves no more than was put in, and the pool is worth no less for it.
    #[test]
    fn rounding_favours_the_pool(pool in any_pool(), of in amount(), way in any::<prop::sample::Index>()) {
        let legs = legs(&pool);
        let leg = legs[way.index(legs.len())];
        let back = pool.leg(pool.tokens()[leg.token_out()], pool.tokens()[leg.token_in()]).expect("the way back");
        let mut after = pool.clone();
        let there = after.trade(leg, Exact::In(share(&pool, leg, of)), None);
        let here = there.and_then(|there| after.trade(back, Exact::In(there.amount_out), None));
        prop_assume!(here.is_ok());
        let [there, here] = [there, here].map(|traded| traded.expect("both are made"));
        // The first pools leave no unit over: there the last scaled unit may go either way.
        let slack = U256::from(u8::from(!pool.terms().less_one) * 2);
        prop_assert!(here.amount_out <= there.amount_in + slack, "{there:?} {here:?}");
    }

    #[test]
    fn a_trade_is_its_quote_and_what_it_leaves_is_read_back_from_slots(
        pool in any_pool(), of in amount(), way in any::<prop::sample::Index>(),
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
        let written = after.layout().written(after.state());
        prop_assert_eq!(told.apply_slots(AT, &written), Ok(Applied::Changed));
        prop_assert!(told.agrees(&after));
        let back = pool.layout().written(pool.state());
        prop_assert_eq!(told.apply_slots(AT, &back), Ok(Applied::Changed));
        prop_assert!(told.agrees(&pool));
        prop_assert_eq!(told.quote_in(leg, into), pool.quote_in(leg, into));
    }

    /// The stretches promise at least what the integers pay, all the way, and near the price hardly more.
    #[test]
    fn stretches_lie_above_what_is_paid(pool in any_pool(), of in amount(), way in any::<prop::sample::Index>()) {
        let legs = legs(&pool);
        let leg = legs[way.index(legs.len())];
        let into = share(&pool, leg, of);
        prop_assume!(pool.quote_in(leg, into).is_ok());
        let paid = pool.quote_in(leg, into).expect("it pays");
        let (promised, left) = promised(&pool, leg, into);
        prop_assume!(left <= 0.0);
        // A pool that leaves nothing over may pay the scaled unit that is cut off.
        prop_assert!(promised + 2.0 >= f64::from(paid), "{promised} promised, {paid} paid");
        if paid > U256::from(1_000_000) {
            prop_assert!(promised <= f64::from(paid) * 1.02, "{promised} promised, {paid} paid");
        }
        prop_assert!(pool.marginal_rate(leg) > 0.0 && pool.depth(leg) > 0.0);
    }

    #[test]
    fn a_fee_that_grows_takes_no_less_than_where_it_stands(
        flat in any_pool(), grows in 1..20u64, of in amount(), way in any::<prop::sample::Index>(),
    ) {
        let legs = legs(&flat);
        let leg = legs[way.index(legs.len())];
        let state = State { fee: flat.state().fee / 100, offpeg: grows * WHOLE, ..*flat.state() };
        let tokens: Vec<Option<Address>> = (0..flat.tokens().len()).map(|place| Some(token(place))).collect();
        let with = |state| Pool::new(AT, (&tokens, false), *flat.terms(), flat.layout().clone(), state).expect("a pool");
        let (flat, growing) = (with(State { offpeg: 0, ..state }), with(state));
        let into = share(&growing, leg, of);
        prop_assume!(growing.quote_in(leg, into).is_ok());
        let paid = growing.quote_in(leg, into).expect("it pays");
        prop_assert!(flat.quote_in(leg, into).is_ok_and(|most| paid <= most));
        let (promised, left) = promised(&growing, leg, into);
        prop_assert!(left > 0.0 || promised + 2.0 >= f64::from(paid), "{promised} promised, {paid} paid");
        prop_assert_eq!(growing.quote_out(leg, paid), if grows > 1 { Err(QuoteError::TooLarge) } else { flat.quote_out(leg, paid) });
    }
}

fn three() -> Pool {
    let version = (Product::Each, 1, true, Settle::Units);
    pool(&[(200_000, 18), (213_000, 6), (193_000, 6)], version, 2_000, 1_000_000)
}

#[test]
fn what_a_pool_cannot_swap_is_refused() {
    let mut pool = three();
    let leg = pool.leg(token(0), token(1)).expect("its coins");
    assert_eq!(pool.quote_in(leg, U256::ZERO), Err(QuoteError::TooSmall));
    assert_eq!(pool.quote_in(leg, U256::from(1_000)), Err(QuoteError::TooSmall));
    assert_eq!(pool.quote_in(leg, U256::MAX), Err(QuoteError::TooLarge));
    assert_eq!(pool.quote_out(leg, U256::ZERO), Err(QuoteError::TooSmall));
    assert_eq!(pool.quote_out(leg, U256::from(213_000_000_000u64)), Err(QuoteError::TooLarge));
    assert!(pool.trade(leg, Exact::In(U256::from(1u64 << 50)), Some(U256::ONE)).is_err());
    assert_eq!(pool.leg(token(0), token(0)), None);
    assert_eq!(pool.apply_slots(AT, &[(U256::from(1), U256::ZERO)]), Ok(Applied::Changed));
    assert_eq!(pool.quote_in(leg, U256::from(10).pow(U256::from(18))), Err(QuoteError::TooLarge));
    assert_eq!((pool.marginal_rate(leg), pool.depth(leg)), (0.0, 0.0));
}

#[test]
fn an_a_that_begins_to_move_contradicts_what_is_known() {
    let mut pool = three();
    let before = pool.clone();
    let moves = [(U256::from(11), U256::from(1_700_000_000)), (U256::from(10), U256::from(2_001))];
    assert_eq!(pool.apply_slots(AT, &moves), Err(ApplyError::Contradiction));
    let wide = [(U256::from(0), U256::ONE), (U256::from(12), U256::from(WHOLE))];
    assert_eq!(pool.apply_slots(AT, &wide), Err(ApplyError::Contradiction));
    assert!(pool.agrees(&before), "a refused change leaves it as it was");
    assert_eq!(pool.apply_slots(Address::ZERO, &moves), Ok(Applied::Irrelevant));
    assert_eq!(pool.apply_slots(AT, &[(U256::from(77), U256::ONE)]), Ok(Applied::Irrelevant));
}

#[test]
fn a_pool_that_is_read_back_is_the_same() {
    let pool = three();
    let text = serde_json::to_string(&pool).expect("it can be written");
    let read: Pool = serde_json::from_str(&text).expect("and read");
    assert!(read.agrees(&pool) && read.sites() == pool.sites() && read.tokens() == pool.tokens());
    let broken = text.replace("\"coins\":3", "\"coins\":2");
    assert!(broken != text && serde_json::from_str::<Pool>(&broken).is_err());
}

#[test]
fn a_coin_that_is_not_known_counts_and_is_no_way_through() {
    let whole = three();
    let tokens = [Some(token(0)), None, Some(token(2))];
    let part = Pool::new(AT, (&tokens, false), *whole.terms(), whole.layout().clone(), *whole.state()).expect("a pool");
    assert_eq!(part.tokens(), [token(0), token(2)]);
    let [all, known] = [&whole, &part].map(|pool| pool.leg(token(2), token(0)).expect("both coins"));
    let into = U256::from(77_000_000_000u64);
    assert_eq!(part.quote_in(known, into), whole.quote_in(all, into));
    assert_eq!(part.leg(token(0), token(1)), None);
    let one = [Some(token(0)), None, None];
    assert!(Pool::new(AT, (&one, false), *whole.terms(), whole.layout().clone(), *whole.state()).is_none());
}

#[test]
fn a_step_names_the_contracts_own_places() {
    let whole = three();
    let tokens = [None, Some(token(1)), Some(token(2))];
    let pool = Pool::new(AT, (&tokens, false), *whole.terms(), whole.layout().clone(), *whole.state()).expect("a pool");
    let leg = pool.leg(token(2), token(1)).expect("its coins");
    let mut steps = Steps::of(Address::repeat_byte(7));
    steps.begin();
    let (amount_in, amount_out, recipient) = (1_000, 990, Address::repeat_byte(7));
    pool.write_step(&PlannedSwap { leg, token_in: token(2), amount_in, amount_out, recipient }, &mut steps);
    let word = |index: usize| U256::from_be_slice(&steps.bytes()[4 + 32 * index..36 + 32 * index]);
    assert_eq!(steps.bytes()[..4], [0x3d, 0xf0, 0x21, 0x24]);
    assert_eq!([0, 1, 2, 3].map(word), [2u64, 1, 1_000, 990].map(U256::from));
}
