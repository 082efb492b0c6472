//! The invariant of pools of two or three coins that have no fixed price to each other, by the contract's own integers: what of one coin
//! goes with so much of the others, and the fee by how far they are apart.
//!
//! # Invariants
//! - [`Shape::newton`] is the contract's `newton_y`, step by step; where that reverts there is none.
//!
//! # Cost
//! Some five divisions of 256 bits a step, of which there are ten or so. Nothing allocates or hashes.

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

use crate::curve_crypto::cubic;

/// Coins of a pool, at most.
pub(super) const MOST_COINS: usize = 3;
/// One, in eighteen decimals.
pub(super) const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// What a fee is a part of.
pub(super) const WHOLE_FEE: U256 = U256::from_limbs([10_000_000_000, 0, 0, 0]);
/// Least and largest share of `D` that a coin may have.
pub(super) const SHARES: [U256; 2] = [
    U256::from_limbs([10_000_000_000_000_000, 0, 0, 0]),
    U256::from_limbs([7_766_279_631_452_241_920, 5, 0, 0]), // 10^20
];
/// Least and largest `D`: 10^17 and 10^33.
pub(super) const INVARIANTS: [U256; 2] = [
    U256::from_limbs([100_000_000_000_000_000, 0, 0, 0]),
    U256::from_limbs([4_089_650_035_136_921_600, 54_210_108_624_275, 0, 0]),
];
/// Steps after which the contract gives up.
const STEPS: u32 = 255;
/// Of a convergence: a share of what is looked for, and of what stands around.
const NEAR: U256 = U256::from_limbs([100_000_000_000_000, 0, 0, 0]);

/// Which of the contracts it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// Two coins, by Newton's steps.
    Two,
    /// Three coins, by Newton's steps.
    Three,
    /// Three coins, by the root of a cubic: tricrypto-NG.
    ThreeByRoot,
}

impl Version {
    /// Coins of such a pool.
    #[must_use]
    pub const fn coins(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Three | Self::ThreeByRoot => 3,
        }
    }

    const fn count(self) -> U256 {
        U256::from_limbs([self.coins() as u64, 0, 0, 0])
    }
}

/// What the curve's form depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub version: Version,
    /// `A`, as the contract's step takes it.
    pub ann: U256,
    /// What `ann` is multiplied by, above the coins' own power.
    pub multiplier: U256,
    /// How soon the curve turns from a constant sum to a constant product.
    pub gamma: U256,
    /// What all coins are worth, were they even.
    pub d: U256,
}

/// Where Newton's steps begin.
struct Start {
    y: U256,
    /// Of the others, as shares of what each would have.
    product: U256,
    /// Of the others.
    sum: U256,
    /// Of the others.
    largest: U256,
}

/// Is a number between these, both included?
pub(super) fn inside(value: U256, [least, most]: [U256; 2]) -> bool {
    value >= least && value <= most
}

impl Shape {
    /// How much of coin `place` goes with the others' balances in `x`, all scaled to the first coin's price.
    pub(super) fn partner(&self, x: &[U256; MOST_COINS], place: usize) -> Option<U256> {
        match self.version {
            Version::Two | Version::Three => self.newton(x, place),
            Version::ThreeByRoot => cubic::partner(self, x, place),
        }
    }

    /// The same by Newton's steps.
    pub(super) fn newton(&self, x: &[U256; MOST_COINS], place: usize) -> Option<U256> {
        if !inside(self.d, INVARIANTS) {
            return None;
        }
        let start = match (self.version, place) {
            (Version::Two, 0) => self.beside_one(x[1])?,
            (Version::Two, _) => self.beside_one(x[0])?,
            (_, 0) => self.beside_two([x[1], x[2]])?,
            (_, 1) => self.beside_two([x[0], x[2]])?,
            _ => self.beside_two([x[0], x[1]])?,
        };
        let limit = (start.largest / NEAR).max(self.d / NEAR).max(U256::from(100));
        let mut y = start.y;
        for _ in 0..STEPS {
            let before = y;
            let Some(next) = self.step(y, &start)? else {
                y = before / U256::from(2);
                continue;
            };
            y = next;
            if y.abs_diff(before) < limit.max(y / NEAR) {
                return inside(y.checked_mul(ONE)? / self.d, SHARES).then_some(y);
            }
        }
        None
    }

