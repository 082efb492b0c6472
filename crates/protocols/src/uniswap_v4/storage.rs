//! Where the manager keeps a pool, and how to read it back. The manager's code is one on every chain, so this is its layout and not
//! one of several.
//!
//! # Invariants
//! - Slots are those of `StateLibrary.sol` (v4-core 1.0.2): the record of a pool is in the mapping `_pools` at slot 6.
//! - A slot is recognised once it is known to be the pool's: two always, a bitmap word and a tick from when they are learnt. A tick
//!   that is no longer initialised stays recognised.
//! - Within one batch of changes words go before ticks, so a new tick's slot is recognised whatever the order given.
//!
//! # Cost
//! A change: one binary search; a newly listed word or tick: one keccak. Loading: one keccak a word of the spacing.
//!
//! # Limits
//! A word that has never been read is not recognised when it changes, and stays unknown: whoever loads a pool reads all words of its
//! spacing. 40 bytes a recognised slot, and a slot for each known word: 6,932 words at spacing 1, 116 at 60. A process that holds thousands of
//! pools of spacing 1 whole will need a shorter form for words that are known to be empty.

pub(super) mod snapshot;

use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::math::concentrated::ticks::Liquidity;
use crate::math::concentrated::words::{is_price, low128, mapped, price_and_tick, unpack_tick};
use crate::uniswap_v4::Pool;
use crate::uniswap_v4::State;
use crate::uniswap_v4::Unfit;
use crate::uniswap_v4::fees::Fees;
use crate::uniswap_v4::key::Key;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::keccak256;
use std::sync::Arc;

/// Slot of the mapping of all pools (`StateLibrary.POOLS_SLOT`).
const POOLS: U256 = U256::from_limbs([6, 0, 0, 0]);

/// First slot of a pool's record, and so where all of it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home(U256);

impl Home {
    /// That of the pool with this id.
    #[must_use]
    pub fn of(id: B256) -> Self {
        Self(keccak256([id.0, POOLS.to_be_bytes()].concat()).into())
    }

    const fn beside(self, offset: u64) -> U256 {
        self.0.wrapping_add(U256::from_limbs([offset, 0, 0, 0]))
    }

    /// Price, tick and fees.
    #[must_use]
    pub const fn slot0(self) -> U256 {
        self.0
    }

    /// Liquidity in range (`LIQUIDITY_OFFSET`).
    #[must_use]
    pub const fn liquidity(self) -> U256 {
        self.beside(3)
    }

    /// First slot of a tick's record (`TICKS_OFFSET`).
    #[must_use]
    pub fn tick(self, tick: i32) -> U256 {
        mapped(tick, self.beside(4))
    }

    /// A word of the bitmap (`TICK_BITMAP_OFFSET`).
    #[must_use]
    pub fn word(self, position: i16) -> U256 {
        mapped(i32::from(position), self.beside(5))
    }
}

/// What lies in a recognised slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Word(i16),
    Tick(i32),
}

/// Words and ticks by their slots, in order.
#[derive(Debug, Default)]
pub(super) struct Index(Vec<(U256, Place)>);

impl Clone for Index {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    /// Keeps the buffer.
    fn clone_from(&mut self, source: &Self) {
        self.0.clone_from(&source.0);
    }
}

impl Index {
    fn add(&mut self, slot: U256, place: Place) {
        if let Err(at) = self.0.binary_search_by_key(&slot, |entry| entry.0) {
            self.0.insert(at, (slot, place));
        }
    }

    pub(super) fn add_tick(&mut self, home: Home, tick: i32) {
        self.add(home.tick(tick), Place::Tick(tick));
    }

    pub(super) fn add_word(&mut self, home: Home, position: i16) {
        self.add(home.word(position), Place::Word(position));
    }

    fn find(&self, slot: U256) -> Option<Place> {
        let at = self.0.binary_search_by_key(&slot, |entry| entry.0).ok()?;
        self.0.get(at).map(|entry| entry.1)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = U256> + '_ {
        self.0.iter().map(|entry| entry.0)
    }
}

