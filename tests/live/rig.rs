//! A chain whose blocks are made when a test says so, people who trade on it, and the searcher behind two proxies. It is on
//! anvil, or on geth where a test asks for that.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256, hex};
use peregrine::config::Config;
use peregrine::edge::bootstrap::{Factory, PoolRow};
use peregrine::edge::chain::Chain;
use peregrine::edge::ingest;
use peregrine::edge::ledger::row::{Outcome, Row};
use peregrine::edge::rpc::Rpc;
use peregrine::edge::submit::{self, DialectName};
use peregrine::hot::bundle::config::Executor;
use peregrine::hot::worker::message::Seen;
use peregrine::live::stats::totals::Status;
use peregrine::live::{How, Searcher, session, start};
use peregrine::protocols::amm::Amm;
use peregrine::types::pool_key::PoolKey;
use peregrine::types::secret::Place;
use peregrine_devnet::block_builder::{self, BlockBuilder, Built, Entry, Fate};
use peregrine_devnet::{Devnet, On, Options, Traffic, Wallet};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::pinned_geth;
use crate::requests;
use crate::socket;
use crate::traces;

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Transactions a second. What comes while nobody mines comes in one block, whose trace takes anvil long.
const RATE: f64 = 25.0;
/// ... where what there is to earn is of a test's own making.
const CALM: f64 = 3.0;
/// Longest wait for something that need not come.
const CHANCE: Duration = Duration::from_secs(2);
/// Between two looks at something that cannot call.
const LOOK: Duration = Duration::from_millis(5);

/// What the node's answers are spoilt with.
#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
pub enum Sick {
    /// Not at all.
    No = 0,
    /// Every answer is an error.
    Busy = 1,
    /// Every answer is something that nobody asked for.
    Babbles = 2,
    /// What the owner holds behind a block is first told out of the next one, as anvil does while it makes that.
    Ahead = 3,
    /// What it has not got ready it tells as nothing: receipts are null, logs are none, for a while behind each head.
    NullYet = 4,
    /// ... receipts are none and logs an error.
    NoneYet = 5,
    /// ... both are an error, and what half the block's logs are is told in between.
    ErrorYet = 6,
    /// It knows no method for a block's receipts.
    NoReceipts = 7,
    /// It does not trace: an error, null, or "not found", in turn.
    NoTrace = 8,
    /// In its traces slots that were only read stand before and not behind.
    TracesReads = 9,
    /// ... contracts are left out.
    TracesNoContracts = 10,
    /// ... our own account is left out, as all balances and nonces are.
    TracesNoHoldings = 11,
    /// The data of logs is another.
    LogsData = 12,
}

/// How long it is not ready.
const UNREADY: Duration = Duration::from_millis(500);

/// Worlds at a time. One leaves both cores idle for more than half of its time: it waits for blocks.
const WORLDS: u32 = 2;
static ROOM: Semaphore = Semaphore::const_new(WORLDS as usize);

pub struct Rig {
    pub net: Devnet,
    pub builder: BlockBuilder,
    pub chain: Chain,
    pub socket: socket::Proxy,
    pub folder: TempDir,
    /// Who makes pools besides.
    pub factories: Vec<Factory>,
    /// Pools that no factory tells of.
    pub pools: Vec<PoolRow>,
    traffic: Traffic,
    /// What the traffic sends goes through it.
    door: requests::Proxy,
    /// Transactions sent when the last block was asked for.
    asked: AtomicU64,
    identity: Wallet,
    requests: requests::Proxy,
    sick: Arc<AtomicU8>,
    _room: SemaphorePermit<'static>,
}

/// Waits until `done` says so.
pub async fn until(what: &str, done: impl AsyncFnMut() -> bool) {
    assert!(within(PATIENCE, done).await, "waited in vain: {what}");
}

/// Whether `done` says so within this time.
pub async fn within(time: Duration, mut done: impl AsyncFnMut() -> bool) -> bool {
    let mut looks = tokio::time::interval(LOOK);
    let wait = async {
        while !done().await {
            looks.tick().await;
        }
    };
    tokio::time::timeout(time, wait).await.is_ok()
}

