//! Where a pool's state lies in its storage, and how to read it back.
//!
//! # Invariants
//! - A slot is `keccak256(abi.encode(key, mapping slot))`; it depends on the layout and the key, never on the pool.
//! - [`Slots`] is immutable and shared: one per layout and spacing, handed out by [`Layouts`] or [`Slots::of`].
//! - Within one batch of changes words go before ticks, so a new tick's slot is recognised whatever the order given.
//!
//! # Cost
//! [`Slots`]: one keccak a word of the spacing, once. A change: one binary search; a newly listed tick: one keccak.

pub(super) mod snapshot;

use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::math::concentrated::words::{is_price, low128, mapped, price_and_tick, unpack_tick};
use crate::uniswap_v3::Flavour;
use crate::uniswap_v3::Grid;
use crate::uniswap_v3::Immutables;
use crate::uniswap_v3::Pool;
use crate::uniswap_v3::State;
use alloy_primitives::Address;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;
use std::sync::{Arc, OnceLock};

/// Numbers of the slots a pool's state lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Price, tick and, at Uniswap, the protocol fee.
    pub slot0: U256,
    /// Liquidity in range.
    pub liquidity: U256,
    /// The mapping of ticks.
    pub ticks: U256,
    /// The mapping of bitmap words.
    pub bitmap: U256,
    /// How `slot0` is packed.
    pub flavour: Flavour,
}

impl Layout {
    /// `UniswapV3Pool` as deployed; most forks keep it.
    pub const UNISWAP: Self = Self::numbered(4, Flavour::Uniswap);
    /// `PancakeV3Pool`: `slot0` spills over, so everything after it lies one slot further.
    pub const PANCAKE: Self = Self::numbered(5, Flavour::Pancake);

    /// `CLPool` of Slipstream: six slots lie before `slot0`, nine between it and the liquidity.
    pub const SLIPSTREAM: Self =
        Self { slot0: U256::from_limbs([6, 0, 0, 0]), ..Self::numbered(16, Flavour::Slipstream) };

    const fn numbered(liquidity: u64, flavour: Flavour) -> Self {
        Self {
            slot0: U256::ZERO,
            liquidity: U256::from_limbs([liquidity, 0, 0, 0]),
            ticks: U256::from_limbs([liquidity + 1, 0, 0, 0]),
            bitmap: U256::from_limbs([liquidity + 2, 0, 0, 0]),
            flavour,
        }
    }

    /// Slot of the protocol fee where it is not part of `slot0`.
    fn fee_slot(&self) -> Option<U256> {
        (self.flavour == Flavour::Pancake).then(|| self.slot0.wrapping_add(U256::ONE))
    }

    /// First slot of a tick's record.
    #[must_use]
    pub fn tick_slot(&self, tick: i32) -> U256 {
        mapped(tick, self.ticks)
    }

    /// Slot of a bitmap word.
    #[must_use]
    pub fn word_slot(&self, position: i16) -> U256 {
        mapped(i32::from(position), self.bitmap)
    }
}

/// A layout with the word slots of one spacing, both ways.
#[derive(Debug)]
pub struct Slots {
    layout: Layout,
    grid: Arc<Grid>,
    /// In order of position.
    words: Vec<(U256, i16)>,
    /// In order of slot.
    by_slot: Vec<(U256, i16)>,
}

impl Slots {
    /// The slots of a layout at a spacing. Of published layouts at common spacings they are made once a process: a start reads pools back
    /// by the thousand. `None` for a spacing no pool can have.
    #[must_use]
    pub fn of(layout: Layout, tick_spacing: i32) -> Option<Arc<Self>> {
        const LAYOUTS: [Layout; 3] = [Layout::UNISWAP, Layout::PANCAKE, Layout::SLIPSTREAM];
        const SPACINGS: [i32; 6] = [1, 10, 50, 60, 100, 200];
        static SHARED: [[OnceLock<Option<Arc<Slots>>>; 6]; 3] = [const { [const { OnceLock::new() }; 6] }; 3];
        let layouts = LAYOUTS.iter().position(|known| *known == layout).and_then(|at| SHARED.get(at));
        let shared = SPACINGS.iter().position(|common| *common == tick_spacing).and_then(|at| layouts?.get(at));
        match shared {
            Some(cell) => cell.get_or_init(|| Self::new(layout, tick_spacing)).clone(),
            None => Self::new(layout, tick_spacing),
        }
    }

    /// `None` for a spacing no pool can have.
    #[must_use]
    pub fn new(layout: Layout, tick_spacing: i32) -> Option<Arc<Self>> {
        let grid = Grid::of(tick_spacing)?;
        let words: Vec<_> = grid.positions().map(|p| (layout.word_slot(p), p)).collect();
        let mut by_slot = words.clone();
        by_slot.sort_unstable();
        Some(Arc::new(Self { layout, grid, words, by_slot }))
    }

