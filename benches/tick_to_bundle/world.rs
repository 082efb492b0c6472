//! The devnet, the state loaded from it, the targets, and the product run on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy::consensus::transaction::Recovered;
use alloy::consensus::{TxEip1559, TxEnvelope};
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, TxKind, U256, address, hex};
use peregrine::config::Config;
use peregrine::edge::bootstrap::Loaded;
use peregrine::edge::chain::Chain;
use peregrine::edge::ingest;
use peregrine::edge::submit::config::Relay;
use peregrine::edge::submit::{DialectName, keys};
use peregrine::hot::bundle::BundleSigner;
use peregrine::hot::bundle::config::Executor;
use peregrine::hot::decode::PendingTx;
use peregrine::hot::engine::plan::{InitialState, Plan};
use peregrine::hot::engine::{Engine, choice};
use peregrine::hot::event::Event;
use peregrine::hot::evm::own::Own;
use peregrine::live::{self, How, Searcher, session};
use peregrine::types::secret::Place;
use peregrine::types::update::AccountUpdate;
use peregrine_devnet::{Devnet, Options, Venue, Wallet};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::Path;
use crate::node;
use crate::peer;

alloy::sol! {
    function swapExactETHForTokens(uint256 minOut, address[] path, address to, uint256 deadline) external payable;
}

pub const WETH: Address = address!("C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");

/// A pending transaction, as it is announced.
#[derive(Clone, Debug)]
pub struct Victim {
    /// Targets of one kind differ in some gwei of their amount.
    pub kind: usize,
    /// Its raw bytes in hexadecimal, as a bundle holds them.
    pub raw: String,
    pub notice: String,
    pub frame: Vec<u8>,
}

impl Victim {
    /// As alloy has it.
    pub fn decoded(&self) -> Arc<Recovered<TxEnvelope>> {
        let notice: serde_json::Value = serde_json::from_str(&self.notice).expect("json");
        let tx: alloy::rpc::types::eth::Transaction =
            serde_json::from_value(notice["params"]["result"].clone()).expect("a transaction");
        Arc::new(tx.inner)
    }
}

/// Whose swap, through which pool, of how much.
#[derive(Clone, Copy)]
struct Sort {
    router: Address,
    token: Address,
    sender: usize,
    amount: U256,
}

/// What a path starts with.
pub struct State {
    pub loaded: Loaded,
    pub slots: usize,
}

pub struct World {
    devnet: Devnet,
    pub config: Config,
    pub own: Own,
    loaded: Loaded,
    sorts: Vec<Sort>,
    made: AtomicU64,
    folder: TempDir,
    ledgers: AtomicU64,
    pub targets: Vec<Victim>,
    /// What targets and the bundles behind them read, by account.
    read: BTreeMap<Address, BTreeSet<U256>>,
}

pub enum Runner {
    Product(Box<Searcher>),
    Peer(peer::Peer),
}

impl Runner {
    pub async fn stop(self) {
        match self {
            Self::Product(searcher) => drop(searcher.stop().await),
            Self::Peer(peer) => peer.stop(),
        }
    }
}

fn key(folder: &std::path::Path, name: &str, wallet: &Wallet) -> Place {
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join(name);
    let file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
    std::io::Write::write_all(&mut file.expect("a file"), hex::encode(wallet.secret()).as_bytes()).expect("written");
    Place::File(path)
}

fn config(devnet: &Devnet, folder: &std::path::Path, node: &str, relay: &str) -> Config {
    let mut config = Config::default();
    config.chain.hardfork = devnet.options.hardfork.to_owned();
    // Nothing is ever late: no block comes.
    config.chain.slot_seconds = 12;
    config.ingest.head_silence_ms = 600_000;
    config.limits.max_bundles_per_block = 1_000_000;
    config.node = vec![ingest::Node {
        name: "bench".to_owned(),
        ws: Some(node.to_owned()),
        http: Some(devnet.node.http()),
        ipc: None,
    }];
    config.factory = session::factories(&devnet.contracts);
    config.executor = Some(Executor {
        address: devnet.executor,
        owner: key(folder, "owner", &devnet.owner),
        identity: Some(key(folder, "identity", &Wallet::fresh().expect("a key"))),
        access_list: false,
        gas_margin_bps: 1_000,
    });
    let (name, url) = ("bench".to_owned(), relay.to_owned());
    config.relay = vec![Relay { name, url, dialect: DialectName::Flashbots, sign: true, timeout_ms: 5_000 }];
    config
}

impl World {
    pub async fn start(node: &str, relay: &str) -> Self {
        let options = Options { seed: 7, senders: 16, ..Options::default() };
        let devnet = Devnet::start(options).await.unwrap_or_else(|error| panic!("{error}"));
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(&devnet, folder.path(), node, relay);
        let loaded = live::load(&config, &mut |_| ()).await.unwrap_or_else(|error| panic!("{error:#}"));
        let own = Own { owner: devnet.owner.address(), executor: devnet.executor, weth: WETH };
        let mut world = Self {
            devnet,
            config,
            own,
            loaded,
            sorts: Vec::new(),
            made: AtomicU64::new(0),
            folder,
            ledgers: AtomicU64::new(0),
            targets: Vec::new(),
            read: BTreeMap::new(),
        };
        world.pick().await;
        world.read = world.reads();
        world.targets = world.fresh(world.sorts.len());
        world
    }

