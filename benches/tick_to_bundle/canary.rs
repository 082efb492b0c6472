//! What the host takes from a thread that does nothing but spin: no path can have a better tail than that.
//!
//! Between two drives, when nothing of ours is under way, a thread on the driver's core and one on the hot thread's read the clock
//! again and again. What passes between two reads beyond [`STALL`] was taken by the host. It is summed up over spans of
//! [`SPAN`], about as long as an event takes: the percentiles are of what one event would have lost.
//!
//! Not at the same time as the paths: on two cores a canary beside them would be the stall.

use std::time::{Duration, Instant};

use core_affinity::CoreId;
use hdrhistogram::Histogram;

/// As long as an event, about.
const SPAN: Duration = Duration::from_micros(200);
/// A read of the clock takes some tens of ns.
const STALL: Duration = Duration::from_micros(1);
/// How long it listens after each drive.
const LISTENS: Duration = Duration::from_millis(500);

/// What spans have lost, in ns, all listening so far.
pub struct Canary {
    cores: Vec<CoreId>,
    lost: Histogram<u64>,
}

impl Canary {
    /// On the first core and the last: where driver and hot thread run.
    pub fn new() -> Self {
        let mut cores = core_affinity::get_core_ids().unwrap_or_default();
        if cores.len() > 2 {
            cores = [cores.first(), cores.last()].into_iter().flatten().copied().collect();
        }
        Self { cores, lost: Histogram::new(3).expect("three digits") }
    }

    /// Listens on all its cores at once.
    pub fn listen(&mut self) {
        let heard: Vec<Histogram<u64>> = std::thread::scope(|scope| {
            let one = |core: &CoreId| {
                let core = *core;
                scope.spawn(move || {
                    core_affinity::set_for_current(core);
                    spin()
                })
            };
            let threads: Vec<_> = self.cores.iter().map(one).collect();
            threads.into_iter().map(|thread| thread.join().expect("a canary")).collect()
        });
        for lost in heard {
            self.lost.add(lost).expect("in range");
        }
    }

    /// What a span has lost, in us.
    pub fn us(&self, quantile: f64) -> f64 {
        self.lost.value_at_quantile(quantile) as f64 / 1e3
    }

    /// Spans listened to.
    pub fn spans(&self) -> u64 {
        self.lost.len()
    }
}

/// What each span loses while this thread only spins.
fn spin() -> Histogram<u64> {
    let mut lost = Histogram::new(3).expect("three digits");
    let start = Instant::now();
    let (mut last, mut from, mut stalled) = (start, start, Duration::ZERO);
    while last - start < LISTENS {
        let now = Instant::now();
        let gap = now - last;
        if gap > STALL {
            stalled += gap;
        }
        if now - from >= SPAN {
            lost.record(stalled.as_nanos() as u64).expect("in range");
            (from, stalled) = (now, Duration::ZERO);
        }
        last = now;
    }
    lost
}
