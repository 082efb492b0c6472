//! A pool's state, and what the engine asks of it.
//!
//! # Invariants
//! - Storage alone tells the state: what a swap logs says neither balances nor what the administrator got.
//! - What follows of the state, scaled balances and `D`, is worked out when it changes. A pool that lacks a coin has none of
//!   it, and quotes nothing.
//! - A coin whose address is not known, or that is no token, is no way through; it counts in the invariant all the same.
//!
//! # Cost
//! A quote is one solution of the invariant; nothing allocates or hashes.

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
use crate::curve_stable::abi;
use crate::curve_stable::abi::signed;
use crate::curve_stable::bound::Curve;
use crate::curve_stable::invariant::MOST_COINS;
use crate::curve_stable::inverse;
use crate::curve_stable::layout::Layout;
use crate::curve_stable::snapshot::PoolSnapshot;
use crate::curve_stable::swap::Standing;
use crate::curve_stable::swap::State;
use crate::curve_stable::swap::Terms;
use crate::curve_stable::swap::WHOLE;
use crate::discover::Venue;
use crate::discover::View;
use crate::execution::{CallStep, Execution, Hop, Input, Output, PlannedSwap, Steps, call_data};
use crate::site::Logs;
use crate::site::Slots;
use crate::site::StateSite;

/// The coins that are ways through a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coins {
    known: usize,
    tokens: [Address; MOST_COINS],
    /// Place of each in the contract's list.
    places: [u8; MOST_COINS],
}

impl Coins {
    /// `None` when fewer than two are known, or two are the same.
    pub(super) fn new(coins: &[Option<Address>]) -> Option<Self> {
        let mut all = Self { known: 0, tokens: [Address::ZERO; MOST_COINS], places: [0; MOST_COINS] };
        for (place, token) in coins.iter().enumerate() {
            let Some(token) = token else { continue };
            if all.tokens().contains(token) || all.known == MOST_COINS {
                return None;
            }
            all.tokens[all.known] = *token;
            all.places[all.known] = u8::try_from(place).ok()?;
            all.known += 1;
        }
        (all.known >= 2).then_some(all)
    }

    fn tokens(&self) -> &[Address] {
        &self.tokens[..self.known]
    }

    pub(super) fn place(&self, token: usize) -> usize {
        usize::from(self.places[token])
    }

    /// By the contract's places.
    pub(super) fn by_place(&self, coins: usize) -> Vec<Option<Address>> {
        let of = |place: usize| (0..self.known).find(|token| self.place(*token) == place);
        (0..coins).map(|place| of(place).map(|token| self.tokens[token])).collect()
    }
}

/// What does not change of a pool.
#[derive(Debug)]
struct Fixed {
    address: Address,
    coins: Coins,
    /// Its lists are asked for by `int128`.
    signed: bool,
    terms: Terms,
    layout: Layout,
}

/// What changes.
#[derive(Clone, Debug)]
struct Live {
    state: State,
    now: Option<Standing>,
}

/// A pool of stable coins. Two words, so that a table of pools of any protocol is none the wider for it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(try_from = "PoolSnapshot", into = "PoolSnapshot")]
pub struct Pool {
    fixed: Arc<Fixed>,
    live: Box<Live>,
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        Self { fixed: Arc::clone(&self.fixed), live: self.live.clone() }
    }

    /// Keeps the buffer: a hot thread copies pools, and allocates nothing.
    fn clone_from(&mut self, source: &Self) {
        self.fixed.clone_from(&source.fixed);
        self.live.clone_from(&source.live);
    }
}

impl Pool {
    /// `coins`: by the contract's places. `None` when fewer than two of them are known, or the parts do not fit together.
    #[must_use]
    pub fn new(
        address: Address,
        (coins, signed): (&[Option<Address>], bool),
        terms: Terms,
        layout: Layout,
        state: State,
    ) -> Option<Self> {
        let fits = (2..=MOST_COINS).contains(&terms.coins)
            && coins.len() == terms.coins
            && layout.held.len() == terms.coins
            && [0, terms.coins].contains(&layout.admin_held.len())
            && terms.precision > 0
            && terms.rates[..terms.coins].iter().all(|rate| !rate.is_zero());
        // What is held against storage is held against here, too.
        let state = layout.fold(&state, &layout.written(&state)).ok().filter(|_| fits)?;
        let now = terms.standing(&state);
        let fixed = Fixed { address, coins: Coins::new(coins)?, signed, terms, layout };
        Some(Self { fixed: Arc::new(fixed), live: Box::new(Live { state, now }) })
    }

    /// All that a quote depends on and that changes: compares two ways of learning the same state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.live.state
    }

    /// What tells its version.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.fixed.terms
    }

    /// Where the state is kept.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.fixed.layout
    }

    /// Its coins by the contract's places, and whether these are `int128`.
    pub(super) fn coins(&self) -> (Vec<Option<Address>>, bool) {
        (self.fixed.coins.by_place(self.fixed.terms.coins), self.fixed.signed)
    }

    /// The contract's places of what goes in and what comes out.
    #[must_use]
    pub fn places(&self, leg: Leg) -> (usize, usize) {
        (self.fixed.coins.place(leg.token_in()), self.fixed.coins.place(leg.token_out()))
    }

    /// What `get_dy` answers; `None` where its rounding is not known.
    ///
    /// # Errors
    /// It would revert.
    #[must_use]
    pub fn get_dy(&self, leg: Leg, dx: U256) -> Option<Result<U256, QuoteError>> {
        let said = self.fixed.terms.said.filter(|_| self.live.state.offpeg == 0)?;
        let now = self.live.now.as_ref()?;
        Some(self.fixed.terms.get_dy(said, &self.live.state, now, self.places(leg), dx))
    }

    /// Takes a new state and says whether it differs.
    fn set(&mut self, state: State) -> Applied {
        if self.live.state == state {
            return Applied::Irrelevant;
        }
        self.live.state = state;
        self.live.now = self.fixed.terms.standing(&state);
        Applied::Changed
    }

    fn curve(&self, leg: Leg) -> Option<Curve> {
        Curve::new(&self.fixed.terms, &self.live.state, self.live.now.as_ref()?, self.places(leg))
    }
}