    /// Keeps the sorts of targets that a bundle is built behind, and fetches what they read.
    async fn pick(&mut self) {
        let timeout = Duration::from_secs(20);
        let chain = Chain::new(&self.devnet.node.http(), timeout).expect("a url");
        let all: Vec<Sort> = self.sorts_of_swaps();
        for sort in all {
            let target = self.sign(usize::MAX, sort, U256::ZERO);
            let mut tx = PendingTx::default();
            tx.read(&target.notice).expect("a notice");
            let built = loop {
                let (mut engine, mut builder) = (self.engine(&self.loaded, false), self.builder());
                let outcome = engine.on_event(Event::Pending(Box::new(tx.env())));
                let raw = |to: &mut peregrine::hot::bundle::Target| choice::target(&tx, to);
                let made = choice::choose(&mut engine, &mut builder, &outcome.proven, Some(&raw));
                let wants: Vec<_> = outcome.wanted.iter().chain(engine.missed()).copied().collect();
                if wants.is_empty() {
                    break made.choice.is_some();
                }
                self.fetch(&chain, &wants).await;
            };
            if built {
                self.sorts.push(sort);
            }
        }
        assert!(!self.sorts.is_empty(), "no swap is followed by a bundle");
    }

    async fn fetch(&mut self, chain: &Chain, wants: &[peregrine::types::update::StateKey]) {
        let rules = peregrine::edge::bootstrap::Rules::of(&self.config.chain);
        let keep = peregrine::edge::bootstrap::Keep::new(chain.clone(), rules, &self.loaded);
        let told = keep.fetch(self.loaded.head.hash, wants).await.unwrap_or_else(|error| panic!("{error}"));
        self.loaded.accounts.extend(told.accounts);
        self.loaded.hashes.extend(told.hashes);
    }

    fn sorts_of_swaps(&self) -> Vec<Sort> {
        let (devnet, mut all) = (&self.devnet, Vec::new());
        for pool in &devnet.pools {
            let router = match pool.venue {
                Venue::UniswapV2 => devnet.contracts.v2_router,
                Venue::Sushi => devnet.contracts.sushi_router,
                Venue::UniswapV3 => continue,
            };
            let [a, b] = pool.tokens.map(|place| devnet.tokens[place].address);
            let token = match (a == WETH, b == WETH) {
                (true, _) => b,
                (_, true) => a,
                _ => continue,
            };
            // A hundredth and a thirtieth of the pool.
            for part in [200, 60] {
                let amount = devnet.tokens[0].worth(pool.depth_usd / part);
                all.push(Sort { router, token, sender: all.len() % devnet.senders.len(), amount });
            }
        }
        all
    }

    fn sign(&self, kind: usize, sort: Sort, more: U256) -> Victim {
        let sender = &self.devnet.senders[sort.sender];
        let known = self.loaded.accounts.iter().rev().find(|account| account.address == sender.address());
        let call = swapExactETHForTokensCall {
            minOut: U256::from(1),
            path: vec![WETH, sort.token],
            to: sender.address(),
            deadline: U256::from(u64::MAX),
        };
        let tx = TxEip1559 {
            chain_id: self.config.chain.id,
            nonce: known.and_then(|account| account.nonce).unwrap_or(0),
            gas_limit: 300_000,
            max_fee_per_gas: 1_000_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: TxKind::Call(sort.router),
            value: sort.amount + more,
            access_list: Default::default(),
            input: call.abi_encode().into(),
        };
        let signed = sender.sign(tx.clone());
        let notice = notice(&tx, sender, &signed.raw);
        Victim { kind, raw: hex::encode_prefixed(&signed.raw), frame: node::frame(&notice), notice }
    }

    /// So many targets that nobody has seen.
    pub fn fresh(&self, count: usize) -> Vec<Victim> {
        let from = self.made.fetch_add(count as u64, Ordering::Relaxed);
        let one = |at: u64| {
            let kind = (at % self.sorts.len() as u64) as usize;
            self.sign(kind, self.sorts[kind], U256::from(at) * U256::from(1_000_000_000))
        };
        (from..from + count as u64).map(one).collect()
    }

