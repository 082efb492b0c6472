//! The way into a hot thread: what concerns the chain in order and never dropped, pending transactions while there is room.
//!
//! # Invariants
//! - What concerns the chain is read before any pending transaction: none is judged on a state that is known to be old.
//! - Transactions heard of now are read before those that wait: [`Feeder::later`]; of either, those worth most first.
//! - The reader takes all that came out of the rings before it picks one, so that a ring fills only while it works on one
//!   item; what there is no room for is dropped, the least valuable first, and counted: [`Inbox::dropped`]. A ring that is
//!   full all the same refuses what comes. The chain's part grows: a block is never lost.
//! - The reader ends when the writer is gone and everything is read.

use std::time::Duration;

use crossbeam::channel;

use crate::hot::rt::bins::Bins;

/// The writer's end.
#[derive(Debug)]
pub struct Feeder<C, P> {
    chain: channel::Sender<C>,
    pending: channel::Sender<(u64, P)>,
    later: channel::Sender<(u64, P)>,
}

/// The reader's end.
#[derive(Debug)]
pub struct Inbox<C, P> {
    chain: channel::Receiver<C>,
    pending: Part<P>,
    later: Part<P>,
    spin: bool,
    dropped: u64,
}

/// A ring, and what was taken out of it.
#[derive(Debug)]
struct Part<P> {
    ring: channel::Receiver<(u64, P)>,
    waiting: Bins<P>,
}

impl<P> Part<P> {
    /// Takes all that came; how many were dropped for it.
    fn drain(&mut self) -> u64 {
        // No more than there are now: a writer that is faster than this must not keep the reader here.
        let came = self.ring.try_iter().take(self.ring.len());
        came.map(|(value, item)| u64::from(self.waiting.push(value, item).is_some())).sum()
    }
}

/// There will be no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

/// What was read.
#[derive(Debug)]
pub enum Item<C, P> {
    /// Of the chain.
    Chain(C),
    /// A pending transaction.
    Pending(P),
}

/// Both ends, with room for so many pending transactions.
#[must_use]
pub fn pair<C, P>(room: usize, spin: bool) -> (Feeder<C, P>, Inbox<C, P>) {
    let (chain, chain_out) = channel::unbounded();
    let (pending, pending_out) = channel::bounded(room);
    let (later, later_out) = channel::bounded(room);
    let [pending_out, later_out] = [pending_out, later_out].map(|ring| Part { ring, waiting: Bins::new(room) });
    (
        Feeder { chain, pending, later },
        Inbox { chain: chain_out, pending: pending_out, later: later_out, spin, dropped: 0 },
    )
}

impl<C, P> Feeder<C, P> {
    /// Hands in what concerns the chain. False when the thread is gone.
    pub fn chain(&self, item: C) -> bool {
        self.chain.send(item).is_ok()
    }

    /// Hands in a pending transaction of this value. False when there is no room.
    pub fn pending(&self, value: u64, item: P) -> bool {
        self.pending.try_send((value, item)).is_ok()
    }

    /// Hands in one that can wait until no other is there. False when there is no room.
    pub fn later(&self, value: u64, item: P) -> bool {
        self.later.try_send((value, item)).is_ok()
    }
}

impl<C, P> Inbox<C, P> {
    /// Whether its reader polls, and never sleeps.
    #[must_use]
    pub const fn spins(&self) -> bool {
        self.spin
    }

    /// The next item; waits for it, by polling or by sleeping. `None` at the end.
    pub fn read(&mut self) -> Option<Item<C, P>> {
        loop {
            match self.now() {
                Ok(Some(item)) => return Some(item),
                Ok(None) => self.wait(None),
                Err(Ended) => return None,
            }
        }
    }

    /// The next item, asleep for no longer than `patience`. `None`: there was none in that time.
    ///
    /// # Errors
    /// The writer is gone, and everything is read.
    pub fn read_within(&mut self, patience: Duration) -> Result<Option<Item<C, P>>, Ended> {
        let item = self.now()?;
        if item.is_some() {
            return Ok(item);
        }
        self.wait(Some(patience));
        self.now()
    }

    /// The next item, if there is any now.
    fn now(&mut self) -> Result<Option<Item<C, P>>, Ended> {
        match self.chain.try_recv() {
            Ok(item) => Ok(Some(Item::Chain(item))),
            // The writer holds all ends or none.
            Err(channel::TryRecvError::Disconnected) => self.waiting().map(Some).ok_or(Ended),
            Err(channel::TryRecvError::Empty) => Ok(self.waiting()),
        }
    }

    /// What concerns the chain, if there is any now.
    ///
    /// # Errors
    /// The writer is gone, and all of this kind is read.
    pub fn chain(&self) -> Result<Option<C>, Ended> {
        match self.chain.try_recv() {
            Ok(item) => Ok(Some(item)),
            Err(channel::TryRecvError::Empty) => Ok(None),
            Err(channel::TryRecvError::Disconnected) => Err(Ended),
        }
    }

    /// Dropped for want of room since it was last asked.
    pub const fn dropped(&mut self) -> u64 {
        std::mem::replace(&mut self.dropped, 0)
    }

    /// A pending transaction, if there is any now.
    pub fn waiting(&mut self) -> Option<Item<C, P>> {
        self.dropped += self.pending.drain() + self.later.drain();
        self.pending.waiting.pop().or_else(|| self.later.waiting.pop()).map(Item::Pending)
    }

