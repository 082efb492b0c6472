//! A pool's state, and what the engine asks of it.
//!
//! # Invariants
//! - Storage alone tells the state: what a swap logs says neither balances nor what the administrator got.
//! - What follows of the state, a share's price, scaled balances and `D`, is worked out when it changes. A pool that lacks a coin has none of
//!   it, and quotes nothing.
//! - A coin whose address is not known, or that is no token, is no way through; it counts in the invariant all the same.
//! - What a metapool's share is worth follows from the base pool's slots, which it follows besides its own. It swaps its own two coins,
//!   which leaves the base pool as it was; and the first of them for a coin of the base pool, which moves both.
//!
//! # Limits
//! - Two metapools of one base pool, or one and the base pool, move each other: of a path through both the proof says whether it holds.
//!
//! # Cost
//! A quote is one solution of the invariant, through a base pool five; nothing allocates or hashes. A copy of a metapool into the place of
//! a pool that is none allocates once.

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
use crate::curve_stable::meta::Backing;
use crate::curve_stable::meta::Behind;
use crate::curve_stable::meta::META;
use crate::curve_stable::meta::Metapool;
use crate::curve_stable::meta::SHARE;
use crate::curve_stable::meta::Through;
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

/// Most tokens that a pool swaps: a metapool has two coins, and those of its base pool.
const MOST_TOKENS: usize = 2 + MOST_COINS;

/// Gas of asking a base pool what its share is worth, and of a deposit or a withdrawal there.
const ASKED: u64 = 40_000;
const THROUGH: u64 = 70_000;

/// Gas of wrapping ether, or unwrapping it: what a pool of Uniswap V4 costs more with it (`contracts/README.md`, `v3 v4-eth`).
const WRAPPED: u64 = 8_000;

/// How a swap is made, and between which places.
#[derive(Clone, Copy, Debug)]
enum Route {
    /// `exchange`: of two coins of the pool's own.
    Own((usize, usize)),
    /// `exchange_underlying`: of a metapool's first coin and one of the base pool, which come behind it there.
    Through((usize, usize)),
}

/// The coins that are ways through a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coins {
    known: usize,
    tokens: [Address; MOST_TOKENS],
    /// Place of each in the contract's list; those of a base pool come behind it.
    places: [u8; MOST_TOKENS],
}

impl Coins {
    /// `None` when fewer than two are known, or two are the same.
    pub(super) fn new(coins: &[Option<Address>]) -> Option<Self> {
        let mut all = Self { known: 0, tokens: [Address::ZERO; MOST_TOKENS], places: [0; MOST_TOKENS] };
        for (place, token) in coins.iter().enumerate() {
            let Some(token) = token else { continue };
            if all.tokens().contains(token) || all.known == MOST_TOKENS {
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
    /// Of a metapool's share not the rate: see [`Over`].
    terms: Terms,
    layout: Layout,
    /// The place of the coin that is ether. It is shown as the token that stands for it.
    ether: Option<usize>,
    /// Of a metapool, whose share its second coin is.
    backing: Option<Backing>,
}

/// What changes.
#[derive(Debug)]
struct Live {
    state: State,
    now: Option<Standing>,
    /// Of a metapool. Other pools are copied without it.
    over: Option<Box<Over>>,
}

/// What changes of a metapool besides.
#[derive(Clone, Copy, Debug)]
struct Over {
    behind: Behind,
    /// With the share's price as its rate; none where there is no price.
    terms: Terms,
    /// Both pools, where they can swap.
    through: Option<Metapool>,
}

impl Clone for Live {
    fn clone(&self) -> Self {
        Self { state: self.state, now: self.now, over: self.over.clone() }
    }

    /// Keeps the buffer.
    fn clone_from(&mut self, source: &Self) {
        (self.state, self.now) = (source.state, source.now);
        self.over.clone_from(&source.over);
    }
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
        let fixed = Fixed { address, coins: Coins::new(coins)?, signed, terms, layout, ether: None, backing: None };
        Some(Self { fixed: Arc::new(fixed), live: Box::new(Live { state, now, over: None }) })
    }

    /// The pool as one whose coin in this place is ether.
    #[must_use]
    pub fn paid_in_ether(mut self, place: Option<usize>) -> Self {
        let coins = self.terms().coins;
        if let Some(fixed) = Arc::get_mut(&mut self.fixed) {
            fixed.ether = place.filter(|place| *place < coins);
        }
        self
    }

    /// The pool as a metapool, the second of whose two coins is the share of a base pool. `None` when it is not.
    #[must_use]
    pub fn over(self, backing: Backing, behind: Behind) -> Option<Self> {
        let (coins, signed) = self.coins();
        let apart = ![backing.pool, backing.share].contains(&self.fixed.address);
        let fits = coins.len() == 2 && coins[SHARE] == Some(backing.share) && apart;
        if !(fits && backing.fits(&behind)) {
            return None;
        }
        let coins = Coins::new(&[&coins[..], &backing.coins[..]].concat())?;
        let Fixed { address, terms, ref layout, ether, .. } = *self.fixed;
        let layout = layout.clone();
        let fixed = Fixed { address, coins, signed, terms, layout, ether, backing: Some(backing) };
        let mut pool = Self { fixed: Arc::new(fixed), live: self.live };
        pool.live.over = Some(Box::new(Over { behind, terms, through: None }));
        pool.stand();
        Some(pool)
    }

    /// All that a quote depends on and that changes: compares two ways of learning the same state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.live.state
    }

    /// What tells its version, and the rates in force.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        self.live.over.as_ref().map_or(&self.fixed.terms, |over| &over.terms)
    }

