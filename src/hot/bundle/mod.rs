//! `Proven`, or `Forecast`, to [`SignedBundle`]: the bid, the last limits, the transaction, the signature.
//!
//! # Invariants
//! - The executor is told the block, the gain it was proven with, and the bid: it reverts rather than lose.
//! - Nothing is signed that a limit refuses, and what is not signed counts against no limit.
//! - One nonce for all bundles of a block: at most one of them can land.
//!
//! # Limits
//! - [`ProfitSplit::gas_cost`] is exact when the prover's own bid is in wei and not zero. Without a payment in the proof, the
//!   payment is forecast with [`PAYMENT_GAS`]; with a share for a bid, or an access list, some hundred gas are off.
//! - A start token other than wrapped ether: the executor pays the bid out of ether it holds, and reverts if it holds less.
//!
//! # Cost
//! One signature (27 µs), three keccaks; no allocation once warm, as long as bundles are let go of in the end.

mod basis;
pub mod bid;
pub mod config;
pub mod fees;
mod limits;
mod signed;
mod target;
mod transaction;

use alloy_primitives::{Address, B256};

use crate::hot::refused::Refused;
use crate::hot::rt::inbox::Supply;
use crate::hot::simulate::Proven;
use crate::hot::state::pools::Pools;
use crate::protocols::AnyPool;
use crate::protocols::execution::Steps;
use crate::protocols::executor;
use crate::protocols::executor::Run;
use crate::protocols::flash::Funding;
use crate::types::amount::Gas;
use crate::types::amount::Wei;
use crate::types::amount::WeiPerGas;
use crate::types::buf::Stock;
use crate::types::gas::GasCost;
use crate::types::onetime::OneTime;
use crate::types::secret::Key;

pub use basis::Basis;
pub use bid::ProfitSplit;
pub use signed::SignedBundle;
pub use target::Raw;
pub use target::Target;

/// Gas of unwrapping and paying a builder, when the proof paid none. Measured: 41,406 where his account is empty.
pub const PAYMENT_GAS: u64 = 60_000;

/// Most bytes of a bundle's transactions: relay.flashbots.net's limit.
pub const MAX_BYTES: usize = 300_000;

/// The block a bundle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetBlock {
    /// Its number.
    pub block: u64,
    /// The hash of the block before it.
    pub parent: B256,
    /// Its base fee.
    pub base_fee: WeiPerGas,
    /// The owner's next nonce in it.
    pub nonce: u64,
}

impl TargetBlock {
    /// The block after `parent`.
    #[must_use]
    pub fn after(parent: &fees::Parent, nonce: u64) -> Self {
        let block = parent.number.saturating_add(1);
        Self { block, parent: parent.hash, base_fee: parent.next_base_fee(), nonce }
    }
}

/// Signs bundles.
#[derive(Debug)]
pub struct BundleSigner {
    key: Key,
    chain_id: u64,
    executor: config::Executor,
    bid: config::Bid,
    limits: config::Limits,
    signed: limits::BlockLimits,
    nonces: Option<Supply<OneTime>>,
    buffers: Buffers,
}

/// Buffers, used again.
#[derive(Debug, Default)]
struct Buffers {
    target: Target,
    steps: Steps,
    data: Vec<u8>,
    paper: transaction::Paper,
    stock: Stock,
}

impl BundleSigner {
    /// A builder that signs with `key`, the executor's owner's.
    #[must_use]
    pub fn new(key: Key, chain_id: u64, executor: config::Executor, bid: config::Bid, limits: config::Limits) -> Self {
        let buffers = Buffers { steps: Steps::of(executor.address), ..Buffers::default() };
        let signed = limits::BlockLimits::default();
        Self { key, chain_id, executor, bid, limits, signed, nonces: None, buffers }
    }

    /// Begins out of these what no pool lends for.
    #[must_use]
    pub fn funded(mut self, fundings: Vec<Funding>) -> Self {
        self.buffers.steps = self.buffers.steps.funded(fundings);
        self
    }

    /// Signs with nonces prepared ahead, as long as there are any.
    #[must_use]
    pub fn with_nonces(mut self, nonces: Option<Supply<OneTime>>) -> Self {
        self.nonces = nonces;
        self
    }

    /// Whose transactions these are.
    #[must_use]
    pub const fn owner(&self) -> Address {
        self.key.address()
    }

    /// What the bundle of a proof would bid.
    ///
    /// # Errors
    /// It would not be built: the profit does not bear it.
    pub fn offer(&self, proven: &Proven, target_block: &TargetBlock) -> Result<Wei, Refused> {
        self.quote(proven, target_block).map(|terms| terms.bid)
    }

