//! Starting a searcher: keys, state, threads, feed, relays, in this order. Nothing is sent before all of it stands.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use alloy_primitives::B256;
use eyre::WrapErr;
use tokio::sync::mpsc;
use tokio::sync::watch;

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
use crate::hot::build::config::Executor;
use crate::hot::engine::plan::Plan;
use crate::hot::evm::own::Own;
use crate::hot::search::config::WETH;
use crate::live::How;
use crate::live::Searcher;
use crate::live::Tasks;
use crate::live::bundles::gate;
use crate::live::bundles::gate::Gate;
use crate::live::bundles::sender::Sender;
use crate::live::bundles::settle;
use crate::live::bundles::settle::Settler;
use crate::live::desk::crew::Crew;
use crate::live::desk::lane;
use crate::live::desk::tape;
use crate::live::keeper;
use crate::live::keeper::Keeper;
use crate::live::numbers::book::Book;
use crate::live::numbers::export::Export;
use crate::live::numbers::meter::Meters;
use crate::live::ports::Dials;
use crate::live::ports::Ports;
use crate::live::report::Found;
use crate::live::report::Report;
use crate::live::report::Seen;
use crate::live::source::Source;

/// Starts a searcher; within a tokio runtime. `seed`: of the world it runs in, for its report. `progress` is told how the
/// loading goes.
///
/// # Errors
/// One sentence that says what is missing or wrong; nothing runs then.
pub async fn start(config: &Config, how: How, seed: u64, progress: Hear<'_>) -> eyre::Result<Searcher> {
    let (submitter, own) = submitter(config, how)?;
    let source = Source::new(dial(config).await?, config, own);
    let ledger = ledger(config)?;
    let loaded = source.load(progress).await?;
    behind(config, (submitter, how, seed), (source, ledger, loaded)).await
}

/// What a searcher of this configuration would load.
///
/// # Errors
/// As [`start`].
pub async fn load(config: &Config, progress: Hear<'_>) -> eyre::Result<Loaded> {
    let (_, own) = submitter(config, How::Dry)?;
    Ok(Source::new(dial(config).await?, config, own).load(progress).await?)
}

/// Starts a searcher behind a state that was loaded before, and that the chain still has.
///
/// # Errors
/// As [`start`].
pub async fn start_behind(config: &Config, how: How, seed: u64, loaded: Loaded) -> eyre::Result<Searcher> {
    let (submitter, own) = submitter(config, how)?;
    let source = Source::new(dial(config).await?, config, own);
    behind(config, (submitter, how, seed), (source, ledger(config)?, loaded)).await
}

fn ledger(config: &Config) -> eyre::Result<Arc<Ledger>> {
    let path = &config.record.ledger;
    Ok(Arc::new(Ledger::open(path).wrap_err_with(|| format!("ledger {}", path.display()))?))
}

async fn behind(
    config: &Config,
    (submitter, how, seed): (Submitter, How, u64),
    (source, ledger, loaded): (Source, Arc<Ledger>, Loaded),
) -> eyre::Result<Searcher> {
    let (executor, own) = (executor(config)?, source.own());
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
    tape::plan(&tap, config, executor, own);
    let loaded = Arc::new(loaded);
    for note in &loaded.notes {
        tracing::warn!(note);
    }
    for (pool, reason) in &loaded.unusable {
        tracing::info!(%pool, reason, "a pool, or a lending contract, cannot be used");
    }
    let at = BlockId { number: loaded.head.number, hash: loaded.head.hash };
    let floor = ledger.leased().wrap_err("the ledger's lease")?;
    let newest = Arc::new(AtomicU64::new(at.number));
    let gate = Arc::new(Gate::new(newest.clone(), floor, config.limits.max_bundles_per_block));
    let ground = Ground { config, executor, plan, clock, tap, source, loaded, at, ledger, newest, gate };
    let mut searcher = ground.start(submitter, how, seed).await?;
    searcher.journal = journal;
    Ok(searcher)
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
    newest: Arc<AtomicU64>,
    gate: Arc<Gate>,
}

type Replies = mpsc::UnboundedSender<lane::Reply>;
type Out = (mpsc::UnboundedSender<Report>, mpsc::UnboundedSender<Box<Found>>);
type Told =
    (mpsc::UnboundedSender<settle::Note>, watch::Sender<B256>, mpsc::UnboundedReceiver<mpsc::UnboundedSender<Seen>>);

