//! The functions that V3 is made of, one by one: price of a tick, tick of a price, one step.

use std::hint::black_box;

use alloy_primitives::I256;
use alloy_primitives::U256;
use peregrine::protocols::math::swap_step;
use peregrine::protocols::math::tick;
use uniswap_v3_math::swap_math;
use uniswap_v3_math::tick_math;

use crate::clock;
use crate::dice::Dice;
use crate::table::Table;

const PEER: &str = "uniswap_v3_math";
const INPUTS: usize = 4_096;

/// One call of `compute_swap_step`.
struct Step {
    from: U256,
    to: U256,
    liquidity: u128,
    left: U256,
    fee: u32,
}

/// Prices a few ticks to a few thousand apart, liquidity of 1e12 to 1e24, amounts that do and do not reach.
fn step(dice: &mut Dice) -> Step {
    let at = dice.between(-300_000.0, 300_000.0) as i32;
    let away = (10f64.powf(dice.between(0.0, 3.5)) * if dice.share() < 0.5 { -1.0 } else { 1.0 }) as i32;
    let price = |tick| tick_math::get_sqrt_ratio_at_tick(tick).expect("in range");
    let liquidity = 10f64.powf(dice.between(12.0, 24.0)) as u128;
    let fee = [100, 500, 3_000, 10_000][(dice.roll() % 4) as usize];
    let (from, to) = (price(at) + U256::from(dice.roll() >> 40), price(at + away));
    let reach = swap_step::input_to_reach(from, to, liquidity, fee).expect("in range");
    let left = U256::from(f64::from(reach) * dice.between(0.01, 2.0)) + U256::ONE;
    Step { from, to, liquidity, left, fee }
}

/// Three rows.
pub fn race(table: &mut Table) {
    let mut dice = Dice(1);
    let ticks: Vec<i32> = (0..INPUTS).map(|_| dice.between(-887_272.0, 887_272.0) as i32).collect();
    let same = ticks.iter().filter(|t| tick::sqrt_price_at(**t) == tick_math::get_sqrt_ratio_at_tick(**t).ok()).count();
    let times = clock::race(
        INPUTS,
        256,
        |i| tick::sqrt_price_at(black_box(ticks[i])),
        |i| tick_math::get_sqrt_ratio_at_tick(black_box(ticks[i])),
    );
    table.row("price of a tick", PEER, times, equal(same));

    let wobble: Vec<U256> = ticks
        .iter()
        .filter_map(|t| tick::sqrt_price_at(*t))
        .map(|price| price + (price >> 14) * U256::from(dice.roll() % 3) / U256::from(7))
        .collect();
    let same = wobble.iter().filter(|p| tick::tick_at(**p) == tick_math::get_tick_at_sqrt_ratio(**p).ok()).count();
    let times = clock::race(
        INPUTS,
        256,
        |i| tick::tick_at(black_box(wobble[i])),
        |i| tick_math::get_tick_at_sqrt_ratio(black_box(wobble[i])),
    );
    table.row("tick of a price", PEER, times, equal(same));

    let steps: Vec<Step> = (0..INPUTS).map(|_| step(&mut dice)).collect();
    let ours = |s: &Step| swap_step::compute_swap_step(s.from, s.to, s.liquidity, s.left, true, s.fee);
    let peer = |s: &Step| swap_math::compute_swap_step(s.from, s.to, s.liquidity, I256::from_raw(s.left), s.fee);
    let agree = |s: &&Step| {
        let ours = ours(s).map(|step| (step.sqrt_price, step.amount_in, step.amount_out, step.fee));
        ours == peer(s).ok()
    };
    let same = steps.iter().filter(agree).count();
    let quote = |s: &Step| swap_step::exact_in(s.from, s.to, s.liquidity, s.left, s.fee);
    let (mine, theirs) = (|i: usize| quote(black_box(&steps[i])), |i: usize| peer(black_box(&steps[i])));
    table.row("one swap step", PEER, clock::race(INPUTS, 256, mine, theirs), equal(same));
}

fn equal(same: usize) -> String {
    format!("{same} of {INPUTS} equal")
}
