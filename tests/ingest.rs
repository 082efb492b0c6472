//! The feed against a node that misbehaves, through a proxy that spoils what passes: whatever happens, the reader gets
//! every block of the chain, its logs, and every transaction once, in order. Nothing here sleeps; time-outs are bounds.

#[path = "ingest/anvil.rs"]
mod anvil;
#[path = "ingest/dialects.rs"]
mod dialects;
#[path = "ingest/faults.rs"]
mod faults;
#[path = "ingest/follower.rs"]
mod follower;
#[path = "ingest/journal.rs"]
mod journal;
#[path = "ingest/node.rs"]
mod node;
#[path = "common/socket.rs"]
mod proxy;

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::Address;
use follower::Follower;
use node::{Bodies, FakeNode, POOL};
use peregrine::edge::chain::{BlockId, Chain};
use peregrine::edge::ingest::{Config, Ingest, Node, SOURCES, chain, start};
use peregrine::edge::record::{Clock, JournalHandle};
use tokio::sync::watch;

/// Quick to lose patience, so that the tests are.
fn config() -> Config {
    Config {
        ping_ms: 40,
        silence_ms: 1_500,
        head_silence_ms: 20_000,
        timeout_ms: 2_000,
        retry_least_ms: 5,
        retry_most_ms: 50,
        ..Config::default()
    }
}

fn follow(nodes: &[Node], config: &Config) -> (Ingest, Follower) {
    follow_after(nodes, config, None, vec![POOL])
}

fn follow_after(nodes: &[Node], config: &Config, after: Option<BlockId>, watched: Vec<Address>) -> (Ingest, Follower) {
    follow_list(nodes, config, after, watched_of(watched))
}

/// What they are asked by.
fn chain_of(nodes: &[Node]) -> Chain {
    chain(nodes, Duration::from_millis(config().timeout_ms), None)
}

/// A list that stays as it is.
fn watched_of(watched: Vec<Address>) -> watch::Receiver<Arc<[Address]>> {
    watch::channel(Arc::from(watched)).1
}

fn follow_list(
    nodes: &[Node],
    config: &Config,
    after: Option<BlockId>,
    watched: watch::Receiver<Arc<[Address]>>,
) -> (Ingest, Follower) {
    let nodes = (nodes, &chain_of(nodes));
    let (ingest, outlet) = start(nodes, config, after, watched, JournalHandle::none(Clock::start())).unwrap();
    (ingest, Follower::new(outlet))
}

#[test]
fn every_source_has_a_name_of_its_own() {
    assert_eq!(SOURCES, ["node_ws", "node_ipc"]);
}

#[test]
fn a_row_shows_no_url() {
    let row: Node = toml::from_str("name = 'a'\nws = 'wss://host/secret'").unwrap();
    assert!(!format!("{row:?}").contains("secret"));
    assert!(toml::from_str::<Node>("name = 'a'\nurl = 'x'").is_err(), "an unknown key is an error");
}

#[tokio::test]
async fn heads_logs_and_transactions_come_complete_and_in_order() {
    let node = FakeNode::start().await;
    let (ingest, mut follower) = follow(&[node.row("a")], &config());
    node.subscribed(1).await;
    follower.reaches(&node).await;
    for nonce in 0..20 {
        let tx = node.tell_tx(nonce);
        node.mine();
        follower.reaches(&node).await;
        follower.hears(tx).await;
    }
    assert_eq!((follower.chain.len(), follower.pending.len()), (21, 20));
    assert!(follower.gaps.is_empty() && ingest.bad_frames() == 0);
}

#[tokio::test]
async fn the_feed_begins_behind_the_block_it_is_told() {
    let node = FakeNode::start().await;
    let after = node.tip();
    node.grow_times(5);
    let (_ingest, mut follower) = follow_after(&[node.row("a")], &config(), Some(after), vec![POOL]);
    follower.reaches(&node).await;
    assert_eq!((follower.chain[0].number, follower.chain.len()), (after.number + 1, 5));
}

