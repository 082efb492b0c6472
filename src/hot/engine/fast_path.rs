//! The fast path: a bundle on exact maths, before the EVM has run anything; and the EVM right behind it, which confirms or
//! withdraws.
//!
//! # Invariants
//! - Nothing leaves by this door but an opportunity over pools as [`Forecaster`] left them, along a route whose gas proofs have
//!   shown. The executor reverts on chain unless it earns exactly what was promised: a wrong one costs nothing.
//! - Every bundle that left is confirmed or withdrawn by the end of [`look`]. Where the pools differ, calldata of that shape
//!   goes to the EVM from then on; a transaction that fails, or a proof that is refused, is nobody's shape's fault.
//! - Nothing leaves that the EVM could not confirm at once, as far as can be seen: a stranger's swap goes its way.
//! - Where the pools agree, what was found behind maths is proven, and not searched for again.
//! - An engine that does not forecast answers as it always did.

use std::borrow::Cow;
use std::time::Duration;

use alloy_primitives::B256;
use revm::context::TxEnv;

use crate::chain::Contracts;
use crate::hot::bundle::BundleSigner;
use crate::hot::bundle::ProfitSplit;
use crate::hot::bundle::Raw;
use crate::hot::bundle::SignedBundle;
use crate::hot::bundle::TargetBlock;
use crate::hot::engine::Engine;
use crate::hot::engine::choice;
use crate::hot::engine::choice::Choice;
use crate::hot::engine::choice::Made;
use crate::hot::event::Outcome;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Executed;
use crate::hot::forecast::Forecast;
use crate::hot::forecast::Forecaster;
use crate::hot::forecast::MinConfidence;
use crate::hot::forecast::Why;
use crate::hot::refused::Refused;
use crate::hot::simulate::Proven;
use crate::hot::strategy::On;
use crate::hot::strategy::Strategy;
use crate::metrics::span::Span;
use crate::protocols::AnyPool;
use crate::protocols::executor::Bid;
use crate::types::amount::Wei;
use crate::types::decision;

/// A bundle that was signed on maths alone.
#[derive(Clone, Debug)]
pub struct ProvisionalBundle {
    /// What may be sent.
    pub bundle: SignedBundle,
    /// Why.
    pub on: Forecast,
    /// The block below the bundle's.
    pub parent: B256,
}

/// What maths has done before the EVM runs a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead<'a> {
    /// What was promised, if anything was.
    pub(super) provisional: Option<&'a ProvisionalBundle>,
    /// How long it took to resolve, and to search behind it.
    pub(super) took: Duration,
}

/// What the EVM says of a provisional bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same pools, the same profit to the wei, and it is worth sending: the terms that it really has.
    Confirmed(ProfitSplit),
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

/// What the fast path made of a transaction.
#[derive(Clone, Debug)]
pub enum FastPath {
    /// It is closed: this engine does not forecast.
    Closed,
    /// The EVM alone was asked, and why.
    Left(Why),
    /// Resolved, and there is nothing to earn behind it, or nothing whose cost is known.
    Nothing,
    /// A bundle left, and what the EVM said of it.
    Sent(Box<ProvisionalBundle>, Verdict),
}

impl FastPath {
    /// As it is written down.
    #[must_use]
    pub fn said(&self) -> Option<decision::FastPathDecision> {
        let (word, digest) = match self {
            Self::Closed => return None,
            Self::Left(why) => (why.name(), None),
            Self::Nothing => ("nothing", None),
            Self::Sent(provisional, verdict) => {
                (verdict.name(), provisional.bundle.unsigned().map(|(_, digest)| digest))
            }
        };
        Some(decision::FastPathDecision { word: Cow::Borrowed(word), digest })
    }
}

/// What was made of a pending transaction, by both doors.
#[derive(Debug)]
pub struct FastPathResult {
    /// What the engine says.
    pub outcome: Outcome,
    /// What was made of it. A provisional bundle that was confirmed is its choice.
    pub made: Made,
    /// What the fast path said.
    pub first: FastPath,
}

