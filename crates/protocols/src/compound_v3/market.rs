//! What a market is: its terms, its totals and its accounts, as its storage words say, and how interest moves them.
//!
//! # Invariants
//! - Interest is simple from one accrual to the next, by the utilisation that was left at the last one.
//! - A principal is what is owed or supplied, divided by its index; the sign tells which.

use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::keccak256;

use crate::lending::Refusal;
use crate::lending::slots;
use crate::math::ray::WAD;

/// `BASE_INDEX_SCALE`: what an index begins with.
pub(super) const INDEX: U256 = U256::from_limbs([1_000_000_000_000_000, 0, 0, 0]);
/// Bits of a principal, and of the totals of them.
pub(super) const PRINCIPAL: usize = 104;

/// Numbers of the slots and mappings of `CometStorage`.
const TOTALS: [u64; 2] = [0, 1];
const COLLATERAL_TOTALS: u64 = 2;
const ACCOUNTS: u64 = 5;
const COLLATERALS: u64 = 6;

/// A rate that depends on utilisation: numbers per second, in wad, as the market's getters give them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Curve {
    /// The utilisation at which the slope changes.
    pub kink: u64,
    /// Rate at no utilisation.
    pub base: u64,
    /// Slope up to the kink.
    pub low: u64,
    /// Slope above it.
    pub high: u64,
}

impl Curve {
    /// `getSupplyRate`, `getBorrowRate`.
    fn rate(&self, utilisation: U256) -> Option<U256> {
        let [kink, base, low, high] = [self.kink, self.base, self.low, self.high].map(U256::from);
        let below = base.checked_add(factor(low, utilisation.min(kink))?)?;
        let rate = below.checked_add(factor(high, utilisation.saturating_sub(kink))?)?;
        // `safe64`.
        (rate.bit_len() <= 64).then_some(rate)
    }
}

/// A collateral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The token.
    pub token: Address,
    /// One whole token in its smallest units.
    pub scale: u64,
    /// How much of its value may be owed before the position sinks, in wad (`liquidateCollateralFactor`).
    pub liquidate_collateral: u64,
    /// How much of its value the market credits when it takes it, in wad (`liquidationFactor`).
    pub liquidation: u64,
}

/// What the market's code fixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketConfig {
    /// One whole base token in its smallest units.
    pub base_scale: u64,
    /// What suppliers earn.
    pub supply: Curve,
    /// What borrowers pay.
    pub borrow: Curve,
    /// How much of the penalty the buyer of a collateral gets as a discount, in wad (`storeFrontPriceFactor`).
    pub store_front: u64,
    /// Reserves of the base token from which on nothing is sold.
    pub target_reserves: U256,
    /// By their index.
    pub assets: Vec<Asset>,
}

/// The market's totals, as of its last accrual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// What a supplied principal is worth, times 1e15.
    pub supply_index: U256,
    /// What a borrowed principal is worth, times 1e15.
    pub borrow_index: U256,
    /// Principal that is supplied.
    pub supplied: U256,
    /// Principal that is borrowed.
    pub borrowed: U256,
    /// When interest was last accrued, in seconds.
    pub updated: u64,
    /// What is paused: bit 3 absorbing, bit 4 buying.
    pub paused: u8,
}

impl Totals {
    /// The two slots that hold them.
    #[must_use]
    pub fn slots() -> [U256; 2] {
        TOTALS.map(U256::from)
    }

    /// What the two words say.
    #[must_use]
    pub fn of(words: [U256; 2]) -> Self {
        let principal = |from: usize| (words[1] >> from) & ((U256::ONE << PRINCIPAL) - U256::ONE);
        Self {
            supply_index: U256::from(slots::field(words[0], 0, 64)),
            borrow_index: U256::from(slots::field(words[0], 64, 64)),
            supplied: principal(0),
            borrowed: principal(PRINCIPAL),
            updated: slots::field(words[1], 2 * PRINCIPAL, 40),
            paused: slots::field(words[1], 248, 8) as u8,
        }
    }

    /// As `accrueInternal` leaves them in a block with this timestamp.
    ///
    /// # Errors
    /// It is earlier than the last accrual, or an index would leave its 64 bits.
    pub fn at(&self, terms: &MarketConfig, now: u64) -> Result<Self, Refusal> {
        let elapsed = U256::from(now.checked_sub(self.updated).ok_or(Refusal::Arithmetic)?);
        let grown = |index: U256, curve: &Curve| -> Option<U256> {
            let growth = curve.rate(self.utilisation()?)?.checked_mul(elapsed)?;
            let index = index.checked_add(factor(index, growth)?)?;
            (index.bit_len() <= 64).then_some(index)
        };
        let supply_index = grown(self.supply_index, &terms.supply).ok_or(Refusal::Arithmetic)?;
        let borrow_index = grown(self.borrow_index, &terms.borrow).ok_or(Refusal::Arithmetic)?;
        Ok(Self { supply_index, borrow_index, updated: now, ..*self })
    }

    /// `getUtilization`: in wad.
    fn utilisation(&self) -> Option<U256> {
        let [supplied, borrowed] = [self.all_supplied()?, self.all_borrowed()?];
        if supplied.is_zero() { Some(U256::ZERO) } else { Some(borrowed.checked_mul(WAD)? / supplied) }
    }

    /// What suppliers have, in units of the base token.
    pub(super) fn all_supplied(&self) -> Option<U256> {
        Some(self.supplied.checked_mul(self.supply_index)? / INDEX)
    }

    /// What borrowers owe, in units of the base token.
    pub(super) fn all_borrowed(&self) -> Option<U256> {
        Some(self.borrowed.checked_mul(self.borrow_index)? / INDEX)
    }
}

/// An account of the market.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Negative: what is owed.
    pub principal: i128,
    /// Bit i: it has some of the collateral with the index i.
    pub assets_in: u32,
    /// Units of each collateral, by its index; those without their bit are not read.
    pub held: Vec<U256>,
}

impl Account {
    /// The slot that says what it owes and which collaterals it has.
    #[must_use]
    pub fn slot(account: Address) -> U256 {
        slots::of_address(account, ACCOUNTS)
    }

    /// The slot that says how much it has of a collateral, in the low half.
    #[must_use]
    pub fn collateral_slot(account: Address, token: Address) -> U256 {
        let inner = slots::of_address(account, COLLATERALS);
        keccak256([token.into_word().0, inner.to_be_bytes()].concat()).into()
    }

    /// The slot that says how much of a collateral is that of accounts, in the low half; what the market holds above it is on
    /// the shelf.
    #[must_use]
    pub fn collateral_total_slot(token: Address) -> U256 {
        slots::of_address(token, COLLATERAL_TOTALS)
    }

    /// What the word says; nothing is known yet of what it holds.
    #[must_use]
    pub fn of(word: U256) -> Self {
        // Up to the sign, and down again with it.
        let principal = (slots::low(word) << (128 - PRINCIPAL)) as i128 >> (128 - PRINCIPAL);
        // Markets of more than 16 collaterals keep the bits from the 17th on in the next field.
        let assets_in = slots::field(word, 232, 24) as u32;
        Self { principal, assets_in, held: Vec::new() }
    }

    /// Indexes of the collaterals it has.
    pub(super) fn uses(&self) -> impl Iterator<Item = usize> + '_ {
        (0..24).filter(|index| self.assets_in >> index & 1 == 1)
    }
}

/// `mulFactor`.
pub(super) fn factor(n: U256, factor: U256) -> Option<U256> {
    Some(n.checked_mul(factor)? / WAD)
}
