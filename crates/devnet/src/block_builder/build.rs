//! One block: choose the bundles, put them and the public mempool into the node's pool in order, mine, and say what
//! became of each. `named`: the same for a node that is handed a block's transactions, and whose pool is left alone.
//!
//! # Invariants
//! - A bundle lands whole, in order and with nothing in between, or not at all. Where a stranger's transaction slipped in
//!   while the pool was filled, the block is mined again with the right order before anyone is told that it landed.
//! - What was in the public pool stays there, or here until the base fee lets the pool take it.
//!
//! # Cost
//! A simulation takes anvil about a millisecond; a block with k bundles takes k of them alone and k in their place.

mod named;

use std::collections::{BTreeMap, HashSet};

use alloy_primitives::{Address, B256, U64, U256};
use futures_util::StreamExt;
use futures_util::stream;
use peregrine_rpc::RpcError;
use serde_json::json;

use crate::block_builder::Built;
use crate::block_builder::Shared;
use crate::block_builder::node::Env;
use crate::block_builder::node::Head;
use crate::block_builder::node::Mines;
use crate::block_builder::node::Ran;
use crate::block_builder::order::Bundle;
use crate::block_builder::order::BundleId;
use crate::block_builder::order::Tx;
use crate::block_builder::pool::Fate;
use crate::block_builder::rules::Candidate;
use crate::block_builder::rules::Choice;
use crate::block_builder::rules::Merge;
use crate::block_builder::rules::Trial;
use crate::block_builder::rules::public;
use crate::block_builder::rules::verdict::LeftOut;
use crate::block_builder::rules::verdict::Value;

/// Simulations in flight at once.
const ABREAST: usize = 8;
/// How often a block is mined again before its bundles are given up.
const MENDS: usize = 3;

/// What one block is built on.
struct BuildContext<'a> {
    shared: &'a Shared,
    head: Head,
    env: Env,
    nonces: BTreeMap<Address, u64>,
}

/// What a block is to hold.
struct Plan {
    chosen: Vec<Candidate>,
    left_out: Vec<(BundleId, LeftOut)>,
    /// The public transactions, in the order they were put behind the bundles.
    public: Vec<Tx>,
}

/// Builds the next block. `parked` are public transactions that the pool would not take at the last base fee. Whoever
/// calls it holds the only right to build.
pub(in crate::block_builder) async fn build(shared: &Shared, parked: &mut Vec<Tx>) -> Result<Built, RpcError> {
    let head = shared.node.head(&json!("latest")).await?;
    let env = head.next(shared.step, shared.coinbase);
    let bundles = {
        let mut held = shared.bundles();
        held.expire(head.number());
        held.for_block(env.number)
    };
    let mut public = shared.node.pool().await?;
    let known: HashSet<B256> = public.iter().map(|tx| tx.hash).collect();
    let (revived, poor): (Vec<Tx>, Vec<Tx>) =
        std::mem::take(parked).into_iter().partition(|tx| tx.tip(env.base_fee).is_some());
    *parked = poor;
    let refill = !revived.is_empty();
    public.extend(revived.into_iter().filter(|tx| !known.contains(&tx.hash)));
    let all: Vec<&Tx> = bundles.iter().flat_map(|bundle| &bundle.txs).chain(&public).collect();
    let nonces = shared.node.nonces(&all, &json!("latest")).await?;
    let context = BuildContext { shared, head, env, nonces };
    let block = context.block(bundles, &public, refill, parked).await;
    if block.is_err() {
        // The pool may have been emptied already: what was in it is not to be lost.
        parked.extend(public);
    }
    block
}

