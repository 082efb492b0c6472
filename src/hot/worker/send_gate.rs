//! May this bundle still go out? Asked by the sender at the edge, and by hot threads that send themselves.
//!
//! # Invariants
//! - No bundle to a relay that wants to be left alone, as far as one has a bit ([`MOST`]).
//! - No bundle for a block that somebody has heard of, none once sending was halted, and no more for a block than the limit.
//! - A bundle goes to relays before the ledger writes it down, whichever thread sends it. So that a crash between the two does not
//!   end in the same bundle being sent again, the ledger holds a *lease*: the highest block that bundles may have gone out
//!   for. It is on disk before anything is sent under it, and the next run sends nothing for a block under it. While the ledger
//!   cannot be written there is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use alloy_primitives::B256;

use crate::hot::send::{MOST, Relays};

/// Blocks ahead of the newest that a lease is taken for: the block in hand, and the next while its own is being written.
const AHEAD: u64 = 2;
/// Low bits of [`SendGate::sent`], for the count. More bundles a block than they hold, no limit allows.
const COUNT_BITS: u32 = 24;

/// What sends share.
#[derive(Debug)]
pub struct SendGate {
    newest: Arc<AtomicU64>,
    halted: AtomicBool,
    /// Bundles may have gone out in an earlier run up to this block.
    floor: u64,
    /// Bundles for blocks up to this one may go out before they are written down.
    lease: AtomicU64,
    /// High bits of the parent's hash, and bundles sent behind it.
    sent: AtomicU64,
    most: u64,
    /// Relays that want to be left alone, a bit each.
    resting: AtomicU64,
}

impl SendGate {
    /// `newest`: the highest block heard of. `floor`: the last run's lease. `most`: bundles a block.
    #[must_use]
    pub fn new(newest: Arc<AtomicU64>, floor: u64, most: u32) -> Self {
        let most = u64::from(most).min((1 << COUNT_BITS) - 1);
        let [lease, sent, resting] = [(); 3].map(|()| AtomicU64::new(0));
        Self { newest, halted: AtomicBool::new(false), floor, lease, sent, most, resting }
    }

    /// Relays that want to be left alone.
    #[must_use]
    pub fn resting(&self) -> Relays {
        Relays::of_bits(self.resting.load(Ordering::Relaxed))
    }

    /// This relay wants to be left alone.
    pub fn rest(&self, relay: usize) {
        if relay < MOST {
            self.resting.fetch_or(1 << relay, Ordering::Relaxed);
        }
    }

    /// ... and does not any more.
    pub fn wake(&self, relay: usize) {
        if relay < MOST {
            self.resting.fetch_and(!(1 << relay), Ordering::Relaxed);
        }
    }

    /// From here on nothing goes out.
    pub fn halt(&self) {
        self.halted.store(true, Ordering::Relaxed);
    }

    /// A bundle for `block` would not be late, nor sent twice.
    #[must_use]
    pub fn stands(&self, block: u64) -> bool {
        let ahead = self.newest.load(Ordering::Relaxed) < block && self.floor < block;
        ahead && !self.halted.load(Ordering::Relaxed)
    }

    /// Takes one of the places that bundles behind `parent` have. False: none is left.
    #[must_use]
    pub fn take(&self, parent: B256) -> bool {
        const COUNT: u64 = (1 << COUNT_BITS) - 1;
        let [a, b, c, d, e, ..] = parent.0;
        let behind = u64::from_be_bytes([a, b, c, d, e, 0, 0, 0]);
        let next = |sent: u64| {
            let count = if sent & !COUNT == behind { sent & COUNT } else { 0 };
            (count < self.most).then_some(behind | (count + 1))
        };
        self.sent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// The block up to which a lease is due, if a further one is.
    #[must_use]
    pub fn lease_due(&self) -> Option<u64> {
        let until = self.newest.load(Ordering::Relaxed) + AHEAD;
        (until > self.lease.load(Ordering::Relaxed)).then_some(until)
    }

    /// A lease up to this block is on disk.
    pub fn grant(&self, until: u64) {
        self.lease.fetch_max(until, Ordering::Relaxed);
    }

    /// No lease is used any more, until one is granted: what went out under it could not be written down.
    pub fn revoke(&self) {
        self.lease.store(0, Ordering::Relaxed);
    }

    /// Somebody has heard of `block`.
    #[must_use]
    pub fn has_come(&self, block: u64) -> bool {
        self.newest.load(Ordering::Relaxed) >= block
    }

    /// Whether a bundle for `block` may go out before it is written down.
    #[must_use]
    pub fn is_leased(&self, block: u64) -> bool {
        block <= self.lease.load(Ordering::Relaxed)
    }

    /// Whether a hot thread may send for `block`, behind `parent`, and a place is left; it is then taken.
    #[must_use]
    pub fn pass(&self, block: u64, parent: B256) -> bool {
        self.stands(block) && self.is_leased(block) && self.take(parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_that_wants_to_be_left_alone_is_until_it_is_woken_and_one_without_a_bit_is_not() {
        let gate = SendGate::new(Arc::default(), 0, 1);
        [3, 63, 64].into_iter().for_each(|relay| gate.rest(relay));
        let resting = |gate: &SendGate| (0..66).filter(|relay| gate.resting().has(*relay)).collect::<Vec<_>>();
        assert_eq!((resting(&gate), gate.resting().count()), (vec![3, 63], 2));
        [3, 64].into_iter().for_each(|relay| gate.wake(relay));
        assert_eq!(resting(&gate), [63]);
    }

    #[test]
    fn what_is_late_unleased_or_one_too_many_does_not_go_out() {
        let newest = Arc::new(AtomicU64::new(9));
        let gate = SendGate::new(newest.clone(), 10, 2);
        let [ten, eleven] = [B256::repeat_byte(10), B256::repeat_byte(11)];
        assert!(!gate.stands(10), "under the floor");
        assert!(gate.stands(11) && !gate.pass(11, ten), "no lease yet");
        assert_eq!(gate.lease_due(), Some(11));
        gate.grant(12);
        assert!(gate.lease_due().is_none() && gate.is_leased(12) && !gate.is_leased(13));
        assert!(gate.pass(11, ten) && gate.take(ten) && !gate.pass(11, ten) && !gate.take(ten));
        assert!(gate.pass(12, eleven));
        assert!(!gate.pass(13, eleven), "beyond the lease");
        gate.revoke();
        assert!(!gate.pass(12, eleven) && gate.lease_due().is_some(), "what goes out cannot be written down");
        gate.grant(12);
        newest.store(12, Ordering::Relaxed);
        assert!(!gate.pass(12, eleven), "late");
        gate.halt();
        assert!(!gate.stands(13));
    }
}
