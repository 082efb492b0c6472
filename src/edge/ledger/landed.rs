//! Did it land? A pure function of the block it was for and of what we knew when we sent it.
//!
//! # Invariants
//! - Only our own transaction's hash says that it landed. That the trigger is there proves nothing: a rival may have taken it.
//! - A reason is given where the block shows it; else it is [`Reason::Unknown`].
//!
//! # Limits
//! - A rival is told by the pools it touched: right behind the trigger one of ours is enough, elsewhere two of ours are
//!   (or the only one). A user who swaps through two of our pools at once looks the same.
//! - Who took a position that ours was to take says so in a log of the market's: that is exact, and nothing else is asked.
//! - What a rival paid by transfer to the coinbase is known only where the caller traced it.

use alloy::rpc::types::Block as RpcBlock;
use alloy::rpc::types::Transaction;
use alloy::rpc::types::TransactionReceipt;
use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

use crate::protocols::lending::taken;
use crate::protocols::lending::taken::Gain;
use crate::protocols::lending::taken::Moved;
use crate::protocols::lending::taken::Position;
use crate::protocols::lending::taken::Taken;
use crate::types::pool_key::PoolKey;

/// A mined block, as far as this needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// When we first heard of it, in unix milliseconds.
    pub seen_ms: u64,
    /// Who was paid.
    pub coinbase: Address,
    /// In order.
    pub txs: Vec<MinedTx>,
}

/// A mined transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinedTx {
    /// Its hash.
    pub hash: B256,
    /// Its sender.
    pub from: Address,
    /// Whether it did not revert.
    pub success: bool,
    /// Gas burnt.
    pub gas: u64,
    /// What the coinbase gained by it, in wei: the tip, and transfers where they were traced.
    pub paid: U256,
    /// What it gave for everything, in wei: gas at its effective price.
    pub fee: U256,
    /// Who emitted its logs, and of whose pools they may speak: see [`PoolKey::named_by`].
    pub touched: Vec<PoolKey>,
    /// The liquidations in it.
    pub taken: Vec<Taken>,
    /// Where there are any: tokens that its sender, whom it called and the liquidators have more of together.
    pub gained: Vec<Gain>,
}

/// What we wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch<'a> {
    /// The block it is for.
    pub target: u64,
    /// The transaction it follows.
    pub trigger: Option<B256>,
    /// Our transaction.
    pub ours: B256,
    /// Our sender: what it does is no rival.
    pub owner: Address,
    /// The pools it goes through.
    pub pools: &'a [PoolKey],
    /// The positions that it liquidates.
    pub positions: &'a [Position],
    /// When the last relay was asked, in unix milliseconds; `None` when none is known to have been.
    pub sent_ms: Option<u64>,
    /// The block that already held the trigger, when there is one.
    pub trigger_mined: Option<u64>,
}

/// Where a bundle landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landed {
    /// The block.
    pub block: u64,
    /// Its hash: a reorg may take it back.
    pub hash: B256,
    /// Place of our transaction.
    pub index: u64,
    /// Gas it burnt.
    pub gas: u64,
    /// What it gave for gas, in wei.
    pub fee: U256,
    /// What the coinbase gained by it, in wei, as far as was traced.
    pub paid: U256,
}

/// Why it did not land.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The trigger is not in the block.
    #[serde(rename = "victim_not_included")]
    TargetNotIncluded,
    /// Another took it.
    Outbid {
        /// The rival's transaction.
        by: B256,
        /// What the coinbase gained by it, in wei, as far as was traced.
        paid: U256,
    },
    /// It was sent after the block was seen, or its trigger was in an earlier one.
    Late,
    /// The trigger reverted, or ours did: with our own guard that costs gas and nothing else.
    Reverted,
    /// Another bundle of ours landed: they share a nonce, so that no more than one can.
    Superseded {
        /// Its transaction of ours.
        by: B256,
    },
    /// The block does not show why.
    Unknown,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// This block is not the one, and ours is not in it.
    NotYet,
    /// Ours is in it, and did not revert.
    Landed(Landed),
    /// Ours will not land any more.
    NotLanded(Reason),
}

