//! The block builder against a real anvil: real signatures, real HTTP, real blocks.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use alloy::consensus::SignableTransaction;
use alloy::consensus::TxEip1559;
use alloy::consensus::TxEnvelope;
use alloy::eips::eip2718::Encodable2718;
use alloy::rpc::types::TransactionReceipt;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U64, U256, address, hex};
use k256::ecdsa::SigningKey;
use peregrine::edge::ledger::landed;
use peregrine::edge::rpc::Rpc;
use peregrine_devnet::block_builder::BlockBuilder;
use peregrine_devnet::block_builder::Options;
use peregrine_devnet::block_builder::node::Node;
use peregrine_devnet::block_builder::pool::Entry;
use peregrine_devnet::block_builder::pool::Fate;
use peregrine_devnet::block_builder::rules::verdict::LeftOut;
use peregrine_devnet::block_builder::signature;
use serde_json::{Value, json};

/// anvil's own accounts: public, never of use elsewhere.
const KEYS: [&str; 5] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
];
const GWEI: u128 = 1_000_000_000;
/// Reverts: `PUSH1 0 PUSH1 0 REVERT`.
const REVERTS: Address = address!("00000000000000000000000000000000000000e1");
/// Lets one through a block: `if slot0 == number revert; slot0 = number; pay the coinbase what came with the call`.
const ONCE: Address = address!("00000000000000000000000000000000000000e2");
const ONCE_CODE: &str = "0x436000541460195743600055600060006000600034415af1005b60006000fd";
const REVERTS_CODE: &str = "0x60006000fd";

/// An anvil that dies by its own pid with the test.
struct Anvil {
    child: Child,
    url: String,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// `None`, and loudly, where anvil is not installed.
fn anvil() -> Option<Anvil> {
    // The binary itself, not npm's wrapper: killing a wrapper leaves what it started.
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/contracts/node_modules/@foundry-rs");
    let packages = std::fs::read_dir(installed).into_iter().flatten().filter_map(Result::ok);
    let found = packages.map(|package| package.path().join("bin/anvil")).find(|path| path.exists());
    let program = found.unwrap_or_else(|| "anvil".into());
    let args = ["--port", "0", "--no-mining", "--order", "fifo", "--disable-min-priority-fee", "--chain-id", "1"];
    let spawned = Command::new(program).args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = spawned else {
        println!("SKIPPED: anvil is not installed; scripts/setup brings it");
        return None;
    };
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned));
    let url = format!("http://{}", said.expect("anvil ended without a port"));
    Some(Anvil { child, url })
}

struct Bed {
    _anvil: Anvil,
    node: Rpc,
    builder: BlockBuilder,
    http: reqwest::Client,
}

impl Bed {
    async fn new() -> Option<Self> {
        let anvil = anvil()?;
        let node = Rpc::new(&anvil.url, Duration::from_secs(10)).unwrap();
        for (place, code) in [(REVERTS, REVERTS_CODE), (ONCE, ONCE_CODE)] {
            node.call::<Value>("anvil_setCode", json!([place, code])).await.unwrap();
        }
        let options = Options { timer: false, ..Options::new(&anvil.url) };
        let builder = BlockBuilder::start(options).await.unwrap();
        Some(Self { _anvil: anvil, node, builder, http: reqwest::Client::new() })
    }

    /// Signed with the last of anvil's keys, as a searcher's identity.
    async fn post(&self, body: &str) -> (u16, Value) {
        self.post_with(Some(&header(KEYS[4], body.as_bytes())), body).await
    }

    async fn post_with(&self, header: Option<&str>, body: &str) -> (u16, Value) {
        let mut request = self.http.post(self.builder.url()).header("content-type", "application/json");
        if let Some(header) = header {
            request = request.header("X-Flashbots-Signature", header);
        }
        let reply = request.body(body.to_owned()).send().await.unwrap();
        let status = reply.status().as_u16();
        (status, serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap())
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": [params]}).to_string();
        let (_, reply) = self.post(&body).await;
        assert_eq!(reply["id"], 7);
        reply
    }

    /// Sends a bundle for block `target`, and returns its hash.
    async fn bundle(&self, target: u64, txs: &[&Bytes], more: Value) -> B256 {
        let mut params = json!({"txs": txs, "blockNumber": U64::from(target), "revertingTxHashes": []});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = self.call("eth_sendBundle", params).await;
        serde_json::from_value(reply["result"]["bundleHash"].clone()).unwrap_or_else(|_| panic!("{reply}"))
    }

    fn fate(&self, hash: B256) -> Fate {
        let entries: Vec<Entry> = self.builder.bundles();
        entries.iter().rev().find(|entry| entry.hash == Some(hash)).expect("not in the list").fate.clone()
    }

