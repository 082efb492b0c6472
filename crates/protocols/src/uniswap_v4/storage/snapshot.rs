//! A pool written down, for the journal: all of it, so that what is read back quotes and follows as it did.
//!
//! # Invariants
//! - What is read is held against the bounds that storage is held against: a file makes no pool that a chain could not.

use alloy_primitives::Address;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::math::concentrated::Standing;
use crate::math::concentrated::ticks::Liquidity;
use crate::math::concentrated::ticks::Ticks;
use crate::uniswap_v4::Pool;
use crate::uniswap_v4::State;
use crate::uniswap_v4::fees::Fees;
use crate::uniswap_v4::key::Key;
use crate::uniswap_v4::storage::Place;

/// The form on disk.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::uniswap_v4) struct PoolSnapshot {
    manager: Address,
    key: Key,
    /// The token that stands for ether, of a pool of ether.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ether: Option<Address>,
    assume_empty: bool,
    sqrt_price_x96: U256,
    tick: i32,
    liquidity: u128,
    lp_fee: u32,
    protocol_fee: u32,
    words: Vec<(i16, U256)>,
    ticks: Vec<(i32, Option<Liquidity>)>,
    /// Ticks whose slots are recognised: those listed, and those listed once.
    indexed: Vec<i32>,
}

impl From<Pool> for PoolSnapshot {
    fn from(pool: Pool) -> Self {
        let State { at, fees } = pool.state;
        let Standing { sqrt_price: sqrt_price_x96, tick, liquidity, ticks } = at;
        let recognised = pool.index.0.iter().filter_map(|(_, place)| match place {
            Place::Tick(tick) => Some(*tick),
            Place::Word(_) => None,
        });
        let mut indexed: Vec<i32> = recognised.collect();
        indexed.sort_unstable();
        Self {
            manager: pool.fixed.manager,
            key: pool.fixed.terms,
            ether: pool.fixed.terms.currencies[0].is_zero().then_some(pool.fixed.tokens[0]),
            assume_empty: pool.assume_empty,
            sqrt_price_x96,
            tick,
            liquidity,
            lp_fee: fees.lp,
            protocol_fee: fees.protocol,
            words: ticks.words().collect(),
            ticks: ticks.list().iter().map(|tick| (tick.tick, tick.liquidity)).collect(),
            indexed,
        }
    }
}

impl PoolSnapshot {
    fn pool(self) -> Option<Pool> {
        let mut pool = Pool::new(self.manager, self.key, self.ether).ok()?;
        let fees = Fees { lp: self.lp_fee, protocol: self.protocol_fee };
        if !pool.can_hold(self.sqrt_price_x96, fees) {
            return None;
        }
        let ticks = Ticks::restore(pool.ticks().grid().clone(), &self.words, &self.ticks)?;
        let listed = ticks.list().iter().map(|tick| tick.tick).chain(self.indexed);
        let home = pool.home();
        let words = self.words.iter().map(|(position, _)| (home.word(*position), Place::Word(*position)));
        let ticked = listed.map(|tick| (home.tick(tick), Place::Tick(tick)));
        pool.index.0 = words.chain(ticked).collect();
        pool.index.0.sort_unstable_by_key(|entry| entry.0);
        pool.index.0.dedup_by_key(|entry| entry.0);
        let Self { sqrt_price_x96: sqrt_price, tick, liquidity, .. } = self;
        pool.state = State { at: Standing { sqrt_price, tick, liquidity, ticks }, fees };
        pool.assume_empty = self.assume_empty;
        Some(pool)
    }
}

impl TryFrom<PoolSnapshot> for Pool {
    type Error = String;

    fn try_from(written: PoolSnapshot) -> Result<Self, String> {
        let id = written.key.id();
        written.pool().ok_or_else(|| format!("{id} is no native uniswap_v4 pool: its terms, price or ticks cannot be"))
    }
}
