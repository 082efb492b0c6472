//! Curve's pools of two or three coins that have no fixed price to each other: of two coins, tricrypto, and tricrypto-NG. A pool repegs itself
//! to where its trades go, and charges more the farther its coins are apart.
//!
//! - `invariant`: the contract's integers; `cubic`: those of tricrypto-NG. `bound`: the curve in floats. `state`: what a quote depends on and
//!   where it lies. `discover`: how a pool is recognised.
//!
//! # Invariants
//! - No log tells the state: storage alone does. `A`, `gamma` and that they stand still are as they were when it was asked.
//! - What a swap leaves is not foretold: the pool may repeg.
//!
//! # Cost
//! A quote: the step of Newton's some ten times, or the cubic once, in microseconds. Nothing allocates or hashes.

mod abi;
mod bound;
mod cubic;
mod discover;
mod invariant;
mod state;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

use crate::amm::{Amm, Applied, ApplyError, Exact, Leg, QuoteError, Segment, Traded};
use crate::curve_crypto::bound::Bound;
use crate::curve_crypto::invariant::WHOLE_FEE;
use crate::curve_crypto::state::Places;
use crate::discover::{Venue, View};
use crate::execution::{CallStep, Execution, Hop, Input, Output, PlannedSwap, Steps, call_data};
use crate::site::{Logs, Slots, StateSite};

pub use crate::curve_crypto::state::{State, Terms, Version};

/// A pool of two or three coins.
#[derive(Debug, Deserialize, Serialize)]
pub struct Pool {
    address: Address,
    /// Those that are known, in the contract's order.
    tokens: Vec<Address>,
    /// The contract's place of each token.
    indices: Vec<usize>,
    terms: Box<Terms>,
    places: Box<Places>,
    state: Box<State>,
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        let Self { address, tokens, indices, terms, places, state } = self;
        Self {
            address: *address,
            tokens: tokens.clone(),
            indices: indices.clone(),
            terms: terms.clone(),
            places: places.clone(),
            state: state.clone(),
        }
    }

    /// Keeps the buffers.
    fn clone_from(&mut self, source: &Self) {
        self.address = source.address;
        self.terms.clone_from(&source.terms);
        self.tokens.clone_from(&source.tokens);
        self.indices.clone_from(&source.indices);
        self.places.clone_from(&source.places);
        self.state.clone_from(&source.state);
    }
}

impl Pool {
    /// The contract's place of a token.
    #[must_use]
    pub fn index(&self, place: usize) -> usize {
        self.indices.get(place).copied().unwrap_or_default()
    }

    /// All that a quote depends on and that changes.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What stands as long as the pool is the same.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The slots that say a state: what the pool's contract is made to believe in it by.
    #[must_use]
    pub fn written(&self, state: &State) -> Vec<(U256, U256)> {
        self.places.written(self.terms.version, state)
    }

    /// Slots of what stands still, first that it does, and what they hold.
    #[must_use]
    pub fn fixed_slots(&self) -> &[(U256, U256)] {
        &self.places.fixed
    }

    /// What the pool holds of the token that goes in.
    #[must_use]
    pub fn held(&self, leg: Leg) -> U256 {
        self.state.balances[self.index(leg.token_in())]
    }

    fn pays(&self, leg: Leg, amount: U256) -> Result<U256, QuoteError> {
        if amount.is_zero() {
            return Err(QuoteError::TooSmall);
        }
        let indices = [self.index(leg.token_in()), self.index(leg.token_out())];
        let out = self.state.pays(&self.terms, indices, amount)?;
        if out.is_zero() { Err(QuoteError::TooSmall) } else { Ok(out) }
    }