/// A first slot, read.
fn unpack_slot0(word: U256) -> (U256, i32, Fees) {
    let (price, tick) = price_and_tick(word);
    let uint24 = |shift: usize| (word >> shift).as_limbs()[0] as u32 & 0xff_ffff;
    (price, tick, Fees { lp: uint24(208), protocol: uint24(184) })
}

/// A first slot, as it is stored.
pub(super) fn pack_slot0(price: U256, tick: i32, fees: Fees) -> U256 {
    let low = |value: u32| U256::from(value & 0xff_ffff);
    price | low(tick as u32) << 160 | low(fees.protocol) << 184 | low(fees.lp) << 208
}

/// A tick's first word, as it is stored.
pub(super) fn pack_tick(liquidity: Liquidity) -> U256 {
    U256::from(liquidity.net as u128) << 128 | U256::from(liquidity.gross)
}

impl Pool {
    /// Reads a pool from storage: every word and tick that `read` knows.
    ///
    /// # Errors
    /// The terms are none that a native pool has; price or liquidity are not known; or what is stored cannot be.
    pub fn load(
        manager: Address,
        key: Key,
        ether: Option<Address>,
        mut read: impl FnMut(U256) -> Option<U256>,
    ) -> Result<Self, Unfit> {
        let mut pool = Self::new(manager, key, ether)?;
        let home = pool.home();
        let mut first = |slot| read(slot).map(|word| (slot, word)).ok_or(Unfit::Cold);
        let first = [first(home.slot0())?, first(home.liquidity())?];
        let mut index = Vec::new();
        let grid = Arc::clone(pool.ticks().grid());
        for position in grid.positions() {
            let slot = home.word(position);
            if let Some(bits) = read(slot) {
                let listed = |tick| index.push((home.tick(tick), Place::Tick(tick)));
                pool.state.at.ticks.set_word(position, bits, listed);
                index.push((slot, Place::Word(position)));
            }
        }
        for (slot, place) in &index {
            if let Place::Tick(tick) = place
                && let Some(word) = read(*slot)
            {
                pool.state.at.ticks.set_tick(*tick, unpack_tick(word));
            }
        }
        index.sort_unstable_by_key(|entry| entry.0);
        pool.index = Index(index);
        pool.store(&first).map_err(|_| Unfit::Impossible)?;
        Ok(pool)
    }

    /// Applies changed slots of the manager; most are other pools'.
    pub(super) fn store(&mut self, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        let (slot0, liquidity) = (self.home().slot0(), self.home().liquidity());
        let first = changes.iter().find(|(slot, _)| *slot == slot0).map(|(_, word)| unpack_slot0(*word));
        if first.is_some_and(|(price, _, fees)| !self.can_hold(price, fees)) {
            return Err(ApplyError::Contradiction);
        }
        let mut changed = false;
        if let Some((price, tick, fees)) = first {
            let State { at, fees: charged } = &mut self.state;
            changed |= (at.sqrt_price, at.tick, *charged) != (price, tick, fees);
            (at.sqrt_price, at.tick, *charged) = (price, tick, fees);
        }
        for (slot, word) in changes {
            if *slot == liquidity {
                changed |= self.state.at.liquidity != low128(*word);
                self.state.at.liquidity = low128(*word);
            } else if let Some(Place::Word(position)) = self.index.find(*slot) {
                changed |= self.set_word(position, *word);
            }
        }
        for (slot, word) in changes {
            if let Some(Place::Tick(tick)) = self.index.find(*slot) {
                changed |= self.set_tick(tick, unpack_tick(*word));
            }
        }
        Ok(if changed { Applied::Changed } else { Applied::Irrelevant })
    }

    /// What the manager may have stored. A price of zero is a pool that is not initialised.
    pub(super) fn can_hold(&self, price: U256, fees: Fees) -> bool {
        if price.is_zero() {
            return fees == Fees::default();
        }
        let fixed = self.terms().is_dynamic() || fees.lp == self.terms().fee;
        is_price(price) && fees.are_sane() && fixed
    }
}
