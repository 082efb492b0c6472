//! What is known of a pool's ticks: bitmap words, and the liquidity of the ticks that may be initialised.
//!
//! # Invariants
//! - `words` and `ticks` are sorted and without duplicates; every tick is a multiple of the spacing and in range.
//! - A word that is not listed is unknown, not empty.
//! - Every set bit of a listed word has an entry in `ticks`. Its liquidity may be unknown.
//! - An entry whose liquidity is unknown stands for a tick that *may* be initialised: nothing may walk past it.
//!
//! # Cost
//! Changes move the tail of a vector; lookups are binary searches. The walk (`walk.rs`) steps by index.

use crate::math::concentrated::grid::Grid;
use crate::math::tick;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;
use std::sync::Arc;

/// A tick's share of the liquidity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Liquidity {
    /// Sum of the positions that end here. Zero means the tick is not initialised.
    pub gross: u128,
    /// Added when the price rises across the tick, removed when it falls.
    pub net: i128,
}

/// A tick that is, or may be, initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Index of the tick.
    pub tick: i32,
    /// Price there.
    pub sqrt_price: U256,
    /// `None` when not known.
    pub liquidity: Option<Liquidity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word {
    position: i32,
    bits: U256,
}

/// Known words and ticks of one pool.
#[derive(Debug, PartialEq, Eq)]
pub struct Ticks {
    grid: Arc<Grid>,
    words: Vec<Word>,
    ticks: Vec<Tick>,
}

impl Clone for Ticks {
    fn clone(&self) -> Self {
        Self { grid: Arc::clone(&self.grid), words: self.words.clone(), ticks: self.ticks.clone() }
    }

    /// Keeps the buffers.
    fn clone_from(&mut self, source: &Self) {
        self.grid.clone_from(&source.grid);
        self.words.clone_from(&source.words);
        self.ticks.clone_from(&source.ticks);
    }
}

impl Ticks {
    /// Nothing known.
    #[must_use]
    pub const fn new(grid: Arc<Grid>) -> Self {
        Self { grid, words: Vec::new(), ticks: Vec::new() }
    }

    /// What was known once: words by position, ticks by index, each in order. `None` when they are not what a pool of
    /// this grid can hold.
    #[must_use]
    pub fn restore(grid: Arc<Grid>, words: &[(i16, U256)], ticks: &[(i32, Option<Liquidity>)]) -> Option<Self> {
        let ordered = words.is_sorted_by(|a, b| a.0 < b.0) && ticks.is_sorted_by(|a, b| a.0 < b.0);
        let mut restored = Self::new(grid);
        if !ordered || !ticks.iter().all(|(tick, _)| restored.is_usable(*tick)) {
            return None;
        }
        restored.words = words.iter().map(|(at, bits)| Word { position: i32::from(*at), bits: *bits }).collect();
        let entry = |(tick, liquidity): &(i32, _)| Some(Tick { liquidity: *liquidity, ..unknown_tick(*tick)? });
        restored.ticks = ticks.iter().map(entry).collect::<Option<_>>()?;
        Some(restored)
    }