    /// The layout.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Every word a swap can ask for, with its slot, in order of position.
    pub fn words(&self) -> impl Iterator<Item = (U256, i16)> + '_ {
        self.words.iter().copied()
    }

    fn word(&self, slot: U256) -> Option<i16> {
        let index = self.by_slot.binary_search_by_key(&slot, |w| w.0).ok()?;
        self.by_slot.get(index).map(|w| w.1)
    }
}

/// The [`Slots`] made so far. A handful in all, so a list will do.
#[derive(Debug, Default)]
pub struct Layouts(Vec<Arc<Slots>>);

impl Layouts {
    /// Slots of a layout at a spacing, made on first use.
    pub fn slots(&mut self, layout: Layout, tick_spacing: i32) -> Option<Arc<Slots>> {
        let held = self.0.iter().find(|s| s.layout == layout && s.grid.spacing() == tick_spacing);
        if let Some(slots) = held {
            return Some(Arc::clone(slots));
        }
        let slots = Slots::of(layout, tick_spacing)?;
        self.0.push(Arc::clone(&slots));
        Some(slots)
    }
}

/// Makes a tick's slot recognisable to [`Pool::store`].
pub(super) fn index_tick(slots: Option<&Slots>, index: &mut Vec<(U256, i32)>, tick: i32) {
    let Some(slots) = slots else { return };
    let slot = slots.layout.tick_slot(tick);
    if let Err(at) = index.binary_search_by_key(&slot, |t| t.0) {
        index.insert(at, (slot, tick));
    }
}

/// `slot0` as far as it is kept: price, tick, and the protocol fee's byte (Uniswap).
pub(super) fn unpack_slot0(word: U256) -> (U256, i32, u32) {
    let (price, tick) = price_and_tick(word);
    (price, tick, (word >> 232usize).as_limbs()[0] as u32 & 0xff)
}

impl Pool {
    /// Reads a pool from storage: every word and tick that `read` knows. `None` when the immutables are not sane, or the
    /// price or the liquidity is not known.
    #[must_use]
    pub fn load(
        slots: &Arc<Slots>,
        address: Address,
        tokens: [Address; 2],
        fee_pips: u32,
        mut read: impl FnMut(U256) -> Option<U256>,
    ) -> Option<Self> {
        let (layout, tick_spacing) = (slots.layout, slots.grid.spacing());
        let of = Immutables { address, tokens, fee_pips, tick_spacing, flavour: layout.flavour };
        let mut pool = Self::new(of)?;
        let first = [(layout.slot0, read(layout.slot0)?), (layout.liquidity, read(layout.liquidity)?)];
        for (slot, position) in slots.words() {
            if let Some(bits) = read(slot) {
                pool.set_word(position, bits);
            }
        }
        let mut ticks: Vec<_> = pool.ticks().list().iter().map(|t| (layout.tick_slot(t.tick), t.tick)).collect();
        for (slot, tick) in &ticks {
            if let Some(word) = read(*slot) {
                pool.set_tick(*tick, unpack_tick(word));
            }
        }
        ticks.sort_unstable();
        pool.tick_slots = ticks;
        pool.slots = Some(Arc::clone(slots));
        pool.store(&first).ok()?;
        if let Some(word) = layout.fee_slot().and_then(read) {
            pool.state.fee_protocol = low128(word) as u32;
        }
        Some(pool)
    }

    /// Applies changed slots.
    pub(super) fn store(&mut self, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        let Some(slots) = self.slots.clone() else {
            return Ok(Applied::Irrelevant);
        };
        let layout = slots.layout;
        let price = changes.iter().find(|(slot, _)| *slot == layout.slot0).map(|(_, word)| unpack_slot0(*word));
        // Zero is a pool not yet initialised.
        if price.is_some_and(|(price, ..)| !price.is_zero() && !is_price(price)) {
            return Err(ApplyError::Contradiction);
        }
        let mut changed = false;
        for (slot, word) in changes {
            changed |= match slots.word(*slot) {
                Some(position) => self.set_word(position, *word),
                None => self.store_scalar(&layout, *slot, *word),
            };
        }
        for (slot, word) in changes {
            if let Ok(index) = self.tick_slots.binary_search_by_key(slot, |t| t.0)
                && let Some((_, tick)) = self.tick_slots.get(index).copied()
            {
                changed |= self.set_tick(tick, unpack_tick(*word));
            }
        }
        Ok(if changed { Applied::Changed } else { Applied::Irrelevant })
    }

    fn store_scalar(&mut self, layout: &Layout, slot: U256, word: U256) -> bool {
        let State { at, fee_protocol } = &mut self.state;
        let before = (at.sqrt_price, at.tick, at.liquidity, *fee_protocol);
        if slot == layout.slot0 {
            let (price, tick, fee) = unpack_slot0(word);
            (at.sqrt_price, at.tick) = (price, tick);
            if layout.flavour == Flavour::Uniswap {
                *fee_protocol = fee;
            }
        } else if slot == layout.liquidity {
            at.liquidity = low128(word);
        } else if layout.fee_slot() == Some(slot) {
            *fee_protocol = low128(word) as u32;
        }
        before != (at.sqrt_price, at.tick, at.liquidity, *fee_protocol)
    }
}
