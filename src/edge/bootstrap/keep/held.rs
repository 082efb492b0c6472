//! A node's traces that are not believed yet, held against an execution of the block.
//!
//! # Invariants
//! - The execution reads all that it needs anew at the parent: nothing that a trace has told goes into it.
//! - A trace is refuted by two witnesses alone: the execution, whose receipts are the header's, and what the chain then says that the
//!   place in question holds.

use std::collections::BTreeSet;

use alloy_primitives::U256;

use crate::edge::bootstrap::keep::Keep;
use crate::edge::bootstrap::keep::execute;
use crate::edge::bootstrap::state_cache::StateCache;
use crate::edge::chain::Belief;
use crate::edge::chain::ChainError;
use crate::edge::chain::Endpoint;
use crate::edge::chain::Finding;
use crate::edge::chain::Head;
use crate::hot::event::AccountUpdate;
use crate::hot::event::StateKey;

/// Whether what a node's trace says of the block may be told.
///
/// # Errors
/// It may not, and neither may what was told before: the state is to be loaded anew.
pub(super) async fn stands(
    keep: &Keep,
    head: &Head,
    node: &Endpoint,
    traced: &[AccountUpdate],
) -> Result<bool, ChainError> {
    let (finding, why) = match execute::afresh(keep, head).await {
        Ok(Some(executed)) => {
            let told = executed.iter().chain(traced).map(|update| update.address);
            let mut known = keep.behind(head.parent, told);
            let executed = known.concern(executed);
            if executed.iter().all(|update| update.slots.is_empty()) {
                // Nothing that matters has changed: it says nothing of the tracer either.
                return Ok(true);
            }
            let traced = known.concern(traced.to_vec());
            let places = differing(&known, &traced, &executed);
            known.learn(&traced);
            match wrong(keep, head, &known, &places).await? {
                Some(what) => (Finding::Refuted, what),
                None if places.is_empty() => (Finding::Stood, String::new()),
                None => (Finding::Vain, "an execution read wrong".to_owned()),
            }
        }
        Ok(None) => (Finding::Vain, "the block does not execute to its header".to_owned()),
        Err(error) => (Finding::Vain, error.to_string()),
    };
    let belief = node.traces().learn(finding);
    if matches!(belief, Belief::Refuse | Belief::Relearn) {
        let (name, block) = (node.name(), head.number);
        tracing::warn!(node = name, block, why, "its trace of a block is not believed, nor are others for an hour");
    }
    if belief == Belief::Relearn {
        keep.desync();
        return Err(node.shape("debug_traceBlockByHash", why));
    }
    Ok(belief == Belief::Tell)
}

/// Where what the trace makes of the known is something else than what the execution makes of it.
fn differing(known: &StateCache, traced: &[AccountUpdate], executed: &[AccountUpdate]) -> BTreeSet<StateKey> {
    let [by_trace, by_execution] = [traced, executed].map(|told| {
        let mut laid = StateCache::default();
        for address in traced.iter().chain(executed).map(|update| update.address) {
            laid.accounts.extend(known.accounts.get(&address).map(|account| (address, account.clone())));
        }
        laid.learn(told);
        laid
    });
    let mut places = BTreeSet::new();
    for (address, executed) in &by_execution.accounts {
        let Some(traced) = by_trace.accounts.get(address) else { continue };
        let held = traced.telling().zip(executed.telling()).is_some_and(|(traced, executed)| traced != executed);
        places.extend(held.then_some(StateKey::Account(*address)));
        let slots: BTreeSet<&U256> = traced.slots.keys().chain(executed.slots.keys()).collect();
        let told = |slot: &&U256| match (traced.slots.get(*slot), executed.slots.get(*slot)) {
            // Known of and not had: read when it is wanted.
            (Some(None), _) | (_, Some(None)) => false,
            (traced, executed) => traced != executed,
        };
        places.extend(slots.into_iter().filter(told).map(|slot| StateKey::Slot(*address, *slot)));
    }
    places
}

/// What of these places is something else in the chain than what is known by the trace.
async fn wrong(
    keep: &Keep,
    head: &Head,
    known: &StateCache,
    places: &BTreeSet<StateKey>,
) -> Result<Option<String>, ChainError> {
    let all = StateCache::default().missing(places.iter().copied());
    for told in all.read(&keep.chain, head.hash).await?.accounts {
        let Some(account) = known.accounts.get(&told.address) else { continue };
        let is_other = account.telling().zip(told.balance).zip(told.nonce);
        if is_other.is_some_and(|(((balance, nonce, _), theirs), their_nonce)| {
            balance != theirs || nonce.is_some_and(|nonce| nonce != their_nonce)
        }) {
            return Ok(Some(format!("{} is another by it than in the chain", told.address)));
        }
        for (slot, value) in told.slots {
            let by_trace = account.slots.get(&slot).copied().flatten();
            if by_trace != Some(value) {
                let by_trace = by_trace.map_or_else(|| "nothing".to_owned(), |value| format!("{value:#x}"));
                return Ok(Some(format!(
                    "slot {slot:#x} of {} is {by_trace} by it and {value:#x} in the chain",
                    told.address
                )));
            }
        }
    }
    Ok(None)
}