impl Rig {
    pub async fn start(seed: u64) -> Self {
        Self::start_as(Options { seed, senders: 120, ..Options::default() }, (1, RATE)).await
    }

    /// With few who trade.
    pub async fn start_calm(seed: u64) -> Self {
        Self::start_as(Options { seed, senders: 120, ..Options::default() }, (1, CALM)).await
    }

    /// No other world beside it.
    pub async fn start_alone(seed: u64) -> Self {
        Self::start_as(Options { seed, senders: 120, ..Options::default() }, (WORLDS, RATE)).await
    }

    /// With lending markets, whose prices move when a test says so.
    pub async fn start_lending(seed: u64) -> Self {
        Self::start_as(Options { seed, senders: 120, lending: true, ..Options::default() }, (1, RATE)).await
    }

    /// On geth, with lending markets or without. None, aloud, where there is no geth.
    pub async fn start_on_geth(seed: u64, lending: bool) -> Option<Self> {
        if !pinned_geth::there() {
            return None;
        }
        let options = Options { seed, senders: 120, lending, on: On::Geth, ..Options::default() };
        Some(Self::start_as(options, (1, RATE)).await)
    }

    async fn start_as(options: Options, (worlds, rate): (u32, f64)) -> Self {
        // What `PEREGRINE_LOG` asks for; nothing without it.
        let filter = tracing_subscriber::EnvFilter::try_from_env("PEREGRINE_LOG");
        let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off"));
        let _twice = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let room = ROOM.acquire_many(worlds).await.unwrap();
        let net = Devnet::start(options).await;
        let net = net.unwrap_or_else(|error| panic!("{error}"));
        let node = net.node.http();
        let front =
            block_builder::Options { timer: false, slot: Duration::from_secs(1), ..block_builder::Options::new(&node) };
        let builder = BlockBuilder::start(front).await.unwrap();
        let door = requests::Proxy::before(&builder.url(), |_, reply| reply).await;
        door.idle(true);
        let traffic = net.trade_through(&Rpc::new(&door.url, PATIENCE).unwrap(), rate).unwrap();
        let sick = Arc::new(AtomicU8::new(0));
        let (how, owner, told, asked) = (sick.clone(), net.owner.address(), StdMutex::default(), StdMutex::default());
        let spoil = move |call: &Value, reply| match how.load(Ordering::Relaxed) {
            1 => requests::refusal(call, -32000, "busy"),
            2 => json!({"jsonrpc": "2.0", "id": call["id"], "result": {"what": ["nobody", "asked", 4]}}),
            3 => ahead(owner, &told, call, reply),
            ways @ 4..=6 => not_yet(ways, &asked, call, reply),
            8 if call["method"] == "debug_traceBlockByHash" => no_trace(&asked, call, reply),
            ways @ 9..=11 => lies(ways, call, reply),
            12 if call["method"] == "eth_getLogs" => other_logs(reply),
            7 if call["method"] == "eth_getBlockReceipts" => {
                requests::refusal(call, -32601, "the method does not exist")
            }
            _ => reply,
        };
        let requests = requests::Proxy::before(&node, spoil).await;
        requests.idle(true);
        let socket = socket::Proxy::before(&net.node.ws()).await;
        let (chain, identity) = (Chain::new(&node, PATIENCE).unwrap(), Wallet::fresh().unwrap());
        let folder = tempfile::tempdir().unwrap();
        Self {
            net,
            builder,
            chain,
            socket,
            folder,
            factories: Vec::new(),
            pools: Vec::new(),
            traffic,
            door,
            asked: AtomicU64::new(0),
            identity,
            requests,
            sick,
            _room: room,
        }
    }

    pub fn make_sick(&self, sick: Sick) {
        self.sick.store(sick as u8, Ordering::Relaxed);
        self.requests.idle(sick == Sick::No);
    }

    /// Answers of the node that were spoilt.
    pub fn spoilt(&self) -> u64 {
        self.requests.spoilt()
    }

