//! Question: how long does a start take where every pool of mainnet is to be known, with nothing kept and from a snapshot, and how
//! much memory?
//! Input: a node in a process of its own (`node.rs`) that answers out of a made state: as many Uniswap V2 pairs and V3 pools as the
//! arguments say, with their published bytecode, each pair with a token of its own against WETH.
//! Counts are asserted: every pool is found and usable.
//!
//! A harness of its own: `cargo bench --bench cold_start -- 380000 20000`; without numbers a hundredth of that.

mod node;
#[path = "../../tests/common/v3_evm.rs"]
mod v3_evm;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mimalloc::MiMalloc;
use peregrine::edge::bootstrap::{self, Config, Factory, Loaded, Progress, Rules, Wanted};
use peregrine::edge::chain::Chain;
use peregrine::hot::evm::fork;
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The node, stopped when dropped.
struct Node {
    child: Child,
    url: String,
}

impl Node {
    fn start(v2: u64, v3: u64) -> Self {
        let exe = std::env::current_exe().expect("this program");
        let mut child = Command::new(exe)
            .args(["node", &v2.to_string(), &v3.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut url).expect("where it is");
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let number = |place: usize| args.get(place).map(|arg| arg.parse().expect("a number of pools"));
    if args.first().is_some_and(|first| first == "node") {
        return node::serve(number(1).expect("pairs"), number(2).expect("pools"));
    }
    let (v2, v3) = (number(0).unwrap_or(3_800), number(1).unwrap_or(200));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(measure(v2, v3));
}

async fn measure(v2: u64, v3: u64) {
    let node = Node::start(v2, v3);
    let folder = tempfile::tempdir().expect("a folder");
    let snapshot = folder.path().join("snapshot");
    println!("{v2} Uniswap V2 pairs, {v3} V3 pools");
    for name in ["cold", "snapshot"] {
        let loaded = start(name, &node, &snapshot).await;
        assert_eq!(loaded.pools.len() as u64, v2 + v3, "usable: {:?}", loaded.unusable.first());
        assert!(loaded.unusable.is_empty());
    }
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len()) as f64 / 1e6;
    let state = folder.path().join("snapshot.state");
    println!("the snapshot is {:.1} MB, the state beside it {:.1} MB", size(&snapshot), size(&state));
}

/// One start, and what it took.
async fn start(name: &str, node: &Node, snapshot: &Path) -> Loaded {
    let chain = Chain::new(&node.url, Duration::from_secs(60)).expect("a url");
    let config = Config { snapshot: Some(snapshot.to_owned()), page_blocks: 1_000_000, ..Config::default() };
    let factory = |name: &str, protocol: &str, address| Factory {
        name: name.to_owned(),
        protocol: protocol.to_owned(),
        address,
        from_block: 0,
    };
    let wanted = Wanted {
        factories: vec![
            factory("v2", "uniswap_v2", node::FACTORIES[0]),
            factory("v3", "uniswap_v3", node::FACTORIES[1]),
        ],
        ..Wanted::default()
    };
    let rules = Rules { chain_id: 1, forks: fork::Rules::always(fork::Fork::PRAGUE), wrapped_native: None };
    let (began, mut said) = (Instant::now(), String::new());
    let mut hear = |progress: Progress<'_>| {
        let line = match progress {
            Progress::Scanning { factory, pools, .. } => format!("scanning {factory}, {pools} pools"),
            Progress::Reading { accounts, slots } => format!("reading {accounts} accounts, {slots} slots"),
            Progress::Following { of, .. } => format!("following {of} blocks"),
            Progress::Read { .. } => return,
            Progress::Asking { round, open, missing } => format!("round {round}: {open} open, {missing} missing"),
            other => format!("{other:?}"),
        };
        if line != said {
            println!("  {:7.2} s  {line}", began.elapsed().as_secs_f64());
            said = line;
        }
    };
    let before = chain.requests();
    let loaded = bootstrap::load(&chain, &config, rules, &wanted, &mut hear).await.expect("loaded");
    let took = began.elapsed().as_secs_f64();
    let requests = chain.requests() - before;
    println!("{name}: {took:.2} s, {requests} requests, {:.2} GiB at the peak so far", peak_gib());
    println!("  calls so far: {}", counts(&node.url).await);
    loaded
}

/// The most memory that this process has held.
fn peak_gib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    kib / f64::from(1 << 20)
}

/// How often the node was asked for what.
async fn counts(url: &str) -> Value {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"counts","params":[]}"#;
    let answer = reqwest::Client::new().post(url).body(body).send().await.expect("an answer");
    let answer: Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON");
    answer["result"].clone()
}
