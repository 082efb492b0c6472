//! Starting a searcher: keys, state, threads, feed, relays, in this order. Nothing is sent before all of it stands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
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
use crate::edge::ingest::queue::Outlet;
use crate::edge::ledger::Ledger;
use crate::edge::record::JournalHandle;
use crate::edge::record::Writer;
use crate::edge::sink::lines::Lines;
use crate::edge::sink::{Facts, Sink};
use crate::edge::submit::Setup;
use crate::edge::submit::Submitter;
use crate::edge::submit::keys;
use crate::hot::bundle::config::Executor;
use crate::hot::engine::plan::Plan;
use crate::hot::evm::fork::Rules;
use crate::hot::evm::own::Own;
use crate::hot::worker::io;
use crate::hot::worker::message::Handed;
use crate::hot::worker::message::Report;
use crate::hot::worker::message::Seen;
use crate::hot::worker::send_gate::SendGate;
use crate::live::How;
use crate::live::Searcher;
use crate::live::Tasks;
use crate::live::dispatcher;
use crate::live::dispatcher::Dispatcher;
use crate::live::executor::Due;
use crate::live::executor::capital;
use crate::live::fetches::{Bounds, Fetches};
use crate::live::reconnector;
use crate::live::reconnector::Dials;
use crate::live::reconnector::Reconnector;
use crate::live::state_loader::StateLoader;
use crate::live::stats::export::{Export, Row};
use crate::live::stats::meter::Meters;
use crate::live::stats::quiet;
use crate::live::stats::totals::{Files, Stats};
use crate::live::submission::inclusion;
use crate::live::submission::inclusion::InclusionTracker;
use crate::live::submission::lease;
use crate::live::submission::sender;
use crate::live::submission::sender::Sender;
use crate::live::submission::warm;
use crate::live::watchlist::Watchlist;
use crate::live::workers::WorkerSet;
use crate::live::workers::journal;
use crate::metrics::span::Clock;

/// Starts a searcher; within a tokio runtime. `seed`: of the world it runs in, for its report. `progress` is told how the
/// loading goes.
///
/// # Errors
/// One sentence that says what is missing or wrong; nothing runs then.
pub async fn start(config: &Config, how: How, seed: u64, progress: Hear<'_>) -> eyre::Result<Searcher> {
    let (submitter, own) = submitter(config, how)?;
    // What lies on this host is looked at before anybody is asked.
    let ledger = ledger(config)?;
    let chain = dial(config).await?;
    deployed(&chain, own, how).await?;
    capital::say(&chain, own.executor, &config.search).await;
    let source = StateLoader::new(chain, config, own);
    let loaded = source.load(progress).await?;
    behind(config, Begun { submitter, how, seed, source, ledger, loaded }).await
}

/// Whether the contract that everything hangs on is there, and ours. Where bundles are sent there is no use in going on without
/// it; a dry run goes on, and says it.
async fn deployed(chain: &Chain, own: Own, how: How) -> eyre::Result<()> {
    let due = Due { address: own.executor, owner: Some(own.owner), weth: own.weth };
    match due.look(chain).await {
        Ok(None) => (),
        Ok(Some(wrong)) if how == How::Live && wrong.is_hopeless() => eyre::bail!("{}", due.say(wrong)),
        Ok(Some(wrong)) => tracing::warn!("{}", due.say(wrong)),
        // What the node does not say now it is asked again when the state is loaded.
        Err(error) => tracing::warn!(%error, "whether executor.address holds our contract is not known"),
    }
    Ok(())
}

/// What a searcher of this configuration would load.
///
/// # Errors
/// As [`start`].
pub async fn load(config: &Config, progress: Hear<'_>) -> eyre::Result<Loaded> {
    let (_, own) = submitter(config, How::Dry)?;
    Ok(StateLoader::new(dial(config).await?, config, own).load(progress).await?)
}

/// Starts a searcher behind a state that was loaded before, and that the chain still has.
///
/// # Errors
/// As [`start`].
pub async fn start_behind(config: &Config, how: How, seed: u64, loaded: Loaded) -> eyre::Result<Searcher> {
    let (submitter, own) = submitter(config, how)?;
    let source = StateLoader::new(dial(config).await?, config, own);
    behind(config, Begun { submitter, how, seed, source, ledger: ledger(config)?, loaded }).await
}

