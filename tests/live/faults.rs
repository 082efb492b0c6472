//! One test a fault of the node's or of the wire's. After each: state equals the chain's, no pool is wrong, no bundle was
//! sent twice.

use std::time::Duration;

use peregrine::live::Searcher;
use peregrine::live::stats::totals::Status;

use crate::rig::{Rig, Sick, until};
use crate::socket::{Act, Mode};
use crate::truth;

/// Trade, the fault, trade again; then all of it is held against the chain. What the searcher says of its run.
async fn survives(seed: u64, fault: impl AsyncFnOnce(&Rig, &Searcher)) -> Status {
    let rig = Rig::start(seed).await;
    let searcher = rig.search().await;
    rig.blocks(&searcher, 5).await;
    truth::whole(&rig, &searcher).await;
    fault(&rig, &searcher).await;
    rig.blocks(&searcher, 10).await;
    truth::whole(&rig, &searcher).await;
    let status = rig.close(searcher).await;
    assert!(status.bundles_sent > 0, "it goes on searching");
    status
}

fn count(status: &Status, name: &str) -> u64 {
    status.counters[&*format!("peregrine_{name}_total")]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_dropped_mid_frame_leaves_no_hole_in_the_state() {
    let status = survives(30, async |rig, searcher| {
        for _ in 0..4 {
            rig.socket.act(Act::CutMidFrame);
            for _ in 0..4 {
                rig.block(3).await;
            }
            rig.followed(searcher).await;
        }
    })
    .await;
    assert!(count(&status, "gaps") >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_noticed_and_caught_up_with() {
    let status = survives(31, async |rig, searcher| {
        rig.socket.act(Act::FallSilent);
        for _ in 0..5 {
            rig.block(3).await;
        }
        rig.followed(searcher).await;
    })
    .await;
    assert!(count(&status, "gaps") >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicated_and_reordered_frames_change_nothing() {
    let status = survives(32, async |rig, searcher| {
        rig.socket.set(Mode::Twice);
        rig.blocks(searcher, 5).await;
        rig.socket.set(Mode::Swapped);
        for _ in 0..10 {
            rig.block(4).await;
        }
        rig.socket.set(Mode::Pass);
    })
    .await;
    assert_eq!(count(&status, "blocks_undone"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_never_come_are_asked_for() {
    survives(33, async |rig, searcher| {
        rig.socket.set(Mode::NoHeads);
        for _ in 0..3 {
            rig.block(4).await;
        }
        rig.followed(searcher).await;
        // All but the last: that one leads to those before it.
        for _ in 0..3 {
            rig.block(4).await;
        }
        rig.socket.set(Mode::Pass);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_between_the_frames_is_passed_over() {
    survives(34, async |rig, searcher| {
        rig.socket.set(Mode::Garbage);
        rig.blocks(searcher, 5).await;
        rig.socket.set(Mode::Pass);
        assert!(searcher.ingest().bad_frames() > 10, "{}", searcher.ingest().bad_frames());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_answers_no_request_for_a_while_is_waited_for() {
    for (seed, sick) in [(35, Sick::Busy), (36, Sick::Babbles)] {
        let status = survives(seed, async |rig, searcher| {
            rig.make_sick(sick);
            for _ in 0..3 {
                rig.block(4).await;
            }
            let errors = || count(&searcher.status(), "edge_errors") + count(&searcher.status(), "gaps");
            until("a complaint", async || errors() > 0).await;
            rig.make_sick(Sick::No);
        })
        .await;
        assert!(count(&status, "edge_errors") + count(&status, "gaps") > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removed_logs_of_blocks_that_stand_change_nothing() {
    let status = survives(37, async |rig, searcher| {
        rig.socket.set(Mode::Removed);
        rig.blocks(searcher, 8).await;
        rig.socket.set(Mode::Pass);
    })
    .await;
    assert_eq!(count(&status, "blocks_undone"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_refuses_whole_pending_transactions_is_asked_for_each() {
    let rig = Rig::start(38).await;
    rig.socket.set(Mode::HashesAlone);
    let searcher = rig.search().await;
    let heard = || count(&searcher.status(), "pending");
    until("transactions", async || {
        rig.blocks(&searcher, 1).await;
        heard() > 30
    })
    .await;
    truth::whole(&rig, &searcher).await;
    let status = rig.close(searcher).await;
    assert!(status.bundles_sent > 0, "{} transactions heard of", status.pending_seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_searcher_whose_node_is_gone_for_good_still_ends() {
    let rig = Rig::start(39).await;
    let searcher = rig.search().await;
    rig.blocks(&searcher, 3).await;
    rig.make_sick(Sick::Busy);
    rig.block(4).await;
    until("an error", async || count(&searcher.status(), "edge_errors") + count(&searcher.status(), "gaps") > 0).await;
    assert!(tokio::time::timeout(Duration::from_secs(40), searcher.stop()).await.is_ok());
}
