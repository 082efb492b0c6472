//! Uniswap V4: pools of concentrated liquidity that one manager holds, each by the hash of its terms.
//!
//! # Invariants
//! - Quotes are the manager's own results, to the unit, for what is known; the unknown is refused, not guessed. Input too small to buy
//!   anything is legal, as there: it is taken and nothing is paid.
//! - A pool is [native](Hooks::is_native): no swap calls its hooks. [`Pool::new`] takes no other.
//! - State from logs equals state from storage diffs ([`Pool::agrees`]); `tests/uniswap_v4_bytecode.rs` holds both to the published
//!   bytecode. Of a dynamic pool no log says the fee: storage does.
//!
//! # Cost
//! A quote is V3's: two binary searches, then 4 to 5 wide divisions a stop. Nothing allocates or hashes.
//!
//! # Limits
//! - **In no registry yet**: how our contract swaps here (unlock, settle, ether that is no token) is not written, so [`Pool`] is no
//!   `Amm`. What it has of that trait stands here under the trait's names; `execution`, `write_step`, `logged` and `gas`, and what
//!   recognises pools, come with the executor's part.
//! - Pools whose hooks a swap calls are for the EVM to quote.

mod answers;
mod fees;
mod hooks;
mod key;
mod logs;
mod storage;
mod swap;

#[cfg(test)]
mod tests;

pub use fees::Fees;
pub use hooks::Hooks;
pub use key::DYNAMIC_FEE;
pub use key::Initialized;
pub use key::Key;
pub use key::initialized;
pub use storage::Home;

use crate::math::concentrated::Standing;
use crate::math::concentrated::grid::Grid;
use crate::math::concentrated::ticks::Liquidity;
use crate::math::concentrated::ticks::Ticks;
use crate::uniswap_v4::storage::Index;
use crate::uniswap_v4::storage::snapshot::PoolSnapshot;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

/// Name in output, config and metrics.
pub const PROTOCOL: &str = "uniswap_v4";

/// Why a pool is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The manager would not have made it.
    #[error("its terms are none that the manager takes")]
    Terms,
    /// A swap is more than its own arithmetic.
    #[error("{}", .0.reason())]
    Hooks(Hooks),
    /// Nothing can be quoted without them.
    #[error("its price or its liquidity is not known")]
    Cold,
    /// The manager would not have stored it.
    #[error("its first slot holds what cannot be")]
    Impossible,
}

/// The part of a pool that logs and storage must agree on, but for the fee of a dynamic one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    at: Standing,
    fees: Fees,
}

/// A pool.
#[derive(Debug, Deserialize, Serialize)]
#[serde(try_from = "PoolSnapshot", into = "PoolSnapshot")]
pub struct Pool {
    manager: Address,
    terms: Key,
    /// Hash of the terms.
    id: B256,
    home: Home,
    /// Takes words and ticks that are not known as empty, as an EVM over zeroes would. The owner's explicit choice.
    pub assume_empty: bool,
    state: State,
    /// Words and ticks whose slots are recognised.
    index: Index,
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), index: self.index.clone(), ..*self }
    }

    /// Keeps the buffers, so that laying one pool over another allocates nothing once they are large enough.
    fn clone_from(&mut self, source: &Self) {
        let Self { manager, terms, id, home, assume_empty, state, index } = source;
        (self.manager, self.terms, self.id, self.home) = (*manager, *terms, *id, *home);
        self.assume_empty = *assume_empty;
        self.state.at.clone_from(&state.at);
        self.state.fees = state.fees;
        self.index.clone_from(index);
    }
}

impl Pool {
    /// A pool of which nothing but its terms is known.
    ///
    /// # Errors
    /// They are no pool's, or a swap would call its hooks.
    pub fn new(manager: Address, terms: Key) -> Result<Self, Unfit> {
        let grid = Grid::of(terms.tick_spacing).filter(|_| terms.is_sane()).ok_or(Unfit::Terms)?;
        let hooks = Hooks::of(terms.hooks, terms.fee);
        if !hooks.is_native() {
            return Err(Unfit::Hooks(hooks));
        }
        let id = terms.id();
        let state = State { at: Standing::new(grid), fees: Fees::default() };
        Ok(Self { manager, terms, id, home: Home::of(id), assume_empty: false, state, index: Index::default() })
    }

    /// Sets where the pool stands.
    pub const fn set_price(&mut self, sqrt_price_x96: U256, tick: i32, liquidity: u128) {
        self.state.at.set_price(sqrt_price_x96, tick, liquidity);
    }

    /// Learns a bitmap word; see [`Ticks::set_word`].
    pub fn set_word(&mut self, position: i16, bits: U256) -> bool {
        let (home, index) = (self.home, &mut self.index);
        index.add_word(home, position);
        self.state.at.ticks.set_word(position, bits, |tick| index.add_tick(home, tick))
    }

    /// Learns a tick's liquidity; see [`Ticks::set_tick`].
    pub fn set_tick(&mut self, tick: i32, liquidity: Liquidity) -> bool {
        let listed = self.state.at.ticks.tick(tick).is_some();
        let changed = self.state.at.ticks.set_tick(tick, liquidity);
        if changed && !listed {
            self.index.add_tick(self.home, tick);
        }
        changed
    }

    /// The terms that its id is made of.
    #[must_use]
    pub const fn terms(&self) -> &Key {
        &self.terms
    }

    /// Where the manager keeps it.
    #[must_use]
    pub const fn home(&self) -> Home {
        self.home
    }

    /// Price as the manager stores it; zero until initialised.
    #[must_use]
    pub const fn sqrt_price_x96(&self) -> U256 {
        self.state.at.sqrt_price
    }

    /// Current tick as the manager stores it.
    #[must_use]
    pub const fn tick(&self) -> i32 {
        self.state.at.tick
    }

    /// Liquidity in range.
    #[must_use]
    pub const fn liquidity(&self) -> u128 {
        self.state.at.liquidity
    }

    /// The providers' fee and the protocol's.
    #[must_use]
    pub const fn fees(&self) -> Fees {
        self.state.fees
    }

    /// What is known of the ticks.
    #[must_use]
    pub const fn ticks(&self) -> &Ticks {
        &self.state.at.ticks
    }

    /// True when both are the same pool in the same state, whatever each was fed by.
    #[must_use]
    pub fn same_state(&self, other: &Self) -> bool {
        self.manager == other.manager && self.terms == other.terms && self.state == other.state
    }
}
