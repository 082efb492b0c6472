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
use crate::hot::lending::Leg;
use crate::hot::refused::Refused;
use crate::hot::refused::Tally;
use crate::hot::simulate::Opportunity;
use crate::hot::simulate::Proven;
use crate::hot::state::pools::Edge;
use crate::protocols::LENDING_PROTOCOLS;
use crate::protocols::amm::Amm;
use crate::protocols::lending::taken::Position;
use crate::types::amount::Wei;
use crate::types::amount::WeiPerGas;
use crate::types::decision;
use crate::types::decision::Count;
use crate::types::decision::Decision;
use crate::types::decision::Hop;
use crate::types::decision::Path;
use crate::types::decision::Proof;
use crate::types::decision::Ran;
use crate::types::decision::Rejected;

/// All strategies, by name. `tests/golden.rs` demands a case of each.
pub const STRATEGIES: [&str; 3] = ["atomic_arb", "backrun", LIQUIDATION];

/// Positions, wherever they are found.
pub const LIQUIDATION: &str = "liquidation";

/// The name of what is done: of a cycle, whether behind a transaction or in the state as it is.
#[must_use]
pub const fn strategy(opportunity: &Opportunity, behind: bool) -> &'static str {
    match opportunity {
        Opportunity::Cycle(_) => STRATEGIES[behind as usize],
        Opportunity::Liquidation(_) => LIQUIDATION,
    }
}

/// The same of a way that was written down: a liquidation's begins at a lending market.
#[must_use]
pub fn strategy_of(path: &Path, behind: bool) -> &'static str {
    let first = path.hops.first();
    let lends = first.is_some_and(|hop| LENDING_PROTOCOLS.contains(&hop.protocol.as_ref()));
    if lends { LIQUIDATION } else { STRATEGIES[usize::from(behind)] }
}

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
pub fn choose(engine: &mut Engine, signer: &mut BundleSigner, proven: &[Proven], trigger: Option<Raw<'_>>) -> Made {
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
fn best(
    engine: &mut Engine,
    signer: &mut BundleSigner,
    (proven, target): (&[Proven], Option<&Target>),
    target_block: &TargetBlock,
    refused: &mut Tally,
) -> Option<Choice> {
    let mut order: Vec<&Proven> = proven.iter().collect();
    order.sort_by_cached_key(|proof| std::cmp::Reverse(net(proof, target_block.base_fee)));
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
fn with_its_bid(
    engine: &mut Engine,
    signer: &BundleSigner,
    proof: &Proven,
    target_block: &TargetBlock,
) -> Result<Proven, Refused> {
    let (bid, proven_with, held) =
        (signer.offer(proof, target_block)?, proof.builder_paid(), engine.held_for(proof.opportunity()));
    // Several runs in one share what is held: which of them unwraps hangs on the bid itself.
    let shares =
        matches!(proof.opportunity(), Opportunity::Liquidation(run) if run.legs().len() > 1) && held != Wei::default();
    if !shares && (bid <= held) == (proven_with <= held) {
        return Ok(proof.clone());
    }
    engine.prove_again(proof.opportunity(), bid)
}

/// What is left of a proof's profit after gas, in wei; below nothing is nothing.
pub(in crate::hot::engine) fn net(proof: &Proven, price: WeiPerGas) -> U256 {
    let value = proof.opportunity().value().unwrap_or_default().0;
    value.saturating_sub((proof.gas_used() * price).0)
}

/// An opportunity's way, in addresses. Of a liquidation: what is repaid and seized, then the pools it is sold through; of each in turn.
#[must_use]
pub fn path(engine: &Engine, opportunity: &Opportunity) -> Path {
    let (hops, token) = match opportunity {
        Opportunity::Cycle(candidate) => {
            let pairs = candidate.amounts().windows(2).map(|pair| [pair[0], pair[1]]);
            (candidate.hops().iter().zip(pairs).map(|(edge, pair)| hop(engine, edge, pair)).collect(), None)
        }
        Opportunity::Liquidation(run) => {
            let hops = run.legs().iter().flat_map(|leg| leg_hops(engine, leg)).collect();
            (hops, Some(engine.pools().token(run.token())))
        }
    };
    Path { hops, token, gross: U256::from(opportunity.gross()), value: opportunity.value().map(|value| value.0) }
}

fn hop(engine: &Engine, edge: &Edge, [amount_in, amount_out]: [u128; 2]) -> Hop {
    let pools = engine.pools();
    Hop {
        pool: pools.pool(edge.pool).address(),
        protocol: Cow::Borrowed(pools.pool(edge.pool).protocol()),
        token_in: pools.token(edge.token_in),
        token_out: pools.token(edge.token_out),
        amount_in: U256::from(amount_in),
        amount_out: U256::from(amount_out),
    }
}

/// The positions that an opportunity liquidates, in order.
#[must_use]
pub fn positions(opportunity: &Opportunity) -> Vec<Position> {
    let legs = if let Opportunity::Liquidation(run) = opportunity { run.legs() } else { &[] };
    legs.iter().map(|leg| Position { market: leg.market(), id: leg.id(), account: leg.account() }).collect()
}

fn leg_hops(engine: &Engine, leg: &Leg) -> Vec<Hop> {
    let ((debt, repaid), (seized, units)) = (leg.repaid(), leg.seized());
    let market = Hop {
        pool: leg.market(),
        protocol: Cow::Borrowed(leg.protocol()),
        token_in: debt,
        token_out: engine.pools().token(seized),
        amount_in: U256::from(repaid),
        amount_out: U256::from(units),
    };
    std::iter::once(market).chain(leg.hops().map(|(edge, pair)| hop(engine, edge, pair))).collect()
}

/// All that was decided: what the engine said, and what was made of it.
#[must_use]
pub fn decision(engine: &Engine, outcome: &Outcome, made: &Made) -> Decision {
    let rejected = |(opportunity, reason): &(Opportunity, Refused)| Rejected {
        path: path(engine, opportunity),
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
        proven: outcome.proven.iter().map(|proven| proof(engine, proven)).collect(),
        bundle: made.choice.as_ref().map(|choice| bundle(engine, choice)),
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

fn proof(engine: &Engine, proven: &Proven) -> Proof {
    Proof {
        path: path(engine, proven.opportunity()),
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

fn bundle(engine: &Engine, choice: &Choice) -> decision::Bundle {
    let (bundle, terms) = (&choice.bundle, choice.bundle.terms());
    let (unsigned, digest) = bundle.unsigned().unwrap_or_default();
    decision::Bundle {
        block: bundle.block(),
        parent: choice.parent,
        trigger: bundle.trigger(),
        of: proof(engine, &choice.proof),
        digest,
        unsigned,
        value: terms.value.0,
        gas_cost: terms.gas_cost.0,
        bid: terms.bid.0,
        take: terms.take.0,
    }
}
