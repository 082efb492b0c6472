//! Blocks that are undone, with bundles of ours in them.
//!
//! Made with `anvil_rollback`, and mined anew one more than there were. Traces behind it take what they took before; a block of
//! many transactions is what takes anvil long, so each new block holds what one old block held. On geth the new blocks are made
//! behind a `debug_setHead`, which forgets the old ones, or by a twin, and imported: then the old ones are told as removed, and
//! what they held is in the pool again, ours as well.

use std::ops::RangeInclusive;

use alloy_primitives::{B256, Bytes, U64};
use peregrine::edge::chain::Head;
use peregrine::edge::ledger::row::Outcome;
use peregrine::edge::rpc::Rpc;
use peregrine::live::Searcher;
use peregrine_devnet::block_builder::{COINBASE, Entry, Fate, node};
use peregrine_devnet::{Node, On};
use serde_json::{Value, json};

use crate::rig::{PATIENCE, Rig, until, within};
use crate::socket::Mode;
use crate::truth;

/// How the node tells of a reorg.
#[derive(Clone, Copy, Debug)]
pub enum Told {
    /// Of the last block of the new branch alone.
    AtOnce,
    /// Of each, those below the old tip as well.
    BlockByBlock,
}

/// Undoes the last `depth` blocks. The first of the new ones is empty and later than the old one was, the others hold what the
/// old ones held, but for what is ours: one block later each.
pub async fn reorg(rig: &Rig, depth: u64, told: Told) {
    let tip = rig.chain.latest().await.unwrap().unwrap();
    let mut again = Vec::new();
    for number in tip.number + 1 - depth..=tip.number {
        let block = rig.chain.at(number).await.unwrap().unwrap();
        let receipts = rig.chain.receipts(block.hash).await.unwrap().unwrap();
        let theirs = receipts.iter().filter(|receipt| receipt.from != rig.net.owner.address());
        again.push(raw(rig, theirs.map(|receipt| json!(receipt.transaction_hash)).collect()).await);
    }
    if let Told::AtOnce = told {
        rig.socket.set(Mode::NoHeads);
    }
    match rig.net.node.on() {
        On::Anvil => by_anvil(rig, &tip, &again).await,
        On::Geth => by_geth(rig, tip.number - depth, &again, told).await,
    }
}

/// The builder makes the new blocks, of a pool that held one old block each.
async fn by_anvil(rig: &Rig, tip: &Head, again: &[Vec<Bytes>]) {
    let depth = again.len() as u64;
    let pool = rig.ask("txpool_content", json!([])).await;
    let waiting = ["pending", "queued"].into_iter().filter_map(|part| pool[part].as_object());
    let waiting =
        waiting.flat_map(|senders| senders.values()).filter_map(Value::as_object).flat_map(|txs| txs.values());
    let waiting = raw(rig, waiting.map(|tx| tx["hash"].clone()).collect()).await;
    rig.ask("anvil_dropAllTransactions", json!([])).await;
    rig.ask("anvil_rollback", json!([depth])).await;
    let parent = rig.chain.latest().await.unwrap().unwrap();
    assert_eq!(parent.number, tip.number - depth);
    rig.ask("evm_setNextBlockTimestamp", json!([parent.timestamp + 2])).await;
    rig.ask("evm_mine", json!([])).await;
    for (number, txs) in (parent.number + 2..).zip(again) {
        send(rig, txs).await;
        if number == tip.number + 1 {
            rig.socket.set(Mode::Pass);
            send(rig, &waiting).await;
        }
        assert_eq!(rig.builder.build_now().await.unwrap().number, number);
    }
}

/// geth is handed the new blocks. What waits in its pool stays there.
async fn by_geth(rig: &Rig, parent: u64, again: &[Vec<Bytes>], told: Told) {
    let (here, Node::Geth(geth)) = (&rig.net.rpc, &rig.net.node) else { unreachable!() };
    if let Told::AtOnce = told {
        rig.ask("debug_setHead", json!([U64::from(parent)])).await;
        let (last, rest) = again.split_last().unwrap();
        commit(here, &[], 2).await;
        for txs in rest {
            commit(here, txs, 1).await;
        }
        rig.socket.set(Mode::Pass);
        commit(here, last, 1).await;
    } else {
        let twin = geth.twin().await.unwrap();
        let there = Rpc::new(&twin.http(), PATIENCE).unwrap();
        carry(rig, (here, &there), 1..=parent).await;
        commit(&there, &[], 2).await;
        for txs in again {
            commit(&there, txs, 1).await;
        }
        carry(rig, (&there, here), parent + 1..=parent + 1 + again.len() as u64).await;
    }
    assert_eq!(rig.chain.latest().await.unwrap().unwrap().number, parent + 1 + again.len() as u64);
}

/// Makes a geth's next block, so many slots behind its last one.
async fn commit(rpc: &Rpc, txs: &[Bytes], slots: u64) {
    let geth = node::Node::geth(rpc.clone());
    let env = geth.head(&json!("latest")).await.unwrap().next(slots, COINBASE);
    geth.commit(&env, Some(txs)).await.unwrap();
}

/// Blocks from one geth to another.
async fn carry(rig: &Rig, (from, to): (&Rpc, &Rpc), blocks: RangeInclusive<u64>) {
    let file = rig.folder.path().join(format!("{}-{}", blocks.start(), to.host().replace(':', "-")));
    assert!(from.call::<bool>("admin_exportChain", json!([file, blocks.start(), blocks.end()])).await.unwrap());
    assert!(to.call::<bool>("admin_importChain", json!([file])).await.unwrap());
    std::fs::remove_file(file).unwrap();
}

