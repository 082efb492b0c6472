//! What of one coin goes with so much of the two others, by the root of a cubic, as tricrypto-NG's mathematics contract counts it: in
//! signed integers whose parts are scaled to fit, to within a few units of what Newton's steps lead to. Where the cubic has more than one
//! real root the contract falls back on those steps, and so does this.
//!
//! # Invariants
//! - [`partner`] is the contract's `get_y`, operation by operation. What it checks is checked here, and is `None`; what it does not check
//!   wraps around here too, and a division by zero is zero.
//!
//! # Cost
//! Some seventy divisions of 256 bits, most of them in three roots. Nothing allocates.

use alloy_primitives::{I256, U256};

use crate::curve_crypto::invariant::{INVARIANTS, MOST_COINS, ONE, SHARES, Shape, inside};

/// What the contract takes: the least and the largest `A`, and gamma.
const CURVE: [[u64; 2]; 2] = [[27 * 10_000 / 100, 27 * 10_000 * 1_000], [10_000_000_000, 50_000_000_000_000_000]];
/// Powers of ten above which the cubic's parts are divided, and by which powers.
const DIVIDERS: [[u8; 2]; 8] = [[48, 30], [44, 26], [40, 22], [36, 18], [32, 14], [28, 10], [24, 6], [20, 2]];
/// What of a number's cube root is a whole number: 2^256 / 10^36, as the contract writes it.
const CUBE: U256 = U256::from_limbs([14_562_287_877_669_245_909, 5_208_750_325_433_214_395, 340, 0]);

/// How much of coin `place` goes with the others' balances in `x`, all scaled to the first coin's price.
pub(super) fn partner(shape: &Shape, x: &[U256; MOST_COINS], place: usize) -> Option<U256> {
    let bounded = [shape.ann, shape.gamma].into_iter().zip(CURVE.map(|bounds| bounds.map(U256::from)));
    if !bounded.into_iter().all(|(value, bounds)| inside(value, bounds)) || !inside(shape.d, INVARIANTS) {
        return None;
    }
    let others = match place {
        0 => [x[1], x[2]],
        1 => [x[0], x[2]],
        _ => [x[0], x[1]],
    };
    for other in others {
        if !inside(other.checked_mul(ONE)? / shape.d, SHARES) {
            return None;
        }
    }
    let curve = Curve {
        ann: I256::try_from(shape.ann).ok()?,
        gamma: I256::try_from(shape.gamma).ok()?,
        d: I256::try_from(shape.d).ok()?,
        others: [I256::try_from(others[0]).ok()?, I256::try_from(others[1]).ok()?],
    };
    let Some(y) = curve.scaled()?.root(&curve)? else { return shape.newton(x, place) };
    // The least share is one less than of the others, as the contract has it.
    let bounds = [SHARES[0] - U256::ONE, SHARES[1]];
    inside(y.checked_mul(ONE)? / shape.d, bounds).then_some(y)
}

/// The contract's division where it does not check: by zero it is zero.
fn div(a: I256, b: I256) -> I256 {
    if b.is_zero() { I256::ZERO } else { a.wrapping_div(b) }
}

/// Ten to the power of so much. Fits: powers are below 48.
fn ten(power: u8) -> I256 {
    I256::from_raw(U256::from(10).pow(U256::from(power)))
}

fn small(value: u32) -> I256 {
    I256::from_raw(U256::from(value))
}

/// What the cubic is of.
struct Curve {
    ann: I256,
    gamma: I256,
    d: I256,
    /// Balances of the two other coins, in the contract's order.
    others: [I256; 2],
}

/// A cubic's coefficients, of the contract's signs.
struct Cubic {
    a: I256,
    b: I256,
    c: I256,
    d: I256,
}

impl Curve {
    /// The cubic, in 36 decimals.
    fn cubic(&self) -> Option<Cubic> {
        let Self { ann, gamma, d, others: [x_j, x_k] } = *self;
        let (one, whole, multiplier) = (ten(18), ten(36), small(10_000));
        let gamma_squared = gamma.wrapping_mul(gamma);
        let pull = div(d.wrapping_mul(d), x_j).wrapping_mul(gamma_squared).checked_mul(ann)?;
        let pull = div(div(div(pull, small(27 * 27)), multiplier), x_k);
        let b = whole / small(9) + div((one + one).wrapping_mul(gamma), small(27));
        let off = x_j.wrapping_add(x_k).wrapping_sub(d);
        let push = div(gamma_squared.checked_mul(off)?, d).wrapping_mul(ann);
        let push = div(div(push, small(27)), multiplier);
        let c = whole / small(9) + div(gamma.wrapping_mul(gamma.wrapping_add(ten(18) * small(4))), small(27));
        let near = one.wrapping_add(gamma);
        Some(Cubic {
            a: whole / small(27),
            b: b.checked_sub(pull)?,
            c: c.checked_add(push)?,
            d: div(near.checked_mul(near)?, small(27)),
        })
    }

