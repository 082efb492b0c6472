//! A block on a node that is handed its transactions: geth.
//!
//! # Invariants
//! - Nothing comes between the bundles, and the node's pool is never emptied: it drops what a block holds by itself.
//! - Without bundles the block is what geth makes of its own pool. With them, too, what gives no tip is left where it is: geth's
//!   miner takes none of that. What a reorg put back into the pool may be such: a bundle's transaction pays in another way.

use std::collections::HashSet;

use alloy_primitives::{B256, Bytes};
use peregrine_rpc::RpcError;

use crate::block_builder::Built;
use crate::block_builder::build::BuildContext;
use crate::block_builder::build::Plan;
use crate::block_builder::node::Head;
use crate::block_builder::order::Tx;
use crate::block_builder::rules::Candidate;
use crate::block_builder::rules::Choice;
use crate::block_builder::rules::public;

impl BuildContext<'_> {
    /// The choice, and behind it those public transactions that can run.
    pub(super) async fn named(&self, candidates: Vec<Candidate>, public: &[Tx]) -> Result<Built, RpcError> {
        let Choice { chosen, left_out, nonces } = self.choose(candidates).await?.finish();
        let ours: HashSet<B256> = chosen.iter().flat_map(|one| &one.bundle.txs).map(|tx| tx.hash).collect();
        let tips = |tx: &&Tx| tx.tip(self.env.base_fee).is_some_and(|tip| tip > 0);
        let rest = public.iter().filter(|tx| !ours.contains(&tx.hash)).filter(tips).cloned().collect();
        let burnt: u64 = chosen.iter().map(|one| one.value.gas).sum();
        let ready = public::order(rest, &nonces, self.env.base_fee).ready;
        let public = public::fitting(ready, self.env.gas_limit.saturating_sub(burnt));
        let plan = Plan { chosen, left_out, public };
        let mined = self.commit(&plan).await?;
        Ok(self.settle(&plan, &mined))
    }

    /// One public transaction that geth finds invalid spoils the list: then the bundles land without any.
    async fn commit(&self, plan: &Plan) -> Result<Head, RpcError> {
        let node = &self.shared.node;
        if plan.chosen.is_empty() {
            return node.commit(&self.env, None).await;
        }
        let bundles: Vec<Bytes> = plan.chosen.iter().flat_map(|one| &one.bundle.txs).map(|tx| tx.raw.clone()).collect();
        let all: Vec<Bytes> = bundles.iter().cloned().chain(plan.public.iter().map(|tx| tx.raw.clone())).collect();
        match node.commit(&self.env, Some(&all)).await {
            Err(RpcError::Refused { message, .. }) if all.len() > bundles.len() => {
                tracing::warn!(block = self.env.number, message, "the public transactions are left out of the block");
                node.commit(&self.env, Some(&bundles)).await
            }
            made => made,
        }
    }
}