    pub fn config(&self) -> Config {
        let mut config = Config::default();
        config.chain.hardfork = "prague".to_owned();
        config.chain.slot_seconds = 1;
        config.ingest = ingest::Config {
            ping_ms: 50,
            silence_ms: 1_500,
            head_silence_ms: 5_000,
            timeout_ms: 10_000,
            retry_least_ms: 5,
            retry_most_ms: 50,
            ..ingest::Config::default()
        };
        let (ws, http) = (Some(self.socket.ws.clone()), Some(self.requests.url.clone()));
        config.node = vec![ingest::Node { name: "devnet".to_owned(), ws, http, ipc: None }];
        config.factory = session::factories(&self.net.contracts);
        config.factory.extend(self.factories.iter().cloned());
        config.pool.clone_from(&self.pools);
        config.lending = session::lending(self.net.lending.as_ref());
        if self.net.node.on() == On::Geth {
            self.name(&mut config);
        }
        config.executor = Some(Executor {
            address: self.net.executor,
            owner: key(self.folder.path(), "owner", &self.net.owner),
            identity: Some(key(self.folder.path(), "identity", &self.identity)),
            access_list: false,
            gas_margin_bps: 1_000,
        });
        config.relay = vec![relay("devnet", &self.builder.url())];
        if self.net.lending.is_some() {
            // Between bundles that bid alike a builder's choice says nothing.
            (config.bid.cap_wei, config.limits.max_bid_wei) = (session::LARGE_BID, session::LARGE_BID);
        }
        config.record.ledger = self.folder.path().join("ledger");
        config.record.journal = None;
        config.threads.hot = 2;
        config
    }

    /// Names what stands in geth's first block, of which no log tells: pools, and who owes in markets that are a contract each.
    fn name(&self, config: &mut Config) {
        config.pool.extend(self.net.pools.iter().map(|pool| PoolRow::of(pool.address)));
        for market in self.net.lending.iter().flat_map(|lending| lending.seeds()).filter(|seed| seed.pair.is_none()) {
            let row = config.lending.iter_mut().find(|row| row.address == market.address);
            row.expect("a row for each").accounts = market.accounts;
        }
    }

    pub async fn search(&self) -> Searcher {
        self.search_as(&self.config()).await
    }

    pub async fn search_as(&self, config: &Config) -> Searcher {
        start(config, How::Loopback, 0, &mut |_| ()).await.unwrap()
    }

    /// Once it hears what people send: what was sent before its node was subscribed is not told again.
    pub async fn hears(&self, searcher: &Searcher) {
        until("a pending transaction", async || searcher.status().pending_seen > 0).await;
    }

    /// As long as this is held nobody trades.
    pub async fn quiet(&self) -> impl Drop {
        self.door.hold().await
    }

    /// So many transactions more, then a block.
    pub async fn block(&self, txs: u64) -> Built {
        let due = self.traffic.counts().sent() + txs;
        assert!(self.traffic.reached(due).await);
        self.asked.store(due, Ordering::Relaxed);
        self.builder.build_now().await.unwrap()
    }

    /// So many blocks, each of them followed; the builder is given a while for bundles before each.
    pub async fn blocks(&self, searcher: &Searcher, blocks: u64) {
        for _ in 0..blocks {
            self.block(4).await;
            self.followed(searcher).await;
        }
    }

    /// Once every hot thread stands behind the chain's last block, with no pool out: what each holds.
    pub async fn followed(&self, searcher: &Searcher) -> Vec<Seen> {
        let mut seen = Vec::new();
        until("a searcher behind the last block, no pool in quarantine", async || {
            let tip = self.chain.latest().await.unwrap().unwrap();
            seen = searcher.look().await;
            searcher.check().unwrap();
            let stands = |seen: &Seen| seen.head.hash == tip.hash && seen.pools.iter().all(|(_, out)| !*out);
            !seen.is_empty() && seen.iter().all(stands)
        })
        .await;
        seen
    }

    /// A block, once there is a bundle for it or none is to be had.
    pub async fn block_with_ours(&self, searcher: &Searcher) {
        self.followed(searcher).await;
        let target = Some(searcher.tip() + 1);
        until("a bundle, or none to be had", async || {
            let waits = |entry: &Entry| entry.target == target && entry.fate == Fate::Waiting;
            self.waiting_for(20) || self.builder.bundles().iter().any(waits)
        })
        .await;
        self.block(0).await;
        self.followed(searcher).await;
    }

