//! Metapools over base pools of made-up balances: what must hold of any.

mod routes;

use alloy_primitives::U256;
use proptest::prelude::*;

use crate::amm::QuoteError;
use crate::curve_stable::MOST_COINS;
use crate::curve_stable::Product;
use crate::curve_stable::Said;
use crate::curve_stable::Settle;
use crate::curve_stable::State;
use crate::curve_stable::Terms;
use crate::curve_stable::WHOLE;
use crate::curve_stable::meta::Base;
use crate::curve_stable::meta::Metapool;
use crate::curve_stable::meta::Remembered;
use crate::curve_stable::meta::Through;

const ETHER: u128 = 1_000_000_000_000_000_000;

/// A pool of whole coins of each, with so many decimals; the administrator gets half of the fee.
fn parts(coins: &[(u64, u8)], product: Product, amp: u64, fee: u64) -> (Terms, State) {
    let said = Some(Said { less_one: true, in_units: true });
    let (rates, less_one, settle) = ([U256::ZERO; MOST_COINS], true, Settle::Units);
    let mut terms = Terms { coins: coins.len(), rates, product, precision: 100, less_one, settle, said };
    let mut state = State { amp: amp * 100, fee, admin_fee: WHOLE / 2, ..State::default() };
    for (place, (whole, decimals)) in coins.iter().enumerate() {
        terms.rates[place] = U256::from(10).pow(U256::from(36 - decimals));
        state.held[place] = u128::from(*whole) * 10u128.pow(u32::from(*decimals));
    }
    (terms, state)
}

/// Any base pool within reason, up to ten times as much of one coin as of another, whose share is worth up to twice a coin.
fn any_base() -> impl Strategy<Value = Base> {
    let coin = (100_000..1_000_000u64, prop::sample::select(vec![6u8, 8, 18]));
    let coins = prop::collection::vec(coin, 2..=MOST_COINS);
    let product = prop::sample::select(vec![Product::Each, Product::Whole]);
    (coins, product, 1..2_000u64, 0..40_000_000u64, 100..200u128).prop_map(|(coins, product, amp, fee, worth)| {
        let (terms, state) = parts(&coins, product, amp, fee);
        let all: u128 = coins.iter().map(|(whole, _)| u128::from(*whole)).sum();
        Base::new(terms, state, all * ETHER * 100 / worth).expect("a base pool")
    })
}

/// Any metapool over it, which holds less than a half of its shares.
pub(super) fn any_pool() -> impl Strategy<Value = Metapool> {
    let own = (1_000..100_000u64, prop::sample::select(vec![2u8, 6, 18]), 1_000..40_000u64);
    (any_base(), own, 1..2_000u64, 0..40_000_000u64).prop_map(|(base, (coins, decimals, shares), amp, fee)| {
        let (terms, state) = parts(&[(coins, decimals), (shares, 18)], Product::Each, amp, fee);
        Metapool::new(terms, state, base, base.virtual_price().expect("a price")).expect("a metapool")
    })
}

/// Two different places, the meta coin's among them or not.
fn places(pool: &Metapool, way: (usize, usize)) -> (usize, usize) {
    let all = pool.base().terms().coins + 1;
    let from = way.0 % all;
    (from, (from + 1 + way.1 % (all - 1)) % all)
}

fn way() -> impl Strategy<Value = (usize, usize)> {
    (0..60usize, 0..60usize)
}

/// Units of a place's coin that are worth so many thousandths of a coin.
fn units(pool: &Metapool, place: usize, thousandths: u64) -> U256 {
    let rate = place.checked_sub(1).map_or(pool.terms().rates[0], |at| pool.base().terms().rates[at]);
    U256::from(thousandths) * U256::from(10).pow(U256::from(33)) / rate
}

/// From a tenth of a coin to what is more than the metapool has.
fn amount() -> impl Strategy<Value = u64> {
    (0..21u32, 100..200u64).prop_map(|(bits, whole)| whole << bits)
}

/// The same pool after a swap, at the same rate. `None`: of what it leaves the contract finds no `D`, since its steps circle.
fn after(pool: &Metapool, left: &Through) -> Option<Metapool> {
    Metapool::new(*pool.terms(), left.state, left.base, pool.price())
}

/// A state that a swap has left, of 230,943 coins and 3 shares: from one `D` to another two units away and back, for ever, at this price of
/// the share, and to an end at the next. Curve's code gives up behind 255 steps, and nothing swaps there.
#[test]
fn where_the_steps_circle_by_two_units_nothing_swaps() {
    let (terms, state) = parts(&[(230_943, 2), (3, 18)], Product::Each, 86, 2_229_215);
    let state = State { held: [23_094_332, 2_935_134_196_680_523_970, 0, 0], ..state };
    let (of, own) = parts(&[(882_069, 6), (260_270, 8), (443_366, 8)], Product::Each, 1_192, 0);
    let base = Base::new(of, own, 1_390_968 * ETHER).expect("a base pool");
    let at = |price: u64| Metapool::new(terms, state, base, U256::from(price));
    assert!(at(1_139_858_009_270_216_642).is_none());
    assert!(at(1_139_758_516_714_942_939).is_some());
}

