//! Signed bundles to the relays, and into the ledger right behind.
//!
//! # Invariants
//! - No disk stands before a send: the lease does ([`crate::hot::worker::send_gate`]), which is on disk since the block before.
//!   The row is written while the relays are on their way to answer. After a crash between the two nothing is sent for a
//!   block under the lease, so that nothing is sent twice; the row is lost.
//! - Where no lease covers the block, as in a dry run or at the very start, a bundle is on disk before it is sent.
//! - One bundle a block and opportunity; none that was found behind another block than the tip.
//! - Without `--live` nothing is sent: the ledger holds what would have been.
//! - While the ledger cannot be written nothing is sent, and each bundle held back is counted. What went out before is written down
//!   once it can be.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use alloy_primitives::{B256, I256, keccak256};
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::edge::ledger::LedgerError;
use crate::edge::ledger::row;
use crate::edge::sink::{Fact, Facts, Publishing, Why};
use crate::edge::submit::Answer;
use crate::edge::submit::Prepared;
use crate::edge::submit::Reply;
use crate::edge::submit::Submission;
use crate::edge::submit::Submitter;
use crate::hot::bundle::ProfitSplit;
use crate::hot::worker::io;
use crate::hot::worker::io::Silence;
use crate::hot::worker::message::Found;
use crate::hot::worker::message::Handed;
use crate::hot::worker::message::Sent;
use crate::hot::worker::send_gate::SendGate;
use crate::live::stats::meter::Meters;
use crate::live::submission::inclusion::Note;
use crate::live::submission::resting::Rests;
use crate::metrics::count::Counter;
use crate::metrics::span::Clock;
use crate::metrics::stage::Stage;

/// What hot threads found, and what relays said to them.
pub type Heard = (mpsc::UnboundedReceiver<Handed>, mpsc::UnboundedReceiver<io::Reply>);

/// What the EVM says of a bundle; nobody there any more: it is withdrawn.
type Verdict = oneshot::Receiver<Option<ProfitSplit>>;

/// The sends that wait for what the EVM says of their bundle, by its hash. A trigger is one thread's alone, and its verdict comes
/// before it is looked at again: no bundle is in here twice.
type Unjudged = HashMap<B256, oneshot::Sender<Option<ProfitSplit>>>;

/// What a sender works with.
pub struct Parts {
    /// Where what happens to bundles is said.
    pub facts: Arc<Facts>,
    /// The relays.
    pub submitter: Arc<Submitter>,
    /// The run's clock.
    pub clock: Clock,
    /// Asked before every send.
    pub send_gate: Arc<SendGate>,
    /// The tip's hash.
    pub tip: watch::Receiver<B256>,
    /// The run's numbers.
    pub meters: Arc<Meters>,
    /// Longest a relay is waited for: an answer behind its block says nothing any more.
    pub patience: Duration,
    /// The inclusion tracker.
    pub to_settle: mpsc::UnboundedSender<Note>,
}

/// Sends.
pub struct Sender {
    parts: Parts,
    /// Opportunities that have a bundle, by their block: the ledger says the same, but only once it has written.
    taken: Mutex<HashSet<(u64, B256)>>,
    /// Relays that want to be left alone.
    rests: Arc<Rests>,
}

/// Blocks that `taken` looks back: no reorg that is followed goes deeper.
const REMEMBERED: u64 = 64;
/// Blocks above the head whose rows an earlier run may have left.
const AHEAD: u64 = 8;