/// Holds a bundle against a block.
#[must_use]
pub fn follow(watch: &Watch<'_>, block: &Block) -> Followed {
    if let Some((index, ours)) = find(block, watch.ours) {
        // In any block: a public copy, or a reorg, may bring it elsewhere than planned.
        return if ours.success { Followed::Landed(landed(block, index, ours)) } else { not(Reason::Reverted) };
    }
    if block.number < watch.target {
        return Followed::NotYet;
    }
    if block.number > watch.target {
        return not(Reason::Unknown);
    }
    let late = watch.sent_ms.is_some_and(|sent| sent > block.seen_ms);
    let target = match watch.trigger {
        None => None,
        Some(trigger) => match find(block, trigger) {
            Some((_, target)) if !target.success => return not(Reason::Reverted),
            Some((index, _)) => Some(index),
            None if watch.trigger_mined.is_some_and(|mined| mined < watch.target) => return not(Reason::Late),
            None => return not(Reason::TargetNotIncluded),
        },
    };
    // Who was too late had no part in the auction, whoever won it.
    if late {
        return not(Reason::Late);
    }
    if let Some(by) = taker(watch, block) {
        return not(Reason::Outbid { by: by.hash, paid: by.paid });
    }
    let rival = if watch.positions.is_empty() { rival(watch, block, target) } else { None };
    let ours = block.txs.iter().find(|tx| tx.from == watch.owner);
    not(match (rival, ours) {
        // Who stands right behind the trigger took it. Further down it may be a user, and our nonce is gone for certain.
        (Some((index, rival)), ours) if ours.is_none() || target.is_some_and(|target| index == target + 1) => {
            Reason::Outbid { by: rival.hash, paid: rival.paid }
        }
        (_, Some(ours)) => Reason::Superseded { by: ours.hash },
        _ => Reason::Unknown,
    })
}

/// The first transaction of another that liquidated one of ours' positions.
fn taker<'a>(watch: &Watch<'_>, block: &'a Block) -> Option<&'a MinedTx> {
    let is_ours = |taken: &Taken| watch.positions.iter().any(|position| taken.is_of(position));
    block.txs.iter().find(|tx| tx.from != watch.owner && tx.taken.iter().any(is_ours))
}

/// The first transaction of another that took what ours was to take.
fn rival<'a>(watch: &Watch<'_>, block: &'a Block, target: Option<usize>) -> Option<(usize, &'a MinedTx)> {
    let first = target.map_or(0, |index| index + 1);
    block.txs.iter().enumerate().skip(first).find_map(|(index, tx)| {
        let common = watch.pools.iter().filter(|pool| tx.touched.contains(pool)).count();
        let right_behind = target.is_some_and(|target| index == target + 1);
        let enough = if right_behind { 1 } else { watch.pools.len().min(2) };
        (tx.success && tx.from != watch.owner && common > 0 && common >= enough).then_some((index, tx))
    })
}

fn find(block: &Block, hash: B256) -> Option<(usize, &MinedTx)> {
    block.txs.iter().enumerate().find(|(_, tx)| tx.hash == hash)
}

fn landed(block: &Block, index: usize, ours: &MinedTx) -> Landed {
    let (gas, fee, paid) = (ours.gas, ours.fee, ours.paid);
    Landed { block: block.number, hash: block.hash, index: index as u64, gas, fee, paid }
}

const fn not(reason: Reason) -> Followed {
    Followed::NotLanded(reason)
}

/// Why a node's block and receipts are not one block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Not as many receipts as transactions.
    #[error("block {number} has {txs} transactions and {receipts} receipts")]
    Count {
        /// Which.
        number: u64,
        /// Transactions.
        txs: usize,
        /// Receipts.
        receipts: usize,
    },
    /// A receipt of something else.
    #[error("block {number}: receipt {index} is of another transaction")]
    Order {
        /// Which.
        number: u64,
        /// Where.
        index: usize,
    },
}

