//! Pools of which nothing is known but what their contract answers: a row of configuration names the function that quotes and the one
//! that swaps, or `known` does. The curve goes through answers that the EVM has given.
//!
//! - `call`: a function as it is written in a row, and its calldata. `terms`: what a row says. `curve`: what lies between answers. `sampling`: which inputs are
//!   asked for, and what the answers rest on. `known`: contracts that need no row. `discover`: a pool out of a row.
//!
//! # Invariants
//! - Answers rest on the slots that were read for them: where one has changed the pool is stale, quotes nothing, and is sampled anew by
//!   whoever has an EVM. Where answers move with time that happens every block.
//! - A quote is an estimate but at an answer. What is to be run is asked of the contract once more ([`Amm::question`]), and the proof
//!   holds what it is.
//!
//! # Limits
//! - One whose answers hang on an account's ether alone, or on who asks, is not seen to move: its proofs fail.
//! - What a profit is worth in ether is never estimated by it, since that decides the bid.
//! - It quotes no swap that was made in it: a pending transaction through it is for the EVM.
//!
//! # Cost
//! A quote: a search among some eighty points, and one division of 256 bits. Sampling: some twenty-five calls of the contract each way, more
//! where the pool has moved far, and so much gas in all at most: see `sampling`.

mod call;
mod curve;
mod discover;
mod known;
mod sampling;
mod terms;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

use crate::amm::{Amm, Applied, ApplyError, Asked, Exact, Leg, Question, QuoteError, Segment, Traded};
use crate::discover::{Probe, Venue, View};
use crate::execution::{CallStep, Execution, Hop, Input, Output, PlannedSwap, Steps};
use crate::site;
use crate::site::{Logs, Slots, StateSite, Term};
use crate::types::pool_key::PoolKey;

pub use call::{Filling, Function, LONGEST};
pub use curve::{Curve, Sample};
pub use discover::instead;
pub use terms::{MOST_TOKENS, Terms};

/// What the contract has answered, and what that rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    /// By the legs of the terms.
    curves: Vec<Curve>,
    /// Slots that were read, in order.
    reads: Vec<Term>,
    /// They move with time.
    moves: bool,
}

/// A pool.
#[derive(Debug, Deserialize, Serialize)]
#[serde(try_from = "PoolSnapshot", into = "PoolSnapshot")]
pub struct Pool {
    fixed: Arc<Terms>,
    answers: Arc<Answers>,
    /// Something that the answers rest on has changed since.
    stale: bool,
    /// How often it has been seen to read other slots.
    seen: usize,
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        Self { fixed: Arc::clone(&self.fixed), answers: Arc::clone(&self.answers), ..*self }
    }

    /// Allocates nothing: a hot thread copies pools.
    fn clone_from(&mut self, source: &Self) {
        self.fixed.clone_from(&source.fixed);
        self.answers.clone_from(&source.answers);
        (self.stale, self.seen) = (source.stale, source.seen);
    }
}

/// The form on disk.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PoolSnapshot {
    terms: Terms,
    answers: Answers,
    stale: bool,
}

impl From<Pool> for PoolSnapshot {
    fn from(pool: Pool) -> Self {
        Self { terms: (*pool.fixed).clone(), answers: (*pool.answers).clone(), stale: pool.stale }
    }
}

impl TryFrom<PoolSnapshot> for Pool {
    type Error = String;

    fn try_from(PoolSnapshot { terms, answers, stale }: PoolSnapshot) -> Result<Self, String> {
        let (tokens, at) = (terms.tokens.len(), terms.key);
        let due = tokens * tokens.saturating_sub(1);
        let is_sane = (2..=MOST_TOKENS).contains(&tokens) && (answers.curves.len() == due);
        let is_ether = terms.ether.is_none_or(|(place, _)| place < tokens);
        let pool = Self { fixed: Arc::new(terms), answers: Arc::new(answers), stale, seen: 0 };
        (is_sane && is_ether)
            .then_some(pool)
            .ok_or_else(|| format!("{at} is no pool: its tokens and curves do not fit together"))
    }
}

impl Pool {
    /// The curve of a leg, if what it rests on is as it was.
    fn curve(&self, leg: Leg) -> Result<&Curve, QuoteError> {
        let tokens = self.fixed.tokens.len();
        let is_own = leg.token_in() < tokens && leg.token_out() < tokens;
        let curve = self.answers.curves.get(self.fixed.place(leg)).filter(|_| is_own && !self.stale);
        curve.ok_or(QuoteError::TooLarge)
    }

    fn is_ether(&self, place: usize) -> bool {
        self.fixed.ether.is_some_and(|(ether, _)| ether == place)
    }