/// What roundings may come to in units of the coin that comes out, of which each coin has its own.
fn roundings(pool: &Metapool, j: usize) -> U256 {
    let rate = |place: usize| place.checked_sub(1).map_or(pool.terms().rates[0], |at| pool.base().terms().rates[at]);
    let coarsest = (1..=pool.base().terms().coins).map(rate).max().unwrap_or_default().max(U256::from(ETHER));
    // Fees are cut off in units of the base pool's coins, and prices within the pools lie within some thousandfold of one another.
    U256::from(100) * (coarsest / rate(j) + U256::ONE)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn more_in_never_pays_less_but_for_roundings(pool in any_pool(), a in amount(), b in amount(), to in way()) {
        let to = places(&pool, to);
        let [less, more] = [a.min(b), a.max(b)].map(|of| pool.exchange_underlying(to, units(&pool, to.0, of)));
        prop_assume!(less.is_ok() && more.is_ok());
        let [less, more] = [less, more].map(|made| made.expect("both are made").paid);
        prop_assert!(less <= more + roundings(&pool, to.1), "{less} {more}");
    }

    /// Neither who holds the base pool's shares nor who holds the metapool's is worse off.
    #[test]
    fn what_a_swap_leaves_is_worth_no_less(pool in any_pool(), of in amount(), to in way()) {
        let to = places(&pool, to);
        let made = pool.exchange_underlying(to, units(&pool, to.0, of));
        prop_assume!(made.is_ok());
        let made = made.expect("it is made");
        let price = |base: &Base| base.virtual_price().expect("a price");
        // The two solutions of the invariant are a unit apart from the real ones, and the price is cut off.
        prop_assert!(price(&made.base) + U256::from(3) >= price(pool.base()), "{:?}", made.base);
        let Some(left) = after(&pool, &made) else { return Ok(()) };
        prop_assert!(left.invariant() + U256::from(3) >= pool.invariant(), "{left:?}");
    }

    #[test]
    fn there_and_back_leaves_no_more_than_was_put_in(pool in any_pool(), of in amount(), to in way()) {
        let (i, j) = places(&pool, to);
        let dx = units(&pool, i, of);
        let there = pool.exchange_underlying((i, j), dx);
        prop_assume!(there.is_ok());
        let there = there.expect("it is made");
        let Some(left) = after(&pool, &there) else { return Ok(()) };
        let back = left.exchange_underlying((j, i), there.paid);
        prop_assume!(back.is_ok());
        let back = back.expect("it is made").paid;
        // Without a fee all that stands between the two are roundings, mostly in favour of the pools.
        prop_assert!(back <= dx + roundings(&pool, i), "{dx} {} {back}", there.paid);
    }

    /// Where the meta coin goes in, the contract says just what it pays; where it comes out, it guesses at the deposit's fees.
    #[test]
    fn the_estimate_is_what_is_paid_or_near_it(pool in any_pool(), of in amount(), to in way()) {
        let to = places(&pool, to);
        let dx = units(&pool, to.0, of);
        let (said, paid) = (pool.get_dy_underlying(to, dx), pool.exchange_underlying(to, dx));
        prop_assume!(said.is_ok() && paid.is_ok());
        let (said, paid) = (said.expect("said"), paid.expect("made").paid);
        if to.0 == 0 {
            prop_assert_eq!(said, paid);
        } else {
            // Fees are four thousandths at most, and the guess takes a half of one.
            let apart = said.abs_diff(paid);
            let most = said.max(paid) / U256::from(50) + roundings(&pool, to.1);
            prop_assert!(apart <= most, "{said} {paid}");
        }
    }

    /// A share is worth its part of all: whoever takes one coin for shares gets no more than all of them stand for.
    #[test]
    fn a_deposit_that_is_taken_out_again_has_not_grown(base in any_base(), of in amount(), place in 0..60usize) {
        let place = place % base.terms().coins;
        let dx = U256::from(of) * U256::from(10).pow(U256::from(33)) / base.terms().rates[place];
        let made = base.deposited(place, dx);
        prop_assume!(made.is_ok());
        let (shares, richer) = made.expect("it is made");
        prop_assert!(shares <= base.calc_token_amount(place, dx).expect("said") + U256::from(3));
        let out = richer.withdrawn(place, shares);
        prop_assume!(out.is_ok());
        let (paid, left) = out.expect("it is made");
        prop_assert!(paid <= dx, "{dx} {shares} {paid}");
        prop_assert_eq!(left.supply(), base.supply());
        prop_assert_eq!(richer.calc_withdraw_one_coin(place, shares), Ok(paid));
    }
}

