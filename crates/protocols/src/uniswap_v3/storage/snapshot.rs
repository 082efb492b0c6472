//! A pool written down, for the journal: all of it, so that what is read back quotes and follows as it did.
//!
//! # Invariants
//! - What is read is held against the bounds that discovery holds a pool against: a file makes no pool that a chain could
//!   not.
//!
//! # Cost
//! A keccak for each tick whose slot is recognised; the slots of the words are made once a process ([`Slots::of`]).

use alloy_primitives::Address;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::math::concentrated::Standing;
use crate::math::concentrated::words::is_price;
use crate::site::Term;
use crate::uniswap_v3::Flavour;
use crate::uniswap_v3::Immutables;
use crate::uniswap_v3::Liquidity;
use crate::uniswap_v3::Pool;
use crate::uniswap_v3::State;
use crate::uniswap_v3::Ticks;
use crate::uniswap_v3::storage::Layout;
use crate::uniswap_v3::storage::Slots;

/// The form on disk.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::uniswap_v3) struct PoolSnapshot {
    address: Address,
    tokens: [Address; 2],
    fee_pips: u32,
    tick_spacing: i32,
    flavour: Flavour,
    assume_empty: bool,
    sqrt_price_x96: U256,
    tick: i32,
    liquidity: u128,
    fee_protocol: u32,
    words: Vec<(i16, U256)>,
    ticks: Vec<(i32, Option<Liquidity>)>,
    /// `None`: only logs tell.
    layout: Option<Layout>,
    /// Ticks whose slots are recognised: those listed, and those listed once.
    indexed: Vec<i32>,
    /// What the fee hangs on, where another contract tells it.
    #[serde(default)]
    terms: Vec<Term>,
}

impl From<Pool> for PoolSnapshot {
    fn from(pool: Pool) -> Self {
        let State { at, fee_protocol } = pool.state;
        let Standing { sqrt_price: sqrt_price_x96, tick, liquidity, ticks } = at;
        Self {
            address: pool.address,
            tokens: pool.tokens,
            fee_pips: pool.fee_pips,
            tick_spacing: ticks.grid().spacing(),
            flavour: pool.flavour,
            assume_empty: pool.assume_empty,
            sqrt_price_x96,
            tick,
            liquidity,
            fee_protocol,
            words: ticks.words().collect(),
            ticks: ticks.list().iter().map(|tick| (tick.tick, tick.liquidity)).collect(),
            terms: pool.terms.as_deref().unwrap_or_default().to_vec(),
            layout: pool.slots.map(|slots| *slots.layout()),
            indexed: pool.tick_slots.into_iter().map(|(_, tick)| tick).collect(),
        }
    }
}

impl PoolSnapshot {
    fn pool(self) -> Option<Pool> {
        let Self { address, tokens, fee_pips, tick_spacing, flavour, .. } = self;
        let mut pool = Pool::new(Immutables { address, tokens, fee_pips, tick_spacing, flavour })?;
        if !self.sqrt_price_x96.is_zero() && !is_price(self.sqrt_price_x96) {
            return None;
        }
        let ticks = Ticks::restore(pool.ticks().grid().clone(), &self.words, &self.ticks)?;
        let Self { sqrt_price_x96: sqrt_price, tick, liquidity, fee_protocol, .. } = self;
        pool.state = State { at: Standing { sqrt_price, tick, liquidity, ticks }, fee_protocol };
        pool.assume_empty = self.assume_empty;
        if let Some(layout) = self.layout {
            pool.slots = Some(Slots::of(layout, tick_spacing)?);
            pool.tick_slots = self.indexed.iter().map(|tick| (layout.tick_slot(*tick), *tick)).collect();
            pool.tick_slots.sort_unstable();
        }
        Some(pool.with_terms(self.terms))
    }
}

impl TryFrom<PoolSnapshot> for Pool {
    type Error = String;

    fn try_from(kept: PoolSnapshot) -> Result<Self, String> {
        let address = kept.address;
        kept.pool().ok_or_else(|| format!("{address} is no uniswap_v3 pool: its terms, price or ticks cannot be"))
    }
}
