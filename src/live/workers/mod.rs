//! The hot threads of a run: each with an engine, a signer and sockets of its own. None of it is shared.

pub mod journal;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use eyre::WrapErr;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::edge::bootstrap::Loaded;
use crate::edge::record::JournalHandle;
use crate::edge::submit::keys;
use crate::hot::bundle::BundleSigner;
use crate::hot::bundle::config::Executor;
use crate::hot::engine::plan::InitialState;
use crate::hot::engine::plan::Plan;
use crate::hot::rt::inbox;
use crate::hot::rt::sink::Sink;
use crate::hot::rt::thread;
use crate::hot::rt::thread::CorePlacement;
use crate::hot::worker::Parts;
use crate::hot::worker::Worker;
use crate::hot::worker::message::Handed;
use crate::hot::worker::message::Report;
use crate::hot::worker::message::StartingState;
use crate::live::dispatcher::ToWorker;
use crate::live::reconnector;
use crate::live::reconnector::Reconnector;
use crate::live::reconnector::Redial;
use crate::live::stats::meter::Meters;
use crate::live::workers::journal::JournalRecorder;
use crate::metrics::span::Clock;

/// What hot threads are made of.
pub struct WorkerSet<'a> {
    /// The run's.
    pub config: &'a Config,
    /// Our contract, and where its owner's key lies.
    pub executor: &'a Executor,
    /// What an engine is made with.
    pub plan: Plan,
    /// The run's.
    pub clock: Clock,
    /// The highest block that edge has heard of.
    pub newest: &'a Arc<AtomicU64>,
    /// The run's numbers.
    pub meters: &'a Arc<Meters>,
    /// To the dispatcher, and to the sender.
    pub out: (mpsc::UnboundedSender<Report>, mpsc::UnboundedSender<Handed>),
    /// The journal.
    pub journal_handle: &'a JournalHandle,
    /// What dials for workers, where there is anything to dial.
    pub reconnector: Option<Reconnector>,
}

/// The running threads, and the ways into them.
pub struct Running {
    /// One each.
    pub feeders: Vec<ToWorker>,
    /// One each.
    pub threads: Vec<std::thread::JoinHandle<()>>,
    /// Where each runs.
    pub placements: Vec<CorePlacement>,
}

impl WorkerSet<'_> {
    /// Starts them, behind `loaded`. What dials for them is to be run by tokio.
    ///
    /// # Errors
    /// A key cannot be read, or the system has no thread to give.
    pub fn start(mut self, loaded: &Arc<Loaded>) -> eyre::Result<(Running, Vec<Redial>)> {
        let wanted = &self.config.threads;
        let placements = thread::placements(wanted.hot, &wanted.cores);
        if placements.contains(&CorePlacement::Any) {
            tracing::warn!("fewer cores than threads: hot threads are not all pinned");
        }
        let (mut feeders, mut threads) = (Vec::new(), Vec::new());
        for (index, placement) in placements.iter().enumerate() {
            let (feeder, mut inbox) = inbox::pair(self.config.ingest.pending_room, wanted.spin);
            let reconnector = self.reconnector.as_mut();
            let io = reconnector
                .map(|reconnector| reconnector.io((index, wanted.hot), self.meters.thread(index).worth.clone()))
                .transpose()?
                .map(Box::new);
            let (builder, plan) = (self.builder()?, Plan { base: index == 0, ..self.plan.clone() });
            let parts = Parts {
                plan,
                builder,
                clock: self.clock,
                newest: self.newest.clone(),
                meter: self.meters.thread(index),
                reports: sink(&self.out.0),
                to_send: sink(&self.out.1),
                journal: Box::new(JournalRecorder::new(self.journal_handle.clone(), index)),
                io,
            };
            let loaded = loaded.clone();
            let run = move |_pinned| Worker::new(parts, loaded).run(&mut inbox);
            threads.push(thread::spawn(&format!("hot-{index}"), *placement, run)?);
            feeders.push(feeder);
        }
        let reconnector = self.reconnector.as_mut().map(Reconnector::tasks).unwrap_or_default();
        Ok((Running { feeders, threads, placements }, reconnector))
    }

    /// Keys cannot be copied: each thread reads its own.
    fn builder(&self) -> eyre::Result<BundleSigner> {
        let key = keys::read(&self.executor.owner).wrap_err("executor.owner")?;
        let (bid, limits) = (self.config.bid.clone(), self.config.limits.clone());
        let threads = &self.config.threads;
        let nonces = reconnector::nonces(if threads.spin { threads.owner_nonces } else { 0 })?;
        let builder = BundleSigner::new(key, self.config.chain.id, self.executor.clone(), bid, limits);
        Ok(builder.funded(self.config.search.fundings()).with_nonces(nonces))
    }
}

impl StartingState for Loaded {
    fn initial_state(&self) -> InitialState<'_> {
        let Self { head, accounts, hashes, pools, markets, .. } = self;
        InitialState { head, accounts, hashes, pools, markets }
    }
}

/// A hot thread's way to a task.
pub(super) fn sink<T: Send + 'static>(to: &mpsc::UnboundedSender<T>) -> Sink<T> {
    let to = to.clone();
    Sink::new(move |item| {
        // Nobody listens any more: the run is ending.
        let _ending = to.send(item);
    })
}