impl Block {
    /// What other transactions of the owner's burnt in it that reverted, in wei: it is gone from the same balance as what `ours`
    /// gave. What a reorg has undone is in the nodes' pools, and may come so behind what took its place.
    #[must_use]
    pub fn burnt_besides(&self, ours: B256, owner: Address) -> U256 {
        let besides = self.txs.iter().filter(|tx| tx.from == owner && tx.hash != ours && !tx.success);
        besides.fold(U256::ZERO, |sum, tx| sum.saturating_add(tx.fee))
    }

    /// Reads what a node answers to `eth_getBlockByNumber` (hashes or bodies) and `eth_getBlockReceipts`. `paid` is the
    /// tip alone; add what was traced.
    pub fn read(
        block: &RpcBlock<Transaction>,
        receipts: &[TransactionReceipt],
        seen_ms: u64,
    ) -> Result<Self, BlockError> {
        let number = block.header.number;
        let base_fee = u128::from(block.header.base_fee_per_gas.unwrap_or(0));
        let hashes: Vec<B256> = block.transactions.hashes().collect();
        if hashes.len() != receipts.len() {
            return Err(BlockError::Count { number, txs: hashes.len(), receipts: receipts.len() });
        }
        let mut txs = Vec::with_capacity(receipts.len());
        for (index, (hash, receipt)) in hashes.into_iter().zip(receipts).enumerate() {
            if receipt.transaction_hash != hash {
                return Err(BlockError::Order { number, index });
            }
            let (gas, price) = (U256::from(receipt.gas_used), receipt.effective_gas_price);
            let mut touched: Vec<PoolKey> =
                receipt.logs().iter().flat_map(|log| PoolKey::named_by(log.address(), log.topics())).collect();
            touched.sort_unstable();
            touched.dedup();
            let (taken, gained) = liquidations(receipt);
            txs.push(MinedTx {
                hash,
                from: receipt.from,
                success: receipt.status(),
                gas: receipt.gas_used,
                paid: gas * U256::from(price.saturating_sub(base_fee)),
                fee: gas * U256::from(price),
                touched,
                taken,
                gained,
            });
        }
        Ok(Self { number, hash: block.header.hash, seen_ms, coinbase: block.header.beneficiary, txs })
    }
}

/// The liquidations that a receipt's logs tell of, and what they left to those who did them. A log that looks like one and
/// cannot be read is none: anyone may write it.
fn liquidations(receipt: &TransactionReceipt) -> (Vec<Taken>, Vec<Gain>) {
    let logs = || receipt.logs().iter().map(|log| (log.address(), log.topics(), log.data().data.as_ref()));
    let mut all: Vec<Taken> =
        logs().filter_map(|(at, topics, data)| Taken::read(at, topics, data).ok().flatten()).collect();
    if all.is_empty() {
        return (all, Vec::new());
    }
    let mut moved: Vec<Moved> = logs().filter_map(|(at, topics, data)| Moved::read(at, topics, data)).collect();
    let wrapped = logs().filter_map(|(at, topics, data)| Moved::wrapped(at, topics, data));
    // A token that logs both says the same twice.
    let silent: Vec<Moved> = wrapped.filter(|wrapped| !moved.contains(wrapped)).collect();
    moved.extend(silent);
    let mut accounts = vec![receipt.from];
    // A market that is called by its liquidator itself is no party to his gain.
    accounts.extend(receipt.to.filter(|to| all.iter().all(|taken| taken.market != *to)));
    accounts.extend(all.iter().map(|taken| taken.liquidator));
    all.iter_mut().for_each(|taken| taken.name(&moved));
    let gained = taken::gains(&moved, &accounts);
    (all, gained)
}
