//! What a hot thread decided about one event, in nouns that a file can hold: addresses in place of ids, whole numbers in
//! place of types of the rooms.
//!
//! # Invariants
//! - Two runs of the same engine over the same events give equal decisions: nothing here is a time, a path or a key.

use std::borrow::Cow;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::types::pool_key::PoolKey;
use crate::types::update::StateKey;

/// A reason's name, with how often it was met.
pub type Count = (Cow<'static, str>, u64);

/// All that was decided about one event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Decision {
    /// How the pending transaction ran. `None`: the event was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Ran>,
    /// What came of it before it was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<FastPathDecision>,
    /// Cycles and candidates that came to nothing in the engine, by reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Count>,
    /// Proofs that came to nothing while a bundle was made of them, by reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unbuilt: Vec<Count>,
    /// State that was missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<StateKey>,
    /// Pools that were quarantined.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<PoolKey>,
    /// Why the state does not follow the chain any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desync: Option<String>,
    /// Called off because a newer head was heard of: nothing was decided. A replay calls it off before it begins.
    #[serde(skip_serializing_if = "is_false")]
    pub cancelled: bool,
    /// Cycles left that could not be better.
    #[serde(skip_serializing_if = "is_zero")]
    pub left: u64,
    /// Candidates that the EVM or the limits turned down, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
    /// Candidates that the EVM agrees with, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proven: Vec<Proof>,
    /// What was made of one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Bundle>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What exact maths made of a pending transaction before the EVM ran it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FastPathDecision {
    /// Why it was left to the EVM; `nothing`, where nothing was to be earned; else what the EVM said of the bundle.
    pub word: Cow<'static, str>,
    /// The digest that the bundle's own transaction was signed over, if one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<B256>,
}

/// A pending transaction's run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ran {
    /// To its end.
    Ended {
        /// Without revert or halt.
        success: bool,
        /// Gas charged.
        gas: u64,
        /// Logs it left.
        logs: usize,
    },
    /// Not to its end: why.
    Stopped(String),
}

/// A cycle with its amounts, or liquidations with the ways that what is seized is sold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Path {
    /// Pools and tokens, in order.
    pub hops: Vec<Hop>,
    /// The token that the gain is held in. `None`: what the first hop spends, as of every cycle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Address>,
    /// What is left of that token, before gas and bid, in its units.
    pub gross: U256,
    /// The same in wei of ether, where the pools know a way to it.
    pub value: Option<U256>,
}

/// One pool on the way, or one lending market: there the debt goes in, and what is seized comes out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hop {
    /// The pool; or the market's contract.
    pub pool: PoolKey,
    /// Its protocol.
    pub protocol: Cow<'static, str>,
    /// What goes in.
    pub token_in: Address,
    /// What comes out.
    pub token_out: Address,
    /// How much, in units of `token_in`.
    pub amount_in: U256,
    /// How much, in units of `token_out`.
    pub amount_out: U256,
}

/// A candidate that died.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rejected {
    /// What it was.
    pub path: Path,
    /// Why.
    pub reason: Cow<'static, str>,
}

/// A candidate that was proven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proof {
    /// What it is.
    pub path: Path,
    /// Gas of the run.
    pub gas: u64,
    /// What the block's builder got in it, in wei.
    pub paid: U256,
    /// Unknown slots that were taken as empty.
    pub assumed: usize,
    /// Accounts and slots that it touched.
    pub access: Vec<(Address, Vec<U256>)>,
}

/// What was signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bundle {
    /// The one block it is for.
    pub block: u64,
    /// The block below it.
    pub parent: B256,
    /// The transaction it follows.
    pub trigger: Option<B256>,
    /// The proof it was made of: one of [`Decision::proven`], or that one made anew with the bundle's bid.
    pub of: Proof,
    /// The digest that our transaction's signature is over: every field of it but the signature.
    pub digest: B256,
    /// Our transaction, EIP-2718, without its signature.
    pub unsigned: Bytes,
    /// The gross profit in wei of ether.
    pub value: U256,
    /// What the chain takes of it for gas.
    pub gas_cost: U256,
    /// What the builder gets.
    pub bid: U256,
    /// What is left to us.
    pub take: U256,
}