    fn why(&self, hash: B256) -> LeftOut {
        match self.fate(hash) {
            Fate::LeftOut { why } => why,
            other => panic!("{other:?}"),
        }
    }
}

fn header(key: &str, body: &[u8]) -> String {
    let key = SigningKey::from_slice(&hex::decode(key).unwrap()).unwrap();
    let (signature, id) = key.sign_prehash_recoverable(signature::digest(body).as_slice());
    let address = Address::from_raw_public_key(&key.verifying_key().to_sec1_point(false).as_bytes()[1..]);
    format!("{address}:0x{}{:02x}", hex::encode(signature.to_bytes()), 27 + u8::from(id.is_y_odd()))
}

/// A call to `to` with `wei`, by the `key`th account.
fn signed(key: usize, nonce: u64, to: Address, wei: u128, tip_gwei: u128) -> Bytes {
    let unsigned = TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 100 * GWEI,
        max_priority_fee_per_gas: tip_gwei * GWEI,
        to: TxKind::Call(to),
        value: U256::from(wei),
        ..TxEip1559::default()
    };
    let key = SigningKey::from_slice(&hex::decode(KEYS[key]).unwrap()).unwrap();
    let (signature, id) = key.sign_prehash_recoverable(unsigned.signature_hash().as_slice());
    let signature = Signature::from_bytes_and_parity(&signature.to_bytes(), id.is_y_odd());
    TxEnvelope::Eip1559(unsigned.into_signed(signature)).encoded_2718().into()
}

fn hash(raw: &Bytes) -> B256 {
    alloy_primitives::keccak256(raw)
}

