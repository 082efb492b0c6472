//! How much a node takes at once, and how fast.
//!
//! # Invariants
//! - A limit of the rate is waited out, as long as the node says or a little longer each time, and changes no size.
//! - A limit of the size halves what is asked at once; after some requests that were taken it grows again. So does time that runs out,
//!   and then it grows again behind many more: finding out costs as long as is waited for an answer.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::said::is_said;

/// Without a word how long, the first wait; it doubles.
const WAIT: Duration = Duration::from_millis(250);
/// The longest wait at once, whatever the node asks for, and for one request in all.
const MOST: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(30)];
/// Halvings in a row for want of time: a node that hangs answers no request, however short.
pub(in crate::edge) const LATE: usize = 2;
/// Requests of the full size that were taken before a larger one is tried.
const TAKEN: usize = 16;
/// ... so many times more behind each one that was late, and never more than this.
const LATER: [usize; 2] = [4, 1024];

/// Of one node.
#[derive(Debug)]
pub(super) struct Pace {
    /// Nothing is asked before.
    until: Mutex<Option<Instant>>,
    /// Times that it was found too fast.
    limited: AtomicU64,
    /// Most calls in a request, as far as it has been seen to refuse more.
    most: AtomicUsize,
    taken: AtomicUsize,
    /// Requests to be taken before a larger one is tried.
    due: AtomicUsize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            until: Mutex::default(),
            limited: AtomicU64::new(0),
            most: AtomicUsize::new(usize::MAX),
            taken: AtomicUsize::new(0),
            due: AtomicUsize::new(TAKEN),
        }
    }
}

/// One request's waits so far.
#[derive(Debug, Default)]
pub(super) struct Waits {
    times: u32,
    sum: Duration,
}

impl Pace {
    /// Until the node may be asked again.
    pub(super) async fn turn(&self) {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = until.filter(|until| *until > Instant::now()) {
            tokio::time::sleep_until(until).await;
        }
    }

    /// The node says that this is too fast. Whether the request may be tried again: not once it has waited long enough.
    pub(super) fn slow_down(&self, waits: &mut Waits, after: Option<Duration>, node: &str) -> bool {
        let own = WAIT.saturating_mul(1 << waits.times.min(6));
        let wait = after.unwrap_or(own).clamp(WAIT, MOST[0]);
        waits.times += 1;
        waits.sum += wait;
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // All requests on their way are refused at once: it is said once.
        if until.is_none_or(|until| until < now) {
            let times = self.limited.fetch_add(1, Ordering::Relaxed) + 1;
            if is_said(times) {
                tracing::warn!(node, ?wait, times, "a node limits how fast it is asked; it is waited for");
            }
        }
        *until = Some(until.map_or(now + wait, |until| until.max(now + wait)));
        waits.sum <= MOST[1]
    }

    /// Most calls in a request.
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// A request of so many calls was refused for its size. How many to try.
    pub(super) fn too_large(&self, size: usize) -> usize {
        let half = (size / 2).max(1);
        self.taken.store(0, Ordering::Relaxed);
        self.most.fetch_min(half, Ordering::Relaxed);
        half
    }

    /// A request of so many calls was not answered in time. How many to try.
    pub(super) fn too_slow(&self, size: usize) -> usize {
        // Of those under way at once each is late: it is one time.
        if self.most() >= size {
            let due = self.due.load(Ordering::Relaxed).saturating_mul(LATER[0]).min(LATER[1]);
            self.due.store(due, Ordering::Relaxed);
        }
        self.too_large(size)
    }

    /// A request of so many calls was taken.
    pub(super) fn taken(&self, size: usize) {
        let most = self.most();
        if most == usize::MAX || size < most {
            return;
        }
        if self.taken.fetch_add(1, Ordering::Relaxed) + 1 >= self.due.load(Ordering::Relaxed) {
            self.taken.store(0, Ordering::Relaxed);
            self.most.store(most.saturating_mul(2), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LATER, Pace, TAKEN, Waits};

    #[test]
    fn a_size_that_was_refused_is_tried_again_after_some_that_were_taken() {
        let pace = Pace::default();
        assert_eq!((pace.too_large(100), pace.most()), (50, 50));
        assert_eq!((pace.too_large(50), pace.most()), (25, 25));
        (0..TAKEN).for_each(|_| pace.taken(10));
        assert_eq!(pace.most(), 25, "smaller ones say nothing");
        (0..TAKEN).for_each(|_| pace.taken(25));
        assert_eq!(pace.most(), 50);
    }

    #[test]
    fn a_size_that_was_late_is_tried_again_after_many_more() {
        let pace = Pace::default();
        assert_eq!([pace.too_slow(100), pace.too_slow(100)], [50, 50], "two of them under way at once");
        (0..4 * TAKEN - 1).for_each(|_| pace.taken(50));
        assert_eq!(pace.most(), 50);
        pace.taken(50);
        assert_eq!(pace.most(), 100);
        for _ in 0..9 {
            pace.too_slow(100);
            (0..LATER[1]).for_each(|_| pace.taken(50));
            assert_eq!(pace.most(), 100, "never so many that it stays small for good");
        }
    }

    #[tokio::test]
    async fn a_limit_of_the_rate_is_waited_out_as_long_as_the_node_says_and_not_for_ever() {
        let (pace, mut waits) = (Pace::default(), Waits::default());
        let began = tokio::time::Instant::now();
        assert!(pace.slow_down(&mut waits, Some(Duration::from_millis(300)), "n"));
        pace.turn().await;
        assert!(began.elapsed() >= Duration::from_millis(300));
        let times = (0..100).take_while(|_| pace.slow_down(&mut waits, None, "n")).count();
        assert!((3..20).contains(&times), "{times}");
        assert_eq!(pace.most(), usize::MAX, "no size was refused");
    }
}
