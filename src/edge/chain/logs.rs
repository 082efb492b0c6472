//! A block's logs, held against the bloom of its head: an answer that lacks what the block has is "not yet".
//!
//! # Invariants
//! - The head's bloom over all logs of a block is exact: as many bits as its logs set, no more. Where it leaves open whether an
//!   address has logs that the answer lacks, all logs are asked for and their bloom must be the head's.
//! - What a socket told of the block is as true as an answer: the two are joined. Where they contradict each other, or there is
//!   another doubt, the block's receipts decide: [`proven`].
//!
//! # Limits
//! - A chain whose heads hold no true bloom is found out by a few blocks, and believed without from then on; one block in a while is
//!   held against its bloom again, as nodes may only have been late.

mod proven;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use alloy_primitives::{Address, Bloom, BloomInput};

use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::edge::chain::Head;
use crate::edge::chain::Log;
use crate::edge::chain::logs::proven::Doubts;

/// Between two tries: the first time, and the longest. A node has its logs a second behind the head at the latest.
const PAUSE: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(640)];
/// Tries until the block is taken as the node tells it: two seconds and a half.
const TRIES: u32 = 8;
/// Blocks in a row whose blooms never were those of their logs, and blooms are not believed any more.
const UNTRUE: u32 = 3;
/// Blocks that are not held against their blooms then, before one is again.
const UNHELD: u32 = 256;

/// How far the chain's blooms are believed, and what is told of logs.
#[derive(Debug, Default)]
pub(super) struct Blooms {
    untrue: AtomicU32,
    doubts: Doubts,
}

impl Blooms {
    /// This block is not held against its bloom.
    fn is_unheld(&self) -> bool {
        if self.untrue.load(Ordering::Relaxed) < UNTRUE {
            return false;
        }
        let unheld = self.untrue.fetch_add(1, Ordering::Relaxed) - UNTRUE;
        if unheld >= UNHELD {
            self.untrue.store(UNTRUE - 1, Ordering::Relaxed);
        }
        unheld < UNHELD
    }
}

impl Chain {
    /// The logs that `addresses` (sorted) emitted in the block of `head`, in order, `heard` among them: what a socket told of it.
    ///
    /// # Errors
    /// No node answers.
    pub async fn logs_of(
        &self,
        head: &Head,
        addresses: &[Address],
        heard: BTreeMap<u64, Log>,
    ) -> Result<Vec<Log>, ChainError> {
        let mut logs = heard;
        for (place, told) in of_block(head, self.logs(head.hash, addresses).await?) {
            let heard = logs.insert(place, told);
            if heard.is_some_and(|heard| logs.get(&place).is_some_and(|told| told.says() != heard.says())) {
                self.doubt_logs();
            }
        }
        if !addresses.is_empty() {
            self.complete(head, addresses, &mut logs).await?;
            if self.blooms().doubts.is_raised() {
                self.prove(head, addresses, &mut logs).await;
            }
        }
        Ok(logs.into_values().filter(|log| addresses.binary_search(&log.address).is_ok()).collect())
    }

    async fn complete(
        &self,
        head: &Head,
        addresses: &[Address],
        logs: &mut BTreeMap<u64, Log>,
    ) -> Result<(), ChainError> {
        let blooms = self.blooms();
        let Some(due) = head.logs_bloom.as_deref().copied() else { return Ok(()) };
        if lacking(&due, addresses, logs).is_none() || blooms.is_unheld() {
            return Ok(());
        }
        // Past a filter's length they are all here already.
        if bloom(logs.values()) == due {
            return Ok(());
        }
        let mut pause = PAUSE[0];
        for _ in 0..TRIES {
            let all = self.ask(|node| async move { node.all_logs(head.hash).await }, |all| bloom(all) == due).await?;
            let whole = bloom(&all) == due;
            logs.extend(of_block(head, all));
            if whole {
                blooms.untrue.store(0, Ordering::Relaxed);
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE[1]);
        }
        let untrue = blooms.untrue.fetch_add(1, Ordering::Relaxed) + 1;
        let lacking = lacking(&due, addresses, logs).copied().unwrap_or_default();
        tracing::warn!(block = head.number, %lacking, untrue, "a block's logs are not those that its head announces");
        if untrue == UNTRUE {
            tracing::warn!(
                "heads announce logs that no node has, block after block: logs are taken as they are told from now on"
            );
        }
        Ok(())
    }
}

/// By their place in the block.
fn of_block(head: &Head, logs: Vec<Log>) -> impl Iterator<Item = (u64, Log)> {
    let hash = head.hash;
    logs.into_iter().filter(move |log| log.block_hash == hash).map(|log| (log.log_index, log))
}

/// An address that may have emitted logs, and has none here.
fn lacking<'a>(bloom: &Bloom, addresses: &'a [Address], logs: &BTreeMap<u64, Log>) -> Option<&'a Address> {
    let here: BTreeSet<Address> = logs.values().map(|log| log.address).collect();
    let due = |address: &Address| bloom.contains_input(BloomInput::Raw(address.as_slice()));
    addresses.iter().find(|address| due(address) && !here.contains(*address))
}

/// What all logs of a block make of a head's bloom.
fn bloom<'a>(logs: impl IntoIterator<Item = &'a Log>) -> Bloom {
    let mut bloom = Bloom::ZERO;
    for log in logs {
        bloom.accrue(BloomInput::Raw(log.address.as_slice()));
        log.topics.iter().for_each(|topic| bloom.accrue(BloomInput::Raw(topic.as_slice())));
    }
    bloom
}
