//! What a pending transaction can be expected to bring, by its shape: where it goes and which function it calls. Learnt
//! from what transactions of the same shape brought when they were looked at.
//!
//! # Invariants
//! - It only orders what waits, and says what is dropped first. Nothing is left out because of it while there is room.
//! - A shape that was never looked at has the benefit of the doubt: it stands with those that move a pool.
//! - A transfer of ether alone is worth nothing. A call that moved no pool loses an eighth of its worth each time, so that
//!   code that never does sinks to the bottom.
//!
//! # Limits
//! - Shapes are remembered in 65,536 places by their hash. Two that share one displace each other, and are then unknown
//!   again: a wrong guess about order, no more. Two threads that learn at once may lose one lesson.
//!
//! # Cost
//! A hash of 24 bytes, and a load; learning stores as well. Half a megabyte, shared by all threads. Nothing allocates.

use std::sync::atomic::{AtomicU64, Ordering};

/// Places for shapes.
const PLACES: usize = 1 << 16;
/// Bits of a place that hold the mean; the others say whose it is.
const MEAN_BITS: u32 = 48;
const MOST: u64 = (1 << MEAN_BITS) - 1;
/// What a transaction that moves a pool is worth besides what it brought, in gwei: the chance of the next one.
const MOVED: u64 = 1_000;
/// A look counts for one part in so many.
const PART: u64 = 8;

/// Where a transaction goes and what it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Ether alone.
    Transfer,
    /// A call, by a hash of destination and selector. Never zero.
    Call(u64),
}

impl Shape {
    /// Of a destination (none: a creation) and calldata.
    #[must_use]
    pub fn new(to: Option<&[u8; 20]>, data: &[u8]) -> Self {
        if data.is_empty() {
            return Self::Transfer;
        }
        let to = to.into_iter().flatten();
        // FNV-1a, and a last mixing, for places are taken from both ends.
        let hash = to
            .chain(data.iter().take(4))
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Self::Call((mixed ^ (mixed >> 32)) | (1 << MEAN_BITS))
    }
}

/// What was learnt.
#[derive(Debug)]
pub struct Worth(Box<[AtomicU64]>);

impl Default for Worth {
    fn default() -> Self {
        Self((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Worth {
    /// What one of this shape can be expected to bring, in gwei.
    #[must_use]
    pub fn of(&self, shape: Shape) -> u64 {
        let Shape::Call(hash) = shape else { return 0 };
        let held = self.place(hash).load(Ordering::Relaxed);
        if held >> MEAN_BITS == hash >> MEAN_BITS { held & MOST } else { MOVED }
    }

    /// One of this shape was looked at: whether it moved a pool that we know, and what it brought, in gwei.
    pub fn learn(&self, shape: Shape, moved: bool, brought: u64) {
        let Shape::Call(hash) = shape else { return };
        let mean = self.of(shape);
        let gain = brought.saturating_add(if moved { MOVED } else { 0 }).min(MOST);
        // Rounded down: what brings nothing comes to nothing.
        let mean = (mean / PART * (PART - 1) + mean % PART * (PART - 1) / PART + gain / PART).min(MOST);
        self.place(hash).store((hash >> MEAN_BITS) << MEAN_BITS | mean, Ordering::Relaxed);
    }

    fn place(&self, hash: u64) -> &AtomicU64 {
        &self.0[hash as usize % PLACES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(to: u8, selector: u8) -> Shape {
        Shape::new(Some(&[to; 20]), &[selector; 36])
    }

    #[test]
    fn what_earns_rises_what_moves_nothing_sinks_and_the_unknown_stands_between() {
        let worth = Worth::default();
        let [earner, mover, idle, unknown] = [1, 2, 3, 4].map(|to| shape(to, 7));
        for _ in 0..100 {
            worth.learn(earner, true, 5_000_000);
            worth.learn(mover, true, 0);
            worth.learn(idle, false, 0);
        }
        let transfer = Shape::new(Some(&[1; 20]), &[]);
        worth.learn(transfer, true, 1_000_000);
        let of = |shape| worth.of(shape);
        assert!(of(earner) > 1_000 * of(mover), "{}", of(earner));
        assert!(of(mover) > MOVED / 2 && of(mover) <= MOVED, "{}", of(mover));
        assert_eq!((of(unknown), of(idle), of(transfer)), (MOVED, 0, 0));
    }

    #[test]
    fn worth_decays_and_selectors_are_told_apart() {
        let worth = Worth::default();
        let (swap, other) = (shape(1, 7), shape(1, 8));
        worth.learn(swap, true, 8_000_000);
        let high = worth.of(swap);
        assert_eq!(worth.of(other), MOVED);
        (0..200).for_each(|_| worth.learn(swap, false, 0));
        assert!(high >= 1_000_000 && worth.of(swap) == 0, "{high}, {}", worth.of(swap));
    }

    #[test]
    fn no_value_overflows() {
        let worth = Worth::default();
        (0..100).for_each(|_| worth.learn(shape(1, 1), true, u64::MAX));
        assert!(worth.of(shape(1, 1)) <= MOST && worth.of(shape(1, 1)) > MOST / 2);
    }
}
