//! The invariant of pools of three coins that have no fixed price to each other, by the contract's own integers: what of one coin goes with
//! so much of the others, and the fee by how far they are apart.
//!
//! # Invariants
//! - [`Shape::partner`] is the contract's `newton_y`, step by step; where that reverts there is none.
//!
//! # Cost
//! Some five divisions of 256 bits a step, of which there are ten or so. Nothing allocates.

use alloy_primitives::U256;

/// Coins of a pool.
pub(super) const COINS: usize = 3;
const COUNT: U256 = U256::from_limbs([COINS as u64, 0, 0, 0]);
/// One, in eighteen decimals.
pub(super) const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// What a fee is a part of.
pub(super) const WHOLE_FEE: U256 = U256::from_limbs([10_000_000_000, 0, 0, 0]);
/// Steps after which the contract gives up.
const STEPS: u32 = 255;
/// Of a convergence: a share of what is looked for, and of what stands around.
const NEAR: U256 = U256::from_limbs([100_000_000_000_000, 0, 0, 0]);

/// What the curve's form depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// `A`, as the contract's step takes it.
    pub ann: U256,
    /// What `ann` is multiplied by, above the coins' own power.
    pub multiplier: U256,
    /// How soon the curve turns from a constant sum to a constant product.
    pub gamma: U256,
    /// What all coins are worth, were they even.
    pub d: U256,
}

impl Shape {
    /// How much of coin `place` goes with the others' balances in `x`, all scaled to the first coin's price.
    pub(super) fn partner(&self, x: &[U256; COINS], place: usize) -> Option<U256> {
        let (count, d) = (COUNT, self.d);
        let mut others = match place {
            0 => [x[1], x[2]],
            1 => [x[0], x[2]],
            _ => [x[0], x[1]],
        };
        others.sort_unstable_by(|one, other| other.cmp(one));
        let limit = (others[0] / NEAR).max(d / NEAR).max(U256::from(100));
        let (mut y, mut sum) = (d / count, U256::ZERO);
        for other in others.iter().rev() {
            y = y.checked_mul(d)?.checked_div(other.checked_mul(count)?)?;
            sum = sum.checked_add(*other)?;
        }
        let mut product = ONE;
        for other in &others {
            product = product.checked_mul(*other)?.checked_mul(count)?.checked_div(d)?;
        }
        for _ in 0..STEPS {
            let before = y;
            y = self.step(y, product, sum)?;
            let off = y.abs_diff(before);
            if off < limit.max(y / NEAR) {
                let share = y.checked_mul(ONE)?.checked_div(d)?;
                let sane = share >= U256::from(9_999_999_999_999_999u64) && share < U256::from(100) * ONE + U256::ONE;
                return sane.then_some(y);
            }
        }
        None
    }

    /// One step of Newton's from `y`. `product`: of the others, as shares of what each would have; `sum`: of the others.
    fn step(&self, y: U256, product: U256, sum: U256) -> Option<U256> {
        let (d, gamma) = (self.d, self.gamma);
        let k0 = product.checked_mul(y)?.checked_mul(COUNT)?.checked_div(d)?;
        let all = sum.checked_add(y)?;
        let near = (gamma + ONE).abs_diff(k0) + U256::ONE;
        let mul1 = ONE.checked_mul(d)?.checked_div(gamma)?.checked_mul(near)?.checked_div(gamma)?;
        let mul1 = mul1.checked_mul(near)?.checked_mul(self.multiplier)?.checked_div(self.ann)?;
        let mul2 = ONE + (ONE + ONE).checked_mul(k0)?.checked_div(near)?;
        let yfprime = ONE.checked_mul(y)?.checked_add(all.checked_mul(mul2)?)?.checked_add(mul1)?;
        let taken = d.checked_mul(mul2)?;
        if yfprime < taken {
            return Some(y / U256::from(2));
        }
        let yfprime = yfprime - taken;
        let fprime = yfprime.checked_div(y)?;
        let minus = mul1.checked_div(fprime)?;
        let plus = yfprime.checked_add(ONE.checked_mul(d)?)?.checked_div(fprime)?;
        let plus = plus.checked_add(minus.checked_mul(ONE)?.checked_div(k0)?)?;
        let minus = minus.checked_add(ONE.checked_mul(all)?.checked_div(fprime)?)?;
        Some(if plus < minus { y / U256::from(2) } else { plus - minus })
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
    pub(super) fn at(&self, x: &[U256; COINS]) -> Option<U256> {
        let sum = x.iter().try_fold(U256::ZERO, |sum, balance| sum.checked_add(*balance))?;
        let mut near = ONE;
        for balance in x {
            near = near.checked_mul(COUNT)?.checked_mul(*balance)?.checked_div(sum)?;
        }
        if !self.gamma.is_zero() {
            near = self.gamma.checked_mul(ONE)?.checked_div((self.gamma + ONE).checked_sub(near)?)?;
        }
        Some((self.mid.checked_mul(near)? + self.out.checked_mul(ONE.checked_sub(near)?)?) / ONE)
    }
}
