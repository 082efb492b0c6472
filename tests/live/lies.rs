//! A node whose traces, or logs, are wrong and look right.

use crate::rig::{Rig, Sick, until};
use crate::socket::{item, saying};
use crate::traces::other_data;
use crate::truth;

/// From before the searcher starts.
async fn from_the_first_block_on(seed: u64, sick: Sick) {
    let rig = Rig::start(seed).await;
    rig.make_sick(sick);
    let searcher = rig.search().await;
    rig.blocks(&searcher, 3).await;
    for _ in 0..4 {
        rig.block_with_ours(&searcher).await;
    }
    assert!(rig.spoilt() > 0, "it was asked");
    let spoilt = rig.spoilt();
    rig.blocks(&searcher, 2).await;
    assert_eq!(rig.spoilt(), spoilt, "it is not asked any more");
    truth::whole(&rig, &searcher).await;
    let counters = searcher.status().counters;
    let count = |name: &str| counters[&*format!("peregrine_{name}_total")];
    assert_eq!((count("pools_quarantined"), count("reloads")), (0, 0), "nothing wrong was told");
    let status = rig.close(searcher).await;
    assert!(status.bundles_landed > 0, "{} sent", status.bundles_sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_in_which_slots_that_were_read_stand_are_found_out_before_anything_is_told() {
    from_the_first_block_on(130, Sick::TracesReads).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_that_leave_contracts_out_are_found_out_before_anything_is_told() {
    from_the_first_block_on(131, Sick::TracesNoContracts).await;
}

/// Behind so many blocks with changes a node's traces are believed.
const BELIEVED: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_that_begin_to_leave_contracts_out_cost_one_reload_and_no_pool() {
    let rig = Rig::start(132).await;
    let searcher = rig.search().await;
    rig.blocks(&searcher, BELIEVED).await;
    rig.make_sick(Sick::TracesNoContracts);
    rig.block(8).await;
    until("a pool in quarantine", async || searcher.status().counters["peregrine_pools_quarantined_total"] > 0).await;
    for _ in 0..4 {
        rig.block_with_ours(&searcher).await;
    }
    truth::whole(&rig, &searcher).await;
    let quarantined = searcher.status().counters["peregrine_pools_quarantined_total"];
    rig.blocks(&searcher, 4).await;
    truth::whole(&rig, &searcher).await;
    let counters = searcher.status().counters;
    let count = |name: &str| counters[&*format!("peregrine_{name}_total")];
    assert_eq!((count("reloads"), count("pools_quarantined")), (1, quarantined), "found out once, and for good");
    rig.close(searcher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_nonce_is_right_though_traces_that_are_believed_leave_it_out() {
    let rig = Rig::start(133).await;
    let searcher = rig.search().await;
    rig.blocks(&searcher, BELIEVED).await;
    rig.make_sick(Sick::TracesNoHoldings);
    for _ in 0..5 {
        rig.block_with_ours(&searcher).await;
    }
    assert!(rig.spoilt() >= 5, "{} traces, all believed", rig.spoilt());
    // The owner's nonce among it.
    truth::whole(&rig, &searcher).await;
    let status = rig.close(searcher).await;
    assert!(status.bundles_landed > 1, "{} sent", status.bundles_sent);
}

/// Its socket may tell the same of them. How many times pools were taken out.
async fn logs_lie(seed: u64, on_the_socket_too: bool) -> u64 {
    let rig = Rig::start(seed).await;
    let searcher = rig.search().await;
    rig.blocks(&searcher, 3).await;
    rig.make_sick(Sick::LogsData);
    if on_the_socket_too {
        rig.socket.speak(saying(|mut said| {
            item(&mut said).filter(|item| item.get("topics").is_some()).into_iter().for_each(other_data);
            vec![said]
        }));
    }
    rig.block(8).await;
    rig.blocks(&searcher, 2).await;
    let count = |name: &str| searcher.status().counters[&*format!("peregrine_{name}_total")];
    let quarantined = count("pools_quarantined");
    for _ in 0..4 {
        rig.block_with_ours(&searcher).await;
    }
    assert!(rig.spoilt() > 6, "it is asked for them all the same");
    truth::whole(&rig, &searcher).await;
    assert_eq!((count("pools_quarantined"), count("reloads")), (quarantined, 0), "receipts say what they were");
    let status = rig.close(searcher).await;
    assert!(status.bundles_landed > 0, "{} sent", status.bundles_sent);
    quarantined
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_that_lie_over_http_alone_are_taken_from_receipts_once_a_pool_or_the_socket_disagrees() {
    logs_lie(134, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_that_lie_everywhere_alike_are_taken_from_receipts_once_pools_disagree() {
    assert!(logs_lie(135, true).await > 0, "nothing contradicts them before");
}
