//! Properties of quotes, bounds and state that no contract is needed for: the check is written down once more, in integers that are wide
//! enough.

use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, B256, U256, U512};
use proptest::prelude::*;

use crate::amm::{Amm, Applied, ApplyError, Exact, QuoteError};
use crate::site::{Slots, Term};
use crate::solidly::abi;
use crate::solidly::{Curve, Fee, Pool, Terms};

const TOKENS: [Address; 2] = [Address::repeat_byte(1), Address::repeat_byte(2)];
const FACTORY: Address = Address::repeat_byte(0xfa);

fn pool(curve: Curve, fee: Fee, reserves: [u128; 2]) -> Pool {
    let slots = [U256::from(18), U256::from(19)];
    let term = |slot: u64, value: u64| Term { at: FACTORY, slot: U256::from(slot), value: U256::from(value) };
    let (address, terms) = (Address::repeat_byte(9), vec![term(1, 0), term(3, 30)]);
    let terms = Terms { address, tokens: TOKENS, curve, fee, slots, terms, quoter: true };
    Pool::new(terms, reserves).expect("sane")
}

/// The contract's own check of balances against reserves, in integers that hold all.
fn keeps(curve: Curve, held: [u128; 2], reserves: [u128; 2]) -> bool {
    let one = U512::from(1_000_000_000_000_000_000_u64);
    let k = |held: [u128; 2]| match curve {
        Curve::Volatile => U512::from(held[0]) * U512::from(held[1]),
        Curve::Stable { units } => {
            let [x, y] = [0, 1].map(|place| U512::from(held[place]) * one / U512::from(units[place]));
            (x * y / one) * (x * x / one + y * y / one) / one
        }
    };
    k(held) >= k(reserves)
}

/// Would the contract pay `y` for `x`?
fn pays(pool: &Pool, token_in: usize, x: u128, y: u128) -> bool {
    let (reserves, (part, whole)) = (pool.state(), pool.terms().fee.parts());
    if x == 0 || y == 0 || y >= reserves[1 - token_in] {
        return false;
    }
    let fee = (U256::from(x) * U256::from(part) / U256::from(whole)).to::<u128>();
    let mut held = reserves;
    held[token_in] += x - fee;
    held[1 - token_in] -= y;
    keeps(pool.terms().curve, held, reserves)
}

/// Any size from some units to `2^most`, each as likely.
fn sized(most: u32) -> impl Strategy<Value = u128> {
    (4..=most, any::<u128>()).prop_map(|(bits, low)| (1 << (bits - 1)) | (low & ((1 << (bits - 1)) - 1)))
}

fn fee() -> impl Strategy<Value = Fee> {
    prop_oneof![
        Just((0, 10_000)),
        Just((5, 10_000)),
        Just((30, 10_000)),
        (0..300u64).prop_map(|part| (part, 10_000)),
        (0..100_000u64).prop_map(|part| (part, 1_000_000)),
    ]
    .prop_map(|(part, whole)| Fee::new(part, whole).expect("a fee"))
}

fn volatile() -> impl Strategy<Value = Pool> {
    (fee(), sized(112), sized(112)).prop_map(|(fee, a, b)| pool(Curve::Volatile, fee, [a, b]))
}

/// Tokens of nought to twenty-four decimals, and up to a billion of each.
fn stable() -> impl Strategy<Value = Pool> {
    let unit = || prop_oneof![Just(6u32), Just(18), Just(8), 0..=24u32].prop_map(|decimals| 10u128.pow(decimals));
    let part = || sized(90);
    (fee(), unit(), unit(), part(), part()).prop_map(|(fee, u, v, a, b)| {
        let of = |unit: u128, size: u128| {
            ((U256::from(unit) * U256::from(size)) >> 60_usize).saturating_to::<u128>().max(10)
        };
        pool(Curve::Stable { units: [u, v] }, fee, [of(u, a), of(v, b)])
    })
}