pub(super) fn pool() -> Metapool {
    let (terms, state) = parts(&[(300_000, 18), (310_000, 6), (290_000, 6)], Product::Each, 2_000, 1_000_000);
    let base = Base::new(terms, state, 880_000 * ETHER).expect("a base pool");
    let (terms, state) = parts(&[(5_000, 18), (5_100, 18)], Product::Each, 100, 4_000_000);
    Metapool::new(terms, state, base, base.virtual_price().expect("a price")).expect("a metapool")
}

#[test]
fn what_cannot_be_swapped_is_refused() {
    let pool = pool();
    let coin = U256::from(ETHER);
    for same in [(0, 0), (1, 1), (0, 4), (4, 0), (2, 9)] {
        assert!(pool.exchange_underlying(same, coin).is_err(), "{same:?}");
        assert!(pool.get_dy_underlying(same, coin).is_err(), "{same:?}");
    }
    assert_eq!(pool.exchange_underlying((0, 2), U256::from(1_000)).err(), Some(QuoteError::TooSmall));
    assert_eq!(pool.exchange_underlying((2, 0), U256::ZERO).err(), Some(QuoteError::TooSmall));
    for way in [(0, 1), (1, 0), (1, 2)] {
        assert_eq!(pool.exchange_underlying(way, U256::MAX).err(), Some(QuoteError::TooLarge), "{way:?}");
    }
    let more = U256::from(pool.base().supply()) + U256::ONE;
    assert_eq!(pool.base().withdrawn(1, more).err(), Some(QuoteError::TooLarge));
}

#[test]
fn a_base_pool_without_shares_or_a_coin_is_none_and_unknown_deposits_are_refused() {
    let (pool, supply) = (pool(), 880_000 * ETHER);
    let (terms, state) = (*pool.base().terms(), *pool.base().state());
    assert_eq!(Base::new(terms, state, 0), None);
    assert_eq!(Base::new(terms, State { held: [0; MOST_COINS], ..state }, supply), None);
    let (coin, share) = (U256::from(ETHER), U256::from(ETHER));
    let known = Base::new(terms, state, supply).expect("a base pool");
    assert!(known.deposited(0, coin).is_ok() && known.withdrawn(0, share).is_ok());
    let grows = Base::new(terms, State { offpeg: 2 * WHOLE, ..state }, supply);
    let of = |settle: Settle| {
        let mut terms = terms;
        terms.settle = settle;
        Base::new(terms, state, supply)
    };
    let others = [Settle::Scaled, Settle::Apart].map(of);
    for base in [grows, others[0], others[1]].map(|base| base.expect("it has a price")) {
        assert_eq!(base.virtual_price(), known.virtual_price());
        assert_eq!(base.deposited(0, coin).err(), Some(QuoteError::TooLarge));
        assert_eq!(base.withdrawn(0, share).err(), Some(QuoteError::TooLarge));
        assert_eq!(base.calc_token_amount(0, coin).err(), Some(QuoteError::TooLarge));
    }
}

#[test]
fn a_remembered_price_is_in_force_to_the_last_second() {
    let pool = pool();
    let base = *pool.base();
    let fresh = base.virtual_price().expect("a price");
    let held = Remembered { price: U256::from(ETHER), updated: 1_000, lasts: 600 };
    assert_eq!(held.at(&base, 1_000), Some(held));
    assert_eq!(held.at(&base, 1_600), Some(held));
    assert_eq!(held.at(&base, 1_601), Some(Remembered { price: fresh, updated: 1_601, lasts: 600 }));
}

#[test]
fn a_swap_through_is_its_two_halves() {
    let pool = pool();
    let dx = U256::from(10 * ETHER);
    let through = pool.exchange_underlying((0, 3), dx).expect("it is made");
    let shares = pool.get_dy((0, 1), dx).expect("said");
    let (paid, base) = pool.base().withdrawn(2, shares).expect("it is made");
    assert_eq!((through.paid, through.base), (paid, base));
    let dx = U256::from(10_000_000);
    let through = pool.exchange_underlying((3, 0), dx).expect("it is made");
    let (shares, base) = pool.base().deposited(2, dx).expect("it is made");
    assert_eq!((Ok(through.paid), through.base), (pool.get_dy((1, 0), shares), base));
    assert_eq!(through.state.held[1], pool.state().held[1] + u128::try_from(shares).expect("narrow"));
    let within = pool.exchange_underlying((3, 1), dx).expect("it is made");
    assert_eq!((within.state, within.base.supply()), (*pool.state(), pool.base().supply()));
}