fn ledger(config: &Config) -> eyre::Result<Arc<Ledger>> {
    Ok(Arc::new(Ledger::open(&config.record.ledger).wrap_err("record.ledger")?))
}

/// A searcher whose state is loaded.
struct Begun {
    submitter: Submitter,
    how: How,
    seed: u64,
    source: StateLoader,
    ledger: Arc<Ledger>,
    loaded: Loaded,
}

async fn behind(config: &Config, begun: Begun) -> eyre::Result<Searcher> {
    let Begun { submitter, how, seed, source, ledger, loaded } = begun;
    let (executor, own) = (executor(config)?, source.own());
    let clock = Clock::start();
    let (journal_handle, journal) = journal(config, clock)?;
    let plan = Plan {
        chain_id: config.chain.id,
        rules: Rules::of(&config.chain),
        slot_seconds: config.chain.slot_seconds,
        search: config.search.clone(),
        base: true,
        bid: config.bid.clone(),
        own,
        forecast: config.forecast.enabled,
        contracts: config.chain.contracts(),
    };
    journal::plan(&journal_handle, config, executor, own);
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
    let send_gate = Arc::new(SendGate::new(newest.clone(), floor, config.limits.max_bundles_per_block));
    let ground =
        Prepared { config, executor, plan, clock, journal_handle, source, loaded, at, ledger, newest, send_gate };
    let mut searcher = ground.start(submitter, how, seed).await?;
    searcher.journal = journal;
    Ok(searcher)
}

/// What stands before anything runs.
struct Prepared<'a> {
    config: &'a Config,
    executor: &'a Executor,
    plan: Plan,
    clock: Clock,
    journal_handle: JournalHandle,
    source: StateLoader,
    loaded: Arc<Loaded>,
    at: BlockId,
    ledger: Arc<Ledger>,
    newest: Arc<AtomicU64>,
    send_gate: Arc<SendGate>,
}

type Replies = mpsc::UnboundedSender<io::Reply>;
type Out = (mpsc::UnboundedSender<Report>, mpsc::UnboundedSender<Handed>);
type TipChannels =
    (mpsc::UnboundedSender<inclusion::Note>, watch::Sender<B256>, mpsc::UnboundedReceiver<mpsc::UnboundedSender<Seen>>);

