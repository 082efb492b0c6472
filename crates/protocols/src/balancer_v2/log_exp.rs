//! The power of the pools' own arithmetic: by the logarithm and back, in integers of 18, 20 and 36 decimals.
//!
//! # Invariants
//! - [`pow`] is `LogExpMath.pow`, to the unit, and `None` where that reverts. It is the same in every pool since the first.
//! - The contract's signed divisions truncate, so a number below zero has the size of its opposite: sizes are reckoned here, and the
//!   sign is kept beside them.
//!
//! # Limits
//! - The logarithm and the exponential are pieced together, and where two pieces meet the power may fall by some units of the last
//!   decimal though its base rises.
//!
//! # Cost
//! Near one, where 36 decimals are used, three divisions of 256 bits and one for each term of the logarithm, at most ten; further away
//! two to ten. All else has 128 bits: up to eleven divisions of the exponential.

use alloy_primitives::U256;

const fn whole(value: u128) -> U256 {
    U256::from_limbs([value as u64, (value >> 64) as u64, 0, 0])
}

/// One in eighteen decimals.
const ONE: U256 = whole(1_000_000_000_000_000_000);
const ONE_20: U256 = whole(100_000_000_000_000_000_000);
const ONE_36: U256 = whole(1_000_000_000_000_000_000_000_000_000_000_000_000);
/// Between these, both left out, a logarithm has 36 decimals.
const NEAR: [U256; 2] = [whole(900_000_000_000_000_000), whole(1_100_000_000_000_000_000)];
/// What an exponential is taken of at most, below zero and above.
const MOST_BELOW: U256 = whole(41_000_000_000_000_000_000);
const MOST_ABOVE: U256 = whole(130_000_000_000_000_000_000);
/// `2 ** 254 / 10 ** 20`: exponents are smaller.
const MILD: U256 =
    U256::from_limbs([4_720_311_721_447_089_458, 12_146_009_947_018_874_712, 850_705_917_302_346_158, 0]);

/// 128 and 64 in eighteen decimals, with `e` to them, in none.
const LARGE: [(U256, U256); 2] = [
    (
        whole(128_000_000_000_000_000_000),
        U256::from_limbs([171_843_153_341_448_192, 17_670_479_068_478_958_691, 114_249_481_722_274_167, 0]),
    ),
    (whole(64_000_000_000_000_000_000), whole(6_235_149_080_811_616_882_910_000_000)),
];
/// 32 and its halves down to a sixteenth, with `e` to them, in twenty decimals.
const SMALL: [(U256, U256); 10] = [
    (whole(3_200_000_000_000_000_000_000), whole(7_896_296_018_268_069_516_100_000_000_000_000)),
    (whole(1_600_000_000_000_000_000_000), whole(888_611_052_050_787_263_676_000_000)),
    (whole(800_000_000_000_000_000_000), whole(298_095_798_704_172_827_474_000)),
    (whole(400_000_000_000_000_000_000), whole(5_459_815_003_314_423_907_810)),
    (whole(200_000_000_000_000_000_000), whole(738_905_609_893_065_022_723)),
    (whole(100_000_000_000_000_000_000), whole(271_828_182_845_904_523_536)),
    (whole(50_000_000_000_000_000_000), whole(164_872_127_070_012_814_685)),
    (whole(25_000_000_000_000_000_000), whole(128_402_541_668_774_148_407)),
    (whole(12_500_000_000_000_000_000), whole(113_314_845_306_682_631_683)),
    (whole(6_250_000_000_000_000_000), whole(106_449_445_891_785_942_956)),
];
/// So many of them does the exponential use: its series reaches as far as the ninth and tenth.
const OF_EXPONENTIAL: usize = 8;
/// 100: from 18 decimals to 20.
const CENT: U256 = whole(100);
/// One in eighteen decimals.
const E18: u128 = 1_000_000_000_000_000_000;
/// `5 ** 20`: with as many twos it is one in twenty decimals.
const FIVES: u64 = 95_367_431_640_625;

