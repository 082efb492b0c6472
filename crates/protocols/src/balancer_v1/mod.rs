//! Balancer V1: pools of two to eight tokens that hold the product of their balances, each to the power of its weight, constant. A pool
//! keeps its own books: what it takes a balance for is in its storage.
//!
//! - `fixed`: the contract's arithmetic. `state`: what a quote depends on, and how storage and logs change it. `discover`: how a pool is
//!   recognised.
//!
//! # Invariants
//! - A refused log or slot change leaves the pool as it was.
//! - The tokens and the leave to swap are as they were when it was asked: where either changes it is asked anew.
//!
//! # Cost
//! A quote: see `fixed`; nothing allocates or hashes.

mod abi;
mod discover;
mod fixed;
mod state;

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
use crate::balancer_v1::fixed::ONE;
use crate::balancer_v1::fixed::Side;
use crate::balancer_v1::state::Places;
use crate::balancer_v1::state::State;
use crate::discover::Venue;
use crate::discover::View;
use crate::execution::{CallStep, Execution, Hop, Input, Output, PlannedSwap, Steps, call_data};
use crate::math::weighted::Weighted;
use crate::site::StateSite;

pub use crate::balancer_v1::state::Token;

/// The most tokens that a pool can hold.
pub const MOST_TOKENS: usize = 8;

/// A weighted pool.
#[derive(Debug, Deserialize, Serialize)]
pub struct Pool {
    address: Address,
    tokens: Vec<Address>,
    places: Places,
    state: Box<State>,
}

impl Pool {
    /// What it holds of each token and what that weighs, in the order of the tokens.
    #[must_use]
    pub fn held(&self) -> &[Token] {
        &self.state.held[..self.tokens.len()]
    }

    /// Share of the input, in eighteen decimals.
    #[must_use]
    pub const fn fee(&self) -> u128 {
        self.state.fee
    }

    /// Slots of each token's balance and weight, in the order of the tokens.
    #[must_use]
    pub fn token_slots(&self) -> &[[U256; 2]] {
        &self.places.tokens
    }

    /// The slot of the fee.
    #[must_use]
    pub const fn fee_slot(&self) -> U256 {
        self.places.fee
    }

    fn side(&self, leg: Leg) -> Side {
        let [from, to] = [leg.token_in(), leg.token_out()].map(|place| &self.state.held[place]);
        Side {
            balance_in: from.balance,
            weight_in: from.weight,
            balance_out: to.balance,
            weight_out: to.weight,
            fee: self.state.fee,
        }
    }

    fn curve(&self, leg: Leg) -> Weighted {
        let side = self.side(leg);
        Weighted {
            balance_in: side.balance_in as f64,
            balance_out: side.balance_out as f64,
            power: side.weight_in as f64 / side.weight_out as f64,
            gamma: 1.0 - side.fee as f64 / ONE as f64,
        }
    }

    /// Whether both balances are known.
    fn knows(&self, leg: Leg) -> Result<(), QuoteError> {
        let unknown = [leg.token_in(), leg.token_out()].into_iter().any(|place| self.state.held[place].gulped);
        if unknown { Err(QuoteError::UnknownTick) } else { Ok(()) }
    }

    /// The token's place, if the pool holds it.
    fn place(&self, token: Address) -> Option<usize> {
        self.tokens.iter().position(|held| *held == token)
    }
}

