//! The first door: a bundle on exact maths, before the EVM has run anything; and the EVM right behind it, which confirms or
//! withdraws.
//!
//! # Invariants
//! - Nothing leaves by this door but a candidate over pools as [`Reckoner`] left them, along a route whose gas proofs have
//!   shown. The executor reverts on chain unless it earns exactly what was promised: a wrong one costs nothing.
//! - Every bundle that left is confirmed or withdrawn by the end of [`look`]. Where the pools differ, calldata of that shape
//!   goes to the EVM from then on; a transaction that fails, or a proof that is refused, is nobody's shape's fault.
//! - Nothing leaves that the EVM could not confirm at once, as far as can be seen: a stranger's swap goes its way.
//! - Where the pools agree, what was found behind maths is proven, and not searched for again.
//! - An engine that does not reckon answers as it always did.

use std::borrow::Cow;
use std::time::Duration;

use alloy_primitives::B256;
use alloy_primitives::U256;
use revm::context::TxEnv;

use crate::hot::build::Builder;
use crate::hot::build::Raw;
use crate::hot::build::SignedBundle;
use crate::hot::build::Target;
use crate::hot::build::Terms;
use crate::hot::engine::Engine;
use crate::hot::engine::choice;
use crate::hot::engine::choice::Choice;
use crate::hot::engine::choice::Made;
use crate::hot::event::Event;
use crate::hot::event::Outcome;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Executed;
use crate::hot::reckon::Faith;
use crate::hot::reckon::Reckoned;
use crate::hot::reckon::Reckoner;
use crate::hot::reckon::Why;
use crate::hot::refused::Refused;
use crate::hot::simulate::Proven;
use crate::metrics::span::Span;
use crate::protocols::AnyPool;
use crate::protocols::executor::Bid;
use crate::types::amount::Wei;
use crate::types::decision;

/// A bundle that was signed on maths alone.
#[derive(Clone, Debug)]
pub struct Promise {
    /// What may be sent.
    pub bundle: SignedBundle,
    /// Why.
    pub on: Reckoned,
    /// The block below the bundle's.
    pub parent: B256,
}

/// What maths has done before the EVM runs a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead<'a> {
    /// What was promised, if anything was.
    pub(super) promise: Option<&'a Promise>,
    /// How long it took to resolve, and to search behind it.
    pub(super) took: Duration,
}

/// What the EVM says of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same pools, the same profit to the wei, and it is worth sending: the terms that it really has.
    Confirmed(Terms),
    /// The transaction ran, and left pools elsewhere than thought.
    Differs,
    /// The transaction failed.
    Failed,
    /// The transaction did not run to an end: something was not known, or it is not valid any more.
    Stopped,
    /// The pools agree, and the bundle is refused: by its proof, or by a limit at what it really costs.
    Refused(Refused),
}

impl Verdict {
    /// As it is written down.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed(_) => "confirmed",
            Self::Differs => "differs",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Refused(reason) => reason.name(),
        }
    }
}

/// What the first door made of a transaction.
#[derive(Clone, Debug)]
pub enum First {
    /// It is closed: this engine does not reckon.
    Closed,
    /// The EVM alone was asked, and why.
    Left(Why),
    /// Resolved, and there is nothing to earn behind it, or nothing whose cost is known.
    Nothing,
    /// A bundle left, and what the EVM said of it.
    Sent(Box<Promise>, Verdict),
}

impl First {
    /// As it is written down.
    #[must_use]
    pub fn said(&self) -> Option<decision::First> {
        let (word, digest) = match self {
            Self::Closed => return None,
            Self::Left(why) => (why.name(), None),
            Self::Nothing => ("nothing", None),
            Self::Sent(promise, verdict) => (verdict.name(), promise.bundle.unsigned().map(|(_, digest)| digest)),
        };
        Some(decision::First { word: Cow::Borrowed(word), digest })
    }
}

/// What was made of a pending transaction, by both doors.
#[derive(Debug)]
pub struct Looked {
    /// What the engine says.
    pub outcome: Outcome,
    /// What was made of it. A promise that was confirmed is its choice.
    pub made: Made,
    /// What the first door said.
    pub first: First,
}