    /// How the profit would be shared.
    ///
    /// # Errors
    /// It would not be built: the profit does not bear it.
    pub fn quote<'a>(&self, on: impl Into<Basis<'a>>, target_block: &TargetBlock) -> Result<ProfitSplit, Refused> {
        self.terms(&on.into(), target_block)
    }

    fn terms(&self, on: &Basis<'_>, target_block: &TargetBlock) -> Result<ProfitSplit, Refused> {
        let value = on.opportunity.value().ok_or(Refused::Unvalued)?;
        let among = on.opportunity.gains();
        let cost = bid::Cost { gas: expected_gas(on), price: target_block.base_fee, bid: on.paid, among };
        bid::settle(value, &cost, &self.bid, &self.limits)
    }

    /// Whether a bundle that was signed before its proof stands with it: the same bundle, with the terms that it really has.
    ///
    /// # Errors
    /// A limit refuses it, or the gas that was signed for does not do.
    pub fn stands(&self, bundle: &SignedBundle, proof: &Proven) -> Result<SignedBundle, Refused> {
        if proof.assumed() > self.limits.max_assumed_slots {
            return Err(Refused::Assumed);
        }
        if before_refunds(proof.gas_used()) > u128::from(bundle.gas_limit().0) {
            return Err(Refused::GasTooHigh);
        }
        let signed = bundle.terms();
        let gas_cost = proof.gas_used() * bundle.price();
        let spent = gas_cost.0.checked_add(signed.bid.0).ok_or(Refused::Unprofitable)?;
        let take = signed.value.0.checked_sub(spent).ok_or(Refused::Unprofitable)?;
        if take < self.limits.min_net_wei {
            return Err(Refused::Unprofitable);
        }
        Ok(bundle.settled(ProfitSplit { gas_cost, take: Wei(take), ..*signed }))
    }

    /// The bundle does not count any more: another may be built behind its trigger.
    pub fn withdraw(&mut self, bundle: &SignedBundle) {
        self.signed.release(bundle.trigger());
    }

    /// Does something with the trigger's raw bytes.
    ///
    /// # Errors
    /// There are none: they are not the trigger's, or it is none.
    pub fn behind<T>(&mut self, raw: Raw<'_>, work: impl FnOnce(&mut Self, &Target) -> T) -> Result<T, Refused> {
        let mut target = std::mem::take(&mut self.buffers.target);
        let answer = raw(&mut target).map(|()| work(self, &target));
        self.buffers.target = target;
        answer
    }

    /// The bundle of a proof, or of what is forecast: behind `target`, or alone. `pools`: those that it was found in.
    pub fn build<'a>(
        &mut self,
        on: impl Into<Basis<'a>>,
        pools: &Pools<AnyPool>,
        target: Option<&Target>,
        target_block: &TargetBlock,
    ) -> Result<SignedBundle, Refused> {
        let on = on.into();
        let trigger = target.map(Target::hash);
        self.signed.admit(target_block.parent, trigger, self.limits.max_bundles_per_block)?;
        if on.assumed > self.limits.max_assumed_slots {
            return Err(Refused::Assumed);
        }
        let gas_limit = self.gas_limit(&on, expected_gas(&on).charged())?;
        let terms = self.terms(&on, target_block)?;
        self.buffers.calldata(&on, pools, target_block.block, terms.bid)?;
        let hash = self.sign(&on, target_block, gas_limit)?;
        let raw = self.buffers.paper.raw();
        let bytes = raw.len() + target.map_or(0, |target| target.bytes().len());
        if bytes > MAX_BYTES {
            return Err(Refused::TooLarge);
        }
        self.signed.count(trigger);
        let ours =
            signed::Ours { raw, hash, nonce: target_block.nonce, gas_limit, price: target_block.base_fee, terms };
        Ok(SignedBundle::new(target_block.block, target, ours, &mut self.buffers.stock))
    }

    /// Signs the calldata on the worker: the transaction's hash.
    fn sign(&mut self, on: &Basis<'_>, target_block: &TargetBlock, gas_limit: Gas) -> Result<B256, Refused> {
        let Buffers { data, paper, .. } = &mut self.buffers;
        let draft = transaction::Draft {
            chain_id: self.chain_id,
            nonce: target_block.nonce,
            gas_limit,
            price: target_block.base_fee,
            to: self.executor.address,
            data,
            access: if self.executor.access_list { on.access } else { &[] },
        };
        draft.sign(&self.key, self.nonces.as_ref().and_then(Supply::take), paper)
    }

    /// Expected gas, before refunds and with the margin.
    fn gas_limit(&self, on: &Basis<'_>, expected: Gas) -> Result<Gas, Refused> {
        let spent = before_refunds(expected);
        let accounts = || on.access.chunk_by(|one, next| one.0 == next.0);
        let listed = if self.executor.access_list { accounts().count() } else { 0 };
        // An address that is warm anyway costs its place in the list (EIP-2930).
        let spent = spent + 2_400 * listed as u128;
        let limit = spent * (10_000 + u128::from(self.executor.gas_margin_bps)) / 10_000 + 1;
        if limit > u128::from(self.limits.max_gas) {
            return Err(Refused::GasTooHigh);
        }
        u64::try_from(limit).map(Gas).map_err(|_| Refused::GasTooHigh)
    }
}

/// The most that was spent before refunds, which give back at most a fifth of it (EIP-3529) after the end: the limit must
/// hold all of it.
fn before_refunds(charged: Gas) -> u128 {
    u128::from(charged.0) * 5 / 4
}

/// What the run will be charged.
fn expected_gas(on: &Basis<'_>) -> GasCost {
    let payment = if on.paid == Wei::default() { PAYMENT_GAS } else { 0 };
    on.gas.plus(payment)
}

impl Buffers {
    /// The run, with its bid.
    fn calldata(&mut self, on: &Basis<'_>, pools: &Pools<AnyPool>, block: u64, bid: Wei) -> Result<(), Refused> {
        if let Some(plan) = on.opportunity.plan() {
            let data = plan.calldata(pools, self.steps.own(), block, bid).map_err(|_| Refused::Unencodable)?;
            self.data.clear();
            self.data.extend_from_slice(&data);
            return Ok(());
        }
        let swaps = on.opportunity.swaps().ok_or(Refused::Unencodable)?;
        swaps.write(pools, &mut self.steps);
        let run = Run {
            block,
            token: pools.token(on.opportunity.token()),
            min_profit: on.opportunity.gross(),
            bid: executor::Bid::Wei(bid),
            amount_in: swaps.spends(pools),
            steps: &self.steps,
        };
        run.write(&mut self.data).map_err(|_| Refused::Unencodable)
    }
}
