//! What search, state and forecast ask of every pool.

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
use crate::execution::{Execution, PlannedSwap, Steps};
use crate::math::swap_step::PIPS;
use crate::site::Logs;
use crate::site::Slots;
use crate::site::StateSite;
use crate::types::pool_key::PoolKey;
use crate::uniswap_v4::Pool;
use crate::uniswap_v4::step;
use crate::uniswap_v4::storage;
use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;

/// Ticks that are held against the manager: those next to the price, half of them on either side.
const VIEWED_TICKS: usize = 8;

alloy::sol! {
    function extsload(bytes32[] slots) external view returns (bytes32[]);
}

impl Amm for Pool {
    fn protocol(&self) -> &'static str {
        Self::PROTOCOL
    }

    fn execution(&self) -> Execution {
        Execution::Unlock
    }

    fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps) {
        step::write(self, swap, steps);
    }

    /// It is told what goes in, and takes exactly that.
    fn logged(&self, leg: Leg, [into, _]: [u128; 2], _came: u128) -> Result<[U256; 2], QuoteError> {
        let into = U256::from(into);
        Ok([into, self.quote_in(leg, into)?])
    }

    fn address(&self) -> Address {
        self.fixed.manager
    }

    fn key(&self) -> PoolKey {
        PoolKey { contract: self.fixed.manager, id: Some(self.fixed.id) }
    }

    fn sites(&self) -> Vec<StateSite> {
        let own = [self.fixed.home.slot0(), self.fixed.home.liquidity()];
        let slots = own.into_iter().chain(self.index.slots()).collect();
        vec![StateSite { at: self.fixed.manager, slots: Slots::Listed(slots), logs: Logs::Of(self.fixed.id) }]
    }

    fn sites_seen(&self) -> usize {
        self.index.len()
    }

    fn tokens(&self) -> &[Address] {
        &self.fixed.tokens
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

    /// What the manager must answer if the state is right. It has one getter for all: its own storage.
    fn views(&self) -> Vec<View> {
        let held = self.held();
        let slots = held.iter().map(|(slot, _)| B256::from(*slot)).collect();
        // An array's head: where it begins, and how long it is.
        let due = held.iter().enumerate().map(|(place, (_, word))| (place + 2, *word)).collect();
        vec![View { data: extsloadCall { slots }.abi_encode(), due }]
    }

    /// None: a pool is one of many of the same tokens and fee, and a router's calldata has its whole key.
    fn factory_fee(&self) -> Option<u32> {
        None
    }

    /// None: a router's calldata has no such number.
    fn keeps(&self, _leg: Leg) -> Option<u32> {
        None
    }

    fn marginal_rate(&self, leg: Leg) -> f64 {
        let down = leg.zero_for_one();
        self.curve(down).rate(down)
    }

    fn depth(&self, leg: Leg) -> f64 {
        let curve = self.curve(leg.zero_for_one());
        // A fee of everything buys nothing, at any depth.
        if curve.fee_pips >= PIPS { 0.0 } else { curve.depth(leg.zero_for_one()) }
    }

    fn segments(&self, leg: Leg, visit: impl FnMut(Segment) -> bool) {
        self.curve(leg.zero_for_one()).stretches(leg.zero_for_one(), visit);
    }

    fn apply_log(&mut self, at: Address, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        if at == self.fixed.manager { self.log(topics, data) } else { Ok(Applied::Irrelevant) }
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        if at == self.fixed.manager { self.store(changes) } else { Ok(Applied::Irrelevant) }
    }

    /// Quotes as `other` does, as far as logs can tell. No log says what a dynamic pool charges, so of its fee storage is
    /// the only witness, and two pools do not disagree in it.
    fn agrees(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.state, &other.state);
        let charged = self.fixed.terms.is_dynamic() || ours.fees.lp == theirs.fees.lp;
        charged && ours.fees.protocol == theirs.fees.protocol && ours.at == theirs.at
    }

    /// Never: the layout is the manager's own, so storage always tells.
    fn log_fed(&self) -> bool {
        false
    }

    /// Of a dynamic pool no log says the fee.
    fn logs_state(&self) -> bool {
        !self.fixed.terms.is_dynamic()
    }

    fn gas(&self, _leg: Leg) -> u64 {
        // Measured (contracts/snapshots/gas.json): as much as a V3 pool within a range, what is synced and settled included, and as much
        // a tick. Ether is wrapped or unwrapped for about 8,000 more.
        const WITHIN_RANGE: u64 = 100_000;
        const PER_TICK: u64 = 20_000;
        const ETHER: u64 = 8_000;
        let ether = if self.fixed.terms.currencies[0].is_zero() { ETHER } else { 0 };
        WITHIN_RANGE + PER_TICK / 3 + ether
    }
}

impl Pool {
    /// What its slots hold if the state is right: the first, the liquidity, the word at the price, and ticks beside it.
    fn held(&self) -> Vec<(U256, U256)> {
        let (home, at) = (self.fixed.home, &self.state.at);
        let slot0 = storage::pack_slot0(at.sqrt_price, at.tick, self.state.fees);
        let mut held = vec![(home.slot0(), slot0), (home.liquidity(), U256::from(at.liquidity))];
        let position = i16::try_from(at.ticks.grid().word_of(at.tick)).ok();
        held.extend(position.and_then(|position| Some((home.word(position), at.ticks.word(position)?))));
        let list = at.ticks.list();
        let above = list.partition_point(|tick| tick.tick <= at.tick);
        let near = above.saturating_sub(VIEWED_TICKS / 2)..(above + VIEWED_TICKS / 2).min(list.len());
        let ticks = list.get(near).unwrap_or_default().iter();
        held.extend(ticks.filter_map(|t| Some((home.tick(t.tick), storage::pack_tick(t.liquidity?)))));
        held
    }
}
