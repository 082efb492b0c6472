//! The loop of a hot thread: an engine and a signer of its own; events in, bundles out. With a [`WorkerIo`] it sends by itself, and
//! where it spins it hears by itself.
//!
//! # Invariants
//! - It waits for nobody but its inbox; what it has to say goes into a [`Sink`] or a [`Recorder`], which never wait.
//! - A pending transaction is judged behind the newest block heard of, or put off: the dispatcher offers it again then. What is
//!   being looked for when a newer block is heard of is called off, and decides nothing.

mod fast_path;
pub mod io;
pub mod message;
pub mod meter;
pub mod send_gate;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy::eips::eip2718::Encodable2718;
use alloy_primitives::{B256, U256};
use revm::context::TxEnv;

use crate::hot::bundle::BundleSigner;
use crate::hot::bundle::Raw;
use crate::hot::bundle::SignedBundle;
use crate::hot::bundle::Target;
use crate::hot::engine::Engine;
use crate::hot::engine::choice;
use crate::hot::engine::choice::Choice;
use crate::hot::engine::choice::Made;
use crate::hot::engine::plan::Plan;
use crate::hot::event::Event;
use crate::hot::event::Outcome;
use crate::hot::event::StateKey;
use crate::hot::event::Trigger;
use crate::hot::evm::block;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::opportunity::Opportunity;
use crate::hot::refused::Refused;
use crate::hot::rt::inbox::Ended;
use crate::hot::rt::inbox::Inbox;
use crate::hot::rt::inbox::Item;
use crate::hot::rt::sink::Sink;
use crate::hot::rt::worth::Shape;
use crate::hot::worker::io::Waiting;
use crate::hot::worker::io::WorkerIo;
use crate::hot::worker::message::Found;
use crate::hot::worker::message::Handed;
use crate::hot::worker::message::Look;
use crate::hot::worker::message::Offer;
use crate::hot::worker::message::Recorder;
use crate::hot::worker::message::Report;
use crate::hot::worker::message::Seen;
use crate::hot::worker::message::StartingState;
use crate::hot::worker::message::Work;
use crate::hot::worker::meter::Meter;
use crate::metrics::count::Counter;
use crate::metrics::span::Clock;
use crate::metrics::span::Span;
use crate::metrics::stage::Stage;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::lending::market_spec::MarketSpec;
use crate::types::amount::Gas;

/// Wei.
const GWEI: u64 = 1_000_000_000;

/// What a worker is made of, besides the state.
pub struct Parts {
    /// What its engine is made with.
    pub plan: Plan,
    /// What signs.
    pub builder: BundleSigner,
    /// The run's clock.
    pub clock: Clock,
    /// The highest block that edge has heard of.
    pub newest: Arc<AtomicU64>,
    /// Its numbers.
    pub meter: Arc<Meter>,
    /// To the dispatcher.
    pub reports: Sink<Report>,
    /// To the sender, which writes down what was sent.
    pub to_send: Sink<Handed>,
    /// The journal.
    pub journal: Box<dyn Recorder>,
    /// Sockets of its own: relays' wherever bundles are sent, nodes' where it spins.
    pub io: Option<Box<WorkerIo>>,
}

/// One hot thread's loop.
pub struct Worker {
    parts: Parts,
    engine: Engine,
    /// How often the state was loaded anew.
    loads: u64,
}

/// The pending transaction in hand.
#[derive(Clone, Copy, Debug)]
struct Case {
    hash: B256,
    /// When it was heard of, ns since the run's start.
    at_ns: u64,
    /// How long it took to parse, and when that was done.
    decode_ns: u64,
    ready_ns: u64,
    look: Look,
    shape: Shape,
}

impl Worker {
    /// A worker behind `loaded`. To be made on its own thread.
    #[must_use]
    pub fn new(mut parts: Parts, loaded: Arc<dyn StartingState>) -> Self {
        let engine = parts.plan.engine(&loaded.initial_state());
        parts.journal.fed(&Work::Load(loaded));
        Self { parts, engine, loads: 0 }
    }

