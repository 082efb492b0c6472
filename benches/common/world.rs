//! A multigraph of four tokens with exactly as many cycles through one pool as is asked for, among pools that are on none.
#![allow(dead_code, reason = "each bench uses its own part")]

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::b256;
use peregrine::hot::state::pools::Pools;
use peregrine::protocols::AnyPool;
use peregrine::protocols::uniswap_v2::Fee;
use peregrine::protocols::uniswap_v2::Layout;
use peregrine::protocols::uniswap_v2::Pool;
use peregrine::types::id::PoolId;

use super::dice;

/// `Sync(uint112,uint112)`.
pub const SYNC: B256 = b256!("0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1");

/// Pools between the tokens W, X, Y, Z; the moved one joins W and X.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Directed cycles of 2 to 4 hops through the moved pool.
    pub cycles: u64,
    /// Others between W and X.
    pub parallel: usize,
    /// Between W and Y, Y and X, W and Z, Z and X, each.
    pub sides: usize,
    /// Between Y and Z.
    pub bridges: usize,
}

/// Undirected cycles through the moved pool: `parallel` of two hops, `2 sides²` of three, `2 sides² bridges` of four.
pub const SHAPES: [Shape; 3] = [
    Shape { cycles: 100, parallel: 14, sides: 3, bridges: 1 },
    Shape { cycles: 1_000, parallel: 10, sides: 7, bridges: 4 },
    Shape { cycles: 10_000, parallel: 50, sides: 15, bridges: 10 },
];

/// A hub pool.
pub const HUB: Shape = Shape { cycles: 100_000, parallel: 28, sides: 31, bridges: 25 };

/// Pools that are on none of the cycles: their ids and rates lie in between.
pub const BALLAST: usize = 3_000;

/// A token by number.
pub fn token(index: usize) -> Address {
    Address::left_padding_from(&(index as u64 + 1).to_be_bytes())
}

/// A pool near the fair price: 18 decimals and equal worth on both sides.
fn pool(dice: &mut dice::Dice, index: usize, [a, b]: [usize; 2]) -> AnyPool {
    let depth = 10f64.powf(dice.between(1.5, 3.5)) * 1e18;
    let reserves = [depth, depth * dice.between(0.9985, 1.0015)].map(|r| r as u128);
    let fee = Fee::new(3, 1000).expect("a fee");
    let place = Address::left_padding_from(&(index as u64 + (1 << 40)).to_be_bytes());
    Pool::new(place, [token(a), token(b)], [fee; 2], Layout::Opaque, reserves).expect("sound").into()
}

/// The table and the pool to move, with [`BALLAST`] pools besides.
pub fn world(shape: &Shape) -> (Pools<AnyPool>, PoolId) {
    among(shape, BALLAST)
}

/// The table and the pool to move, with so many pools besides that are on no cycle.
pub fn among(shape: &Shape, ballast: usize) -> (Pools<AnyPool>, PoolId) {
    let [w, x, y, z] = [0, 1, 2, 3];
    let mut pairs = vec![[w, x]; shape.parallel];
    for pair in [[w, y], [y, x], [w, z], [z, x]] {
        pairs.extend(vec![pair; shape.sides]);
    }
    pairs.extend(vec![[y, z]; shape.bridges]);
    pairs.extend((0..ballast).map(|i| [4 + 2 * i, 5 + 2 * i]));
    let mut dice = dice::Dice(shape.cycles);
    dice.shuffle(&mut pairs);
    let mut pools = Pools::default();
    let moved = pools.add(pool(&mut dice, 0, [w, x])).expect("new");
    for (index, pair) in pairs.into_iter().enumerate() {
        pools.add(pool(&mut dice, index + 1, pair)).expect("new");
    }
    (pools, moved)
}

/// The Sync log after a sale of W for X that leaves the price higher by `move_by`.
pub fn sync(pools: &Pools<AnyPool>, moved: PoolId, move_by: f64) -> [u8; 64] {
    let AnyPool::UniswapV2(pool) = pools.pool(moved) else { unreachable!("all pools are V2") };
    let root = (1.0 + move_by).sqrt();
    let [a, b] = pool.state().map(|reserve| reserve as f64);
    let mut data = [0; 64];
    data[16..32].copy_from_slice(&((a * root) as u128).to_be_bytes());
    data[48..].copy_from_slice(&((b / root) as u128).to_be_bytes());
    data
}
