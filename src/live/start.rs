//! Starting a searcher: keys, state, threads, feed, relays, in this order. Nothing is sent before all of it stands.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use eyre::WrapErr;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::edge::bootstrap::Hear;
use crate::edge::bootstrap::Loaded;
use crate::edge::chain::BlockId;
use crate::edge::chain::Chain;
use crate::edge::export;
use crate::edge::ingest;
use crate::edge::ingest::Ingest;
use crate::edge::ledger::Ledger;
use crate::edge::record::Clock;
use crate::edge::record::Tap;
use crate::edge::record::Writer;
use crate::edge::submit::Setup;
use crate::edge::submit::Submitter;
use crate::edge::submit::keys;
use crate::hot::build::Builder;
use crate::hot::build::config::Executor;
use crate::hot::engine::plan::Plan;
use crate::hot::evm::own::Own;
use crate::hot::rt::inbox;
use crate::hot::rt::thread;
use crate::hot::rt::thread::Seat;
use crate::hot::search::config::WETH;
use crate::live::How;
use crate::live::Searcher;
use crate::live::bundles::sender::Sender;
use crate::live::bundles::settle::Settler;
use crate::live::desk::Desk;
use crate::live::keeper;
use crate::live::keeper::Keeper;
use crate::live::numbers::book::Book;
use crate::live::numbers::export::Export;
use crate::live::numbers::meter::Meters;
use crate::live::report::Found;
use crate::live::report::Report;
use crate::live::source::Source;
use crate::live::tape;
use crate::live::tape::Tape;

/// Starts a searcher; within a tokio runtime. `seed`: of the world it runs in, for its report. `progress` is told how the
/// loading goes.
///
/// # Errors
/// One sentence that says what is missing or wrong; nothing runs then.
pub async fn start(config: &Config, how: How, seed: u64, progress: Hear<'_>) -> eyre::Result<Searcher> {
    let executor = config.executor.clone().ok_or_else(|| eyre::eyre!("no [executor] in the configuration"))?;
    let (submitter, own) = submitter(config, &executor, how)?;
    let chain = dial(config).await?;
    let path = &config.record.ledger;
    let ledger = Arc::new(Ledger::open(path).wrap_err_with(|| format!("ledger {}", path.display()))?);
    let clock = Clock::start();
    let (tap, journal) = journal(config, clock)?;

    let plan = Plan {
        chain_id: config.chain.id,
        rules: config.chain.rules(),
        slot_seconds: config.chain.slot_seconds,
        search: config.search.clone(),
        base: true,
        bid: config.bid.clone(),
        own,
        reckon: config.reckon.enabled,
    };
    tape::plan(&tap, config, &executor, own);
    let source = Source::new(chain.clone(), config, own);
    let loaded = Arc::new(source.load(progress).await?);
    for (pool, reason) in &loaded.unusable {
        tracing::info!(%pool, reason, "a pool cannot be used");
    }
    let at = BlockId { number: loaded.head.number, hash: loaded.head.hash };

    let run = clock.unix_start_ns() / 1_000_000;
    let ground =
        Ground { config, executor: &executor, plan, clock, tap, source, loaded, at, ledger, submitter, seed, how };
    Ok(Searcher { journal, run, ..ground.start().await? })
}

/// What stands before anything runs.
struct Ground<'a> {
    config: &'a Config,
    executor: &'a Executor,
    plan: Plan,
    clock: Clock,
    tap: Tap,
    source: Source,
    loaded: Arc<Loaded>,
    at: BlockId,
    ledger: Arc<Ledger>,
    submitter: Submitter,
    seed: u64,
    how: How,
}

impl Ground<'_> {
    /// Threads, feed, relays.
    async fn start(self) -> eyre::Result<Searcher> {
        let Self { config, executor, plan, clock, tap, source, loaded, at, ledger, submitter, seed, how } = self;
        let own = plan.own;
        let meters = Arc::new(Meters::new(config.threads.hot));
        let book = Arc::new(Book::new(seed));
        let newest = Arc::new(AtomicU64::new(at.number));
        let (reports, heard) = mpsc::unbounded_channel();
        let (to_send, found) = mpsc::unbounded_channel();
        let mined = reports.clone();
        let out = (reports, to_send);
        let hot = Hot { config, executor, plan, clock, newest: &newest, meters: &meters, out, tap: &tap };
        let (feeders, threads, seats) = hot.start(&loaded)?;
        let (ingest, outlet) = ingest::start(&config.node, &config.ingest, Some(at), source.watched(&loaded), tap)?;
        let ingest = Arc::new(ingest);
        let exporter = exporter(config, &meters, &book, &ingest).await?;
        submitter.warm().await;

        let (tip, tip_told) = watch::channel(at.hash);
        let (to_settle, notes) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let (halt, halted) = watch::channel(false);
        let (looks, asked) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let patience = Duration::from_secs(config.chain.slot_seconds);
        let to_disk_and_relays = (ledger.clone(), Arc::new(submitter));
        let times = (clock, newest.clone(), tip_told);
        let sender = Sender::new(to_disk_and_relays, times, meters.clone(), halted, patience);
        let most = config.limits.max_bundles_per_block;
        let mut alive = vec![tasks.spawn(sender.run(found, (how != How::Dry, most)))];
        let since_ms = clock.unix_start_ns() / 1_000_000;
        let settler = Settler::new((ledger.clone(), since_ms), source.chain().clone(), own, book.clone());
        alive.push(tasks.spawn(settler.run(notes, mined)));
        let keep = source.keep(&loaded);
        let parts = keeper::Parts {
            feeders,
            keep,
            source,
            newest: newest.clone(),
            meters: meters.clone(),
            to_settle,
            tip,
            at,
            looks: asked,
        };
        alive.push(tasks.spawn(Keeper::new(parts).run(ingest.clone(), outlet, heard, stopped)));
        let pools = loaded.pools.len();
        let chain_timeout = Duration::from_millis(config.ingest.timeout_ms).max(patience);
        let (journal, run) = (None, 0);
        #[rustfmt::skip]
        let searcher = Searcher {
            book, meters, ledger, ingest, newest, exporter, halt,
            stop, looks, tasks, alive, threads, seats, journal,
            pools, run, chain_timeout,
        };
        Ok(searcher)
    }
}

