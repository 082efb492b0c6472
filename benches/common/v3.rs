//! The recorded V3 pool with all of its ticks: WBTC/WETH 0.3 % at block 24407242.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::Address;
use alloy_primitives::U256;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::amm::Leg;
use peregrine::protocols::uniswap_v3::Flavour;
use peregrine::protocols::uniswap_v3::Immutables;
use peregrine::protocols::uniswap_v3::Liquidity;
use peregrine::protocols::uniswap_v3::Pool;
use peregrine::protocols::uniswap_v3::no_limit;
use serde_json::Value;

/// `None`, said loudly, when it is not there.
pub fn recorded() -> Option<Pool> {
    let path = super::inputs::quotes("uniswap_v3-wbtc_weth.json")?;
    let case: Value = serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("json");
    let (state, tokens) = (&case["state"], &case["tokens"]);
    let address = |value: &Value| -> Address { text(value).parse().expect("address") };
    let spacing = whole(&state["tick_spacing"]);
    let mut pool = Pool::new(Immutables {
        address: address(&case["pool"]),
        tokens: [address(&tokens[0]["address"]), address(&tokens[1]["address"])],
        fee_pips: text(&state["fee"]).parse().expect("fee"),
        tick_spacing: spacing,
        flavour: Flavour::Uniswap,
    })
    .expect("sane");
    let price: U256 = text(&state["sqrt_price_x96"]).parse().expect("price");
    pool.set_price(price, whole(&state["tick"]), text(&state["liquidity"]).parse().expect("liquidity"));
    let ticks = state["ticks"].as_array().expect("ticks").iter().map(|tick| {
        let liquidity = |key: &str| text(&tick[key]).to_owned();
        let gross = liquidity("liquidity_gross").parse().expect("gross");
        let net = liquidity("liquidity_net").parse().expect("net");
        (whole(&tick["tick"]), Liquidity { gross, net })
    });
    set_ticks(&mut pool, spacing, &ticks.collect());
    Some(pool)
}

/// Tells a pool all of its ticks: every word is known, and those not listed are empty.
pub fn set_ticks(pool: &mut Pool, spacing: i32, ticks: &BTreeMap<i32, Liquidity>) {
    let grid = Arc::clone(pool.ticks().grid());
    let mut words: BTreeMap<i16, U256> = grid.positions().map(|position| (position, U256::ZERO)).collect();
    for tick in ticks.keys() {
        let compressed = tick.div_euclid(spacing);
        words.get_mut(&((compressed >> 8) as i16)).expect("in range").set_bit((compressed & 255) as usize, true);
    }
    for (position, bits) in words {
        pool.set_word(position, bits);
    }
    for (tick, liquidity) in ticks {
        assert!(pool.set_tick(*tick, *liquidity), "tick {tick} is listed");
    }
}

/// The first leg's largest power-of-two-like input (grown by an eighth at a time) that crosses exactly `crossings` ticks.
pub fn amount_crossing(pool: &Pool, leg: Leg, crossings: u32) -> U256 {
    let crossed = |amount: U256| pool.swap(leg, true, amount, no_limit(leg.zero_for_one())).map(|swap| swap.crossed);
    let mut amount = U256::from(100_000u64);
    let mut found = None;
    while let Ok(count) = crossed(amount) {
        if count > crossings {
            break;
        }
        if count == crossings {
            found = Some(amount);
        }
        amount += amount >> 3;
    }
    found.expect("an amount crosses that many ticks")
}

/// The leg from the first token to the second, or back.
pub fn leg(pool: &Pool, zero_for_one: bool) -> Leg {
    let [zero, one] = [pool.tokens()[0], pool.tokens()[1]];
    if zero_for_one { pool.leg(zero, one) } else { pool.leg(one, zero) }.expect("its own tokens")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn whole(value: &Value) -> i32 {
    value.as_i64().and_then(|n| i32::try_from(n).ok()).expect("a small integer")
}