    /// Once every thread holds the pool.
    pub async fn held(&self, searcher: &Searcher, key: PoolKey) {
        until("every thread holds the pool", async || {
            let seen = searcher.look().await;
            !seen.is_empty() && seen.iter().all(|seen| seen.pools.iter().any(|(held, _)| held.key() == key))
        })
        .await;
        self.followed(searcher).await;
    }

    /// Gives the searcher a while for a bundle behind this transaction, if there is one to be had.
    pub async fn chance_behind(&self, trigger: B256) {
        let behind = async || self.builder.bundles().iter().any(|entry| entry.txs.first() == Some(&trigger));
        let _may_be_none = within(CHANCE, behind).await;
    }

    /// Whether so many more transactions have been sent since the last block was asked for.
    pub fn waiting_for(&self, txs: u64) -> bool {
        self.traffic.counts().sent() >= self.asked.load(Ordering::Relaxed) + txs
    }

    /// Hands something in at the builder's door, past what is held.
    pub async fn tell(&self, method: &str, params: Value) -> Value {
        let door = Rpc::new(&self.builder.url(), PATIENCE).unwrap();
        door.call(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The node's answer.
    pub async fn ask(&self, method: &str, params: Value) -> Value {
        self.net.rpc.call(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Sends nothing more, settles everything, and holds ledger and builder against each other.
    pub async fn close(self, searcher: Searcher) -> Status {
        let until_settled = searcher.wind_down(PATIENCE);
        let mining = async {
            loop {
                self.block(1).await;
                self.followed(&searcher).await;
            }
        };
        let open = tokio::select! {
            open = until_settled => open,
            () = mining => unreachable!(),
        };
        assert_eq!(open, 0, "every bundle has an outcome");
        nothing_twice(&self, &searcher);
        let rows = searcher.ledger().all().unwrap();
        let status = searcher.stop().await;
        println!("{}", summary(&status));
        assert_eq!(status.mismatched, 0, "realised is predicted: {}", mismatched(&self, &rows).await);
        status
    }
}

/// Whatever earned not what was predicted, with the blocks in which it did.
async fn mismatched(rig: &Rig, rows: &[Row]) -> String {
    let mut all = String::new();
    for row in rows {
        let Some(Outcome::Landed { realised, at }) = &row.outcome else { continue };
        if *realised != row.bundle.predicted {
            let block = rig.ask("eth_getBlockByHash", json!([at.hash, true])).await;
            let bundles = rig.builder.bundles();
            let theirs: Vec<_> = bundles.iter().filter(|b| b.target == Some(at.block)).collect();
            let parent = rig.ask("eth_getBlockByHash", json!([row.bundle.parent, false])).await;
            let [before, now] = [&parent, &block].map(|block| block["timestamp"].as_str().unwrap_or("?").to_owned());
            all += &format!("{row:#?}\n{block:#}\n{theirs:#?}\nparent of {before}, block of {now}\n");
        }
    }
    all
}

/// Bundles through the pool that landed.
pub fn landed_through(searcher: &Searcher, key: PoolKey) -> Vec<Row> {
    let is_landed = |row: &Row| matches!(row.outcome, Some(Outcome::Landed { .. })) && row.bundle.pools.contains(&key);
    searcher.ledger().all().unwrap().into_iter().filter(is_landed).collect()
}

/// No bundle reached the builder twice, none is in the ledger twice, and the ledger's sums are those of its rows.
pub fn nothing_twice(rig: &Rig, searcher: &Searcher) {
    let mut came: Vec<_> = rig.builder.bundles().into_iter().map(|entry| entry.txs).collect();
    let all = came.len();
    came.sort_unstable();
    came.dedup();
    assert_eq!(came.len(), all, "a bundle was sent twice");
    let rows = searcher.ledger().all().unwrap();
    let mut keys: Vec<_> = rows.iter().map(|row| (row.bundle.target, row.bundle.opportunity)).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), rows.len(), "an opportunity was taken twice");
    assert_eq!(searcher.ledger().totals().unwrap(), searcher.ledger().recount().unwrap());
}

pub fn summary(status: &Status) -> String {
    let count = |name: &str| status.counters[&*format!("peregrine_{name}_total")];
    format!(
        "{} blocks, {} undone, {} reloads, {} gaps, {} pools out, {} back, {} edge errors; {} sent, {} landed {:?}, {} lost",
        status.blocks,
        count("blocks_undone"),
        count("reloads"),
        count("gaps"),
        count("pools_quarantined"),
        count("pools_reseeded"),
        count("edge_errors"),
        status.bundles_sent,
        status.bundles_landed,
        status.landed_by_hops,
        status.lost,
    )
}

pub fn relay(name: &str, url: &str) -> submit::config::Relay {
    let (name, url) = (name.to_owned(), url.to_owned());
    submit::config::Relay { name, url, dialect: DialectName::Flashbots, sign: true, timeout_ms: 500 }
}

/// A file that nobody else may read.
pub fn key(folder: &Path, name: &str, wallet: &Wallet) -> Place {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join(name);
    if !path.exists() {
        let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path).unwrap();
        file.write_all(hex::encode(wallet.secret()).as_bytes()).unwrap();
    }
    Place::File(path)
}

/// Of the owner's ether the first answer behind each block is more, each time by another amount.
fn ahead(owner: Address, told: &StdMutex<HashSet<Value>>, call: &Value, mut reply: Value) -> Value {
    if call["method"] != "eth_getBalance" || call["params"][0] != json!(owner) {
        return reply;
    }
    let mut told = told.lock().unwrap();
    if told.insert(call["params"][1].clone()) {
        let due: U256 = serde_json::from_value(reply["result"].clone()).unwrap();
        reply["result"] = json!(due + (U256::ONE << (told.len() % 40)));
    }
    reply
}

/// A block's receipts and logs are not ready for a while, from when they are first asked for.
fn not_yet(way: u8, asked: &StdMutex<HashMap<Value, Instant>>, call: &Value, mut reply: Value) -> Value {
    let params = &call["params"][0];
    let block = match call["method"].as_str() {
        Some("eth_getBlockReceipts") => params.clone(),
        Some("eth_getLogs") => params["blockHash"].clone(),
        _ => return reply,
    };
    let (is_logs, since) = (params.is_object(), *asked.lock().unwrap().entry(block).or_insert_with(Instant::now));
    match (way, since.elapsed() > UNREADY) {
        (_, true) => return reply,
        (6, _) if is_logs && since.elapsed() > UNREADY / 2 => {
            let logs = reply["result"].as_array_mut().unwrap();
            logs.truncate(logs.len() / 2);
        }
        (4, _) if is_logs => reply["result"] = json!([]),
        (4, _) => reply["result"] = Value::Null,
        (5, _) if !is_logs => reply["result"] = json!([]),
        _ => return requests::refusal(call, -32000, "header not found"),
    }
    reply
}

/// Of each four blocks one is traced.
fn no_trace(asked: &StdMutex<HashMap<Value, Instant>>, call: &Value, mut reply: Value) -> Value {
    let mut asked = asked.lock().unwrap();
    asked.insert(call["params"][0].clone(), Instant::now());
    match asked.len() % 4 {
        1 => return requests::refusal(call, -32600, "invalid request"),
        2 => reply["result"] = Value::Null,
        3 => return requests::refusal(call, -32000, "block not found"),
        _ => (),
    }
    reply
}

/// A trace that looks right.
fn lies(way: u8, call: &Value, mut reply: Value) -> Value {
    let lie = traces::LIES[[0, 1, 6][usize::from(way - 9)]].1;
    if call["method"] == "debug_traceBlockByHash" {
        lie(&mut reply["result"]);
    }
    reply
}

/// Logs of which each says something else.
fn other_logs(mut reply: Value) -> Value {
    reply["result"].as_array_mut().into_iter().flatten().for_each(traces::other_data);
    reply
}

/// Whoever holds it has the machine.
pub async fn alone() -> SemaphorePermit<'static> {
    ROOM.acquire_many(WORLDS).await.unwrap()
}
