//! The way into a hot thread: what concerns the chain in order and never dropped, pending transactions while there is room.
//!
//! # Invariants
//! - What concerns the chain is read before any pending transaction: none is judged on a state that is known to be old.
//! - Transactions heard of now are read before those that wait: [`Feeder::later`].
//! - A full pending part refuses what comes. The chain's part grows: a block is never lost.
//! - The reader ends when the writer is gone and everything is read.

use crossbeam::channel;

/// The writer's end.
#[derive(Debug)]
pub struct Feeder<C, P> {
    chain: channel::Sender<C>,
    pending: channel::Sender<P>,
    later: channel::Sender<P>,
}

/// The reader's end.
#[derive(Debug)]
pub struct Inbox<C, P> {
    chain: channel::Receiver<C>,
    pending: channel::Receiver<P>,
    later: channel::Receiver<P>,
    spin: bool,
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
    (Feeder { chain, pending, later }, Inbox { chain: chain_out, pending: pending_out, later: later_out, spin })
}

impl<C, P> Feeder<C, P> {
    /// Hands in what concerns the chain. False when the thread is gone.
    pub fn chain(&self, item: C) -> bool {
        self.chain.send(item).is_ok()
    }

    /// Hands in a pending transaction. False when there is no room.
    pub fn pending(&self, item: P) -> bool {
        self.pending.try_send(item).is_ok()
    }

    /// Hands in one that can wait until no other is there. False when there is no room.
    pub fn later(&self, item: P) -> bool {
        self.later.try_send(item).is_ok()
    }
}

impl<C, P> Inbox<C, P> {
    /// The next item; waits for it, by polling or by sleeping. `None` at the end.
    pub fn next(&self) -> Option<Item<C, P>> {
        loop {
            match self.chain.try_recv() {
                Ok(item) => return Some(Item::Chain(item)),
                // The writer holds all ends or none.
                Err(channel::TryRecvError::Disconnected) => return self.waiting(),
                Err(channel::TryRecvError::Empty) => (),
            }
            if let Some(item) = self.waiting() {
                return Some(item);
            }
            self.wait();
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

    /// A pending transaction, if there is any now.
    pub fn waiting(&self) -> Option<Item<C, P>> {
        self.pending.try_recv().or_else(|_| self.later.try_recv()).ok().map(Item::Pending)
    }

    fn wait(&self) {
        if self.spin {
            std::hint::spin_loop();
            return;
        }
        let mut select = channel::Select::new();
        select.recv(&self.chain);
        select.recv(&self.pending);
        select.recv(&self.later);
        select.ready();
    }
}

/// What was made ahead of need, by whoever may wait. Taking from it never waits.
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

    #[test]
    fn the_chain_comes_first_and_a_full_inbox_drops_pending_transactions_alone() {
        for spin in [false, true] {
            let (feeder, inbox) = pair(2, spin);
            assert!(feeder.later(7));
            let taken: Vec<bool> = (0..5).map(|item| feeder.pending(item)).collect();
            assert_eq!(taken, [true, true, false, false, false]);
            assert!(feeder.chain('a') && feeder.chain('b'));
            let read = || match inbox.next() {
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
            let (feeder, inbox) = pair(8, spin);
            let reader = std::thread::spawn(move || {
                let mut seen = 0;
                while let Some(Item::Chain(n) | Item::Pending(n)) = inbox.next() {
                    seen += n;
                }
                seen
            });
            assert!(feeder.chain(1));
            assert!(feeder.pending(10) && feeder.later(1000) && feeder.chain(100));
            drop(feeder);
            assert_eq!(reader.join().expect("the reader"), 1111);
        }
    }
}
