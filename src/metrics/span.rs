//! The stage timer and the run's clock: the one place where hot rooms read a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A run's clock: one monotonic start, tied to unix time once.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    unix_ns: u64,
}

impl Clock {
    /// Starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "read once a run: it ties the run's clock to unix time")]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: now(), unix_ns: u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX) }
    }

    /// Since the start, in ns.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(now().duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Unix time of the start, in ns.
    #[must_use]
    pub const fn unix_start_ns(&self) -> u64 {
        self.unix_ns
    }
}

/// Time since the last lap.
#[derive(Clone, Copy, Debug)]
pub struct Span(Instant);

impl Span {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(now())
    }

    /// Time since the start or the last lap; the next lap begins.
    pub fn lap(&mut self) -> Duration {
        let now = now();
        let lap = now.duration_since(self.0);
        self.0 = now;
        lap
    }
}

#[expect(clippy::disallowed_methods, reason = "the hot rooms' one clock read: time is data everywhere else")]
fn now() -> Instant {
    Instant::now()
}
