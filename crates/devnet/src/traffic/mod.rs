//! People on the devnet: seeded, many, of all sizes, sometimes wrong, sometimes in a hurry.
//!
//! # Invariants
//! - Who trades what when follows from the seed, the clock, and from what the chain says now and then: what prices and
//!   positions have become.
//! - A refused transaction is counted and its sender's nonce read anew; nothing stops the traffic but its handle.
//!
//! # Limits
//! - Swaps ask for no least output: whoever trades here bears any slippage.
//! - One transaction is on its way at a time: some hundreds a second, whatever the rate.

mod drift;
mod intent;
mod liquidity;
mod trader;

use std::time::Duration;

use peregrine_rpc::Rpc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::Devnet;
use crate::DevnetError;
use crate::traffic::trader::Trader;

pub use intent::Purpose;

/// One tick in a hundred is a burst of 10 to 29 transactions, which makes 118.5 of 100 ticks.
const BURST_PERCENT: u64 = 1;
const BURST: [u64; 2] = [10, 20];
const PER_TICK: f64 = 1.185;

/// What has been sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    by_kind: [u64; Purpose::ALL.len()],
    /// Of them, those that took the place of an earlier one by the same nonce and higher fees.
    pub replacements: u64,
    /// Bursts.
    pub bursts: u64,
    /// Not taken by the node.
    pub refused: u64,
}

impl Counts {
    /// Taken by the node, of one kind.
    #[must_use]
    pub const fn of(&self, kind: Purpose) -> u64 {
        self.by_kind[kind as usize]
    }

    fn count(&mut self, kind: Purpose) {
        self.by_kind[kind as usize] += 1;
    }

    /// Taken by the node, all kinds.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.by_kind.iter().sum()
    }
}

/// Running traffic. Dropped, it ends.
#[derive(Debug)]
pub struct Traffic {
    stop: watch::Sender<bool>,
    counts: watch::Receiver<Counts>,
    task: JoinHandle<()>,
}

impl Traffic {
    pub(super) fn start(devnet: &Devnet, builder_rpc: &Rpc, per_second: f64) -> Result<Self, DevnetError> {
        let tick = Duration::try_from_secs_f64(PER_TICK / per_second).ok().filter(|tick| !tick.is_zero());
        let tick = tick.ok_or(DevnetError::Rate(per_second))?;
        let (stop, stopped) = watch::channel(false);
        let (tell, counts) = watch::channel(Counts::default());
        let task = tokio::spawn(run(Trader::new(devnet, builder_rpc.clone()), tick, stopped, tell));
        Ok(Self { stop, counts, task })
    }

    /// What has been sent so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Waits until so many transactions have been taken by the node. False when the traffic ended before.
    pub async fn reached(&self, sent: u64) -> bool {
        self.counts.clone().wait_for(|counts| counts.sent() >= sent).await.is_ok()
    }

    /// Ends it, after the transaction in hand.
    pub async fn stop(self) -> Counts {
        let _ended_already = self.stop.send(true);
        // An abort or a panic of the task: what it sent is counted all the same.
        let _ended = self.task.await;
        *self.counts.borrow()
    }
}

async fn run(mut trader: Trader, tick: Duration, mut stop: watch::Receiver<bool>, tell: watch::Sender<Counts>) {
    let mut ticks = tokio::time::interval(tick);
    // A node that was slow for a while is not flooded with what it missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // An error: the handle is gone.
            _ = stop.changed() => return,
            _ = ticks.tick() => {}
        }
        let burst = trader.dice.chance(BURST_PERCENT);
        let many = if burst { BURST[0] + trader.dice.below(BURST[1]) } else { 1 };
        for _ in 0..many {
            trader.act().await;
            tell.send_replace(trader.counts);
        }
        trader.counts.bursts += u64::from(burst);
    }
}
