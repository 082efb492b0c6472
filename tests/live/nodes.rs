//! Two nodes, of which one dies, hangs, lags, lies or is of another chain: the searcher goes on with the other. After each:
//! state equals the chain's, what was sent is settled.

use std::time::{Duration, Instant};

use peregrine::config::Config;
use peregrine::edge::ingest::Node;
use peregrine::edge::rpc::Rpc;
use peregrine::live::{How, Searcher, start};
use peregrine_devnet::{Anvil, Spec};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::gate::{Gate, Mode};
use crate::rig::{PATIENCE, Rig, Sick};
use crate::truth;

/// Acts of a schedule in CI. By hand: `PEREGRINE_ACTS`.
const ACTS: usize = 8;
const ILL: [Mode; 4] =
    [Mode::Dead, Mode::Hung, Mode::Late(Duration::from_millis(30)), Mode::Late(Duration::from_millis(400))];

/// The rig's node behind gates, as two nodes. The second one's answers are those that the rig makes sick.
struct Two {
    rig: Rig,
    gates: [Vec<Gate>; 2],
    config: Config,
}

fn row(name: &str, ws: String, http: String) -> Node {
    Node { name: name.to_owned(), ws: Some(ws), http: Some(http), ipc: None }
}

impl Two {
    async fn start(seed: u64) -> Self {
        let rig = Rig::start(seed).await;
        let mut config = rig.config();
        let anvil = rig.net.node.http();
        let requests = config.node[0].http.clone().unwrap();
        let gates = [vec![Gate::before(&anvil).await], vec![Gate::before(&anvil).await, Gate::before(&requests).await]];
        // More than a late node takes, both ways: that one is slow, and not one that does not answer.
        config.ingest.timeout_ms = 2_000;
        config.node = vec![
            row("first", gates[0][0].ws(), gates[0][0].http()),
            row("second", gates[1][0].ws(), gates[1][1].http()),
        ];
        Self { rig, gates, config }
    }

    fn set(&self, node: usize, mode: Mode) {
        self.gates[node].iter().for_each(|gate| gate.set(mode));
    }

    /// So many blocks, each followed.
    async fn goes_on(&self, searcher: &Searcher, blocks: u64) {
        let (began, before) = (Instant::now(), searcher.status().blocks);
        self.rig.blocks(searcher, blocks).await;
        println!("{} blocks in {:?}", searcher.status().blocks - before, began.elapsed());
    }
}

/// One of them is ill for some blocks, in each way that there is, and comes back.
async fn ill_in_turn(seed: u64, node: usize) {
    let two = Two::start(seed).await;
    let searcher = two.rig.search_as(&two.config).await;
    two.goes_on(&searcher, 3).await;
    for mode in ILL {
        println!("node {node}: {mode:?}");
        two.set(node, mode);
        two.goes_on(&searcher, 4).await;
        two.set(node, Mode::Up);
        two.goes_on(&searcher, 2).await;
    }
    truth::whole(&two.rig, &searcher).await;
    let status = two.rig.close(searcher).await;
    assert!(status.bundles_sent > 0, "it goes on searching");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_of_two_nodes_may_fail_in_any_way() {
    ill_in_turn(110, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_of_two_nodes_may_fail_in_any_way() {
    ill_in_turn(111, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_one_of_two_nodes_every_block_is_followed_and_every_bundle_settled() {
    let number = |name: &str, least| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(least);
    let (seed, acts) = (number("PEREGRINE_SEED", 112), number("PEREGRINE_ACTS", ACTS as u64));
    let mut dice = StdRng::seed_from_u64(seed);
    let mut two = Two::start(seed).await;
    if dice.random() {
        two.config.node.reverse();
    }
    let searcher = two.rig.search_as(&two.config).await;
    for _ in 0..acts {
        let (node, way) = (dice.random_range(0..2), dice.random_range(0..ILL.len() + 2));
        let sick = [Sick::Busy, Sick::Babbles].get(way.wrapping_sub(ILL.len()));
        println!("node {node}: {}", sick.map_or_else(|| format!("{:?}", ILL[way]), |_| "lies".to_owned()));
        match (sick, ILL.get(way)) {
            (Some(sick), _) => two.rig.make_sick(*sick),
            (None, Some(mode)) => two.set(node, *mode),
            (None, None) => unreachable!(),
        }
        two.goes_on(&searcher, dice.random_range(1..5)).await;
        two.rig.make_sick(Sick::No);
        two.set(node, Mode::Up);
        // Now and then it is ill again before it was seen to be well.
        two.goes_on(&searcher, dice.random_range(0..3)).await;
    }
    truth::whole(&two.rig, &searcher).await;
    let height = two.rig.chain.latest().await.unwrap().unwrap().number;
    assert_eq!(searcher.tip(), height, "blocks followed are the chain's");
    // Every bundle has an outcome there.
    let status = two.rig.close(searcher).await;
    assert!(status.bundles_sent > 0, "it goes on searching");
}

/// A node of another chain, whatever it says, changes nothing: it is named, and left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_node_of_another_chain_is_left_out() {
    let rig = Rig::start(113).await;
    let id = rig.chain.chain_id().await.unwrap();
    for chain_id in [11_155_111, id] {
        // Of another id; of the same one, with another first block.
        let other = Anvil::start(&Spec { chain_id, hardfork: "prague", gas_limit: 30_000_000 }).await.unwrap();
        // Past what the chain's own nodes have: no block of it may be held against theirs.
        let rpc = Rpc::new(&other.http(), PATIENCE).unwrap();
        rpc.call::<Value>("anvil_mine", json!(["0x28"])).await.unwrap();
        let mut config = rig.config();
        config.node.push(row("other", other.ws(), other.http()));
        let searcher = rig.search_as(&config).await;
        rig.blocks(&searcher, 4).await;
        truth::whole(&rig, &searcher).await;
        assert_eq!(searcher.status().counters["peregrine_reloads_total"], 0);
        searcher.stop().await;
    }
    // Alone it is nothing to begin with, and the sentence says what it is.
    let other = Anvil::start(&Spec { chain_id: 11_155_111, hardfork: "prague", gas_limit: 30_000_000 }).await.unwrap();
    let mut config = rig.config();
    config.node = vec![row("other", other.ws(), other.http())];
    let error = start(&config, How::Loopback, 0, &mut |_| ()).await.map(drop).unwrap_err().to_string();
    assert!(error.contains("other") && error.contains("11155111"), "{error}");
}