    fn wait(&self, patience: Option<Duration>) {
        if self.spin {
            std::hint::spin_loop();
            return;
        }
        let mut select = channel::Select::new();
        select.recv(&self.chain);
        select.recv(&self.pending.ring);
        select.recv(&self.later.ring);
        match patience {
            // Late or not: the caller looks again.
            Some(patience) => drop(select.ready_timeout(patience)),
            None => drop(select.ready()),
        }
    }
}

/// What was made ahead of need, by threads that may wait. Taking from it never waits.
#[derive(Debug)]
pub struct Supply<T>(channel::Receiver<T>);

/// A supply of so many at most, and where they are put in: putting in waits until there is room.
#[must_use]
pub fn supply<T>(room: usize) -> (channel::Sender<T>, Supply<T>) {
    let (put, take) = channel::bounded(room);
    (put, Supply(take))
}

impl<T> Supply<T> {
    /// One, if any is left.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        self.0.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_chain_comes_first_and_a_full_inbox_drops_pending_transactions_alone() {
        for spin in [false, true] {
            let (feeder, mut inbox) = pair(2, spin);
            assert!(feeder.later(0, 7));
            let taken: Vec<bool> = (0..5).map(|item| feeder.pending(0, item)).collect();
            assert_eq!(taken, [true, true, false, false, false]);
            assert!(feeder.chain('a') && feeder.chain('b'));
            let mut read = || match inbox.read() {
                Some(Item::Chain(item)) => item.to_string(),
                Some(Item::Pending(item)) => item.to_string(),
                None => "end".to_owned(),
            };
            assert_eq!([read(), read(), read()], ["a", "b", "0"]);
            drop(feeder);
            assert_eq!([read(), read(), read()], ["1", "7", "end"]);
        }
    }

    #[test]
    fn a_reader_wakes_for_either_and_for_the_end() {
        for spin in [false, true] {
            let (feeder, mut inbox) = pair(8, spin);
            let reader = std::thread::spawn(move || {
                let mut seen = 0;
                while let Some(Item::Chain(n) | Item::Pending(n)) = inbox.read() {
                    seen += n;
                }
                seen
            });
            assert!(feeder.chain(1));
            assert!(feeder.pending(1, 10) && feeder.later(2, 1000) && feeder.chain(100));
            drop(feeder);
            assert_eq!(reader.join().expect("the reader"), 1111);
        }
    }

    #[test]
    fn the_most_valuable_is_read_first_the_least_valuable_dropped_and_no_head_waits() {
        let (feeder, mut inbox) = pair(3, true);
        assert!(feeder.pending(1, 'c') && feeder.pending(900, 'x') && feeder.pending(0, 'o'));
        assert!(feeder.later(5_000, 'l') && feeder.chain('h'));
        let mut read = || match inbox.read() {
            Some(Item::Chain(item) | Item::Pending(item)) => (item, inbox.dropped()),
            None => ('.', inbox.dropped()),
        };
        assert_eq!([read(), read()], [('h', 0), ('x', 0)]);
        // Two wait; of those that come two find no room among them.
        assert!(feeder.pending(0, 'p') && feeder.pending(7, 'y') && feeder.pending(80, 'z') && feeder.chain('i'));
        assert_eq!([read(), read(), read()], [('i', 0), ('z', 2), ('y', 0)]);
        drop(feeder);
        assert_eq!([read(), read(), read()], [('c', 0), ('l', 0), ('.', 0)]);
    }

    /// What is done to both ends.
    #[derive(Clone, Copy, Debug)]
    enum Deed {
        Chain,
        Pending(u64),
        Later(u64),
        Read,
    }

    proptest! {
        #[test]
        fn nothing_of_the_chain_waits_behind_a_transaction_and_all_that_came_is_read_refused_or_dropped(
            room in 1usize..5,
            deeds in prop::collection::vec(
                prop_oneof![
                    Just(Deed::Chain), (0u64..9).prop_map(Deed::Pending), (0u64..9).prop_map(Deed::Later), Just(Deed::Read)
                ],
                1..100,
            ),
        ) {
            let (feeder, mut inbox) = pair(room, true);
            let (mut chain, mut read_of_chain) = (0, 0);
            let (mut offered, mut refused, mut read, mut dropped) = (0, 0, 0, 0);
            for deed in deeds {
                let taken = match deed {
                    Deed::Chain => {
                        chain += u64::from(feeder.chain(chain));
                        continue;
                    }
                    Deed::Pending(value) => feeder.pending(value, ()),
                    Deed::Later(value) => feeder.later(value, ()),
                    Deed::Read if chain == read_of_chain && offered == refused + read + dropped => continue,
                    Deed::Read => {
                        match inbox.read() {
                            Some(Item::Chain(number)) => {
                                prop_assert_eq!(number, read_of_chain, "in order");
                                read_of_chain += 1;
                            }
                            Some(Item::Pending(())) => {
                                prop_assert_eq!(chain, read_of_chain, "something of the chain waited");
                                read += 1;
                            }
                            None => prop_assert!(false, "the writer is there"),
                        }
                        dropped += inbox.dropped();
                        continue;
                    }
                };
                offered += 1;
                refused += u64::from(!taken);
            }
            drop(feeder);
            while let Some(item) = inbox.read() {
                read += u64::from(matches!(item, Item::Pending(())));
            }
            prop_assert_eq!(offered, refused + read + dropped + inbox.dropped());
        }
    }
}
