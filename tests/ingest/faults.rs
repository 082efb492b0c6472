//! One test a fault.

use peregrine::edge::ingest::feed::Cause;
use peregrine::edge::ingest::{Config, Ingest, Node};

use crate::follower::Follower;
use crate::node::{Bodies, FakeNode};
use crate::proxy::{Act, Mode, Proxy};
use crate::{config, follow};

/// A node behind a proxy, followed to its tip.
async fn behind_a_proxy(config: &Config) -> (FakeNode, Proxy, Ingest, Follower) {
    let node = FakeNode::start().await;
    let proxy = Proxy::before(&node.ws).await;
    let row = Node { ws: Some(proxy.ws.clone()), ..node.row("a") };
    let (ingest, mut follower) = follow(&[row], config);
    node.subscribed(1).await;
    node.mine();
    follower.reaches(&node).await;
    (node, proxy, ingest, follower)
}

#[tokio::test]
async fn a_socket_dropped_mid_frame_leaves_no_hole() {
    let (node, proxy, _ingest, mut follower) = behind_a_proxy(&config()).await;
    for drop in 1..=5 {
        proxy.act(Act::CutMidFrame);
        follower.falls_into_a_gap().await;
        node.mine_times(3);
        node.subscribed(1 + drop).await;
        follower.reaches(&node).await;
        let tx = node.tell_tx(drop as u64);
        node.mine();
        follower.reaches(&node).await;
        // Told right after the heads were subscribed, it may have outrun its own subscription: not so once more.
        let again = node.tell_tx(drop as u64 + 100);
        follower.hears(again).await;
        assert!(follower.pending.len() <= 2 * drop && tx != again);
    }
    assert!(follower.gaps.iter().filter(|cause| **cause == Cause::NoSource).count() >= 5);
}

#[tokio::test]
async fn silence_is_noticed_and_caught_up_with() {
    let (node, proxy, _ingest, mut follower) = behind_a_proxy(&config()).await;
    proxy.act(Act::FallSilent);
    node.mine_times(3);
    follower.falls_into_a_gap().await;
    follower.reaches(&node).await;
    node.subscribed(2).await;
    node.mine();
    follower.reaches(&node).await;
}

#[tokio::test]
async fn duplicated_and_reordered_frames_change_nothing() {
    let (node, proxy, ingest, mut follower) = behind_a_proxy(&config()).await;
    proxy.set(Mode::Twice);
    for nonce in 0..5 {
        let tx = node.tell_tx(nonce);
        node.mine();
        follower.reaches(&node).await;
        follower.hears(tx).await;
    }
    proxy.set(Mode::Swapped);
    for nonce in 5..10 {
        // Four frames a block and one for the transaction: the head comes before the last log, or in the next pair.
        let tx = node.tell_tx(nonce);
        node.mine();
        node.mine();
        node.tell_tx(nonce + 100);
        follower.hears(tx).await;
    }
    proxy.set(Mode::Pass);
    node.mine();
    follower.reaches(&node).await;
    // Heads alone, newest first.
    let blocks: Vec<_> = (0..4).map(|_| node.grow()).collect();
    blocks.iter().rev().for_each(|block| node.tell_head(block.hash));
    follower.reaches(&node).await;
    let tx = node.tell_tx(1000);
    follower.hears(tx).await;
    assert_eq!(follower.undone, []);
    assert_eq!(ingest.bad_frames(), 0);
    assert!(ingest.stats()[0].txs.repeats >= 5);
}

#[tokio::test]
async fn a_head_that_never_comes_is_found_by_the_next() {
    let (node, _proxy, _ingest, mut follower) = behind_a_proxy(&config()).await;
    node.grow_times(3);
    node.mine();
    follower.reaches(&node).await;
    assert_eq!(follower.gaps, [Cause::MissedHead]);
}

#[tokio::test]
async fn a_head_that_never_comes_is_asked_for_when_no_other_does() {
    let config = Config { head_silence_ms: 60, ..config() };
    let (node, proxy, _ingest, mut follower) = behind_a_proxy(&config).await;
    proxy.set(Mode::NoHeads);
    for _ in 0..3 {
        node.mine();
        follower.reaches(&node).await;
    }
}

#[tokio::test]
async fn garbage_is_counted_kept_and_passed_over() {
    let (node, _proxy, ingest, mut follower) = behind_a_proxy(&config()).await;
    let garbage = ["", "{\"jsonrpc\":", "\u{0}\u{1}", "[]", "null", "{\"jsonrpc\":\"2.0\",\"id\":\"x\"}"];
    for text in garbage {
        node.tell_raw(text);
        node.mine();
        follower.reaches(&node).await;
    }
    // A head that is none, under the very subscription: ids are the count of the connection's requests.
    for result in ["null", "{}", "\"0x12\"", "{\"number\":\"0xzz\"}"] {
        for id in 1..=3 {
            let params = format!("{{\"subscription\":\"0x{id:032x}\",\"result\":{result}}}");
            node.tell_raw(&format!("{{\"jsonrpc\":\"2.0\",\"method\":\"eth_subscription\",\"params\":{params}}}"));
        }
        node.mine();
        follower.reaches(&node).await;
    }
    assert_eq!(ingest.bad_frames(), garbage.len() as u64 + 12);
    assert_eq!(ingest.last_bad_frames()[1].text, garbage[1]);
    assert_eq!(follower.gaps, [], "the connection stands");
}

