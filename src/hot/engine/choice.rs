//! From an outcome to a bundle, and to the decision that a journal keeps: the same live and in a replay.
//!
//! # Invariants
//! - One bundle an event: all bundles of a block share a nonce, and those behind one trigger exclude each other.
//! - [`decision()`] says all that was decided, and nothing of when.

use std::borrow::Cow;

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;

use crate::hot::bundle::BundleSigner;
use crate::hot::bundle::Raw;
use crate::hot::bundle::SignedBundle;
use crate::hot::bundle::Target;
use crate::hot::bundle::TargetBlock;
use crate::hot::decode::PendingTx;
use crate::hot::engine::Engine;
use crate::hot::event::Outcome;
use crate::hot::event::Trigger;
use crate::hot::opportunity::Opportunity;
use crate::hot::refused::Refused;
use crate::hot::refused::Tally;
use crate::hot::simulate::Proven;
use crate::hot::state::pools::Pools;
use crate::hot::strategy::Strategy;
use crate::protocols::AnyPool;
use crate::types::amount::Wei;
use crate::types::decision;
use crate::types::decision::Count;
use crate::types::decision::Decision;
use crate::types::decision::Proof;
use crate::types::decision::Ran;
use crate::types::decision::Rejected;

/// A bundle, and the proof that it was made of.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What is sent.
    pub bundle: SignedBundle,
    /// Why.
    pub proof: Proven,
    /// The block below the bundle's.
    pub parent: B256,
}

/// The raw bytes of what was read off a frame: the transaction's, if they hash to its hash.
///
/// # Errors
/// They do not.
pub fn target(tx: &PendingTx, to: &mut Target) -> Result<(), Refused> {
    to.write(tx.hash(), |raw| tx.encode(raw))
}

/// What was made of an outcome.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// The best proof that passes the limits.
    pub choice: Option<Choice>,
    /// What became of better ones.
    pub refused: Tally,
}

/// Makes a bundle of the best of `proven`. `trigger`: makes the raw bytes of the transaction that it goes behind, checked
/// against the hash it was announced by; called when there is something to put behind it.
pub fn choose<S: Strategy>(
    engine: &mut Engine<S>,
    signer: &mut BundleSigner,
    proven: &[Proven],
    trigger: Option<Raw<'_>>,
) -> Made {
    let mut made = Made::default();
    let Some(tip) = engine.tip().filter(|_| !proven.is_empty()) else { return made };
    let target_block = TargetBlock::after(&tip.parent(), engine.nonce());
    let mut best = |signer: &mut BundleSigner, target: Option<&Target>| {
        made.choice = best(engine, signer, (proven, target), &target_block, &mut made.refused);
    };
    let looked = match trigger {
        Some(raw) => signer.behind(raw, |signer, target| best(signer, Some(target))),
        None => {
            best(signer, None);
            Ok(())
        }
    };
    if let Err(reason) = looked {
        made.refused.add(reason);
    }
    made
}

/// Builds the best that can be built, and says what became of better ones.
fn best<S: Strategy>(
    engine: &mut Engine<S>,
    signer: &mut BundleSigner,
    (proven, target): (&[Proven], Option<&Target>),
    target_block: &TargetBlock,
    refused: &mut Tally,
) -> Option<Choice> {
    let mut order: Vec<&Proven> = proven.iter().collect();
    order.sort_by_cached_key(|proof| std::cmp::Reverse(proof.net(target_block.base_fee)));
    for proof in order {
        let built = with_its_bid(engine, signer, proof, target_block).and_then(|proof| {
            let bundle = signer.build(&proof, engine.pools(), target, target_block)?;
            Ok(Choice { bundle, proof, parent: target_block.parent })
        });
        match built {
            Ok(choice) => return Some(choice),
            Err(reason) => refused.add(reason),
        }
    }
    None
}

/// The proof, if its bid is paid the way the signed one will be; else another, with that bid: the gas differs.
fn with_its_bid<S: Strategy>(
    engine: &mut Engine<S>,
    signer: &BundleSigner,
    proof: &Proven,
    target_block: &TargetBlock,
) -> Result<Proven, Refused> {
    let (bid, proven_with, held) = (signer.offer(proof, target_block)?, proof.builder_paid(), engine.held());
    // Several runs in one share what is held: which of them unwraps hangs on the bid itself.
    let shares = proof.opportunity().gains().len() > 1 && held != Wei::default();
    if !shares && (bid <= held) == (proven_with <= held) {
        return Ok(proof.clone());
    }
    engine.prove_again(proof.opportunity(), bid)
}

/// All that was decided: what the engine said, and what was made of it.
#[must_use]
pub fn decision<S: Strategy>(engine: &Engine<S>, outcome: &Outcome, made: &Made) -> Decision {
    let rejected = |(opportunity, reason): &(Opportunity, Refused)| Rejected {
        path: opportunity.path(engine.pools()),
        reason: Cow::Borrowed(reason.name()),
    };
    Decision {
        trigger: outcome.trigger.as_ref().map(ran),
        first: None,
        refused: counts(&outcome.refused),
        unbuilt: counts(&made.refused),
        wanted: outcome.wanted.clone(),
        broken: outcome.broken.clone(),
        desync: outcome.desync.map(|desync| desync.to_string()),
        cancelled: outcome.cancelled,
        left: outcome.left as u64,
        rejected: outcome.rejected.iter().map(rejected).collect(),
        proven: outcome.proven.iter().map(|proven| proof(engine.pools(), proven)).collect(),
        bundle: made.choice.as_ref().map(|choice| bundle(engine.pools(), choice)),
    }
}

fn ran(trigger: &Trigger) -> Ran {
    match trigger {
        Trigger::Ran(result) => {
            Ran::Ended { success: result.is_success(), gas: result.tx_gas_used(), logs: result.logs().len() }
        }
        Trigger::Stopped(error) => Ran::Stopped(error.to_string()),
    }
}

fn counts(tally: &Tally) -> Vec<Count> {
    tally.iter().map(|(reason, count)| (Cow::Borrowed(reason.name()), count)).collect()
}

fn proof(pools: &Pools<AnyPool>, proven: &Proven) -> Proof {
    Proof {
        path: proven.opportunity().path(pools),
        gas: proven.gas_used().0,
        paid: proven.builder_paid().0,
        assumed: proven.assumed(),
        access: proven.access().chunk_by(|one, next| one.0 == next.0).map(account).collect(),
    }
}

/// An account's entry of an access list.
fn account(slots: &[(Address, U256)]) -> (Address, Vec<U256>) {
    (slots[0].0, slots.iter().map(|(_, slot)| *slot).collect())
}

fn bundle(pools: &Pools<AnyPool>, choice: &Choice) -> decision::Bundle {
    let (bundle, terms) = (&choice.bundle, choice.bundle.terms());
    let (unsigned, digest) = bundle.unsigned().unwrap_or_default();
    decision::Bundle {
        block: bundle.block(),
        parent: choice.parent,
        trigger: bundle.trigger(),
        of: proof(pools, &choice.proof),
        digest,
        unsigned,
        value: terms.value.0,
        gas_cost: terms.gas_cost.0,
        bid: terms.bid.0,
        take: terms.take.0,
    }
}