#[tokio::test]
async fn a_node_without_full_bodies_is_asked_for_them_by_hash() {
    for bodies in [Bodies::Refused(-32601), Bodies::Refused(-32602), Bodies::Hashes] {
        let node = FakeNode::with(bodies, Default::default()).await;
        let (ingest, mut follower) = follow(&[node.row("a")], &config());
        node.subscribed(1).await;
        follower.reaches(&node).await;
        // The fallback's subscription is made somewhat later than the heads': told until heard.
        let mut nonce = 0;
        while follower.pending.is_empty() {
            node.tell_tx(nonce);
            nonce += 1;
            node.mine();
            follower.reaches(&node).await;
            follower.drain();
        }
        let due: Vec<_> = (nonce..nonce + 30).map(|nonce| node.tell_tx(nonce)).collect();
        for tx in due {
            follower.hears(tx).await;
        }
        assert_eq!(ingest.bad_frames(), 0);
    }
}

#[tokio::test]
async fn of_two_nodes_the_first_wins_and_the_standing_says_so() {
    let first = FakeNode::start().await;
    let second = FakeNode::with(Bodies::Full, first.ledger.clone()).await;
    let (ingest, mut follower) = follow(&[first.row("a"), second.row("b")], &config());
    first.subscribed(1).await;
    second.subscribed(1).await;
    follower.reaches(&first).await;
    for nonce in 0..10 {
        let (early, late) = if nonce < 7 { (&first, &second) } else { (&second, &first) };
        let tx = early.tell_tx(nonce);
        follower.hears(tx).await;
        late.tell_tx(nonce);
        let block = early.mine();
        follower.reaches(&first).await;
        late.tell_logs(block.hash, false);
        late.tell_head(block.hash);
    }
    // A last one from each: what was told before it has been counted.
    for (node, nonce) in [(&first, 100), (&second, 101)] {
        let tx = node.tell_tx(nonce);
        follower.hears(tx).await;
    }
    let stats = ingest.stats();
    assert_eq!(stats.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["a/node_ws", "b/node_ws"]);
    assert_eq!((stats[0].txs.first, stats[0].txs.behind), (8, 3));
    assert_eq!((stats[1].txs.first, stats[1].txs.behind), (4, 7));
    assert_eq!((stats[0].heads.first, stats[1].heads.first), (7, 3));
    assert!(stats[0].txs.behind_ns > 0);
    assert_eq!(follower.pending.len(), 12);
}

#[tokio::test]
async fn a_new_address_list_is_in_force_from_the_next_block() {
    let node = FakeNode::start().await;
    let (list, watched) = watch::channel(Arc::from([]));
    let (_ingest, mut follower) = follow_list(&[node.row("a")], &config(), None, watched);
    node.subscribed(1).await;
    // Nothing watched: the block's logs are due all the same, and empty.
    let heads = async {
        while follower.chain.is_empty() {
            follower.step().await;
        }
    };
    heads.await;
    follower.step().await;
    list.send_replace(Arc::from([POOL]));
    let from = node.mine();
    follower.chain.clear();
    follower.reaches(&node).await;
    assert_eq!(follower.chain, [from]);
}

#[tokio::test]
async fn a_slow_reader_loses_the_oldest_transactions_and_no_head() {
    let node = FakeNode::start().await;
    let config = Config { pending_room: 4, ..config() };
    let (ingest, mut follower) = follow(&[node.row("a")], &config);
    node.subscribed(1).await;
    follower.reaches(&node).await;
    let told: Vec<_> = (0..10).map(|nonce| node.tell_tx(nonce)).collect();
    node.mine_times(10);
    // Nothing is read meanwhile: the sequence has room for all of it, and the transactions were told before.
    while ingest.stats()[0].heads.first < 10 {
        tokio::task::yield_now().await;
    }
    follower.reaches(&node).await;
    follower.hears(told[9]).await;
    assert_eq!(follower.pending, told[6..]);
    assert_eq!(ingest.dropped_pending(), 6);
}

#[tokio::test]
async fn a_unix_socket_feeds_as_a_websocket_does() {
    let node = FakeNode::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.ipc");
    proxy::ipc(&path, &node.ws).await;
    let row = Node { ws: None, ipc: path.to_str().map(str::to_owned), ..node.row("a") };
    let (ingest, mut follower) = follow(&[row], &config());
    node.subscribed(1).await;
    follower.reaches(&node).await;
    for nonce in 0..5 {
        let tx = node.tell_tx(nonce);
        node.mine();
        follower.reaches(&node).await;
        follower.hears(tx).await;
    }
    assert_eq!(ingest.stats()[0].name, "a/node_ipc");
    assert_eq!(ingest.bad_frames(), 0);
}
