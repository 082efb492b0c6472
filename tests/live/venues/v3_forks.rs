//! Forks of Uniswap V3: PancakeSwap's published factory and pools, of which one is there at the start, and Slipstream's, of which
//! one is made while the searcher runs. Their rows name no fork: which it is shows in what a pool answers.

use alloy::sol_types::SolValue;
use alloy_primitives::aliases::{I24, U24};
use alloy_primitives::{Address, Bytes, I256, address, hex, keccak256};
use peregrine::protocols::math::tick;
use peregrine::protocols::uniswap_v3::no_limit;
use peregrine_devnet::{Token, creation_code};
use serde_json::json;

use crate::rig::Rig;
use crate::v3_code;
use crate::venues::deployer::{Deployer, transferCall, view};
use crate::venues::{DAI, DEPTH, HOPS, Made, SWAP, WETH, ends, factory, lands, listed, sqrt_price};

alloy::sol! {
    function createPool(address a, address b, uint24 fee) external returns (address pool);
    function getPool(address a, address b, uint24 fee) external view returns (address pool);
    function initialize(uint160 sqrtPriceX96) external;
    function mint(address recipient, int24 lower, int24 upper, uint128 amount, bytes data) external returns (uint256, uint256);
    function swap(address recipient, bool zeroForOne, int256 amount, uint160 limit, bytes data) external returns (int256, int256);
}

mod by_spacing {
    alloy::sol! {
        function createPool(address a, address b, int24 spacing, uint160 sqrtPriceX96) external returns (address pool);
    }
}

const PANCAKE: &str = "@pancakeswap/v3-core/artifacts/contracts";
/// Where Pancake's deployer lies, of which npm has no bytecode: ours does what its interface says.
const PANCAKE_DEPLOYER: Address = address!("0x000000000000000000000000000000000000ca4e");
/// Millionths, and the spacing that goes with them.
const PANCAKE_FEE: u32 = 2_500;
const PANCAKE_SPACING: i32 = 50;
const SLIPSTREAM_SPACING: i32 = 200;
/// Creation code of what answers every call with zero: a voter without a registry, a factory of before that made no pool.
const NOTHING: [u8; 19] = hex!("6960006000526020" "6000f3" "600052600a6016f3");

/// A pool, its tokens in its order, and who calls it and pays.
#[derive(Clone, Copy)]
pub struct Pool {
    sides: [Token; 2],
    caller: Address,
    pub made: Made,
}

/// Pancake's factory, with the deployer it asks.
pub async fn pancake(rig: &Rig, deployer: &mut Deployer) -> Address {
    let creation = creation_code(&format!("{PANCAKE}/PancakeV3Pool.sol/PancakeV3Pool.json")).unwrap();
    let code = Bytes::from(v3_code::storing_deployer_code(&creation));
    rig.ask("anvil_setCode", json!([PANCAKE_DEPLOYER, code])).await;
    let artifact = format!("{PANCAKE}/PancakeV3Factory.sol/PancakeV3Factory.json");
    let factory = deployer.deploy(rig, &artifact, &PANCAKE_DEPLOYER.abi_encode()).await;
    deployer.mined(rig).await;
    factory
}

/// Slipstream's factory.
pub async fn slipstream(rig: &Rig, deployer: &mut Deployer) -> Address {
    let nothing = deployer.create(rig, "nothing", NOTHING.to_vec()).await;
    let implementation = deployer.deploy(rig, ".peregrine/CLPool.json", &[]).await;
    let arguments = (nothing, nothing, implementation).abi_encode_params();
    let factory = deployer.deploy(rig, ".peregrine/CLFactory.json", &arguments).await;
    deployer.mined(rig).await;
    factory
}

/// A pool of Pancake's.
pub async fn pancake_pool(rig: &Rig, deployer: &mut Deployer, factory: Address, mut sides: [Token; 2]) -> Pool {
    sides.sort_unstable_by_key(|token| token.address);
    let ([a, b], fee) = (sides.map(|token| token.address), U24::from(PANCAKE_FEE));
    deployer.make(rig, factory, &createPoolCall { a, b, fee }).await;
    deployer.mined(rig).await;
    let pool = view(rig, factory, &getPoolCall { a, b, fee }).await;
    deployer.call(rig, pool, &initializeCall { sqrtPriceX96: sqrt_price(sides) }).await;
    filled(rig, deployer, (sides, pool), PANCAKE_SPACING).await
}