    /// Works until the inbox ends.
    pub fn run(mut self, inbox: &mut Inbox<Work, Offer>) {
        self.begin_at_head();
        while self.turn(inbox).is_ok() {}
    }

    /// Looks at the state that it begins with.
    pub fn begin_at_head(&mut self) {
        let outcome = self.solve(Event::Head);
        self.settle(outcome, None);
    }

    /// One turn of the loop. One that spins looks at what concerns the chain first, then at what its own sockets hear, then at what
    /// the edge offers; one that does not sleeps until its inbox has something, and now and then looks after its connections.
    ///
    /// # Errors
    /// The inbox has ended.
    pub fn turn(&mut self, inbox: &mut Inbox<Work, Offer>) -> Result<(), Ended> {
        if inbox.spins() {
            return self.spin(inbox);
        }
        let item = match &self.parts.io {
            Some(io) => inbox.read_within(io.patience())?,
            None => Some(inbox.read().ok_or(Ended)?),
        };
        let idle = item.is_none();
        if let Some(item) = item {
            self.item(item, inbox.dropped());
        }
        if let Some(io) = &mut self.parts.io {
            io.tend(idle);
        }
        Ok(())
    }

    fn spin(&mut self, inbox: &mut Inbox<Work, Offer>) -> Result<(), Ended> {
        if let Some(work) = inbox.chain()? {
            self.chain(work);
        } else if !self.hear() {
            match inbox.waiting() {
                Some(item) => self.item(item, inbox.dropped()),
                None => std::hint::spin_loop(),
            }
        }
        Ok(())
    }

    /// `dropped`: pending transactions for which there was no room meanwhile.
    fn item(&mut self, item: Item<Work, Offer>, dropped: u64) {
        self.parts.meter.counters.add_many(Counter::PendingDropped, dropped);
        match item {
            Item::Chain(work) => self.chain(work),
            Item::Pending(offer) => self.offered(&offer),
        }
    }

    fn chain(&mut self, work: Work) {
        self.parts.journal.fed(&work);
        let event = match work {
            Work::Block(update) => Event::Block(update),
            Work::Undo(to) => Event::Undo(to),
            Work::FetchedState(fetched, again) => {
                self.engine.on_event(Event::FetchedState(fetched));
                if !again {
                    return;
                }
                Event::Head
            }
            Work::Pool(at, pool) => {
                if at == self.at() {
                    self.say(Report::Placed(pool.key()));
                }
                Event::Pool(at, Box::new(AnyPool::clone(&pool)))
            }
            Work::Market(at, seed) => Event::Market(at, Box::new(MarketSpec::clone(&seed))),
            Work::Load(loaded) => {
                self.engine = self.parts.plan.engine(&loaded.initial_state());
                self.loads += 1;
                Event::Head
            }
            Work::Look(to) => {
                if let Some(seen) = self.seen() {
                    to.put(seen);
                }
                return;
            }
        };
        let outcome = self.solve(event);
        self.settle(outcome, None);
    }

    /// Hands the engine an event, for as long as no newer block is heard of.
    fn solve(&mut self, event: Event) -> Outcome {
        self.engine.on_event_while(event, &none_newer(&self.parts.newest))
    }

    /// Looks at what its own sockets have heard. False: nothing.
    fn hear(&mut self) -> bool {
        let Some(io) = &mut self.parts.io else { return false };
        let waiting = io.hear();
        let left = io.left();
        if left > 0 {
            self.parts.meter.counters.add_many(Counter::LeftToEdge, left);
        }
        let Some(Waiting { tx, at_ns, ready_ns }) = waiting else { return false };
        self.parts.meter.counters.add(Counter::Heard);
        let decode_ns = ready_ns.saturating_sub(at_ns);
        let case = Case { hash: tx.hash(), at_ns, decode_ns, ready_ns, look: Look::First, shape: io::shape(&tx) };
        let raw = |to: &mut Target| choice::target(&tx, to);
        if self.begin(case) {
            self.parts.journal.heard(&tx);
            self.judge(tx.env(), case, &raw);
        }
        if let Some(io) = &mut self.parts.io {
            self.parts.meter.counters.add_many(Counter::PendingDropped, io.done(tx));
        }
        true
    }

