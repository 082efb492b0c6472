//! The whole devnet at once, on a real anvil and real sockets: blocks come by themselves, traffic fills them, every
//! bundle is accounted for, and nothing stays behind.

use std::net::SocketAddr;
use std::net::TcpListener;
use std::time::Duration;

use alloy::consensus::TxEip1559;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::TxKind;
use alloy_primitives::U64;
use alloy_primitives::U256;
use alloy_primitives::eip191_hash_message;
use alloy_primitives::hex;
use alloy_primitives::keccak256;
use peregrine::edge::chain::Chain;
use peregrine::edge::ledger::landed;
use peregrine::edge::ledger::others;
use peregrine::types::amount::Wei;
use peregrine::types::secret::Key;
use peregrine_devnet::Wallet;
use peregrine_devnet::block_builder::Fate;
use peregrine_devnet::block_builder::LeftOut;
use peregrine_devnet::lending::Borrower;
use peregrine_devnet::rivals::Strength;
use peregrine_devnet::world::Block;
use peregrine_devnet::world::Options;
use peregrine_devnet::world::World;
use serde_json::Value;
use serde_json::json;
use tokio::sync::broadcast::Receiver;

/// Longest wait for a block; they come every second.
const PATIENCE: Duration = Duration::from_secs(30);

/// A block a second.
async fn world(options: Options) -> World {
    let options = Options { slot: Duration::from_secs(1), ..options };
    World::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn next(blocks: &mut Receiver<Block>) -> Block {
    tokio::time::timeout(PATIENCE, blocks.recv()).await.expect("a block in time").expect("a block")
}

/// Hands in a signed bundle as a searcher does. The bundle's hash.
async fn send(world: &World, identity: &Wallet, target: u64, txs: &[Bytes]) -> B256 {
    let params = json!([{"txs": txs, "blockNumber": U64::from(target), "revertingTxHashes": []}]);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendBundle", "params": params}).to_string();
    let digest = eip191_hash_message(hex::encode_prefixed(keccak256(&body)).as_bytes());
    let key = Key::from_bytes(&identity.secret().0).expect("a key");
    let signature = hex::encode_prefixed(key.sign(&digest).expect("signs").as_bytes());
    let request = reqwest::Client::new().post(world.builder_url()).header("content-type", "application/json");
    let request = request.header("x-flashbots-signature", format!("{}:{signature}", identity.address()));
    let reply = request.body(body).send().await.expect("an answer").bytes().await.expect("a body");
    let reply: Value = serde_json::from_slice(&reply).expect("json");
    serde_json::from_value(reply["result"]["bundleHash"].clone()).unwrap_or_else(|_| panic!("{reply}"))
}

/// A plain payment of the owner's, with a tip in gwei.
fn payment(owner: &Wallet, nonce: u64, tip: u128) -> Bytes {
    let gwei = 1_000_000_000;
    let tx = TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 200 * gwei,
        max_priority_fee_per_gas: tip * gwei,
        to: TxKind::Call(alloy_primitives::Address::repeat_byte(7)),
        value: U256::ONE,
        ..TxEip1559::default()
    };
    owner.sign(tx).raw
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_come_filled_each_with_its_bundles_verdicts_and_the_world_ends_whole() {
    let world = world(Options { per_second: 30.0, ..Options::default() }).await;
    assert_ne!(world.identity.address(), world.devnet.owner.address());
    let mut blocks = world.blocks();
    let first = next(&mut blocks).await;

    // Two of the same nonce for the block after the next, and one that is late.
    let (owner, at) = (&world.devnet.owner, first.number + 2);
    let nonce: U64 =
        world.devnet.rpc.call("eth_getTransactionCount", json!([owner.address(), "latest"])).await.expect("n");
    let poor = send(&world, &world.identity, at, &[payment(owner, nonce.to(), 5)]).await;
    let rich = send(&world, &world.identity, at, &[payment(owner, nonce.to(), 50)]).await;
    let late = send(&world, &world.identity, first.number, &[payment(owner, nonce.to(), 60)]).await;

    let (mut last, mut mined, mut told) = (first.clone(), first.txs.len() as u64, Vec::new());
    while last.number < first.number + 6 {
        let block = next(&mut blocks).await;
        assert_eq!((block.number, block.timestamp), (last.number + 1, last.timestamp + 1));
        mined += block.txs.len() as u64;
        if block.number == at {
            let landed: Vec<B256> = block.landed().filter_map(|entry| entry.hash).collect();
            assert_eq!(landed, [rich]);
            let left_out: Vec<_> = block.left_out().map(|(entry, why)| (entry.hash, why.clone())).collect();
            assert!(matches!(left_out[..], [(Some(hash), LeftOut::Outbid { by, .. })] if (hash, by) == (poor, rich)));
        }
        told.extend(block.bundles.iter().map(|entry| (entry.hash, block.number)));
        last = block;
    }
    told.sort();
    let mut due = vec![(Some(poor), at), (Some(rich), at), (Some(late), first.number + 1)];
    due.sort();
    assert_eq!(told, due, "every bundle is told once");
    assert!(world.verdicts().iter().all(|entry| entry.fate != Fate::Waiting));

    // Traffic that came through the builder's door is in the blocks, and nobody undid one.
    let counts = world.traffic();
    assert!(mined > 60 && counts.sent() > 60, "{mined} mined, {counts:?}");
    assert!(counts.refused * 20 <= counts.sent(), "{counts:?}");
    let ether = async |block| world.ether(owner.address(), block).await.expect("ether").0;
    assert!(ether(at - 1).await > ether(at).await);
    let weth = async |block| world.weth(world.devnet.executor, block).await.expect("weth");
    assert_eq!((weth(at - 1).await, weth(at).await), (Wei(U256::ZERO), Wei(U256::ZERO)));

    let process = format!("/proc/{}/stat", world.devnet.node.pid());
    assert!(std::fs::exists(&process).expect("proc"));
    assert!(world.stop().await.sent() >= counts.sent());
    assert!(!std::fs::exists(&process).expect("proc"));
}

/// Blocks until a test gives up on its rivals.
const LONG: u64 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rival_alone_lands_bundles_and_keeps_a_part_of_what_they_earn() {
    let strength = Strength::percent(90).expect("above 0");
    let world = world(Options { rivals: vec![strength], per_second: 40.0, ..Options::default() }).await;
    let (rival, mut blocks) = (&world.rivals[0], world.blocks());
    let (mut won, mut paid) = (0, U256::ZERO);
    let mut last = next(&mut blocks).await;
    let first = last.number;
    while won < 3 {
        assert!(last.number < first + LONG, "{won} bundles landed, {:?}", rival.tally());
        let block = next(&mut blocks).await;
        for entry in block.landed() {
            assert_eq!(entry.signer, Some(rival.identity));
            let Fate::Landed { paid: bid, .. } = entry.fate else { continue };
            let [before, after] = [last.number, block.number];
            let kept = world.weth(rival.executor, after).await.expect("weth").0
                - world.weth(rival.executor, before).await.expect("weth").0;
            assert!(kept > U256::ZERO && bid > kept, "{bid} bid of 94 %, {kept} kept");
            // The gas of its owner is less than what was kept.
            let gas = world.ether(rival.owner, before).await.expect("ether").0
                - world.ether(rival.owner, after).await.expect("ether").0;
            assert!(gas < kept, "{gas} wei of gas for {kept}");
            (won, paid) = (won + 1, paid + bid);
        }
        last = block;
    }
    let tally = rival.tally();
    println!("{won} landed and paid {paid} wei; {tally:?}");
    let due = [tally.targets, tally.swaps, tally.openings, tally.worth, tally.sent];
    assert!(due.is_sorted_by(|more, less| more >= less) && tally.openings >= tally.made, "{tally:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_rivals_that_see_the_same_the_higher_bid_wins() {
    let bids = |bid_bps| Strength { bid_bps, ..Strength::FULL };
    let options = Options { rivals: vec![bids(6_000), bids(9_500)], per_second: 30.0, ..Options::default() };
    let world = world(options).await;
    let [poor, rich] = [0, 1].map(|place: usize| Some(world.rivals[place].identity));
    let mut blocks = world.blocks();
    let (mut duels, first) = (0, next(&mut blocks).await.number);
    while duels < 3 {
        let block = next(&mut blocks).await;
        assert!(block.number < first + LONG, "{duels} duels; {:?}", world.rivals);
        for (loser, why) in block.left_out() {
            let LeftOut::Outbid { by, .. } = why else { continue };
            let Some(winner) = block.landed().find(|entry| entry.hash == Some(*by)) else { continue };
            // Behind the same target; else the loser's own transaction may just have the winner's nonce.
            if winner.txs[0] == loser.txs[0] && winner.signer != loser.signer {
                assert_eq!((winner.signer, loser.signer), (rich, poor));
                duels += 1;
            }
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rival_who_liquidates_takes_what_nobody_else_does_and_the_block_says_so() {
    let options =
        Options { seed: 4, lending: true, rivals: vec![Strength::FULL], per_second: 5.0, ..Options::default() };
    let world = world(options).await;
    let (lending, rival) =
        (world.devnet.lending.as_ref().expect("asked for"), world.liquidator.as_ref().expect("hired"));
    let chain = Chain::new(&world.node_http(), PATIENCE).expect("a url");
    let (mut blocks, mut found) = (world.blocks(), Vec::new());
    let first = next(&mut blocks).await.number;
    while found.len() < 3 {
        let block = next(&mut blocks).await;
        let why: Vec<&LeftOut> = block.left_out().map(|(_, why)| why).collect();
        assert!(block.number < first + 2 * LONG, "{} liquidations; {:?}; {why:?}", found.len(), rival.tally());
        let (full, receipts) = tokio::try_join!(chain.full(block.hash), chain.receipts(block.hash)).expect("told");
        let mined = landed::Block::read(&full.expect("there"), &receipts.expect("there"), 0).expect("one block");
        let pools: Vec<_> = lending.markets.iter().map(|market| market.pool).collect();
        found.extend(others::of(&chain, &mined, (world.devnet.owner.address(), &pools)).await);
    }
    for one in &found {
        assert_eq!((one.sender, one.taken.liquidator, one.ours), (rival.owner, rival.owner, false));
        let owes = |b: &&Borrower| one.taken.borrower == Some(b.account) && one.taken.market == b.pool;
        let borrower = lending.borrowers.iter().find(owes).expect("one who owes");
        assert_eq!((one.taken.debt, one.taken.collateral), (Some(borrower.debt), Some(borrower.collateral)));
        assert!(one.paid > U256::ZERO && one.worth.is_some_and(|worth| worth.units.is_positive()), "{one:?}");
    }
    let tally = rival.tally();
    println!("{} liquidations in {} blocks; {tally:?}", found.len(), found[found.len() - 1].block - first);
    assert!(tally.liquidatable >= tally.sent && tally.sent >= found.len() as u64 && tally.answers > 0, "{tally:?}");
    world.stop().await;
}

#[test]
fn strength_is_one_number_and_grows_with_it_in_every_respect() {
    assert_eq!((Strength::percent(0), Strength::percent(100)), (None, Some(Strength::FULL)));
    assert_eq!(Strength::percent(255), Strength::percent(100));
    let all: Vec<Strength> = (1..=100).filter_map(Strength::percent).collect();
    assert!(all.windows(2).all(|pair| {
        pair[0].bid_bps < pair[1].bid_bps
            && pair[0].reaction > pair[1].reaction
            && pair[0].coverage <= pair[1].coverage
            && pair[0].hops <= pair[1].hops
    }));
    let Strength { bid_bps, reaction, coverage, hops } = all[79];
    assert_eq!((bid_bps, reaction, coverage, hops), (8_920, Duration::from_millis(160), 84, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_before_anything_is_started() {
    let bound = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    let listen = bound.local_addr().expect("an address");
    let refused = [
        (Options { listen, ..Options::default() }, "cannot listen on 127.0.0.1"),
        (Options { listen: SocketAddr::from(([0, 0, 0, 0], 0)), ..Options::default() }, "not a loopback address"),
        (Options { slot: Duration::from_millis(10), ..Options::default() }, "10 ms between blocks"),
        (Options { per_second: f64::NAN, ..Options::default() }, "NaN transactions a second"),
        (Options { per_second: 1e9, ..Options::default() }, "1000000000 transactions a second"),
    ];
    for (options, why) in refused {
        let error = World::start(options).await.err().expect("refused").to_string();
        assert!(error.contains(why), "{error}");
    }
}