    fn beside_one(&self, other: U256) -> Option<Start> {
        let count = self.version.count();
        let y = self.d.checked_mul(self.d)?.checked_div(other.checked_mul(count * count)?)?;
        let product = (ONE * count).checked_mul(other)? / self.d;
        let bounded = inside(product, [SHARES[0] * count, SHARES[1] * count]);
        bounded.then_some(Start { y, product, sum: other, largest: other })
    }

    fn beside_two(&self, mut others: [U256; 2]) -> Option<Start> {
        let (count, d) = (self.version.count(), self.d);
        others.sort_unstable_by(|one, other| other.cmp(one));
        for other in others {
            if !inside(other.checked_mul(ONE)? / d, SHARES) {
                return None;
            }
        }
        let (mut y, mut sum, mut product) = (d / count, U256::ZERO, ONE);
        for other in others.iter().rev() {
            y = y.checked_mul(d)?.checked_div(other.checked_mul(count)?)?;
            sum = sum.checked_add(*other)?;
        }
        for other in others {
            product = product.checked_mul(other)?.checked_mul(count)?.checked_div(d)?;
        }
        Some(Start { y, product, sum, largest: others[0] })
    }

    /// One step of Newton's from `y`. `Some(None)`: it leads below zero, and the contract tries half of `y` without more ado.
    #[expect(clippy::option_option, reason = "a revert is another answer than a step that fails")]
    fn step(&self, y: U256, start: &Start) -> Option<Option<U256>> {
        let (d, gamma) = (self.d, self.gamma);
        let k0 = start.product.checked_mul(y)?.checked_mul(self.version.count())?.checked_div(d)?;
        let all = start.sum.checked_add(y)?;
        let near = (gamma + ONE).abs_diff(k0) + U256::ONE;
        let mul1 = ONE.checked_mul(d)?.checked_div(gamma)?.checked_mul(near)?.checked_div(gamma)?;
        let mul1 = mul1.checked_mul(near)?.checked_mul(self.multiplier)?.checked_div(self.ann)?;
        let mul2 = ONE + (ONE + ONE).checked_mul(k0)?.checked_div(near)?;
        let yfprime = ONE.checked_mul(y)?.checked_add(all.checked_mul(mul2)?)?.checked_add(mul1)?;
        let taken = d.checked_mul(mul2)?;
        if yfprime < taken {
            return Some(None);
        }
        let yfprime = yfprime - taken;
        let fprime = yfprime.checked_div(y)?;
        let minus = mul1.checked_div(fprime)?;
        let plus = yfprime.checked_add(ONE.checked_mul(d)?)?.checked_div(fprime)?;
        let plus = plus.checked_add(minus.checked_mul(ONE)?.checked_div(k0)?)?;
        let minus = minus.checked_add(ONE.checked_mul(all)?.checked_div(fprime)?)?;
        Some(Some(if plus < minus { y / U256::from(2) } else { plus - minus }))
    }
}

/// Fees: where all coins are worth the same, where they are far apart, and how fast the one becomes the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fees {
    pub mid: U256,
    pub out: U256,
    pub gamma: U256,
}

impl Fees {
    /// The fee at these scaled balances.
    pub(super) fn at(&self, version: Version, x: &[U256; MOST_COINS]) -> Option<U256> {
        let (x, count) = (&x[..version.coins()], version.count());
        let sum = x.iter().try_fold(U256::ZERO, |sum, balance| sum.checked_add(*balance))?;
        let mut near = ONE;
        if version == Version::Two {
            // The contract multiplies by the coins' power at once, which rounds otherwise.
            near = (ONE * count * count).checked_mul(x[0])?.checked_div(sum)?.checked_mul(x[1])?.checked_div(sum)?;
        } else {
            for balance in x {
                near = near.checked_mul(count)?.checked_mul(*balance)?.checked_div(sum)?;
            }
        }
        if version == Version::Two || !self.gamma.is_zero() {
            near = self.gamma.checked_mul(ONE)?.checked_div((self.gamma + ONE).checked_sub(near)?)?;
        }
        Some((self.mid.checked_mul(near)?.checked_add(self.out.checked_mul(ONE.checked_sub(near)?)?)?) / ONE)
    }
}
