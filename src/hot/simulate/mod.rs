//! `Opportunity` to `Proven`: our contract's own transaction, in the EVM, on the overlay its trigger left.
//!
//! # Invariants
//! - A [`Proven`] exists only if our contract's transaction succeeded and its balance of the profit's token then differed
//!   by exactly the predicted profit.
//! - Nothing is kept of a simulation but its report.

mod proof_cache;
mod suspicion;

use alloy_primitives::{Address, Bytes, TxKind, U256};
use revm::context::TxEnv;
use revm::context::result::{ExecutionResult, InvalidTransaction};
use revm::state::EvmState;

use crate::hot::evm::db::Cold;
use crate::hot::evm::db::Unknown;
use crate::hot::evm::machine::Between;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::own;
use crate::hot::evm::own::Own;
use crate::hot::opportunity::Opportunity;
use crate::hot::opportunity::Swaps;
use crate::hot::refused::Refused;
use crate::hot::simulate::proof_cache::At;
use crate::hot::simulate::proof_cache::ProofCache;
use crate::hot::state::pools::Edge;
use crate::hot::state::pools::Pools;
use crate::protocols::AnyPool;
use crate::protocols::amm::{Amm, Question};
use crate::protocols::execution::{Hop, Steps};
use crate::protocols::executor;
use crate::protocols::executor::Bid;
use crate::protocols::executor::Run;
use crate::protocols::flash::{Funding, LoanRequest};
use crate::protocols::site::{Slots, StateSite};
use crate::types::amount::Gas;
use crate::types::amount::Wei;
use crate::types::amount::WeiPerGas;
use crate::types::gas::GasCost;
use crate::types::update::StateKey;

pub use suspicion::Suspicion;

/// An opportunity that the EVM agrees with.
#[derive(Clone, Debug)]
pub struct Proven {
    opportunity: Opportunity,
    gas: GasCost,
    builder_paid: Wei,
    assumed: usize,
    access: Vec<(Address, U256)>,
}

impl Proven {
    /// What was believed, to the wei.
    #[must_use]
    pub const fn opportunity(&self) -> &Opportunity {
        &self.opportunity
    }

    /// Gas that our contract's transaction is charged.
    #[must_use]
    pub fn gas_used(&self) -> Gas {
        self.gas.charged()
    }

    /// The same, and what it would be with other calldata.
    #[must_use]
    pub const fn gas(&self) -> GasCost {
        self.gas
    }

    /// What the block's builder got by coinbase transfer.
    #[must_use]
    pub const fn builder_paid(&self) -> Wei {
        self.builder_paid
    }

    /// What is left of its profit after gas at this price, in wei; below nothing is nothing.
    #[must_use]
    pub fn net(&self, price: WeiPerGas) -> U256 {
        let value = self.opportunity.value().unwrap_or_default().0;
        value.saturating_sub((self.gas_used() * price).0)
    }

    /// Unknown slots and accounts that were taken as empty.
    #[must_use]
    pub const fn assumed(&self) -> usize {
        self.assumed
    }

    /// Slots it touched, in order, by account: an EIP-2930 access list.
    #[must_use]
    pub fn access(&self) -> &[(Address, U256)] {
        &self.access
    }
}

/// A bid that follows from the opportunity's gross value: near what will be bid, so that it is paid the same way (out of
/// ether that the executor holds, or by unwrapping what it earned) and costs the same gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Basis points of the gross value in ether.
    pub bps: u16,
    /// At least, in wei.
    pub floor: U256,
    /// At most, in wei.
    pub cap: U256,
}

impl Share {
    fn of(&self, value: Option<Wei>) -> Bid {
        let share = value.unwrap_or_default().0.saturating_mul(U256::from(self.bps)) / U256::from(10_000);
        // Never nothing: without a payment its gas would not be measured.
        Bid::Wei(Wei(share.max(self.floor).min(self.cap).max(U256::from(1))))
    }
}