    /// Of the state that was loaded, what is read; filled up with more of it to `slots` slots.
    pub fn state(&self, slots: usize) -> State {
        let mut all: BTreeMap<Address, (AccountUpdate, BTreeMap<U256, U256>)> = BTreeMap::new();
        for account in &self.loaded.accounts {
            let (known, held) = all.entry(account.address).or_default();
            held.extend(account.slots.iter().copied());
            *known = AccountUpdate {
                address: account.address,
                balance: account.balance.or(known.balance),
                nonce: account.nonce.or(known.nonce),
                code: account.code.clone().or(known.code.take()),
                ..AccountUpdate::default()
            };
        }
        let is_read = |address: &Address, slot: &U256| self.read.get(address).is_some_and(|read| read.contains(slot));
        let read = all.iter().map(|(address, (_, held))| held.keys().filter(|slot| is_read(address, slot)).count());
        let (mut count, mut more) = (read.sum::<usize>(), 0);
        more += slots.saturating_sub(count);
        let mut loaded = Loaded { accounts: Vec::new(), ..self.loaded.clone() };
        for (address, (account, held)) in all {
            let passed = held.into_iter().filter(|(slot, _)| {
                let read = is_read(&address, slot);
                let fill = !read && more > 0;
                more -= usize::from(fill);
                count += usize::from(fill);
                read || fill
            });
            loaded.accounts.push(AccountUpdate { slots: passed.collect(), ..account });
        }
        State { slots: count, loaded }
    }

    fn reads(&self) -> BTreeMap<Address, BTreeSet<U256>> {
        let whole = State { loaded: self.loaded.clone(), slots: 0 };
        let mut strategy = peer::Strategy::new(self, &whole);
        let mut all: BTreeMap<Address, BTreeSet<U256>> = BTreeMap::new();
        // The amounts at either end: between them the same ticks are met.
        for (kind, sort) in self.sorts.iter().enumerate() {
            for more in [0, 100_000] {
                let target = self.sign(kind, *sort, U256::from(more) * U256::from(1_000_000_000));
                for (address, slots) in strategy.reads(&target.decoded()) {
                    all.entry(address).or_default().extend(slots);
                }
            }
        }
        all
    }

    pub fn plan(&self) -> Plan {
        Plan {
            chain_id: self.config.chain.id,
            rules: peregrine::hot::evm::fork::Rules::of(&self.config.chain),
            slot_seconds: self.config.chain.slot_seconds,
            search: self.config.search.clone(),
            base: true,
            bid: self.config.bid.clone(),
            forecast: false,
            contracts: self.config.chain.contracts(),
            own: self.own,
        }
    }

    /// An engine that resolves known pools by maths first, or not.
    pub fn engine(&self, loaded: &Loaded, forecast: bool) -> Engine {
        let Loaded { head, accounts, hashes, pools, markets, .. } = loaded;
        Plan { forecast, ..self.plan() }.engine(&InitialState { head, accounts, hashes, pools, markets })
    }

    pub fn builder(&self) -> BundleSigner {
        let executor = self.config.executor.clone().expect("an executor");
        let key = keys::read(&executor.owner).expect("a key");
        BundleSigner::new(key, self.config.chain.id, executor, self.config.bid.clone(), self.config.limits.clone())
    }

    /// Starts a path.
    pub fn run(&self, runtime: &Runtime, path: Path, state: &State) -> Runner {
        if path == Path::Peer {
            return Runner::Peer(runtime.block_on(peer::Peer::start(self, state)));
        }
        let mut config = self.config.clone();
        config.threads.spin = path != Path::Share;
        (config.threads.nonces, config.threads.owner_nonces) = match path {
            Path::Spin | Path::SpinEvm => (1_024, 0),
            Path::SpinKnown => (1_024, 1_024),
            Path::SpinPlain | Path::Share | Path::Peer => (0, 0),
        };
        config.forecast.enabled = matches!(path, Path::Spin | Path::SpinKnown | Path::Share);
        let ledger = self.ledgers.fetch_add(1, Ordering::Relaxed);
        config.record.ledger = self.folder.path().join(format!("ledger-{}", ledger));
        config.record.journal = None;
        let started = runtime.block_on(live::start_behind(&config, How::Loopback, 0, state.loaded.clone()));
        Runner::Product(Box::new(started.unwrap_or_else(|error| panic!("{error:#}"))))
    }
}

/// As geth announces it.
fn notice(tx: &TxEip1559, sender: &Wallet, raw: &[u8]) -> String {
    use alloy::eips::eip2718::Decodable2718;
    let TxEnvelope::Eip1559(signed) = TxEnvelope::decode_2718(&mut &raw[..]).expect("ours") else { panic!("ours") };
    let (signature, hash) = (signed.signature(), signed.hash());
    let TxKind::Call(to) = tx.to else { panic!("a call") };
    serde_json::json!({"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": "0x2", "result": {
        "blockHash": null, "blockNumber": null, "from": sender.address(), "gas": format!("{:#x}", tx.gas_limit),
        "gasPrice": format!("{:#x}", tx.max_fee_per_gas), "maxFeePerGas": format!("{:#x}", tx.max_fee_per_gas),
        "maxPriorityFeePerGas": format!("{:#x}", tx.max_priority_fee_per_gas), "hash": hash,
        "input": tx.input, "nonce": format!("{:#x}", tx.nonce), "to": to, "transactionIndex": null,
        "value": format!("{:#x}", tx.value), "type": "0x2", "accessList": [], "chainId": format!("{:#x}", tx.chain_id),
        "v": format!("{:#x}", u8::from(signature.v())), "yParity": format!("{:#x}", u8::from(signature.v())),
        "r": format!("{:#x}", signature.r()), "s": format!("{:#x}", signature.s()),
    }}})
    .to_string()
}
