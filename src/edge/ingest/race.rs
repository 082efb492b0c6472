//! The race of the sources: the first to tell wins, the rest are duplicates. The first is counted.
//!
//! # Cost
//! One map entry a transaction, for as long as `Race::sweep` is told to keep it.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::B256;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::edge::ingest::feed::SourceId;

/// How often a source was first, of one kind of news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Told first.
    pub first: u64,
    /// Told after another source.
    pub behind: u64,
    /// Sum of how long after, in ns.
    pub behind_ns: u64,
    /// Told again what it had told itself.
    pub repeats: u64,
}

#[derive(Default)]
struct Counters {
    first: AtomicU64,
    behind: AtomicU64,
    behind_ns: AtomicU64,
    repeats: AtomicU64,
}

#[derive(Clone, Copy)]
struct Sighting {
    at_ns: u64,
    /// One bit a source.
    heard_from: u64,
    /// Its body was handed on.
    taken: bool,
}

/// One kind of news: transactions, or heads.
pub(in crate::edge::ingest) struct Race {
    seen: DashMap<B256, Sighting>,
    sources: Vec<Counters>,
}

impl Race {
    pub(in crate::edge::ingest) fn new(sources: usize) -> Self {
        Self { seen: DashMap::new(), sources: (0..sources).map(|_| Counters::default()).collect() }
    }

    /// A source has told of `hash`.
    pub(in crate::edge::ingest) fn heard(&self, hash: B256, source: SourceId, at_ns: u64) {
        let Some(counters) = self.sources.get(usize::from(source)) else { return };
        let bit = 1_u64 << (source % 64);
        let count = |counter: &AtomicU64, by| counter.fetch_add(by, Ordering::Relaxed);
        match self.seen.entry(hash) {
            Entry::Vacant(entry) => {
                entry.insert(Sighting { at_ns, heard_from: bit, taken: false });
                count(&counters.first, 1);
            }
            Entry::Occupied(mut entry) if entry.get().heard_from & bit == 0 => {
                let sighting = entry.get_mut();
                sighting.heard_from |= bit;
                count(&counters.behind, 1);
                count(&counters.behind_ns, at_ns.saturating_sub(sighting.at_ns));
            }
            Entry::Occupied(_) => {
                count(&counters.repeats, 1);
            }
        }
    }

    /// Whether its body still has to come.
    pub(in crate::edge::ingest) fn wanted(&self, hash: B256) -> bool {
        self.seen.get(&hash).is_none_or(|sighting| !sighting.taken)
    }

    /// Takes the body, once: when it was first told of, or `None` if it was taken before.
    pub(in crate::edge::ingest) fn take(&self, hash: B256) -> Option<u64> {
        let mut sighting = self.seen.get_mut(&hash)?;
        (!std::mem::replace(&mut sighting.taken, true)).then_some(sighting.at_ns)
    }

    /// Forgets what was told of before `ns`.
    pub(in crate::edge::ingest) fn sweep(&self, ns: u64) {
        self.seen.retain(|_, sighting| sighting.at_ns >= ns);
    }

    /// How one source stands.
    pub(in crate::edge::ingest) fn standing(&self, source: SourceId) -> Standing {
        let Some(counters) = self.sources.get(usize::from(source)) else { return Standing::default() };
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Standing {
            first: read(&counters.first),
            behind: read(&counters.behind),
            behind_ns: read(&counters.behind_ns),
            repeats: read(&counters.repeats),
        }
    }
}
