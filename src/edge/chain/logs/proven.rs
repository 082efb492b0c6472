//! A block's logs by its receipts: their root stands in its head, so that no node can say otherwise.
//!
//! Asked for only while there is a doubt: a block's receipts are many times its logs.
//!
//! # Invariants
//! - Receipts count only if their root is the head's.
//! - A doubt ends once so many blocks in a row were told as they are proven. Behind a lie that takes many more.
//!
//! # Limits
//! - Where the root cannot be had (a head without it, receipts in forms of a chain's own, a node that has none), logs are as told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use alloy::consensus::ReceiptEnvelope;
use alloy::consensus::proofs::calculate_receipt_root;
use alloy::rpc::types::TransactionReceipt;
use alloy_primitives::{Address, B256};

use crate::edge::chain::Chain;
use crate::edge::chain::Head;
use crate::edge::chain::Log;
use crate::edge::chain::logs;

/// Blocks whose logs have to be as proven before a doubt is over.
const DUE: u32 = 8;
/// ... behind a lie: an hour of mainnet's.
const DUE_LIED: u32 = 300;

/// How far what nodes tell of logs is doubted.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Blocks whose logs are still to be proven.
    due: AtomicU32,
}

impl Doubts {
    /// What was told does not fit.
    pub(super) fn raise(&self) {
        self.due.fetch_max(DUE, Ordering::Relaxed);
    }

    pub(super) fn is_raised(&self) -> bool {
        self.due.load(Ordering::Relaxed) > 0
    }

    /// A block's logs were held against its receipts, or could not be. Whether that is news: the first lie.
    fn learn(&self, is_lie: bool) -> bool {
        if is_lie {
            return self.due.swap(DUE_LIED, Ordering::Relaxed) <= DUE;
        }
        let _none_left = self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| due.checked_sub(1));
        false
    }
}

impl Chain {
    /// What was told of logs does not fit: the next blocks' are held against their receipts.
    pub fn doubt_logs(&self) {
        self.blooms().doubts.raise();
    }

    /// Puts what the block's receipts prove in the place of what was told.
    pub(super) async fn prove(&self, head: &Head, addresses: &[Address], told: &mut BTreeMap<u64, Log>) {
        let proven = self.proven(head).await;
        let is_lie = proven.as_ref().is_some_and(|proven| !same(addresses, told.values(), proven.values()));
        if self.blooms().doubts.learn(is_lie) {
            let nodes = match &proven {
                Some(proven) => self.liars(head, addresses, proven).await,
                None => Vec::new(),
            };
            let block = head.number;
            tracing::warn!(
                block,
                ?nodes,
                blocks = DUE_LIED,
                "a block's logs are not those that its receipts prove: receipts are read for so many blocks"
            );
        }
        if let Some(proven) = proven {
            *told = proven;
        }
    }

    async fn proven(&self, head: &Head) -> Option<BTreeMap<u64, Log>> {
        let due = head.receipts_root?;
        let mut pause = logs::PAUSE[0];
        for _ in 0..logs::TRIES {
            let is_due = |told: &Option<Vec<TransactionReceipt>>| root(told.as_deref()) == Some(due);
            match self.ask(|node| async move { node.receipts(head.hash).await }, is_due).await {
                Ok(told) if is_due(&told) => return Some(of_receipts(head, told.unwrap_or_default())),
                // Nothing yet, or of some of its transactions.
                Ok(_) => tokio::time::sleep(pause).await,
                Err(error) => {
                    tracing::debug!(block = head.number, %error, "no receipts to hold logs against");
                    return None;
                }
            }
            pause = (pause * 2).min(logs::PAUSE[1]);
        }
        None
    }

    /// The nodes that tell something else. None: a socket did.
    async fn liars(&self, head: &Head, addresses: &[Address], proven: &BTreeMap<u64, Log>) -> Vec<String> {
        let mut liars = Vec::new();
        for node in self.nodes().iter().filter(|node| node.out().is_none()) {
            let told = node.logs(head.hash, addresses).await;
            if told.is_ok_and(|told| !same(addresses, &told, proven.values())) {
                liars.push(node.name().to_owned());
            }
        }
        liars
    }
}

/// The root of receipts, in the form in which a block's header has it.
fn root(receipts: Option<&[TransactionReceipt]>) -> Option<B256> {
    let receipts: Vec<ReceiptEnvelope> =
        receipts?.iter().map(|receipt| receipt.clone().into_primitives_receipt().inner).collect();
    Some(calculate_receipt_root(&receipts))
}

/// All logs of receipts: the root does not cover what a node says of their places.
fn of_receipts(head: &Head, receipts: Vec<TransactionReceipt>) -> BTreeMap<u64, Log> {
    let of = |receipt: TransactionReceipt| {
        let transaction_hash = receipt.transaction_hash;
        let logs = receipt.into_primitives_receipt().inner.logs().to_vec();
        logs.into_iter().map(move |log| Log {
            address: log.address,
            topics: log.data.topics().to_vec(),
            data: log.data.data,
            block_hash: head.hash,
            transaction_hash,
            ..Log::default()
        })
    };
    (0..).zip(receipts.into_iter().flat_map(of)).map(|(at, log)| (at, Log { log_index: at, ..log })).collect()
}

/// Whether both say the same of what these addresses (sorted) emitted.
fn same<'a>(
    addresses: &[Address],
    told: impl IntoIterator<Item = &'a Log>,
    proven: impl IntoIterator<Item = &'a Log>,
) -> bool {
    let of = |log: &&'a Log| addresses.binary_search(&log.address).is_ok();
    let said = |log: &'a Log| (log.log_index, log.says());
    told.into_iter().filter(of).map(said).eq(proven.into_iter().filter(of).map(said))
}

#[cfg(test)]
mod tests {
    use super::{DUE, DUE_LIED, Doubts};

    #[test]
    fn a_doubt_ends_once_enough_blocks_are_as_proven_and_a_lie_is_news_once() {
        let doubts = Doubts::default();
        assert!(!doubts.is_raised());
        doubts.raise();
        for _ in 0..DUE {
            assert!(doubts.is_raised() && !doubts.learn(false));
        }
        assert!(!doubts.is_raised());
        doubts.raise();
        assert!(doubts.learn(true) && !doubts.learn(true));
        // Another doubt does not shorten it.
        doubts.raise();
        assert!((0..DUE_LIED - 1).all(|_| !doubts.learn(false) && doubts.is_raised()));
        assert!(!doubts.learn(false) && !doubts.is_raised());
    }
}
