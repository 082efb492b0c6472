//! A searcher from its start to its end, for commands that have no runtime: `run` until a signal, `demo` for some seconds.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use alloy_primitives::U256;
use eyre::WrapErr;
use peregrine_devnet::Contracts;
use peregrine_devnet::Wallet;
use peregrine_devnet::lending::Lending;
use peregrine_devnet::lending::Market;
use peregrine_devnet::world;
use peregrine_devnet::world::Factory;
use peregrine_devnet::world::World;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::chain;
use crate::chain::{BaseFee, DataFee};
use crate::config::Config;
use crate::edge::bootstrap;
use crate::edge::descriptors;
use crate::edge::descriptors::Need;
use crate::edge::export;
use crate::edge::ingest::Node;
use crate::edge::submit;
use crate::hot::bundle::config::Executor;
use crate::hot::rt;
use crate::hot::rt::thread;
use crate::live::How;
use crate::live::reconnector::CONNECTIONS;
use crate::live::screen::Screen;
use crate::live::searchers::Searchers;
use crate::live::searchers::Standing;
use crate::types::secret::Place;

/// Between two drawings of the table.
const REDRAW: Duration = Duration::from_millis(500);
/// Between two lines where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// Runs a searcher for each of these until SIGINT or SIGTERM: each is of another chain. What is said on the way goes to stderr.
///
/// # Errors
/// One could not start, or a part of it died: none runs then.
pub fn run(configs: &[Config], how: How) -> eyre::Result<Vec<Standing>> {
    let threads: Vec<&rt::Config> = configs.iter().map(|config| &config.threads).collect();
    edge(&threads)?.block_on(async {
        // Taken, it leaves a limit of files' sizes an error like a full disk; else the system ends us without a word.
        let _too_long = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        descriptors::raise(need(configs));
        let screen = Screen::new();
        let mut hear = screen.progress();
        let searchers = tokio::select! {
            searchers = Searchers::start(configs, how, 0, &mut hear) => searchers?,
            stopped = signalled() => return stopped.and_then(|()| eyre::bail!("stopped before the state was loaded")),
        };
        if let Some(at) = searchers.served_at() {
            screen.say(&format!("numbers at http://{at}/metrics and http://{at}/status"));
        }
        let ended = tokio::select! {
            fault = watch(&searchers, &screen) => Err(fault),
            stopped = signalled() => stopped,
        };
        screen.say("ending: nothing is sent any more, outcomes are waited for; once more ends at once");
        let slots = configs.iter().map(|config| config.chain.slot_seconds).max().unwrap_or_default();
        tokio::select! {
            _ = searchers.wind_down(Duration::from_secs(slots * 2)) => (),
            _ = signalled() => (),
        }
        let report = searchers.stop().await;
        screen.clear();
        ended.map(|()| report)
    })
}

/// Sockets of these searchers, when all of them are busy.
fn need(configs: &[Config]) -> Need {
    let nodes = configs.iter().map(|config| config.node.len() as u64).sum();
    let each = |config: &Config| config.relay.len() * (config.threads.hot * CONNECTIONS + RELAY_POOL);
    let connections = configs.iter().map(|config| each(config) as u64).sum();
    Need { nodes, connections, served: export::MOST as u64 }
}

/// Connections of the edge to one relay: bundles of a block that are under way at once.
const RELAY_POOL: usize = 16;

/// What kind of demo.
#[derive(Clone, Debug)]
pub struct Demo {
    /// How long bundles are sent.
    pub seconds: u64,
    /// The world.
    pub world: world::Options,
    /// Where ledger and journal are kept; without it they go with the demo.
    pub keep: Option<PathBuf>,
}

/// A world, and a searcher in it.
///
/// # Errors
/// Either could not start, or died.
pub fn demo(demo: &Demo) -> eyre::Result<Standing> {
    runtime()?.block_on(async {
        let screen = Screen::new();
        screen.say("starting a local chain with the real protocols, a block builder and traffic");
        let world = World::start(demo.world.clone()).await?;
        let folder = tempfile::tempdir().wrap_err("no temporary folder")?;
        let place = demo.keep.as_deref().unwrap_or(folder.path());
        std::fs::create_dir_all(place).wrap_err_with(|| place.display().to_string())?;
        let mut config = in_world(&world, folder.path())?;
        config.record.ledger = place.join("demo.ledger");
        config.record.journal = Some(place.join("demo.journal"));
        // The coinbase has ether then, and the base fee is on its way.
        let mut blocks = world.blocks();
        blocks.recv().await.wrap_err("the local chain makes no blocks")?;
        let (seed, mut hear) = (demo.world.seed, screen.progress());
        let searcher = Searchers::start(&[config], How::Loopback, seed, &mut hear).await?;
        let ended = tokio::select! {
            fault = watch(&searcher, &screen) => Err(fault),
            () = tokio::time::sleep(Duration::from_secs(demo.seconds)) => Ok(()),
            stopped = signalled() => stopped,
        };
        searcher.wind_down(demo.world.slot * 5).await;
        let mut report = searcher.stop().await;
        world.stop().await;
        screen.clear();
        ended?;
        report.pop().ok_or_else(|| eyre::eyre!("no searcher ran"))
    })
}

