//! An owner that cannot pay for its gas.

use alloy_primitives::U256;
use serde_json::json;

use crate::rig::{Rig, until};
use crate::truth;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_paid_for_is_said_once_with_its_owner_and_not_any_more_once_there_is_ether() {
    let rig = Rig::start(140).await;
    let owner = rig.net.owner.address();
    let holds = async |wei: u64| rig.ask("anvil_setBalance", json!([owner, U256::from(wei)])).await;
    holds(100_000_000_000_000).await;
    let mut config = rig.config();
    config.metrics.quiet_seconds = 5;
    let searcher = rig.search_as(&config).await;
    until("something that cannot be paid for", async || {
        rig.blocks(&searcher, 1).await;
        searcher.status().lacking.contains_key("no ether for gas")
    })
    .await;
    let status = searcher.status();
    let why = &status.lacking["no ether for gas"];
    assert!(why.contains(&owner.to_string()) && why.contains("0.0001"), "{why}");
    assert!(status.refused["unfunded"] > 0 && status.bundles_sent == 0, "{status:?}");
    // No more than the account is told anew: behind the next block it is read back.
    holds(u64::MAX).await;
    until("a bundle landed, and nothing is lacking", async || {
        rig.block_with_ours(&searcher).await;
        let status = searcher.status();
        status.bundles_landed > 0 && !status.lacking.contains_key("no ether for gas")
    })
    .await;
    truth::whole(&rig, &searcher).await;
    rig.close(searcher).await;
}