fn submitter(config: &Config, executor: &Executor, how: How) -> eyre::Result<(Submitter, Own)> {
    let owner = keys::read(&executor.owner).wrap_err("executor.owner")?;
    let identity = executor.identity.as_ref().map(keys::read).transpose().wrap_err("executor.identity")?;
    let own = Own { owner: owner.address(), executor: executor.address, weth: WETH };
    let setup = Setup { relays: config.relay.clone(), identity, owner: own.owner };
    Ok((how.submitter(setup)?, own))
}

/// The first node that answers, and that is of the right chain.
async fn dial(config: &Config) -> eyre::Result<Chain> {
    let timeout = Duration::from_millis(config.ingest.timeout_ms);
    let mut last = eyre::eyre!("no [[node]] has a usable http or ws url");
    for node in &config.node {
        let Some(chain) = node.chain(timeout) else { continue };
        match chain.chain_id().await {
            Ok(id) if id == config.chain.id => return Ok(chain),
            Ok(id) => eyre::bail!("node {} is of chain {id}, chain.id is {}", node.name, config.chain.id),
            Err(error) => last = eyre::Report::new(error).wrap_err(format!("node {}", node.name)),
        }
    }
    Err(last)
}

fn journal(config: &Config, clock: Clock) -> eyre::Result<(Tap, Option<Writer>)> {
    Ok(match &config.record.journal {
        Some(path) => {
            let (tap, writer) = Writer::open(path, clock)?;
            (tap, Some(writer))
        }
        None => (Tap::none(clock), None),
    })
}

async fn exporter(
    config: &Config,
    meters: &Arc<Meters>,
    book: &Arc<Book>,
    ingest: &Arc<Ingest>,
) -> eyre::Result<Option<export::Exporter>> {
    let Some(listen) = config.metrics.listen else { return Ok(None) };
    let numbers = Arc::new(Export { meters: meters.clone(), book: book.clone(), ingest: ingest.clone() });
    let served = export::serve(listen, numbers).await;
    Ok(Some(served.wrap_err_with(|| format!("metrics.listen {listen}"))?))
}

/// What hot threads are made of.
struct Hot<'a> {
    config: &'a Config,
    executor: &'a Executor,
    plan: Plan,
    clock: Clock,
    newest: &'a Arc<AtomicU64>,
    meters: &'a Arc<Meters>,
    out: (mpsc::UnboundedSender<Report>, mpsc::UnboundedSender<Box<Found>>),
    tap: &'a Tap,
}

type Threads = (Vec<keeper::ToDesk>, Vec<std::thread::JoinHandle<()>>, Vec<Seat>);

impl Hot<'_> {
    /// Starts them. Each makes its own engine: none is shared.
    fn start(self, loaded: &Arc<Loaded>) -> eyre::Result<Threads> {
        let threads = &self.config.threads;
        let seats = thread::seats(threads.hot, &threads.cores);
        if seats.contains(&Seat::Any) {
            tracing::warn!("fewer cores than threads: hot threads are not all pinned");
        }
        let (mut feeders, mut handles) = (Vec::new(), Vec::new());
        for (index, seat) in seats.iter().enumerate() {
            let (feeder, inbox) = inbox::pair(self.config.ingest.pending_room, threads.spin);
            // Keys cannot be copied: each thread reads its own.
            let key = keys::read(&self.executor.owner).wrap_err("executor.owner")?;
            let (bid, limits) = (self.config.bid.clone(), self.config.limits.clone());
            let builder = Builder::new(key, self.config.chain.id, self.executor.clone(), bid, limits);
            let (plan, loaded, out) =
                (Plan { base: index == 0, ..self.plan.clone() }, loaded.clone(), self.out.clone());
            let (clock, newest, meter) = (self.clock, self.newest.clone(), self.meters.thread(index));
            let out = (out.0, out.1, Tape::new(self.tap.clone(), index));
            let run = move |_pinned| Desk::new(plan, &loaded, builder, (clock, newest), meter, out).run(&inbox);
            handles.push(thread::spawn(&format!("hot-{index}"), *seat, run)?);
            feeders.push(feeder);
        }
        Ok((feeders, handles, seats))
    }
}
