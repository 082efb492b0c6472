//! Uniswap V3 and its forks: concentrated liquidity between ticks.
//!
//! # Invariants
//! - Quotes are the contract's own results, to the unit, for what is known; the unknown is refused, not guessed.
//! - State from logs equals state from storage diffs ([`Pool::same_state`]); `tests/uniswap_v3_bytecode.rs` holds both to
//!   the deployed bytecode of Uniswap and PancakeSwap.
//! - An output of zero for a tiny exact input is legal, as in the contract: the input is kept and nothing is paid.
//!
//! # Cost
//! A quote: two binary searches, then 4 to 5 wide divisions a stop. Nothing allocates or hashes.
//!
//! # Limits
//! A fee that another contract tells (Slipstream's factory and its fee module) is as it was when it was asked; the slots that it was told
//! out of are sites of the pool, and where one changes the pool is asked anew. Fees that move with the pool's own state (Algebra, and
//! Slipstream's module that follows its price) are another protocol: `discover` refuses pools whose `fee()` reads what a swap changes.

mod discover;
mod logs;
mod storage;
mod swap;

#[cfg(test)]
mod tests;

pub use crate::math::concentrated::grid::Grid;
pub use crate::math::concentrated::ticks::Change;
pub use crate::math::concentrated::ticks::Liquidity;
pub use crate::math::concentrated::ticks::Tick;
pub use crate::math::concentrated::ticks::Ticks;
pub use crate::math::concentrated::walk::Swap;
pub use crate::math::concentrated::walk::no_limit;
pub use discover::discover;
pub use storage::Layout;
pub use storage::Layouts;
pub use storage::Slots;

use crate::amm::Amm;
use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::amm::Exact;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::amm::Segment;
use crate::amm::Traded;
use crate::discover::Venue;
use crate::discover::View;
use crate::execution::{Execution, Hop, PlannedSwap, Steps};
use crate::math::concentrated::Standing;
use crate::math::swap_step::PIPS;
use crate::site;
use crate::site::StateSite;
use crate::site::Term;
use crate::uniswap_v3::storage::snapshot::PoolSnapshot;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;
use std::sync::Arc;

/// The factory's own bound (`tickSpacing < 16384`).
pub const MAX_SPACING: i32 = 16_384;

/// Whose contract it is, where that shows in events, storage and callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flavour {
    /// `feeProtocol` is a byte in the first slot. Callback: `uniswapV3SwapCallback`.
    Uniswap,
    /// `feeProtocol` is a uint32, which spills with the lock into a slot of its own. Callback: `pancakeV3SwapCallback`.
    Pancake,
    /// There is no `feeProtocol`: `slot0` has six fields, and the lock is where the fee's byte would be. Callback: Uniswap's.
    Slipstream,
}

/// What never changes about a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Immutables {
    /// The contract.
    pub address: Address,
    /// token0 and token1.
    pub tokens: [Address; 2],
    /// Fee in millionths of the input.
    pub fee_pips: u32,
    /// Ticks between usable ticks.
    pub tick_spacing: i32,
    /// Whose contract.
    pub flavour: Flavour,
}

impl Immutables {
    /// True for what a pool can be: two different tokens, a fee under all, a spacing the factory accepts.
    #[must_use]
    pub fn are_sane(&self) -> bool {
        let [a, b] = self.tokens;
        a != b && !a.is_zero() && !b.is_zero() && self.fee_pips < PIPS && (1..MAX_SPACING).contains(&self.tick_spacing)
    }
}

/// The part of a pool that logs and storage must agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    at: Standing,
    /// As stored: two packed shares of the fee. No quote needs it.
    fee_protocol: u32,
}

