//! A hot thread: its own engine, its own signer; events in, bundles out.
//!
//! # Invariants
//! - It waits for nobody but its inbox; what it has to say goes into a channel that never blocks.
//! - A pending transaction is judged behind the newest block heard of, or put off: the keeper offers it again then.

mod first;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::{B256, U256};
use tokio::sync::mpsc;

use crate::edge::bootstrap::Loaded;
use crate::edge::record::Clock;
use crate::hot::build::Builder;
use crate::hot::build::SignedBundle;
use crate::hot::engine::Engine;
use crate::hot::engine::choice;
use crate::hot::engine::choice::Choice;
use crate::hot::engine::choice::Made;
use crate::hot::engine::plan::Ground;
use crate::hot::engine::plan::Plan;
use crate::hot::event::Event;
use crate::hot::event::Outcome;
use crate::hot::event::Trigger;
use crate::hot::event::Want;
use crate::hot::evm::block;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::refused::Refused;
use crate::hot::rt::inbox::Inbox;
use crate::hot::rt::inbox::Item;
use crate::hot::search::Candidate;
use crate::hot::state::pools::Edge;
use crate::live::numbers::meter::Meter;
use crate::live::report::Found;
use crate::live::report::Hop;
use crate::live::report::Look;
use crate::live::report::Offer;
use crate::live::report::Report;
use crate::live::report::Seen;
use crate::live::report::Work;
use crate::live::tape::Tape;
use crate::metrics::count::Counter;
use crate::metrics::span::Span;
use crate::metrics::stage::Stage;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::types::amount::Gas;

/// The ways out: to the keeper, to the sender, to the journal.
pub type Ways = (mpsc::UnboundedSender<Report>, mpsc::UnboundedSender<Box<Found>>, Tape);

/// One hot thread's desk.
pub struct Desk {
    plan: Plan,
    engine: Engine,
    builder: Builder,
    clock: Clock,
    /// The highest block that edge has heard of.
    newest: Arc<AtomicU64>,
    meter: Arc<Meter>,
    out: mpsc::UnboundedSender<Report>,
    to_send: mpsc::UnboundedSender<Box<Found>>,
    tape: Tape,
    /// How often the state was loaded anew.
    loads: u64,
}

impl Desk {
    /// A desk behind `loaded`. To be made on its own thread.
    #[must_use]
    pub fn new(
        plan: Plan,
        loaded: &Arc<Loaded>,
        builder: Builder,
        (clock, newest): (Clock, Arc<AtomicU64>),
        meter: Arc<Meter>,
        (out, to_send, mut tape): Ways,
    ) -> Self {
        let engine = plan.engine(&ground(loaded));
        tape.fed(&Work::Load(Arc::clone(loaded)));
        Self { plan, engine, builder, clock, newest, meter, out, to_send, tape, loads: 0 }
    }

    /// Works until the inbox ends.
    pub fn run(mut self, inbox: &Inbox<Work, Offer>) {
        let outcome = self.engine.on_event(Event::Head);
        self.settle(outcome, None);
        while let Some(item) = inbox.next() {
            match item {
                Item::Chain(work) => self.chain(work),
                Item::Pending(offer) => self.pending(&offer),
            }
        }
    }

    fn chain(&mut self, work: Work) {
        self.tape.fed(&work);
        let event = match work {
            Work::Block(news) => Event::Block(news),
            Work::Undo(to) => Event::Undo(to),
            Work::Told(told, again) => {
                self.engine.on_event(Event::Told(told));
                if !again {
                    return;
                }
                Event::Head
            }
            Work::Pool(at, pool) => {
                if at == self.at() {
                    self.say(Report::Placed(pool.address()));
                }
                Event::Pool(at, Box::new(AnyPool::clone(&pool)))
            }
            Work::Load(loaded) => {
                self.engine = self.plan.engine(&ground(&loaded));
                self.loads += 1;
                Event::Head
            }
            Work::Look(to) => {
                if let Some(seen) = self.seen() {
                    // Nobody waits for it any more.
                    drop(to.send(seen));
                }
                return;
            }
        };
        let outcome = self.engine.on_event(event);
        self.settle(outcome, None);
    }

    fn pending(&mut self, offer: &Offer) {
        let behind = self.engine.tip().map_or(0, |tip| tip.head().number);
        if behind < self.newest.load(Ordering::Relaxed) {
            self.meter.counters.add(Counter::PendingStale);
            return;
        }
        if offer.look == Look::First {
            let waited = self.clock.now_ns().saturating_sub(offer.pending.at_ns);
            self.meter.time(Stage::Decode, std::time::Duration::from_nanos(waited));
        }
        self.meter.counters.add(Counter::Looked);
        self.tape.offered(&offer.pending);
        if self.engine.reckoner().is_some() {
            return self.look_first(offer);
        }
        let event = Event::Pending(Box::new(block::tx_env(&offer.pending.tx)));
        let outcome = self.engine.on_event(event);
        self.settle(outcome, Some(offer));
    }

    /// Counts, reports, and makes bundles of what was proven.
    fn settle(&mut self, outcome: Outcome, offer: Option<&Offer>) {
        self.note(&outcome, offer);
        self.build(&outcome, offer);
        self.complain(outcome, offer);
    }