/// Turns opportunities into proofs.
#[derive(Debug)]
pub struct Prover {
    own: Own,
    suspicion: Suspicion,
    nonce: u64,
    unknown: Unknown,
    bid: Bid,
    share: Option<Share>,
    missed: Vec<StateKey>,
    /// Asks a token what the executor holds.
    look: Bytes,
    proofs: ProofCache,
    /// The path of the swaps at hand. A buffer, used again.
    steps: Steps,
}

impl Prover {
    /// A prover for our accounts. `nonce` is the owner's next; `unknown` says what a proof may assume; `bid` is what the
    /// executor pays the builder.
    #[must_use]
    pub fn new(own: Own, nonce: u64, unknown: Unknown, bid: Bid) -> Self {
        let (suspicion, look) = (Suspicion::default(), own::balance_of(own.executor));
        let (missed, proofs, steps) = (Vec::new(), ProofCache::default(), Steps::of(own.executor));
        Self { own, suspicion, nonce, unknown, bid, share: None, missed, look, proofs, steps }
    }

    /// Bids a share of each opportunity's value from now on.
    #[must_use]
    pub const fn bidding(mut self, share: Share) -> Self {
        self.share = Some(share);
        self
    }

    /// Begins out of these what no pool lends for.
    #[must_use]
    pub fn funded(mut self, fundings: Vec<Funding>) -> Self {
        self.steps = self.steps.funded(fundings);
        self
    }

    /// Another event: on the base state, or behind a pending transaction.
    pub fn begin(&mut self, base: bool) {
        self.suspicion.begin(base);
        self.missed.clear();
    }

    /// The event was called off: it leaves no memory.
    pub fn take_back(&mut self) {
        self.suspicion.take_back();
        self.missed.clear();
    }

    /// The owner's next nonce has changed.
    pub const fn set_nonce(&mut self, nonce: u64) {
        self.nonce = nonce;
    }

    /// Whose accounts these are.
    #[must_use]
    pub const fn own(&self) -> &Own {
        &self.own
    }

    /// What proofs of this event read and the state does not know.
    #[must_use]
    pub fn missed(&self) -> &[StateKey] {
        &self.missed
    }

    /// A pool or a token of the path was caught before.
    #[must_use]
    pub fn suspects(&self, pools: &Pools<AnyPool>, swaps: &Swaps) -> bool {
        let hop = |(edge, out): (&Edge, &u128)| Hop {
            pool: pools.pool(edge.pool).key(),
            token_in: pools.token(edge.token_in),
            amount_out: *out,
        };
        swaps.hops().iter().zip(&swaps.amounts()[1..]).any(|pair| self.suspicion.on(&[hop(pair)]))
    }

    /// Asks a contract what it pays, over the machine's overlay.
    ///
    /// # Errors
    /// It answers nothing that is an amount, or what it needs is not known.
    pub fn ask(&mut self, machine: &mut Machine, question: &Question) -> Result<u128, Refused> {
        machine.db_mut().set_unknown(self.unknown);
        let said = machine.call(self.own.executor, question.to, Bytes::copy_from_slice(&question.data));
        machine.db_mut().set_unknown(Unknown::Refuse);
        let said = said.map_err(|error| self.refusal(&error))?.result;
        let at = question.word * 32;
        let word = said.output().filter(|_| said.is_success()).and_then(|output| output.get(at..at + 32));
        word.and_then(|word| u128::try_from(U256::from_be_slice(word)).ok()).ok_or(Refused::NoGain)
    }

    /// Runs our contract's transaction for `opportunity` over the machine's overlay.
    pub fn prove(
        &mut self,
        machine: &mut Machine,
        pools: &Pools<AnyPool>,
        opportunity: &Opportunity,
    ) -> Result<Proven, Refused> {
        let bid = self.bid_for(opportunity);
        self.prove_bidding(machine, pools, opportunity, bid)
    }

    /// As [`Prover::prove`], with this bid.
    pub fn prove_bidding(
        &mut self,
        machine: &mut Machine,
        pools: &Pools<AnyPool>,
        opportunity: &Opportunity,
        bid: Bid,
    ) -> Result<Proven, Refused> {
        let Some(swaps) = opportunity.swaps() else {
            let (proof, diff) = self.prove_plan(machine, pools, opportunity, bid)?;
            machine.take_back(diff);
            return Ok(proof);
        };
        let mut steps = std::mem::take(&mut self.steps);
        swaps.write(pools, &mut steps);
        let path = (pools.token(opportunity.token()), &steps);
        let answer = self.prove_steps((machine, pools), (opportunity, swaps), bid, path);
        self.steps = steps;
        answer
    }

