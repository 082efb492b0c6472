//! The fast integers against slow ones: 1024-bit arithmetic that follows the definitions and never overflows.

use crate::math::sqrt_price;
use crate::math::swap_step;
use crate::math::swap_step::SwapStep;
use crate::math::tick;
use crate::math::wide;
use alloy_primitives::U256;
use alloy_primitives::Uint;
use proptest::prelude::*;

type Slow = Uint<1024, 16>;

fn slow(value: U256) -> Slow {
    Slow::from(value)
}

fn back(value: Slow) -> Option<U256> {
    (value.bit_len() <= 256).then(|| value.to::<U256>())
}

fn ceil(a: Slow, b: Slow) -> Slow {
    let (quotient, rest) = a.div_rem(b);
    if rest.is_zero() { quotient } else { quotient + Slow::ONE }
}

/// All sizes are equally likely, so that every overflow branch is met.
fn sized(bits: usize) -> impl Strategy<Value = U256> {
    (any::<[u64; 4]>(), 0..=bits).prop_map(|(limbs, bits)| {
        let value = U256::from_limbs(limbs);
        if bits == 0 { U256::ZERO } else { value >> (256 - bits) }
    })
}

fn price() -> impl Strategy<Value = U256> {
    (sized(160)).prop_map(|p| p.clamp(tick::MIN_SQRT_PRICE, tick::MAX_SQRT_PRICE - U256::ONE))
}

fn liquidity() -> impl Strategy<Value = u128> {
    (any::<u128>(), 0..128u32).prop_map(|(l, cut)| l >> cut)
}

/// Token 0 or token 1 between two prices, from the definition.
fn slow_amount(zero: bool, a: U256, b: U256, liquidity: u128, up: bool) -> Slow {
    let (lower, upper) = (slow(a.min(b)), slow(a.max(b)));
    let l = Slow::from(liquidity) << 96;
    match (zero, up) {
        (true, true) => ceil(ceil(l * (upper - lower), upper), lower),
        (true, false) => l * (upper - lower) / upper / lower,
        (false, true) => ceil(l * (upper - lower), Slow::ONE << 192),
        (false, false) => (l * (upper - lower)) >> 192,
    }
}

/// The price after an amount, from the definition, with the contract's 256-bit fork in the road.
fn slow_next(p: U256, liquidity: u128, amount: U256, zero_for_one: bool, is_in: bool) -> Option<Slow> {
    let (l, price, amount) = (Slow::from(liquidity) << 96, slow(p), slow(amount));
    if zero_for_one == is_in {
        if amount.is_zero() {
            return Some(price);
        }
        let product = amount * price;
        let fits = |v: Slow| v.bit_len() <= 256;
        if is_in {
            let direct = fits(product) && fits(l + product);
            return Some(if direct { ceil(l * price, l + product) } else { ceil(l, l / price + amount) });
        }
        let next = (fits(product) && l > product).then(|| ceil(l * price, l - product))?;
        return (next.bit_len() <= 160).then_some(next);
    }
    let l = Slow::from(liquidity);
    if is_in {
        let quotient: Slow = (amount << 96) / l;
        (quotient.bit_len() <= 256 && (price + quotient).bit_len() <= 160).then(|| price + quotient)
    } else {
        let quotient = ceil(amount << 96, l);
        (price > quotient).then(|| price - quotient)
    }
}