impl Ground<'_> {
    /// Threads, feed, relays.
    async fn start(self, submitter: Submitter, how: How, seed: u64) -> eyre::Result<Searcher> {
        let meters = Arc::new(Meters::new(self.config.threads.hot));
        let book = Arc::new(Book::new(seed));
        let (reports, heard) = mpsc::unbounded_channel();
        let (to_send, found) = mpsc::unbounded_channel();
        let (replies, said) = mpsc::unbounded_channel();
        let (tip, tip_told) = watch::channel(self.at.hash);
        let mut tasks = Tasks::default();
        let ports = self.ports((&submitter, &meters), replies, (&mut tasks, tip_told.clone()));
        let crew = self.crew(&meters, (reports.clone(), to_send), ports);
        let (running, diallers) = crew.start(&self.loaded)?;
        diallers.into_iter().for_each(|dialler| tasks.run(dialler.run()));
        let watched = self.source.watched(&self.loaded);
        let (ingest, outlet) =
            ingest::start(&self.config.node, &self.config.ingest, Some(self.at), watched, self.tap.clone())?;
        let ingest = Arc::new(ingest);
        let exporter = exporter(self.config, &meters, &book, &ingest).await?;
        submitter.warm().await;

        let patience = Duration::from_secs(self.config.chain.slot_seconds);
        let times = (self.clock, self.gate.clone(), tip_told);
        let sender = Sender::new((self.ledger.clone(), Arc::new(submitter)), times, meters.clone(), patience);
        tasks.run(sender.run((found, said), how != How::Dry));
        let (to_settle, notes) = mpsc::unbounded_channel();
        tasks.run(self.settler(&book).run(notes, reports));
        let (stop, stopped) = watch::channel(false);
        let (looks, asked) = mpsc::unbounded_channel();
        let keeper = self.keeper(running.feeders, &meters, (to_settle, tip, asked));
        tasks.run(keeper.run(ingest.clone(), outlet, heard, stopped));
        Ok(Searcher {
            book,
            meters,
            ledger: self.ledger,
            ingest,
            newest: self.newest,
            exporter,
            gate: self.gate,
            stop,
            looks,
            tasks,
            threads: running.threads,
            seats: running.seats,
            journal: None,
            pools: self.loaded.pools.len(),
            run: self.clock.unix_start_ns() / 1_000_000,
            chain_timeout: Duration::from_millis(self.config.ingest.timeout_ms).max(patience),
        })
    }

    /// Who dials for the lanes, where threads spin. Where they may also send, a lease is kept.
    fn ports(
        &self,
        (submitter, meters): (&Submitter, &Arc<Meters>),
        to: Replies,
        (tasks, tip): (&mut Tasks, watch::Receiver<B256>),
    ) -> Option<Ports> {
        if !self.config.threads.spin {
            return None;
        }
        let lines = submitter.dials();
        if !lines.is_empty() {
            tasks.run(gate::keep_lease(self.gate.clone(), self.ledger.clone(), tip));
        }
        let dials = Dials::new(self.config, lines);
        Some(Ports::new(self.config, dials, (self.gate.clone(), self.clock, meters.clone()), self.plan.own.owner, to))
    }

    fn crew<'b>(&'b self, meters: &'b Arc<Meters>, out: Out, ports: Option<Ports>) -> Crew<'b> {
        Crew {
            config: self.config,
            executor: self.executor,
            plan: self.plan.clone(),
            clock: self.clock,
            newest: &self.newest,
            meters,
            out,
            tap: &self.tap,
            ports,
        }
    }

    fn settler(&self, book: &Arc<Book>) -> Settler {
        let since_ms = self.clock.unix_start_ns() / 1_000_000;
        let markets = self.config.lending.iter().map(|row| row.address).collect();
        let ledger = (self.ledger.clone(), since_ms);
        Settler::new(ledger, self.source.chain().clone(), self.plan.own, book.clone()).watching(markets)
    }

    fn keeper(&self, feeders: Vec<keeper::ToDesk>, meters: &Arc<Meters>, (to_settle, tip, looks): Told) -> Keeper {
        Keeper::new(keeper::Parts {
            feeders,
            keep: self.source.keep(&self.loaded),
            source: self.source.clone(),
            newest: self.newest.clone(),
            meters: meters.clone(),
            to_settle,
            tip,
            at: self.at,
            looks,
        })
    }
}

fn executor(config: &Config) -> eyre::Result<&Executor> {
    config.executor.as_ref().ok_or_else(|| eyre::eyre!("no [executor] in the configuration"))
}

fn submitter(config: &Config, how: How) -> eyre::Result<(Submitter, Own)> {
    let executor = executor(config)?;
    let owner = keys::read(&executor.owner).wrap_err("executor.owner")?;
    let identity = executor.identity.as_ref().map(keys::read).transpose().wrap_err("executor.identity")?;
    let own = Own { owner: owner.address(), executor: executor.address, liquidator: executor.liquidator, weth: WETH };
    let setup = Setup { relays: config.relay.clone(), identity, owner: own.owner };
    Ok((how.submitter(setup)?, own))
}

/// The first node that answers, and that is of the right chain.
pub(super) async fn dial(config: &Config) -> eyre::Result<Chain> {
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