/// From a unit to some hundred times what there is.
fn amount(whole: u128, part: u128, shift: u32) -> u128 {
    let most = whole.saturating_mul(100).min(1 << 120);
    ((part % most) >> (shift % 128)).max(1)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn a_quote_is_the_most_that_is_paid_and_the_least_that_is_asked(
        pool in prop_oneof![volatile(), stable()], token_in in 0..2usize, part in any::<u128>(), shift in 0..120u32,
    ) {
        let leg = pool.leg(TOKENS[token_in], TOKENS[1 - token_in]).expect("its tokens");
        let [r_in, r_out] = [pool.state()[token_in], pool.state()[1 - token_in]];
        let x = amount(r_in, part, shift);
        match pool.quote_in(leg, U256::from(x)) {
            Ok(y) => {
                let y = y.to::<u128>();
                prop_assert!(pays(&pool, token_in, x, y) && !pays(&pool, token_in, x, y + 1));
            }
            Err(QuoteError::TooSmall) => prop_assert!(!pays(&pool, token_in, x, 1)),
            // Of a stable pool's arithmetic: the fourth power of what it would hold is past 256 bits.
            Err(why) => {
                let is_past = matches!(pool.terms().curve, Curve::Stable { units }
                    if U256::from(r_in + x) * U256::from(1_000_000_000_000_000_000_u64) / U256::from(units[token_in]) > U256::ONE << 100);
                prop_assert!(is_past, "{:?}", why);
            }
        }
        let y = amount(r_out, part, shift) % r_out.max(2);
        match pool.quote_out(leg, U256::from(y)) {
            Ok(x) => {
                let x = x.to::<u128>();
                prop_assert!(pays(&pool, token_in, x, y), "{x} is too little");
                prop_assert!(!pays(&pool, token_in, x - 1, y), "{x} is too much");
            }
            Err(QuoteError::TooSmall) => prop_assert_eq!(y, 0),
            Err(_) => prop_assert!(!pays(&pool, token_in, 1 << 100, y)),
        }
    }

    #[test]
    fn more_in_pays_no_less_and_more_out_costs_no_less(
        pool in prop_oneof![volatile(), stable()], token_in in 0..2usize, part in any::<u128>(), shift in 0..120u32, more in 1..1_000u128,
    ) {
        let leg = pool.leg(TOKENS[token_in], TOKENS[1 - token_in]).expect("its tokens");
        let x = amount(pool.state()[token_in], part, shift);
        if let (Ok(one), Ok(other)) = (pool.quote_in(leg, U256::from(x)), pool.quote_in(leg, U256::from(x + more))) {
            prop_assert!(one <= other);
            prop_assert!(pool.quote_out(leg, one).is_ok_and(|least| least <= U256::from(x)));
        }
        let y = amount(pool.state()[1 - token_in], part, shift);
        if let (Ok(one), Ok(other)) = (pool.quote_out(leg, U256::from(y)), pool.quote_out(leg, U256::from(y + more))) {
            prop_assert!(one <= other);
        }
    }

    #[test]
    fn what_routers_are_answered_leaves_the_pool_no_poorer(
        pool in prop_oneof![volatile(), stable()], token_in in 0..2usize, part in any::<u128>(), shift in 0..120u32,
    ) {
        let leg = pool.leg(TOKENS[token_in], TOKENS[1 - token_in]).expect("its tokens");
        let x = U256::from(amount(pool.state()[token_in], part, shift));
        let mut made = pool.clone();
        match made.trade(leg, Exact::In(x), None) {
            Ok(traded) => {
                prop_assert!(keeps(pool.terms().curve, made.state(), pool.state()));
                prop_assert_eq!(pool.amount_out(leg, x), Ok(traded.amount_out));
                prop_assert!(traded.amount_out <= pool.quote_in(leg, x).unwrap());
                if pool.terms().curve == Curve::Volatile {
                    prop_assert_eq!(pool.quote_in(leg, x), Ok(traded.amount_out));
                }
            }
            Err(_) => prop_assert_eq!(made.state(), pool.state()),
        }
    }

    #[test]
    fn stretches_lie_on_or_above_what_is_paid(
        fee in fee(), units in [Just(1_000_000u128), Just(1_000_000_000_000_000_000)], is_stable in any::<bool>(),
        a in 2_000_000..1u128 << 50, b in 2_000_000..1u128 << 50, token_in in 0..2usize, share in 0.001..3.0f64,
    ) {
        // At least two whole tokens, so that `k` is fine, and inputs of a thousandth of that and up, so that units are.
        let curve = if is_stable { Curve::Stable { units } } else { Curve::Volatile };
        let reserves = [a, b * 1_000_000_000_000];
        let pool = pool(curve, fee, reserves);
        let leg = pool.leg(TOKENS[token_in], TOKENS[1 - token_in]).expect("its tokens");
        let x = (reserves[token_in] as f64 * share) as u128;
        let (mut left, mut bound) = (x as f64, 0.0);
        pool.segments(leg, |segment| {
            let part = left.min(f64::from(segment.in_max)) * segment.gamma;
            bound += segment.reserve_out * part / (segment.reserve_in + part);
            left -= f64::from(segment.in_max);
            left > 0.0
        });
        let paid = pool.quote_in(leg, U256::from(x)).map_or(0.0, f64::from);
        let coarse = pool.marginal_rate(leg);
        prop_assert!(bound + coarse >= paid, "{bound} below {paid}");
        prop_assert!(left > 0.0 || bound <= paid * 1.05 + coarse + 1.0, "{bound} far above {paid}");
    }

    #[test]
    fn logs_and_slots_tell_the_same_and_what_was_before_comes_back(
        pool in prop_oneof![volatile(), stable()], a in any::<u128>(), b in any::<u128>(),
    ) {
        let at = pool.address();
        let data = [a, b].map(|r| U256::from(r).to_be_bytes::<32>()).concat();
        let [mut by_logs, mut by_slots] = [pool.clone(), pool.clone()];
        by_logs.apply_log(at, &[abi::Sync::SIGNATURE_HASH], &data).unwrap();
        let write = |to: [u128; 2]| [0, 1].map(|place| (pool.terms().slots[place], U256::from(to[place])));
        by_slots.apply_slots(at, &write([a, b])).unwrap();
        prop_assert!(by_logs.agrees(&by_slots) && by_slots.state() == [a, b]);
        by_slots.apply_slots(at, &write(pool.state())).unwrap();
        prop_assert!(by_slots.agrees(&pool));
        let text = serde_json::to_string(&by_logs).unwrap();
        let back: Pool = serde_json::from_str(&text).unwrap();
        prop_assert!(back.agrees(&by_logs) && back.terms() == by_logs.terms());
    }
}