/// A plain payment to somebody who is nobody's contract.
fn plain(key: usize, nonce: u64, tip_gwei: u128) -> Bytes {
    signed(key, nonce, Address::repeat_byte(7), 1, tip_gwei)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_conflict_the_one_paying_more_per_gas_lands_first_and_the_other_learns_why() {
    let Some(bed) = Bed::new().await else { return };
    let noise = plain(3, 0, 90);
    bed.builder.send_public(&noise).await.unwrap();
    let target = plain(2, 0, 1);
    let (poor, rich) = (signed(0, 0, ONCE, 1_000_000 * GWEI, 0), signed(1, 0, ONCE, 2_000_000 * GWEI, 0));
    // The same state, and another target each: only a simulation can tell that they conflict.
    let lost = bed.bundle(1, &[&poor], json!({})).await;
    let won = bed.bundle(1, &[&target, &rich], json!({})).await;
    let before: U256 = bed.node.call("eth_getBalance", json!([Options::new("").coinbase, "latest"])).await.unwrap();
    let built = bed.builder.build_now().await.unwrap();
    assert_eq!(built.bundles, [won]);
    assert_eq!(built.txs, [hash(&target), hash(&rich), hash(&noise)], "bundles first, though the public tip is higher");
    let Fate::Landed { block: 1, index: 0, paid, gas } = bed.fate(won) else { panic!("{:?}", bed.fate(won)) };
    assert_eq!(bed.why(lost), LeftOut::Outbid { by: won, paid, gas });
    // What the simulation promised is what the block paid, to the wei.
    let after: U256 = bed.node.call("eth_getBalance", json!([Options::new("").coinbase, "latest"])).await.unwrap();
    let noise_paid = U256::from(21_000 * 90 * GWEI);
    assert_eq!(after - before, paid + noise_paid);
    // And the ledger's rules read the same block as it is: ours landed, and so did the noise, with its tip.
    let block = bed.node.call("eth_getBlockByNumber", json!(["0x1", true])).await.unwrap();
    let receipts: Vec<TransactionReceipt> = bed.node.call("eth_getBlockReceipts", json!(["0x1"])).await.unwrap();
    let block = landed::Block::read(&block, &receipts, 0).unwrap();
    assert_eq!((block.number, block.hash, block.txs[2].paid), (1, built.hash, noise_paid));
    let (trigger, ours) = (Some(hash(&target)), hash(&rich));
    let owner = block.txs[1].from;
    let watch = landed::Watch {
        target: 1,
        trigger,
        ours,
        owner,
        pools: &[],
        positions: &[],
        sent_ms: None,
        trigger_mined: None,
    };
    assert!(matches!(landed::follow(&watch, &block), landed::Followed::Landed(at) if at.index == 1));
    let owner = block.txs[0].from;
    let missed = landed::Watch { ours: hash(&poor), owner: owner.create(0), pools: &[ONCE.into()], ..watch };
    assert_eq!(
        landed::follow(&missed, &block),
        landed::Followed::NotLanded(landed::Reason::Unknown),
        "no logs, no rival"
    );
    assert!(
        landed::Block::read(&bed.node.call("eth_getBlockByNumber", json!(["0x0", true])).await.unwrap(), &receipts, 0)
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reverting_bundle_is_dropped_whole_and_reverting_tx_hashes_are_honoured() {
    let Some(bed) = Bed::new().await else { return };
    let (first, fails, last) = (plain(0, 0, 5), signed(1, 0, REVERTS, 0, 5), plain(2, 0, 5));
    let dropped = bed.bundle(1, &[&first, &fails, &last], json!({})).await;
    let built = bed.builder.build_now().await.unwrap();
    assert_eq!(built.txs, Vec::<B256>::new());
    assert!(matches!(bed.why(dropped), LeftOut::Reverted { tx, .. } if tx == hash(&fails)));
    let kept = bed.bundle(2, &[&first, &fails, &last], json!({"revertingTxHashes": [hash(&fails)]})).await;
    let built = bed.builder.build_now().await.unwrap();
    assert_eq!(built.bundles, [kept]);
    assert_eq!(built.txs, [hash(&first), hash(&fails), hash(&last)]);
    let receipt: Value = bed.node.call("eth_getTransactionReceipt", json!([hash(&fails)])).await.unwrap();
    assert_eq!(receipt["status"], "0x0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_signature_is_refused_and_listed() {
    let Some(bed) = Bed::new().await else { return };
    let tx = plain(0, 0, 5);
    let params = json!([{"txs": [tx], "blockNumber": "0x1", "revertingTxHashes": []}]);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendBundle", "params": params}).to_string();
    let (status, reply) = bed.post_with(None, &body).await;
    assert_eq!((status, &reply["error"]["code"]), (400, &json!(-32600)));
    // Signed, but not these bytes.
    let (status, reply) = bed.post_with(Some(&header(KEYS[4], format!("{body} ").as_bytes())), &body).await;
    assert_eq!((status, &reply["error"]["code"]), (400, &json!(-32025)));
    let entries = bed.builder.bundles();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        assert_eq!((entry.signer, entry.target), (None, Some(1)));
        assert!(matches!(entry.fate, Fate::LeftOut { why: LeftOut::Signature { .. } }));
    }
    assert!(bed.builder.build_now().await.unwrap().txs.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_bundle_does_not_land_and_a_replaced_one_gives_way() {
    let Some(bed) = Bed::new().await else { return };
    let uuids = ["8b1a1b1e-2f5c-4d8e-9a3b-111111111111", "8b1a1b1e-2f5c-4d8e-9a3b-222222222222"];
    let (gone, old, new) = (plain(0, 0, 5), plain(1, 0, 5), plain(1, 0, 6));
    let cancelled = bed.bundle(1, &[&gone], json!({"replacementUuid": uuids[0]})).await;
    let replaced = bed.bundle(1, &[&old], json!({"replacementUuid": uuids[1]})).await;
    let stays = bed.bundle(1, &[&new], json!({"uuid": uuids[1]})).await;
    // A stranger cannot take it back.
    let params = json!([{"replacementUuid": uuids[1]}]);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_cancelBundle", "params": params}).to_string();
    let (_, reply) = bed.post_with(Some(&header(KEYS[3], body.as_bytes())), &body).await;
    assert_eq!(reply["result"]["bundleHashes"], json!([]));
    let reply = bed.call("eth_cancelBundle", json!({"replacementUuid": uuids[0]})).await;
    assert_eq!(reply["result"]["bundleHashes"], json!([cancelled]));
    let built = bed.builder.build_now().await.unwrap();
    assert_eq!(built.bundles, [stays]);
    assert_eq!((bed.why(cancelled), bed.why(replaced)), (LeftOut::Cancelled, LeftOut::Replaced));
    let refused = bed.call("eth_cancelBundle", json!({"replacementUuid": "mine"})).await;
    assert_eq!(refused["error"]["code"], -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_wrong_nonce_no_payment_and_poor_bundles_are_each_told_so() {
    let Some(bed) = Bed::new().await else { return };
    bed.builder.build_now().await.unwrap();
    let (late, gap, free) = (plain(0, 0, 5), plain(1, 3, 5), plain(2, 0, 0));
    let late = bed.bundle(1, &[&late], json!({})).await;
    let gap_hash = bed.bundle(2, &[&gap], json!({})).await;
    let free = bed.bundle(2, &[&free], json!({})).await;
    let poor = bed.bundle(2, &[&signed(3, 0, ONCE, u128::MAX, 5)], json!({})).await;
    let early = bed.bundle(2, &[&plain(3, 0, 5)], json!({"minTimestamp": 4_000_000_000_u64})).await;
    let next = bed.bundle(3, &[&plain(0, 0, 6)], json!({})).await;
    assert!(bed.builder.build_now().await.unwrap().bundles.is_empty());
    assert_eq!(bed.why(late), LeftOut::Late { head: 1 });
    assert_eq!(bed.why(gap_hash), LeftOut::Nonce { tx: hash(&gap), have: 3, due: 0 });
    assert_eq!(bed.why(free), LeftOut::NoPayment);
    assert!(matches!(bed.why(poor), LeftOut::Refused { .. }));
    assert!(matches!(bed.why(early), LeftOut::Timestamp { .. }));
    assert_eq!(bed.fate(next), Fate::Waiting, "its block is yet to come");
    let listed = bed.call("peregrine_bundles", json!({"blockNumber": "0x2"})).await;
    assert_eq!(listed["result"].as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn call_bundle_says_what_the_block_will_pay() {
    let Some(bed) = Bed::new().await else { return };
    let (pays, fails) = (signed(0, 0, ONCE, 5_000 * GWEI, 2), signed(1, 0, REVERTS, 0, 1));
    let params = json!({"txs": [pays, fails], "blockNumber": "0x1", "stateBlockNumber": "latest"});
    let result = bed.call("eth_callBundle", params).await["result"].clone();
    let amount = |value: &Value| value.as_str().unwrap().parse::<U256>().unwrap();
    assert_eq!(amount(&result["results"][0]["ethSentToCoinbase"]), U256::from(5_000 * GWEI));
    assert_eq!(amount(&result["coinbaseDiff"]), amount(&result["gasFees"]) + amount(&result["ethSentToCoinbase"]));
    assert!(result["results"][0]["value"].is_string() && result["results"][1]["error"].is_string());
    assert_eq!(result["stateBlockNumber"], 0);
    let landed = bed.bundle(1, &[&pays, &fails], json!({"revertingTxHashes": [hash(&fails)]})).await;
    bed.builder.build_now().await.unwrap();
    let Fate::Landed { paid, gas, .. } = bed.fate(landed) else { panic!("{:?}", bed.fate(landed)) };
    assert_eq!((amount(&result["coinbaseDiff"]), &result["totalGasUsed"]), (paid, &json!(gas)));
}

#[tokio::test(flavor = "multi_thread")]
async fn public_transactions_that_do_not_fit_or_must_wait_are_not_lost() {
    let Some(bed) = Bed::new().await else { return };
    let (waits, due) = (plain(3, 1, 9), plain(3, 0, 1));
    bed.builder.send_public(&waits).await.unwrap();
    let ours = plain(0, 0, 5);
    bed.bundle(1, &[&ours], json!({})).await;
    assert_eq!(bed.builder.build_now().await.unwrap().txs, [hash(&ours)]);
    bed.builder.send_public(&due).await.unwrap();
    let ours = plain(0, 1, 5);
    bed.bundle(2, &[&ours], json!({})).await;
    assert_eq!(bed.builder.build_now().await.unwrap().txs, [hash(&ours), hash(&due), hash(&waits)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_with_a_stranger_between_can_be_mined_again_in_order() {
    let Some(bed) = Bed::new().await else { return };
    let node = Node::new(bed.node.clone());
    let env = node.head(&json!("latest")).await.unwrap().next(2, Options::new("").coinbase);
    let (first, stranger, second) = (plain(0, 0, 5), plain(1, 0, 5), plain(2, 0, 5));
    for tx in [&first, &stranger, &second] {
        node.send(tx).await.unwrap();
    }
    let mined = node.mine(&env).await.unwrap();
    assert_eq!(mined.transactions, [hash(&first), hash(&stranger), hash(&second)]);
    let raw = node.raw(hash(&stranger)).await.unwrap();
    let mended = node.remine(&env, &[first.clone(), second.clone(), raw]).await.unwrap();
    assert_eq!(mended.number(), 1);
    assert_eq!(mended.transactions, [hash(&first), hash(&second), hash(&stranger)]);
    assert_eq!(mended.next(2, env.coinbase).timestamp, env.timestamp + 2, "the time stays what it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timer_builds_a_block_a_slot() {
    let Some(anvil) = anvil() else { return };
    let builder =
        BlockBuilder::start(Options { slot: Duration::from_millis(50), ..Options::new(&anvil.url) }).await.unwrap();
    let mut blocks = builder.blocks();
    let third = blocks.wait_for(|built| built.as_ref().is_some_and(|built| built.number >= 3));
    assert!(tokio::time::timeout(Duration::from_secs(20), third).await.is_ok());
    builder.stop().await;
}
