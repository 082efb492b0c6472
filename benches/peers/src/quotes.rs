//! Whole quotes: V2, and V3 within a range and across three ticks of the recorded WBTC/WETH pool.

use std::hint::black_box;

use alloy_primitives::I256;
use alloy_primitives::U256;
use degenbot_math::v2::IntHopState;
use degenbot_pools::V3PoolState;
use degenbot_pools::v3_state::v3_simulate_swap;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::amm::Leg;
use peregrine::protocols::uniswap_v3::Pool;
use peregrine::protocols::uniswap_v3::no_limit;

use crate::clock;
use crate::dice::Dice;
use crate::judge;
use crate::table::Table;
use crate::twin;
use crate::twin::Judge;
use crate::twin::Twin;
use crate::twin::Wish;
use crate::v3;

const INPUTS: usize = 1_024;
/// Of the recorded pool.
const SPACING: i32 = 60;

/// All rows.
pub fn race(table: &mut Table) {
    v2(table, "V2 quote, 6 and 18 decimals", [3e9, 1e18], [1e6, 1e10]);
    v2(table, "V2 quote, 18 and 18 decimals", [1e22, 1e18], [1e20, 1e24]);
    let Some(pool) = v3::recorded() else { return };
    for (what, crossings) in [("V3 quote, one range", 0), ("V3 quote, three ticks crossed", 3)] {
        v3_rows(table, what, &pool, crossings);
    }
}

fn v2(table: &mut Table, what: &str, worth: [f64; 2], amounts: [f64; 2]) {
    let twin = Twin::v2(&Wish { tokens: [0, 1], worth, depth: 10_000.0, skew: 1.0 });
    let Judge::V2(theirs) = &twin.judge else { unreachable!("it is one") };
    let mut dice = Dice(2);
    let amount = |dice: &mut Dice| U256::from(10f64.powf(dice.between(amounts[0].log10(), amounts[1].log10())));
    let amounts: Vec<U256> = (0..INPUTS).map(|_| amount(&mut dice)).collect();
    let ours = |amount: U256| twin.ours.quote_in(twin.leg, amount).ok();
    let peer = |state: &IntHopState, amount: U256| state.swap(amount).ok();
    let same = amounts.iter().filter(|amount| ours(**amount) == peer(theirs, **amount)).count();
    let times =
        clock::race(INPUTS, 256, |i| ours(black_box(amounts[i])), |i| peer(black_box(theirs), black_box(amounts[i])));
    table.row(what, "degenbot-math", times, format!("{same} of {INPUTS} equal"));
}

/// Random amounts in both directions that cross exactly that many ticks.
fn amounts(pool: &Pool, crossings: u32) -> Vec<(Leg, U256)> {
    let mut dice = Dice(3);
    let mut found = Vec::new();
    while found.len() < INPUTS {
        let leg = v3::leg(pool, found.len().is_multiple_of(2));
        let most = f64::from(v3::amount_crossing(pool, leg, crossings));
        let amount = U256::from(10f64.powf(dice.between(most.log10() - 2.0, most.log10())));
        let crossed = pool.swap(leg, true, amount, no_limit(leg.zero_for_one())).map(|swap| swap.crossed);
        if crossed == Ok(crossings) {
            found.push((leg, amount));
        }
    }
    found
}

fn v3_rows(table: &mut Table, what: &str, pool: &Pool, crossings: u32) {
    let inputs = amounts(pool, crossings);
    let (math, degenbot) = (twin::judge(pool, SPACING), twin::state(pool, SPACING));
    let ours = |(leg, amount): (Leg, U256)| pool.quote_in(leg, amount).ok();
    let first = |(leg, amount): (Leg, U256)| by_math(&math, leg, amount);
    let second = |(leg, amount): (Leg, U256)| by_degenbot(&degenbot, pool.fee_pips(), leg, amount);
    let equal = |same: usize| format!("{same} of {INPUTS} equal");
    let same = inputs.iter().filter(|input| ours(**input) == first(**input)).count();
    let mine = |i: usize| ours(black_box(inputs[i]));
    let times = clock::race(INPUTS, 128, mine, |i| first(black_box(inputs[i])));
    table.row(what, "uniswap_v3_math", times, equal(same));
    let same = inputs.iter().filter(|input| ours(**input) == second(**input)).count();
    let times = clock::race(INPUTS, 128, mine, |i| second(black_box(inputs[i])));
    table.row(what, "degenbot-pools", times, equal(same));
}

fn by_math(pool: &judge::Pool, leg: Leg, amount: U256) -> Option<U256> {
    pool.swap(leg.zero_for_one(), amount).ok().filter(|filled| filled.taken == amount).map(|filled| filled.paid)
}

fn by_degenbot(state: &V3PoolState, fee: u32, leg: Leg, amount: U256) -> Option<U256> {
    let down = leg.zero_for_one();
    let limit = V3PoolState::default_sqrt_price_limit(down);
    let swap = v3_simulate_swap(state, fee, SPACING, down, I256::from_raw(amount), limit).ok()?;
    (swap.input_consumed == amount).then_some(if down { swap.amount1 } else { swap.amount0 })
}
