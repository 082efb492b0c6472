//! What holds of every pool and every amount.

use crate::amm::Amm;
use crate::amm::Exact;
use crate::math::swap_step::PIPS;
use crate::uniswap_v4::Fees;
use crate::uniswap_v4::Key;
use crate::uniswap_v4::Pool;
use crate::uniswap_v4::tests::{ETHER, MANAGER, apply, first_slot, leg, liquidity_log, terms};
use alloy_primitives::U256;
use proptest::prelude::*;

/// A pool of which everything is known: positions around tick 0, one over another.
fn whole(fee: u32, protocol: [u32; 2], spacing: i32, positions: &[(i32, i32, u128)]) -> Pool {
    let mut pool = Pool::new(MANAGER, Key { fee, tick_spacing: spacing, ..terms() }, ETHER).unwrap();
    let words: Vec<i16> = pool.ticks().grid().positions().collect();
    words.into_iter().for_each(|position| assert!(pool.set_word(position, U256::ZERO)));
    let [zero, one] = protocol;
    let slot0 = first_slot(Fees { lp: fee, protocol: zero | one << 12 });
    pool.apply_slots(MANAGER, &[(pool.home().slot0(), slot0)]).unwrap();
    let id = pool.terms().id();
    for (low, width, liquidity) in positions {
        let ticks = [low * spacing, (low + width) * spacing];
        apply(&mut pool, &liquidity_log(id, ticks, *liquidity as i128)).unwrap();
    }
    pool
}

fn any_pool() -> impl Strategy<Value = Pool> {
    let position = (-60..60i32, 1..80i32, 1..u128::MAX, 30..110u32)
        .prop_map(|(low, width, bits, cut)| (low, width, (bits >> cut).max(1)));
    let spacing = prop::sample::select(vec![10, 60, 200]);
    let fee = prop_oneof![3 => 0..20_000u32, 1 => 0..=PIPS];
    let protocol = [0..=1_000u32, 0..=1_000u32];
    (fee, protocol, spacing, prop::collection::vec(position, 1..8))
        .prop_map(|(fee, protocol, spacing, positions)| whole(fee, protocol, spacing, &positions))
}

fn amount() -> impl Strategy<Value = U256> {
    (1..u128::MAX, 1..127u32).prop_map(|(bits, cut)| U256::from((bits >> cut).max(1)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn more_in_never_pays_less_and_more_out_never_costs_less(
        pool in any_pool(), down in any::<bool>(), a in amount(), b in amount(),
    ) {
        let (less, more) = (a.min(b), a.max(b));
        for quote in [Pool::quote_in, Pool::quote_out] {
            if let (Ok(of_less), Ok(of_more)) = (quote(&pool, leg(down), less), quote(&pool, leg(down), more)) {
                prop_assert!(of_less <= of_more);
            }
            // What is too much stays too much.
            prop_assert!(quote(&pool, leg(down), less).is_ok() || quote(&pool, leg(down), more).is_err());
        }
    }

    #[test]
    fn rounding_favours_the_pool_there_and_back(
        mut after in any_pool(), down in any::<bool>(), amount in amount(), by_input in any::<bool>(),
    ) {
        let exact = if by_input { Exact::In(amount) } else { Exact::Out(amount) };
        let Ok(there) = after.trade(leg(down), exact, None) else { return Ok(()) };
        if let Ok(back) = after.quote_in(leg(!down), there.amount_out) {
            prop_assert!(back <= there.amount_in);
        }
        if let Ok(cost) = after.quote_out(leg(!down), there.amount_in) {
            prop_assert!(cost >= there.amount_out);
        }
    }

    #[test]
    fn an_exact_output_is_paid_by_what_it_asks_for(pool in any_pool(), down in any::<bool>(), amount in amount()) {
        if let Ok(cost) = pool.quote_out(leg(down), amount)
            && let Ok(paid) = pool.quote_in(leg(down), cost)
        {
            prop_assert!(paid >= amount);
        }
    }

    #[test]
    fn two_swaps_one_after_the_other_pay_no_more_than_one(
        pool in any_pool(), down in any::<bool>(), a in amount(), b in amount(),
    ) {
        let mut after = pool.clone();
        let Ok(first) = after.trade(leg(down), Exact::In(a), None) else { return Ok(()) };
        if let (Ok(second), Ok(at_once)) = (after.quote_in(leg(down), b), pool.quote_in(leg(down), a + b)) {
            prop_assert!(first.amount_out + second <= at_once);
        }
    }
}
