//! THE list of counters: name, help. A new one is a line here and the place where it happens.
//!
//! # Cost
//! Counting is one relaxed addition on a line of cache that hot threads share with nobody: each thread has its own
//! [`Counters`], the reader adds them up.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($variant:ident $name:literal $help:literal)+) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter {
            $(
                #[doc = $help]
                $variant,
            )+
        }

        impl Counter {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As it is exported; the unit is `total`, a plain count.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!("peregrine_", $name, "_total"),)+ }
            }

            /// What it says.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)+ }
            }
        }
    };
}

counters! {
    Blocks "blocks" "Blocks followed."
    BlocksExecuted "blocks_executed" "Blocks whose changes were learnt by executing them."
    BlocksReread "blocks_reread" "Blocks whose changes were learnt by reading back what they touched."
    Undone "blocks_undone" "Blocks undone by reorgs."
    Heard "pending_heard_in_line" "Pending transactions that a spinning thread heard on a socket of its own before the edge told it."
    LeftToEdge "pending_left_to_edge" "Frames that spinning threads heard on sockets of their own, did not read, and left to the edge's."
    Pending "pending" "Pending transactions heard of, each once."
    PendingDropped "pending_dropped" "Pending transactions that found no room at a hot thread and were not looked at, those worth least."
    Offered "pending_offered" "Times that a pending transaction was handed to a hot thread: then looked at, put off, or dropped."
    PendingStale "pending_stale" "Pending transactions put off because a newer head was known."
    Looked "pending_looked_at" "Runs of a pending transaction: one that waits is looked at again behind every block."
    Forgotten "pending_forgotten" "Pending transactions not kept for later blocks, for want of room: those worth least."
    Cancelled "searches_cancelled" "Searches called off because a newer head was heard of: they decided nothing."
    Invalid "pending_invalid" "Pending transactions that are not valid on the state: nonce, balance, fee."
    ForecastResolved "forecast_resolved" "Pending transactions that were resolved by maths, before the EVM ran them."
    ForecastShape "forecast_left_shape" "Those left to the EVM: calldata of their shape was resolved wrongly before."
    ForecastToken "forecast_left_token" "Those left to the EVM: a pool or token on the way is not proven plain."
    ForecastLeft "forecast_left_other" "Those left to the EVM for another reason."
    ForecastSent "forecast_sent" "Bundles signed on maths alone."
    ForecastConfirmed "forecast_confirmed" "Those that the EVM confirmed, with their profit to the wei."
    ForecastDiffered "forecast_withdrawn_differs" "Those withdrawn: the EVM left pools elsewhere."
    ForecastFailed "forecast_withdrawn_failed" "Those withdrawn: the transaction failed in the EVM."
    ForecastStopped "forecast_withdrawn_stopped" "Those withdrawn: the EVM could not run it, since something was not known."
    ForecastRefused "forecast_withdrawn_refused" "Those withdrawn: the proof or a limit refused them."
    Opportunities "opportunities" "Candidates that the EVM proved."
    Built "bundles_built" "Bundles signed."
    Sent "bundles_sent" "Bundles sent to relays, or that would have been."
    SentInLine "bundles_sent_in_line" "Bundles that a spinning thread wrote to a relay itself."
    SocketsLost "sockets_lost" "Sockets of spinning threads that broke, and were dialled anew."
    Rested "bundles_kept_from_relays" "Bundles that a relay was not given, since it wants to be left alone."
    NotSent "bundles_not_sent" "Bundles not sent: too late, a double, or not written to the ledger."
    Unwritten "bundles_unwritten" "Those not sent because the ledger could not be written."
    Misses "cold_misses" "Accounts and slots that were not known when they were needed."
    Fetched "cold_fetched" "Answers to misses, each for one transaction or proof."
    Quarantined "pools_quarantined" "Pools taken out because their state was found wrong."
    Reseeded "pools_reseeded" "Pools read anew and brought back, or new."
    Gaps "gaps" "Times that the feed was interrupted."
    Reloads "reloads" "Times that the whole state was loaded anew."
    EdgeErrors "edge_errors" "Requests to a node that failed, and were tried again or given up."
}

/// One thread's counters.
#[derive(Debug)]
pub struct Counters([AtomicU64; Counter::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counters {
    /// One more.
    pub fn add(&self, counter: Counter) {
        self.add_many(counter, 1);
    }

    /// So many more.
    pub fn add_many(&self, counter: Counter, count: u64) {
        self.0[counter as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn read(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_name_of_its_own_and_a_sentence() {
        let mut names: Vec<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Counter::ALL.len());
        assert!(Counter::ALL.iter().all(|counter| counter.help().ends_with('.')));
    }

    #[test]
    fn a_count_is_read_back() {
        let counters = Counters::default();
        counters.add(Counter::Blocks);
        counters.add_many(Counter::Blocks, 2);
        assert_eq!((counters.read(Counter::Blocks), counters.read(Counter::Undone)), (3, 0));
    }
}
