//! What strangers can make us fetch. A pending transaction is anybody's, and whatever it reads that we do not know is asked of the
//! node, told to every hot thread and held: of one, of one sender, and behind one block it is bounded.
//!
//! # Invariants
//! - Asked before anything of it is known or read: what is refused costs no memory and no request.
//! - What is refused is counted by the bound that refused it, and the last of each is shown with who it was.
//!
//! # Limits
//! - Of what may be fetched, all is held until so much is that the state is loaded anew without it ([`Fetches::is_full`]).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use alloy_primitives::{Address, B256};
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::edge::bootstrap::Keep;
use crate::edge::chain::ChainError;
use crate::hot::event::FetchedState;
use crate::hot::event::Pending;
use crate::hot::event::StateKey;
use crate::metrics::said::is_said;

/// Accounts and slots held for transactions before the state is loaded anew: hours of the busiest recorded blocks, and some
/// hundreds of bytes each.
const MOST_HELD: u64 = 2_000_000;
/// Transactions that are fetched for at once: each asks a node several things, and what a block changed is asked beside them.
const AT_ONCE: usize = 16;

/// Accounts and slots that may be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For one transaction, as long as it waits.
    pub tx: u64,
    /// For one sender, behind one block.
    pub sender: u64,
    /// For all of them, behind one block.
    pub block: u64,
}

/// Which bound was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// A transaction's.
    Tx,
    /// A sender's.
    Sender,
    /// A block's.
    Block,
}

/// The last refusal of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The transaction.
    pub tx: B256,
    /// Who sent it.
    pub sender: Address,
    /// Accounts and slots that it wanted.
    pub wanted: u64,
    /// How often this bound has refused.
    pub times: u64,
}

/// How it stands, for others to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Accounts and slots that were fetched for transactions since the start.
    pub fetched: u64,
    /// Those that are held now.
    pub held: u64,
    /// Refusals, by the bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx: Option<Refusal>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Refusal>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<Refusal>,
}

/// What was fetched, and for whom.
#[derive(Debug)]
pub struct Fetches {
    bounds: Bounds,
    turns: Semaphore,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    standing: Standing,
    txs: HashMap<B256, u64>,
    /// Since the last block.
    senders: HashMap<Address, u64>,
    block: u64,
    /// Of our own since then: what a proof reads, which a stranger's token has a say in as well.
    own: u64,
}