impl Sender {
    /// A sender.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let rests = Rests::new(parts.submitter.clone(), parts.send_gate.clone());
        Self { parts, taken: Mutex::default(), rests }
    }

    /// Knows of the bundles that an earlier run has written down for blocks above `head`.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn behind(self, head: u64) -> Result<Self, LedgerError> {
        for target in head.saturating_add(1)..=head.saturating_add(AHEAD) {
            for row in self.parts.facts.ledger().for_block(target)? {
                self.is_first(target, row.bundle.opportunity);
            }
        }
        Ok(self)
    }

    /// A row was written behind its send. Where its block was faster, the inclusion tracker has not seen it.
    fn written(&self, block: u64) {
        if self.parts.send_gate.has_come(block) {
            let _ending = self.parts.to_settle.send(Note::Late);
        }
    }

    /// Whether nothing was sent for this opportunity yet; from now on something was.
    fn is_first(&self, block: u64, opportunity: B256) -> bool {
        // No code panics while it holds the lock; a poisoned one is whole.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.iter().any(|(old, _)| old + REMEMBERED < block) {
            taken.retain(|(old, _)| old + REMEMBERED >= block);
        }
        taken.insert((block, opportunity))
    }

    /// Works until nobody finds bundles any more, then waits for the answers under way. `live`: what is decided is sent.
    pub async fn run(self, (mut found, mut replies): Heard, live: bool) {
        let this = Arc::new(self);
        let (mut under_way, mut unjudged) = (JoinSet::new(), Unjudged::new());
        loop {
            tokio::select! {
                // What was sent is written down before what was said to it.
                biased;
                next = found.recv() => match next {
                    Some(Handed::Found(found)) => this.found(found, live, (&mut under_way, &mut unjudged)),
                    Some(Handed::Verdict { bundle, terms }) => {
                        // Where nothing waits for it there was no place for the bundle.
                        if let Some(waits) = unjudged.remove(&bundle) {
                            let _unheard = waits.send(terms);
                        }
                    }
                    None => break,
                },
                Some(reply) = replies.recv() => drop(under_way.spawn(Arc::clone(&this).said(reply))),
            }
            while under_way.try_join_next().is_some() {}
        }
        // The hot threads are gone: what they heard is all there, and of what is not judged nothing more will be said.
        drop(unjudged);
        while let Ok(reply) = replies.try_recv() {
            under_way.spawn(Arc::clone(&this).said(reply));
        }
        under_way.join_all().await;
    }

    fn found(
        self: &Arc<Self>,
        found: Box<Found>,
        live: bool,
        (under_way, unjudged): (&mut JoinSet<()>, &mut Unjudged),
    ) {
        if let Some(sent) = found.sent {
            // Asked for here and now, so that it comes before any answer.
            let row = self.row(sent.uuid, &found, sent.terms, live);
            self.is_first(row.target, row.opportunity);
            let written = self.parts.facts.publish(Fact::Decided(Box::new(row)));
            under_way.spawn(Arc::clone(self).sent(found, sent, written));
        } else if self.parts.send_gate.take(found.parent) {
            let verdict = found.provisional.then(|| {
                let (say, verdict) = oneshot::channel();
                unjudged.insert(found.bundle.hash(), say);
                verdict
            });
            under_way.spawn(Arc::clone(self).send(found, verdict, live));
        } else {
            // Each hot thread keeps to the limit by itself; together they must.
            self.held(&found, Why::Limit);
        }
    }

    /// A hot thread has sent it: it is written down, and goes to the relays that thread has no connection to.
    async fn sent(self: Arc<Self>, found: Box<Found>, sent: Sent, written: Publishing) {
        self.count(&found, sent.at_ns);
        self.parts.meters.edge().counters.add(Counter::SentInLine);
        let take_back = async {
            if sent.withdrawn {
                self.take_back(sent.uuid, found.bundle.block()).await;
            }
        };
        // The disk may take its time, and what is withdrawn must not wait for that.
        let (written, ()) = tokio::join!(written.done_at_last(), take_back);
        if let Err(error) = written {
            let (uuid, block) = (sent.uuid, found.bundle.block());
            tracing::error!(%uuid, block, %error, "the ledger does not take a bundle that has gone out");
            return;
        }
        self.written(found.bundle.block());
        let but = sent.relays.or(self.parts.send_gate.resting());
        if sent.withdrawn || !self.parts.submitter.has_others(but) || !self.stands(&found) {
            return;
        }
        match self.parts.submitter.prepare_as(sent.uuid, &found.bundle) {
            Ok(prepared) => {
                let sent_ms = self.unix_ms(self.parts.clock.now_ns());
                let deadline = Instant::now() + self.parts.patience;
                let submission = self.parts.submitter.send_to_others(prepared, but, deadline).await;
                self.answers(sent.uuid, sent_ms, submission.replies.unwrap_or_default()).await;
            }
            Err(error) => tracing::error!(uuid = %sent.uuid, %error, "a bundle goes to no other relays"),
        }
    }

    /// The EVM did not agree with what a hot thread had sent. A relay that does not hear of it keeps a bundle that earns what it
    /// says, or reverts and is left out.
    async fn take_back(&self, uuid: Uuid, block: u64) {
        match self.parts.submitter.prepare_cancel(uuid, block) {
            Ok(prepared) => drop(self.parts.submitter.send(prepared, Instant::now() + self.parts.patience).await),
            Err(error) => tracing::error!(%uuid, %error, "a bundle is not taken back"),
        }
    }

    /// A relay has answered a hot thread.
    async fn said(self: Arc<Self>, reply: io::Reply) {
        let said = match &reply.said {
            Ok(said) => Ok(said),
            Err(Silence::Late) => Err(Answer::Timeout),
            Err(Silence::Broken) => Err(Answer::Unknown("connection broke".to_owned())),
        };
        let took = Duration::from_nanos(reply.took_ns);
        let sent_ms = self.unix_ms(self.parts.clock.now_ns().saturating_sub(reply.took_ns));
        if let Some(heard) = self.parts.submitter.heard(reply.relay, said, took) {
            self.answers(reply.uuid, sent_ms, vec![heard]).await;
        }
    }

    fn count(&self, found: &Found, at_ns: u64) {
        let edge = self.parts.meters.edge();
        edge.time(Stage::Submit, Duration::from_nanos(at_ns.saturating_sub(found.signed_ns)));
        if found.fresh {
            edge.time(Stage::Total, Duration::from_nanos(at_ns.saturating_sub(found.heard_ns)));
        }
        edge.counters.add(Counter::Sent);
        edge.counters.add_many(Counter::Rested, self.parts.send_gate.resting().count().into());
    }

    async fn send(self: Arc<Self>, found: Box<Found>, verdict: Option<Verdict>, live: bool) {
        let prepared = match self.parts.submitter.prepare(&found.bundle) {
            Ok(prepared) => prepared,
            Err(error) => return self.drop_it(&found, Why::Unencodable, &error),
        };
        if live && !self.parts.submitter.has_others(self.parts.send_gate.resting()) {
            return self.held(&found, Why::Resting);
        }
        let uuid = prepared.uuid();
        let mut terms = *found.bundle.terms();
        if let Some(verdict) = verdict {
            // The EVM runs while the relays' requests are written and signed; the ledger holds what it says.
            let Ok(Some(real)) = verdict.await else { return self.held(&found, Why::Withdrawn) };
            terms = real;
        }
        if !self.stands(&found) {
            return self.held(&found, Why::Late);
        }
        if !self.parts.facts.ledger().writes().is_on() {
            return self.unwritten(&found);
        }
        let row = self.row(uuid, &found, terms, live);
        // The same opportunity, met twice: behind the block, and again after a miss.
        if !self.is_first(row.target, row.opportunity) {
            return self.held(&found, Why::Taken);
        }
        if live && self.parts.send_gate.is_leased(row.target) {
            self.send_then_write(&found, prepared, row).await;
        } else {
            self.write_then_send(&found, prepared, row).await;
        }
    }

    /// Under the lease: the ledger writes while the relays answer.
    async fn send_then_write(&self, found: &Found, prepared: Prepared, row: row::Bundle) {
        let uuid = prepared.uuid();
        let now = self.parts.clock.now_ns();
        self.count(found, now);
        let send = self.send_to_all(prepared);
        // In this order: the requests are handed over before the ledger is asked.
        let write = async {
            let written = self.parts.facts.publish(Fact::Decided(Box::new(row.clone()))).done_at_last().await;
            self.written(found.bundle.block());
            written
        };
        let (submission, written) = tokio::join!(biased; send, write);
        if let Err(error) = written {
            let block = found.bundle.block();
            tracing::error!(%uuid, block, %error, "the ledger does not take a bundle that has gone out");
            return;
        }
        self.submitted(row, submission, self.unix_ms(now)).await;
    }

    async fn write_then_send(&self, found: &Found, prepared: Prepared, row: row::Bundle) {
        match self.parts.facts.publish(Fact::Decided(Box::new(row.clone()))).done().await {
            Ok(()) => (),
            Err(LedgerError::Taken { .. }) => return self.held(found, Why::Taken),
            Err(error) if error.is_the_disks() => {
                // It was not sent: found once more, it may be.
                self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&(row.target, row.opportunity));
                return self.unwritten(found);
            }
            Err(error) => return self.drop_it(found, Why::Unwritten, &error),
        }
        // The disk took its time.
        if !self.stands(found) {
            self.held(found, Why::Late);
            return self.unsent(row).await;
        }
        let now = self.parts.clock.now_ns();
        self.count(found, now);
        let submission = self.send_to_all(prepared).await;
        self.submitted(row, submission, self.unix_ms(now)).await;
    }

    /// To all relays but those that want to be left alone.
    async fn send_to_all(&self, prepared: Prepared) -> Submission {
        let (but, deadline) = (self.parts.send_gate.resting(), Instant::now() + self.parts.patience);
        self.parts.submitter.send_to_others(prepared, but, deadline).await
    }

    async fn submitted(&self, row: row::Bundle, submission: Submission, sent_ms: u64) {
        match submission.replies {
            Some(replies) => self.answers(row.uuid, sent_ms, replies).await,
            None => self.unsent(row).await,
        }
    }

    /// It was found behind the tip, nobody has heard of a later block, and sending goes on.
    fn stands(&self, found: &Found) -> bool {
        self.parts.send_gate.stands(found.bundle.block()) && *self.parts.tip.borrow() == found.parent
    }

    async fn answers(&self, uuid: Uuid, sent_ms: u64, replies: Vec<Reply>) {
        for reply in replies {
            let relay = reply.relay.clone();
            self.rests.hear(&reply);
            let answered = Fact::Answered { uuid, answer: Box::new(answer(reply, sent_ms)) };
            if let Err(error) = self.parts.facts.publish(answered).done_at_last().await {
                tracing::error!(relay, %error, "the ledger does not take an answer");
            }
        }
    }

    async fn unsent(&self, row: row::Bundle) {
        let settled = Fact::Settled { bundle: Box::new(row), outcome: Box::new(row::Outcome::Unsent) };
        match self.parts.facts.publish(settled).done_at_last().await {
            // Its block has come, and the inclusion tracker was faster.
            Ok(()) | Err(LedgerError::Settled { .. }) => (),
            Err(error) => tracing::error!(%error, "the ledger does not take an outcome"),
        }
    }

    fn held(&self, found: &Found, why: Why) {
        self.parts.meters.edge().counters.add(Counter::NotSent);
        self.parts.facts.say(&Fact::Held { target: found.bundle.block(), ours: found.bundle.ours(), why });
    }

    /// The ledger has said why, once.
    fn unwritten(&self, found: &Found) {
        self.parts.meters.edge().counters.add(Counter::Unwritten);
        self.held(found, Why::Unwritten);
    }

    fn drop_it(&self, found: &Found, why: Why, error: &dyn std::fmt::Display) {
        self.held(found, why);
        tracing::error!(block = found.bundle.block(), %error, "a bundle is not sent");
    }

    fn row(&self, uuid: Uuid, found: &Found, terms: ProfitSplit, live: bool) -> row::Bundle {
        let bundle = &found.bundle;
        let mut protocols: Vec<String> = found.hops.iter().map(|hop| hop.protocol.to_string()).collect();
        protocols.sort_unstable();
        protocols.dedup();
        let first = found.hops.first().map(|hop| hop.amount_in);
        row::Bundle {
            uuid,
            target: bundle.block(),
            parent: found.parent,
            opportunity: fingerprint(found),
            replaces: None,
            trigger: bundle.trigger(),
            txs: bundle.trigger().into_iter().chain([bundle.ours()]).collect(),
            ours: bundle.ours(),
            pools: found.hops.iter().map(|hop| hop.pool).collect(),
            positions: found.positions.clone(),
            strategy: found.strategy.to_owned(),
            protocols,
            token: found.token,
            gross: found.gross,
            value: terms.value.0,
            amounts: first.into_iter().chain(found.hops.iter().map(|hop| hop.amount_out)).collect(),
            live,
            predicted: I256::try_from(terms.take.0).unwrap_or(I256::MAX),
            bid: terms.bid.0,
            decided_ms: self.unix_ms(found.signed_ns),
        }
    }

    fn unix_ms(&self, since_start_ns: u64) -> u64 {
        self.parts.clock.unix_start_ns().saturating_add(since_start_ns) / 1_000_000
    }
}

