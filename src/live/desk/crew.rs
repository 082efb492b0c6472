//! The hot threads of a run: each with an engine, a signer and, where it spins, a lane of its own. None of it is shared.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use eyre::WrapErr;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::edge::bootstrap::Loaded;
use crate::edge::record::Clock;
use crate::edge::record::Tap;
use crate::edge::submit::keys;
use crate::hot::build::Builder;
use crate::hot::build::config::Executor;
use crate::hot::engine::plan::Plan;
use crate::hot::rt::inbox;
use crate::hot::rt::thread;
use crate::hot::rt::thread::Seat;
use crate::live::desk::Desk;
use crate::live::desk::tape::Tape;
use crate::live::keeper::ToDesk;
use crate::live::numbers::meter::Meters;
use crate::live::ports;
use crate::live::ports::Dialler;
use crate::live::ports::Ports;
use crate::live::report::Found;
use crate::live::report::Report;

/// What hot threads are made of.
pub struct Crew<'a> {
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
    /// To the keeper, and to the sender.
    pub out: (mpsc::UnboundedSender<Report>, mpsc::UnboundedSender<Box<Found>>),
    /// The journal.
    pub tap: &'a Tap,
    /// Who dials for lanes, where threads spin.
    pub ports: Option<Ports>,
}

/// The running threads, and the ways into them.
pub struct Running {
    /// One each.
    pub feeders: Vec<ToDesk>,
    /// One each.
    pub threads: Vec<std::thread::JoinHandle<()>>,
    /// Where each runs.
    pub seats: Vec<Seat>,
}

impl Crew<'_> {
    /// Starts them, behind `loaded`. Who dials for them is to be run by tokio.
    ///
    /// # Errors
    /// A key cannot be read, or the system has no thread to give.
    pub fn start(mut self, loaded: &Arc<Loaded>) -> eyre::Result<(Running, Vec<Dialler>)> {
        let wanted = &self.config.threads;
        let seats = thread::seats(wanted.hot, &wanted.cores);
        if seats.contains(&Seat::Any) {
            tracing::warn!("fewer cores than threads: hot threads are not all pinned");
        }
        let (mut feeders, mut threads) = (Vec::new(), Vec::new());
        for (index, seat) in seats.iter().enumerate() {
            let (feeder, mut inbox) = inbox::pair(self.config.ingest.pending_room, wanted.spin);
            let ports = self.ports.as_mut();
            let lane = ports
                .map(|ports| ports.lane((index, wanted.hot), self.meters.thread(index).worth.clone()))
                .transpose()?
                .map(Box::new);
            let (builder, plan) = (self.builder()?, Plan { base: index == 0, ..self.plan.clone() });
            let (loaded, (reports, found)) = (loaded.clone(), self.out.clone());
            let (clock, newest, meter) = (self.clock, self.newest.clone(), self.meters.thread(index));
            let out = (reports, found, Tape::new(self.tap.clone(), index));
            let run = move |_pinned| {
                Desk::new(plan, &loaded, builder, (clock, newest), meter, out).with_lane(lane).run(&mut inbox);
            };
            threads.push(thread::spawn(&format!("hot-{index}"), *seat, run)?);
            feeders.push(feeder);
        }
        let diallers = self.ports.as_mut().map(Ports::tasks).unwrap_or_default();
        Ok((Running { feeders, threads, seats }, diallers))
    }

    /// Keys cannot be copied: each thread reads its own.
    fn builder(&self) -> eyre::Result<Builder> {
        let key = keys::read(&self.executor.owner).wrap_err("executor.owner")?;
        let (bid, limits) = (self.config.bid.clone(), self.config.limits.clone());
        let threads = &self.config.threads;
        let nonces = ports::nonces(if threads.spin { threads.owner_nonces } else { 0 })?;
        let builder = Builder::new(key, self.config.chain.id, self.executor.clone(), bid, limits);
        Ok(builder.with_nonces(nonces))
    }
}
