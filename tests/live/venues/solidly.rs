//! Solidly: Aerodrome's published factory, a stable pool that is there at the start, and a volatile one that is made while the
//! searcher runs.

use alloy::sol_types::SolValue;
use alloy_primitives::{Address, Bytes, U256};
use peregrine_devnet::Token;

use crate::rig::Rig;
use crate::venues::deployer::{Deployer, mintCall, transferCall, view};
use crate::venues::{DAI, DEPTH, HOPS, Made, SWAP, WETH, ends, factory, lands, listed};

alloy::sol! {
    function createPool(address tokenA, address tokenB, bool stable) external returns (address pool);
    function getPool(address tokenA, address tokenB, bool stable) external view returns (address);
    function getAmountOut(uint256 amountIn, address tokenIn) external view returns (uint256);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes data) external;
}

/// Dollars of a swap in a stable pool: the usual ones would move no price.
const STABLE_SWAP: u64 = 150_000;

/// A pool, its tokens in its order, and how many dollars a swap is of.
#[derive(Clone, Copy)]
pub struct Pool {
    sides: [Token; 2],
    usd: u64,
    pub made: Made,
}

pub async fn deploy(rig: &Rig, deployer: &mut Deployer) -> Address {
    let implementation = deployer.deploy(rig, ".peregrine/SolidlyPool.json", &[]).await;
    let factory = deployer.deploy(rig, ".peregrine/SolidlyFactory.json", &implementation.abi_encode()).await;
    deployer.mined(rig).await;
    factory
}

/// A pool of these tokens with as many dollars of each.
pub async fn pool(
    rig: &Rig,
    deployer: &mut Deployer,
    factory: Address,
    (mut sides, stable): ([Token; 2], bool),
) -> Pool {
    sides.sort_unstable_by_key(|token| token.address);
    let [token_a, token_b] = sides.map(|token| token.address);
    deployer.make(rig, factory, &createPoolCall { tokenA: token_a, tokenB: token_b, stable }).await;
    deployer.mined(rig).await;
    let pool = view(rig, factory, &getPoolCall { tokenA: token_a, tokenB: token_b, stable }).await;
    for token in sides {
        deployer.call(rig, token.address, &transferCall { to: pool, amount: token.worth(DEPTH) }).await;
    }
    let to = deployer.address();
    deployer.call(rig, pool, &mintCall { to }).await;
    deployer.mined(rig).await;
    let usd = if stable { STABLE_SWAP } else { SWAP };
    Pool { sides, usd, made: Made { key: pool.into(), protocol: "solidly" } }
}

/// Swaps dollars of one of the two into the other. Some of it is left in the pool: others may have traded before.
pub async fn swap(rig: &Rig, deployer: &mut Deployer, pool: &Pool, token_in: usize) {
    let (at, token) = (pool.made.key.contract, pool.sides[token_in]);
    let amount = token.worth(pool.usd);
    let out = view(rig, at, &getAmountOutCall { amountIn: amount, tokenIn: token.address }).await;
    let out = out * U256::from(9) / U256::from(10);
    let [amount0, amount1] = if token_in == 0 { [U256::ZERO, out] } else { [out, U256::ZERO] };
    let to = deployer.address();
    deployer.call(rig, token.address, &transferCall { to: at, amount }).await;
    deployer.call(rig, at, &swapCall { amount0Out: amount0, amount1Out: amount1, to, data: Bytes::new() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_through_stable_and_volatile_pools_of_solidly_land_and_earn_what_was_predicted() {
    let mut rig = Rig::start_calm(422).await;
    let mut deployer = Deployer::of(&rig).await;
    let at = deploy(&rig, &mut deployer).await;
    let one = listed(&rig, &mut deployer, ("SONE", 6, 1_000_000)).await;
    let two = listed(&rig, &mut deployer, ("STWO", 18, 8_000_000)).await;
    let [weth, dai] = [WETH, DAI].map(|place| rig.net.tokens[place]);
    let stable = pool(&rig, &mut deployer, at, ([one, dai], true)).await;
    rig.factories.push(factory("solidly", at));
    let searcher = rig.search().await;
    lands(&rig, &searcher, &mut deployer, (stable.made, HOPS), async |rig, deployer, swaps| {
        swap(rig, deployer, &stable, swaps % 2).await;
    })
    .await;
    let volatile = pool(&rig, &mut deployer, at, ([two, weth], false)).await;
    lands(&rig, &searcher, &mut deployer, (volatile.made, HOPS), async |rig, deployer, swaps| {
        swap(rig, deployer, &volatile, swaps % 2).await;
    })
    .await;
    ends(rig, searcher).await;
}
