//! What others can make the real program hold: connections to its numbers, connections to a node that hangs, state that a stranger's
//! transactions read.

use std::path::Path;
use std::time::{Duration, Instant};

use alloy::consensus::TxEip1559;
use alloy::sol_types::SolValue;
use alloy_primitives::{Address, TxKind, U256};
use peregrine::edge::rpc::Rpc;
use peregrine_devnet::Wallet;
use peregrine_devnet::world::{Options, World};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::requests;
use crate::restart::{has_landed, ours};
use crate::rig::{self, PATIENCE, until};
use crate::run::Run;

/// Longest wait for an answer of the numbers' address, whatever is done to it.
const ANSWER: Duration = Duration::from_secs(10);

async fn world(seed: u64, per_second: f64) -> World {
    let options = Options { seed, slot: Duration::from_secs(1), per_second, ..Options::default() };
    World::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Once it has sent so many bundles more.
async fn sends(run: &mut Run, world: &World, more: usize) {
    let before = ours(world).len();
    until("bundles", async || {
        run.is_running();
        ours(world).len() >= before + more
    })
    .await;
}

/// Both pages come in time.
async fn answers(run: &Run, while_there_are: &str) {
    for page in ["status", "metrics"] {
        let began = Instant::now();
        let got = tokio::time::timeout(ANSWER, run.get(page)).await;
        assert!(matches!(got, Ok(Some(text)) if text.len() > 500), "no {page}, with {while_there_are}");
        println!("{page} after {:?}, with {while_there_are}", began.elapsed());
    }
}

/// So many connections on which this is said, and nothing more.
async fn crowd(run: &Run, size: usize, said: &[u8]) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..size {
        let mut stream = TcpStream::connect(run.at.trim_start_matches("http://")).await.unwrap();
        // It may have been closed already.
        let _said = stream.write_all(said).await;
        all.push(stream);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sits_at_the_address_of_the_numbers_they_are_served() {
    let _alone = rig::alone().await;
    let folder = tempfile::tempdir().unwrap();
    let world = world(150, 25.0).await;
    // What the shell sets is the hard limit, too: it cannot be raised.
    let mut run = Run::start(&world, (folder.path(), false), "ulimit -n 64;", |text| text);
    sends(&mut run, &world, 2).await;
    answers(&run, "nobody").await;
    let long = [b"GET /status HTTP/1.1\r\nx: ".to_vec(), vec![b'x'; 1 << 16]].concat();
    let kinds: [(&str, usize, &[u8]); 6] = [
        ("127 who say nothing", 127, b""),
        ("1000 who say nothing", 1_000, b""),
        ("200 within a head", 200, b"GET /status HTTP/1.1\r\nhost: a\r\n"),
        ("100 with a long head", 100, &long),
        ("100 with a body to come", 100, b"POST /status HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n"),
        ("200 who do not read", 200, b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"),
    ];
    for (what, size, said) in kinds {
        let all = crowd(&run, size, said).await;
        answers(&run, what).await;
        run.is_running();
        drop(all);
    }
    // Byte by byte, for longer than one has.
    let mut slow = crowd(&run, 20, b"G").await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(7) {
        for stream in &mut slow {
            let _closed = stream.write_all(b"E").await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    answers(&run, "20 who dawdle").await;
    let mut closed = 0;
    for mut stream in slow {
        let mut bytes = Vec::new();
        let ended = tokio::time::timeout(ANSWER, stream.read_to_end(&mut bytes)).await;
        closed += usize::from(ended.is_ok());
    }
    assert_eq!(closed, 20, "each has had its time");
    let page = run.get("metrics").await.unwrap();
    let shown = page.lines().find(|line| line.starts_with("peregrine_metrics_connections_closed_total "));
    assert!(shown.is_some_and(|line| !line.ends_with(" 0")), "{shown:?}");
    sends(&mut run, &world, 2).await;
    assert!(run.said().contains("few file descriptors"), "{}", run.said());
    run.end().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hangs_and_comes_back_costs_no_more_connections_than_may_be_under_way() {
    let _alone = rig::alone().await;
    let folder = tempfile::tempdir().unwrap();
    let world = world(151, 20.0).await;
    let node = requests::Proxy::before(&world.node_http(), |_, reply| reply).await;
    node.idle(true);
    let mut run = Run::start(&world, (folder.path(), false), "", |text| text.replace(&world.node_http(), &node.url));
    sends(&mut run, &world, 3).await;
    let before = run.descriptors();
    let mut most = 0;
    for _ in 0..2 {
        let held = node.hold().await;
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(12) {
            most = most.max(run.descriptors());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(held);
        let sent = ours(&world).len();
        until("a bundle that lands behind it", async || {
            run.is_running();
            most = most.max(run.descriptors());
            ours(&world).iter().skip(sent).any(has_landed)
        })
        .await;
    }
    println!("{before} descriptors before, {most} at most");
    assert!(most < before + peregrine::edge::rpc::MOST_IN_FLIGHT + 16, "{before} before, {most} at most");
    run.end().await;
    world.stop().await;
}

/// Reads so many slots of its own (SLOAD), or asks so many accounts for their balance (BALANCE), from a place on: both are its input.
const READS: [(&str, u8); 2] =
    [("0x00000000000000000000000000000000000f00d1", 0x54), ("0x00000000000000000000000000000000000f00d2", 0x31)];

fn greedy(op: u8) -> String {
    format!("0x6000355b8060203501{op:02x}5060019003806003576000")
}

/// A stranger.
struct Stranger {
    wallet: Wallet,
    nonce: u64,
    door: Rpc,
}

impl Stranger {
    async fn of(world: &World) -> Self {
        let wallet = Wallet::fresh().unwrap();
        let ether = U256::from(10).pow(U256::from(21));
        let _set: Value = world.devnet.rpc.call("anvil_setBalance", json!([wallet.address(), ether])).await.unwrap();
        Self { wallet, nonce: 0, door: Rpc::new(&world.builder_url(), PATIENCE).unwrap() }
    }

    /// Reads so many places of `reader`, from a place on.
    async fn read(&mut self, reader: Address, (places, from): (u64, u64), gas: u64) {
        let input = (U256::from(places), U256::from(from) << 64).abi_encode();
        let signed = self.wallet.sign(TxEip1559 {
            chain_id: 1,
            nonce: self.nonce,
            gas_limit: gas,
            max_fee_per_gas: 1_000_000_000_000,
            max_priority_fee_per_gas: 50_000_000_000,
            to: TxKind::Call(reader),
            input: input.into(),
            ..TxEip1559::default()
        });
        self.nonce += 1;
        let _hash: Value = self.door.call("eth_sendRawTransaction", json!([signed.raw])).await.unwrap();
    }
}

async fn fetched(run: &Run, what: &str) -> u64 {
    run.status().await["fetches"][what].as_u64().unwrap_or_default()
}

async fn refused(run: &Run, bound: &str, who: &Stranger) {
    until(bound, async || {
        let last = run.status().await["fetches"][bound].clone();
        last["sender"].as_str().and_then(|sender| sender.parse().ok()) == Some(who.wallet.address())
    })
    .await;
}

fn rss_mb(folder: &Path) -> u64 {
    let text = std::fs::read_to_string(folder.join("status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stranger_can_make_us_fetch_is_bounded_and_shown_with_who_it_was() {
    let _alone = rig::alone().await;
    let folder = tempfile::tempdir().unwrap();
    let world = world(152, 10.0).await;
    for (at, op) in READS {
        let _set: Value = world.devnet.rpc.call("anvil_setCode", json!([at, greedy(op)])).await.unwrap();
    }
    let mut run = Run::start(&world, (folder.path(), false), "", |text| text);
    sends(&mut run, &world, 3).await;
    let process = format!("/proc/{}", run.child.id().unwrap());
    let (before, mb) = (fetched(&run, "fetched").await, rss_mb(Path::new(&process)));
    let [slots, accounts] = READS.map(|(at, _)| at.parse::<Address>().unwrap());
    // One transaction that reads thousands, again and again, of slots and of accounts.
    let mut one = Stranger::of(&world).await;
    for round in 0..5 {
        one.read(slots, (5_000, round), 12_000_000).await;
        one.read(accounts, (4_000, 100 + round), 12_000_000).await;
    }
    refused(&run, "tx", &one).await;
    // Many that read less, of one sender.
    let mut many = Stranger::of(&world).await;
    for round in 0..6 {
        many.read(slots, (700, 200 + round), 3_000_000).await;
    }
    refused(&run, "sender", &many).await;
    // Who reads little is looked at as ever.
    let (calm, mut modest) = (fetched(&run, "fetched").await, Stranger::of(&world).await);
    modest.read(slots, (50, 300), 1_000_000).await;
    until("what little it reads", async || fetched(&run, "fetched").await >= calm + 50).await;
    let all = fetched(&run, "fetched").await - before;
    println!("{all} keys fetched meanwhile; {mb} MB before, {} MB behind it", rss_mb(Path::new(&process)));
    assert!(all < 10_000, "{all} of 49,250 that were read");
    let page = run.get("metrics").await.unwrap();
    assert!(["tx", "sender"].iter().all(|bound| page.lines().any(|line| {
        line.strip_prefix(&format!("peregrine_fetch_refused_total{{bound=\"{bound}\"}} "))
            .is_some_and(|times| times != "0")
    })));
    sends(&mut run, &world, 3).await;
    assert!(run.said().contains("reads more than is fetched"), "said once: {}", run.said());
    run.end().await;
    world.stop().await;
}