    /// Of a metapool, its base pool and how that stands.
    #[must_use]
    pub fn backing(&self) -> Option<(&Backing, &Behind)> {
        self.fixed.backing.as_ref().zip(self.live.over.as_ref().map(|over| &over.behind))
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

    /// The place of the coin that is ether.
    #[must_use]
    pub fn ether(&self) -> Option<usize> {
        self.fixed.ether
    }

    /// Its coins by the contract's places, but for ether.
    pub(super) fn tokens_alone(&self) -> Vec<Option<Address>> {
        let mut coins = self.coins().0;
        if let Some(coin) = self.fixed.ether.and_then(|place| coins.get_mut(place)) {
            *coin = None;
        }
        coins
    }

    /// The contract's places of what goes in and what comes out. Those of a base pool's coins are behind its own.
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
        let Route::Own(places) = self.route(leg)? else { return None };
        Some(self.terms().get_dy(said, &self.live.state, now, places, dx))
    }

    /// Takes a new state and says whether it differs. `behind`: of a metapool, its base pool's.
    fn set(&mut self, state: State, behind: Option<Behind>) -> Applied {
        let Live { state: was, over, .. } = &mut *self.live;
        let (over, behind) = (over.as_mut().map(|over| &mut over.behind), behind);
        let moved = over.zip(behind).is_some_and(|(over, behind)| std::mem::replace(over, behind) != behind);
        if *was == state && !moved {
            return Applied::Irrelevant;
        }
        *was = state;
        self.stand();
        Applied::Changed
    }

    /// Works out what follows of the state.
    fn stand(&mut self) {
        let Live { state, now, over } = &mut *self.live;
        let Some((backing, over)) = self.fixed.backing.as_ref().zip(over.as_mut()) else {
            *now = self.fixed.terms.standing(state);
            return;
        };
        let base = backing.base(&over.behind);
        let price = base.and_then(|base| base.virtual_price()).unwrap_or_default();
        // Without a price nothing is quoted, and no older price stays.
        over.terms.rates[SHARE] = price;
        over.through = base.and_then(|base| Metapool::new(over.terms, *state, base, price));
        *now = over.through.as_ref().map(|through| *through.standing());
    }

    fn through(&self) -> Option<&Metapool> {
        self.live.over.as_ref()?.through.as_ref()
    }

    /// `None`: none leads from the one to the other.
    fn route(&self, leg: Leg) -> Option<Route> {
        let (i, j) = self.places(leg);
        let own = self.fixed.terms.coins;
        match (i < own, j < own) {
            (true, true) => Some(Route::Own((i, j))),
            (true, false) if i == META => Some(Route::Through((META, j + 1 - own))),
            (false, true) if j == META => Some(Route::Through((i + 1 - own, META))),
            _ => None,
        }
    }

    /// What is paid.
    fn paid(&self, leg: Leg, dx: U256) -> Result<U256, QuoteError> {
        match self.route(leg).ok_or(QuoteError::TooLarge)? {
            Route::Own(places) => {
                let now = self.live.now.as_ref().ok_or(QuoteError::TooLarge)?;
                Ok(self.terms().exchange(&self.live.state, now, places, dx)?.paid)
            }
            Route::Through(places) => {
                let through = self.through().ok_or(QuoteError::TooLarge)?;
                Ok(through.exchange_underlying(places, dx)?.paid)
            }
        }
    }