#[tokio::test]
async fn a_reorg_of_three_blocks_is_undone_and_followed() {
    let (node, _proxy, _ingest, mut follower) = behind_a_proxy(&config()).await;
    node.mine_times(5);
    follower.reaches(&node).await;
    let top = node.tip().number;
    // Every head of the new chain told, as geth does.
    node.undo(3);
    node.grow_times(3);
    let fork = node.canonical();
    fork[fork.len() - 3..].iter().for_each(|block| node.tell_head(block.hash));
    follower.reaches(&node).await;
    assert_eq!(follower.undone, [(top, top - 3)]);
    // The last alone, one block longer.
    node.undo(3);
    node.grow_times(3);
    node.mine();
    follower.reaches(&node).await;
    assert_eq!(follower.undone.len(), 2);
    // Of the same height as anvil tells it, with old heads told once more.
    let old = node.undo(1)[0];
    let new = node.mine();
    follower.reaches(&node).await;
    node.tell_head(old.hash);
    node.tell_head(new.hash);
    node.mine();
    follower.reaches(&node).await;
    assert_eq!(follower.undone.len(), 3);
}

#[tokio::test]
async fn removed_logs_lead_to_the_new_chain_with_or_without_its_heads() {
    let (node, _proxy, _ingest, mut follower) = behind_a_proxy(&config()).await;
    node.mine_times(4);
    follower.reaches(&node).await;
    let old = node.undo(3);
    node.grow_times(3);
    old.iter().rev().for_each(|block| node.tell_logs(block.hash, true));
    follower.reaches(&node).await;
    assert_eq!(follower.undone.len(), 1);
    // Once more, and late: these blocks are gone already.
    old.iter().for_each(|block| node.tell_logs(block.hash, true));
    node.mine();
    follower.reaches(&node).await;
    assert_eq!(follower.undone.len(), 1);
}

#[tokio::test]
async fn a_node_that_answers_nothing_holds_the_feed_until_it_does() {
    let (node, _proxy, _ingest, mut follower) = behind_a_proxy(&config()).await;
    node.fail(6);
    node.mine_times(3);
    let tx = node.tell_tx(1);
    follower.reaches(&node).await;
    follower.hears(tx).await;
    assert_eq!(follower.gaps, [Cause::Unanswered]);
}

#[tokio::test]
async fn a_block_undone_before_its_logs_were_had_leaves_no_trace() {
    let (node, _proxy, _ingest, mut follower) = behind_a_proxy(&config()).await;
    node.fail(3);
    node.mine();
    follower.falls_into_a_gap().await;
    node.undo(1);
    node.grow();
    node.mine();
    follower.reaches(&node).await;
}

#[tokio::test]
async fn one_node_of_two_may_die() {
    let first = FakeNode::start().await;
    let second = FakeNode::with(Bodies::Full, first.ledger.clone()).await;
    let proxy = Proxy::before(&first.ws).await;
    let row = Node { ws: Some(proxy.ws.clone()), ..first.row("a") };
    let (_ingest, mut follower) = follow(&[row, second.row("b")], &config());
    first.subscribed(1).await;
    second.subscribed(1).await;
    first.mine();
    second.tell_head(first.tip().hash);
    follower.reaches(&first).await;
    proxy.act(Act::CutMidFrame);
    for nonce in 0..10 {
        second.mine();
        let tx = second.tell_tx(nonce);
        follower.reaches(&second).await;
        follower.hears(tx).await;
    }
    assert_eq!(follower.gaps, []);
}

#[tokio::test]
async fn a_rival_fork_moves_nothing_until_it_is_ahead() {
    let first = FakeNode::start().await;
    let ledger = first.ledger.lock().unwrap().clone();
    let second = FakeNode::with(Bodies::Full, std::sync::Arc::new(std::sync::Mutex::new(ledger))).await;
    let (_ingest, mut follower) = follow(&[first.row("a"), second.row("b")], &config());
    first.subscribed(1).await;
    second.subscribed(1).await;
    follower.reaches(&first).await;
    first.mine();
    follower.reaches(&first).await;
    second.part_ways();
    second.mine();
    let tx = second.tell_tx(1);
    follower.hears(tx).await;
    first.mine();
    follower.reaches(&first).await;
    assert_eq!(follower.undone, []);
    second.mine_times(2);
    follower.reaches(&second).await;
    assert_eq!(follower.undone.len(), 1);
}

#[tokio::test]
async fn an_absence_beyond_reach_is_said_to_be_one() {
    let (node, proxy, _ingest, mut follower) = behind_a_proxy(&config()).await;
    proxy.act(Act::CutMidFrame);
    follower.falls_into_a_gap().await;
    node.grow_times(1100);
    while follower.lost == 0 {
        follower.step().await;
    }
    node.subscribed(2).await;
    node.mine();
    follower.reaches(&node).await;
}
