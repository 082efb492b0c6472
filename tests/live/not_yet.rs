//! A node that has a head before it has what belongs to it: "not yet" is not "no".

use crate::rig::{Rig, Sick};
use crate::truth;

/// No pool is wrong, and what was sent is settled while blocks come.
async fn waits(seed: u64, sick: Sick) {
    let rig = Rig::start(seed).await;
    let searcher = rig.search().await;
    rig.blocks(&searcher, 3).await;
    rig.make_sick(sick);
    for _ in 0..6 {
        rig.block_with_ours(&searcher).await;
    }
    assert!(rig.spoilt() > 0, "it was asked");
    truth::whole(&rig, &searcher).await;
    let counters = searcher.status().counters;
    let count = |name: &str| counters[&*format!("peregrine_{name}_total")];
    assert_eq!((count("pools_quarantined"), count("reloads")), (0, 0), "no pool is doubted");
    let status = rig.close(searcher).await;
    assert!(status.bundles_landed > 0, "{} sent", status.bundles_sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_that_are_null_and_logs_that_are_none_behind_a_head_are_asked_for_again() {
    waits(120, Sick::NullYet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_that_are_none_and_logs_that_are_an_error_are_asked_for_again() {
    waits(121, Sick::NoneYet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_and_half_the_logs_are_asked_for_again() {
    waits(122, Sick::ErrorYet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_receipts_by_block_each_transaction_s_is_asked_for() {
    waits(123, Sick::NoReceipts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_is_not_traced_says_nothing_of_the_next() {
    let rig = Rig::start(124).await;
    let searcher = rig.search().await;
    rig.make_sick(Sick::NoTrace);
    rig.blocks(&searcher, 9).await;
    // Of three refused in a row each was asked for: the first had not ended it.
    assert!(rig.spoilt() >= 6, "{} traces refused", rig.spoilt());
    truth::whole(&rig, &searcher).await;
    rig.close(searcher).await;
}
