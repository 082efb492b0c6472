//! Where a source hands in what it hears: deduplicated, journalled and counted here, ordered by `sequence`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::Recovered;
use alloy_primitives::{Address, B256};
use tokio::sync::mpsc;
use tokio::sync::watch;

use crate::edge::chain::Chain;
use crate::edge::chain::Head;
use crate::edge::chain::Log;
use crate::edge::ingest::feed::Pending;
use crate::edge::ingest::feed::SourceId;
use crate::edge::ingest::hearing::Hearing;
use crate::edge::ingest::hearing::Kind;
use crate::edge::ingest::queue::Queue;
use crate::edge::ingest::race::Race;
use crate::edge::record::JournalHandle;
use crate::types::text::printable;

/// Frames kept for inspection, the latest.
const BAD_FRAMES: usize = 64;
/// Characters kept of each.
const BAD_FRAME: usize = 4096;
/// ... and of what is wrong with it.
const CAUSE: usize = 256;

/// A frame that did not decode, made printable.
#[derive(Clone, Debug)]
pub struct BadFrame {
    /// Who sent it.
    pub source: SourceId,
    /// When, ns since the run's start.
    pub at_ns: u64,
    /// What is wrong with it.
    pub cause: String,
    /// Its beginning.
    pub text: String,
}

/// What sources have in common.
pub(in crate::edge::ingest) struct Shared {
    pub(in crate::edge::ingest) queue: Arc<Queue>,
    pub(in crate::edge::ingest) txs: Race,
    pub(in crate::edge::ingest) heads: Race,
    pub(in crate::edge::ingest) bad: Bad,
    /// By source.
    pub(in crate::edge::ingest) hearings: Vec<Hearing>,
    /// Of the chain, where it is known.
    pub(in crate::edge::ingest) chain_id: Option<u64>,
    pub(in crate::edge::ingest) journal_handle: JournalHandle,
}

/// Frames that did not decode.
#[derive(Default)]
pub(in crate::edge::ingest) struct Bad {
    count: AtomicU64,
    bad_frames_held: Mutex<VecDeque<BadFrame>>,
}

impl Bad {
    pub(in crate::edge::ingest) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(in crate::edge::ingest) fn last_bad_frames(&self) -> Vec<BadFrame> {
        self.bad_frames_held.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn keep(&self, frame: BadFrame) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut bad_frames_held = self.bad_frames_held.lock().unwrap_or_else(PoisonError::into_inner);
        if bad_frames_held.len() >= BAD_FRAMES {
            bad_frames_held.pop_front();
        }
        bad_frames_held.push_back(frame);
    }
}

/// What a source tells of the chain, for `sequence` to put in order.
#[derive(Debug)]
pub(in crate::edge::ingest) enum Note {
    Up(SourceId),
    Down(SourceId),
    Head(SourceId, Head),
    Log(SourceId, Log),
    /// The source has doubts: ask its node where the chain is.
    Check(SourceId),
}

/// One source's way in. Cheap to clone.
#[derive(Clone)]
pub struct Inlet {
    source: SourceId,
    name: Arc<str>,
    shared: Arc<Shared>,
    notes: mpsc::Sender<Note>,
    watched: watch::Receiver<Arc<[Address]>>,
    chain: Option<Chain>,
    up: Arc<AtomicBool>,
}

impl Inlet {
    pub(in crate::edge::ingest) fn new(
        (source, name): (SourceId, &str),
        shared: Arc<Shared>,
        notes: mpsc::Sender<Note>,
        watched: watch::Receiver<Arc<[Address]>>,
        chain: Option<Chain>,
    ) -> Self {
        shared.journal_handle.source(source, name);
        Self { source, name: name.into(), shared, notes, watched, chain, up: Arc::default() }
    }

