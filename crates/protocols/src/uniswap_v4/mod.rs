//! Uniswap V4: pools of concentrated liquidity that one manager holds, each by the hash of its terms.
//!
//! # Invariants
//! - Quotes are the manager's own results, to the unit, for what is known; the unknown is refused, not guessed. Input too small to buy
//!   anything is legal, as there: it is taken and nothing is paid.
//! - A pool is [native](Hooks::is_native): no swap calls its hooks. [`Pool::new`] takes no other.
//! - State from logs equals state from storage diffs (`agrees`); `tests/uniswap_v4_bytecode.rs` holds both to the published
//!   bytecode. Of a dynamic pool no log says the fee: storage does.
//!
//! # Cost
//! A quote is V3's: two binary searches, then 4 to 5 wide divisions a stop. Nothing allocates or hashes.
//!
//! # Limits
//! - Pools whose hooks a swap calls are for the EVM to quote.
//! - A pool of ether is one only where it is known which token stands for ether.

mod answers;
mod discover;
mod fees;
mod hooks;
mod key;
mod logs;
mod step;
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
use std::sync::Arc;

/// Why a pool is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The manager would not have made it.
    #[error("its terms are none that the manager takes")]
    Terms,
    /// A swap is more than its own arithmetic.
    #[error("{}", .0.reason())]
    Hooks(Hooks),
    /// Ether is shown as a token, and nobody has said which; or both currencies come to the same.
    #[error("no token is known that stands for its ether beside the other")]
    Ether,
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

/// What never changes of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fixed {
    manager: Address,
    terms: Key,
    /// Hash of the terms.
    id: B256,
    home: Home,
    /// The currencies, a token in the place of ether where it is known which.
    tokens: [Address; 2],
}

/// A pool.
#[derive(Debug, Deserialize, Serialize)]
#[serde(try_from = "PoolSnapshot", into = "PoolSnapshot")]
pub struct Pool {
    fixed: Arc<Fixed>,
    /// Takes words and ticks that are not known as empty, as an EVM over zeroes would. The owner's explicit choice.
    pub assume_empty: bool,
    state: State,
    /// Words and ticks whose slots are recognised.
    index: Index,
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        let Self { fixed, assume_empty, state, index } = self;
        Self { fixed: Arc::clone(fixed), assume_empty: *assume_empty, state: state.clone(), index: index.clone() }
    }

    /// Keeps the buffers, so that laying one pool over another allocates nothing once they are large enough.
    fn clone_from(&mut self, source: &Self) {
        let Self { fixed, assume_empty, state, index } = source;
        self.fixed.clone_from(fixed);
        self.assume_empty = *assume_empty;
        self.state.at.clone_from(&state.at);
        self.state.fees = state.fees;
        self.index.clone_from(index);
    }
}

impl Pool {
    /// A pool of which nothing but its terms is known. `ether`: the token that stands for it.
    ///
    /// # Errors
    /// They are no pool's, a swap would call its hooks, or it is of ether and no token stands for that.
    pub fn new(manager: Address, terms: Key, ether: Option<Address>) -> Result<Self, Unfit> {
        let grid = Grid::of(terms.tick_spacing).filter(|_| terms.is_sane()).ok_or(Unfit::Terms)?;
        let hooks = Hooks::of(terms.hooks, terms.fee);
        if !hooks.is_native() {
            return Err(Unfit::Hooks(hooks));
        }
        let [zero, one] = terms.currencies;
        let zero = if zero.is_zero() { ether.ok_or(Unfit::Ether)? } else { zero };
        if zero == one || zero.is_zero() {
            return Err(Unfit::Ether);
        }
        let id = terms.id();
        let state = State { at: Standing::new(grid), fees: Fees::default() };
        let fixed = Arc::new(Fixed { manager, terms, id, home: Home::of(id), tokens: [zero, one] });
        Ok(Self { fixed, assume_empty: false, state, index: Index::default() })
    }

    /// Sets where the pool stands.
    pub const fn set_price(&mut self, sqrt_price_x96: U256, tick: i32, liquidity: u128) {
        self.state.at.set_price(sqrt_price_x96, tick, liquidity);
    }

    /// Learns a bitmap word; see [`Ticks::set_word`].
    pub fn set_word(&mut self, position: i16, bits: U256) -> bool {
        let (home, index) = (self.fixed.home, &mut self.index);
        index.add_word(home, position);
        self.state.at.ticks.set_word(position, bits, |tick| index.add_tick(home, tick))
    }

    /// Learns a tick's liquidity; see [`Ticks::set_tick`].
    pub fn set_tick(&mut self, tick: i32, liquidity: Liquidity) -> bool {
        let listed = self.state.at.ticks.tick(tick).is_some();
        let changed = self.state.at.ticks.set_tick(tick, liquidity);
        if changed && !listed {
            self.index.add_tick(self.fixed.home, tick);
        }
        changed
    }

    /// The terms that its id is made of.
    #[must_use]
    pub fn terms(&self) -> &Key {
        &self.fixed.terms
    }

    /// Where the manager keeps it.
    #[must_use]
    pub fn home(&self) -> Home {
        self.fixed.home
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
        self.fixed == other.fixed && self.state == other.state
    }
}
