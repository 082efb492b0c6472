//! The one bounded way out of ingest: chain items in order and never dropped, pending transactions while there is room.
//!
//! # Invariants
//! - What concerns the chain comes before any pending transaction; when its part is full, ingest waits.
//! - Pending transactions leave in order of what they can be expected to bring. A full pending part loses what is worth
//!   least, counted; of those alike the oldest, which has the least time left.
//! - While held (between a head and its logs, within a gap) pending transactions wait.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::edge::ingest::feed::Feed;
use crate::edge::ingest::feed::Pending;
use crate::hot::rt::bins::Bins;
use crate::hot::rt::worth::Worth;

/// Shared by the two ends.
pub(in crate::edge::ingest) struct Queue {
    inner: Mutex<Inner>,
    readable: Notify,
    writable: Notify,
    dropped: AtomicU64,
    chain_room: usize,
}

struct Inner {
    chain: VecDeque<Feed>,
    pending: Bins<Box<Pending>>,
    /// What a transaction is worth, as hot threads learn it.
    worth: Arc<Worth>,
    held: bool,
    /// No more will come.
    ended: bool,
    /// Nobody listens.
    deaf: bool,
}

impl Queue {
    pub(in crate::edge::ingest) fn new(chain_room: usize, pending_room: usize) -> Arc<Self> {
        let (pending, worth) = (Bins::new(pending_room), Arc::default());
        let inner = Inner { chain: VecDeque::new(), pending, worth, held: false, ended: false, deaf: false };
        Arc::new(Self {
            inner: Mutex::new(inner),
            readable: Notify::new(),
            writable: Notify::new(),
            dropped: AtomicU64::new(0),
            chain_room: chain_room.max(1),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it holds the lock; a poisoned one is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands on what concerns the chain; waits for room. From here on pending transactions are held, or not.
    /// `false` when nobody listens any more.
    pub(in crate::edge::ingest) async fn push(&self, item: Feed, held: bool) -> bool {
        let mut item = Some(item);
        loop {
            let writable = self.writable.notified();
            {
                let mut inner = self.lock();
                if inner.deaf {
                    return false;
                }
                if inner.chain.len() < self.chain_room {
                    inner.chain.extend(item.take());
                    inner.held = held;
                    break;
                }
            }
            writable.await;
        }
        self.readable.notify_one();
        true
    }

    /// From here on transactions are worth what is learnt there.
    pub(in crate::edge::ingest) fn value_by(&self, worth: Arc<Worth>) {
        self.lock().worth = worth;
    }

    /// Hands on a pending transaction; drops the one worth least when full.
    pub(in crate::edge::ingest) fn pending(&self, tx: Box<Pending>) {
        let shape = tx.shape();
        let mut inner = self.lock();
        let value = inner.worth.of(shape);
        if inner.pending.push(value, tx).is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        drop(inner);
        self.readable.notify_one();
    }

    /// Pending transactions lost for want of room.
    pub(in crate::edge::ingest) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether the other end is gone.
    pub(in crate::edge::ingest) fn deaf(&self) -> bool {
        self.lock().deaf
    }

    /// Nothing will come any more.
    pub(in crate::edge::ingest) fn end(&self) {
        self.lock().ended = true;
        self.readable.notify_one();
    }
}

/// Where the feed is read; one reader.
pub struct Outlet {
    queue: Arc<Queue>,
}

impl Outlet {
    pub(in crate::edge::ingest) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// The next item; `None` once ingest has stopped and all is read. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Feed> {
        loop {
            if let Some(item) = self.try_recv() {
                return Some(item);
            }
            if self.queue.lock().ended {
                return None;
            }
            self.queue.readable.notified().await;
        }
    }

    /// The next item, if it is there; for a reader that spins.
    pub fn try_recv(&mut self) -> Option<Feed> {
        let mut inner = self.queue.lock();
        if let Some(item) = inner.chain.pop_front() {
            drop(inner);
            self.queue.writable.notify_one();
            return Some(item);
        }
        if inner.held {
            return None;
        }
        inner.pending.pop().map(Feed::Pending)
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.queue.lock().deaf = true;
        self.queue.writable.notify_one();
    }
}