impl Prepared<'_> {
    /// Threads, feed, relays.
    async fn start(self, submitter: Submitter, how: How, seed: u64) -> eyre::Result<Searcher> {
        let meters = Arc::new(Meters::new(self.config.threads.hot));
        let lines = self.lines()?;
        let stats = self.stats(seed, lines.as_deref());
        let facts = self.facts(&stats, lines);
        let (reports, heard) = mpsc::unbounded_channel();
        let (to_send, found) = mpsc::unbounded_channel();
        let (replies, said) = mpsc::unbounded_channel();
        let (tip, tip_fetched) = watch::channel(self.at.hash);
        let mut tasks = Tasks::default();
        let reconnector = self.reconnector(&submitter, &meters, replies);
        let worker_set = self.worker_set(&meters, (reports.clone(), to_send), reconnector);
        let (running, reconnector) = worker_set.start(&self.loaded)?;
        reconnector.into_iter().for_each(|dialler| tasks.run(dialler.run()));
        let watchlist = self.source.watchlist(&self.loaded);
        let (ingest, outlet) = self.ingest(&watchlist)?;
        let row = Row { chain: None, meters: meters.clone(), stats: stats.clone(), ingest: ingest.clone() };
        let exporter = exporter(self.config.metrics.listen, vec![row]).await?;
        submitter.warm().await;

        let patience = Duration::from_secs(self.config.chain.slot_seconds);
        let submitter = Arc::new(submitter);
        if how != How::Dry {
            tasks.run(lease::keep(self.send_gate.clone(), self.ledger.clone(), tip_fetched.clone()));
            tasks.run(warm::keep(submitter.clone(), self.send_gate.clone(), tip_fetched.clone()));
        }
        let (to_settle, notes) = mpsc::unbounded_channel();
        let sender = self.sender(facts.clone(), submitter, &meters, tip_fetched, to_settle.clone())?;
        tasks.run(sender.run((found, said), how != How::Dry));
        tasks.run(self.tracker(&facts).run(notes, reports));
        let (stop, stopped) = watch::channel(false);
        let (looks, asked) = mpsc::unbounded_channel();
        let dispatcher =
            self.dispatcher((running.feeders, watchlist), (&meters, stats.fetches().clone()), (to_settle, tip, asked));
        if let Some(patience) = patience_of(self.config) {
            tasks.run(self.quiet(&meters, &stats, &ingest).run(patience, stopped.clone()));
        }
        tasks.run(dispatcher.run(ingest.clone(), outlet, heard, stopped));
        Ok(Searcher {
            stats,
            meters,
            ledger: self.ledger,
            facts,
            faulty: AtomicBool::new(false),
            ingest,
            newest: self.newest,
            exporter,
            send_gate: self.send_gate,
            stop,
            looks,
            tasks,
            threads: running.threads,
            placements: running.placements,
            journal: None,
            pools: self.loaded.pools.len(),
            run: self.clock.unix_start_ns() / 1_000_000,
            chain_timeout: Duration::from_millis(self.config.ingest.timeout_ms).max(patience),
        })
    }

    /// What dials for the workers, where there is anything to dial.
    fn reconnector(&self, submitter: &Submitter, meters: &Arc<Meters>, to: Replies) -> Option<Reconnector> {
        let dials = Dials::new(self.config, self.source.chain(), submitter.dials());
        // A worker that spins reads its own sockets even when there are none yet.
        if dials.is_empty() && !self.config.threads.spin {
            return None;
        }
        let parts = reconnector::Parts {
            dials,
            owner: self.plan.own.owner,
            send_gate: self.send_gate.clone(),
            clock: self.clock,
            meters: meters.clone(),
            replies: to,
        };
        Some(Reconnector::new(self.config, parts))
    }

    fn worker_set<'b>(&'b self, meters: &'b Arc<Meters>, out: Out, reconnector: Option<Reconnector>) -> WorkerSet<'b> {
        WorkerSet {
            config: self.config,
            executor: self.executor,
            plan: self.plan.clone(),
            clock: self.clock,
            newest: &self.newest,
            meters,
            out,
            journal_handle: &self.journal_handle,
            reconnector,
        }
    }

    fn ingest(&self, watchlist: &Watchlist) -> eyre::Result<(Arc<Ingest>, Outlet)> {
        let (config, journal) = (self.config, self.journal_handle.clone());
        let (ingest, outlet) = ingest::start(
            (&config.node, self.source.chain()),
            &config.ingest,
            Some(self.at),
            watchlist.follow(),
            journal,
        )?;
        Ok((Arc::new(ingest), outlet))
    }

    /// What says that it sees nothing.
    fn quiet(&self, meters: &Arc<Meters>, stats: &Arc<Stats>, ingest: &Arc<Ingest>) -> quiet::Watch {
        quiet::Watch {
            meters: meters.clone(),
            stats: stats.clone(),
            ingest: ingest.clone(),
            pools: quiet::Pools::of(&self.loaded),
            payer: (self.source.chain().clone(), self.source.owner()),
        }
    }

    /// The run's numbers, with what is shown beside them: its files, and what it fetches for strangers.
    fn stats(&self, seed: u64, lines: Option<&Lines>) -> Arc<Stats> {
        let files = Files {
            ledger: self.ledger.writes().clone(),
            journal: self.journal_handle.writes().cloned(),
            facts: lines.map(|lines| lines.writes().clone()),
        };
        let config = &self.config.ingest;
        let bounds = Bounds { tx: config.fetch_per_tx, sender: config.fetch_per_sender, block: config.fetch_per_block };
        let fetches = Arc::new(Fetches::new(bounds));
        Arc::new(Stats::new(seed, self.clock.unix_start_ns() / 1_000_000, (files, fetches)))
    }

    /// The file of facts, if there is to be one.
    fn lines(&self) -> eyre::Result<Option<Arc<Lines>>> {
        let Some(path) = &self.config.record.facts else { return Ok(None) };
        let lines = Lines::open(path).wrap_err_with(|| format!("record.facts {}", path.display()))?;
        Ok(Some(Arc::new(lines)))
    }

    /// The stream of facts, and its sinks: a new one is a line here.
    fn facts(&self, stats: &Arc<Stats>, lines: Option<Arc<Lines>>) -> Arc<Facts> {
        let mut sinks: Vec<Arc<dyn Sink>> = vec![stats.clone()];
        sinks.extend(lines.map(|lines| lines as Arc<dyn Sink>));
        Facts::new(self.ledger.clone(), sinks)
    }

    fn sender(
        &self,
        facts: Arc<Facts>,
        submitter: Arc<Submitter>,
        meters: &Arc<Meters>,
        tip: watch::Receiver<B256>,
        to_settle: mpsc::UnboundedSender<inclusion::Note>,
    ) -> eyre::Result<Sender> {
        let sender = Sender::new(sender::Parts {
            facts,
            submitter,
            clock: self.clock,
            send_gate: self.send_gate.clone(),
            tip,
            meters: meters.clone(),
            patience: Duration::from_secs(self.config.chain.slot_seconds),
            to_settle,
        });
        sender.behind(self.at.number).wrap_err("the ledger's bundles")
    }

    fn tracker(&self, facts: &Arc<Facts>) -> InclusionTracker {
        let markets = self.config.lending.iter().map(|row| row.address).collect();
        InclusionTracker::new(facts.clone(), self.source.chain().clone(), self.plan.own).watching(markets)
    }

    fn dispatcher(
        &self,
        (feeders, watchlist): (Vec<dispatcher::ToWorker>, Watchlist),
        (meters, bounds): (&Arc<Meters>, Arc<Fetches>),
        (to_settle, tip, looks): TipChannels,
    ) -> Dispatcher {
        Dispatcher::new(dispatcher::Parts {
            feeders,
            watchlist,
            keep: self.source.keep(&self.loaded),
            source: self.source.clone(),
            newest: self.newest.clone(),
            meters: meters.clone(),
            to_settle,
            tip,
            at: self.at,
            looks,
            bounds,
            journal: self.journal_handle.writes().map(|writes| writes.watch()),
        })
    }
}

