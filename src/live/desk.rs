//! A hot thread: its own engine, its own signer; events in, bundles out.
//!
//! # Invariants
//! - It waits for nobody but its inbox; what it has to say goes into a channel that never blocks.
//! - A pending transaction is judged behind the newest block heard of, or put off: the keeper offers it again then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::{B256, U256};
use tokio::sync::mpsc;

use crate::edge::bootstrap::Loaded;
use crate::edge::ingest::feed::Pending;
use crate::edge::record::Clock;
use crate::hot::build;
use crate::hot::build::Builder;
use crate::hot::build::SignedBundle;
use crate::hot::build::Target;
use crate::hot::build::Victim;
use crate::hot::engine::Engine;
use crate::hot::engine::tip::Tip;
use crate::hot::event::Event;
use crate::hot::event::Outcome;
use crate::hot::event::Told;
use crate::hot::event::Trigger;
use crate::hot::evm::block;
use crate::hot::evm::db::Db;
use crate::hot::evm::db::Unknown;
use crate::hot::evm::fork::Rules;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::own::Own;
use crate::hot::refused::Refused;
use crate::hot::rt::inbox::Inbox;
use crate::hot::rt::inbox::Item;
use crate::hot::search;
use crate::hot::search::Search;
use crate::hot::simulate::Proven;
use crate::hot::simulate::Prover;
use crate::hot::simulate::Share;
use crate::hot::state::pools::Edge;
use crate::hot::state::pools::Pools;
use crate::live::numbers::meter::Meter;
use crate::live::report::Found;
use crate::live::report::Hop;
use crate::live::report::Look;
use crate::live::report::Offer;
use crate::live::report::Report;
use crate::live::report::Seen;
use crate::live::report::Work;
use crate::metrics::count::Counter;
use crate::metrics::span::Span;
use crate::metrics::stage::Stage;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::executor::Bid;
use crate::types::amount::Wei;
use crate::types::amount::WeiPerGas;

/// Candidates proven an event. One bundle a trigger is sent; the best by gross profit may not be the best by what is left
/// after gas, so that a few are held against each other.
const PROOFS: usize = 3;

/// What an engine is made of, besides the state.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The chain's id.
    pub chain_id: u64,
    /// Its rules.
    pub rules: Rules,
    /// Seconds between two blocks.
    pub slot_seconds: u64,
    /// How far and from where to look.
    pub search: search::config::Config,
    /// What is bid.
    pub bid: build::config::Bid,
    /// Our accounts.
    pub own: Own,
}

impl Plan {
    /// An engine that follows the chain from `loaded` on.
    #[must_use]
    pub fn engine(&self, loaded: &Loaded) -> Engine {
        let mut db = Db::default();
        db.set_unknown(Unknown::Refuse);
        db.tell(&Told { at: loaded.head.hash, accounts: loaded.accounts.clone(), hashes: Vec::new() });
        db.tell_block_hash(loaded.head.number, loaded.head.hash);
        let fork = self.rules.at(loaded.head.number, loaded.head.timestamp);
        db.tell(&Told { at: loaded.head.hash, accounts: Vec::new(), hashes: loaded.hashes.clone() });
        let machine = Machine::new(self.chain_id, fork, block::Terms::from(&loaded.head).env(fork), db);
        let mut pools = Pools::default();
        for pool in &loaded.pools {
            // Discovery gives each address once, and no pool twice the same token.
            let _known = pools.add(pool.clone());
        }
        let bases: Vec<_> = self.search.base_tokens.iter().map(|token| pools.intern(*token)).collect();
        let mut cycles = Search::new(&bases, self.search.max_hops, self.search.effort());
        cycles.extend(&pools);
        let share = Share { bps: self.bid.share_bps, floor: self.bid.floor_wei, cap: self.bid.cap_wei };
        let prover = Prover::new(self.own, 0, Unknown::Refuse, Bid::Wei(Wei(U256::from(1)))).bidding(share);
        let tip = Tip::new(loaded.head, self.rules, self.slot_seconds);
        Engine::new(machine, pools, cycles, prover, Wei(self.search.min_profit_wei))
            .proving_at_most(PROOFS)
            .following(tip)
    }
}

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
    /// How often the state was loaded anew.
    loads: u64,
}

impl Desk {
    /// A desk behind `loaded`. To be made on its own thread.
    #[must_use]
    pub fn new(
        plan: Plan,
        loaded: &Loaded,
        builder: Builder,
        (clock, newest): (Clock, Arc<AtomicU64>),
        meter: Arc<Meter>,
        out: mpsc::UnboundedSender<Report>,
    ) -> Self {
        let engine = plan.engine(loaded);
        Self { plan, engine, builder, clock, newest, meter, out, loads: 0 }
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
                self.engine = self.plan.engine(&loaded);
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
        let event = Event::Pending(Box::new(block::tx_env(&offer.pending.tx)));
        let outcome = self.engine.on_event(event);
        self.settle(outcome, Some(offer));
    }