/// Looks at a pending transaction: by maths, if this engine reckons, then in the EVM. `hand` is given a bundle that leaves
/// by the first door, before the EVM has run. `raw`: makes the transaction's raw bytes, checked against its hash. `newest`: as
/// in [`Engine::on_event_while`].
pub fn look(
    engine: &mut Engine,
    builder: &mut Builder,
    tx: TxEnv,
    (raw, newest): (Raw<'_>, &dyn Fn(u64) -> bool),
    hand: impl FnOnce(&Engine, &Promise),
) -> Looked {
    let took = match engine.foresee(&tx) {
        Ok(took) => took,
        Err(why) => {
            let outcome = engine.on_event_while(Event::Pending(Box::new(tx)), newest);
            let made = choice::choose(engine, builder, &outcome.proven, Some(raw));
            return Looked { outcome, made, first: why.map_or(First::Closed, First::Left) };
        }
    };
    let promise = promise(engine, builder, raw);
    if let Some(promise) = &promise {
        hand(engine, promise);
    }
    let (outcome, kept) = engine.pending(tx, Some(Ahead { promise: promise.as_ref(), took }), newest);
    let Some(promise) = promise else {
        let made = choice::choose(engine, builder, &outcome.proven, Some(raw));
        return Looked { outcome, made, first: First::Nothing };
    };
    let (choice, verdict) = settle(builder, &promise, &outcome, kept);
    let made = match choice {
        Some(_) => Made { choice, ..Made::default() },
        None => {
            builder.withdraw(&promise.bundle);
            choice::choose(engine, builder, &outcome.proven, Some(raw))
        }
    };
    Looked { outcome, made, first: First::Sent(Box::new(promise), verdict) }
}

/// A promise meets its proof.
fn settle(
    builder: &Builder,
    promise: &Promise,
    outcome: &Outcome,
    kept: Result<(), Verdict>,
) -> (Option<Choice>, Verdict) {
    if let Err(verdict) = kept {
        return (None, verdict);
    }
    let Some(proof) = outcome.proven.first() else { return (None, Verdict::Stopped) };
    match builder.stands(&promise.bundle, proof) {
        Ok(bundle) => {
            let verdict = Verdict::Confirmed(*bundle.terms());
            (Some(Choice { bundle, proof: proof.clone(), parent: promise.parent }), verdict)
        }
        Err(reason) => (None, Verdict::Refused(reason)),
    }
}

/// Signs the best of what maths alone can promise, if there is any.
fn promise(engine: &Engine, builder: &mut Builder, raw: Raw<'_>) -> Option<Promise> {
    let target = Target::after(&engine.tip()?.parent(), engine.nonce());
    let on = best(engine, builder, &target)?;
    let built = builder.behind(raw, |builder, victim| builder.build(&on, engine.pools(), Some(victim), &target));
    let bundle = built.flatten().ok()?;
    Some(Promise { bundle, on, parent: target.parent })
}

/// The candidate of which most is left, if the best by value is among those whose cost is known.
fn best(engine: &Engine, builder: &Builder, target: &Target) -> Option<Reckoned> {
    let held = engine.held();
    let mut best: Option<(Wei, Reckoned)> = None;
    for index in 0..engine.candidates.len().min(engine.proofs) {
        // Paid out of ether that is held, or by unwrapping: each costs its own gas, and decides the bid that decides it.
        let paid = [false, true].into_iter().find_map(|unwraps| {
            let on = engine.reckoned(index, unwraps)?;
            let terms = builder.quote(&on, target).ok()?;
            ((terms.bid > held) == unwraps).then_some((terms.take, on))
        });
        match paid {
            Some((take, on)) if best.as_ref().is_none_or(|(most, _)| take > *most) => best = Some((take, on)),
            // What is worth most has not been proven on this route: the EVM knows better.
            None if index == 0 => return None,
            _ => (),
        }
    }
    best.map(|(_, on)| on)
}

impl Engine {
    /// Resolves pending transactions by maths first, from now on.
    #[must_use]
    pub fn reckoning(mut self) -> Self {
        let mut reckoner = Reckoner::default();
        reckoner.extend(&self.pools);
        self.reckoner = Some(reckoner);
        self
    }

    /// The reckoner, if this engine has one.
    #[must_use]
    pub const fn reckoner(&self) -> Option<&Reckoner> {
        self.reckoner.as_ref()
    }

    /// Where the last pending transaction left a pool by maths, and where the EVM did, if they differ: the first such.
    #[must_use]
    pub fn disagreement(&self) -> Option<(&AnyPool, &AnyPool)> {
        let reckoner = self.reckoner.as_ref()?;
        let id = reckoner.judge(&self.pools, &self.touched, &self.overlay)?;
        let base = self.pools.pool(id);
        let ours = reckoner.entries().find(|(at, _)| *at == id).map_or(base, |(_, pool)| pool);
        let theirs = self.overlay.entries().find(|(at, _)| *at == id).map_or(base, |(_, pool)| pool);
        Some((ours, theirs))
    }

    /// Searches behind `tx` as maths has it; how long it took. `Err(None)`: this engine does not reckon.
    fn foresee(&mut self, tx: &TxEnv) -> Result<Duration, Option<Why>> {
        if self.reckoner.is_none() {
            return Err(None);
        }
        let mut span = Span::start();
        // What the last pending transaction left is nobody's nonce and nobody's ether.
        self.forget_pending();
        let reckoner = self.reckoner.as_mut().ok_or(None)?;
        reckoner.reckon(&self.machine, &self.pools, tx, Faith::Proven).map_err(Some)?;
        if !reckoner.knows_purses(&self.machine) {
            return Err(Some(Why::Purse));
        }
        self.candidates.clear();
        let (view, moved) = reckoner.over(&self.pools);
        self.search.begin(&view, Some(moved), &|| true);
        // As many as are looked at: none of unknown value, nor less worth than is due.
        let floor = Some(self.min_profit.0.saturating_sub(U256::from(1)));
        while self.candidates.len() < self.proofs
            && let Some(candidate) = self.search.next(&view, floor, &|| true)
        {
            self.candidates.push(candidate);
        }
        Ok(span.lap())
    }

    /// Whether maths searched behind the pools that the EVM moved, and no others.
    pub(super) fn as_foreseen(&self) -> bool {
        self.reckoner.as_ref().is_some_and(|reckoner| reckoner.moved() == self.touched.moved)
    }

    /// The EVM was asked about all whom the transaction concerns. Before what it left is laid over the state.
    pub(super) fn meet(&mut self, executed: &Result<Executed, ExecuteError>) {
        let asked = matches!(executed, Ok(_) | Err(ExecuteError::Cold(_)));
        if let Some(reckoner) = self.reckoner.as_mut().filter(|_| asked) {
            reckoner.meet(&self.machine, executed.is_ok());
        }
    }

    /// A candidate of the last search behind maths, at what its route is known to cost.
    fn reckoned(&self, index: usize, unwraps: bool) -> Option<Reckoned> {
        let reckoner = self.reckoner.as_ref()?;
        self.routes.reckon(|id| reckoner.pool(&self.pools, id), self.candidates.get(index)?, unwraps)
    }

    /// Resolves `tx` whoever it goes through, to see whether the EVM will agree.
    pub(super) fn try_maths(&mut self, tx: &TxEnv) -> bool {
        let Some(reckoner) = &mut self.reckoner else { return false };
        reckoner.reckon(&self.machine, &self.pools, tx, Faith::Blind).is_ok()
    }

    /// Holds the maths against the run that has just been laid over the pools, and learns from it.
    pub(super) fn compare(&mut self, promised: bool) -> bool {
        let Some(reckoner) = &mut self.reckoner else { return false };
        let agrees = reckoner.judge(&self.pools, &self.touched, &self.overlay).is_none();
        match (agrees, promised) {
            (true, _) => reckoner.believe(),
            (false, false) => reckoner.doubt(),
            (false, true) => reckoner.bar(),
        }
        agrees
    }

    /// Proves what was promised, with the bid that was signed.
    pub(super) fn keep(&mut self, promise: &Promise) -> Result<Proven, Refused> {
        let bid = Bid::Wei(promise.bundle.terms().bid);
        self.prover.begin(false);
        self.prover.prove_bidding(&mut self.machine, &self.pools, promise.on.candidate(), bid)
    }
}