    fn offered(&mut self, offer: &Offer) {
        let Offer { pending, look } = offer;
        let case = Case {
            hash: pending.hash(),
            at_ns: pending.at_ns,
            decode_ns: pending.decode_ns,
            ready_ns: pending.ready_ns,
            look: *look,
            shape: pending.shape(),
        };
        // Its own socket was faster.
        if *look == Look::First && self.parts.io.as_mut().is_some_and(|io| !io.is_new(case.hash)) {
            return;
        }
        if self.begin(case) {
            self.parts.journal.offered(pending);
            let raw = |to: &mut Target| to.write(case.hash, |raw| pending.tx.inner().encode_2718(raw));
            self.judge(block::tx_env(&pending.tx), case, &raw);
        }
    }

    /// Whether a transaction can be judged now: not behind a block that is no longer the newest.
    fn begin(&mut self, case: Case) -> bool {
        let behind = self.engine.tip().map_or(0, |tip| tip.head().number);
        if behind < self.parts.newest.load(Ordering::Relaxed) {
            self.parts.meter.counters.add(Counter::PendingStale);
            return false;
        }
        if case.look == Look::First {
            self.parts.meter.time(Stage::Decode, Duration::from_nanos(case.decode_ns));
            self.time_first(Stage::Queue, case, case.ready_ns);
        }
        self.parts.meter.counters.add(Counter::Looked);
        true
    }

    fn judge(&mut self, tx: TxEnv, case: Case, raw: Raw<'_>) {
        if self.engine.forecaster().is_some() {
            self.look_first(tx, case, raw);
        } else {
            let outcome = self.engine.pending_while(tx, &none_newer(&self.parts.newest));
            self.learn(&outcome, case);
            self.settle(outcome, Some((case, raw)));
        }
        self.time_first(Stage::Decision, case, case.at_ns);
    }

    /// At the first look at a transaction: how long ago `since_ns` was.
    fn time_first(&self, stage: Stage, case: Case, since_ns: u64) {
        if case.look == Look::First {
            let took = self.parts.clock.now_ns().saturating_sub(since_ns);
            self.parts.meter.time(stage, Duration::from_nanos(took));
        }
    }

    /// What the like of it can be expected to bring. One that did not run, or was called off, says nothing of that.
    fn learn(&self, outcome: &Outcome, case: Case) {
        let Some(Trigger::Ran(_)) = &outcome.trigger else { return };
        if outcome.cancelled {
            return;
        }
        let idle = |(reason, _)| matches!(reason, Refused::TriggerFailed | Refused::NoPool);
        let brought = outcome.proven.iter().filter_map(|proven| proven.opportunity().value()).max().unwrap_or_default();
        let gwei = u64::try_from(brought.0 / U256::from(GWEI)).unwrap_or(u64::MAX);
        self.parts.meter.worth.learn(case.shape, !outcome.refused.iter().any(idle), gwei);
    }