/// A pool of Slipstream's.
pub async fn slipstream_pool(rig: &Rig, deployer: &mut Deployer, factory: Address, mut sides: [Token; 2]) -> Pool {
    sides.sort_unstable_by_key(|token| token.address);
    let ([a, b], spacing) = (sides.map(|token| token.address), I24::unchecked_from(SLIPSTREAM_SPACING));
    let call = by_spacing::createPoolCall { a, b, spacing, sqrtPriceX96: sqrt_price(sides) };
    // It has a price from its birth on, and is filled in the same block: a node may answer for a block out of the one it makes
    // meanwhile, which takes a pool that is just being read out for a while.
    let pool = view(rig, factory, &call).await;
    deployer.make(rig, factory, &call).await;
    filled(rig, deployer, (sides, pool), SLIPSTREAM_SPACING).await
}

/// Its liquidity lies over all prices.
async fn filled(rig: &Rig, deployer: &mut Deployer, (sides, pool): ([Token; 2], Address), spacing: i32) -> Pool {
    // Each pool has a caller of its own, at an address that follows from its.
    let caller = Address::from_slice(&keccak256(pool)[12..]);
    let code = v3_code::caller_code(deployer.address(), sides.map(|token| token.address));
    rig.ask("anvil_setCode", json!([caller, Bytes::from(code)])).await;
    for token in sides {
        // For the liquidity, and for many swaps.
        deployer.call(rig, token.address, &transferCall { to: caller, amount: token.worth(4 * DEPTH) }).await;
    }
    let widest = tick::MAX_TICK / spacing * spacing;
    let [zero, one] = sides.map(|token| token.worth(DEPTH));
    let call = mintCall {
        recipient: caller,
        lower: I24::unchecked_from(-widest),
        upper: I24::unchecked_from(widest),
        amount: (zero * one).root(2).to::<u128>(),
        data: Bytes::new(),
    };
    deployer.through(rig, caller, pool, &call).await;
    deployer.mined(rig).await;
    Pool { sides, caller, made: Made { key: pool.into(), protocol: "uniswap_v3" } }
}

/// Swaps so many dollars of one of the two into the other.
pub async fn swap(rig: &Rig, deployer: &mut Deployer, pool: &Pool, token_in: usize) {
    let down = token_in == 0;
    let call = swapCall {
        recipient: pool.caller,
        zeroForOne: down,
        amount: I256::from_raw(pool.sides[token_in].worth(SWAP)),
        limit: no_limit(down).to(),
        data: Bytes::new(),
    };
    deployer.through(rig, pool.caller, pool.made.key.contract, &call).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_through_pools_of_pancake_and_of_slipstream_land_and_earn_what_was_predicted() {
    let mut rig = Rig::start_calm(424).await;
    let mut deployer = Deployer::of(&rig).await;
    let (cakes, slips) = (pancake(&rig, &mut deployer).await, slipstream(&rig, &mut deployer).await);
    let one = listed(&rig, &mut deployer, ("CAKE", 18, 70_000_000)).await;
    let two = listed(&rig, &mut deployer, ("SLIP", 8, 2_000_000)).await;
    let [weth, dai] = [WETH, DAI].map(|place| rig.net.tokens[place]);
    let first = pancake_pool(&rig, &mut deployer, cakes, [one, weth]).await;
    rig.factories.extend([cakes, slips].map(|at| factory("uniswap_v3", at)));
    let searcher = rig.search().await;
    lands(&rig, &searcher, &mut deployer, (first.made, HOPS), async |rig, deployer, swaps| {
        swap(rig, deployer, &first, swaps % 2).await;
    })
    .await;
    let second = slipstream_pool(&rig, &mut deployer, slips, [two, dai]).await;
    lands(&rig, &searcher, &mut deployer, (second.made, HOPS), async |rig, deployer, swaps| {
        swap(rig, deployer, &second, swaps % 2).await;
    })
    .await;
    ends(rig, searcher).await;
}
