//! What `replay block` prints: one JSON object a line, amounts as decimal strings. The shapes are SPEC.md's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use serde::{Serialize, Serializer};

use crate::types::decision;
use crate::types::pool_key::PoolKey;

/// An opportunity that the EVM has proven.
#[derive(Clone, Debug, Serialize)]
pub struct Opportunity {
    /// Always `opportunity`.
    pub kind: &'static str,
    /// Block number.
    pub block: u64,
    /// Position of the transaction it follows; null for the state that the block starts from.
    pub trigger_index: Option<usize>,
    /// That transaction's hash.
    #[serde(serialize_with = "hash")]
    pub trigger: Option<B256>,
    /// `atomic_arb` without a trigger, `backrun` behind one.
    pub strategy: &'static str,
    /// Start and profit token.
    #[serde(serialize_with = "address")]
    pub token: Address,
    /// First hop's input.
    #[serde(serialize_with = "decimal")]
    pub amount_in: U256,
    /// Last hop's output.
    #[serde(serialize_with = "decimal")]
    pub amount_out: U256,
    /// Gain in `token`, before gas and builder payment.
    #[serde(serialize_with = "decimal")]
    pub gross_profit: U256,
    /// The same in wei of ether, sold through the pools known.
    #[serde(serialize_with = "decimal")]
    pub gross_profit_eth_wei: U256,
    /// Gas of the executor's transaction.
    pub gas_used: u64,
    /// Gross profit less gas at the block's base fee (before London: its median gas price). May be negative.
    pub net_profit_eth_wei: String,
    /// The path.
    pub hops: Vec<HopLine>,
    /// Slots and accounts that the record lacks and that the simulation took as empty.
    pub assumed_slots: usize,
}

/// One hop of it.
#[derive(Clone, Debug, Serialize)]
pub struct HopLine {
    /// The pool.
    pub pool: PoolKey,
    /// Its protocol's name.
    pub protocol: Cow<'static, str>,
    /// What goes in.
    #[serde(serialize_with = "address")]
    pub token_in: Address,
    /// What comes out.
    #[serde(serialize_with = "address")]
    pub token_out: Address,
    /// How much goes in.
    #[serde(serialize_with = "decimal")]
    pub amount_in: U256,
    /// How much comes out.
    #[serde(serialize_with = "decimal")]
    pub amount_out: U256,
}

impl From<decision::Hop> for HopLine {
    fn from(hop: decision::Hop) -> Self {
        let decision::Hop { pool, protocol, token_in, token_out, amount_in, amount_out } = hop;
        Self { pool, protocol, token_in, token_out, amount_in, amount_out }
    }
}

/// Candidates that died, by reason.
#[derive(Clone, Debug, Serialize)]
pub struct Refusals {
    /// Always `refused`.
    pub kind: &'static str,
    /// Block number.
    pub block: u64,
    /// Position of the transaction they were to follow.
    pub trigger_index: Option<usize>,
    /// `hot::refused`'s name of the reason.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// One block's totals.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Always `summary`.
    pub kind: &'static str,
    /// Block number.
    pub block: u64,
    /// Its transactions.
    pub txs: usize,
    /// Gas they used when executed here.
    pub gas_used: u64,
    /// ... is the header's.
    pub gas_matches_header: bool,
    /// The receipts computed here have the header's root.
    pub receipts_root_matches_header: bool,
    /// Pools found and usable.
    pub pools: usize,
    /// Tokens they hold.
    pub tokens: usize,
    /// Opportunities printed.
    pub opportunities: usize,
    /// Sum of their gross profits. Opportunities on the same pools exclude one another, so this is no income.
    #[serde(serialize_with = "decimal")]
    pub gross_profit_eth_wei: U256,
    /// Contracts that are pools, or look like one, and cannot be used, and why.
    pub unusable: Vec<Unusable>,
    /// How many cycles, candidates and transactions came to nothing, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Where the time went. The one part that differs from run to run.
    pub elapsed_us: Elapsed,
}

/// A pool that is not used.
#[derive(Clone, Debug, Serialize)]
pub struct Unusable {
    /// The contract.
    pub pool: PoolKey,
    /// Why.
    pub reason: String,
}

/// Microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Elapsed {
    /// Reading the record and finding its pools.
    pub load: u64,
    /// Executing the block's transactions (each is the what-if of its own backruns).
    pub execute: u64,
    /// Applying their diffs, screening and sizing.
    pub search: u64,
    /// Proving candidates in the EVM.
    pub simulate: u64,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// A proven opportunity.
    Opportunity(Opportunity),
    /// A count of refusals.
    Refused(Refusals),
    /// A block's totals.
    Summary(Summary),
}

fn decimal<S: Serializer>(value: &U256, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

// Lower case, as in the records: addresses here are for scripts, not for eyes.
fn address<S: Serializer>(value: &Address, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{value:#x}"))
}

fn hash<S: Serializer>(value: &Option<B256>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(hash) => to.collect_str(&format_args!("{hash:#x}")),
        None => to.serialize_none(),
    }
}
