//! A pool's state, and what the engine asks of it.
//!
//! # Invariants
//! - The same transaction applied by logs and by storage leaves the same reserves. Observations, cumulative prices and what is owed to
//!   providers are not followed: no quote depends on them.
//! - What the factory answered out of is as it was when it was asked. A change of it is refused, and the pool is asked anew.
//! - A refused log or slot change leaves the state as it was.
//!
//! # Cost
//! A quote: see `curve`. Nothing allocates or hashes.

use std::sync::Arc;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
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
use crate::discover::Venue;
use crate::discover::View;
use crate::execution::{Execution, Hop, PlannedSwap, Steps};
use crate::site;
use crate::site::StateSite;
use crate::site::Term;
use crate::solidly::abi;
use crate::solidly::bound::Bound;
use crate::solidly::curve::Curve;
use crate::solidly::curve::Fee;
use crate::solidly::curve::Side;
use crate::solidly::quoter;
use crate::solidly::snapshot::PoolSnapshot;

/// What does not change of a pool while it is the one that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The contract.
    pub address: Address,
    /// Its tokens, in its order.
    pub tokens: [Address; 2],
    /// What it holds constant.
    pub curve: Curve,
    /// What it takes of the input.
    pub fee: Fee,
    /// Where each reserve is kept.
    pub slots: [U256; 2],
    /// What fee and leave hang on.
    pub terms: Vec<Term>,
    /// Its `getAmountOut` answers what is foretold: what routers pay out is known.
    pub quoter: bool,
}

impl Terms {
    fn are_sane(&self) -> bool {
        let [a, b] = self.tokens;
        a != b && self.slots[0] != self.slots[1] && self.curve.is_sane()
    }
}

/// A pool of two tokens.
#[derive(Debug, Deserialize, Serialize)]
#[serde(try_from = "PoolSnapshot", into = "PoolSnapshot")]
pub struct Pool {
    fixed: Arc<Terms>,
    reserves: [u128; 2],
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        Self { fixed: Arc::clone(&self.fixed), ..*self }
    }

    /// Allocates nothing: a hot thread copies pools.
    fn clone_from(&mut self, source: &Self) {
        self.fixed.clone_from(&source.fixed);
        self.reserves = source.reserves;
    }
}

/// A word as a reserve.
pub(super) fn narrow(word: U256) -> Option<u128> {
    u128::try_from(word).ok()
}

impl Pool {
    /// `None` when the parts do not fit together.
    #[must_use]
    pub fn new(terms: Terms, reserves: [u128; 2]) -> Option<Self> {
        terms.are_sane().then(|| Self { fixed: Arc::new(terms), reserves })
    }

    /// All that a quote depends on and that changes.
    #[must_use]
    pub const fn state(&self) -> [u128; 2] {
        self.reserves
    }

    /// What does not change.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.fixed
    }

    const fn side(&self, leg: Leg) -> Side {
        Side::of(self.reserves, leg.token_in())
    }

    fn bound(&self, leg: Leg) -> Option<Bound> {
        Bound::new(self.fixed.curve, self.fixed.fee, self.side(leg))
    }

    /// What the pool's `getAmountOut` answers, which is what routers have it pay.
    ///
    /// # Errors
    /// It reverts, or does not answer as is known here.
    pub fn amount_out(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        let x = narrow(amount_in).filter(|_| self.fixed.quoter).ok_or(QuoteError::TooLarge)?;
        quoter::amount_out(self.fixed.curve, self.fixed.fee, self.side(leg), x).ok_or(QuoteError::TooLarge)
    }

    /// Takes new reserves and says whether they differ.
    fn set(&mut self, reserves: [u128; 2]) -> Applied {
        if self.reserves == reserves {
            return Applied::Irrelevant;
        }
        self.reserves = reserves;
        Applied::Changed
    }

    /// What a log says the reserves are. `None`: it says something else.
    fn synced(topics: &[B256], data: &[u8]) -> Result<Option<[u128; 2]>, ApplyError> {
        if topics.first() != Some(&abi::Sync::SIGNATURE_HASH) {
            // Swap, Mint, Burn: each comes with a Sync that says the outcome.
            return Ok(None);
        }
        if topics.len() != 1 {
            return Err(ApplyError::Topics { have: topics.len(), due: 1 });
        }
        let Ok(words) = <&[u8; 64]>::try_from(data) else {
            return Err(ApplyError::Data { have: data.len(), due: 64 });
        };
        let word = |bytes| narrow(U256::from_be_slice(bytes)).ok_or(ApplyError::Contradiction);
        Ok(Some([word(&words[..32])?, word(&words[32..])?]))
    }
}