fn plain() -> Pool {
    pool(Curve::Volatile, Fee::new(30, 10_000).expect("a fee"), [1_000_000, 2_000_000])
}

#[test]
fn another_word_of_the_factory_is_a_contradiction_and_the_same_word_is_none() {
    let mut pool = plain();
    let sites = pool.sites();
    assert_eq!(sites.len(), 2);
    assert_eq!((sites[1].at, &sites[1].slots), (FACTORY, &Slots::Listed(vec![U256::from(1), U256::from(3)])));
    let fee = U256::from(3);
    assert_eq!(pool.apply_slots(FACTORY, &[(fee, U256::from(30))]), Ok(Applied::Irrelevant));
    assert_eq!(pool.apply_slots(FACTORY, &[(U256::from(7), U256::from(1))]), Ok(Applied::Irrelevant));
    assert_eq!(pool.apply_slots(FACTORY, &[(fee, U256::from(31))]), Err(ApplyError::Contradiction));
    assert_eq!(pool.apply_slots(FACTORY, &[(U256::from(1), U256::from(1))]), Err(ApplyError::Contradiction));
    assert!(pool.agrees(&plain()));
}

#[test]
fn logs_that_are_not_what_they_say_are_refused_and_change_nothing() {
    let mut pool = plain();
    let at = pool.address();
    let topics = [abi::Sync::SIGNATURE_HASH, B256::ZERO];
    assert_eq!(pool.apply_log(at, &topics, &[0; 64]), Err(ApplyError::Topics { have: 2, due: 1 }));
    assert_eq!(pool.apply_log(at, &topics[..1], &[0; 63]), Err(ApplyError::Data { have: 63, due: 64 }));
    assert_eq!(pool.apply_log(at, &topics[..1], &[0xff; 64]), Err(ApplyError::Contradiction));
    assert_eq!(pool.apply_log(at, &topics[1..], &[0; 64]), Ok(Applied::Irrelevant));
    assert_eq!(pool.apply_log(FACTORY, &topics[..1], &[0; 64]), Ok(Applied::Irrelevant));
    assert!(pool.agrees(&plain()));
}

#[test]
fn what_no_pool_swaps_is_refused() {
    let mut pool = plain();
    let leg = pool.leg(TOKENS[0], TOKENS[1]).expect("its tokens");
    assert_eq!(pool.quote_in(leg, U256::ZERO), Err(QuoteError::TooSmall));
    assert_eq!(pool.quote_in(leg, U256::MAX), Err(QuoteError::TooLarge));
    assert_eq!(pool.quote_in(leg, U256::from(u128::MAX)), Err(QuoteError::TooLarge));
    assert_eq!(pool.quote_out(leg, U256::from(2_000_000)), Err(QuoteError::TooLarge));
    assert_eq!(pool.quote_out(leg, U256::ZERO), Err(QuoteError::TooSmall));
    assert_eq!(pool.asks(leg, U256::from(1)), Err(QuoteError::TooLarge));
    assert_eq!(pool.trade(leg, Exact::Out(U256::from(1)), None), Err(QuoteError::TooLarge));
    assert_eq!(pool.trade(leg, Exact::In(U256::from(1_000)), Some(U256::ONE)), Err(QuoteError::TooLarge));
}
