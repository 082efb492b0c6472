//! What a transaction must have to be included, and the order of those that came through the public mempool.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use alloy_primitives::Address;

use crate::block_builder::order::Tx;
use crate::block_builder::rules::verdict::LeftOut;

/// Each transaction has its sender's next nonce, counting those before it. A sender not in `nonces` is held to begin
/// where its first transaction does.
pub fn check_nonces(txs: &[Tx], nonces: &BTreeMap<Address, u64>) -> Result<(), LeftOut> {
    let mut next: BTreeMap<Address, u64> = BTreeMap::new();
    for tx in txs {
        let due = next.entry(tx.sender).or_insert_with(|| nonces.get(&tx.sender).copied().unwrap_or(tx.nonce));
        if tx.nonce != *due {
            return Err(LeftOut::Nonce { tx: tx.hash, have: tx.nonce, due: *due });
        }
        *due = due.saturating_add(1);
    }
    Ok(())
}

/// Each transaction pays the base fee.
pub fn check_fees(txs: &[Tx], base_fee: u64) -> Result<(), LeftOut> {
    let poor = txs.iter().find(|tx| tx.max_fee < u128::from(base_fee));
    poor.map_or(Ok(()), |tx| Err(LeftOut::Fee { tx: tx.hash, have: tx.max_fee, due: u128::from(base_fee) }))
}

/// The public transactions after the bundles. What must wait comes last, so that it is not lost.
#[must_use]
pub fn order_public(txs: Vec<Tx>, nonces: &BTreeMap<Address, u64>, base_fee: u64) -> Vec<Tx> {
    let Order { mut ready, waiting } = order(txs, nonces, base_fee);
    ready.extend(waiting);
    ready
}

/// The public transactions, sifted.
#[derive(Clone, Debug)]
pub struct Order {
    /// By tip, each sender's in the order of nonces.
    pub ready: Vec<Tx>,
    /// Those of a gap in the nonces, or of too low a fee.
    pub waiting: Vec<Tx>,
}

/// What the bundles hold, or have made impossible, is gone.
#[must_use]
pub fn order(txs: Vec<Tx>, nonces: &BTreeMap<Address, u64>, base_fee: u64) -> Order {
    let mut senders: BTreeMap<Address, Vec<Tx>> = BTreeMap::new();
    for tx in txs {
        if nonces.get(&tx.sender).is_none_or(|next| tx.nonce >= *next) {
            senders.entry(tx.sender).or_default().push(tx);
        }
    }
    let mut waiting = Vec::new();
    let mut ready: Vec<VecDeque<Tx>> = Vec::new();
    for (sender, mut txs) in senders {
        txs.sort_by_key(|tx| tx.nonce);
        let mut due = nonces.get(&sender).copied().unwrap_or_else(|| txs.first().map_or(0, |tx| tx.nonce));
        let runs = txs.iter().take_while(|tx| {
            let runs = tx.nonce == due && tx.tip(base_fee).is_some();
            due += 1;
            runs
        });
        let rest = txs.split_off(runs.count());
        waiting.extend(rest);
        ready.push(txs.into());
    }
    let mut ordered = Vec::new();
    loop {
        // Of equal tips the first sender's, by address: any rule will do, as long as it is one. `max_by_key` takes the last.
        let best = ready.iter_mut().rev().max_by_key(|txs| txs.front().and_then(|tx| tx.tip(base_fee)));
        let Some(tx) = best.and_then(VecDeque::pop_front) else { break };
        ordered.push(tx);
    }
    Order { ready: ordered, waiting }
}

/// Those that fit into so much gas by their limits, in their order. Whose did not fit, of them nothing later does.
#[must_use]
pub fn fitting(mut ready: Vec<Tx>, mut gas: u64) -> Vec<Tx> {
    let mut stopped = BTreeSet::new();
    ready.retain(|tx| {
        let left = gas.checked_sub(tx.gas_limit).filter(|_| !stopped.contains(&tx.sender));
        match left {
            Some(left) => gas = left,
            None => drop(stopped.insert(tx.sender)),
        }
        left.is_some()
    });
    ready
}