pub(super) fn runtime() -> eyre::Result<tokio::runtime::Runtime> {
    runtime_on(Vec::new())
}

/// With its threads on these cores; anywhere, without any.
fn runtime_on(cores: Vec<usize>) -> eyre::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.on_thread_start(move || thread::confine(&cores)).enable_all().build().wrap_err("no tokio runtime")
}

/// What the edge of searchers with these hot threads runs on: off their cores where they spin, which take them whole. So is
/// the calling thread from now on, and whatever it starts that is not hot.
///
/// # Errors
/// The system has no thread to give.
pub fn edge(threads: &[&rt::Config]) -> eyre::Result<tokio::runtime::Runtime> {
    let spinning = threads.iter().filter(|threads| threads.spin);
    let taken: Vec<_> = spinning.flat_map(|threads| thread::placements(threads.hot, &threads.cores)).collect();
    if taken.is_empty() {
        return runtime();
    }
    let cores = thread::others(&taken);
    thread::confine(&cores);
    runtime_on(cores)
}

/// Draws until a part dies.
async fn watch(searchers: &Searchers, screen: &Screen) -> eyre::Report {
    let mut ticks = tokio::time::interval(if screen.is_terminal() { REDRAW } else { LINE });
    loop {
        ticks.tick().await;
        if let Err(fault) = searchers.check() {
            return fault;
        }
        screen.draw(&searchers.standing());
    }
}

async fn signalled() -> eyre::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
    Ok(())
}

/// The configuration of a searcher in `world`, but for ledger and journal. Keys go to new files in `folder`.
///
/// # Errors
/// A key cannot be written, or lies there already.
pub fn in_world(world: &World, folder: &Path) -> eyre::Result<Config> {
    let (id, wrapped_native) = world.options.chain;
    let fees = BaseFee::LONDON;
    let chain = chain::Config {
        wrapped_native,
        base_fee_elasticity: fees.elasticity,
        base_fee_denominator: fees.denominator,
        data_fee: DataFee::None,
        ..chain::Config::of(id)
    };
    let mut config = Config { chain, ..Config::default() };
    config.search.base_tokens = config.chain.base_tokens();
    config.chain.hardfork = world.devnet.options.hardfork.to_owned();
    config.chain.slot_seconds = world.options.slot.as_secs();
    config.node =
        vec![Node { name: "devnet".to_owned(), ws: Some(world.node_ws()), http: Some(world.node_http()), ipc: None }];
    config.factory = factories(&world.devnet.contracts);
    config.lending = lending(world.devnet.lending.as_ref());
    if world.devnet.lending.is_some() {
        // Positions of millions: at the default's cap what they are worth would be bid no higher than a large backrun's.
        (config.bid.cap_wei, config.limits.max_bid_wei) = (LARGE_BID, LARGE_BID);
    }
    config.executor = Some(Executor {
        address: world.devnet.executor,
        owner: key(folder, "owner.key", &world.devnet.owner)?,
        identity: Some(key(folder, "identity.key", &world.identity)?),
        access_list: false,
        gas_margin_bps: 1_000,
    });
    config.relay = vec![submit::config::Relay {
        name: "devnet".to_owned(),
        url: world.builder_url(),
        dialect: submit::DialectName::Flashbots,
        sign: true,
        timeout_ms: 2_000,
    }];
    Ok(config)
}

/// The factories of a local chain, as rows of a configuration.
#[must_use]
pub fn factories(contracts: &Contracts) -> Vec<bootstrap::Factory> {
    let row = |factory: Factory| bootstrap::Factory {
        name: factory.name.to_owned(),
        protocol: factory.protocol.to_owned(),
        address: factory.address,
        from_block: factory.from_block,
    };
    contracts.factories().map(row).into()
}

/// A hundred ether, in wei.
pub const LARGE_BID: U256 = U256::from_limbs([0x6bc7_5e2d_6310_0000, 5, 0, 0]);

/// The lending markets of a local chain, as rows of a configuration.
#[must_use]
pub fn lending(lending: Option<&Lending>) -> Vec<bootstrap::LendingRow> {
    let row = |market: &Market| bootstrap::LendingRow {
        name: market.name.to_owned(),
        protocol: market.name.to_owned(),
        address: market.pool,
        oracle: None,
        from_block: 0,
        market: None,
        accounts: Vec::new(),
    };
    let mut rows: Vec<_> = lending.into_iter().flat_map(|lending| lending.markets.iter().map(row)).collect();
    // One contract holds all of Morpho's markets, and one row takes them all.
    rows.dedup_by_key(|row| row.address);
    rows
}

/// A file that nobody else may read.
fn key(folder: &Path, name: &str, wallet: &Wallet) -> eyre::Result<Place> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join(name);
    let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
    write!(file, "{:x}", wallet.secret())?;
    Ok(Place::File(path))
}
