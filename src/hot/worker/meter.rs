//! What one thread counts and times.
//!
//! # Invariants
//! - A hot thread writes to cells of its own and to a ring. A full ring costs a sample, which is counted, never a wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam::queue::ArrayQueue;

use crate::hot::refused::Refused;
use crate::hot::refused::Tally;
use crate::hot::rt::worth::Worth;
use crate::metrics::count::Counters;
use crate::metrics::stage::Stage;

/// Samples between two collections: at ten collections a second this is half a million events a second.
const RING: usize = 1 << 16;
/// Longer than this, in ns, is this: a minute.
pub const LONGEST_NS: u64 = 60_000_000_000;

/// One thread's cells.
#[derive(Debug)]
pub struct Meter {
    /// What happened.
    pub counters: Counters,
    /// What pending transactions can be expected to bring: the one of the run.
    pub worth: Arc<Worth>,
    refused: [AtomicU64; Refused::ALL.len()],
    samples: ArrayQueue<(Stage, u64)>,
    lost: AtomicU64,
}

impl Meter {
    /// All at zero; `worth` is the run's.
    #[must_use]
    pub fn new(worth: &Arc<Worth>) -> Self {
        Self {
            counters: Counters::default(),
            worth: Arc::clone(worth),
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
            samples: ArrayQueue::new(RING),
            lost: AtomicU64::new(0),
        }
    }

    /// A stage took so long.
    pub fn time(&self, stage: Stage, took: Duration) {
        if self.samples.push((stage, took.as_nanos().min(u128::from(LONGEST_NS)) as u64)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// So much came to nothing.
    pub fn refuse(&self, tally: &Tally) {
        for (reason, count) in tally.iter() {
            self.refused[reason as usize].fetch_add(count, Ordering::Relaxed);
        }
    }

    /// One came to nothing.
    pub fn refuse_one(&self, reason: Refused) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many came to nothing for this reason.
    #[must_use]
    pub fn refused(&self, reason: Refused) -> u64 {
        self.refused[reason as usize].load(Ordering::Relaxed)
    }

    /// Samples that found no room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// The oldest sample that was not collected yet: a stage, and how long it took in ns.
    #[must_use]
    pub fn sample(&self) -> Option<(Stage, u64)> {
        self.samples.pop()
    }
}
