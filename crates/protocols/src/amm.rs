//! What every exchange protocol must be able to answer, and the words it answers in.
//!
//! # Invariants
//! - A quote is the contract's own integer result, to the unit, or a refusal. It never guesses, but where [`Amm::asked`] says so.
//! - Quotes do no hashing, no allocation and no dynamic dispatch.
//! - [`Leg`] comes only from [`Amm::leg`], so a token the pool does not hold cannot be taken for one it does.

use alloy_primitives::{Address, B256, U256};

use crate::discover::{Probe, View};
use crate::execution::{Execution, PlannedSwap, Steps};
use crate::site::StateSite;
use crate::types::pool_key::PoolKey;

/// A way through a pool: which of its tokens goes in and which comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leg {
    token_in: u8,
    token_out: u8,
}

impl Leg {
    /// Finds the leg in a pool's token list. `None` when either token is missing or both are the same.
    #[must_use]
    pub(crate) fn find(tokens: &[Address], token_in: Address, token_out: Address) -> Option<Self> {
        let place = |token| tokens.iter().position(|t| *t == token).and_then(|i| u8::try_from(i).ok());
        let (token_in, token_out) = (place(token_in)?, place(token_out)?);
        (token_in != token_out).then_some(Self { token_in, token_out })
    }

    /// Position of the token that goes in, in [`Amm::tokens`].
    #[must_use]
    pub const fn token_in(self) -> usize {
        self.token_in as usize
    }

    /// Position of the token that comes out, in [`Amm::tokens`].
    #[must_use]
    pub const fn token_out(self) -> usize {
        self.token_out as usize
    }

    /// In a pool of two: the first token goes in.
    #[must_use]
    pub const fn zero_for_one(self) -> bool {
        self.token_in < self.token_out
    }
}

/// Why a pool gives no quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum QuoteError {
    /// The amount is zero, or so small that the contract would revert.
    #[error("amount too small to swap")]
    TooSmall,
    /// The pool cannot take or pay that much: the contract would revert or fill in part.
    #[error("amount exceeds what the pool can swap")]
    TooLarge,
    /// The walk needs a tick or bitmap word that has not been seen.
    #[error("needs a tick that is not known")]
    UnknownTick,
}

/// A stretch of a pool's curve with constant-product behaviour. For a further gross input `x <= in_max` past the
/// stretch's start, the output is about `reserve_out * g * x / (reserve_in + g * x)` with `g = gamma`.
/// The contract rounds where a stretch ends, and not before. Floats steer and reject; no amount is taken from them.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Gross input that exhausts the stretch, in units of the token that goes in.
    pub in_max: U256,
    /// Virtual reserve of the token that goes in, at the start of the stretch.
    pub reserve_in: f64,
    /// Virtual reserve of the token that comes out, at the start of the stretch.
    pub reserve_out: f64,
    /// Share of the input left after the fee.
    pub gamma: f64,
}

/// What is fixed of a swap that is to be made, as the periphery names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exact {
    /// What goes in.
    In(U256),
    /// What comes out.
    Out(U256),
}

/// A swap that was made on a copy of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traded {
    /// What went in, fee included.
    pub amount_in: U256,
    /// What came out.
    pub amount_out: U256,
}

/// What an event or a storage change meant to a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// What the pool quotes, or knows, has changed.
    Changed,
    /// Nothing the pool keeps.
    Irrelevant,
}

/// Why a log or a storage change was not applied. The pool is quarantined and the engine goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The log is not the shape its signature promises.
    #[error("log has {have} topics, {due} due")]
    Topics {
        /// Topics found.
        have: usize,
        /// Topics due.
        due: usize,
    },
    /// The log's data is not the length its signature promises.
    #[error("log has {have} bytes of data, {due} due")]
    Data {
        /// Bytes found.
        have: usize,
        /// Bytes due.
        due: usize,
    },
    /// The values contradict what the pool knows.
    #[error("log or slot contradicts the known state")]
    Contradiction,
}

/// Whether, and when, a pool's contract is asked what it pays: of most its own maths says that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Never.
    Never,
    /// Where something has changed that its answers rest on.
    WhereItMoves,
    /// Its answers are another block's in the next.
    EachBlock,
    /// Something has changed that its answers rest on: it quotes nothing until it has been asked.
    Now,
}

/// A question to a contract, one word of whose answer is an amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who is asked.
    pub to: Address,
    /// The calldata.
    pub data: Vec<u8>,
    /// Which word.
    pub word: usize,
}

/// A pool of two or more tokens.
pub trait Amm {
    /// Name in output, config and metrics.
    fn protocol(&self) -> &'static str;

    /// How our contract makes a swap here.
    fn execution(&self) -> Execution;