/// A pool.
#[derive(Debug, Deserialize, Serialize)]
#[serde(try_from = "PoolSnapshot", into = "PoolSnapshot")]
pub struct Pool {
    address: Address,
    tokens: [Address; 2],
    fee_pips: u32,
    flavour: Flavour,
    /// Takes words and ticks that are not known as empty, as an EVM over zeroes would. The owner's explicit choice.
    pub assume_empty: bool,
    state: State,
    /// Where storage keeps it. `None`: only logs tell.
    slots: Option<Arc<Slots>>,
    /// Storage slot of each tick ever listed, sorted; empty without `slots`.
    tick_slots: Vec<(U256, i32)>,
    /// What the fee hangs on, where another contract tells it.
    terms: Option<Arc<[Term]>>,
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        let (slots, tick_slots, terms) = (self.slots.clone(), self.tick_slots.clone(), self.terms.clone());
        Self { state: self.state.clone(), slots, tick_slots, terms, ..*self }
    }

    /// Keeps the buffers, so that laying one pool over another allocates nothing once they are large enough.
    fn clone_from(&mut self, source: &Self) {
        let Self { address, tokens, fee_pips, flavour, assume_empty, state, slots, tick_slots, terms } = source;
        (self.address, self.tokens, self.fee_pips) = (*address, *tokens, *fee_pips);
        (self.flavour, self.assume_empty) = (*flavour, *assume_empty);
        self.state.at.clone_from(&state.at);
        self.state.fee_protocol = state.fee_protocol;
        self.slots.clone_from(slots);
        self.tick_slots.clone_from(tick_slots);
        self.terms.clone_from(terms);
    }
}

impl Pool {
    /// A pool of which nothing but the immutables is known. `None` when they are not [sane](Immutables::are_sane).
    #[must_use]
    pub fn new(of: Immutables) -> Option<Self> {
        if !of.are_sane() {
            return None;
        }
        let at = Standing::new(Grid::of(of.tick_spacing)?);
        Some(Self {
            address: of.address,
            tokens: of.tokens,
            fee_pips: of.fee_pips,
            flavour: of.flavour,
            assume_empty: false,
            state: State { at, fee_protocol: 0 },
            slots: None,
            tick_slots: Vec::new(),
            terms: None,
        })
    }

    /// Sets where the pool stands.
    pub const fn set_price(&mut self, sqrt_price_x96: U256, tick: i32, liquidity: u128) {
        self.state.at.set_price(sqrt_price_x96, tick, liquidity);
    }

    /// Learns a bitmap word; see [`Ticks::set_word`].
    pub fn set_word(&mut self, position: i16, bits: U256) -> bool {
        let (slots, index) = (self.slots.as_deref(), &mut self.tick_slots);
        self.state.at.ticks.set_word(position, bits, |tick| storage::index_tick(slots, index, tick))
    }

    /// Learns a tick's liquidity; see [`Ticks::set_tick`].
    pub fn set_tick(&mut self, tick: i32, liquidity: Liquidity) -> bool {
        let listed = self.state.at.ticks.tick(tick).is_some();
        let changed = self.state.at.ticks.set_tick(tick, liquidity);
        if changed && !listed {
            self.index_tick(tick);
        }
        changed
    }

    /// Makes a listed tick's storage slot recognisable.
    fn index_tick(&mut self, tick: i32) {
        storage::index_tick(self.slots.as_deref(), &mut self.tick_slots, tick);
    }

    /// Price as the contract stores it; zero until initialised.
    #[must_use]
    pub const fn sqrt_price_x96(&self) -> U256 {
        self.state.at.sqrt_price
    }

    /// Current tick as the contract stores it.
    #[must_use]
    pub const fn tick(&self) -> i32 {
        self.state.at.tick
    }

    /// Liquidity in range.
    #[must_use]
    pub const fn liquidity(&self) -> u128 {
        self.state.at.liquidity
    }

    /// Fee in millionths of the input.
    #[must_use]
    pub const fn fee_pips(&self) -> u32 {
        self.fee_pips
    }