impl Amm for Pool {
    fn protocol(&self) -> &'static str {
        Self::PROTOCOL
    }

    fn execution(&self) -> Execution {
        Execution::Pull
    }

    fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps) {
        let token_out = self.tokens.get(swap.leg.token_out()).copied().unwrap_or_default();
        let [token_in, token_out] = [swap.token_in, token_out].map(|token| U256::from_be_bytes(token.into_word().0));
        let words = [token_in, U256::from(swap.amount_in), token_out, U256::from(swap.amount_out), U256::MAX];
        let data: [u8; 4 + 5 * 32] = call_data(abi::swapExactAmountInCall::SELECTOR, words);
        let hop = Hop { pool: self.key(), token_in: swap.token_in, amount_out: swap.amount_out };
        steps.call(hop, &CallStep { data: &data, input: Input::Allowed, output: Output::Here });
    }

    /// It is told what goes in, and takes exactly that.
    fn logged(&self, leg: Leg, [into, _]: [u128; 2], _came: u128) -> Result<[U256; 2], QuoteError> {
        let into = U256::from(into);
        Ok([into, self.quote_in(leg, into)?])
    }

    fn address(&self) -> Address {
        self.address
    }

    fn sites(&self) -> Vec<StateSite> {
        vec![StateSite::whole(self.address, false)]
    }

    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        self.knows(leg)?;
        fixed::paid(self.side(leg), amount_in)
    }

    /// By a search around the curve's own answer: the contract says what an output costs too, but by another rounding.
    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.knows(leg)?;
        if amount_out.is_zero() {
            return Err(QuoteError::TooSmall);
        }
        let about = self.curve(leg).input_for(f64::from(amount_out)).ok_or(QuoteError::TooLarge)?;
        // Float to integer saturates.
        fixed::cost(self.side(leg), about as u128, amount_out)
    }

    fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.quote_out(leg, amount_out)
    }

    fn trade(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError> {
        // It knows a limit of its price, in a form of its own.
        if limit.is_some() {
            return Err(QuoteError::TooLarge);
        }
        let amount_in = match exact {
            Exact::In(amount) => amount,
            Exact::Out(amount) => self.asks(leg, amount)?,
        };
        let amount_out = self.quote_in(leg, amount_in)?;
        // Both are within the balances: the quotes have refused what is not.
        self.state.held[leg.token_in()].balance += amount_in.saturating_to::<u128>();
        self.state.held[leg.token_out()].balance -= amount_out.saturating_to::<u128>();
        Ok(Traded { amount_in, amount_out })
    }

    fn views(&self) -> Vec<View> {
        let view = |data: Vec<u8>, due: u128| View { data, due: vec![(0, U256::from(due))] };
        let mut views = vec![view(abi::getSwapFeeCall {}.abi_encode(), self.state.fee)];
        for (token, held) in self.tokens.iter().copied().zip(self.held()) {
            views.push(view(abi::getBalanceCall { token }.abi_encode(), held.balance));
            views.push(view(abi::getDenormalizedWeightCall { token }.abi_encode(), held.weight));
        }
        views
    }

    fn factory_fee(&self) -> Option<u32> {
        None
    }

    fn keeps(&self, _leg: Leg) -> Option<u32> {
        None
    }

    fn marginal_rate(&self, leg: Leg) -> f64 {
        self.curve(leg).rate()
    }

    fn depth(&self, leg: Leg) -> f64 {
        self.curve(leg).depth()
    }

    fn follows_stretches(&self) -> bool {
        false
    }

    fn segments(&self, leg: Leg, visit: impl FnMut(Segment) -> bool) {
        self.curve(leg).stretches(self.side(leg).most_in(), visit);
    }

    fn apply_log(&mut self, at: Address, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        if at != self.address { Ok(Applied::Irrelevant) } else { self.hear(topics, data) }
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        if at != self.address {
            return Ok(Applied::Irrelevant);
        }
        let state = self.places.fold(&self.state, changes)?;
        Ok(self.set(state))
    }

    /// A balance that logs leave open agrees with any.
    fn agrees(&self, other: &Self) -> bool {
        let same = |(one, other): (&Token, &Token)| {
            one.weight == other.weight && (one.gulped || other.gulped || one.balance == other.balance)
        };
        self.state.fee == other.state.fee && self.held().iter().zip(other.held()).all(same)
    }

    fn log_fed(&self) -> bool {
        false
    }

    fn gas(&self, _leg: Leg) -> u64 {
        // Measured on recorded pools: 67k to 75k, between plain tokens.
        71_000
    }
}