    /// Counts, reports, and makes bundles of what was proven.
    fn settle(&mut self, outcome: Outcome, offer: Option<&Offer>) {
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
            self.build(&outcome.proven, offer);
        }
        self.complain(outcome, offer);
    }

    fn complain(&mut self, outcome: Outcome, offer: Option<&Offer>) {
        if !outcome.wanted.is_empty() {
            self.meter.counters.add_many(Counter::Misses, outcome.wanted.len() as u64);
            let again = offer.map(|offer| Arc::clone(&offer.pending));
            self.say(Report::Missed { at: self.at(), wants: outcome.wanted, again });
        }
        if !outcome.broken.is_empty() {
            self.meter.counters.add_many(Counter::Quarantined, outcome.broken.len() as u64);
            self.say(Report::Broken(outcome.broken));
        }
        if let Some(adrift) = outcome.adrift {
            self.say(Report::Adrift { why: adrift, loads: self.loads });
        }
    }

    /// The best that passes the limits is sent: all bundles of a block share a nonce, and those behind one trigger exclude
    /// each other.
    fn build(&mut self, proven: &[Proven], offer: Option<&Offer>) {
        let mut span = Span::start();
        let victim = match offer.map(|offer| victim(&offer.pending)).transpose() {
            Ok(victim) => victim,
            Err(reason) => return self.meter.refuse_one(reason),
        };
        let Some(tip) = self.engine.tip() else { return };
        let target = Target::after(&tip.parent(), self.engine.nonce());
        let mut order: Vec<&Proven> = proven.iter().collect();
        order.sort_by_cached_key(|proof| std::cmp::Reverse(net(proof, target.base_fee)));
        let order: Vec<Proven> = order.into_iter().cloned().collect();
        for proof in order {
            let proof = match self.with_its_bid(proof, &target) {
                Ok(proof) => proof,
                Err(reason) => {
                    self.meter.refuse_one(reason);
                    continue;
                }
            };
            match self.builder.build(&proof, self.engine.pools(), victim.as_ref(), &target) {
                Ok(bundle) => {
                    self.meter.time(Stage::Build, span.lap());
                    self.meter.counters.add(Counter::Built);
                    let found = self.found(bundle, &proof, offer);
                    return self.say(Report::Found(Box::new(found)));
                }
                Err(reason) => self.meter.refuse_one(reason),
            }
        }
    }

    /// The proof, if its bid is paid the way the signed one will be; else another, with that bid: the gas differs.
    fn with_its_bid(&mut self, proof: Proven, target: &Target) -> Result<Proven, Refused> {
        let (bid, proven_with, held) = (self.builder.offer(&proof, target)?, proof.builder_paid(), self.engine.held());
        if (bid <= held) == (proven_with <= held) {
            return Ok(proof);
        }
        self.engine.prove_again(proof.candidate(), bid)
    }

    fn found(&self, bundle: SignedBundle, proof: &Proven, offer: Option<&Offer>) -> Found {
        let (pools, candidate) = (self.engine.pools(), proof.candidate());
        let hop = |(edge, pair): (&Edge, &[u128])| Hop {
            pool: pools.pool(edge.pool).address(),
            protocol: pools.pool(edge.pool).protocol(),
            token_in: pools.token(edge.token_in),
            token_out: pools.token(edge.token_out),
            amount_in: U256::from(pair[0]),
            amount_out: U256::from(pair[1]),
        };
        let signed_ns = self.clock.now_ns();
        Found {
            bundle,
            strategy: if offer.is_some() { "backrun" } else { "atomic_arb" },
            token: pools.token(candidate.start()),
            gross: U256::from(candidate.gross()),
            gas: proof.gas_used(),
            hops: candidate.hops().iter().zip(candidate.amounts().windows(2)).map(hop).collect(),
            heard_ns: offer.map_or(signed_ns, |offer| offer.pending.at_ns),
            signed_ns,
            fresh: offer.is_some_and(|offer| offer.look != Look::Again),
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
        self.engine.tip().map_or(B256::ZERO, |tip| tip.head().hash)
    }

    fn say(&self, report: Report) {
        // Nobody listens any more: the run is ending, and so will the inbox.
        let _ending = self.out.send(report);
    }
}

/// What is left of a proof's profit after gas, in wei; below nothing is nothing.
fn net(proof: &Proven, price: WeiPerGas) -> U256 {
    let value = proof.candidate().value().unwrap_or_default().0;
    value.saturating_sub((proof.gas_used() * price).0)
}

fn victim(pending: &Pending) -> Result<Victim, Refused> {
    Victim::encode(pending.tx.inner(), pending.hash())
}