    /// The source's name, for logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Now, ns since the run's start.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.shared.journal_handle.clock().now_ns()
    }

    /// The addresses whose logs are due; a change wakes the sources that wait on it.
    #[must_use]
    pub fn watched(&self) -> watch::Receiver<Arc<[Address]>> {
        self.watched.clone()
    }

    /// The node's requests.
    #[must_use]
    pub fn chain(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }

    /// A message came; for the journal.
    pub fn raw(&self, at_ns: u64, bytes: &[u8]) {
        self.shared.journal_handle.raw(at_ns, self.source, bytes);
    }

    /// A transaction was fetched by hash; for the journal.
    pub fn fetched(&self, at_ns: u64, bytes: &[u8]) {
        self.shared.journal_handle.fetched(at_ns, self.source, bytes);
    }

    /// The chain's id, where the configuration has told it.
    #[must_use]
    pub fn chain_id(&self) -> Option<u64> {
        self.shared.chain_id
    }

    fn hearing(&self) -> Option<&Hearing> {
        self.shared.hearings.get(usize::from(self.source))
    }

    /// A message did not decode: it is counted, said and kept, and the feed goes on.
    pub fn bad(&self, kind: Kind, at_ns: u64, text: &str, cause: impl ToString) {
        let cause = cause.to_string();
        if let Some(hearing) = self.hearing() {
            hearing.bad(kind, text, &cause);
        }
        let (text, cause) = (printable(text, BAD_FRAME), printable(&cause, CAUSE));
        self.shared.bad.keep(BadFrame { source: self.source, at_ns, cause, text });
    }

    /// A message of this kind decoded.
    pub fn heard(&self, kind: Kind) {
        if let Some(hearing) = self.hearing() {
            hearing.good(kind);
        }
    }

    /// A transaction came without these fields, and they were derived.
    pub fn derived(&self, fields: &[&'static str], text: &str) {
        if let Some(hearing) = self.hearing() {
            hearing.derived(fields, text);
        }
    }

    /// Of so many transactions that were announced by hash no body could be had.
    pub fn not_had(&self, count: u64, why: &str) {
        if let Some(hearing) = self.hearing() {
            hearing.not_had(count, why);
        }
    }

    /// The node does not know any more what it has announced.
    pub fn gone(&self) {
        if let Some(hearing) = self.hearing() {
            hearing.gone();
        }
    }

    /// The node refuses a subscription. Whether that is new.
    #[must_use]
    pub fn refused(&self, subscription: &'static str, why: &str) -> bool {
        self.hearing().is_some_and(|hearing| hearing.refused(subscription, why))
    }

    /// The node has made a subscription.
    pub fn granted(&self, subscription: &'static str) {
        if let Some(hearing) = self.hearing() {
            hearing.granted(subscription);
        }
    }

    /// The source has a connection.
    pub fn connected(&self) {
        if let Some(hearing) = self.hearing() {
            hearing.link(None);
        }
    }

    /// ... and has none any more.
    pub fn ended(&self, why: &str) {
        if let Some(hearing) = self.hearing() {
            hearing.link(Some(why));
        }
    }

    /// Heads are subscribed: from here on the source tells every one, and what came before is asked for.
    pub async fn up(&self) {
        self.up.store(true, Ordering::Relaxed);
        self.note(Note::Up(self.source)).await;
    }

    /// The source has ended.
    pub async fn down(&self) {
        if self.up.swap(false, Ordering::Relaxed) {
            self.note(Note::Down(self.source)).await;
        }
    }

    /// No head for long: is there none?
    pub async fn check(&self) {
        self.note(Note::Check(self.source)).await;
    }

    /// A head was announced.
    pub async fn head(&self, head: Head, at_ns: u64) {
        self.heard(Kind::Heads);
        self.shared.heads.heard(head.hash, self.source, at_ns);
        self.note(Note::Head(self.source, head)).await;
    }

    /// A log was announced.
    pub async fn log(&self, log: Log) {
        self.heard(Kind::Logs);
        self.note(Note::Log(self.source, log)).await;
    }

    /// A transaction was announced with its body, which began to be parsed at `began_ns`.
    pub fn pending(&self, tx: Recovered<TxEnvelope>, at_ns: u64, began_ns: u64) {
        let hash = *tx.inner().tx_hash();
        self.shared.txs.heard(hash, self.source, at_ns);
        self.body(tx, began_ns);
    }

    /// A transaction was announced by hash. Whether its body is to be fetched.
    #[must_use]
    pub fn announced(&self, hash: B256, at_ns: u64) -> bool {
        self.shared.txs.heard(hash, self.source, at_ns);
        self.shared.txs.wanted(hash)
    }

    /// Whether nobody has brought the body yet.
    #[must_use]
    pub fn wanted(&self, hash: B256) -> bool {
        self.shared.txs.wanted(hash)
    }

    /// The body of a transaction that was announced before; it began to be parsed at `began_ns`.
    pub fn body(&self, tx: Recovered<TxEnvelope>, began_ns: u64) {
        self.heard(Kind::Pending);
        if let Some(at_ns) = self.shared.txs.take(*tx.inner().tx_hash()) {
            let ready_ns = self.now_ns();
            let decode_ns = ready_ns.saturating_sub(began_ns);
            self.shared.queue.pending(Box::new(Pending { tx, at_ns, decode_ns, ready_ns, source: self.source }));
        }
    }

    async fn note(&self, note: Note) {
        // Fails only once ingest is stopping, and then nobody is left to hear.
        let _stopping = self.notes.send(note).await;
    }
}
