//! The numbers of a run: counters a thread, refusals by reason, and times by stage, brought together for whoever asks.
//!
//! # Invariants
//! - A hot thread writes to cells of its own and to a ring. A full ring costs a sample, which is counted, never a wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam::queue::ArrayQueue;
use hdrhistogram::Histogram;

use crate::hot::refused::Refused;
use crate::hot::refused::Tally;
use crate::hot::rt::worth::Worth;
use crate::metrics::count::Counter;
use crate::metrics::count::Counters;
use crate::metrics::stage::Stage;

/// Samples between two collections: at ten collections a second this is a million events a second.
const RING: usize = 1 << 16;
/// From a nanosecond to a minute; beyond it, a minute.
const LONGEST_NS: u64 = 60_000_000_000;
/// Significant digits: a thousandth.
const DIGITS: u8 = 3;

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
    fn new(worth: &Arc<Worth>) -> Self {
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
}

/// Times of one stage.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latency {
    /// Median, in µs.
    pub p50_us: f64,
    /// 99th percentile, in µs.
    pub p99_us: f64,
    /// 99.9th percentile, in µs.
    pub p999_us: f64,
    /// Most, in µs.
    pub most_us: f64,
    /// Samples.
    pub count: u64,
}

/// All meters of a run.
#[derive(Debug)]
pub struct Meters {
    all: Vec<Arc<Meter>>,
    times: Mutex<Vec<Histogram<u64>>>,
}

impl Meters {
    /// One for each of `threads`, and one for the edge: [`Meters::edge`].
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let worth = Arc::default();
        let all = (0..=threads).map(|_| Arc::new(Meter::new(&worth))).collect();
        let histogram = |_| Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).ok();
        // The bounds are constants that hdrhistogram takes.
        Self { all, times: Mutex::new(Stage::ALL.iter().filter_map(histogram).collect()) }
    }

    /// The edge's.
    #[must_use]
    pub fn edge(&self) -> &Meter {
        &self.all[0]
    }

    /// A hot thread's.
    #[must_use]
    pub fn thread(&self, index: usize) -> Arc<Meter> {
        Arc::clone(&self.all[index + 1])
    }

    /// Over all threads.
    #[must_use]
    pub fn count(&self, counter: Counter) -> u64 {
        self.all.iter().map(|meter| meter.counters.read(counter)).sum()
    }

    /// Over all threads.
    #[must_use]
    pub fn refused(&self, reason: Refused) -> u64 {
        self.all.iter().map(|meter| meter.refused[reason as usize].load(Ordering::Relaxed)).sum()
    }

    /// Samples that found no room.
    #[must_use]
    pub fn lost_samples(&self) -> u64 {
        self.all.iter().map(|meter| meter.lost.load(Ordering::Relaxed)).sum()
    }

    /// Empties the rings into the histograms; often enough that no ring fills.
    pub fn collect(&self) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        for (stage, ns) in self.all.iter().flat_map(|meter| std::iter::from_fn(|| meter.samples.pop())) {
            if let Some(histogram) = times.get_mut(stage as usize) {
                histogram.saturating_record(ns.max(1));
            }
        }
    }

    /// A stage's times so far.
    #[must_use]
    pub fn latency(&self, stage: Stage) -> Latency {
        self.collect();
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(histogram) = times.get(stage as usize).filter(|histogram| !histogram.is_empty()) else {
            return Latency::default();
        };
        let us = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Latency {
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            most_us: histogram.max() as f64 / 1e3,
            count: histogram.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_counts_of_all_threads_come_together() {
        let meters = Meters::new(2);
        for (index, ms) in [(0, 1), (1, 3)] {
            let meter = meters.thread(index);
            meter.time(Stage::Search, Duration::from_millis(ms));
            meter.counters.add(Counter::Built);
            meter.refuse_one(Refused::Cold);
        }
        meters.edge().counters.add(Counter::Built);
        assert_eq!((meters.count(Counter::Built), meters.refused(Refused::Cold)), (3, 2));
        let latency = meters.latency(Stage::Search);
        assert_eq!(latency.count, 2);
        assert!((latency.most_us - 3000.0).abs() < 3.1 && (latency.p50_us - 1000.0).abs() < 1.1, "{latency:?}");
        assert_eq!(meters.latency(Stage::Build), Latency::default());
    }
}