/// How long nothing may be seen before that is said.
fn patience_of(config: &Config) -> Option<Duration> {
    Some(Duration::from_secs(config.metrics.quiet_seconds)).filter(|patience| !patience.is_zero())
}

fn executor(config: &Config) -> eyre::Result<&Executor> {
    config.executor.as_ref().ok_or_else(|| eyre::eyre!("no [executor] in the configuration"))
}

fn submitter(config: &Config, how: How) -> eyre::Result<(Submitter, Own)> {
    if let Some(why) = config.chain.inexact_abroad().filter(|_| how == How::Live) {
        eyre::bail!(why);
    }
    let executor = executor(config)?;
    let owner = keys::read(&executor.owner).wrap_err("executor.owner")?;
    let identity = executor.identity.as_ref().map(keys::read).transpose().wrap_err("executor.identity")?;
    let own = Own { owner: owner.address(), executor: executor.address, weth: config.chain.wrapped_native };
    let setup = Setup { relays: config.relay.clone(), identity, owner: own.owner };
    Ok((how.submitter(setup)?, own))
}

/// The chain, by whichever nodes answer and are of it: one at least. The others are named; they are asked again later.
pub(super) async fn dial(config: &Config) -> eyre::Result<Chain> {
    let timeout = Duration::from_millis(config.ingest.timeout_ms);
    let chain = ingest::chain(&config.node, timeout, Some(config.chain.id));
    let all = chain.nodes().len();
    eyre::ensure!(all > 0, "no [[node]] has a usable http or ws url");
    let out = chain.check().await;
    if out.len() == all {
        let each: Vec<String> = out.iter().map(|(name, why)| format!("node {name}: {why}")).collect();
        eyre::bail!("no node can be asked: {}", each.join("; "));
    }
    Ok(chain)
}

fn journal(config: &Config, clock: Clock) -> eyre::Result<(JournalHandle, Option<Writer>)> {
    Ok(match &config.record.journal {
        Some(path) => {
            let (journal_handle, writer) = Writer::open(path, clock)?;
            (journal_handle, Some(writer))
        }
        None => (JournalHandle::none(clock), None),
    })
}

/// Serves the numbers of these searchers, if they are to be served.
///
/// # Errors
/// The address cannot be had.
pub(super) async fn exporter(listen: Option<SocketAddr>, rows: Vec<Row>) -> eyre::Result<Option<export::Exporter>> {
    let Some(listen) = listen else { return Ok(None) };
    let served = export::serve(listen, Arc::new(Export::new(rows))).await;
    Ok(Some(served.wrap_err_with(|| format!("metrics.listen {listen}"))?))
}