/// Transactions as they were signed.
async fn raw(rig: &Rig, hashes: Vec<Value>) -> Vec<Bytes> {
    let mut all = Vec::new();
    for hash in hashes {
        all.push(serde_json::from_value(rig.ask("eth_getRawTransactionByHash", json!([hash])).await).unwrap());
    }
    all
}

async fn send(rig: &Rig, txs: &[Bytes]) {
    for tx in txs {
        // Refused where another of that nonce was faster.
        let _hash = rig.builder.send_public(tx).await;
    }
}

/// What became of ours, by the chain: the owner's transactions in blocks from `from` on.
async fn in_the_chain(rig: &Rig, from: u64) -> Vec<B256> {
    let tip = rig.chain.latest().await.unwrap().unwrap();
    let mut ours = Vec::new();
    for number in from..=tip.number {
        let block = rig.chain.at(number).await.unwrap().unwrap();
        let receipts = rig.chain.receipts(block.hash).await.unwrap().unwrap();
        let owner = rig.net.owner.address();
        ours.extend(receipts.iter().filter(|r| r.from == owner && r.status()).map(|r| r.transaction_hash));
    }
    ours.sort_unstable();
    ours
}

/// The same by the ledger.
fn landed(searcher: &Searcher) -> Vec<B256> {
    let rows = searcher.ledger().all().unwrap().into_iter();
    let landed = rows.filter(|row| matches!(row.outcome, Some(Outcome::Landed { .. })));
    let mut ours: Vec<B256> = landed.map(|row| row.bundle.ours).collect();
    ours.sort_unstable();
    ours
}

/// Once every bundle whose block has come has an outcome, and those that landed are those in the chain: these. One that was
/// written down after its block came is settled behind the next.
async fn settled(rig: &Rig, searcher: &Searcher, from: u64) -> Vec<B256> {
    let (mut due, mut said, mut open, mut counted) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let agrees = within(PATIENCE, async || {
        if rig.waiting_for(10) {
            rig.blocks(searcher, 1).await;
        }
        due = in_the_chain(rig, from).await;
        open = searcher.ledger().open_bundles().unwrap();
        open.retain(|row| row.bundle.target <= searcher.tip());
        (said, counted) = (landed(searcher), searcher.status().bundles_landed);
        open.is_empty() && said == due && counted == due.len() as u64
    })
    .await;
    let rows: Vec<_> =
        searcher.ledger().all().unwrap().into_iter().filter(|row| due.contains(&row.bundle.ours)).collect();
    assert!(
        agrees,
        "a ledger that says landed of what is in the chain, and of nothing else: {due:?} due, {said:?} said, {counted} counted, open \
         {open:#?}, rows of those due {rows:#?}"
    );
    due
}

/// Blocks until there is one with a bundle of ours in it. Nobody trades while the searcher catches up: blocks stay small.
async fn land(rig: &Rig, searcher: &Searcher) {
    loop {
        let quiet = rig.quiet().await;
        rig.followed(searcher).await;
        drop(quiet);
        let target = Some(searcher.tip() + 1);
        until("a bundle, or none to be had", async || {
            let waits = |entry: &Entry| entry.target == target && entry.fate == Fate::Waiting;
            rig.waiting_for(40) || rig.builder.bundles().iter().any(waits)
        })
        .await;
        if !rig.block(0).await.bundles.is_empty() {
            return;
        }
    }
}

/// Undoes the last blocks, so many as `depth` says of the tip, and holds all that the searcher says against the new branch. How
/// many landed bundles were taken back.
async fn survives(rig: &Rig, searcher: &Searcher, from: u64, (depth, told): (impl Fn(u64) -> u64, Told)) -> usize {
    let old = settled(rig, searcher, from).await;
    let quiet = rig.quiet().await;
    let depth = depth(rig.followed(searcher).await[0].head.number);
    reorg(rig, depth, told).await;
    truth::whole(rig, searcher).await;
    drop(quiet);
    let new = settled(rig, searcher, from).await;
    let taken_back = old.iter().filter(|hash| !new.contains(hash)).count();
    println!("{depth} blocks undone ({told:?}): {taken_back} of {} landed bundles taken back", old.len());
    taken_back
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reorgs_of_up_to_three_blocks_take_state_and_outcomes_back_and_every_bundle_is_settled_anew() {
    survived(Rig::start(60).await).await;
}

/// Reorgs of one to three blocks, told in both ways.
pub async fn survived(rig: Rig) {
    let searcher = rig.search().await;
    let (from, mut undone, mut taken_back) = (searcher.tip() + 1, 0, 0);
    let (at_once, by_block) = (Told::AtOnce, Told::BlockByBlock);
    for (depth, told) in [(3, at_once), (1, by_block), (3, by_block), (2, at_once), (1, at_once), (2, by_block)] {
        for _ in 0..depth {
            land(&rig, &searcher).await;
        }
        taken_back += survives(&rig, &searcher, from, (|_| depth, told)).await;
        undone += depth;
    }
    assert!(taken_back > 0);
    land(&rig, &searcher).await;
    truth::whole(&rig, &searcher).await;
    let status = rig.close(searcher).await;
    assert!(status.counters["peregrine_blocks_undone_total"] >= undone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_reorg_deeper_than_its_run_the_state_is_loaded_anew_and_every_bundle_settled_anew() {
    let rig = Rig::start(61).await;
    for _ in 0..3 {
        rig.block(6).await;
    }
    let searcher = rig.search().await;
    let from = searcher.tip() + 1;
    land(&rig, &searcher).await;
    let taken_back = survives(&rig, &searcher, from, (|tip| tip + 2 - from, Told::AtOnce)).await;
    assert!(taken_back > 0);
    land(&rig, &searcher).await;
    truth::whole(&rig, &searcher).await;
    let status = rig.close(searcher).await;
    assert!(status.counters["peregrine_reloads_total"] > 0);
}
