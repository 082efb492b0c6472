//! Blocks that are undone, with bundles of ours in them.

use alloy_primitives::{B256, Bytes};
use peregrine::edge::ledger::row::Outcome;
use peregrine::live::Searcher;
use serde_json::json;

use crate::rig::{Rig, until};
use crate::truth;

/// Undoes the last `depth` blocks. The new ones hold what the old ones held, but for what is ours, one block later each.
async fn reorg(rig: &Rig, depth: u64) {
    let tip = rig.chain.latest().await.unwrap().unwrap();
    let mut again = Vec::new();
    for back in (0..depth).rev() {
        let block = rig.chain.at(tip.number - back).await.unwrap().unwrap();
        for receipt in rig.chain.receipts(block.hash).await.unwrap().unwrap() {
            if receipt.from == rig.net.owner.address() {
                continue;
            }
            let raw = rig.ask("eth_getRawTransactionByHash", json!([receipt.transaction_hash])).await;
            let raw: Bytes = serde_json::from_value(raw).unwrap();
            again.push(json!([raw, (depth - back).min(depth - 1)]));
        }
    }
    rig.ask("anvil_reorg", json!([depth, again])).await;
}

/// What became of ours, by the chain: hashes of the owner's transactions in canonical blocks.
async fn in_the_chain(rig: &Rig, from: u64) -> Vec<B256> {
    let tip = rig.chain.latest().await.unwrap().unwrap();
    let mut ours = Vec::new();
    for number in from..=tip.number {
        let block = rig.chain.at(number).await.unwrap().unwrap();
        let receipts = rig.chain.receipts(block.hash).await.unwrap().unwrap();
        ours.extend(
            receipts.iter().filter(|r| r.from == rig.net.owner.address() && r.status()).map(|r| r.transaction_hash),
        );
    }
    ours.sort_unstable();
    ours
}

fn landed(searcher: &Searcher) -> Vec<B256> {
    let rows = searcher.ledger().all().unwrap().into_iter();
    let landed = rows.filter(|row| matches!(row.outcome, Some(Outcome::Landed { .. })));
    let mut ours: Vec<B256> = landed.map(|row| row.bundle.ours).collect();
    ours.sort_unstable();
    ours
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "not green yet: behind anvil_reorg a run was seen that takes no landed outcome back, or waits in vain"]
async fn a_reorg_of_three_blocks_takes_state_and_outcomes_back_and_all_are_settled_anew() {
    let rig = Rig::start(60).await;
    let searcher = rig.search().await;
    let from = searcher.tip() + 1;
    let mut taken_back = 0;
    for depth in [3, 1, 3, 2, 3] {
        let before = searcher.status().bundles_landed;
        until("a bundle landed", async || {
            rig.blocks(&searcher, 1).await;
            searcher.status().bundles_landed > before
        })
        .await;
        truth::whole(&rig, &searcher).await;
        let old = in_the_chain(&rig, from).await;
        reorg(&rig, depth).await;
        // The new tip is as high as the old one was.
        truth::whole(&rig, &searcher).await;
        rig.blocks(&searcher, 2).await;
        truth::whole(&rig, &searcher).await;
        let new = in_the_chain(&rig, from).await;
        taken_back += old.iter().filter(|hash| !new.contains(hash)).count();
        until("a ledger that says landed of what is in the chain, and of nothing else", async || {
            let all = || searcher.ledger().open_bundles().unwrap().iter().all(|row| row.bundle.target > searcher.tip());
            landed(&searcher) == new && all()
        })
        .await;
    }
    println!("{taken_back} landed bundles taken back");
    assert!(taken_back > 0);
    let status = rig.close(searcher).await;
    assert!(status.counters["peregrine_blocks_undone_total"] >= 12);
}
