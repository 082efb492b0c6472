//! Which pool of the manager: the five terms that a pool is made with. The manager stores none of them, only their hash.
//!
//! # Invariants
//! - The id is `keccak256(abi.encode(key))`, as `PoolId.sol` has it.
//! - What `Initialize` says is believed only where its terms hash to the id that it names.

use crate::math::concentrated::grid::WIDEST;
use crate::math::concentrated::words;
use crate::math::concentrated::words::Words;
use crate::math::swap_step::PIPS;
use crate::uniswap_v4::hooks::Hooks;
use crate::uniswap_v4::logs::manager;
use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::keccak256;
use serde::Deserialize;
use serde::Serialize;

/// Stands in a key in the place of a fee: the pool charges what its hooks have set (`LPFeeLibrary.DYNAMIC_FEE_FLAG`).
pub const DYNAMIC_FEE: u32 = 0x80_0000;

/// The terms of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// currency0 and currency1; the zero address is native ether, which sorts first.
    pub currencies: [Address; 2],
    /// In millionths of the input, or [`DYNAMIC_FEE`].
    pub fee: u32,
    /// Ticks between usable ticks.
    pub tick_spacing: i32,
    /// The contract that the manager calls back; zero for none. Its address says when: [`Hooks`].
    pub hooks: Address,
}

impl Key {
    /// What the manager knows the pool by.
    #[must_use]
    pub fn id(&self) -> B256 {
        let [zero, one] = self.currencies.map(|currency| currency.into_word());
        let spacing = U256::from(self.tick_spacing.unsigned_abs());
        // Negative spacings are never made; their words are still what `abi.encode` writes.
        let spacing = if self.tick_spacing < 0 { spacing.wrapping_neg() } else { spacing };
        let words = [zero, one, U256::from(self.fee).into(), spacing.into(), self.hooks.into_word()];
        keccak256(words.concat())
    }

    /// Its fee is what its hooks have set.
    #[must_use]
    pub const fn is_dynamic(&self) -> bool {
        self.fee == DYNAMIC_FEE
    }

    /// The fee that a pool begins with: none where it is dynamic.
    #[must_use]
    pub const fn first_fee(&self) -> u32 {
        if self.is_dynamic() { 0 } else { self.fee }
    }

    /// Terms that the manager's `initialize` takes.
    #[must_use]
    pub fn is_sane(&self) -> bool {
        let [zero, one] = self.currencies;
        let has_fee = self.fee <= PIPS || self.is_dynamic();
        zero < one && has_fee && (1..=WIDEST).contains(&self.tick_spacing) && Hooks::are_valid(self.hooks, self.fee)
    }
}

/// A pool as its `Initialize` leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Initialized {
    /// Its terms.
    pub key: Key,
    /// Their hash.
    pub id: B256,
    /// Where its price begins.
    pub sqrt_price_x96: U256,
    /// And its tick.
    pub tick: i32,
}

/// Reads an `Initialize` log. `None` for any other, and for one whose terms are not what its id says.
#[must_use]
pub fn initialized(topics: &[B256], data: &[u8]) -> Option<Initialized> {
    if topics.first() != Some(&manager::Initialize::SIGNATURE_HASH) {
        return None;
    }
    let log = Words::checked(topics, data, (4, 5)).ok()?;
    let key = Key {
        currencies: [address(log.topic(2))?, address(log.topic(3))?],
        fee: u32::try_from(log.word(0)).ok()?,
        tick_spacing: words::int24_word(log.word(1))?,
        hooks: address(log.word(2))?,
    };
    let id = B256::from(log.topic(1));
    let (sqrt_price_x96, tick) = (log.price(3).ok()?, log.tick(4).ok()?);
    (key.id() == id).then_some(Initialized { key, id, sqrt_price_x96, tick })
}

fn address(word: U256) -> Option<Address> {
    (word.bit_len() <= 160).then(|| Address::from_word(word.into()))
}