/// Looks at a pending transaction: by maths, if this engine forecasts, then in the EVM. `hand` is given a bundle that leaves
/// by the fast path, before the EVM has run. `raw`: makes the transaction's raw bytes, checked against its hash. `newest`: as
/// in [`Engine::on_event_while`].
pub fn look<S: Strategy>(
    engine: &mut Engine<S>,
    signer: &mut BundleSigner,
    tx: TxEnv,
    (raw, newest): (Raw<'_>, &dyn Fn(u64) -> bool),
    hand: impl FnOnce(&Engine<S>, &ProvisionalBundle),
) -> FastPathResult {
    let took = match engine.foresee(&tx) {
        Ok(took) => took,
        Err(why) => {
            let outcome = engine.pending_while(tx, newest);
            let made = choice::choose(engine, signer, &outcome.proven, Some(raw));
            return FastPathResult { outcome, made, first: why.map_or(FastPath::Closed, FastPath::Left) };
        }
    };
    let provisional = provisional(engine, signer, raw);
    if let Some(provisional) = &provisional {
        hand(engine, provisional);
    }
    let (outcome, kept) = engine.pending(tx, Some(Ahead { provisional: provisional.as_ref(), took }), newest);
    let Some(provisional) = provisional else {
        let made = choice::choose(engine, signer, &outcome.proven, Some(raw));
        return FastPathResult { outcome, made, first: FastPath::Nothing };
    };
    let (choice, verdict) = settle(signer, &provisional, &outcome, kept);
    let made = match choice {
        Some(_) => Made { choice, ..Made::default() },
        None => {
            signer.withdraw(&provisional.bundle);
            choice::choose(engine, signer, &outcome.proven, Some(raw))
        }
    };
    FastPathResult { outcome, made, first: FastPath::Sent(Box::new(provisional), verdict) }
}

/// A provisional bundle meets its proof.
fn settle(
    signer: &BundleSigner,
    provisional: &ProvisionalBundle,
    outcome: &Outcome,
    kept: Result<(), Verdict>,
) -> (Option<Choice>, Verdict) {
    if let Err(verdict) = kept {
        return (None, verdict);
    }
    let Some(proof) = outcome.proven.first() else { return (None, Verdict::Stopped) };
    match signer.stands(&provisional.bundle, proof) {
        Ok(bundle) => {
            let verdict = Verdict::Confirmed(*bundle.terms());
            (Some(Choice { bundle, proof: proof.clone(), parent: provisional.parent }), verdict)
        }
        Err(reason) => (None, Verdict::Refused(reason)),
    }
}

/// Signs the best of what maths alone can provisional bundle, if there is any.
fn provisional<S: Strategy>(engine: &Engine<S>, signer: &mut BundleSigner, raw: Raw<'_>) -> Option<ProvisionalBundle> {
    let target_block = TargetBlock::after(&engine.tip()?.parent(), engine.nonce());
    let on = best(engine, signer, &target_block)?;
    let built = signer.behind(raw, |signer, target| signer.build(&on, engine.pools(), Some(target), &target_block));
    let bundle = built.flatten().ok()?;
    Some(ProvisionalBundle { bundle, on, parent: target_block.parent })
}

/// The opportunity of which most is left, if the best by value is among those whose cost is known.
fn best<S: Strategy>(engine: &Engine<S>, signer: &BundleSigner, target_block: &TargetBlock) -> Option<Forecast> {
    let held = engine.held();
    let mut best: Option<(Wei, Forecast)> = None;
    for index in 0..engine.foreseen.len() {
        // Paid out of ether that is held, or by unwrapping: each costs its own gas, and decides the bid that decides it.
        let paid = [false, true].into_iter().find_map(|unwraps| {
            let on = engine.forecasts(index, unwraps)?;
            let terms = signer.quote(&on, target_block).ok()?;
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

impl<S: Strategy> Engine<S> {
    /// Resolves pending transactions that call these contracts by maths first, from now on.
    #[must_use]
    pub fn forecasting(mut self, contracts: Contracts) -> Self {
        let mut forecaster = Forecaster::new(contracts);
        forecaster.extend(&self.pools);
        self.forecaster = Some(forecaster);
        self
    }

    /// The forecaster, if this engine has one.
    #[must_use]
    pub const fn forecaster(&self) -> Option<&Forecaster> {
        self.forecaster.as_ref()
    }

    /// Where the last pending transaction left a pool by maths, and where the EVM did, if they differ: the first such.
    #[must_use]
    pub fn disagreement(&self) -> Option<(&AnyPool, &AnyPool)> {
        let forecaster = self.forecaster.as_ref()?;
        let id = forecaster.judge(&self.pools, &self.touched, &self.overlay)?;
        let base = self.pools.pool(id);
        let ours = forecaster.entries().find(|(at, _)| *at == id).map_or(base, |(_, pool)| pool);
        let theirs = self.overlay.entries().find(|(at, _)| *at == id).map_or(base, |(_, pool)| pool);
        Some((ours, theirs))
    }

    /// Searches behind `tx` as maths has it; how long it took. `Err(None)`: this engine does not forecast.
    fn foresee(&mut self, tx: &TxEnv) -> Result<Duration, Option<Why>> {
        if self.forecaster.is_none() {
            return Err(None);
        }
        let mut span = Span::start();
        // What the last pending transaction left is nobody's nonce and nobody's ether.
        self.forget_pending();
        let forecaster = self.forecaster.as_mut().ok_or(None)?;
        forecaster.forecast(&self.machine, &self.pools, tx, MinConfidence::Proven).map_err(Some)?;
        if !forecaster.knows_funds(&self.machine) {
            return Err(Some(Why::Purse));
        }
        self.foreseen.clear();
        let (strategies, mut context) = self.context(On::Foreseen, false, &|| true);
        strategies.foresee(&mut context);
        Ok(span.lap())
    }

    /// Whether maths searched behind the pools that the EVM moved, and no others.
    pub(super) fn as_foreseen(&self) -> bool {
        self.forecaster.as_ref().is_some_and(|forecaster| forecaster.moved() == self.touched.moved)
    }

    /// The EVM was asked about all whom the transaction concerns. Before what it left is laid over the state.
    pub(super) fn meet(&mut self, executed: &Result<Executed, ExecuteError>) {
        let asked = matches!(executed, Ok(_) | Err(ExecuteError::Cold(_)));
        if let Some(forecaster) = self.forecaster.as_mut().filter(|_| asked) {
            forecaster.meet(&self.machine, executed.is_ok());
        }
    }

    /// What was found behind maths, at what its route is known to cost.
    fn forecasts(&self, index: usize, unwraps: bool) -> Option<Forecast> {
        let forecaster = self.forecaster.as_ref()?;
        self.routes.forecast(|id| forecaster.pool(&self.pools, id), self.foreseen.get(index)?, unwraps)
    }

    /// Resolves `tx` whoever it goes through, to see whether the EVM will agree.
    pub(super) fn try_maths(&mut self, tx: &TxEnv) -> bool {
        let Some(forecaster) = &mut self.forecaster else { return false };
        forecaster.forecast(&self.machine, &self.pools, tx, MinConfidence::Blind).is_ok()
    }

    /// Holds the maths against the run that has just been laid over the pools, and learns from it.
    pub(super) fn compare(&mut self, promised: bool) -> bool {
        let Some(forecaster) = &mut self.forecaster else { return false };
        let agrees = forecaster.judge(&self.pools, &self.touched, &self.overlay).is_none();
        match (agrees, promised) {
            (true, _) => forecaster.believe(),
            (false, false) => forecaster.doubt(),
            (false, true) => forecaster.bar(),
        }
        agrees
    }

    /// Proves what was promised, with the bid that was signed.
    pub(super) fn keep(&mut self, provisional: &ProvisionalBundle) -> Result<Proven, Refused> {
        let bid = Bid::Wei(provisional.bundle.terms().bid);
        self.prover.begin(false);
        self.prover.prove_bidding(&mut self.machine, &self.pools, provisional.on.opportunity(), bid)
    }
}
