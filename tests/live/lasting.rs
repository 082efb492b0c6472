//! A long run: what is held is the chain's all the while.

use alloy_primitives::B256;

use crate::rig::Rig;
use crate::socket::Act;
use crate::truth::{views, whole};

/// Blocks of the long run.
const BLOCKS: u64 = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_five_hundred_blocks_with_reconnects_every_pool_is_as_the_chain_has_it_to_the_wei() {
    let rig = Rig::start(21).await;
    let searcher = rig.search().await;
    let (began, mut compared, mut hash) = (std::time::Instant::now(), 0, B256::ZERO);
    for block in 1..=BLOCKS {
        hash = rig.block(1).await.hash;
        if block % 50 == 25 {
            rig.socket.act(Act::CutMidFrame);
        }
        if block % 5 == 0 {
            let seen = rig.followed(&searcher).await;
            assert!(seen.iter().all(|seen| seen.head.hash == hash));
            compared += views(&rig.chain, &seen).await;
        }
        if block % 100 == 0 {
            whole(&rig, &searcher).await;
        }
    }
    println!("{BLOCKS} blocks in {:.1?}, {compared} numbers compared, tip {hash}", began.elapsed());
    assert!(searcher.status().counters["peregrine_gaps_total"] >= 5);
    let status = rig.close(searcher).await;
    assert!(status.blocks >= BLOCKS / 2 && status.bundles_landed > 0);
}
