//! A V3 pool for `uniswap_v3_math`: its functions in the contract's loop, as its users write it (amms-rs). Also the judge
//! of sizings, since none of it is ours.

use std::collections::HashMap;

use alloy_primitives::I256;
use alloy_primitives::U256;
use uniswap_v3_math::error::UniswapV3MathError;
use uniswap_v3_math::liquidity_math::add_delta;
use uniswap_v3_math::swap_math::compute_swap_step;
use uniswap_v3_math::tick_bitmap::flip_tick;
use uniswap_v3_math::tick_bitmap::next_initialized_tick_within_one_word;
use uniswap_v3_math::tick_math::MAX_SQRT_RATIO;
use uniswap_v3_math::tick_math::MAX_TICK;
use uniswap_v3_math::tick_math::MIN_SQRT_RATIO;
use uniswap_v3_math::tick_math::MIN_TICK;
use uniswap_v3_math::tick_math::get_sqrt_ratio_at_tick;
use uniswap_v3_math::tick_math::get_tick_at_sqrt_ratio;

/// A pool's state.
pub struct Pool {
    pub sqrt_price: U256,
    pub tick: i32,
    pub liquidity: u128,
    pub fee: u32,
    pub spacing: i32,
    bitmap: HashMap<i16, U256>,
    nets: HashMap<i32, i128>,
}

/// What an exact input came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Input taken.
    pub taken: U256,
    /// Output paid.
    pub paid: U256,
}

impl Pool {
    /// A pool with these initialised ticks: tick and net liquidity.
    pub fn new(
        sqrt_price: U256,
        tick: i32,
        liquidity: u128,
        fee: u32,
        spacing: i32,
        ticks: impl Iterator<Item = (i32, i128)>,
    ) -> Self {
        let nets: HashMap<_, _> = ticks.collect();
        let mut bitmap = HashMap::new();
        for tick in nets.keys() {
            flip_tick(&mut bitmap, *tick, spacing).expect("ticks lie on the spacing");
        }
        Self { sqrt_price, tick, liquidity, fee, spacing, bitmap, nets }
    }

    /// The contract's `swap` for an exact input, without a limit. The tick is kept as far as the next step needs it.
    pub fn swap(&self, down: bool, amount: U256) -> Result<Filled, UniswapV3MathError> {
        let limit = if down { MIN_SQRT_RATIO + U256::ONE } else { MAX_SQRT_RATIO - U256::ONE };
        let (mut price, mut tick, mut liquidity) = (self.sqrt_price, self.tick, self.liquidity);
        let (mut left, mut paid) = (I256::from_raw(amount), U256::ZERO);
        while !left.is_zero() && price != limit {
            let (next, initialised) = next_initialized_tick_within_one_word(&self.bitmap, tick, self.spacing, down)?;
            let next = next.clamp(MIN_TICK, MAX_TICK);
            let stop = get_sqrt_ratio_at_tick(next)?;
            let target = if down { stop.max(limit) } else { stop.min(limit) };
            let before = price;
            let (after, taken, out, fee) = compute_swap_step(price, target, liquidity, left, self.fee)?;
            price = after;
            left -= I256::from_raw(taken + fee);
            paid += out;
            if left.is_zero() {
                break;
            }
            if price == stop {
                if initialised {
                    let net = self.nets[&next];
                    liquidity = add_delta(liquidity, if down { -net } else { net })?;
                }
                tick = if down { next - 1 } else { next };
            } else if price != before {
                tick = get_tick_at_sqrt_ratio(price)?;
            }
        }
        Ok(Filled { taken: amount - left.into_raw(), paid })
    }
}
