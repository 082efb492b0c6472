//! A weighted pool's state, and what the engine asks of it.
//!
//! # Invariants
//! - A refused log or slot change leaves the state as it was.
//! - The same transaction applied by logs and by storage leaves the same balances and fee.
//! - A quote stays within what the vault has: cash pays, and no balance leaves 112 bits.
//!
//! # Cost
//! A quote forwards is one power (see `log_exp`); backwards it is a search over some fifteen of them. Nothing allocates or hashes.

use std::sync::Arc;

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::Amm;
use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::amm::Exact;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::amm::Segment;
use crate::amm::Traded;
use crate::balancer_v2::abi;
use crate::balancer_v2::curve;
use crate::balancer_v2::curve::LIMIT;
use crate::balancer_v2::curve::ONE;
use crate::balancer_v2::curve::Powers;
use crate::balancer_v2::curve::Side;
use crate::balancer_v2::logs::applied;
use crate::balancer_v2::snapshot::PoolSnapshot;
use crate::balancer_v2::step;
use crate::balancer_v2::storage::Balance;
use crate::balancer_v2::storage::Field;
use crate::balancer_v2::storage::Layout;
use crate::discover::Venue;
use crate::discover::View;
use crate::execution::{CallStep, Execution, Hop, Input, Output, PlannedSwap, Steps};
use crate::math::weighted::Weighted;
use crate::site::Logs;
use crate::site::Slots;
use crate::site::StateSite;
use crate::types::pool_key::PoolKey;

/// More than any weighted pool's code takes.
pub(super) const MOST_TOKENS: usize = 50;

/// What never changes of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Who holds its tokens.
    pub vault: Address,
    /// What the vault knows it by.
    pub id: B256,
    /// In the vault's order.
    pub tokens: Vec<Address>,
    /// In eighteen decimals; one together.
    pub weights: Vec<u64>,
    /// How its code takes powers.
    pub powers: Powers,
    /// Where the vault keeps its balances.
    pub layout: Layout,
    /// Where the pool keeps its fee.
    pub fee: Field,
    /// Where it is kept whether the pool is paused, and whether the vault is, each as long as that can be.
    pub pauses: [Option<Field>; 2],
}

/// What changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// In the order of the tokens.
    pub(super) held: Vec<Balance>,
    /// Share of the input, in eighteen decimals.
    pub(super) fee: u64,
    /// No swap is made.
    pub(super) paused: bool,
    /// ... in no pool at all.
    pub(super) vault_paused: bool,
}

/// A weighted pool.
#[derive(Debug, Deserialize, Serialize)]
#[serde(try_from = "PoolSnapshot", into = "PoolSnapshot")]
pub struct Pool {
    pub(super) terms: Arc<Terms>,
    pub(super) state: State,
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        Self { terms: Arc::clone(&self.terms), state: self.state.clone() }
    }

    /// Keeps the buffer.
    fn clone_from(&mut self, source: &Self) {
        let State { held, fee, paused, vault_paused } = &source.state;
        self.terms.clone_from(&source.terms);
        self.state.held.clone_from(held);
        (self.state.fee, self.state.paused, self.state.vault_paused) = (*fee, *paused, *vault_paused);
    }
}

/// A fee, if it is one.
pub(super) fn fee_of(value: U256) -> Option<u64> {
    u64::try_from(value).ok().filter(|fee| *fee < ONE)
}

impl Pool {
    /// `None` when the tokens, the weights, the balances or the fee are none that a weighted pool has.
    #[must_use]
    pub fn new(terms: Terms, held: Vec<Balance>, fee: U256) -> Option<Self> {
        let Terms { tokens, weights, layout, .. } = &terms;
        let count = tokens.len();
        let twice = (1..count).any(|at| tokens[..at].contains(&tokens[at]));
        let total: u128 = weights.iter().copied().map(u128::from).sum();
        let weighted = weights.len() == count && !weights.contains(&0) && total == u128::from(ONE);
        let kept = match layout {
            Layout::Shared { .. } => count == 2,
            Layout::Own(slots) => slots.len() == count,
        };
        let holds = held.len() == count && held.iter().all(|held| Balance::new(held.cash, held.managed).is_some());
        let sound = (2..=MOST_TOKENS).contains(&count) && !twice && weighted && kept && holds;
        let fee = fee_of(fee).filter(|_| sound)?;
        let state = State { held, fee, paused: false, vault_paused: false };
        Some(Self { terms: Arc::new(terms), state })
    }

    /// What never changes of it.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What it has, in the order of its tokens.
    #[must_use]
    pub fn held(&self) -> &[Balance] {
        &self.state.held
    }

    /// Share of the input, in eighteen decimals.
    #[must_use]
    pub const fn fee(&self) -> u64 {
        self.state.fee
    }