    /// Writes a swap as our contract reads it.
    fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps);

    /// What goes in and comes out, as the contract logs it, of a swap that was planned as `due` when `came` has come to it: one that
    /// is told what goes in may pay more, one that is told what comes out takes all that is there.
    ///
    /// # Errors
    /// The contract would revert, or what it would do is not known.
    fn logged(&self, leg: Leg, due: [u128; 2], came: u128) -> Result<[U256; 2], QuoteError>;

    /// The contract that is called.
    fn address(&self) -> Address;

    /// Which pool it is. A contract that is one pool needs no more than its address.
    fn key(&self) -> PoolKey {
        PoolKey::from(self.address())
    }

    /// Where its state lives, as far as that is known.
    fn sites(&self) -> Vec<StateSite>;

    /// How often [`Self::sites`] has come to name more, since the pool was made: of one state always the same.
    fn sites_seen(&self) -> usize {
        0
    }

    /// Its tokens, in the contract's order.
    fn tokens(&self) -> &[Address];

    /// The only way to a [`Leg`].
    fn leg(&self, token_in: Address, token_out: Address) -> Option<Leg> {
        Leg::find(self.tokens(), token_in, token_out)
    }

    /// Output for exactly `amount_in`.
    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError>;

    /// Smallest input that pays at least `amount_out`.
    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError>;

    /// What the periphery pays in for exactly `amount_out`.
    ///
    /// # Errors
    /// The contract would revert, or what it would do is not known.
    fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError>;

    /// Makes a swap as a router would have it made, and leaves the pool as the contract would be left. `limit`: the price at
    /// which it may stop; without one it is made whole or refused.
    ///
    /// # Errors
    /// The contract would revert, or what it would do is not known. The pool is as it was.
    fn trade(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError>;

    /// Initialised ticks that a swap of exactly `amount_in` crosses: each costs gas. None where the curve has no ticks.
    fn crossed(&self, _leg: Leg, _amount_in: u128) -> u32 {
        0
    }

    /// What the contract must answer if the state is right.
    fn views(&self) -> Vec<View>;

    /// What a factory tells its pools of the same tokens apart by, where routers take it for granted: its fee, or nought.
    /// `None`: the pool is none that a router would forecast with.
    fn factory_fee(&self) -> Option<u32>;

    /// Billionths of the input that reach the pool's curve, where a router's calldata has such a number.
    fn keeps(&self, leg: Leg) -> Option<u32>;

    /// Output per unit of input for a vanishing input, after fee. Zero when the pool cannot swap. May only reject.
    fn marginal_rate(&self, leg: Leg) -> f64;

    /// Input at which the pool pays, a unit, half of what it pays for a vanishing one, were its curve to go on as it begins.
    /// Zero when it cannot swap, and then it is looked at last. Only ranks.
    fn depth(&self, leg: Leg) -> f64;

    /// Its integer quotes follow its stretches, but for the roundings that [`Segment`] speaks of. Without, the stretches only bound what
    /// it pays: it pays that or less.
    fn follows_stretches(&self) -> bool {
        true
    }

    /// Walks the curve from the present price; `visit` returns `false` to stop. Ends where knowledge or the curve ends.
    fn segments(&self, leg: Leg, visit: impl FnMut(Segment) -> bool);

    /// Applies one log of the contract `at`, which may be another pool's.
    fn apply_log(&mut self, at: Address, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError>;

    /// Applies storage slots of the contract `at` that a transaction changed: `(slot, new value)`. They may be others' too; and of
    /// two contracts neither comes first.
    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError>;

    /// Quotes as `other` does, now and after anything that happens to both: two ways of learning the same state agree.
    fn agrees(&self, other: &Self) -> bool;

    /// True when storage does not tell the state and only logs do (a layout we cannot read).
    fn log_fed(&self) -> bool;

    /// Its logs tell its state as well, so that the two are held against each other. False: storage alone does.
    fn logs_state(&self) -> bool {
        true
    }

    /// Typical gas of one swap, for ranking only.
    fn gas(&self, leg: Leg) -> u64;

    /// Its quotes are estimates between what its contract has answered, and when that is asked. What is to be run through such a pool is
    /// asked for first: [`Amm::question`].
    fn asked(&self) -> Asked {
        Asked::Never
    }

    /// Asks for what `amount_in` pays. `None` where nobody need be asked.
    fn question(&self, _leg: Leg, _amount_in: u128) -> Option<Question> {
        None
    }

    /// What its contract has answered may be true no more: it quotes nothing until it has been asked.
    fn doubt(&mut self) {}

    /// Asks its contract for all that it quotes by.
    ///
    /// # Errors
    /// What is not known, or why it cannot be used. It quotes what it did.
    fn sample(&mut self, _probe: &mut impl Probe) -> Result<(), String> {
        Ok(())
    }
}