    fn bound(&self, leg: Leg) -> Bound {
        let State { balances, fees, d, .. } = &*self.state;
        let d = f64::from(*d);
        let scales = self.state.scales(&self.terms);
        let units = scales.map(|scale| d / scale);
        let x = std::array::from_fn(|at| f64::from(balances[at]) / units[at]);
        let (ann, multiplier) = (f64::from(self.terms.ann), f64::from(self.terms.multiplier));
        let coins = self.terms.version.coins();
        Bound {
            coins,
            x,
            token_in: self.index(leg.token_in()),
            token_out: self.index(leg.token_out()),
            amplification: ann / multiplier / coins.pow(coins as u32) as f64,
            gamma: f64::from(self.terms.gamma) / 1e18,
            units,
            fee: f64::from(fees[0].min(fees[1])) / f64::from(WHOLE_FEE),
        }
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
        let [i, j] = [swap.leg.token_in(), swap.leg.token_out()].map(|place| U256::from(self.index(place)));
        let words = [i, j, U256::from(swap.amount_in), U256::from(swap.amount_out)];
        let data: [u8; 4 + 4 * 32] = call_data(abi::exchangeCall::SELECTOR, words);
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
        vec![StateSite { at: self.address, slots: Slots::All, logs: Logs::None }]
    }

    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        self.pays(leg, amount_in)
    }

    /// By a search over what it pays: the contract says no other way round. Within the share of the pool that its steps end off, another
    /// input than the smallest may be found that is enough. Refused where it pays by a cubic's root: that comes out some
    /// units off, up as well as down, so that a search finds an input that is enough, and not the smallest.
    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        if amount_out.is_zero() {
            return Err(QuoteError::TooSmall);
        }
        if self.terms.version == Version::ThreeByRoot {
            return Err(QuoteError::TooLarge);
        }
        let pays = |into: u128| self.pays(leg, U256::from(into));
        let reaches = |into: u128| pays(into).is_ok_and(|out| out >= amount_out);
        // Float to integer saturates.
        let mut high = ((f64::from(amount_out) / self.bound(leg).rate()) as u128).max(1);
        let mut low = 0;
        while !reaches(high) {
            if pays(high) == Err(QuoteError::TooLarge) {
                // What is enough may lie below what is too much, but not below nothing.
                if low == 0 {
                    return Err(QuoteError::TooLarge);
                }
                break;
            }
            (low, high) = (high, high.checked_mul(2).ok_or(QuoteError::TooLarge)?);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let short = pays(middle).map_or_else(|error| error != QuoteError::TooLarge, |out| out < amount_out);
            if short { low = middle } else { high = middle }
        }
        if reaches(high) { Ok(U256::from(high)) } else { Err(QuoteError::TooLarge) }
    }

    fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.quote_out(leg, amount_out)
    }

    /// Never made: whether it repegs is not foretold.
    fn trade(&mut self, _leg: Leg, _exact: Exact, _limit: Option<U256>) -> Result<Traded, QuoteError> {
        Err(QuoteError::UnknownTick)
    }

    fn views(&self) -> Vec<View> {
        let view = |data: Vec<u8>, due: U256| View { data, due: vec![(0, due)] };
        let State { balances, prices, d, fees } = &*self.state;
        let place = |place: usize| U256::from(place);
        let mut views = vec![
            view(abi::DCall {}.abi_encode(), *d),
            view(abi::mid_feeCall {}.abi_encode(), fees[0]),
            view(abi::out_feeCall {}.abi_encode(), fees[1]),
            view(abi::fee_gammaCall {}.abi_encode(), fees[2]),
        ];
        let coins = self.terms.version.coins();
        views.extend((0..coins).map(|at| view(abi::balancesCall { place: place(at) }.abi_encode(), balances[at])));
        views.extend((1..coins).map(|at| view(abi::price(self.terms.version, at - 1), prices[at - 1])));
        views
    }

    fn factory_fee(&self) -> Option<u32> {
        None
    }

    fn keeps(&self, _leg: Leg) -> Option<u32> {
        None
    }

    fn marginal_rate(&self, leg: Leg) -> f64 {
        self.bound(leg).rate()
    }

    fn depth(&self, leg: Leg) -> f64 {
        self.bound(leg).depth()
    }

    fn follows_stretches(&self) -> bool {
        false
    }

    fn segments(&self, leg: Leg, visit: impl FnMut(Segment) -> bool) {
        self.bound(leg).stretches(visit);
    }

    fn apply_log(&mut self, _at: Address, _topics: &[B256], _data: &[u8]) -> Result<Applied, ApplyError> {
        Ok(Applied::Irrelevant)
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        if at != self.address {
            return Ok(Applied::Irrelevant);
        }
        let state = self.places.fold(self.terms.version, &self.state, changes)?;
        if *self.state == state {
            return Ok(Applied::Irrelevant);
        }
        *self.state = state;
        Ok(Applied::Changed)
    }

    fn agrees(&self, other: &Self) -> bool {
        self.state == other.state && self.terms == other.terms
    }

    fn log_fed(&self) -> bool {
        false
    }

    fn logs_state(&self) -> bool {
        false
    }

    fn gas(&self, _leg: Leg) -> u64 {
        // Measured on recorded pools between plain tokens, wrapped ether among them without its own work: 219k to 225k, and 122k to 157k.
        match self.terms.version {
            Version::Two | Version::Three => 222_000,
            Version::ThreeByRoot => 140_000,
        }
    }
}
