//! Pools that are made while the searcher runs.

use alloy::consensus::TxEip1559;
use alloy::sol_types::{SolCall, SolEvent, SolValue};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, hex, keccak256};
use peregrine::edge::bootstrap::Factory;
use peregrine::live::Searcher;
use peregrine::protocols::amm::Amm;
use peregrine_devnet::{Call, Venue, Wallet};
use serde_json::{Value, json};

use crate::reorg;
use crate::rig::{Rig, landed_through};
use crate::truth;

alloy::sol! {
    function transfer(address to, uint256 amount) external;
    function mint(address to) external;
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 at);
    function swap(uint256 out0, uint256 out1, address to, bytes data) external;
    function createPair(address a, address b) external returns (address);
    function createPool(address a, address b, uint24 fee) external returns (address);
    event PairCreated(address indexed token0, address indexed token1, address pair, uint256 count);
}

/// Swaps that a new pool must live through.
const SWAPS: usize = 6;
/// Dollars on each side of a new pool, and of one swap.
const DEPTH: u64 = 600_000;
const SWAP: u64 = 15_000;
/// WETH, and a token that neither Sushi has with it nor V3 at this fee.
const TOKENS: [usize; 2] = [0, 7];
const V3_FEE: u32 = 500;

/// Somebody who makes transactions, one after the other.
pub struct Hand {
    wallet: Wallet,
    nonce: u64,
}

impl Hand {
    pub async fn of(rig: &Rig, wallet: Wallet) -> Self {
        let nonce = rig.ask("eth_getTransactionCount", json!([wallet.address(), "latest"])).await;
        Self { wallet, nonce: serde_json::from_value::<U256>(nonce).unwrap().to() }
    }

    /// At the builder's door, all of them; dearer than the traffic, so that they are in the next block.
    pub async fn send(&mut self, rig: &Rig, calls: &[Call]) {
        for call in calls {
            let signed = self.wallet.sign(TxEip1559 {
                chain_id: 1,
                nonce: self.nonce,
                gas_limit: 6_000_000,
                max_fee_per_gas: 1_000_000_000_000,
                max_priority_fee_per_gas: 50_000_000_000,
                to: TxKind::Call(call.to),
                input: call.data.clone(),
                ..TxEip1559::default()
            });
            self.nonce += 1;
            rig.tell("eth_sendRawTransaction", json!([signed.raw])).await;
        }
    }
}

/// A pool that was made.
struct Newborn {
    /// Its maker, who trades there.
    hand: Hand,
    pool: Address,
    /// Logs alone tell its state.
    log_fed: bool,
}

/// A pool that was made lives through its swaps, is searched and earns.
async fn lives(rig: Rig, searcher: Searcher, newborn: Newborn, swap: impl AsyncFn(&Rig) -> Vec<Call>) {
    let Newborn { mut hand, pool, log_fed } = newborn;
    rig.held(&searcher, pool.into()).await;
    for seen in searcher.look().await {
        let (held, _) = seen.pools.iter().find(|(held, _)| held.address() == pool).unwrap();
        assert_eq!(held.log_fed(), log_fed);
    }
    for _ in 0..SWAPS {
        let calls = swap(&rig).await;
        hand.send(&rig, &calls).await;
        rig.block_with_ours(&searcher).await;
    }
    let mut blocks = 0;
    while landed_through(&searcher, pool.into()).is_empty() {
        assert!(blocks < 40, "nothing earned through {pool}: {:?}", searcher.status());
        rig.block_with_ours(&searcher).await;
        blocks += 1;
    }
    let seen = truth::whole(&rig, &searcher).await;
    assert!(seen.iter().all(|seen| seen.pools.iter().any(|(held, _)| held.address() == pool)));
    println!("{} bundles landed through {pool}", landed_through(&searcher, pool.into()).len());
    let status = rig.close(searcher).await;
    assert_eq!(status.counters["peregrine_pools_quarantined_total"], 0);
    assert_eq!(status.counters["peregrine_reloads_total"], 0);
    assert_eq!(status.counters["peregrine_pools_reseeded_total"], 1, "it is read once");
}

