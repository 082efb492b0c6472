//! The stage timer: the one place where hot rooms read a clock.

use std::time::{Duration, Instant};

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
