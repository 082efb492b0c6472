//! Relays that are asked too fast, and want to be left alone for a while.
//!
//! # Invariants
//! - One that says so is left alone for as long as it says, or else for a time that doubles with every time in a row. Nobody sends
//!   to it meanwhile, nor warms a connection: the gate says it to the hot threads and to the edge.
//! - It is said at the first time in a row and at each power of ten. What it was not given is counted. So is one that takes no
//!   bundle, for whatever reason.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::edge::submit::{Answer, Reply, Submitter};
use crate::hot::worker::send_gate::SendGate;
use crate::metrics::said::is_said;

/// The first rest, where a relay does not say how long.
const LEAST: Duration = Duration::from_secs(1);
/// ... and the longest of those.
const MOST: Duration = Duration::from_secs(60);
/// No relay is left alone for longer, whatever it says.
const MOST_SAID: Duration = Duration::from_secs(600);

/// One relay's.
#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    until: Option<Instant>,
    /// Times in a row.
    times: u32,
    /// Bundles in a row that it did not take, asked as slowly as it wishes.
    untaken: u64,
}

/// Every relay's.
#[derive(Debug)]
pub struct Rests {
    submitter: Arc<Submitter>,
    gate: Arc<SendGate>,
    all: Mutex<Vec<Rest>>,
}

impl Rests {
    /// Nobody is left alone yet.
    #[must_use]
    pub fn new(submitter: Arc<Submitter>, gate: Arc<SendGate>) -> Arc<Self> {
        Arc::new(Self { submitter, gate, all: Mutex::default() })
    }

    /// What a relay has said.
    pub fn hear(self: &Arc<Self>, reply: &Reply) {
        let Some(relay) = self.submitter.place_of(&reply.relay) else { return };
        let rest = self.rest(relay, reply);
        self.count(relay, reply);
        let Some(rest) = rest else { return };
        self.gate.rest(relay);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(rest).await;
            this.gate.wake(relay);
        });
    }

    /// Says of an answer that a bundle was not taken: refused, not sent, or answered as a server does whose key or address is wrong.
    fn count(&self, relay: usize, reply: &Reply) {
        let is_error = reply.status.is_some_and(|status| status >= 400);
        let is_untaken = match &reply.answer {
            Answer::Refused { .. } | Answer::Unsent(_) => true,
            Answer::Unknown(_) => is_error,
            Answer::Accepted(_) | Answer::Timeout => false,
        };
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rest) = all.get_mut(relay) else { return };
        if let Answer::Accepted(_) = reply.answer {
            rest.untaken = 0;
        }
        if !is_untaken || reply.busy.is_some() {
            return;
        }
        rest.untaken += 1;
        if is_said(rest.untaken) {
            let (relay, in_a_row, answer, said) = (&reply.relay, rest.untaken, &reply.answer, &reply.excerpt);
            tracing::warn!(relay, in_a_row, ?answer, said, "a relay did not take a bundle");
        }
    }

    /// For how long it is left alone from now on; `None`: not at all, or it is already.
    fn rest(&self, relay: usize, reply: &Reply) -> Option<Duration> {
        // No code panics while it holds the lock; a poisoned one is whole.
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() <= relay {
            all.resize(relay + 1, Rest::default());
        }
        let rest = all.get_mut(relay)?;
        let Some(busy) = reply.busy else {
            if let (Answer::Accepted(_), true) = (&reply.answer, rest.times > 0) {
                tracing::info!(
                    relay = reply.relay,
                    times = rest.times,
                    "a relay that was left alone takes bundles again"
                );
                rest.times = 0;
            }
            return None;
        };
        let now = Instant::now();
        if rest.until.is_some_and(|until| until > now) {
            return None;
        }
        let doubled = LEAST.saturating_mul(1 << rest.times.min(6)).min(MOST);
        let span = busy.after.map_or(doubled, |after| after.clamp(LEAST, MOST_SAID));
        rest.times = rest.times.saturating_add(1);
        rest.until = Some(now + span);
        if is_said(rest.times.into()) {
            let (relay, times, said) = (&reply.relay, rest.times, &reply.excerpt);
            tracing::warn!(relay, times, ?span, said, "a relay is asked too fast: it is left alone");
        }
        Some(span)
    }
}
