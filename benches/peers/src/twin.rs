//! One pool in three tongues: ours, degenbot's, and the judge's.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::Address;
use alloy_primitives::U128;
use alloy_primitives::U256;
use degenbot_math::v2::IntHopState;
use degenbot_pools::TickInfo;
use degenbot_pools::V3PoolState;
use degenbot_pools::v3_state::RegisterV3PoolParams;
use degenbot_solvers::cl;
use degenbot_solvers::mixed::ResolvedHop;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::amm::Leg;
use peregrine::protocols::uniswap_v2;
use peregrine::protocols::uniswap_v3;
use peregrine::protocols::uniswap_v3::Liquidity;
use uniswap_v3_math::tick_math;

use crate::dice::Dice;
use crate::judge;
use crate::judge::Filled;
use crate::v3;

/// 2^96.
const Q96: f64 = 79_228_162_514_264_337_593_543_950_336.0;

/// The judge's side of a pool.
pub enum Judge {
    V2(IntHopState),
    V3 { pool: judge::Pool, down: bool },
}

/// A way through a pool.
pub struct Twin {
    pub ours: AnyPool,
    pub leg: Leg,
    pub theirs: ResolvedHop,
    pub judge: Judge,
}

/// What a pool should be like: tokens by number, units of each that are worth an ether, how much of it, the price's
/// distance from fair.
pub struct Wish {
    pub tokens: [usize; 2],
    pub worth: [f64; 2],
    pub depth: f64,
    pub skew: f64,
}

impl Twin {
    /// What an exact input comes to, by the peers' own integers.
    pub fn fill(&self, amount: U256) -> Option<Filled> {
        match &self.judge {
            Judge::V2(pool) => Some(Filled { taken: amount, paid: pool.swap(amount).ok()? }),
            Judge::V3 { pool, down } => pool.swap(*down, amount).ok(),
        }
    }

    /// A constant product of 0.3 %.
    pub fn v2(wish: &Wish) -> Self {
        let reserves = [wish.depth * wish.worth[0], wish.depth * wish.skew * wish.worth[1]].map(|r| r as u128);
        let (tokens, fee) = (wish.tokens.map(token), uniswap_v2::Fee::new(3, 1000).expect("a fee"));
        let layout = uniswap_v2::Layout::Opaque;
        let ours = uniswap_v2::Pool::new(place(wish.tokens), tokens, [fee; 2], layout, reserves).expect("sound");
        let leg = ours.leg(tokens[0], tokens[1]).expect("its own tokens");
        let state = IntHopState::new(U256::from(reserves[0]), U256::from(reserves[1]), 997, 1000);
        Self { ours: ours.into(), leg, theirs: ResolvedHop::V2 { state: state.clone() }, judge: Judge::V2(state) }
    }

    /// Concentrated liquidity: one position over everything, and `positions` round the price. Either token may be first.
    pub fn v3(dice: &mut Dice, wish: &Wish, fee: u32, spacing: i32, positions: usize) -> Self {
        let down = dice.share() < 0.5;
        let order = |pair: [f64; 2]| if down { pair } else { [pair[1], pair[0]] };
        let [zero, one] = order([wish.depth * wish.worth[0], wish.depth * wish.skew * wish.worth[1]]);
        let [first, second] = if down { wish.tokens } else { [wish.tokens[1], wish.tokens[0]] };
        let sqrt_price = U256::from((one / zero).sqrt() * Q96) + U256::from(dice.roll() >> 16);
        let tick = tick_math::get_tick_at_sqrt_ratio(sqrt_price).expect("in range");
        let whole = (zero * one).sqrt();
        let ends = tick_math::MAX_TICK / spacing * spacing;
        let mut ticks = BTreeMap::new();
        put(&mut ticks, [-ends, ends], (whole * 0.05) as u128 + 1);
        for _ in 0..positions {
            let centre = tick / spacing + (dice.between(-1.0, 1.0) * 20.0) as i32;
            let half = dice.between(1.0, 40.0) as i32;
            let share = whole * dice.between(0.2, 2.0) / positions as f64;
            put(
                &mut ticks,
                [centre - half, centre + half].map(|t| (t * spacing).clamp(-ends, ends)),
                share as u128 + 1,
            );
        }
        // Two positions may end where a third begins and cancel out; the tick stays initialised.
        let net: i128 = ticks.range(..=tick).map(|(_, liquidity)| liquidity.net).sum();
        let mut ours = uniswap_v3::Pool::new(uniswap_v3::Immutables {
            address: place(wish.tokens),
            tokens: [token(first), token(second)],
            fee_pips: fee,
            tick_spacing: spacing,
            flavour: uniswap_v3::Flavour::Uniswap,
        })
        .expect("sane");
        ours.set_price(sqrt_price, tick, net as u128);
        v3::set_ticks(&mut ours, spacing, &ticks);
        Self::of_v3(ours, spacing, down)
    }