    /// What is paid, and what it leaves: of the base pool where that moves.
    fn made(&self, leg: Leg, dx: U256) -> Result<(U256, State, Option<Behind>), QuoteError> {
        match self.route(leg).ok_or(QuoteError::TooLarge)? {
            Route::Own(places) => {
                let Live { state, now, .. } = &*self.live;
                let made = self.terms().exchange(state, now.as_ref().ok_or(QuoteError::TooLarge)?, places, dx)?;
                Ok((made.paid, self.terms().settled(state, places, dx, &made)?, None))
            }
            Route::Through(places) => {
                let through = self.through().ok_or(QuoteError::TooLarge)?;
                let Through { paid, state, base } = through.exchange_underlying(places, dx)?;
                Ok((paid, state, Some(Behind { state: *base.state(), supply: base.supply() })))
            }
        }
    }

    fn curve(&self, leg: Leg) -> Option<Curve> {
        match self.route(leg)? {
            Route::Own(places) => Curve::new(self.terms(), &self.live.state, self.live.now.as_ref()?, places),
            Route::Through(places) => self.through()?.curve(places),
        }
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
        let (selector, (i, j)) = match self.route(swap.leg) {
            Some(Route::Through(places)) => (abi::exchange_underlyingCall::SELECTOR, places),
            Some(Route::Own(places)) => (abi::exchangeCall::SELECTOR, places),
            None => (abi::exchangeCall::SELECTOR, self.places(swap.leg)),
        };
        let words = [U256::from(i), U256::from(j), U256::from(swap.amount_in), U256::from(swap.amount_out)];
        let data: [u8; 4 + 4 * 32] = call_data(selector, words);
        let hop = Hop { pool: self.key(), token_in: swap.token_in, amount_out: swap.amount_out };
        let input = if self.fixed.ether == Some(i) { Input::Ether } else { Input::Allowed };
        let output = if self.fixed.ether == Some(j) { Output::Ether } else { Output::Here };
        steps.call(hop, &CallStep { data: &data, input, output });
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
        let mut sites = vec![StateSite { at: self.fixed.address, slots, logs: Logs::None }];
        let behind = self.fixed.backing.iter().flat_map(Backing::sites);
        sites.extend(behind.map(|(at, slots)| StateSite { at, slots: Slots::Only(slots), logs: Logs::None }));
        sites
    }

    fn tokens(&self) -> &[Address] {
        self.fixed.coins.tokens()
    }

    /// A metapool's share is no way to a coin of the base pool, nor is one of those to another: that is the base pool's.
    fn leg(&self, token_in: Address, token_out: Address) -> Option<Leg> {
        Leg::find(self.tokens(), token_in, token_out).filter(|leg| self.route(*leg).is_some())
    }

    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        self.paid(leg, U256::from(narrow(amount_in)?))
    }

    /// Refused where the fee grows: it does so by whole parts, at each of which a unit more pays less, so that a search finds an input
    /// that is enough, and not the smallest. So do the fees of a deposit in the base pool.
    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        if self.live.state.offpeg > WHOLE {
            return Err(QuoteError::TooLarge);
        }
        let least = U256::from(narrow(amount_out)?);
        let now = self.live.now.as_ref().ok_or(QuoteError::TooLarge)?;
        let Some(Route::Own(places)) = self.route(leg) else { return Err(QuoteError::TooLarge) };
        inverse::smallest_in(self.terms(), &self.live.state, now, places, least)
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
        let (amount_out, state, behind) = self.made(leg, amount_in)?;
        self.set(state, behind);
        Ok(Traded { amount_in, amount_out })
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
        if at == self.fixed.address {
            let state = self.fixed.layout.fold(&self.live.state, changes)?;
            return Ok(self.set(state, None));
        }
        let Some((backing, behind)) = self.backing().filter(|(backing, _)| backing.is_at(at)) else {
            return Ok(Applied::Irrelevant);
        };
        let behind = backing.fold(behind, at, changes)?;
        Ok(self.set(self.live.state, Some(behind)))
    }

    fn agrees(&self, other: &Self) -> bool {
        let behind = |pool: &Self| pool.backing().map(|(_, behind)| *behind);
        (self.live.state, self.terms(), behind(self)) == (other.live.state, other.terms(), behind(other))
    }

    fn log_fed(&self) -> bool {
        false
    }

    fn logs_state(&self) -> bool {
        false
    }

    fn gas(&self, leg: Leg) -> u64 {
        // Measured on four versions between plain tokens: 64k to 130k, less the transaction's own 21k.
        let own = 90_000 + if self.fixed.ether.is_some() { WRAPPED } else { 0 };
        match self.route(leg) {
            Some(Route::Through(_)) => own + ASKED + THROUGH,
            _ if self.fixed.backing.is_some() => own + ASKED,
            _ => own,
        }
    }
}