    /// Counts, reports, and makes bundles of what was proven.
    fn settle(&mut self, outcome: Outcome, of: Option<(Case, Raw<'_>)>) {
        let case = of.map(|(case, _)| case);
        self.note(&outcome, case);
        self.build(&outcome, of);
        self.complain(outcome, case);
    }

    fn note(&self, outcome: &Outcome, case: Option<Case>) {
        self.parts.meter.refuse(&outcome.refused);
        self.parts.meter.counters.add_many(Counter::Cancelled, u64::from(outcome.cancelled));
        if case.is_none_or(|case| case.look != Look::Again) && !outcome.spent.search.is_zero() {
            self.parts.meter.time(Stage::Search, outcome.spent.search);
            if case.is_some() {
                self.parts.meter.time(Stage::WhatIf, outcome.spent.execute);
            }
        }
        if let Some(Trigger::Stopped(ExecuteError::Invalid(_))) = &outcome.trigger {
            self.parts.meter.counters.add(Counter::Invalid);
        }
        if !outcome.proven.is_empty() {
            self.parts.meter.time(Stage::Simulate, outcome.spent.simulate);
            self.parts.meter.counters.add_many(Counter::Opportunities, outcome.proven.len() as u64);
        }
    }

    fn miss(&self, state_keys: Vec<StateKey>, case: Option<Case>) {
        if state_keys.is_empty() {
            return;
        }
        self.parts.meter.counters.add_many(Counter::Misses, state_keys.len() as u64);
        let again = case.map(|case| case.hash);
        self.say(Report::Missed { at: self.at(), state_keys, again });
    }

    fn complain(&mut self, outcome: Outcome, case: Option<Case>) {
        self.miss(outcome.wanted, case);
        if !outcome.broken.is_empty() {
            self.parts.meter.counters.add_many(Counter::Quarantined, outcome.broken.len() as u64);
            self.say(Report::Broken(outcome.broken));
        }
        if let Some(desync) = outcome.desync {
            self.say(Report::Desync { why: desync, loads: self.loads });
        }
    }

    /// One bundle an event, and the rest of what was decided into the journal.
    fn build(&mut self, outcome: &Outcome, of: Option<(Case, Raw<'_>)>) {
        let mut span = Span::start();
        let made = choice::choose(&mut self.engine, &mut self.parts.builder, &outcome.proven, of.map(|(_, raw)| raw));
        if made.choice.is_some() {
            self.parts.meter.time(Stage::Build, span.lap());
        }
        self.deliver(&made, of.map(|(case, _)| case));
        self.parts.journal.decided(&|| choice::decision(&self.engine, outcome, &made), made.choice.as_ref());
    }

    /// Hands out what was made: down its own connections, where it has any, and to the sender.
    fn deliver(&mut self, made: &Made, case: Option<Case>) {
        self.parts.meter.refuse(&made.refused);
        if made.refused.iter().any(|(reason, _)| reason == Refused::Cold) {
            self.miss(self.engine.missed().to_vec(), case);
        }
        if let Some(Choice { bundle, proof, parent }) = &made.choice {
            self.parts.meter.counters.add(Counter::Built);
            if self.parts.io.as_ref().is_some_and(|io| io.has_taken_back(*parent, bundle.trigger())) {
                return self.parts.meter.counters.add(Counter::NotSent);
            }
            let signed_ns = self.parts.clock.now_ns();
            let sent = self.parts.io.as_mut().and_then(|io| io.send(bundle, *parent, proof.opportunity()));
            let on = (proof.opportunity(), proof.gas_used());
            let found = Found { sent, ..found(&self.engine, bundle.clone(), on, case, signed_ns) };
            self.parts.to_send.put(Handed::Found(Box::new(found)));
        }
    }

    fn seen(&self) -> Option<Seen> {
        let pools = self.engine.pools();
        let one = |pool: &AnyPool| {
            let out = pools.find(pool.key()).is_none_or(|id| pools.is_quarantined(id));
            (pool.clone(), out)
        };
        let head = *self.engine.tip()?.head();
        Some(Seen { head, nonce: self.engine.nonce(), pools: pools.iter().map(one).collect() })
    }

    fn at(&self) -> B256 {
        at(&self.engine)
    }

    fn say(&self, report: Report) {
        self.parts.reports.put(report);
    }
}

/// Whether no block above a number has been heard of.
fn none_newer(newest: &AtomicU64) -> impl Fn(u64) -> bool + '_ {
    |number| newest.load(Ordering::Relaxed) <= number
}

/// A bundle, as the sender takes it.
fn found(
    engine: &Engine,
    bundle: SignedBundle,
    (opportunity, gas): (&Opportunity, Gas),
    case: Option<Case>,
    signed_ns: u64,
) -> Found {
    let path = opportunity.path(engine.pools());
    Found {
        bundle,
        parent: at(engine),
        strategy: opportunity.strategy(),
        token: engine.pools().token(opportunity.token()),
        gross: path.gross,
        gas,
        hops: path.hops,
        positions: opportunity.positions(),
        heard_ns: case.map_or(signed_ns, |case| case.at_ns),
        signed_ns,
        sent: None,
        provisional: false,
        fresh: case.is_some_and(|case| case.look != Look::Again),
    }
}

fn at(engine: &Engine) -> B256 {
    engine.tip().map_or(B256::ZERO, |tip| tip.head().hash)
}
