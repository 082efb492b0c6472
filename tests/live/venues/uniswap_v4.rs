//! Uniswap V4: the published manager, a pool of two tokens that is there at the start, and one of ether that is made while the
//! searcher runs.

use alloy::sol_types::SolValue;
use alloy_primitives::aliases::{I24, U24};
use alloy_primitives::{Address, Bytes, I256, U256};
use peregrine::protocols::uniswap_v3::no_limit;
use peregrine::protocols::uniswap_v4::Key;
use peregrine::types::pool_key::PoolKey;
use peregrine_devnet::Token;

use crate::rig::Rig;
use crate::venues::deployer::Deployer;
use crate::venues::{DAI, DEPTH, HOPS, Made, SWAP, WETH, ends, factory, lands, listed, sqrt_price};

alloy::sol! {
    struct Terms { address currency0; address currency1; uint24 fee; int24 tickSpacing; address hooks; }
    struct SwapParams { bool zeroForOne; int256 amountSpecified; uint160 sqrtPriceLimitX96; }
    struct TestSettings { bool takeClaims; bool settleUsingBurn; }
    struct ModifyLiquidityParams { int24 tickLower; int24 tickUpper; int256 liquidityDelta; bytes32 salt; }

    function initialize(Terms key, uint160 sqrtPriceX96) external returns (int24 tick);
    function swap(Terms key, SwapParams params, TestSettings settings, bytes hookData) external payable returns (int256 delta);
    function modifyLiquidity(Terms key, ModifyLiquidityParams params, bytes hookData) external payable returns (int256 delta);
}

const FEE: u32 = 3_000;
const SPACING: i32 = 60;
/// The widest ticks of that spacing.
const WIDEST: i32 = 887_220;

/// The manager, and the routers that its own tests use.
pub struct Manager {
    pub at: Address,
    swapper: Address,
    provider: Address,
}

/// A pool, and what it has of either token.
#[derive(Clone, Copy)]
pub struct Pool {
    terms: Key,
    sides: [Token; 2],
    pub made: Made,
}

impl Manager {
    pub async fn deploy(rig: &Rig, deployer: &mut Deployer) -> Self {
        let published = |name: &str| format!("@uniswap/v4-core/out/{name}.sol/{name}.json");
        let owner = deployer.address().abi_encode();
        let at = deployer.deploy(rig, &published("PoolManager"), &owner).await;
        let swapper = deployer.deploy(rig, &published("PoolSwapTest"), &at.abi_encode()).await;
        let provider = deployer.deploy(rig, &published("PoolModifyLiquidityTest"), &at.abi_encode()).await;
        deployer.mined(rig).await;
        Self { at, swapper, provider }
    }

    /// A pool of these tokens over all prices. Of a pool of ether the first is what stands for it.
    pub async fn pool(&self, rig: &Rig, deployer: &mut Deployer, (mut sides, ether): ([Token; 2], bool)) -> Pool {
        if !ether {
            sides.sort_unstable_by_key(|token| token.address);
        }
        let mut currencies = sides.map(|token| token.address);
        if ether {
            currencies[0] = Address::ZERO;
        }
        let terms = Key { currencies, fee: FEE, tick_spacing: SPACING, hooks: Address::ZERO };
        let [zero, one] = sides.map(|token| token.worth(DEPTH));
        deployer.call(rig, self.at, &initializeCall { key: abi(&terms), sqrtPriceX96: sqrt_price(sides) }).await;
        let params = ModifyLiquidityParams {
            tickLower: I24::unchecked_from(-WIDEST),
            tickUpper: I24::unchecked_from(WIDEST),
            liquidityDelta: I256::from_raw((zero * one).root(2)),
            salt: Default::default(),
        };
        deployer.approve(rig, &sides, &[self.provider, self.swapper]).await;
        let call = modifyLiquidityCall { key: abi(&terms), params, hookData: Bytes::default() };
        // The router gives back what the pool does not take.
        let value = if ether { zero * U256::from(2) } else { U256::ZERO };
        deployer.pay(rig, self.provider, &call, value).await;
        deployer.mined(rig).await;
        let key = PoolKey { contract: self.at, id: Some(terms.id()) };
        Pool { terms, sides, made: Made { key, protocol: "uniswap_v4" } }
    }

    /// Swaps so many dollars of one of the two into the other.
    pub async fn swap(&self, rig: &Rig, deployer: &mut Deployer, pool: &Pool, token_in: usize) {
        let amount = pool.sides[token_in].worth(SWAP);
        let down = token_in == 0;
        let params = SwapParams {
            zeroForOne: down,
            amountSpecified: -I256::from_raw(amount),
            sqrtPriceLimitX96: no_limit(down).to(),
        };
        let settings = TestSettings { takeClaims: false, settleUsingBurn: false };
        let call = swapCall { key: abi(&pool.terms), params, settings, hookData: Bytes::default() };
        let value = if down && pool.terms.currencies[0].is_zero() { amount } else { U256::ZERO };
        deployer.pay(rig, self.swapper, &call, value).await;
    }
}

fn abi(key: &Key) -> Terms {
    let [currency0, currency1] = key.currencies;
    let (fee, spacing) = (U24::from(key.fee), I24::unchecked_from(key.tick_spacing));
    Terms { currency0, currency1, fee, tickSpacing: spacing, hooks: key.hooks }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_through_a_manager_s_pools_of_tokens_and_of_ether_land_and_earn_what_was_predicted() {
    let mut rig = Rig::start_calm(421).await;
    let mut deployer = Deployer::of(&rig).await;
    let manager = Manager::deploy(&rig, &mut deployer).await;
    let one = listed(&rig, &mut deployer, ("FONE", 18, 5_000_000)).await;
    let two = listed(&rig, &mut deployer, ("FTWO", 6, 40_000_000)).await;
    let [weth, dai] = [WETH, DAI].map(|place| rig.net.tokens[place]);
    let first = manager.pool(&rig, &mut deployer, ([one, dai], false)).await;
    rig.factories.push(factory("uniswap_v4", manager.at));
    let searcher = rig.search().await;
    lands(&rig, &searcher, &mut deployer, (first.made, HOPS), async |rig, deployer, swaps| {
        manager.swap(rig, deployer, &first, swaps % 2).await;
    })
    .await;
    let second = manager.pool(&rig, &mut deployer, ([weth, two], true)).await;
    lands(&rig, &searcher, &mut deployer, (second.made, HOPS), async |rig, deployer, swaps| {
        manager.swap(rig, deployer, &second, swaps % 2).await;
    })
    .await;
    ends(rig, searcher).await;
}