/// An amount that our contract could move.
fn narrow(amount: U256) -> Result<u128, QuoteError> {
    if amount.is_zero() {
        return Err(QuoteError::TooSmall);
    }
    u128::try_from(amount).map_err(|_| QuoteError::TooLarge)
}

impl Amm for Pool {
    fn protocol(&self) -> &'static str {
        Self::PROTOCOL
    }

    fn execution(&self) -> Execution {
        Execution::Pull
    }

    fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps) {
        let (i, j) = self.places(swap.leg);
        let words = [U256::from(i), U256::from(j), U256::from(swap.amount_in), U256::from(swap.amount_out)];
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
        self.fixed.address
    }

    fn sites(&self) -> Vec<StateSite> {
        let slots = Slots::Listed(self.fixed.layout.slots().collect());
        vec![StateSite { at: self.fixed.address, slots, logs: Logs::None }]
    }

    fn tokens(&self) -> &[Address] {
        self.fixed.coins.tokens()
    }

    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        let dx = U256::from(narrow(amount_in)?);
        let now = self.live.now.as_ref().ok_or(QuoteError::TooLarge)?;
        Ok(self.fixed.terms.exchange(&self.live.state, now, self.places(leg), dx)?.paid)
    }

    /// Refused where the fee grows: it does so by whole parts, at each of which a unit more pays less, so that a search finds an input
    /// that is enough, and not the smallest.
    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        if self.live.state.offpeg > WHOLE {
            return Err(QuoteError::TooLarge);
        }
        let least = U256::from(narrow(amount_out)?);
        let now = self.live.now.as_ref().ok_or(QuoteError::TooLarge)?;
        inverse::smallest_in(&self.fixed.terms, &self.live.state, now, self.places(leg), least)
    }

    fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.quote_out(leg, amount_out)
    }

    /// It is told what goes in, whatever was wanted out, and pays all that this is worth.
    fn trade(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError> {
        // A pool knows no price limit.
        if limit.is_some() {
            return Err(QuoteError::TooLarge);
        }
        let amount_in = match exact {
            Exact::In(amount) => U256::from(narrow(amount)?),
            Exact::Out(amount) => self.quote_out(leg, amount)?,
        };
        let now = self.live.now.as_ref().ok_or(QuoteError::TooLarge)?;
        let places = self.places(leg);
        let made = self.fixed.terms.exchange(&self.live.state, now, places, amount_in)?;
        let left = self.fixed.terms.settled(&self.live.state, places, amount_in, &made)?;
        self.set(left);
        Ok(Traded { amount_in, amount_out: made.paid })
    }

    fn views(&self) -> Vec<View> {
        let State { held, admin_held, fee, amp, .. } = self.live.state;
        let one = |data, due| View { data, due: vec![(0, due)] };
        let mut views = vec![
            one(abi::feeCall {}.abi_encode(), U256::from(fee)),
            one(abi::ACall {}.abi_encode(), U256::from(amp / u64::from(self.fixed.terms.precision))),
        ];
        for place in 0..self.fixed.terms.coins {
            let data = if self.fixed.signed {
                signed::balancesCall { place: i128::try_from(place).unwrap_or_default() }.abi_encode()
            } else {
                abi::balancesCall { place: U256::from(place) }.abi_encode()
            };
            views.push(one(data, U256::from(held[place].saturating_sub(admin_held[place]))));
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
        self.curve(leg).map_or(0.0, |curve| curve.marginal_rate())
    }

    fn depth(&self, leg: Leg) -> f64 {
        self.curve(leg).map_or(0.0, |curve| curve.depth())
    }

    fn follows_stretches(&self) -> bool {
        false
    }

    fn segments(&self, leg: Leg, visit: impl FnMut(Segment) -> bool) {
        if let Some(curve) = self.curve(leg) {
            curve.segments(visit);
        }
    }

    fn apply_log(&mut self, _at: Address, _topics: &[B256], _data: &[u8]) -> Result<Applied, ApplyError> {
        // TokenExchange tells what came and went, and not what the administrator got of it.
        Ok(Applied::Irrelevant)
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        if at != self.fixed.address {
            return Ok(Applied::Irrelevant);
        }
        let state = self.fixed.layout.fold(&self.live.state, changes)?;
        Ok(self.set(state))
    }

    fn agrees(&self, other: &Self) -> bool {
        (self.live.state, &self.fixed.terms) == (other.live.state, &other.fixed.terms)
    }

    fn log_fed(&self) -> bool {
        false
    }

    fn logs_state(&self) -> bool {
        false
    }

    fn gas(&self, _leg: Leg) -> u64 {
        // Measured on four versions between plain tokens: 64k to 130k, less the transaction's own 21k.
        90_000
    }
}
