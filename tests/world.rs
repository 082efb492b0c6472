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
use peregrine::edge::builder::Fate;
use peregrine::edge::builder::LeftOut;
use peregrine::edge::devnet::Wallet;
use peregrine::edge::devnet::world::Block;
use peregrine::edge::devnet::world::Options;
use peregrine::edge::devnet::world::World;
use peregrine::types::amount::Wei;
use peregrine::types::secret::Key;
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

    let process = format!("/proc/{}/stat", world.devnet.anvil.pid());
    assert!(std::fs::exists(&process).expect("proc"));
    assert!(world.stop().await.sent() >= counts.sent());
    assert!(!std::fs::exists(&process).expect("proc"));
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
