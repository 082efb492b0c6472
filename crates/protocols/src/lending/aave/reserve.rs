//! A reserve of an Aave market: its record, word by word, and what its configuration says.

use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::lending::Refusal;
use crate::lending::slots;
use crate::lending::slots::Layout;
use crate::lending::slots::Packing;
use crate::lending::slots::RESERVE_WORDS;
use crate::math::ray;

/// The word with the time, and those with the tokens: receipt, stable debt, variable debt.
const TIMES: usize = 3;
pub(super) const TOKENS: [usize; 3] = [4, 5, 6];

/// A reserve's configuration: the bitmap that V2 and V3 share, V3's fields being zero in V2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config(pub U256);

impl Config {
    /// Liquidation threshold, in hundredths of a percent.
    #[must_use]
    pub fn threshold(self) -> U256 {
        U256::from(slots::field(self.0, 16, 16))
    }

    /// Liquidation bonus, in hundredths of a percent, the amount itself included: 10500 is 5 % more.
    #[must_use]
    pub fn bonus(self) -> U256 {
        U256::from(slots::field(self.0, 32, 16))
    }

    /// Units of one whole token; `None` past 256 bits.
    #[must_use]
    pub fn unit(self) -> Option<U256> {
        ray::power_of_ten(slots::field(self.0, 48, 8) as u8)
    }

    /// The reserve exists.
    #[must_use]
    pub fn active(self) -> bool {
        self.0.bit(56)
    }

    /// V3: nothing can be done with it.
    #[must_use]
    pub fn paused(self) -> bool {
        self.0.bit(60)
    }

    /// V3: the protocol's share of the bonus, in hundredths of a percent.
    #[must_use]
    pub fn fee(self) -> U256 {
        U256::from(slots::field(self.0, 152, 16))
    }

    /// V3: its category, zero for none.
    #[must_use]
    pub fn category(self) -> u8 {
        slots::field(self.0, 168, 8) as u8
    }
}

/// A reserve: an asset that can be supplied and borrowed.
#[derive(Clone, Debug, Default)]
pub struct Reserve {
    /// The asset; `None` when it is not known, zero when the reserve was dropped.
    pub(super) asset: Option<Address>,
    pub(super) words: [Option<U256>; RESERVE_WORDS],
    /// What the receipt token holds of the asset.
    pub(super) cash: Option<U256>,
}

impl Reserve {
    /// The asset. `None` when the reserve was dropped.
    ///
    /// # Errors
    /// It is not known.
    pub fn asset(&self) -> Result<Option<Address>, Refusal> {
        self.asset.map(|asset| (!asset.is_zero()).then_some(asset)).ok_or(Refusal::Cold)
    }

    /// Its configuration.
    ///
    /// # Errors
    /// It is not known.
    pub fn config(&self) -> Result<Config, Refusal> {
        self.word(0).map(Config)
    }

    /// What can be paid out, in units of the asset; `None` when it is not known.
    #[must_use]
    pub const fn cash(&self) -> Option<U256> {
        self.cash
    }

    /// A word of its record.
    pub(super) fn word(&self, index: usize) -> Result<U256, Refusal> {
        self.words.get(index).copied().flatten().ok_or(Refusal::Cold)
    }

    /// When its indexes were last brought up to date, in seconds.
    pub(super) fn updated(&self) -> Result<U256, Refusal> {
        Ok(U256::from(slots::field(self.word(TIMES)?, 128, 40)))
    }

    /// A reserve's index of the suppliers and its rate, then the borrowers' index and rate, all in ray.
    pub(super) fn indexes(&self, layout: &Layout) -> Result<[U256; 4], Refusal> {
        let (one, two) = (self.word(1)?, self.word(2)?);
        let halves = match layout.packing {
            Packing::ByReserveSide => [slots::low(one), slots::high(one), slots::low(two), slots::high(two)],
            Packing::IndexesThenRates => [slots::low(one), slots::low(two), slots::high(one), slots::high(two)],
        };
        Ok(halves.map(U256::from))
    }
}
