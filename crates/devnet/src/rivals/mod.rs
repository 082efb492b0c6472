//! Rivals: searchers of another make, simple on purpose, that bid for the same targets. Whoever is to be tested against a
//! market needs one that can be lost to.
//!
//! They share nothing with `hot` but the executor's calldata: prices by `eth_call`, targets by `eth_simulateV1`, the
//! best input in floats and what it earns from QuoterV2, after the target. They backrun one target with one cycle.
//!
//! Where people owe there is one of another kind, a [`Liquidator`]: it has money, and no wish to sell.
//!
//! # Invariants
//! - A rival has keys and an executor of its own, and pays its own gas. It bids only what leaves it a gain.
//! - Of what it sends in a block at most one lands: its transactions share a nonce.
//!
//! # Cost
//! Each target takes the node 2 to 6 simulations, of some milliseconds each.

mod builder_client;
mod liquidator;
mod market;
mod node;
mod searcher;

use std::time::Duration;

use alloy_primitives::Address;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Devnet;
use crate::DevnetError;
use crate::Wallet;
use crate::rivals::builder_client::BuilderClient;
use crate::rivals::searcher::Searcher;

pub use liquidator::Liquidator;

/// How good a rival is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strength {
    /// Share of the profit that it gives to the builder, in basis points.
    pub bid_bps: u16,
    /// How long it thinks about what it has heard.
    pub reaction: Duration,
    /// How many of a hundred pending transactions it looks at.
    pub coverage: u8,
    /// Longest cycle it knows, 2 to 4 hops.
    pub hops: usize,
}

impl Strength {
    /// The best there is: 99 % to the builder, at once, everything, 4 hops.
    pub const FULL: Self = Self { bid_bps: 9_900, reaction: Duration::ZERO, coverage: 100, hops: 4 };

    /// By one number; 0 is none at all, and above 100 is 100.
    ///
    /// | strength | bid | reaction | looks at | hops |
    /// |---|---|---|---|---|
    /// | 1 | 50.5 % | 792 ms | 20 % | 2 |
    /// | 50 | 74.5 % | 400 ms | 60 % | 3 |
    /// | 80 | 89.2 % | 160 ms | 84 % | 4 |
    /// | 100 | 99 % | 0 | all | 4 |
    #[must_use]
    pub fn percent(percent: u8) -> Option<Self> {
        let percent = percent.min(100);
        let hops = match percent {
            0 => return None,
            1..40 => 2,
            40..80 => 3,
            _ => 4,
        };
        let reaction = Duration::from_millis(8 * u64::from(100 - percent));
        let coverage = (20 + u16::from(percent) * 4 / 5) as u8;
        Some(Self { bid_bps: 5_000 + 49 * u16::from(percent), reaction, coverage, hops })
    }
}

/// What a rival has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Pending transactions it has looked at.
    pub targets: u64,
    /// Of them, those that swap.
    pub swaps: u64,
    /// Of them, those behind which it found a cycle that ends with more than it began with.
    pub openings: u64,
    /// Of them, those that are the target's making: before it, the cycle seemed to earn less than half.
    pub made: u64,
    /// All openings by the hops of the cycle: two, three, four.
    pub by_hops: [u64; 3],
    /// Of them, those that were worth gas and bid.
    pub worth: u64,
    /// Bundles that the builder has taken.
    pub sent: u64,
}

/// Another searcher. Dropped, it ends.
#[derive(Debug)]
pub struct Rival {
    /// How good it is.
    pub strength: Strength,
    /// Whom its bundles are signed by.
    pub identity: Address,
    /// Who owns its executor, and pays for gas.
    pub owner: Address,
    /// Where its profit stays.
    pub executor: Address,
    tally: watch::Receiver<Tally>,
    task: JoinHandle<()>,
}

/// A rival that has its contract and is yet to begin.
pub(crate) struct Hired {
    strength: Strength,
    owner: Wallet,
    executor: Address,
}

impl Hired {
    /// Deploys its executor, which mines: not while a builder does.
    pub(crate) async fn hire(devnet: &Devnet, strength: Strength) -> Result<Self, DevnetError> {
        let owner = devnet.wallet()?;
        let executor = devnet.employ(&owner).await?;
        Ok(Self { strength, owner, executor })
    }

    /// Sets it to work.
    pub(crate) fn start(self, devnet: &Devnet, builder: &str) -> Result<Rival, DevnetError> {
        let Self { strength, owner, executor } = self;
        let identity = Wallet::fresh()?;
        let (tell, tally) = watch::channel(Tally::default());
        let (known_by, paid_by) = (identity.address(), owner.address());
        let builder_client = BuilderClient::new(builder, identity)?;
        let task = tokio::spawn(Searcher::new(devnet, builder_client, owner, executor, strength, tell).run());
        Ok(Rival { strength, identity: known_by, owner: paid_by, executor, tally, task })
    }
}

impl Rival {
    /// What it has done so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        *self.tally.borrow()
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        self.task.abort();
    }
}
