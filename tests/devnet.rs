//! The devnet's own promises, on a real anvil: what stands there, what the traffic does to it, and that a price out of
//! line earns through the executor exactly what was foretold.

#[path = "devnet/attribution.rs"]
mod attribution;
#[path = "devnet/hand.rs"]
mod hand;
#[path = "devnet/lending.rs"]
mod lending;
#[path = "common/geth.rs"]
mod pinned_geth;

use std::collections::HashSet;
use std::time::Duration;

use alloy::consensus::TxEip1559;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::TxKind;
use alloy_primitives::U256;
use alloy_primitives::address;
use alloy_primitives::keccak256;
use hand::Hand;
use hand::Log;
use peregrine::protocols::execution::{Hop, Steps};
use peregrine::protocols::executor::Bid;
use peregrine::protocols::executor::Run;
use peregrine::types::amount::Wei;
use peregrine_devnet::Devnet;
use peregrine_devnet::On;
use peregrine_devnet::Options;
use peregrine_devnet::Pool;
use peregrine_devnet::Purpose;
use peregrine_devnet::Venue;
use peregrine_devnet::Wallet;
use serde_json::Value;
use serde_json::json;

async fn devnet(seed: u64) -> Devnet {
    Devnet::start(Options { seed, ..Options::default() }).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Cycles from the first token through `hops` different pools: the tokens' places, and the pools'.
fn cycles(pools: &[Pool], hops: usize) -> Vec<Vec<(usize, usize)>> {
    let mut open: Vec<Vec<(usize, usize)>> = vec![Vec::new()];
    for hop in 0..hops {
        let mut longer = Vec::new();
        for path in &open {
            let at = path.last().map_or(0, |step| step.1);
            for (place, pool) in pools.iter().enumerate().filter(|(_, pool)| pool.tokens.contains(&at)) {
                let next = pool.tokens[usize::from(pool.tokens[0] == at)];
                let seen = path.iter().any(|step| step.0 == place || step.1 == next);
                if !seen && (next == 0) == (hop + 1 == hops) {
                    longer.push([path.as_slice(), &[(place, next)]].concat());
                }
            }
        }
        open = longer;
    }
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_pools_stand_at_one_set_of_prices_with_cycles_of_two_three_and_four_hops() {
    let net = devnet(11).await;
    assert!(net.pools.len() >= 40 && net.tokens.len() >= 12, "{} pools, {} tokens", net.pools.len(), net.tokens.len());
    let decimals: HashSet<u8> = net.tokens.iter().map(|token| token.decimals).collect();
    assert_eq!(decimals, HashSet::from([6, 8, 18]));
    for venue in [Venue::UniswapV2, Venue::Sushi, Venue::UniswapV3] {
        assert!(net.pools.iter().filter(|pool| pool.venue == venue).count() >= 10, "{venue:?}");
    }
    // Mainnet's USDC/WETH: the factories are at their addresses and their pools have mainnet's init code.
    let addresses: HashSet<Address> = net.pools.iter().map(|pool| pool.address).collect();
    assert_eq!(addresses.len(), net.pools.len());
    assert!(addresses.contains(&address!("0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc")));
    assert!(addresses.contains(&address!("0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640")));

    // Whoever follows the factories finds every pool.
    let hand = Hand(&net);
    let contracts = &net.contracts;
    let created = [
        (contracts.v2_factory, "PairCreated(address,address,address,uint256)"),
        (contracts.sushi_factory, "PairCreated(address,address,address,uint256)"),
        (contracts.v3_factory, "PoolCreated(address,address,uint24,int24,address)"),
    ];
    let mut announced = 0;
    for (factory, signature) in created {
        let filter = json!([{"fromBlock": "0x0", "address": factory, "topics": [keccak256(signature)]}]);
        announced += net.rpc.call::<Vec<Log>>("eth_getLogs", filter).await.expect("logs").len();
    }
    assert_eq!(announced, net.pools.len());

    for hops in [2, 3, 4] {
        let all = cycles(&net.pools, hops);
        assert!(all.len() >= 30, "{} cycles of {hops} hops", all.len());
        for path in all.iter().step_by(all.len() / 15) {
            // A dollar's worth: nothing but the fees is lost, to a thousandth, rounding of small decimals included.
            let start = net.tokens[0].worth(100);
            let (mut amount, mut at, mut left) = (start, 0, 1.0);
            for (pool, next) in path {
                let pool = &net.pools[*pool];
                amount = hand.quote(pool, at, amount).await;
                left *= 1.0 - f64::from(pool.fee_pips) / 1e6;
                at = *next;
            }
            let back = amount.to::<u128>() as f64 / start.to::<u128>() as f64;
            assert!((back - left).abs() < 0.002, "{path:?}: {back} came back, {left} due");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seed_makes_the_same_world_again_but_never_the_same_owner() {
    let (one, two) = (devnet(5).await, devnet(5).await);
    assert_eq!((&one.tokens, &one.pools, &one.positions), (&two.tokens, &two.pools, &two.positions));
    assert_ne!(one.owner.address(), two.owner.address());
    assert_ne!(one.node.http(), two.node.http());
    let other = devnet(6).await;
    assert_ne!(one.pools, other.pools);
    // The process goes with the handle.
    let status = format!("/proc/{}/stat", other.node.pid());
    assert!(std::fs::exists(&status).expect("proc"));
    let rival = Wallet::fresh().expect("a key");
    let executor = other.employ(&rival).await.expect("an executor");
    let code: Bytes = other.rpc.call("eth_getCode", json!([executor, "latest"])).await.expect("code");
    assert!(executor != other.executor && !code.is_empty());
    drop(other);
    assert!(!std::fs::exists(&status).expect("proc"));
}

/// What pools, tokens and accounts say of themselves.
async fn said(net: &Devnet) -> Vec<Value> {
    let mut said = Vec::new();
    for pool in &net.pools {
        // `slot0()` and `liquidity()`, or `getReserves()`.
        let questions: &[&str] =
            if pool.venue == Venue::UniswapV3 { &["0x3850c7bd", "0x1a686502"] } else { &["0x0902f1ac"] };
        for data in questions {
            let call = json!([{"to": pool.address, "data": data}, "latest"]);
            let answer: Bytes = net.rpc.call("eth_call", call).await.expect("an answer");
            // Reserves are followed by when they were set, which is the clock's.
            said.push(json!(Bytes::copy_from_slice(&answer[..answer.len().min(64)])));
        }
    }
    for sender in net.senders.iter().map(Wallet::address) {
        said.push(net.rpc.call("eth_getBalance", json!([sender, "latest"])).await.expect("a balance"));
        said.push(net.rpc.call("eth_getTransactionCount", json!([sender, "latest"])).await.expect("a nonce"));
        for token in &net.tokens {
            said.push(json!(Hand(net).balance(token.address, sender).await));
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_geth_the_same_world_stands_and_a_block_holds_what_its_pool_held() {
    if !pinned_geth::there() {
        return;
    }
    let (one, two) = (devnet(5).await, Options { seed: 5, on: On::Geth, ..Options::default() });
    let two = Devnet::start(two).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((&one.tokens, &one.pools, &one.positions), (&two.tokens, &two.pools, &two.positions));
    let (due, found) = (said(&one).await, said(&two).await);
    assert!(due.len() > 500 && due.len() == found.len());
    for (due, found) in due.iter().zip(&found) {
        assert_eq!(due, found);
    }
    let code: Bytes = two.rpc.call("eth_getCode", json!([two.executor, "latest"])).await.expect("code");
    assert!(!code.is_empty());

    let [from, to] = [&two.senders[0], &two.senders[1]];
    let sent = from.sign(TxEip1559 {
        gas_limit: 21_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to.address()),
        value: U256::ONE,
        ..TxEip1559::default()
    });
    let hash: Value = two.rpc.call("eth_sendRawTransaction", json!([sent.raw])).await.expect("taken");
    // geth says yes before it has moved it among those that can run.
    let runs = async || two.rpc.call::<Value>("txpool_status", json!([])).await.expect("a count")["pending"] == "0x1";
    let waits = async { while !runs().await {} };
    tokio::time::timeout(Duration::from_secs(20), waits).await.expect("it can run");
    two.mine().await.expect("a block");
    let receipt: Value = two.rpc.call("eth_getTransactionReceipt", json!([hash])).await.expect("a receipt");
    assert_eq!((&receipt["status"], &receipt["blockNumber"]), (&json!("0x1"), &json!("0x2")));
    // The process goes with the handle.
    let status = format!("/proc/{}/stat", two.node.pid());
    assert!(std::fs::exists(&status).expect("proc"));
    drop(two);
    assert!(!std::fs::exists(&status).expect("proc"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_swaps_mints_burns_fails_and_replaces_on_both_families() {
    let net = devnet(3).await;
    let hand = Hand(&net);
    let first = hand.block_number().await + 1;
    assert!(net.trade(0.0).is_err() && net.trade(f64::NAN).is_err());
    let traffic = net.trade(150.0).expect("a rate");
    let mut dropped = 0;
    for sent in (25..=700).step_by(25) {
        assert!(traffic.reached(sent).await, "the traffic ended");
        if sent == 300 {
            // A builder that throws away what it has: nobody may be stuck behind the gap for long.
            let pool: Value = net.rpc.call("txpool_status", json!([])).await.expect("a status");
            dropped =
                pool["pending"].as_str().and_then(|n| u64::from_str_radix(&n[2..], 16).ok()).expect("a number") + 10;
            net.rpc.call::<Value>("anvil_dropAllTransactions", json!([])).await.expect("dropped");
        }
        net.mine().await.expect("mines");
    }
    let counts = traffic.stop().await;
    net.mine().await.expect("mines");
    let pool: Value = net.rpc.call("txpool_status", json!([])).await.expect("a status");
    assert_eq!(pool["queued"], "0x0", "somebody waits behind a gap");

    let kinds = Purpose::ALL.map(|kind| (kind, counts.of(kind)));
    assert!(kinds.iter().all(|(_, count)| *count > 0), "{counts:?}");
    assert!(counts.replacements > 0 && counts.bursts > 0, "{counts:?}");
    // A replacement that comes after the block that took what it was to replace.
    assert!(counts.refused * 20 <= counts.sent(), "{counts:?}");

    let receipts = hand.receipts(first).await;
    let failed = receipts.iter().filter(|receipt| receipt.status.is_zero()).count() as u64;
    assert!(
        receipts.len() as u64 + counts.replacements + dropped >= counts.sent(),
        "{} mined, {counts:?}",
        receipts.len()
    );
    assert!(failed > 0 && failed <= counts.of(Purpose::Failing) * 2, "{failed} failed, {counts:?}");
    let logs: Vec<&Log> = receipts.iter().flat_map(|receipt| &receipt.logs).collect();
    let count = |signature: &str, venue: &[Venue]| {
        let topic: B256 = keccak256(signature);
        let ours =
            |log: &&&Log| net.pools.iter().any(|pool| pool.address == log.address && venue.contains(&pool.venue));
        logs.iter().filter(|log| log.topics.first() == Some(&topic)).filter(ours).count()
    };
    let v2 = "Swap(address,uint256,uint256,uint256,uint256,address)";
    let v3 = "Swap(address,address,int256,int256,uint160,uint128,int24)";
    assert!(count(v2, &[Venue::UniswapV2]) > 50);
    assert!(count(v2, &[Venue::Sushi]) > 20);
    assert!(count(v3, &[Venue::UniswapV3]) > 100);
    assert!(count("Mint(address,address,int24,int24,uint128,uint256,uint256)", &[Venue::UniswapV3]) > 10);
    assert!(count("Burn(address,int24,int24,uint128,uint256,uint256)", &[Venue::UniswapV3]) > 3);
    println!("{counts:?}: {} mined, {failed} of them failed", receipts.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_out_of_line_earns_through_the_executor_to_the_wei() {
    let net = devnet(8).await;
    let hand = Hand(&net);
    let place = |symbol| net.tokens.iter().position(|token| token.symbol == symbol).expect("a token");
    let (usdc, link, kest) = (place("USDC"), place("LINK"), place("KEST"));
    let find = |venue, a: usize, b: usize| {
        let mut pools = net.pools.iter().filter(|pool| pool.venue == venue);
        *pools.find(|pool| pool.tokens.contains(&a) && pool.tokens.contains(&b)).expect("a pool")
    };
    use Venue::{Sushi, UniswapV2, UniswapV3};
    // Somebody sells a fifth of the first pool's depth for WETH at any price; each time a cycle of other pools closes.
    let cycles: [&[(Pool, usize)]; 4] = [
        &[(find(UniswapV2, 0, link), 0), (find(Sushi, 0, link), link)],
        &[(find(UniswapV2, 0, link), 0), (find(UniswapV3, 0, link), link)],
        &[(find(UniswapV2, 0, link), 0), (find(Sushi, usdc, link), link), (find(UniswapV3, 0, usdc), usdc)],
        &[
            (find(UniswapV2, 0, kest), 0),
            (find(UniswapV3, place("DAI"), kest), kest),
            (find(UniswapV3, usdc, place("DAI")), place("DAI")),
            (find(UniswapV2, 0, usdc), usdc),
        ],
    ];
    for path in cycles {
        let (first, token) = (path[0].0, path[1].1);
        hand.sell(net.tokens[token].address, net.tokens[token].worth(first.depth_usd / 5)).await;
        let (mut profit, mut amount_in, mut outs) = (0, 0, Vec::new());
        for step in 1..=30u128 {
            let spent = net.tokens[0].worth(first.depth_usd / 400).to::<u128>() * step;
            let paid = hand.walk(path, spent).await.expect("pays");
            let gain = paid.last().expect("hops").saturating_sub(spent);
            if gain > profit {
                (profit, amount_in, outs) = (gain, spent, paid);
            }
        }
        assert!(profit > 0, "nothing to earn");

        let mut steps = Steps::default();
        for ((pool, token_in), amount_out) in path.iter().zip(&outs) {
            let (token, first_in) = (net.tokens[*token_in].address, pool.tokens[0] == *token_in);
            let hop = Hop { pool: pool.address.into(), token_in: token, amount_out: *amount_out };
            if pool.venue == UniswapV3 { steps.exact_in(hop, first_in) } else { steps.exact_out(hop, first_in) }
        }
        earn(&hand, &steps, amount_in, profit).await;
        let venues: Vec<Venue> = path.iter().map(|(pool, _)| pool.venue).collect();
        println!("{venues:?}: {amount_in} wei in, {profit} wei earned as foretold");
    }
}

/// Runs the cycle in the next block; the executor's WETH must grow by exactly so much.
async fn earn(hand: &Hand<'_>, steps: &Steps, amount_in: u128, profit: u128) {
    let (net, weth) = (hand.0, hand.0.contracts.weth);
    let (block, bid) = (hand.block_number().await + 1, Bid::Wei(Wei(U256::ZERO)));
    let run = Run { block, token: weth, min_profit: profit, bid, amount_in, steps };
    let before = hand.balance(weth, net.executor).await;
    let receipt = hand.send(&net.owner, net.executor, U256::ZERO, run.encode().expect("fits")).await;
    assert!(!receipt.status.is_zero(), "the run reverted");
    assert_eq!(hand.balance(weth, net.executor).await - before, U256::from(profit));
}
