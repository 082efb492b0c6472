//! Curve: a pool of the code of its pool of three dollars, and its pool of dollars, bitcoin and ether as the records have it: the
//! devnet has that one's coins at the same addresses. The first is named by its address, the second is announced while the searcher
//! runs.

use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, Bytes, U256, address, uint};
use peregrine::edge::bootstrap::PoolRow;
use peregrine_devnet::Token;
use serde_json::json;

use crate::rig::Rig;
use crate::venues::deployer::{Deployer, transferCall};
use crate::venues::records::{Recorded, put, recorded};
use crate::venues::{DAI, DEPTH, HOPS, Made, USDT, WBTC, WETH, ends, factory, lands, listed};

alloy::sol! {
    event PoolAdded(address indexed pool, bytes rate_method_id);
}

mod stable {
    alloy::sol! {
        function exchange(int128 i, int128 j, uint256 dx, uint256 min_dy) external;
    }
}

mod crypto {
    alloy::sol! {
        function exchange(uint256 i, uint256 j, uint256 dx, uint256 min_dy) external payable;
    }
}

/// The pool of three dollars, and where one of its code lies that has coins of ours in the place of its second and third.
const THREE: Address = address!("0xbEbc44782C7dB0a1A60Cb6fe97d0b483032FF1C7");
const OURS: Address = address!("0x00000000000000000000000000000000c0de3001");
const THREE_BLOCK: &str = "12520364";
/// Where it keeps its coins, what it has of each, and the factor by which it holds on to its peg. That was 2000, at which hardly any
/// swap moves a price.
const COINS: U256 = uint!(0x290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563_U256);
const BALANCES: U256 = uint!(0xb10e2d527612073b26eecdfd717e6a320cf44b4afac2b0732d9fcbe2b7fa0cf6_U256);
const AMPLIFICATION: U256 = U256::from_limbs([7, 0, 0, 0]);
const LOOSE: U256 = U256::from_limbs([10, 0, 0, 0]);
/// Dollars of a swap there.
const THREE_SWAP: u64 = 150_000;

const CRYPTO: Address = address!("0xD51a44d3FaE010294C616388b506AcdA1bfAAE46");
/// Whom it asks: its mathematics, and the token of its shares.
const MATHS: Address = address!("0x8F68f4810CcE3194B6cB6F3d50fa58c2c9bDD1d5");
const SHARES: Address = address!("0xc4AD29ba4B3c580e6D59105FFf484999997675Ff");
const CRYPTO_BLOCK: &str = "13217637";
/// What announces it in the place of the registry, of which no record has the code: logs two topics, then the data.
const ANNOUNCER: Address = address!("0x00000000000000000000000000000000c0de7e91");
const ANNOUNCES: &str = "0x604036038060405f376020355f35825fa200";
/// What it has of each coin.
const CRYPTO_BALANCES: U256 = uint!(0xd833147d7dc355ba459fc788f669e58cfaf9dc25ddcd0702e87d69c7b5124289_U256);
const CRYPTO_SWAP: u64 = 1_000_000;

/// Gives a pool what it says it has.
async fn fund(rig: &Rig, deployer: &mut Deployer, to: Address, holds: [(Token, U256); 3]) {
    for (token, amount) in holds {
        deployer.call(rig, token.address, &transferCall { to, amount }).await;
    }
}

/// A pool of the record's code, fees and rates, with these coins, which must have the decimals of the record's.
async fn three_dollars(rig: &Rig, deployer: &mut Deployer, mut pool: Recorded, coins: [Token; 3]) -> Made {
    for (place, coin) in coins.iter().enumerate() {
        pool.slots.insert(COINS + U256::from(place), coin.address.into_word().into());
        pool.slots.insert(BALANCES + U256::from(place), coin.worth(DEPTH));
    }
    assert_eq!(pool.slots.insert(AMPLIFICATION, LOOSE), Some(U256::from(2_000)));
    put(rig, OURS, &pool).await;
    fund(rig, deployer, OURS, coins.map(|coin| (coin, coin.worth(DEPTH)))).await;
    deployer.approve(rig, &coins, &[OURS]).await;
    deployer.mined(rig).await;
    Made { key: OURS.into(), protocol: "curve_stable" }
}

async fn three_cryptos(rig: &Rig, deployer: &mut Deployer, contracts: [Recorded; 3]) -> Made {
    let coins = [USDT, WBTC, WETH].map(|place| rig.net.tokens[place]);
    let held = [0, 1, 2].map(|place| contracts[0].slots[&(CRYPTO_BALANCES + U256::from(place))]);
    for (at, contract) in [CRYPTO, MATHS, SHARES].iter().zip(&contracts) {
        put(rig, *at, contract).await;
    }
    fund(rig, deployer, CRYPTO, [0, 1, 2].map(|place| (coins[place], held[place]))).await;
    deployer.approve(rig, &coins, &[CRYPTO]).await;
    rig.ask("anvil_setCode", json!([ANNOUNCER, ANNOUNCES])).await;
    let added = PoolAdded { pool: CRYPTO, rate_method_id: Bytes::new() };
    let topics = [PoolAdded::SIGNATURE_HASH, CRYPTO.into_word()].concat();
    let log = [topics, added.encode_data()].concat();
    deployer.raw(rig, PoolAdded::SIGNATURE, (ANNOUNCER, log)).await;
    deployer.mined(rig).await;
    Made { key: CRYPTO.into(), protocol: "curve_crypto" }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_through_curve_s_stable_and_crypto_pools_land_and_earn_what_was_predicted() {
    let Some([three]) = recorded(THREE_BLOCK, [THREE]) else { return };
    let Some(crypto) = recorded(CRYPTO_BLOCK, [CRYPTO, MATHS, SHARES]) else { return };
    let mut rig = Rig::start_calm(425).await;
    let mut deployer = Deployer::of(&rig).await;
    let one = listed(&rig, &mut deployer, ("CONE", 6, 1_000_000)).await;
    let two = listed(&rig, &mut deployer, ("CTWO", 6, 1_000_000)).await;
    let coins = [rig.net.tokens[DAI], one, two];
    let first = three_dollars(&rig, &mut deployer, three, coins).await;
    rig.pools.push(PoolRow::of(OURS));
    rig.factories.push(factory("curve_crypto", ANNOUNCER));
    let searcher = rig.search().await;
    lands(&rig, &searcher, &mut deployer, (first, HOPS), async |rig, deployer, swaps| {
        let [i, j] = if swaps.is_multiple_of(2) { [0_usize, 2] } else { [2, 0] };
        let dx = coins[i].worth(THREE_SWAP);
        let (i, j) = (i as i128, j as i128);
        deployer.call(rig, OURS, &stable::exchangeCall { i, j, dx, min_dy: U256::ZERO }).await;
    })
    .await;
    let (second, weth) = (three_cryptos(&rig, &mut deployer, crypto).await, rig.net.tokens[WETH]);
    lands(&rig, &searcher, &mut deployer, (second, HOPS), async |rig, deployer, _| {
        let (i, j, dx) = (U256::from(2), U256::from(1), weth.worth(CRYPTO_SWAP));
        deployer.call(rig, CRYPTO, &crypto::exchangeCall { i, j, dx, min_dy: U256::ZERO }).await;
    })
    .await;
    ends(rig, searcher).await;
}
