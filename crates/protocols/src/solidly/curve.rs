//! The pool's check solved for the output and for the input.
//!
//! `swap` moves the fee out, which is `x * part / whole` rounded down, and then asks that `k` of what stands is no less than `k` of the
//! reserves. A volatile pool's `k` is the product. A stable one's is, of balances scaled to eighteen decimals, each division rounded down:
//!
//! ```text
//! a = x * y / 1e18        b = x * x / 1e18 + y * y / 1e18        k = a * b / 1e18
//! ```
//!
//! # Invariants
//! - [`Curve::largest_out`]: the pool pays that much and not one unit more. [`Curve::smallest_in`]: that much is enough and one unit less
//!   is not. `k` never falls when a balance grows, so both are monotone.
//! - Where the contract's arithmetic overflows it reverts, and here it is refused.
//!
//! # Cost
//! Volatile: one division. Stable: a closed form in floats says where to look, then mostly six to ten evaluations of `k`, each of four
//! divisions.

use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::QuoteError;
use crate::math::wide::to_f64;

/// What scaled balances and `k` are multiples of.
pub(super) const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// The same as a float.
const ONE_F: f64 = 1e18;

/// A part of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "(u64, u64)", into = "(u64, u64)")]
pub struct Fee {
    part: u64,
    whole: u64,
}

impl Fee {
    /// `None` unless it is less than the whole.
    #[must_use]
    pub const fn new(part: u64, whole: u64) -> Option<Self> {
        if part < whole { Some(Self { part, whole }) } else { None }
    }

    /// Parts that leave the pool, and parts in the whole.
    #[must_use]
    pub const fn parts(self) -> (u64, u64) {
        (self.part, self.whole)
    }

    /// Share of the input left after the fee.
    #[must_use]
    pub fn gamma(self) -> f64 {
        (self.whole - self.part) as f64 / self.whole as f64
    }

    /// What of an input stays in the pool: the fee is rounded down.
    #[must_use]
    pub fn net(self, x: u128) -> u128 {
        let fee = U256::from(x) * U256::from(self.part) / U256::from(self.whole);
        // Less than `x`, which the part is less than the whole of.
        x - fee.saturating_to::<u128>()
    }

    /// Smallest input of which so much stays. `None`: it is past 128 bits.
    fn gross(self, net: u128) -> Option<u128> {
        let below = U256::from(net.saturating_sub(1)) * U256::from(self.whole) / U256::from(self.whole - self.part);
        u128::try_from(below + U256::ONE).ok()
    }
}

impl TryFrom<(u64, u64)> for Fee {
    type Error = &'static str;

    fn try_from((part, whole): (u64, u64)) -> Result<Self, Self::Error> {
        Self::new(part, whole).ok_or("a fee is less than the whole")
    }
}

impl From<Fee> for (u64, u64) {
    fn from(fee: Fee) -> Self {
        fee.parts()
    }
}

/// What a pool holds constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Curve {
    /// `x * y`.
    Volatile,
    /// `x^3 * y + y^3 * x`, of balances over what a whole token of each has of units.
    Stable {
        /// Units of a whole token, by token.
        units: [u128; 2],
    },
}

/// A swap's direction: reserve of what goes in, and of what comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Side {
    /// Place of the token that goes in.
    pub token_in: usize,
    pub r_in: u128,
    pub r_out: u128,
}

impl Side {
    pub(super) const fn of(reserves: [u128; 2], token_in: usize) -> Self {
        Self { token_in, r_in: reserves[token_in], r_out: reserves[1 - token_in] }
    }
}

/// Balance over units, in eighteen decimals. No overflow: 128 bits and 60.
pub(super) fn scaled(balance: u128, unit: u128) -> Option<U256> {
    (U256::from(balance) * ONE).checked_div(U256::from(unit))
}

/// `k` of scaled balances. `None`: the contract's arithmetic overflows.
pub(super) fn stable_k(x: U256, y: U256) -> Option<U256> {
    let a = x.checked_mul(y)? / ONE;
    let b = (x.checked_mul(x)? / ONE).checked_add(y.checked_mul(y)? / ONE)?;
    Some(a.checked_mul(b)? / ONE)
}

impl Curve {
    /// False for units that no token has.
    #[must_use]
    pub const fn is_sane(self) -> bool {
        match self {
            Self::Volatile => true,
            Self::Stable { units } => units[0] > 0 && units[1] > 0,
        }
    }

    /// Largest output that the pool pays for exactly `x`.
    pub(super) fn largest_out(self, fee: Fee, side: Side, x: u128) -> Result<u128, QuoteError> {
        side.check(x)?;
        side.r_in.checked_add(x).ok_or(QuoteError::TooLarge)?;
        let net = fee.net(x);
        let y = match self {
            Self::Volatile => {
                let whole = U256::from(side.r_in) + U256::from(net);
                // Below what there is, because `net` is below `whole`.
                (U256::from(net) * U256::from(side.r_out) / whole).saturating_to::<u128>()
            }
            Self::Stable { units } => {
                let line = Line::new(units, side, side.token_in, side.r_in + net)?;
                side.r_out - line.least(side.r_out)?
            }
        };
        if y == 0 { Err(QuoteError::TooSmall) } else { Ok(y) }
    }