    fn prove_steps(
        &mut self,
        (machine, pools): (&mut Machine, &Pools<AnyPool>),
        (opportunity, swaps): (&Opportunity, &Swaps),
        bid: Bid,
        (token, steps): (Address, &Steps),
    ) -> Result<Proven, Refused> {
        if self.suspicion.on(steps.hops()) {
            return Err(Refused::Distrusted);
        }
        let spends = swaps.spends(pools);
        let funding = steps.funding(token, spends).map_err(|_| Refused::NoCapital)?;
        let at = At::of(machine, self.nonce);
        if let Some(proof) = self.proofs.find(&at, swaps, bid) {
            self.suspicion.clear(steps.hops());
            return Ok(Proven { opportunity: opportunity.clone(), ..proof.clone() });
        }
        let gain = (opportunity.gross(), spends);
        let tx = self.transaction(machine, (token, bid), gain, steps)?;
        let between = self.run(machine, tx, (token, self.look.clone()))?;
        // Where it could not be begun it reverted, and no pool is to be blamed.
        let begun = match between.executed.is_success() || steps.lends() {
            true => Ok(()),
            false => self.begun(machine, (token, spends), funding, &between),
        };
        let answer = begun.and_then(|()| self.answer((machine, pools), opportunity, &between, (token, steps.hops())));
        machine.take_back(between.executed.diff);
        if let Ok(proof) = &answer {
            self.proofs.keep(at, proof, bid);
        }
        answer
    }

    /// Runs a plan's transaction over the machine's overlay. With the proof, all that it left, which is the caller's to take
    /// back.
    ///
    /// # Errors
    /// As of swaps; nobody is suspected, since what went wrong may be no pool's. [`Refused::Unencodable`]: it is no plan, or its bid
    /// is a share.
    pub fn prove_leaving(
        &mut self,
        machine: &mut Machine,
        pools: &Pools<AnyPool>,
        opportunity: &Opportunity,
    ) -> Result<(Proven, EvmState), Refused> {
        let bid = self.bid_for(opportunity);
        self.prove_plan(machine, pools, opportunity, bid)
    }

    fn prove_plan(
        &mut self,
        machine: &mut Machine,
        pools: &Pools<AnyPool>,
        opportunity: &Opportunity,
        bid: Bid,
    ) -> Result<(Proven, EvmState), Refused> {
        let at = self.own.executor;
        let (Some(plan), Bid::Wei(bid)) = (opportunity.plan(), bid) else { return Err(Refused::Unencodable) };
        let number = machine.block().number.try_into().map_err(|_| Refused::Unencodable)?;
        let data = plan.calldata(pools, at, number, bid).map_err(|_| Refused::Unencodable)?;
        let tx = self.to(machine, at, (plan.gas(), data));
        let token = pools.token(opportunity.token());
        let look = (token, own::balance_of(at));
        let between = match self.run(machine, tx.clone(), look.clone()) {
            Err(Refused::Cold) => return Err(self.miss_more(machine, tx, look)),
            between => between?,
        };
        let realised = self.realised(machine, token, &between, at);
        if realised != Some(U256::from(opportunity.gross())) {
            let symptom = symptom(&between);
            machine.take_back(between.executed.diff);
            return Err(symptom);
        }
        let proof = report(machine, opportunity.clone(), &between);
        Ok((proof, between.executed.diff))
    }

    fn bid_for(&self, opportunity: &Opportunity) -> Bid {
        self.share.map_or(self.bid, |share| share.of(opportunity.value()))
    }

    /// Goes on where something was missed, taking it as empty, for what else is missed: a lender asks many contracts, and one
    /// fetch for each would take many.
    fn miss_more(&mut self, machine: &mut Machine, tx: TxEnv, look: (Address, Bytes)) -> Refused {
        let unknown = std::mem::replace(&mut self.unknown, Unknown::AssumeEmpty);
        if let Ok(between) = self.run(machine, tx, look) {
            machine.take_back(between.executed.diff);
        }
        self.unknown = unknown;
        self.missed.extend(machine.db().assumed().iter().filter_map(|cold| cold.state_key()));
        Refused::Cold
    }