    /// Whose contract, hence which callback.
    #[must_use]
    pub const fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// What the fee hangs on, where another contract tells it.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        self.terms.as_deref().unwrap_or_default()
    }

    /// With a fee that was told out of these.
    #[must_use]
    pub(super) fn with_terms(self, terms: Vec<Term>) -> Self {
        Self { terms: (!terms.is_empty()).then(|| terms.into()), ..self }
    }

    /// What is known of the ticks.
    #[must_use]
    pub const fn ticks(&self) -> &Ticks {
        &self.state.at.ticks
    }

    /// True when both are the same pool in the same state, whatever each was fed by.
    #[must_use]
    pub fn same_state(&self, other: &Self) -> bool {
        self.address == other.address
            && self.tokens == other.tokens
            && self.fee_pips == other.fee_pips
            && self.flavour == other.flavour
            && self.state == other.state
    }
}

impl Amm for Pool {
    fn protocol(&self) -> &'static str {
        Self::PROTOCOL
    }

    fn execution(&self) -> Execution {
        Execution::Callback
    }

    fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps) {
        let hop = Hop { pool: self.key(), token_in: swap.token_in, amount_out: swap.amount_out };
        steps.exact_in(hop, swap.leg.zero_for_one());
    }

    /// It is told what goes in, and pays for exactly that.
    fn logged(&self, leg: Leg, [into, _]: [u128; 2], _came: u128) -> Result<[U256; 2], QuoteError> {
        let into = U256::from(into);
        Ok([into, self.quote_in(leg, into)?])
    }

    fn address(&self) -> Address {
        self.address
    }

    fn sites(&self) -> Vec<StateSite> {
        let mut sites = vec![StateSite::whole(self.address, self.log_fed())];
        sites.extend(site::sites_of(self.terms()));
        sites
    }

    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    #[inline]
    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        self.fill(leg, true, amount_in)
    }

    #[inline]
    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.fill(leg, false, amount_out)
    }

    fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.fill(leg, false, amount_out)
    }

    fn trade(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError> {
        self.make(leg, exact, limit)
    }

    fn crossed(&self, leg: Leg, amount_in: u128) -> u32 {
        self.crossings(leg, amount_in)
    }

    fn views(&self) -> Vec<View> {
        self.viewed()
    }

    // What the factory tells its pools of the same tokens apart by: Slipstream's does by the spacing.
    fn factory_fee(&self) -> Option<u32> {
        (self.flavour != Flavour::Slipstream).then_some(self.fee_pips)
    }

    // There is no such number: a router's calldata leaves the fee to the pool.
    fn keeps(&self, _leg: Leg) -> Option<u32> {
        None
    }

    fn marginal_rate(&self, leg: Leg) -> f64 {
        self.curve().rate(leg.zero_for_one())
    }

    fn depth(&self, leg: Leg) -> f64 {
        self.curve().depth(leg.zero_for_one())
    }

    fn segments(&self, leg: Leg, visit: impl FnMut(Segment) -> bool) {
        self.curve().stretches(leg.zero_for_one(), visit);
    }

    fn apply_log(&mut self, at: Address, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        if at == self.address { self.log(topics, data) } else { Ok(Applied::Irrelevant) }
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        if site::breaks(self.terms(), at, changes) {
            return Err(ApplyError::Contradiction);
        }
        if at == self.address { self.store(changes) } else { Ok(Applied::Irrelevant) }
    }

    fn agrees(&self, other: &Self) -> bool {
        self.state == other.state
    }

    fn log_fed(&self) -> bool {
        self.slots.is_none()
    }

    fn gas(&self, _leg: Leg) -> u64 {
        // Measured shape of V3 swaps: about 100 000 within a range, about 20 000 a tick crossed; one in three swaps crosses.
        const WITHIN_RANGE: u64 = 100_000;
        const PER_TICK: u64 = 20_000;
        WITHIN_RANGE + PER_TICK / 3
    }
}