impl Amm for Pool {
    fn protocol(&self) -> &'static str {
        Self::PROTOCOL
    }

    fn execution(&self) -> Execution {
        Execution::Callback
    }

    /// Its `swap` and the words of its callback are those of Uniswap's pairs.
    fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps) {
        let hop = Hop { pool: self.key(), token_in: swap.token_in, amount_out: swap.amount_out };
        steps.exact_out(hop, swap.leg.zero_for_one());
    }

    /// It is told what comes out, and takes whatever has come.
    fn logged(&self, _leg: Leg, [_, out]: [u128; 2], came: u128) -> Result<[U256; 2], QuoteError> {
        Ok([came, out].map(U256::from))
    }

    fn address(&self) -> Address {
        self.fixed.address
    }

    fn sites(&self) -> Vec<StateSite> {
        let mut sites = vec![StateSite::whole(self.fixed.address, false)];
        sites.extend(site::sites_of(&self.fixed.terms));
        sites
    }

    fn tokens(&self) -> &[Address] {
        &self.fixed.tokens
    }

    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        let x = narrow(amount_in).ok_or(QuoteError::TooLarge)?;
        self.fixed.curve.largest_out(self.fixed.fee, self.side(leg), x).map(U256::from)
    }

    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        let y = narrow(amount_out).ok_or(QuoteError::TooLarge)?;
        self.fixed.curve.smallest_in(self.fixed.fee, self.side(leg), y).map(U256::from)
    }

    /// No periphery of these pools asks for an output.
    fn asks(&self, _leg: Leg, _amount_out: U256) -> Result<U256, QuoteError> {
        Err(QuoteError::TooLarge)
    }

    /// Exactly `amount` in, for what `getAmountOut` answers, if the pool pays that.
    fn trade(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError> {
        // A pool knows no price limit, and a router no output.
        let (Exact::In(amount_in), None) = (exact, limit) else { return Err(QuoteError::TooLarge) };
        let x = narrow(amount_in).ok_or(QuoteError::TooLarge)?;
        let amount_out = self.amount_out(leg, amount_in)?;
        if amount_out.is_zero() {
            return Err(QuoteError::TooSmall);
        }
        if self.quote_in(leg, amount_in)? < amount_out {
            return Err(QuoteError::TooLarge);
        }
        // Both are within the reserves: the quotes have refused what is not.
        self.reserves[leg.token_in()] += self.fixed.fee.net(x);
        self.reserves[leg.token_out()] -= amount_out.saturating_to::<u128>();
        Ok(Traded { amount_in, amount_out })
    }

    fn views(&self) -> Vec<View> {
        let [r0, r1] = self.reserves.map(U256::from);
        vec![View { data: abi::getReservesCall {}.abi_encode(), due: vec![(0, r0), (1, r1)] }]
    }

    fn factory_fee(&self) -> Option<u32> {
        None
    }

    fn keeps(&self, _leg: Leg) -> Option<u32> {
        None
    }

    fn marginal_rate(&self, leg: Leg) -> f64 {
        self.bound(leg).map_or(0.0, |bound| bound.marginal_rate())
    }

    fn depth(&self, leg: Leg) -> f64 {
        self.bound(leg).map_or(0.0, |bound| bound.depth())
    }

    /// The fee is rounded on the input, which may be coarse beside what it buys.
    fn follows_stretches(&self) -> bool {
        false
    }

    fn segments(&self, leg: Leg, visit: impl FnMut(Segment) -> bool) {
        if let Some(bound) = self.bound(leg) {
            bound.segments(visit);
        }
    }

    fn apply_log(&mut self, at: Address, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        if at != self.fixed.address {
            return Ok(Applied::Irrelevant);
        }
        let synced = Self::synced(topics, data)?;
        Ok(synced.map_or(Applied::Irrelevant, |reserves| self.set(reserves)))
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        if site::breaks(&self.fixed.terms, at, changes) {
            return Err(ApplyError::Contradiction);
        }
        if at != self.fixed.address {
            return Ok(Applied::Irrelevant);
        }
        let mut reserves = self.reserves;
        for &(slot, word) in changes {
            if let Some(place) = self.fixed.slots.iter().position(|of| *of == slot) {
                reserves[place] = narrow(word).ok_or(ApplyError::Contradiction)?;
            }
        }
        Ok(self.set(reserves))
    }

    fn agrees(&self, other: &Self) -> bool {
        self.reserves == other.reserves && self.fixed.fee == other.fixed.fee && self.fixed.curve == other.fixed.curve
    }

    fn log_fed(&self) -> bool {
        false
    }

    fn gas(&self, _leg: Leg) -> u64 {
        // Measured on the published code between mintable tokens, less the transaction's own 21k: 113k and 119k. The first swap
        // writes what was empty, and one in half an hour an observation.
        match self.fixed.curve {
            Curve::Volatile => 113_000,
            Curve::Stable { .. } => 119_000,
        }
    }
}
