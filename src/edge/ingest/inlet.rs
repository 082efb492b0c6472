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
use crate::edge::ingest::queue::Queue;
use crate::edge::ingest::race::Race;
use crate::edge::record::JournalHandle;

/// Frames kept for inspection, the latest.
const BAD_FRAMES: usize = 64;
/// Bytes kept of each.
const BAD_FRAME_BYTES: usize = 4096;

/// A frame that did not decode.
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

    /// A message did not decode: it is counted and kept, and the feed goes on.
    pub fn bad(&self, at_ns: u64, text: &str, cause: impl ToString) {
        let end = text.floor_char_boundary(BAD_FRAME_BYTES);
        let text = text.get(..end).unwrap_or_default().to_owned();
        self.shared.bad.keep(BadFrame { source: self.source, at_ns, cause: cause.to_string(), text });
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
        self.shared.heads.heard(head.hash, self.source, at_ns);
        self.note(Note::Head(self.source, head)).await;
    }

    /// A log was announced.
    pub async fn log(&self, log: Log) {
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
