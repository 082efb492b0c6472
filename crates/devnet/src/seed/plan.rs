//! Which pools there are: by hand, so that cycles of 2, 3 and 4 hops exist; their depths by dice.
//!
//! # Invariants
//! - Every token has a V2 and a V3 pool with WETH, so from WETH every token is two ways of one hop away.
//! - All open at one set of prices, so that what there is to earn was made by the traffic.

use crate::dice::Dice;

/// Whose pool it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Venue {
    /// Uniswap V2.
    UniswapV2,
    /// Sushi.
    Sushi,
    /// Uniswap V3.
    UniswapV3,
}

/// A pool to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolPlan {
    pub(crate) venue: Venue,
    /// Places in the token list.
    pub(crate) tokens: [usize; 2],
    /// In millionths.
    pub(crate) fee_pips: u32,
    /// Dollars on each side.
    pub(crate) depth_usd: u64,
}

/// What V2 and Sushi charge.
const V2_FEE: u32 = 3_000;
/// Fee of the V3 pool of each token with WETH, by the token's place; WETH's own is not used.
const HUB_FEES: [u32; 14] = [0, 500, 500, 500, 3_000, 3_000, 3_000, 3_000, 10_000, 3_000, 10_000, 3_000, 10_000, 3_000];
/// Tokens that Sushi has with WETH.
const SUSHI: [usize; 9] = [1, 2, 3, 4, 5, 6, 8, 10, 12];
/// Dollars on each side, at the least and at the most, of a pool of two well-known tokens and of any other.
const DEEP: [u64; 2] = [2_000_000, 20_000_000];
const SHALLOW: [u64; 2] = [150_000, 1_500_000];
/// Places below this are the well-known ones.
const KNOWN: usize = 8;

use Venue::Sushi as S;
use Venue::UniswapV2 as V2;
use Venue::UniswapV3 as V3;

/// The rest of the graph: stable coins among each other, several tiers of one pair, and tokens without WETH.
#[rustfmt::skip]
const MORE: [(Venue, usize, usize, u32); 24] = [
    (V3, 0, 1, 100), (V3, 0, 1, 3_000), (V3, 0, 1, 10_000), (V3, 0, 4, 500), (V3, 0, 2, 3_000),
    (V3, 1, 2, 100), (V3, 1, 2, 500), (V3, 1, 3, 100), (V2, 1, 3, V2_FEE), (S, 1, 2, V2_FEE), (S, 2, 3, V2_FEE),
    (V3, 1, 4, 3_000), (V2, 1, 4, V2_FEE), (S, 1, 5, V2_FEE), (V2, 1, 6, V2_FEE), (V3, 1, 7, 3_000),
    (V2, 1, 8, V2_FEE), (V3, 3, 8, 10_000), (V2, 2, 9, V2_FEE), (V2, 8, 9, V2_FEE), (S, 3, 10, V2_FEE),
    (V3, 10, 11, 3_000), (S, 5, 12, V2_FEE), (V3, 11, 13, 3_000),
];

/// The pools of a seed.
pub(super) fn of(dice: &mut Dice) -> Vec<PoolPlan> {
    let hub = 1..HUB_FEES.len();
    let v2 = hub.clone().map(|token| (V2, 0, token, V2_FEE));
    let sushi = SUSHI.into_iter().map(|token| (S, 0, token, V2_FEE));
    let v3 = hub.map(|token| (V3, 0, token, HUB_FEES[token]));
    let all = v2.chain(sushi).chain(v3).chain(MORE);
    let plan = |(venue, a, b, fee_pips): (Venue, usize, usize, u32)| {
        let [low, high] = if a < KNOWN && b < KNOWN { DEEP } else { SHALLOW };
        PoolPlan { venue, tokens: [a, b], fee_pips, depth_usd: dice.magnitude(low, high) }
    };
    all.map(plan).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_pool_is_planned_twice_and_a_seed_says_it_all() {
        let pools = of(&mut Dice::new(7, 1));
        let distinct: HashSet<_> = pools.iter().map(|p| (p.venue, p.tokens, p.fee_pips)).collect();
        assert!(distinct.len() == pools.len() && pools.len() >= 40, "{} of {}", distinct.len(), pools.len());
        let depths = |seed| -> Vec<u64> { of(&mut Dice::new(seed, 1)).iter().map(|p| p.depth_usd).collect() };
        assert_eq!(depths(7), depths(7));
        assert_ne!(depths(7), depths(8));
    }
}
