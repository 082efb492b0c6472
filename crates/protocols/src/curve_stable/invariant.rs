//! The invariant in the contract's own integers: `D` of balances, and the balance of one coin that keeps it.
//!
//! With `n` coins of scaled balances `x` and `ann = A * n` times `precision`:
//!
//! ```text
//! ann / precision * sum(x) + D  =  ann / precision * D + D^(n + 1) / (n^n * prod(x))
//! ```
//!
//! # Invariants
//! - Each step divides where the contract divides, and what overflows 256 bits is refused as the contract refuses it.
//! - Newton's steps end at a difference of one. Where the contract gives up, there is no answer.
//!
//! # Cost
//! A division of 256 bits a coin and step; four to six steps.

use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

/// Most coins that a pool has here.
pub const MOST_COINS: usize = 4;

/// Steps after which the contract gives up.
const STEPS: usize = 255;

/// Scaled balances; what is past the pool's coins is zero.
pub(super) type Scaled = [U256; MOST_COINS];

/// How a contract multiplies up the last term of the invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// Coin by coin over `x * n + 1`: the first pools.
    Guarded,
    /// Coin by coin over `x * n`.
    Each,
    /// Coin by coin over `x`, and over `n^n` in the end.
    Whole,
}

impl Product {
    pub(super) const ALL: [Self; 3] = [Self::Each, Self::Guarded, Self::Whole];
}

/// What does not change of a pool's invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invariant {
    pub coins: usize,
    pub product: Product,
    /// What `A` is multiplied by where it is kept: 1 or 100.
    pub precision: U256,
    /// `A` as it is kept.
    pub amp: U256,
}

impl Invariant {
    fn n(&self) -> U256 {
        U256::from(self.coins)
    }

    fn ann(&self) -> Option<U256> {
        self.amp.checked_mul(self.n())
    }

    /// `D` of these balances. `None`: the contract would revert.
    pub(super) fn d(&self, xp: &Scaled) -> Option<U256> {
        let xp = &xp[..self.coins];
        let mut sum = U256::ZERO;
        for x in xp {
            sum = sum.checked_add(*x)?;
        }
        if sum.is_zero() {
            return Some(U256::ZERO);
        }
        let (n, ann) = (self.n(), self.ann()?);
        let (weighed, rest) = (ann.checked_mul(sum)? / self.precision, ann.checked_sub(self.precision)?);
        let mut d = sum;
        for _ in 0..STEPS {
            let product = self.product(d, xp)?;
            let top = weighed.checked_add(product.checked_mul(n)?)?.checked_mul(d)?;
            let bottom = rest.checked_mul(d)? / self.precision;
            let bottom = bottom.checked_add((n + U256::ONE).checked_mul(product)?)?;
            let next = top.checked_div(bottom)?;
            let apart = next.abs_diff(d);
            d = next;
            if apart <= U256::ONE {
                return Some(d);
            }
        }
        None
    }

    /// `d^(n + 1) / (n^n * prod(x))`.
    fn product(&self, d: U256, xp: &[U256]) -> Option<U256> {
        let n = self.n();
        let mut product = d;
        for x in xp {
            let under = match self.product {
                Product::Guarded => x.checked_mul(n)?.checked_add(U256::ONE)?,
                Product::Each => x.checked_mul(n)?,
                Product::Whole => *x,
            };
            product = product.checked_mul(d)?.checked_div(under)?;
        }
        if self.product == Product::Whole {
            product /= n.pow(n);
        }
        Some(product)
    }

    /// Balance of coin `j` that makes the invariant `d`, while no other moves. `None`: the contract would revert.
    pub(super) fn y_alone(&self, j: usize, xp: &Scaled, d: U256) -> Option<U256> {
        let other = usize::from(j == 0);
        self.y((other, j), xp[other], xp, d)
    }

    /// Balance of coin `j` that keeps `d` when coin `i` has `x`. `None`: the contract would revert.
    pub(super) fn y(&self, (i, j): (usize, usize), x: U256, xp: &Scaled, d: U256) -> Option<U256> {
        let (n, ann) = (self.n(), self.ann()?);
        let (mut sum, mut c) = (U256::ZERO, d);
        for (place, held) in xp[..self.coins].iter().enumerate() {
            if place == j {
                continue;
            }
            let held = if place == i { x } else { *held };
            sum = sum.checked_add(held)?;
            c = c.checked_mul(d)?.checked_div(held.checked_mul(n)?)?;
        }
        c = c.checked_mul(d)?.checked_mul(self.precision)?.checked_div(ann.checked_mul(n)?)?;
        let b = sum.checked_add(d.checked_mul(self.precision)?.checked_div(ann)?)?;
        let mut y = d;
        for _ in 0..STEPS {
            let top = y.checked_mul(y)?.checked_add(c)?;
            let bottom = y.checked_add(y)?.checked_add(b)?.checked_sub(d)?;
            let next = top.checked_div(bottom)?;
            let apart = next.abs_diff(y);
            y = next;
            if apart <= U256::ONE {
                return Some(y);
            }
        }
        None
    }
}