    /// What does not change.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.fixed
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
        let mut data = [0; LONGEST];
        let filling = self.fixed.filling(swap.leg, swap.amount_in, steps.own());
        // No path leads through a leg that is closed: it quotes nothing.
        let size = self.fixed.calls(swap.leg).map_or(0, |calls| calls.swap.write(&filling, &mut data));
        let input = if self.is_ether(swap.leg.token_in()) {
            Input::Ether
        } else if swap.token_in == self.address() {
            // What it issued itself it burns.
            Input::Held
        } else {
            Input::Allowed
        };
        let output = if self.is_ether(swap.leg.token_out()) { Output::Ether } else { Output::Here };
        let hop = Hop { pool: self.key(), token_in: swap.token_in, amount_out: swap.amount_out };
        steps.call(hop, &CallStep { data: &data[..size], input, output });
    }

    /// It is told what goes in.
    fn logged(&self, leg: Leg, [into, _]: [u128; 2], _came: u128) -> Result<[U256; 2], QuoteError> {
        let into = U256::from(into);
        Ok([into, self.quote_in(leg, into)?])
    }

    fn address(&self) -> Address {
        self.fixed.key.contract
    }

    fn key(&self) -> PoolKey {
        self.fixed.key
    }

    /// The slots that its answers rest on, and no others.
    fn sites(&self) -> Vec<StateSite> {
        let only = |site: StateSite| match site.slots {
            Slots::Listed(slots) => StateSite { slots: Slots::Only(slots), ..site },
            _ => site,
        };
        // Of a contract of which nothing was read there is nothing to follow.
        let sites = site::sites_of(&self.answers.reads).into_iter().map(only);
        sites.map(|site| StateSite { logs: Logs::None, ..site }).collect()
    }

    fn sites_seen(&self) -> usize {
        self.seen
    }

    fn tokens(&self) -> &[Address] {
        &self.fixed.tokens
    }

    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        self.curve(leg)?.quote_in(amount_in).map(U256::from)
    }

    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.curve(leg)?.quote_out(amount_out).map(U256::from)
    }

    fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.quote_out(leg, amount_out)
    }

    /// What a swap leaves is not known.
    fn trade(&mut self, _leg: Leg, _exact: Exact, _limit: Option<U256>) -> Result<Traded, QuoteError> {
        Err(QuoteError::TooLarge)
    }

    /// None: it is no model of the state that could be wrong. What it quotes by is what the contract has answered.
    fn views(&self) -> Vec<View> {
        Vec::new()
    }

    fn factory_fee(&self) -> Option<u32> {
        None
    }

    fn keeps(&self, _leg: Leg) -> Option<u32> {
        None
    }

    fn marginal_rate(&self, leg: Leg) -> f64 {
        self.curve(leg).map_or(0.0, Curve::rate)
    }

    fn depth(&self, leg: Leg) -> f64 {
        self.curve(leg).map_or(0.0, |curve| curve.most() as f64)
    }

    /// Answers need not lie on a curve that bends one way only.
    fn follows_stretches(&self) -> bool {
        false
    }

    fn segments(&self, leg: Leg, visit: impl FnMut(Segment) -> bool) {
        if let Ok(curve) = self.curve(leg) {
            curve.segments(visit);
        }
    }

    fn apply_log(&mut self, _at: Address, _topics: &[B256], _data: &[u8]) -> Result<Applied, ApplyError> {
        Ok(Applied::Irrelevant)
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        if self.stale || !site::breaks(&self.answers.reads, at, changes) {
            return Ok(Applied::Irrelevant);
        }
        self.stale = true;
        Ok(Applied::Changed)
    }

    /// Stale ones agree with each other: neither quotes. So do those that move with time: each has the answers of its own.
    fn agrees(&self, other: &Self) -> bool {
        let timeless = !self.answers.moves && !other.answers.moves;
        let same = !timeless || self.stale || self.answers.curves == other.answers.curves;
        same && self.stale == other.stale && self.fixed == other.fixed
    }

    fn log_fed(&self) -> bool {
        false
    }

    fn logs_state(&self) -> bool {
        false
    }

    fn gas(&self, leg: Leg) -> u64 {
        let ether = [leg.token_in(), leg.token_out()].into_iter().any(|place| self.is_ether(place));
        if ether { TYPICAL_GAS + WRAPPED } else { TYPICAL_GAS }
    }

    fn asked(&self) -> Asked {
        match (self.stale, self.answers.moves) {
            (true, _) => Asked::Now,
            (false, true) => Asked::EachBlock,
            (false, false) => Asked::WhereItMoves,
        }
    }

    fn question(&self, leg: Leg, amount_in: u128) -> Option<Question> {
        let mut data = [0; LONGEST];
        let quote = &self.fixed.calls(leg)?.quote;
        let size = quote.write(&self.fixed.filling(leg, amount_in, Address::ZERO), &mut data);
        Some(Question { to: self.fixed.quoter, data: data[..size].to_vec(), word: quote.answer() })
    }

    fn doubt(&mut self) {
        self.stale = true;
    }

    fn sample(&mut self, probe: &mut impl Probe) -> Result<(), String> {
        let answers = sampling::sample(probe, self)?;
        let is_where = |term: &Term| (term.at, term.slot);
        if !answers.reads.iter().map(is_where).eq(self.answers.reads.iter().map(is_where)) {
            self.seen += 1;
        }
        (self.answers, self.stale) = (Arc::new(answers), false);
        Ok(())
    }
}

/// What a swap costs where nobody has measured it, for ranking only: Mooniswap's, less the transaction's own 21k.
const TYPICAL_GAS: u64 = 110_000;

/// Gas of wrapping ether, or unwrapping it (`contracts/README.md`, `v3 v4-eth`).
const WRAPPED: u64 = 8_000;
