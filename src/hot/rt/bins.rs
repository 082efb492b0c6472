//! A bounded queue in order of value: what is worth most leaves first, what is worth least is dropped when it is full.
//!
//! # Invariants
//! - Values of the same power of two are alike, in the order in which they came: an estimate says no more than that.
//! - What is dropped is handed back, for the caller to count. Of those worth least it is the oldest, which has the least
//!   time left; that may be the one that came.
//!
//! # Cost
//! Constant: a bin's two ends, and one bit a bin that says where something is. All bins share one table of places, which grows to
//! the most that has ever waited at once, and is used again: no value, however new, allocates then.

/// One for nothing, one for each power of two.
const BINS: usize = 65;

/// No place.
const NONE: u32 = u32::MAX;

/// A place in the table: an item and the next of its bin, or the next place that is free.
#[derive(Debug)]
struct Place<T> {
    item: Option<T>,
    next: u32,
}

/// A bin's two ends; where it holds nothing they mean nothing.
#[derive(Clone, Copy, Debug)]
struct Bin {
    first: u32,
    last: u32,
}

/// Items by value.
#[derive(Debug)]
pub struct Bins<T> {
    places: Vec<Place<T>>,
    free: u32,
    bins: [Bin; BINS],
    /// Bit `b` is set where bin `b` holds something.
    filled: u128,
    len: usize,
    room: usize,
}

impl<T> Bins<T> {
    /// An empty one, with room for so many items; at least one.
    #[must_use]
    pub fn new(room: usize) -> Self {
        // One place more than there is room: an item comes before the one that it displaces leaves.
        let room = room.clamp(1, NONE as usize - 1);
        Self { places: Vec::new(), free: NONE, bins: [Bin { first: NONE, last: NONE }; BINS], filled: 0, len: 0, room }
    }

    /// Adds an item. What there is no room for comes back.
    pub fn push(&mut self, value: u64, item: T) -> Option<T> {
        let bin = (u64::BITS - value.leading_zeros()) as usize;
        let place = self.put(item);
        if self.filled & (1 << bin) == 0 {
            self.bins[bin].first = place;
            self.filled |= 1 << bin;
        } else {
            self.places[self.bins[bin].last as usize].next = place;
        }
        self.bins[bin].last = place;
        self.len += 1;
        if self.len <= self.room {
            return None;
        }
        self.take(self.filled.trailing_zeros() as usize)
    }

    /// Puts an item in a place that is free.
    fn put(&mut self, item: T) -> u32 {
        let filled = Place { item: Some(item), next: NONE };
        match self.places.get_mut(self.free as usize) {
            Some(place) => {
                let at = self.free;
                self.free = place.next;
                *place = filled;
                at
            }
            None => {
                self.places.push(filled);
                // Never more than the room and one, which 32 bits hold.
                self.places.len() as u32 - 1
            }
        }
    }

    /// The oldest of those worth most.
    pub fn pop(&mut self) -> Option<T> {
        if self.filled == 0 {
            return None;
        }
        self.take((u128::BITS - 1 - self.filled.leading_zeros()) as usize)
    }

    /// The oldest of a bin that holds something.
    fn take(&mut self, bin: usize) -> Option<T> {
        let Bin { first, last } = self.bins[bin];
        let place = &mut self.places[first as usize];
        let item = place.item.take();
        let next = std::mem::replace(&mut place.next, self.free);
        self.free = first;
        if first == last {
            self.filled &= !(1 << bin);
        } else {
            self.bins[bin].first = next;
        }
        self.len -= usize::from(item.is_some());
        item
    }

    /// How many wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_leaves_is_worth_most_and_what_is_dropped_least_each_the_oldest_of_its_like(
            room in 1usize..12, deeds in prop::collection::vec(prop::option::of(0u64..40), 1..200),
        ) {
            let mut bins = Bins::new(room);
            // (bin, number), in the order in which they came.
            let mut model: Vec<(u32, usize)> = Vec::new();
            for (number, deed) in deeds.into_iter().enumerate() {
                let due = |model: &mut Vec<(u32, usize)>, pick: Option<usize>| pick.map(|at| model.remove(at));
                let first_of = |model: &[(u32, usize)], bin: Option<u32>| model.iter().position(|(b, _)| Some(*b) == bin);
                let (came, left) = match deed {
                    Some(value) => {
                        let bin = u64::BITS - value.leading_zeros();
                        model.push((bin, number));
                        let least = model.iter().map(|(bin, _)| *bin).min().filter(|_| model.len() > room);
                        let pick = first_of(&model, least);
                        (bins.push(value, number), due(&mut model, pick))
                    }
                    None => {
                        let pick = first_of(&model, model.iter().map(|(bin, _)| *bin).max());
                        (bins.pop(), due(&mut model, pick))
                    }
                };
                prop_assert_eq!(came, left.map(|(_, number)| number));
                prop_assert_eq!(bins.len(), model.len());
                prop_assert_eq!(bins.is_empty(), model.is_empty());
            }
        }
    }

    #[test]
    fn the_greatest_value_has_a_bin() {
        let mut bins = Bins::new(2);
        assert_eq!((bins.push(u64::MAX, 'a'), bins.push(0, 'b'), bins.push(1, 'c')), (None, None, Some('b')));
        assert_eq!([bins.pop(), bins.pop(), bins.pop()], [Some('a'), Some('c'), None]);
    }
}
