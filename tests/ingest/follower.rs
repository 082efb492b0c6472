//! Reads the feed and holds it to what it promises, item by item; at the end its chain must be the node's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy_primitives::B256;
use peregrine::edge::chain::BlockId;
use peregrine::edge::ingest::feed::{Cause, Feed};
use peregrine::edge::ingest::queue::Outlet;

use crate::node::{FakeNode, POOL, STRANGER, signer};

/// Nothing in these tests takes as long; it only keeps a broken one from hanging.
pub const LONGEST: Duration = Duration::from_secs(20);

pub struct Follower {
    outlet: Outlet,
    pub chain: Vec<BlockId>,
    logs: BTreeMap<B256, Vec<u64>>,
    owed: Option<BlockId>,
    gap: bool,
    pub gaps: Vec<Cause>,
    pub undone: Vec<(u64, u64)>,
    pub lost: usize,
    pub pending: Vec<B256>,
    seen: BTreeSet<B256>,
}

impl Follower {
    pub fn new(outlet: Outlet) -> Self {
        Self {
            outlet,
            chain: Vec::new(),
            logs: BTreeMap::new(),
            owed: None,
            gap: false,
            gaps: Vec::new(),
            undone: Vec::new(),
            lost: 0,
            pending: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    fn tip(&self) -> Option<BlockId> {
        self.chain.last().copied()
    }

    /// Reads until the node's tip is reached with nothing due, and compares.
    pub async fn reaches(&mut self, node: &FakeNode) {
        while self.tip() != Some(node.tip()) || self.owed.is_some() || self.gap {
            self.step().await;
        }
        let first = self.chain[0].number;
        let due: Vec<_> = node.canonical().into_iter().filter(|block| block.number >= first).collect();
        assert_eq!(self.chain, due);
        for block in &self.chain {
            assert_eq!(self.logs[&block.hash], node.log_indices(block.hash), "logs of block {}", block.number);
        }
    }

    pub async fn hears(&mut self, tx: B256) {
        while !self.seen.contains(&tx) {
            self.step().await;
        }
    }

    pub async fn falls_into_a_gap(&mut self) {
        while !self.gap {
            self.step().await;
        }
    }

    pub async fn step(&mut self) {
        let item = tokio::time::timeout(LONGEST, self.outlet.recv()).await;
        self.take(item.unwrap_or_else(|_| panic!("nothing came; tip {:?}", self.tip())).expect("the feed ended"));
    }

    /// All that is there already.
    pub fn drain(&mut self) {
        while let Some(item) = self.outlet.try_recv() {
            self.take(item);
        }
    }

    fn take(&mut self, item: Feed) {
        match item {
            Feed::Head(head) => {
                assert_eq!(self.owed, None, "head {} before the logs of the last", head.number);
                if let Some(tip) = self.tip() {
                    assert_eq!((head.parent, head.number), (tip.hash, tip.number + 1), "not the tip's child");
                }
                assert_eq!(head.base_fee, Some(1_000_000_000));
                self.chain.push(head.id());
                self.owed = Some(head.id());
            }
            Feed::Logs { block, logs, .. } => {
                assert_eq!(self.owed.take(), Some(block), "logs that are not due");
                assert!(logs.iter().all(|log| log.address == POOL && log.block_hash == block.hash));
                self.logs.insert(block.hash, logs.iter().map(|log| log.log_index).collect());
            }
            Feed::Pending(tx) => {
                assert!(self.owed.is_none() && !self.gap, "a transaction on a state that is not the chain's");
                assert!(self.seen.insert(tx.hash()), "a transaction twice");
                assert!([STRANGER, signer()].contains(&tx.sender()), "{}", tx.sender());
                self.pending.push(tx.hash());
            }
            Feed::Undo { from, to } => {
                assert_eq!(self.tip(), Some(from));
                let at = self.chain.iter().rposition(|block| *block == to).expect("undone to a block never told");
                self.chain.truncate(at + 1);
                self.owed = None;
                self.undone.push((from.number, to.number));
            }
            Feed::Gap { after, cause } => {
                assert!(!self.gap, "a gap within a gap");
                assert!(self.tip().is_none() || after == self.tip());
                self.gap = true;
                self.gaps.push(cause);
            }
            Feed::Recovered { at } => {
                assert!(self.gap && self.owed.is_none());
                assert!(self.tip().is_none() || self.tip() == Some(at));
                self.gap = false;
            }
            Feed::Lost { at } => {
                self.chain = vec![at];
                self.logs.insert(at.hash, vec![0, 2]);
                self.owed = None;
                self.lost += 1;
            }
        }
    }
}