    /// Known words, in order of position.
    pub fn words(&self) -> impl Iterator<Item = (i16, U256)> + '_ {
        self.words.iter().filter_map(|word| Some((i16::try_from(word.position).ok()?, word.bits)))
    }

    /// Word ends of the spacing.
    #[must_use]
    pub const fn grid(&self) -> &Arc<Grid> {
        &self.grid
    }

    /// Ticks that are or may be initialised, in order.
    #[must_use]
    pub fn list(&self) -> &[Tick] {
        &self.ticks
    }

    /// Index of the first known word at or after a position.
    #[inline]
    #[must_use]
    pub fn word_index(&self, position: i32) -> usize {
        self.words.partition_point(|w| w.position < position)
    }

    /// Position of the known word at an index.
    #[inline]
    #[must_use]
    pub fn word_at(&self, index: usize) -> Option<i32> {
        self.words.get(index).map(|w| w.position)
    }

    /// Bits of a word, `None` when not known.
    #[must_use]
    pub fn word(&self, position: i16) -> Option<U256> {
        let position = i32::from(position);
        self.words.get(self.word_index(position)).filter(|w| w.position == position).map(|w| w.bits)
    }

    fn find(&self, tick: i32) -> Result<usize, usize> {
        self.ticks.binary_search_by_key(&tick, |t| t.tick)
    }

    /// The entry of a tick that is or may be initialised.
    #[must_use]
    pub fn tick(&self, tick: i32) -> Option<&Tick> {
        self.find(tick).ok().and_then(|i| self.ticks.get(i))
    }

    /// True for a tick a position may end at.
    #[must_use]
    pub fn is_usable(&self, tick: i32) -> bool {
        (tick::MIN_TICK..=tick::MAX_TICK).contains(&tick) && tick % self.grid.spacing() == 0
    }

    /// True when the word holding a tick is known and its bit is clear: the tick is certainly not initialised.
    fn is_clear(&self, tick: i32) -> bool {
        let (position, bit) = self.place(tick);
        self.words.get(self.word_index(position)).is_some_and(|w| w.position == position && !w.bits.bit(bit))
    }

    fn place(&self, tick: i32) -> (i32, usize) {
        let compressed = tick.div_euclid(self.grid.spacing());
        (compressed >> 8, (compressed & 255) as usize)
    }

    fn set_bit(&mut self, tick: i32, on: bool) {
        let (position, bit) = self.place(tick);
        let index = self.word_index(position);
        if let Some(word) = self.words.get_mut(index).filter(|w| w.position == position) {
            word.bits.set_bit(bit, on);
        }
    }

    /// Learns a whole word: bits bring ticks (their liquidity still unknown), cleared bits take them away.
    /// `listed` hears of every tick that was not listed before. Returns whether anything changed.
    pub fn set_word(&mut self, position: i16, bits: U256, mut listed: impl FnMut(i32)) -> bool {
        let position = i32::from(position);
        let index = self.word_index(position);
        match self.words.get_mut(index).filter(|w| w.position == position) {
            Some(word) if word.bits == bits => return false,
            Some(word) => word.bits = bits,
            None => self.words.insert(index, Word { position, bits }),
        }
        let spacing = self.grid.spacing();
        let from = self.ticks.partition_point(|t| t.tick < position * 256 * spacing);
        let to = self.ticks.partition_point(|t| t.tick < (position + 1) * 256 * spacing);
        if from == to && bits.is_zero() {
            return true;
        }
        let held = self.ticks.get(from..to).unwrap_or_default();
        let wanted = (0..256).filter(|bit| bits.bit(*bit)).map(|bit| (position * 256 + bit as i32) * spacing);
        // A bit outside the range of ticks cannot be set by the contract; without a price there is no entry.
        let entry = |t: i32| match held.binary_search_by_key(&t, |h| h.tick) {
            Ok(index) => held.get(index).copied(),
            Err(_) => unknown_tick(t).inspect(|_| listed(t)),
        };
        let fresh: Vec<Tick> = wanted.filter_map(entry).collect();
        self.ticks.splice(from..to, fresh);
        true
    }

    /// Learns the liquidity of a tick. Gross zero on a tick whose word is unknown, or known to be clear, is nothing to keep.
    /// Returns whether anything changed.
    pub fn set_tick(&mut self, tick: i32, liquidity: Liquidity) -> bool {
        if !self.is_usable(tick) {
            return false;
        }
        match self.find(tick) {
            Ok(index) => {
                let Some(entry) = self.ticks.get_mut(index) else {
                    return false;
                };
                let changed = entry.liquidity != Some(liquidity);
                entry.liquidity = Some(liquidity);
                changed
            }
            Err(_) if liquidity.gross == 0 || self.is_clear(tick) => false,
            Err(index) => self.insert(index, tick, Some(liquidity)),
        }
    }

    fn insert(&mut self, index: usize, tick: i32, liquidity: Option<Liquidity>) -> bool {
        let Some(fresh) = unknown_tick(tick) else { return false };
        self.ticks.insert(index, Tick { liquidity, ..fresh });
        true
    }

    /// Plans what a position's change does to one of its ticks, as the contract's `Tick.update` and `flipTick` do: `delta`
    /// to the gross, `net` to the net. Unknown stays unknown, unless `assume_empty` says that an unlisted tick had nothing.
    /// `None` when the known state forbids the change.
    #[must_use]
    pub fn plan(&self, tick: i32, delta: i128, net: i128, assume_empty: bool) -> Option<Change> {
        if !self.is_usable(tick) {
            return None;
        }
        let entry = self.tick(tick);
        let before = match entry {
            // The tick may come or go; the entry without liquidity stands for both.
            Some(Tick { liquidity: None, .. }) => return Some(Change::Keep),
            Some(Tick { liquidity: Some(liquidity), .. }) => *liquidity,
            None if self.is_clear(tick) || (assume_empty && delta > 0) => Liquidity { gross: 0, net: 0 },
            None if delta > 0 => return Some(Change::Put(None)),
            None => return Some(Change::Keep),
        };
        let gross = before.gross.checked_add_signed(delta)?;
        let net = before.net.checked_add(net)?;
        Some(if gross == 0 { Change::Drop } else { Change::Put(Some(Liquidity { gross, net })) })
    }

    /// Makes a planned change. Returns whether the tick is newly listed.
    pub fn change(&mut self, tick: i32, change: Change) -> bool {
        match (change, self.find(tick)) {
            (Change::Keep, _) | (Change::Drop, Err(_)) => false,
            (Change::Put(liquidity), Ok(index)) => {
                if let Some(entry) = self.ticks.get_mut(index) {
                    entry.liquidity = liquidity;
                }
                false
            }
            (Change::Put(liquidity), Err(index)) => {
                self.set_bit(tick, true);
                self.insert(index, tick, liquidity)
            }
            (Change::Drop, Ok(index)) => {
                self.set_bit(tick, false);
                self.ticks.remove(index);
                false
            }
        }
    }
}

/// What happens to a tick; see [`Ticks::plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that can be known.
    Keep,
    /// It is listed, with this liquidity.
    Put(Option<Liquidity>),
    /// It is no longer initialised.
    Drop,
}

fn unknown_tick(tick: i32) -> Option<Tick> {
    Some(Tick { tick, sqrt_price: tick::sqrt_price_at(tick)?, liquidity: None })
}