    /// Smallest input for which the pool pays `y`.
    pub(super) fn smallest_in(self, fee: Fee, side: Side, y: u128) -> Result<u128, QuoteError> {
        side.check(y)?;
        let left = side.r_out.checked_sub(y).filter(|left| *left > 0).ok_or(QuoteError::TooLarge)?;
        let net = match self {
            Self::Volatile => {
                let due = (U256::from(side.r_in) * U256::from(y)).div_ceil(U256::from(left));
                u128::try_from(due).map_err(|_| QuoteError::TooLarge)?
            }
            Self::Stable { units } => {
                let line = Line::new(units, side, 1 - side.token_in, left)?;
                // With less than the reserve the check may pass too, where `k` is too coarse to see it; something must go in.
                line.least(u128::MAX)?.saturating_sub(side.r_in)
            }
        };
        let x = fee.gross(net.max(1)).ok_or(QuoteError::TooLarge)?;
        side.r_in.checked_add(x).map(|_| x).ok_or(QuoteError::TooLarge)
    }
}

impl Side {
    /// Refuses what no pool swaps.
    const fn check(&self, amount: u128) -> Result<(), QuoteError> {
        if amount == 0 {
            return Err(QuoteError::TooSmall);
        }
        if self.r_in == 0 || self.r_out == 0 { Err(QuoteError::TooLarge) } else { Ok(()) }
    }
}

/// A stable pool with one balance given, and the `k` that it must keep: what must the other balance be?
struct Line {
    /// The given balance, scaled, and its square.
    x: U256,
    square: U256,
    /// Units of a whole token of the other.
    unit: u128,
    k: U256,
}

impl Line {
    /// `given`: the place of the token whose balance is given.
    fn new(units: [u128; 2], side: Side, given: usize, balance: u128) -> Result<Self, QuoteError> {
        let line = || {
            let [unit_in, unit_out] = [units[side.token_in], units[1 - side.token_in]];
            let k = stable_k(scaled(side.r_in, unit_in)?, scaled(side.r_out, unit_out)?)?;
            let x = scaled(balance, units[given])?;
            Some(Self { x, square: x.checked_mul(x)? / ONE, unit: units[1 - given], k })
        };
        line().ok_or(QuoteError::TooLarge)
    }

    /// `k` with the other balance. `None`: it overflows.
    fn k_at(&self, balance: u128) -> Option<U256> {
        let y = scaled(balance, self.unit)?;
        let a = self.x.checked_mul(y)? / ONE;
        let b = self.square.checked_add(y.checked_mul(y)? / ONE)?;
        Some(a.checked_mul(b)? / ONE)
    }

    /// What overflows is more than any `k` that did not.
    fn is_enough(&self, balance: u128) -> bool {
        self.k_at(balance).is_none_or(|k| k >= self.k)
    }

    /// About the balance that is enough: the real root of the cubic, then a step of Newton's on the integers' own difference.
    fn near(&self) -> u128 {
        let (x, k, unit) = (to_f64(self.x) / ONE_F, to_f64(self.k) / ONE_F, self.unit as f64);
        let root = real_root(x, k);
        // Float to integer saturates, and what is no number is zero.
        let mut at = (root * unit) as u128;
        for _ in 0..2 {
            let Some(there) = self.k_at(at) else { break };
            let y = at as f64 / unit;
            let slope = x * (x * x + 3.0 * y * y);
            let step = |off: U256| (to_f64(off) / ONE_F / slope * unit).round() as u128;
            let moved = if there < self.k {
                at.saturating_add(step(self.k - there))
            } else {
                at.saturating_sub(step(there - self.k))
            };
            if moved == at {
                break;
            }
            at = moved;
        }
        at
    }

    /// The least balance that is enough, from one unit to `most`.
    fn least(&self, most: u128) -> Result<u128, QuoteError> {
        let (mut short, mut enough) = self.around(self.near().clamp(1, most), most)?;
        while enough - short > 1 {
            let middle = short.midpoint(enough);
            if self.is_enough(middle) { enough = middle } else { short = middle }
        }
        // Where it overflows the contract reverts.
        self.k_at(enough).map(|_| enough).ok_or(QuoteError::TooLarge)
    }

    /// A balance that is not enough (zero never is) and one that is, from a guess outwards.
    fn around(&self, guess: u128, most: u128) -> Result<(u128, u128), QuoteError> {
        let mut step = 1;
        let mut at = guess;
        if self.is_enough(guess) {
            loop {
                let less = at.saturating_sub(step);
                if less == 0 || !self.is_enough(less) {
                    return Ok((less, at));
                }
                (at, step) = (less, step.saturating_mul(4));
            }
        }
        loop {
            if at == most {
                return Err(QuoteError::TooLarge);
            }
            let more = at.saturating_add(step).min(most);
            if self.is_enough(more) {
                return Ok((at, more));
            }
            (at, step) = (more, step.saturating_mul(4));
        }
    }
}

/// The positive `y` with `x^3 * y + x * y^3 = k`: the cubic `y^3 + x^2 * y = k / x`, whose one real root hyperbolic functions give without
/// cancellation. Steers only.
pub(super) fn real_root(x: f64, k: f64) -> f64 {
    let third = (1.5 * 3f64.sqrt() * k / (x * x * x * x)).asinh() / 3.0;
    2.0 * x / 3f64.sqrt() * third.sinh()
}