async fn made_by_router(seed: u64, kind: (Venue, u32)) {
    let rig = Rig::start(seed).await;
    let searcher = rig.search().await;
    rig.blocks(&searcher, 1).await;
    let mut hand = Hand::of(&rig, rig.net.maker().unwrap()).await;
    hand.send(&rig, &rig.net.opening(kind, TOKENS, DEPTH).unwrap()).await;
    rig.block(0).await;
    let pool = rig.net.opened(kind, TOKENS, DEPTH).await.unwrap();
    let newborn = Newborn { hand, pool: pool.address, log_fed: false };
    lives(rig, searcher, newborn, async |rig: &Rig| vec![rig.net.sale(&pool, TOKENS[1], SWAP).unwrap()]).await;
}

/// A pool that is made without anything in it, before the searcher starts or while it runs, and gets its liquidity blocks later.
async fn funded_later(seed: u64, kind: (Venue, u32), before_the_start: bool) {
    let rig = Rig::start(seed).await;
    let mut hand = Hand::of(&rig, rig.net.maker().unwrap()).await;
    let ([a, b], contracts) = (TOKENS.map(|token| rig.net.tokens[token].address), &rig.net.contracts);
    let empty = match kind.0 {
        Venue::UniswapV3 => {
            let fee = kind.1.try_into().unwrap();
            Call { to: contracts.v3_factory, data: createPoolCall { a, b, fee }.abi_encode().into() }
        }
        _ => Call { to: contracts.sushi_factory, data: createPairCall { a, b }.abi_encode().into() },
    };
    if before_the_start {
        hand.send(&rig, std::slice::from_ref(&empty)).await;
        rig.block(0).await;
    }
    let searcher = rig.search().await;
    if !before_the_start {
        hand.send(&rig, &[empty]).await;
    }
    rig.blocks(&searcher, 4).await;
    hand.send(&rig, &rig.net.opening(kind, TOKENS, DEPTH).unwrap()).await;
    rig.block(0).await;
    let pool = rig.net.opened(kind, TOKENS, DEPTH).await.unwrap();
    let newborn = Newborn { hand, pool: pool.address, log_fed: false };
    lives(rig, searcher, newborn, async |rig: &Rig| vec![rig.net.sale(&pool, TOKENS[1], SWAP).unwrap()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_v2_pair_that_was_empty_at_the_start_is_taken_up_once_it_is_funded() {
    funded_later(306, (Venue::Sushi, 3_000), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_v3_pool_that_had_no_price_at_the_start_is_taken_up_once_it_has_one() {
    funded_later(307, (Venue::UniswapV3, V3_FEE), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_v3_pool_made_without_a_price_while_it_runs_is_taken_up_once_it_has_one() {
    funded_later(308, (Venue::UniswapV3, V3_FEE), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_v2_pool_made_while_it_runs_is_read_once_followed_searched_and_earns() {
    made_by_router(301, (Venue::Sushi, 3_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_whose_block_is_undone_goes_with_it_and_comes_again_as_the_chain_has_it() {
    let kind = (Venue::Sushi, 3_000);
    let rig = Rig::start(304).await;
    let searcher = rig.search().await;
    rig.blocks(&searcher, 2).await;
    let trading = rig.quiet().await;
    let mut hand = Hand::of(&rig, rig.net.maker().unwrap()).await;
    hand.send(&rig, &rig.net.opening(kind, TOKENS, DEPTH).unwrap()).await;
    rig.builder.build_now().await.unwrap();
    let pool = rig.net.opened(kind, TOKENS, DEPTH).await.unwrap();
    rig.held(&searcher, pool.address.into()).await;
    // The block that made it and the one below are undone; it is made in the third of the new ones.
    reorg::reorg(&rig, 2, reorg::Told::BlockByBlock).await;
    assert_eq!(rig.net.opened(kind, TOKENS, DEPTH).await.unwrap().address, pool.address);
    drop(trading);
    rig.held(&searcher, pool.address.into()).await;
    let calls = vec![rig.net.sale(&pool, TOKENS[1], SWAP).unwrap()];
    hand.send(&rig, &calls).await;
    rig.block_with_ours(&searcher).await;
    truth::whole(&rig, &searcher).await;
    let status = rig.close(searcher).await;
    assert_eq!(status.counters["peregrine_reloads_total"], 0);
    assert_eq!(status.counters["peregrine_pools_reseeded_total"], 2, "it is read once on either branch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_v3_pool_made_while_it_runs_is_read_once_followed_searched_and_earns() {
    made_by_router(302, (Venue::UniswapV3, V3_FEE)).await;
}

/// Where the odd pair, its code, and who announces it lie.
const PAIR: Address = address!("0x000000000000000000000000000000000000da1e");
const PAIR_CODE: Address = address!("0x000000000000000000000000000000000000c0de");
const ANNOUNCER: Address = address!("0x000000000000000000000000000000000000ab1e");
/// Logs what it is called with: three topics, then the data.
pub const ANNOUNCES: &str = "0x606036038060605f376040356020355f35835fa300";
/// A pair's slots.
const FACTORY: u64 = 5;
const TOKEN0: u64 = 6;
const TOKEN1: u64 = 7;
const RESERVES: u64 = 8;
const UNLOCKED: u64 = 12;

/// A pair whose reserves are kept XORed with a constant: its storage says nothing, its logs do.
fn scrambled(key: B256) -> String {
    let flip = format!("7f{}60085418600855", hex::encode(key));
    let call = format!("365f5f375f5f365f73{}5af4", hex::encode(PAIR_CODE));
    let head = format!("{flip}{call}{flip}3d5f5f3e");
    let done = head.len() / 2 + 6;
    format!("0x{head}60{done:02x}573d5ffd5b3d5ff3")
}

/// Puts the odd pair of these tokens there, empty, and whoever will announce it.
async fn place(rig: &Rig, [token0, token1]: [Address; 2]) {
    let sushi = rig.net.pools.iter().find(|pool| pool.venue == Venue::Sushi).unwrap().address;
    let code: Value = rig.ask("eth_getCode", json!([sushi, "latest"])).await;
    let key = keccak256("odd packing");
    for (at, code) in [(PAIR_CODE, code), (PAIR, json!(scrambled(key))), (ANNOUNCER, json!(ANNOUNCES))] {
        rig.ask("anvil_setCode", json!([at, code])).await;
    }
    let word = |address: Address| address.into_word();
    let slots = [
        (FACTORY, word(rig.net.contracts.sushi_factory)),
        (TOKEN0, word(token0)),
        (TOKEN1, word(token1)),
        (RESERVES, key),
        (UNLOCKED, B256::from(U256::ONE)),
    ];
    for (slot, value) in slots {
        rig.ask("anvil_setStorageAt", json!([PAIR, B256::from(U256::from(slot)), value])).await;
    }
}

fn call(to: Address, call: impl SolCall) -> Call {
    Call { to, data: call.abi_encode().into() }
}

async fn words(rig: &Rig, to: Address, call: impl SolCall) -> Vec<U256> {
    let call = json!([{"to": to, "data": Bytes::from(call.abi_encode())}, "latest"]);
    let answer: Bytes = serde_json::from_value(rig.ask("eth_call", call).await).unwrap();
    answer.chunks_exact(32).map(U256::from_be_slice).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_fed_pool_made_while_it_runs_does_not_keep_its_reserves_of_birth_and_earns() {
    let mut rig = Rig::start(303).await;
    let protocol = "uniswap_v2".to_owned();
    rig.factories.push(Factory { name: "odd".to_owned(), protocol, address: ANNOUNCER, from_block: 0 });
    let mut sides = TOKENS.map(|place| rig.net.tokens[place]);
    sides.sort_unstable_by_key(|token| token.address);
    let tokens = sides.map(|token| token.address);
    place(&rig, tokens).await;
    let searcher = rig.search().await;
    rig.blocks(&searcher, 1).await;
    let mut hand = Hand::of(&rig, rig.net.maker().unwrap()).await;
    let me = hand.wallet.address();
    let pay = |side: usize, usd| call(tokens[side], transferCall { to: PAIR, amount: sides[side].worth(usd) });
    let topics = (PairCreated::SIGNATURE_HASH, tokens[0], tokens[1], PAIR, U256::ONE).abi_encode();
    let made =
        [pay(0, DEPTH), pay(1, DEPTH), call(PAIR, mintCall { to: me }), Call { to: ANNOUNCER, data: topics.into() }];
    hand.send(&rig, &made).await;
    rig.block(0).await;
    lives(rig, searcher, Newborn { hand, pool: PAIR, log_fed: true }, async |rig: &Rig| {
        let reserves = words(rig, PAIR, getReservesCall {}).await;
        let paid = sides[0].worth(SWAP);
        // A tenth less than it would give: others may trade before.
        let out = reserves[1] * paid / (reserves[0] + paid) * U256::from(9) / U256::from(10);
        let (out0, data) = (U256::ZERO, Bytes::new());
        vec![pay(0, SWAP), call(PAIR, swapCall { out0, out1: out, to: me, data })]
    })
    .await;
}