    /// Runs a transaction of ours between two looks at a token's balance.
    fn run(&mut self, machine: &mut Machine, tx: TxEnv, (token, look): (Address, Bytes)) -> Result<Between, Refused> {
        // The token asks itself. Whoever sends a look is loaded anew for it, and what he held before is forgotten: not the
        // contract of ours, whose ether before and after is compared.
        let look = machine.look(token, token, look);
        machine.db_mut().clear_notes();
        machine.db_mut().set_unknown(self.unknown);
        let between = machine.execute_between(tx, &look);
        machine.db_mut().set_unknown(Unknown::Refuse);
        between.map_err(|error| self.refusal(&error))
    }

    /// What a run of swaps says of what was believed.
    fn answer(
        &mut self,
        (machine, pools): (&mut Machine, &Pools<AnyPool>),
        opportunity: &Opportunity,
        between: &Between,
        (token, hops): (Address, &[Hop]),
    ) -> Result<Proven, Refused> {
        let realised = self.realised(machine, token, between, self.own.executor);
        if realised == Some(U256::from(opportunity.gross())) {
            self.suspicion.clear(hops);
            return Ok(report(machine, opportunity.clone(), between));
        }
        let symptom = symptom(between);
        let theirs = matches!(symptom, Refused::Mismatch | Refused::Reverted);
        if theirs && self.only_own_assumed(machine) && !entangled(pools, hops) {
            return Err(self.suspicion.investigate(machine, hops, symptom));
        }
        Err(symptom)
    }

    /// A path that no pool lends for has failed: was there what it begins with?
    ///
    /// # Errors
    /// There was not. Or a lender had it, and why the run failed may be its own doing: no pool is to be blamed for that.
    fn begun(
        &mut self,
        machine: &mut Machine,
        (token, amount): (Address, u128),
        funding: Option<&Funding>,
        between: &Between,
    ) -> Result<(), Refused> {
        let Some((lender, at)) = funding.and_then(|funding| funding.lender) else {
            let held = own::number(between.before.output()).unwrap_or_default();
            return if held < U256::from(amount) { Err(Refused::NoCapital) } else { Ok(()) };
        };
        let (asked, data) = (lender.stock)(&LoanRequest { lender: at, own: self.own.executor, token, amount });
        let said = machine.call(self.own.owner, asked, Bytes::copy_from_slice(&data));
        let said = said.map_err(|error| self.refusal(&error))?;
        let stock = own::number(said.result.output()).unwrap_or_default();
        Err(if stock < U256::from(amount) { Refused::NoCapital } else { symptom(between) })
    }

    fn transaction(
        &self,
        machine: &Machine,
        (token, bid): (Address, Bid),
        (min_profit, amount_in): (u128, u128),
        steps: &Steps,
    ) -> Result<TxEnv, Refused> {
        let block = machine.block();
        let run = Run {
            block: block.number.try_into().map_err(|_| Refused::Unencodable)?,
            token,
            min_profit,
            bid,
            amount_in,
            steps,
        };
        let data = run.encode().map_err(|_| Refused::Unencodable)?;
        Ok(self.to(machine, self.own.executor, (RUN_GAS, data)))
    }

    /// A transaction of the owner's to a contract of ours.
    fn to(&self, machine: &Machine, contract: Address, (gas, data): (u64, Bytes)) -> TxEnv {
        let block = machine.block();
        TxEnv {
            caller: self.own.owner,
            gas_limit: block.gas_limit.min(gas),
            gas_price: u128::from(block.basefee),
            kind: TxKind::Call(contract),
            data,
            nonce: self.nonce,
            chain_id: Some(machine.chain_id()),
            ..TxEnv::default()
        }
    }