    /// The contract that reckons for it: the first twenty bytes of its id.
    #[must_use]
    pub fn contract(&self) -> Address {
        contract_of(self.terms.id)
    }

    /// No swap is made, of this pool or of any.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.state.paused || self.state.vault_paused
    }

    pub(super) fn balance(&self, token: usize) -> Balance {
        self.state.held.get(token).copied().unwrap_or_default()
    }

    fn side(&self, leg: Leg) -> Side {
        let weight = |token: usize| self.terms.weights.get(token).copied().unwrap_or_default();
        Side {
            balance_in: self.balance(leg.token_in()).total(),
            balance_out: self.balance(leg.token_out()).total(),
            weight_in: weight(leg.token_in()),
            weight_out: weight(leg.token_out()),
            fee: self.state.fee,
            powers: self.terms.powers,
        }
    }

    /// The side, while swaps are made.
    fn open(&self, leg: Leg) -> Result<Side, QuoteError> {
        if self.is_paused() { Err(QuoteError::TooLarge) } else { Ok(self.side(leg)) }
    }

    /// What the vault would have after it, or its refusal.
    fn after(&self, leg: Leg, amounts: [u128; 2]) -> Result<[Balance; 2], QuoteError> {
        let [into, out] = amounts.map(i128::try_from);
        let moved = |token, cash: Option<i128>| self.balance(token).moved(cash?, 0);
        let out = out.ok().and_then(i128::checked_neg);
        let both = moved(leg.token_in(), into.ok()).zip(moved(leg.token_out(), out));
        both.map(|(into, out)| [into, out]).ok_or(QuoteError::TooLarge)
    }

    /// The vault's answer when it is told what goes in.
    fn pays(&self, leg: Leg, amount_in: U256) -> Result<u128, QuoteError> {
        let amount = u128::try_from(amount_in).map_err(|_| QuoteError::TooLarge)?;
        if amount == 0 {
            return Err(QuoteError::TooSmall);
        }
        let out = curve::given_in(&self.open(leg)?, amount)?;
        self.after(leg, [amount, out]).map(|_| out)
    }

    /// The vault's answer when it is told what comes out.
    fn charges(&self, leg: Leg, amount_out: U256) -> Result<u128, QuoteError> {
        let amount = u128::try_from(amount_out).map_err(|_| QuoteError::TooLarge)?;
        if amount == 0 {
            return Err(QuoteError::TooSmall);
        }
        let into = curve::given_out(&self.open(leg)?, amount)?;
        self.after(leg, [into, amount]).map(|_| into)
    }

    /// The real-valued curve, and how far the pool takes input along it.
    fn real(&self, leg: Leg) -> (Weighted, u128) {
        let side = self.side(leg);
        if self.is_paused() {
            return (Weighted { balance_in: 0.0, balance_out: 0.0, power: 0.0, gamma: 0.0 }, 0);
        }
        let curve = Weighted {
            balance_in: side.balance_in as f64,
            balance_out: side.balance_out as f64,
            power: side.weight_in as f64 / side.weight_out as f64,
            gamma: (ONE - side.fee) as f64 / ONE as f64,
        };
        let (largest, paying) = (curve::largest_in(&side), self.balance(leg.token_out()));
        // What is managed cannot be paid. Float to integer saturates.
        let cash = if paying.managed == 0 { None } else { curve.input_for(paying.cash as f64) };
        (curve, cash.map_or(largest, |input| largest.min(input as u128)))
    }

    /// Sets whether the pool is paused, and whether the vault is.
    #[must_use]
    pub(super) fn with_pauses(mut self, [paused, vault_paused]: [bool; 2]) -> Self {
        (self.state.paused, self.state.vault_paused) = (paused, vault_paused);
        self
    }
}

/// The contract that an id names.
pub(super) fn contract_of(id: B256) -> Address {
    Address::from_slice(&id[..20])
}