/// The block below, trigger, position and path, in order. Amounts are not in it: the same cycle sized anew is the same
/// opportunity; behind another block, after a reorg, it is another.
fn fingerprint(found: &Found) -> B256 {
    let mut bytes = found.parent.to_vec();
    bytes.extend_from_slice(found.bundle.trigger().unwrap_or_default().as_slice());
    for position in &found.positions {
        bytes.extend_from_slice(position.market.as_slice());
        bytes.extend_from_slice(position.id.unwrap_or_default().as_slice());
        bytes.extend_from_slice(position.account.as_slice());
    }
    for hop in &found.hops {
        bytes.extend_from_slice(hop.pool.contract.as_slice());
        bytes.extend_from_slice(hop.pool.id.as_ref().map_or(&[], |id| id.as_slice()));
        bytes.extend_from_slice(hop.token_in.as_slice());
    }
    keccak256(bytes)
}

fn answer(reply: Reply, sent_ms: u64) -> row::Answer {
    let took_us = u64::try_from(reply.took.as_micros()).unwrap_or(u64::MAX);
    let status = i64::from(reply.status.unwrap_or(0));
    let reply_row = match reply.answer {
        Answer::Accepted(hash) => row::RelayReply::Accepted { hash: Some(hash) },
        Answer::Refused { code, message } => row::RelayReply::Refused { code: code.unwrap_or(status), message },
        Answer::Unknown(_) => row::RelayReply::Unknown { text: reply.excerpt },
        Answer::Timeout => row::RelayReply::Silent { cause: "no answer in time".to_owned() },
        Answer::Unsent(cause) => row::RelayReply::Silent { cause },
    };
    row::Answer { relay: reply.relay, sent_ms, took_us, reply: reply_row }
}
