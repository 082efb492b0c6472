//! What search, state and forecast ask of every pool: an `Amm` in all but the trait, until our contract can swap here.

use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::amm::Exact;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::amm::Segment;
use crate::amm::Traded;
use crate::discover::View;
use crate::math::swap_step::PIPS;
use crate::site::Logs;
use crate::site::Slots;
use crate::site::StateSite;
use crate::types::pool_key::PoolKey;
use crate::uniswap_v4::PROTOCOL;
use crate::uniswap_v4::Pool;
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

/// What an `Amm` answers, under the trait's names.
impl Pool {
    /// Name in output, config and metrics.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        PROTOCOL
    }

    /// The manager: the contract that is called.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.manager
    }

    /// Which of the manager's pools.
    #[must_use]
    pub const fn key(&self) -> PoolKey {
        PoolKey { contract: self.manager, id: Some(self.id) }
    }

    /// Where its state lives, as far as that is known: slots of the manager's that are its own, and logs that name it.
    #[must_use]
    pub fn sites(&self) -> Vec<StateSite> {
        let own = [self.home.slot0(), self.home.liquidity()];
        let slots = own.into_iter().chain(self.index.slots()).collect();
        vec![StateSite { at: self.manager, slots: Slots::Listed(slots), logs: Logs::Of(self.id) }]
    }

    /// How often [`Self::sites`] has come to name more: with each word and tick learnt.
    #[must_use]
    pub const fn sites_seen(&self) -> usize {
        self.index.len()
    }

    /// Its currencies; the zero address is ether.
    #[must_use]
    pub const fn tokens(&self) -> &[Address] {
        &self.terms.currencies
    }

    /// The only route to a [`Leg`].
    #[must_use]
    pub fn leg(&self, token_in: Address, token_out: Address) -> Option<Leg> {
        Leg::find(self.tokens(), token_in, token_out)
    }

    /// Output for exactly `amount_in`.
    ///
    /// # Errors
    /// As [`Pool::swap`], and where the pool cannot take all of it.
    #[inline]
    pub fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        self.fill(leg, true, amount_in)
    }

    /// Input for exactly `amount_out`.
    ///
    /// # Errors
    /// As [`Pool::swap`], and where the pool cannot pay all of it.
    #[inline]
    pub fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.fill(leg, false, amount_out)
    }

    /// What the periphery pays in for exactly `amount_out`.
    ///
    /// # Errors
    /// As [`Pool::quote_out`].
    pub fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.fill(leg, false, amount_out)
    }

    /// Makes a swap, and leaves the pool as the manager would leave it. Without a limit it is made whole or refused.
    ///
    /// # Errors
    /// As [`Pool::swap`]. The pool is as it was.
    pub fn trade(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError> {
        self.make(leg, exact, limit)
    }

    /// Initialised ticks that a swap of exactly `amount_in` crosses.
    #[must_use]
    pub fn crossed(&self, leg: Leg, amount_in: u128) -> u32 {
        self.crossings(leg, amount_in)
    }

    /// What the manager must answer if the state is right. It has one getter for all: its own storage.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        let held = self.held();
        let slots = held.iter().map(|(slot, _)| B256::from(*slot)).collect();
        // An array's head: where it begins, and how long it is.
        let due = held.iter().enumerate().map(|(place, (_, word))| (place + 2, *word)).collect();
        vec![View { data: extsloadCall { slots }.abi_encode(), due }]
    }

    /// None: a pool is one of many of the same tokens and fee, and a router's calldata has its whole key.
    #[must_use]
    pub const fn factory_fee(&self) -> Option<u32> {
        None
    }

    /// None: a router's calldata has no such number.
    #[must_use]
    pub const fn keeps(&self, _leg: Leg) -> Option<u32> {
        None
    }

    /// Output per unit of input for a vanishing input, after fee. May only reject.
    #[must_use]
    pub fn marginal_rate(&self, leg: Leg) -> f64 {
        let down = leg.zero_for_one();
        self.curve(down).rate(down)
    }

    /// Input at which the pool pays, a unit, half of what it pays for a vanishing one. Only ranks.
    #[must_use]
    pub fn depth(&self, leg: Leg) -> f64 {
        let curve = self.curve(leg.zero_for_one());
        // A fee of everything buys nothing, at any depth.
        if curve.fee_pips >= PIPS { 0.0 } else { curve.depth(leg.zero_for_one()) }
    }

    /// Walks the curve from the present price; `visit` returns `false` to stop. Ends where knowledge or the curve ends.
    pub fn segments(&self, leg: Leg, visit: impl FnMut(Segment) -> bool) {
        self.curve(leg.zero_for_one()).stretches(leg.zero_for_one(), visit);
    }

    /// Applies one log of the contract `at`, which may be another pool's.
    ///
    /// # Errors
    /// It is not the shape that its signature promises, or contradicts what is known. Nothing has changed.
    pub fn apply_log(&mut self, at: Address, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        if at == self.manager { self.log(topics, data) } else { Ok(Applied::Irrelevant) }
    }

    /// Applies storage slots of the contract `at` that a transaction changed; most are other pools'.
    ///
    /// # Errors
    /// The first slot holds what the manager cannot have stored. Nothing has changed.
    pub fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        if at == self.manager { self.store(changes) } else { Ok(Applied::Irrelevant) }
    }

    /// Quotes as `other` does, as far as logs can tell. No log says what a dynamic pool charges, so of its fee storage is
    /// the only witness, and two pools do not disagree in it.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.state, &other.state);
        let charged = self.terms.is_dynamic() || ours.fees.lp == theirs.fees.lp;
        charged && ours.fees.protocol == theirs.fees.protocol && ours.at == theirs.at
    }

    /// Never: the layout is the manager's own, so storage always tells.
    #[must_use]
    pub const fn log_fed(&self) -> bool {
        false
    }
}

impl Pool {
    /// What its slots hold if the state is right: the first, the liquidity, the word at the price, and ticks beside it.
    fn held(&self) -> Vec<(U256, U256)> {
        let (home, at) = (self.home, &self.state.at);
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