impl Amm for Pool {
    fn protocol(&self) -> &'static str {
        Self::PROTOCOL
    }

    fn execution(&self) -> Execution {
        Execution::Pull
    }

    fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps) {
        let data = step::swap(&self.terms, swap, steps.own());
        let hop = Hop { pool: self.key(), token_in: swap.token_in, amount_out: swap.amount_out };
        steps.call(hop, &CallStep { data: &data, input: Input::Allowed, output: Output::Direct });
    }

    /// It is told what goes in, and takes exactly that.
    fn logged(&self, leg: Leg, [into, _]: [u128; 2], _came: u128) -> Result<[U256; 2], QuoteError> {
        let into = U256::from(into);
        Ok([into, self.quote_in(leg, into)?])
    }

    fn address(&self) -> Address {
        self.terms.vault
    }

    fn key(&self) -> PoolKey {
        PoolKey { contract: self.terms.vault, id: Some(self.terms.id) }
    }

    fn sites(&self) -> Vec<StateSite> {
        let Terms { vault, id, layout, fee, pauses, .. } = self.terms();
        let [pool_pause, vault_pause] = pauses.map(|pause| pause.map(|field| field.slot));
        let in_vault = layout.slots().into_iter().chain(vault_pause).collect();
        let mut in_pool = vec![fee.slot];
        in_pool.extend(pool_pause.filter(|slot| *slot != fee.slot));
        vec![
            StateSite { at: *vault, slots: Slots::Listed(in_vault), logs: Logs::Of(*id) },
            StateSite { at: self.contract(), slots: Slots::Listed(in_pool), logs: Logs::All },
        ]
    }

    fn tokens(&self) -> &[Address] {
        &self.terms.tokens
    }

    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        self.pays(leg, amount_in).map(U256::from)
    }

    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        let amount = u128::try_from(amount_out).map_err(|_| QuoteError::TooLarge)?;
        if amount == 0 {
            return Err(QuoteError::TooSmall);
        }
        let least = curve::smallest_in(&self.open(leg)?, amount)?;
        // It may pay more than is asked for, and more than there is.
        self.pays(leg, U256::from(least))?;
        Ok(U256::from(least))
    }

    /// What the vault takes when it is told what comes out.
    fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.charges(leg, amount_out).map(U256::from)
    }

    fn trade(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError> {
        // The vault knows no price limit.
        if limit.is_some() {
            return Err(QuoteError::TooLarge);
        }
        let (amount_in, amount_out) = match exact {
            Exact::In(amount) => (amount, self.quote_in(leg, amount)?),
            Exact::Out(amount) => (self.asks(leg, amount)?, amount),
        };
        let after = self.after(leg, [amount_in, amount_out].map(|amount| amount.saturating_to()))?;
        for (place, balance) in [leg.token_in(), leg.token_out()].into_iter().zip(after) {
            let Some(held) = self.state.held.get_mut(place) else { continue };
            *held = balance;
        }
        Ok(Traded { amount_in, amount_out })
    }

    fn views(&self) -> Vec<View> {
        let Terms { id, tokens, .. } = self.terms();
        // Two offsets and a block, then each list with its length before it.
        let named = tokens.iter().enumerate().map(|(at, token)| (4 + at, token.into_word().into()));
        let totals = self.state.held.iter().map(|held| U256::from(held.total()));
        let totals = totals.enumerate().map(|(at, total)| (5 + tokens.len() + at, total));
        vec![View { data: abi::getPoolTokensCall { poolId: *id }.abi_encode(), due: named.chain(totals).collect() }]
    }

    fn factory_fee(&self) -> Option<u32> {
        None
    }

    fn keeps(&self, _leg: Leg) -> Option<u32> {
        None
    }

    fn marginal_rate(&self, leg: Leg) -> f64 {
        self.real(leg).0.rate()
    }

    fn depth(&self, leg: Leg) -> f64 {
        self.real(leg).0.depth()
    }

    fn follows_stretches(&self) -> bool {
        false
    }

    fn segments(&self, leg: Leg, visit: impl FnMut(Segment) -> bool) {
        let (curve, most) = self.real(leg);
        curve.stretches(most, visit);
    }

    fn apply_log(&mut self, at: Address, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        if at == self.terms.vault {
            return self.vault_log(topics, data);
        }
        if at == self.contract() { self.pool_log(topics, data) } else { Ok(Applied::Irrelevant) }
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        let Terms { vault, layout, fee, pauses, .. } = &*self.terms;
        let State { held, fee: charged, paused, vault_paused } = &mut self.state;
        let fee = match fee.changed(at, changes) {
            Some(value) => fee_of(value).ok_or(ApplyError::Contradiction)?,
            None => *charged,
        };
        let mut changed = if at == *vault { layout.apply(held, changes)? } else { false };
        changed |= std::mem::replace(charged, fee) != fee;
        for (pause, now) in pauses.iter().zip([paused, vault_paused]) {
            let Some(word) = pause.and_then(|field| field.changed(at, changes)) else { continue };
            changed |= std::mem::replace(now, !word.is_zero()) != *now;
        }
        Ok(applied(changed))
    }

    /// The vault's pause is none of the pool's: a log without an id says it, and storage is its only witness.
    fn agrees(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.state, &other.state);
        (&ours.held, ours.fee, ours.paused) == (&theirs.held, theirs.fee, theirs.paused)
    }

    fn log_fed(&self) -> bool {
        false
    }

    fn gas(&self, _leg: Leg) -> u64 {
        // Measured between plain tokens on the published codes: 80k to 85k, calldata included; our contract's allowance, given and taken
        // back, comes on top. The first swap of a block through a pool with a price oracle: 115k.
        100_000
    }
}

const _: () = assert!(LIMIT < i128::MAX as u128);