/// `x` to the power of `y`, both in eighteen decimals.
pub(super) fn pow(x: U256, y: U256) -> Option<U256> {
    if y.is_zero() {
        return Some(ONE);
    }
    if x.is_zero() {
        return Some(U256::ZERO);
    }
    if x.bit(255) || y >= MILD {
        return None;
    }
    // Whether the logarithm is below zero, and its product with `y`, in eighteen decimals.
    let (below, exponent) = if NEAR[0] < x && x < NEAR[1] {
        (x < ONE, times(ln_36(x * ONE), y))
    } else if x < ONE {
        (true, ln(ONE_36 / x) * y / ONE)
    } else {
        (false, ln(x) * y / ONE)
    };
    if exponent > if below { MOST_BELOW } else { MOST_ABOVE } {
        return None;
    }
    let power = exp(exponent);
    Some(if below { ONE_36 / power } else { power })
}

/// A logarithm in 36 decimals times `y`, in eighteen.
fn times(log: u128, y: U256) -> U256 {
    let (high, low) = (log / E18, log % E18);
    match u128::try_from(y) {
        // A logarithm near one is less than 2 ** 117, so `high` is less than 2 ** 57; `low` is less than 2 ** 60.
        Ok(y) if y >> 68 == 0 => U256::from((high * y + low * y / E18) / E18),
        _ => (U256::from(high) * y + U256::from(low) * y / ONE) / ONE,
    }
}

/// `n / 10 ** 20`: a shift, and a division by what fits one limb.
fn by_one_20(n: U256) -> U256 {
    (n >> 20) / whole(u128::from(FIVES))
}

/// `e` to the power of `x`, which is not below zero.
fn exp(mut x: U256) -> U256 {
    let mut first = U256::ONE;
    if let Some((step, factor)) = LARGE.iter().find(|(step, _)| x >= *step) {
        x -= step;
        first = *factor;
    }
    x *= CENT;
    // None where no step fits: then it is one.
    let mut product = None;
    for (step, factor) in SMALL.iter().take(OF_EXPONENTIAL) {
        if x >= *step {
            x -= step;
            product = Some(by_one_20(product.unwrap_or(ONE_20) * factor));
        }
    }
    let sum = U256::from(series_of_exponential(x.saturating_to()));
    match product {
        None => sum * first / CENT,
        Some(product) => by_one_20(product * sum) * first / CENT,
    }
}

/// One and eleven terms more, in twenty decimals, of an `x` less than a quarter: of less than 65 bits.
fn series_of_exponential(x: u128) -> u128 {
    let mut term = match x.checked_mul(x) {
        Some(square) => (square >> 20) / (2 * u128::from(FIVES)),
        None => by_one_20(U256::from(x) * U256::from(x)).saturating_to::<u128>() / 2,
    };
    let mut sum = 100 * E18 + x + term;
    for n in 3..=12 {
        // The terms behind one of zero are zero. Two quotients rounded down are one by the product of their divisors.
        if term == 0 {
            break;
        }
        term = ((term * x) >> 20) / u128::from(FIVES * n);
        sum += term;
    }
    sum
}

/// Logarithm of `a`, which is one at least, in eighteen decimals.
fn ln(mut a: U256) -> U256 {
    let mut sum = U256::ZERO;
    for (step, factor) in &LARGE {
        if a >= factor * ONE {
            a /= factor;
            sum += step;
        }
    }
    sum *= CENT;
    a *= CENT;
    for (step, factor) in &SMALL {
        if a >= *factor {
            a = a * ONE_20 / factor;
            sum += step;
        }
    }
    // What is left is less than `e` to a sixteenth, so this is less than 2 ** 62, and its products have 128 bits.
    let z: u128 = ((a - ONE_20) * ONE_20 / (a + ONE_20)).saturating_to();
    let by_one_20 = |n: u128| (n >> 20) / u128::from(FIVES);
    let square = by_one_20(z * z);
    let (mut series, mut term) = (z, z);
    for n in [3, 5, 7, 9, 11] {
        term = by_one_20(term * square);
        series += term / n;
    }
    (sum + U256::from(series << 1)) / CENT
}

/// Size of the logarithm of `x`, which is near one, both in 36 decimals.
fn ln_36(x: U256) -> u128 {
    // Less than a nineteenth, so less than 2 ** 116.
    let z = x.abs_diff(ONE_36) * ONE_36 / (x + ONE_36);
    let square = z * z / ONE_36;
    let z: u128 = z.saturating_to();
    let (mut series, mut term) = (z, z);
    for n in [3, 5, 7, 9, 11, 13, 15] {
        term = (U256::from(term) * square / ONE_36).saturating_to();
        if term == 0 {
            break;
        }
        series += term / n;
    }
    series << 1
}

#[cfg(test)]
mod tests;