/// `computeSwapStep` as the contract words it, on slow integers.
fn slow_step(from: U256, to: U256, l: u128, remaining: U256, is_in: bool, fee: u32) -> Option<SwapStep> {
    let down = from >= to;
    let (share, pips) = (Slow::from(1_000_000 - fee), Slow::from(1_000_000));
    let enough = if is_in {
        slow(remaining) * share / pips >= slow_amount(down, from, to, l, true)
    } else {
        slow(remaining) >= slow_amount(!down, from, to, l, false)
    };
    let next = if enough {
        slow(to)
    } else {
        let moved = if is_in { slow(remaining) * share / pips } else { slow(remaining) };
        slow_next(from, l, back(moved)?, down, is_in)?
    };
    let next = back(next)?;
    let amount_in = slow_amount(down, from, next, l, true);
    let mut amount_out = slow_amount(!down, from, next, l, false);
    if !is_in {
        amount_out = amount_out.min(slow(remaining));
    }
    let fee = if is_in && next != to { slow(remaining) - amount_in } else { ceil(amount_in * Slow::from(fee), share) };
    Some(SwapStep { sqrt_price: next, amount_in: back(amount_in)?, amount_out: back(amount_out)?, fee: back(fee)? })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn mul_div_equals_the_slow_division(a in sized(256), b in sized(256), d in sized(256)) {
        let due = |up: bool| {
            let (a, b, d) = (slow(a), slow(b), slow(d));
            if d.is_zero() { None } else { back(if up { ceil(a * b, d) } else { a * b / d }) }
        };
        prop_assert_eq!(wide::mul_div(a, b, d), due(false));
        prop_assert_eq!(wide::mul_div_up(a, b, d), due(true));
    }

    #[test]
    fn a_product_shifted_by_96_equals_the_slow_shift(a in any::<u128>(), b in sized(160)) {
        let product = Slow::from(a) * slow(b);
        let (quotient, exact) = wide::mul_shift_96(a, b);
        prop_assert_eq!(slow(quotient), product >> 96);
        prop_assert_eq!(exact, (product >> 96) << 96 == product);
    }

    #[test]
    fn a_tick_is_the_highest_whose_price_is_not_above(p in price()) {
        let t = tick::tick_at(p).unwrap();
        prop_assert!(tick::sqrt_price_at(t).unwrap() <= p);
        prop_assert!(tick::sqrt_price_at(t + 1).unwrap() > p);
    }

    #[test]
    fn a_tick_survives_the_way_to_its_price_and_back(t in tick::MIN_TICK..tick::MAX_TICK) {
        let p = tick::sqrt_price_at(t).unwrap();
        prop_assert_eq!(tick::tick_at(p), Some(t));
        if t > tick::MIN_TICK {
            prop_assert_eq!(tick::tick_at(p - U256::ONE), Some(t - 1));
        }
    }

    #[test]
    fn amounts_between_prices_equal_the_slow_ones(a in price(), b in price(), l in liquidity(), up in any::<bool>()) {
        prop_assert_eq!(sqrt_price::amount0(a, b, l, up).map(slow), Some(slow_amount(true, a, b, l, up)));
        prop_assert_eq!(slow(sqrt_price::amount1(a, b, l, up)), slow_amount(false, a, b, l, up));
    }

    #[test]
    fn a_step_equals_the_slow_step(
        from in price(), to in price(), l in 1..u128::MAX, cut in 0..128u32, amount in sized(255),
        is_in in any::<bool>(), fee in 0..1_000_000u32,
    ) {
        let l = (l >> cut).max(1);
        let due = slow_step(from, to, l, amount, is_in, fee);
        prop_assert_eq!(swap_step::compute_swap_step(from, to, l, amount, is_in, fee), due);
        let sum = if is_in {
            swap_step::exact_in(from, to, l, amount, fee)
        } else {
            swap_step::exact_out(from, to, l, amount, fee)
        };
        prop_assert_eq!(sum.map(|s| (s.sqrt_price, s.amount_in, s.amount_out)),
            due.map(|s| (s.sqrt_price, s.amount_in + s.fee, s.amount_out)));
    }

    #[test]
    fn a_short_step_equals_the_slow_step(
        t in -800_000..800_000i32, width in -600..600i32, l in 1..u128::MAX, cut in 0..100u32,
        share in 0..3_000_000u64, is_in in any::<bool>(), fee in 0..20_000u32,
    ) {
        // Amounts near what the stretch holds, so that both ends of the branch are common.
        let (from, to, l) = (tick::sqrt_price_at(t).unwrap(), tick::sqrt_price_at(t + width).unwrap(), (l >> cut).max(1));
        let full = slow_amount((width <= 0) == is_in, from, to, l, true) * Slow::from(share) / Slow::from(1_000_000);
        let amount = back(full).unwrap_or(U256::MAX >> 1);
        prop_assert_eq!(swap_step::compute_swap_step(from, to, l, amount, is_in, fee), slow_step(from, to, l, amount, is_in, fee));
    }
}

#[test]
fn the_lowest_and_highest_ticks_have_the_known_prices() {
    assert_eq!(tick::sqrt_price_at(tick::MIN_TICK), Some(tick::MIN_SQRT_PRICE));
    assert_eq!(tick::sqrt_price_at(tick::MAX_TICK), Some(tick::MAX_SQRT_PRICE));
    assert_eq!(tick::MAX_SQRT_PRICE.to_string(), "1461446703485210103287273052203988822378723970342");
    assert_eq!(tick::sqrt_price_at(tick::MAX_TICK + 1), None);
    assert_eq!(tick::sqrt_price_at(tick::MIN_TICK - 1), None);
    assert_eq!(tick::sqrt_price_at(0), Some(U256::ONE << 96));
}

#[test]
fn prices_outside_the_range_have_no_tick() {
    assert_eq!(tick::tick_at(tick::MIN_SQRT_PRICE - U256::ONE), None);
    assert_eq!(tick::tick_at(tick::MAX_SQRT_PRICE), None);
    assert_eq!(tick::tick_at(tick::MIN_SQRT_PRICE), Some(tick::MIN_TICK));
    assert_eq!(tick::tick_at(tick::MAX_SQRT_PRICE - U256::ONE), Some(tick::MAX_TICK - 1));
}

#[test]
fn every_price_rises_with_its_tick() {
    let mut last = U256::ZERO;
    for t in (tick::MIN_TICK..=tick::MAX_TICK).step_by(97) {
        let next = tick::sqrt_price_at(t).unwrap();
        assert!(next > last, "tick {t}");
        last = next;
    }
}

#[test]
fn without_liquidity_a_step_reaches_its_target_for_nothing() {
    let (from, to) = (U256::ONE << 96, U256::ONE << 90);
    for is_in in [true, false] {
        let step = swap_step::compute_swap_step(from, to, 0, U256::from(5), is_in, 3000).unwrap();
        assert_eq!(step, SwapStep { sqrt_price: to, amount_in: U256::ZERO, amount_out: U256::ZERO, fee: U256::ZERO });
    }
}