    /// A V3 pool of ours, all of whose ticks are known, in the other tongues.
    pub fn of_v3(ours: uniswap_v3::Pool, spacing: i32, down: bool) -> Self {
        let leg = v3::leg(&ours, down);
        let judge = judge(&ours, spacing);
        let seq = state(&ours, spacing).build_int_v3_sequence(spacing, ours.fee_pips(), down).expect("it has ticks");
        let crossings = cl::build_cl_crossing_table(&seq);
        let theirs = ResolvedHop::V3 {
            int_seq: Arc::new(seq),
            word_profiles: Arc::new(cl::build_cl_word_profiles_from_crossings(&crossings)),
            crossing_table: Arc::new(crossings),
        };
        Self { ours: ours.into(), leg, theirs, judge: Judge::V3 { pool: judge, down } }
    }
}

/// The judge's pool.
pub fn judge(ours: &uniswap_v3::Pool, spacing: i32) -> judge::Pool {
    let ticks = ours.ticks().list().iter().map(|tick| (tick.tick, tick.liquidity.expect("known").net));
    judge::Pool::new(ours.sqrt_price_x96(), ours.tick(), ours.liquidity(), ours.fee_pips(), spacing, ticks)
}

/// degenbot's pool.
pub fn state(ours: &uniswap_v3::Pool, spacing: i32) -> V3PoolState {
    let ticks = ours.ticks().list().iter().map(|tick| {
        let Liquidity { gross, net } = tick.liquidity.expect("known");
        (tick.tick, TickInfo { liquidity_gross: U128::from(gross), liquidity_net: net, block: 0 })
    });
    let params = RegisterV3PoolParams {
        address: ours.address(),
        token0: ours.tokens()[0],
        token1: ours.tokens()[1],
        fee: ours.fee_pips(),
        tick_spacing: spacing,
        sqrt_price_x96: ours.sqrt_price_x96(),
        liquidity: ours.liquidity(),
        tick: ours.tick(),
        tick_data: ticks.collect(),
        coverage: degenbot_pools::v3_state::PoolTickCoverage::Tracked,
        ..RegisterV3PoolParams::default()
    };
    V3PoolState::from_params(params, 8).1
}

fn put(ticks: &mut BTreeMap<i32, Liquidity>, [low, high]: [i32; 2], amount: u128) {
    for (tick, net) in [(low, amount as i128), (high, -(amount as i128))] {
        let at = ticks.entry(tick).or_insert(Liquidity { gross: 0, net: 0 });
        at.gross += amount;
        at.net += net;
    }
}

/// A token by number.
fn token(index: usize) -> Address {
    Address::left_padding_from(&(index as u64 + 1).to_be_bytes())
}

fn place([a, b]: [usize; 2]) -> Address {
    Address::left_padding_from(&((a * 10 + b) as u64 + (1 << 40)).to_be_bytes())
}