impl Fetches {
    /// Within these bounds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, turns: Semaphore::new(AT_ONCE), inner: Mutex::default() }
    }

    /// Fetches what was missing behind block `at`. Of a pending transaction that it is the first fetch for all that it reads, in one
    /// go; of what a proof misses, and of what is still missing then, that.
    ///
    /// # Errors
    /// The node does not answer as due.
    pub async fn fetch(
        &self,
        (keep, at): (&Keep, B256),
        state_keys: &[StateKey],
        of: Option<(&Pending, bool)>,
    ) -> Result<Result<FetchedState, Bound>, ChainError> {
        let (who, first) = (of.map(|(pending, _)| (pending.hash(), pending.sender())), of.filter(|(_, first)| *first));
        let (refused, allowed) = (OnceLock::new(), AtomicU64::new(0));
        let allow = |wanted| match self.allow(who, wanted) {
            Ok(()) => {
                allowed.fetch_add(wanted, Ordering::Relaxed);
                true
            }
            Err(bound) => {
                let _first = refused.set(bound);
                false
            }
        };
        // Never closed. Our own state is not kept waiting by strangers.
        let _turn = if who.is_some() { self.turns.acquire().await.ok() } else { None };
        let fetched = match first {
            None => keep.fetch_if(at, state_keys, &allow).await,
            Some((pending, _)) => {
                // What is missing for sure, whatever the node makes of the transaction.
                let missing = keep.fetch_if(at, state_keys, &allow);
                let both = tokio::try_join!(missing, keep.prefetch_if(at, &pending.tx, &allow));
                both.map(|(missing, more)| {
                    missing.zip(more).map(|(mut missing, more)| {
                        missing.accounts.extend(more.accounts);
                        missing.hashes.extend(more.hashes);
                        missing
                    })
                })
            }
        };
        let fetched = fetched.inspect_err(|_| self.give_back(who, allowed.load(Ordering::Relaxed)))?;
        Ok(fetched.ok_or_else(|| refused.into_inner().unwrap_or(Bound::Block)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was not had counts for nobody.
    fn give_back(&self, who: Option<(B256, Address)>, wanted: u64) {
        let mut inner = self.lock();
        if let Some((tx, sender)) = who {
            let less = |spent: &mut u64| *spent = spent.saturating_sub(wanted);
            inner.txs.get_mut(&tx).into_iter().for_each(less);
            inner.senders.get_mut(&sender).into_iter().for_each(less);
            inner.block = inner.block.saturating_sub(wanted);
        } else {
            inner.own = inner.own.saturating_sub(wanted);
        }
        inner.standing.fetched = inner.standing.fetched.saturating_sub(wanted);
        inner.standing.held = inner.standing.held.saturating_sub(wanted);
    }

    /// Whether `wanted` accounts and slots may be fetched for a transaction and its sender. What is nobody's is ours: it
    /// has the bound of a block for itself, which strangers do not fill. If so, they are counted.
    ///
    /// # Errors
    /// The bound that they would exceed.
    pub fn allow(&self, who: Option<(B256, Address)>, wanted: u64) -> Result<(), Bound> {
        let mut inner = self.lock();
        let (tx, sender) = who.unwrap_or_default();
        let with = |spent: Option<&u64>| spent.copied().unwrap_or_default().saturating_add(wanted);
        let (of_tx, of_sender) = (with(inner.txs.get(&tx)), with(inner.senders.get(&sender)));
        let of_block = if who.is_some() { inner.block } else { inner.own }.saturating_add(wanted);
        let bound = if who.is_some() && of_tx > self.bounds.tx {
            Bound::Tx
        } else if who.is_some() && of_sender > self.bounds.sender {
            Bound::Sender
        } else if of_block > self.bounds.block {
            Bound::Block
        } else {
            if who.is_some() {
                inner.txs.insert(tx, of_tx);
                inner.senders.insert(sender, of_sender);
                inner.block = of_block;
            } else {
                inner.own = of_block;
            }
            inner.standing.fetched += wanted;
            inner.standing.held += wanted;
            return Ok(());
        };
        inner.standing.refuse(bound, Refusal { tx, sender, wanted, times: 1 });
        Err(bound)
    }

    /// Another block: senders begin anew, and of transactions those that still wait are remembered.
    pub fn turn(&self, waits: impl Fn(&B256) -> bool) {
        let mut inner = self.lock();
        inner.txs.retain(|tx, _| waits(tx));
        inner.senders.clear();
        (inner.block, inner.own) = (0, 0);
    }

    /// So much is held that the state is to be loaded anew without it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.lock().standing.held >= MOST_HELD
    }

    /// The state was loaded anew: nothing that was fetched before is held.
    pub fn forget(&self) {
        self.lock().standing.held = 0;
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.lock().standing.clone()
    }
}

impl Standing {
    fn refuse(&mut self, bound: Bound, refusal: Refusal) {
        let last = match bound {
            Bound::Tx => &mut self.tx,
            Bound::Sender => &mut self.sender,
            Bound::Block => &mut self.block,
        };
        let times = last.map_or(0, |last| last.times) + refusal.times;
        *last = Some(Refusal { times, ..refusal });
        if is_said(times) {
            let Refusal { tx, sender, wanted, .. } = refusal;
            if tx.is_zero() {
                tracing::warn!(wanted, times, "what our own proofs read is more than is fetched behind one block");
            } else {
                tracing::warn!(%tx, %sender, wanted, ?bound, times, "a pending transaction reads more than is fetched for it");
            }
        }
    }

    /// Refusals so far, by the bound's name.
    #[must_use]
    pub fn refused(&self) -> [(&'static str, u64); 3] {
        let times = |last: &Option<Refusal>| last.map_or(0, |last| last.times);
        [("tx", times(&self.tx)), ("sender", times(&self.sender)), ("block", times(&self.block))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_transaction_one_sender_and_one_block_so_much_is_fetched_and_no_more() {
        let fetches = Fetches::new(Bounds { tx: 10, sender: 15, block: 30 });
        let of = |tx: u8, sender: u8| Some((B256::repeat_byte(tx), Address::repeat_byte(sender)));
        assert_eq!((fetches.allow(of(1, 1), 6), fetches.allow(of(1, 1), 5)), (Ok(()), Err(Bound::Tx)));
        assert_eq!(fetches.allow(of(1, 1), 4), Ok(()), "what was refused does not count");
        assert_eq!((fetches.allow(of(2, 1), 6), fetches.allow(of(2, 1), 5)), (Err(Bound::Sender), Ok(())));
        assert_eq!((fetches.allow(of(3, 2), 10), fetches.allow(of(4, 3), 6)), (Ok(()), Err(Bound::Block)));
        assert_eq!(fetches.allow(of(4, 3), 5), Ok(()));
        assert_eq!((fetches.allow(None, 30), fetches.allow(None, 1)), (Ok(()), Err(Bound::Block)), "ours is apart");
        fetches.give_back(None, 30);
        assert_eq!(fetches.allow(None, 30), Ok(()), "what was not had does not count");
        fetches.give_back(of(4, 3), 5);
        assert_eq!(fetches.allow(of(4, 3), 5), Ok(()));
        fetches.turn(|tx| *tx == B256::repeat_byte(1));
        assert_eq!(fetches.allow(of(1, 1), 1), Err(Bound::Tx), "it is the same, and still waits");
        assert_eq!(fetches.allow(of(3, 2), 10), Ok(()));
        assert_eq!(fetches.allow(of(5, 5), u64::MAX), Err(Bound::Tx));
        let standing = fetches.standing();
        assert_eq!((standing.fetched, standing.held), (70, 70));
        assert_eq!(standing.refused(), [("tx", 3), ("sender", 1), ("block", 2)]);
        assert_eq!(standing.tx.map(|last| last.sender), Some(Address::repeat_byte(5)), "and who it was");
        fetches.forget();
        assert_eq!((fetches.standing().fetched, fetches.standing().held), (70, 0));
    }
}