impl BuildContext<'_> {
    async fn block(
        &self,
        bundles: Vec<Bundle>,
        public: &[Tx],
        refill: bool,
        parked: &mut Vec<Tx>,
    ) -> Result<Built, RpcError> {
        let candidates = self.candidates(bundles).await?;
        if self.shared.node.mines() == Mines::Named {
            return self.named(candidates, public).await;
        }
        let plan = self.fill(candidates, public, refill, parked).await?;
        let mut mined = self.shared.node.mine(&self.env).await?;
        for _ in 0..MENDS {
            if begins_with(&mined, &plan) {
                break;
            }
            mined = self.mend(&plan, &mined).await?;
        }
        Ok(self.settle(&plan, &mined))
    }

    /// What each bundle brings alone at the top of the block. Those that fail there are settled.
    async fn candidates(&self, bundles: Vec<Bundle>) -> Result<Vec<Candidate>, RpcError> {
        let alone = stream::iter(bundles).map(|bundle| async move {
            let value = self.alone(&bundle).await;
            (bundle, value)
        });
        let valued: Vec<_> = alone.buffered(ABREAST).collect().await;
        let mut candidates = Vec::new();
        for (bundle, value) in valued {
            match value? {
                Ok(value) => candidates.push(Candidate::new(bundle, value)),
                Err(why) => self.leave_out(bundle.id, why),
            }
        }
        // One may have been taken back while they were simulated.
        let held = self.shared.bundles();
        candidates.retain(|candidate| held.waits(candidate.bundle.id));
        Ok(candidates)
    }

    async fn alone(&self, bundle: &Bundle) -> Result<Result<Value, LeftOut>, RpcError> {
        let timestamp = self.env.timestamp;
        let checked = if bundle.allows(timestamp) { Ok(()) } else { Err(LeftOut::Timestamp { timestamp }) };
        let checked = checked
            .and_then(|()| public::check_fees(&bundle.txs, self.env.base_fee))
            .and_then(|()| public::check_nonces(&bundle.txs, &self.nonces));
        if let Err(why) = checked {
            return Ok(Err(why));
        }
        let value = self.run(&[], bundle).await?;
        Ok(value.and_then(|value| if value.paid.is_zero() { Err(LeftOut::NoPayment) } else { Ok(value) }))
    }

    /// What `bundle` brings after those `before` it.
    async fn run(&self, before: &[&Bundle], bundle: &Bundle) -> Result<Result<Value, LeftOut>, RpcError> {
        let txs: Vec<&Tx> = before.iter().flat_map(|bundle| &bundle.txs).chain(&bundle.txs).collect();
        let first = txs.len() - bundle.txs.len();
        let parent = json!(U64::from(self.head.number()));
        match self.shared.node.simulate(&self.env, &parent, &txs).await {
            Ok(ran) => Ok(value(bundle, &ran[first..])),
            // The node's own no, such as a sender without funds: this bundle's fault, since the others ran before.
            Err(RpcError::Refused { message, .. }) => Ok(Err(LeftOut::Refused { message })),
            Err(error @ (RpcError::Transport { .. } | RpcError::Busy { .. } | RpcError::Shape { .. })) => Err(error),
        }
    }

    /// The choice, by [`Merge`]'s rules.
    async fn choose(&self, candidates: Vec<Candidate>) -> Result<Merge, RpcError> {
        let mut merge = Merge::new(candidates, self.nonces.clone(), self.env.gas_limit);
        while let Some(candidate) = merge.next_candidate() {
            let chosen: Vec<&Bundle> = merge.chosen().iter().map(|other| &other.bundle).collect();
            let trial = match self.run(&chosen, &candidate.bundle).await? {
                Ok(value) => Trial::Works(value),
                Err(_) => Trial::Fails { with: self.rival(&chosen, &candidate.bundle).await? },
            };
            merge.report(candidate, &trial);
        }
        Ok(merge)
    }

    /// The first of `chosen` that alone is enough to make `bundle` fail.
    async fn rival(&self, chosen: &[&Bundle], bundle: &Bundle) -> Result<Option<BundleId>, RpcError> {
        for other in chosen {
            if self.run(&[*other], bundle).await?.is_err() {
                return Ok(Some(other.id));
            }
        }
        Ok(None)
    }

    /// Fills the pool with the choice, and the public transactions behind it. A bundle that the pool refuses is left out
    /// and the choice made anew, since others were simulated on top of it. Without bundles the pool is left as it is,
    /// unless there are transactions to put back.
    async fn fill(
        &self,
        mut candidates: Vec<Candidate>,
        public: &[Tx],
        mut refill: bool,
        parked: &mut Vec<Tx>,
    ) -> Result<Plan, RpcError> {
        loop {
            let Choice { chosen, left_out, nonces } = self.choose(candidates.clone()).await?.finish();
            let ours: HashSet<B256> = chosen.iter().flat_map(|one| &one.bundle.txs).map(|tx| tx.hash).collect();
            let rest = public.iter().filter(|tx| !ours.contains(&tx.hash)).cloned().collect();
            let public_order = public::order_public(rest, &nonces, self.env.base_fee);
            let plan = Plan { chosen, left_out, public: public_order };
            if plan.chosen.is_empty() && !refill {
                return Ok(plan);
            }
            self.shared.node.drop_all().await?;
            refill = true;
            if let Some((id, message)) = self.send_bundles(&plan.chosen).await? {
                candidates.retain(|candidate| candidate.bundle.id != id);
                self.leave_out(id, LeftOut::Refused { message });
                continue;
            }
            self.send_public(&plan.public, parked).await?;
            return Ok(plan);
        }
    }

    /// The first bundle that the pool refuses, and the node's words.
    async fn send_bundles(&self, chosen: &[Candidate]) -> Result<Option<(BundleId, String)>, RpcError> {
        for candidate in chosen {
            for tx in &candidate.bundle.txs {
                if let Some(message) = self.send(tx).await? {
                    return Ok(Some((candidate.bundle.id, message)));
                }
            }
        }
        Ok(None)
    }

    async fn send_public(&self, ordered: &[Tx], parked: &mut Vec<Tx>) -> Result<(), RpcError> {
        for tx in ordered {
            if tx.tip(self.env.base_fee).is_none() {
                parked.push(tx.clone());
            } else if let Some(message) = self.send(tx).await? {
                tracing::debug!(hash = %tx.hash, message, "a public transaction was not taken back into the pool");
            }
        }
        Ok(())
    }

    /// The node's words when it refuses. That it has the transaction already is none: its sender was faster.
    async fn send(&self, tx: &Tx) -> Result<Option<String>, RpcError> {
        match self.shared.node.send(&tx.raw).await {
            Ok(_) => Ok(None),
            Err(RpcError::Refused { message, .. }) => {
                Ok(Some(message).filter(|message| !message.contains("already imported")))
            }
            Err(error @ (RpcError::Transport { .. } | RpcError::Busy { .. } | RpcError::Shape { .. })) => Err(error),
        }
    }

    /// Mines the block again: the bundles first, then all else that was in it, then what was left in the pool.
    async fn mend(&self, plan: &Plan, mined: &Head) -> Result<Head, RpcError> {
        tracing::warn!(block = self.env.number, "a stranger's transaction came between the bundles: mining again");
        let ours = planned(plan);
        let mut order = plan.chosen.iter().flat_map(|one| &one.bundle.txs).map(|tx| tx.raw.clone()).collect::<Vec<_>>();
        for hash in mined.transactions.iter().filter(|hash| !ours.contains(hash)) {
            order.push(self.shared.node.raw(*hash).await?);
        }
        order.extend(self.shared.node.pool().await?.into_iter().map(|tx| tx.raw));
        self.shared.node.remine(&self.env, &order).await
    }

    fn leave_out(&self, id: BundleId, why: LeftOut) {
        self.shared.bundles().settle(id, Fate::LeftOut { why });
    }

    /// Says what became of each, and what was built.
    fn settle(&self, plan: &Plan, mined: &Head) -> Built {
        let mut held = self.shared.bundles();
        let whole = begins_with(mined, plan);
        let mut index = 0;
        let mut landed = Vec::new();
        for Candidate { bundle, value: Value { paid, gas }, .. } in &plan.chosen {
            let fate = Fate::Landed { block: mined.number(), index, paid: *paid, gas: *gas };
            let fate = if whole { fate } else { Fate::LeftOut { why: LeftOut::Interleaved } };
            landed.extend(whole.then_some(bundle.hash));
            held.settle(bundle.id, fate);
            index += bundle.txs.len();
        }
        for (id, why) in &plan.left_out {
            held.settle(*id, Fate::LeftOut { why: why.clone() });
        }
        held.expire(mined.number());
        Built { number: mined.number(), hash: mined.hash, bundles: landed, txs: mined.transactions.clone() }
    }
}

fn planned(plan: &Plan) -> Vec<B256> {
    plan.chosen.iter().flat_map(|one| &one.bundle.txs).map(|tx| tx.hash).collect()
}

/// Whether the block begins with the bundles, whole and in order.
fn begins_with(mined: &Head, plan: &Plan) -> bool {
    mined.transactions.starts_with(&planned(plan))
}

/// A bundle's value, unless a transaction fails that may not.
fn value(bundle: &Bundle, ran: &[Ran]) -> Result<Value, LeftOut> {
    let mut sum = Value { paid: U256::ZERO, gas: 0 };
    for (tx, ran) in bundle.txs.iter().zip(ran) {
        if !ran.success && !bundle.reverting.contains(&tx.hash) {
            let words = ran.error.clone().unwrap_or_default();
            let output = if ran.output.is_empty() { words } else { ran.output.to_string() };
            return Err(LeftOut::Reverted { tx: tx.hash, output });
        }
        sum.paid = sum.paid.saturating_add(ran.paid);
        sum.gas = sum.gas.saturating_add(ran.gas);
    }
    Ok(sum)
}