    fn note(&self, outcome: &Outcome, offer: Option<&Offer>) {
        self.meter.refuse(&outcome.refused);
        if offer.is_none_or(|offer| offer.look != Look::Again) && !outcome.spent.search.is_zero() {
            self.meter.time(Stage::Search, outcome.spent.search);
            if offer.is_some() {
                self.meter.time(Stage::WhatIf, outcome.spent.execute);
            }
        }
        if let Some(Trigger::Stopped(ExecuteError::Invalid(_))) = &outcome.trigger {
            self.meter.counters.add(Counter::Invalid);
        }
        if !outcome.proven.is_empty() {
            self.meter.time(Stage::Simulate, outcome.spent.simulate);
            self.meter.counters.add_many(Counter::Opportunities, outcome.proven.len() as u64);
        }
    }

    fn miss(&self, wants: Vec<Want>, offer: Option<&Offer>) {
        if wants.is_empty() {
            return;
        }
        self.meter.counters.add_many(Counter::Misses, wants.len() as u64);
        let again = offer.map(|offer| Arc::clone(&offer.pending));
        self.say(Report::Missed { at: self.at(), wants, again });
    }

    fn complain(&mut self, outcome: Outcome, offer: Option<&Offer>) {
        self.miss(outcome.wanted, offer);
        if !outcome.broken.is_empty() {
            self.meter.counters.add_many(Counter::Quarantined, outcome.broken.len() as u64);
            self.say(Report::Broken(outcome.broken));
        }
        if let Some(adrift) = outcome.adrift {
            self.say(Report::Adrift { why: adrift, loads: self.loads });
        }
    }

    /// One bundle an event, and the rest of what was decided into the journal.
    fn build(&mut self, outcome: &Outcome, offer: Option<&Offer>) {
        let mut span = Span::start();
        let trigger = offer.map(|offer| (offer.pending.tx.inner(), offer.pending.hash()));
        let made = choice::choose(&mut self.engine, &mut self.builder, &outcome.proven, trigger);
        if made.choice.is_some() {
            self.meter.time(Stage::Build, span.lap());
        }
        self.deliver(&made, offer);
        self.tape.decided(|| choice::decision(&self.engine, outcome, &made), made.choice.as_ref());
    }

    /// Hands out what was made.
    fn deliver(&self, made: &Made, offer: Option<&Offer>) {
        self.meter.refuse(&made.refused);
        if made.refused.iter().any(|(reason, _)| reason == Refused::Cold) {
            self.miss(self.engine.missed().to_vec(), offer);
        }
        if let Some(Choice { bundle, proof, .. }) = &made.choice {
            self.meter.counters.add(Counter::Built);
            let found = found(&self.engine, &self.clock, bundle.clone(), (proof.candidate(), proof.gas_used()), offer);
            // As in `say`.
            let _ending = self.to_send.send(Box::new(found));
        }
    }

    fn seen(&self) -> Option<Seen> {
        let pools = self.engine.pools();
        let one = |pool: &AnyPool| {
            let out = pools.find(pool.address()).is_none_or(|id| pools.is_quarantined(id));
            (pool.clone(), out)
        };
        let head = *self.engine.tip()?.head();
        Some(Seen { head, nonce: self.engine.nonce(), pools: pools.iter().map(one).collect() })
    }

    fn at(&self) -> B256 {
        at(&self.engine)
    }

    fn say(&self, report: Report) {
        // Nobody listens any more: the run is ending, and so will the inbox.
        let _ending = self.out.send(report);
    }
}

/// The state, as an engine takes it.
fn ground(loaded: &Loaded) -> Ground<'_> {
    Ground { head: &loaded.head, accounts: &loaded.accounts, hashes: &loaded.hashes, pools: &loaded.pools }
}

/// A bundle, as the sender takes it.
fn found(
    engine: &Engine,
    clock: &Clock,
    bundle: SignedBundle,
    (candidate, gas): (&Candidate, Gas),
    offer: Option<&Offer>,
) -> Found {
    let pools = engine.pools();
    let hop = |(edge, pair): (&Edge, &[u128])| Hop {
        pool: pools.pool(edge.pool).address(),
        protocol: pools.pool(edge.pool).protocol(),
        token_in: pools.token(edge.token_in),
        token_out: pools.token(edge.token_out),
        amount_in: U256::from(pair[0]),
        amount_out: U256::from(pair[1]),
    };
    let signed_ns = clock.now_ns();
    Found {
        bundle,
        parent: at(engine),
        strategy: choice::strategy(offer.is_some()),
        token: pools.token(candidate.start()),
        gross: U256::from(candidate.gross()),
        gas,
        hops: candidate.hops().iter().zip(candidate.amounts().windows(2)).map(hop).collect(),
        heard_ns: offer.map_or(signed_ns, |offer| offer.pending.at_ns),
        signed_ns,
        verdict: None,
        fresh: offer.is_some_and(|offer| offer.look != Look::Again),
    }
}

fn at(engine: &Engine) -> B256 {
    engine.tip().map_or(B256::ZERO, |tip| tip.head().hash)
}