    /// The cubic, its parts made large where they are small, and small enough to be multiplied.
    fn scaled(&self) -> Option<Cubic> {
        let Cubic { a, b, c, d } = self.cubic()?;
        let size = small(3).wrapping_mul(a).checked_mul(c)?.checked_div(b)?.checked_sub(b)?.checked_abs()?;
        let divider = DIVIDERS.iter().find(|[above, _]| size > ten(*above)).map_or(I256::ONE, |[_, by]| ten(*by));
        if a.checked_abs()? > b.checked_abs()? {
            let more = div(a, b).checked_abs()?;
            let scale = |part: I256| Some(div(part.checked_mul(more)?, divider));
            Some(Cubic { a: div(a.wrapping_mul(more), divider), b: scale(b)?, c: scale(c)?, d: scale(d)? })
        } else {
            let less = div(b, a).checked_abs()?;
            let scale = |part: I256| div(div(part, less), divider);
            Some(Cubic { a: scale(a), b: scale(b), c: scale(c), d: scale(d) })
        }
    }
}

impl Cubic {
    /// The balance at its real root. `Some(None)`: it may have three.
    #[expect(clippy::option_option, reason = "a revert is another answer than a fallback")]
    fn root(&self, curve: &Curve) -> Option<Option<U256>> {
        let Self { a, b, c, d } = *self;
        let ac = small(3).wrapping_mul(a).checked_mul(c)?;
        let delta0 = div(ac, b).checked_sub(b)?;
        let last = div(small(27).checked_mul(a.checked_mul(a)?)?, b).checked_mul(d)?;
        let delta1 =
            div(small(3).checked_mul(ac)?, b).checked_sub(small(2).wrapping_mul(b))?.checked_sub(div(last, b))?;
        let cube = div(small(4).checked_mul(delta0.checked_mul(delta0)?)?, b).checked_mul(delta0)?;
        let under = delta1.checked_mul(delta1)?.checked_add(cube)?;
        if under <= I256::ZERO {
            return Some(None);
        }
        let square_root = I256::try_from(square_root(under.into_raw())).ok()?;
        let of_b = signed(cube_root(b.unsigned_abs()), b.is_negative())?;
        let below = delta1 <= I256::ZERO;
        let sum = if below { square_root.checked_sub(delta1)? } else { delta1.checked_add(square_root)? };
        let second = signed(cube_root(sum.into_raw() >> 1), below)?;
        let c1 = div(div(of_b.checked_mul(of_b)?, ten(18)).checked_mul(second)?, ten(18));
        let k0 = b.checked_add(b.checked_mul(delta0)?.checked_div(c1)?)?.checked_sub(c1)?;
        let k0 = div(k0, small(3));
        let [x_j, x_k] = curve.others;
        let even = div(div(curve.d.checked_mul(curve.d)?, small(27)), x_k).checked_mul(curve.d)?;
        let root = div(div(even, x_j).checked_mul(k0)?, a);
        // It hands on how even the balances are beside the root: where that is negative it reverts.
        let evenness = div(ten(18).checked_mul(k0)?, a);
        (!root.is_negative() && !evenness.is_negative()).then_some(Some(root.into_raw()))
    }
}

fn signed(value: U256, negative: bool) -> Option<I256> {
    let value = I256::try_from(value).ok()?;
    Some(if negative { -value } else { value })
}

/// The whole part of a square root. `U256::root` begins with a float, and this is on the way of an amount.
fn square_root(value: U256) -> U256 {
    let mut root = U256::ONE << value.bit_len().div_ceil(2);
    loop {
        let next = (root + value / root) >> 1;
        if next >= root {
            return root;
        }
        root = next;
    }
}

/// The cube root in 18 decimals of a number of 18 decimals, by the contract's seven steps.
fn cube_root(value: U256) -> U256 {
    let (one, million) = (ONE, U256::from(1_000_000));
    let large = CUBE.wrapping_mul(one);
    let (under, back) = if value >= large {
        (value, million * million)
    } else if value >= CUBE {
        (value.wrapping_mul(one), million)
    } else {
        (value.wrapping_mul(one * one), U256::ONE)
    };
    let log = under.bit_len().saturating_sub(1);
    let rest = U256::from(log % 3);
    let start = (U256::ONE << (log / 3)).wrapping_mul(U256::from(1_260).pow(rest));
    let mut root = start / U256::from(1_000).pow(rest);
    for _ in 0..7 {
        let share = under.checked_div(root.wrapping_mul(root)).unwrap_or_default();
        root = root.wrapping_mul(U256::from(2)).wrapping_add(share) / U256::from(3);
    }
    root.wrapping_mul(back)
}
