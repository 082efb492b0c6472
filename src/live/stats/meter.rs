//! The numbers of a run: counters a thread, refusals by reason, and times by stage, brought together for reports and metrics.

use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;

use crate::hot::refused::Refused;
use crate::hot::worker::meter::LONGEST_NS;
use crate::hot::worker::meter::Meter;
use crate::metrics::count::Counter;
use crate::metrics::stage::Stage;

/// Significant digits: a thousandth.
const DIGITS: u8 = 3;

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
        self.all.iter().map(|meter| meter.refused(reason)).sum()
    }

    /// Samples that found no room.
    #[must_use]
    pub fn lost_samples(&self) -> u64 {
        self.all.iter().map(|meter| meter.lost()).sum()
    }

    /// Empties the rings into the histograms; often enough that no ring fills.
    pub fn collect(&self) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        for (stage, ns) in self.all.iter().flat_map(|meter| std::iter::from_fn(|| meter.sample())) {
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
    use std::time::Duration;

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