    /// What the run earned of the start token before the builder was paid. `None` when it lost, or the token did not say, or
    /// the transaction failed.
    fn realised(&self, machine: &Machine, token: Address, between: &Between, contract: Address) -> Option<U256> {
        if !between.executed.is_success() {
            return None;
        }
        let gain = own::number(between.after.output())?.checked_sub(own::number(between.before.output())?)?;
        if token != self.own.weth {
            return Some(gain);
        }
        // The builder is paid out of ether held or wrapped ether earned: either way what he got and what is left of both
        // add up to what was earned.
        let (held, left) = balances(between, contract);
        (gain + paid(machine, between) + left).checked_sub(held)
    }

    fn refusal(&mut self, error: &ExecuteError) -> Refused {
        match error {
            ExecuteError::Cold(cold) => {
                self.missed.extend(cold.state_key());
                Refused::Cold
            }
            ExecuteError::Invalid(InvalidTransaction::LackOfFundForMaxFee { .. }) => Refused::Unfunded,
            ExecuteError::Invalid(_) | ExecuteError::Evm(_) => Refused::Ours,
        }
    }

    /// The outcome depends on nothing that was guessed.
    fn only_own_assumed(&self, machine: &Machine) -> bool {
        let db = machine.db();
        db.assumed().iter().all(|cold| matches!(cold, Cold::Slot(at, slot) if db.is_own_slot(*at, *slot)))
    }
}

/// Two pools of the path hang on the same slots, a metapool and its base: the first swap moves the second, which was quoted unmoved. Whoever
/// fails there is not to be blamed.
fn entangled(pools: &Pools<AnyPool>, hops: &[Hop]) -> bool {
    let slots = |hop: &Hop| -> Vec<(Address, U256)> {
        let sites = pools.find(hop.pool).map(|id| Amm::sites(pools.pool(id))).unwrap_or_default();
        let listed = |site: StateSite| match site.slots {
            Slots::Listed(slots) | Slots::Only(slots) => slots.into_iter().map(|slot| (site.at, slot)).collect(),
            Slots::None | Slots::All => Vec::new(),
        };
        sites.into_iter().flat_map(listed).collect()
    };
    let all: Vec<Vec<(Address, U256)>> = hops.iter().map(slots).collect();
    all.iter().enumerate().any(|(at, one)| all[at + 1..].iter().flatten().any(|slot| one.contains(slot)))
}

/// What a run that did not end as predicted shows: the pools at fault, or ourselves.
fn symptom(between: &Between) -> Refused {
    match &between.executed.result {
        ExecutionResult::Success { .. } => Refused::Mismatch,
        // Out of gas, most likely: nobody is to be blamed for our limit.
        ExecutionResult::Halt { .. } => Refused::Ours,
        ExecutionResult::Revert { output, .. } => {
            let ours = output.get(..4).is_some_and(|selector| executor::OWN_FAULTS.iter().any(|own| own == selector));
            if ours { Refused::Ours } else { Refused::Reverted }
        }
    }
}

fn report(machine: &Machine, opportunity: Opportunity, between: &Between) -> Proven {
    let diff = &between.executed.diff;
    let mut access = Vec::with_capacity(diff.values().map(|account| account.storage.len()).sum());
    for (address, account) in diff {
        access.extend(account.storage.keys().map(|slot| (*address, *slot)));
    }
    access.sort_unstable();
    Proven {
        opportunity,
        gas: between.executed.gas(machine.refund_quotient()),
        builder_paid: Wei(paid(machine, between)),
        assumed: machine.db().assumed().len(),
        access,
    }
}

/// An account's ether before and after. Zero twice when it was not touched.
fn balances(between: &Between, of: Address) -> (U256, U256) {
    let account = between.executed.diff.get(&of);
    account.map_or((U256::ZERO, U256::ZERO), |account| (account.original_info().balance, account.info.balance))
}

/// What the block's builder got. The transaction pays no more than the base fee, so all of it is the bid.
fn paid(machine: &Machine, between: &Between) -> U256 {
    let (before, after) = balances(between, machine.block().beneficiary);
    after.saturating_sub(before)
}

/// Gas for the executor's transaction: six hops over many ticks fit, and Osaka's cap of 2^24 is far.
const RUN_GAS: u64 = 5_000_000;
