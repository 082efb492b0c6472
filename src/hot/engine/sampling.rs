//! Pools that quote by what their contract has answered, asked anew: behind a block, and in what a pending transaction leaves.
//!
//! # Invariants
//! - What a stranger's contract can make us do is bounded: the gas of a sample by the pool itself, retries by blocks (one that cannot be
//!   asked waits twice as long each time), pools behind a pending transaction by [`MOST_BEHIND`], what is fetched for one by
//!   [`MOST_MISSES`].
//!
//! # Cost
//! Without such pools a comparison. With them: some fifty calls in the EVM for each that has moved, by a block or by the transaction.

use crate::hot::engine::Engine;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::probe::EvmProbe;
use crate::hot::strategy::Strategy;
use crate::protocols::AnyPool;
use crate::protocols::amm::{Amm, Asked};
use crate::types::id::PoolId;
use crate::types::update::StateKey;

/// Pools that are asked behind one pending transaction. Those beyond quote nothing there.
const MOST_BEHIND: usize = 4;

/// State that is fetched for one sample of a pool.
const MOST_MISSES: usize = 256;

/// The longest wait of a pool that cannot be asked, in blocks, as a power of two.
const LONGEST_WAIT: u32 = 10;

/// A pool that is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct AskedPool {
    id: PoolId,
    /// How often in a row it could not be asked though all was known.
    failures: u32,
    /// Blocks until it is asked again.
    wait: u32,
}

impl AskedPool {
    pub(super) const fn of(id: PoolId) -> Self {
        Self { id, failures: 0, wait: 0 }
    }

    const fn has_failed(&mut self) {
        self.failures = if self.failures < LONGEST_WAIT { self.failures + 1 } else { LONGEST_WAIT };
        self.wait = 1 << self.failures;
    }
}

/// What became of a sample.
enum Sampled {
    Answers(Box<AnyPool>),
    /// What they need is not known.
    Unknown,
    /// There are none.
    Nothing,
}

impl<S: Strategy> Engine<S> {
    /// Takes in the pool of this id, if it is one that is asked.
    pub(super) fn note_asked(&mut self, id: PoolId) {
        self.asked.retain(|asked| asked.id != id);
        if self.pools.pool(id).asked() != Asked::Never {
            self.asked.push(AskedPool::of(id));
        }
    }

    /// Asks those that have moved in the base state; `new_block`: those as well that are others in another block.
    pub(super) fn sample_base(&mut self, new_block: bool) {
        for at in 0..self.asked.len() {
            let asked = &mut self.asked[at];
            asked.wait = asked.wait.saturating_sub(u32::from(new_block));
            let (id, waits) = (asked.id, asked.wait > 0);
            let is_due = match self.pools.pool(id).asked() {
                Asked::Now => !waits,
                Asked::EachBlock => new_block && !waits,
                Asked::WhereItMoves | Asked::Never => false,
            };
            if !is_due || self.pools.is_quarantined(id) {
                continue;
            }
            match sampled(self.pools.pool(id), &mut self.machine, &mut self.unread) {
                Sampled::Answers(pool) => {
                    self.asked[at] = AskedPool::of(id);
                    self.pools.edit(id, |old| *old = *pool);
                }
                Sampled::Unknown => (),
                Sampled::Nothing => {
                    self.asked[at].has_failed();
                    // What it answered before it answers no more.
                    self.pools.edit(id, Amm::doubt);
                }
            }
        }
    }

    /// Asks those that the pending transaction has moved, in the state that it leaves.
    pub(super) fn sample_behind(&mut self) {
        self.unsampled.clear();
        if self.asked.is_empty() {
            return;
        }
        let mut left = MOST_BEHIND;
        for id in &self.touched.moved {
            let pool = self.overlay.pool(&self.pools, *id);
            let is_well = self.asked.iter().any(|asked| asked.id == *id && asked.failures == 0);
            if pool.asked() != Asked::Now || !is_well || left == 0 {
                continue;
            }
            left -= 1;
            if let Sampled::Answers(pool) = sampled(pool, &mut self.machine, &mut self.unsampled) {
                self.overlay.edit(&self.pools, *id, |old| *old = *pool);
            }
        }
    }

    /// Blocks were undone: what was answered behind them is answered no more.
    pub(super) fn doubt_asked(&mut self) {
        for at in 0..self.asked.len() {
            self.pools.edit(self.asked[at].id, Amm::doubt);
        }
    }
}

/// Asks for the answers of the state as it is. `unknown` is given what is not known for them.
fn sampled(pool: &AnyPool, machine: &mut Machine, unknown: &mut Vec<StateKey>) -> Sampled {
    let mut pool = pool.clone();
    let mut probe = EvmProbe::new(machine);
    let answered = pool.sample(&mut probe);
    let missed = probe.into_missed();
    match answered {
        Ok(()) => Sampled::Answers(Box::new(pool)),
        Err(_) if missed.is_empty() => Sampled::Nothing,
        Err(_) => {
            unknown.extend(missed.iter().filter_map(|cold| cold.state_key()).take(MOST_MISSES));
            Sampled::Unknown
        }
    }
}
