//! The same arithmetic without short cuts, all in 256 bits and as it is written down in `LogExpMath.sol`: what the short cuts are held to.

use alloy_primitives::U256;
use proptest::prelude::*;

use crate::balancer_v2::log_exp::{
    CENT, LARGE, MILD, MOST_ABOVE, MOST_BELOW, NEAR, OF_EXPONENTIAL, ONE, ONE_20, ONE_36, SMALL, pow,
};

fn plain_pow(x: U256, y: U256) -> Option<U256> {
    if y.is_zero() || x.is_zero() {
        return Some(if y.is_zero() { ONE } else { U256::ZERO });
    }
    if x.bit(255) || y >= MILD {
        return None;
    }
    let (below, product) = if NEAR[0] < x && x < NEAR[1] {
        let log = plain_ln_36(x * ONE);
        (x < ONE, log / ONE * y + log % ONE * y / ONE)
    } else if x < ONE {
        (true, plain_ln(ONE_36 / x) * y)
    } else {
        (false, plain_ln(x) * y)
    };
    let exponent = product / ONE;
    let most = if below { MOST_BELOW } else { MOST_ABOVE };
    let power = (exponent <= most).then(|| plain_exp(exponent))?;
    Some(if below { ONE_36 / power } else { power })
}

fn plain_exp(mut x: U256) -> U256 {
    let mut first = U256::ONE;
    if let Some((step, factor)) = LARGE.iter().find(|(step, _)| x >= *step) {
        x -= step;
        first = *factor;
    }
    x *= CENT;
    let mut product = ONE_20;
    for (step, factor) in &SMALL[..OF_EXPONENTIAL] {
        if x >= *step {
            x -= step;
            product = product * factor / ONE_20;
        }
    }
    let (mut sum, mut term) = (ONE_20 + x, x);
    for n in 2_u64..=12 {
        term = term * x / ONE_20 / U256::from(n);
        sum += term;
    }
    product * sum / ONE_20 * first / CENT
}

fn plain_ln(mut a: U256) -> U256 {
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
    let z = (a - ONE_20) * ONE_20 / (a + ONE_20);
    let square = z * z / ONE_20;
    let (mut series, mut term) = (z, z);
    for n in [3_u64, 5, 7, 9, 11] {
        term = term * square / ONE_20;
        series += term / U256::from(n);
    }
    (sum + series + series) / CENT
}

fn plain_ln_36(x: U256) -> U256 {
    let z = x.abs_diff(ONE_36) * ONE_36 / (x + ONE_36);
    let square = z * z / ONE_36;
    let (mut series, mut term) = (z, z);
    for n in [3_u64, 5, 7, 9, 11, 13, 15] {
        term = term * square / ONE_36;
        series += term / U256::from(n);
    }
    series + series
}

/// Numbers of every size up to so many bits.
fn number(bits: usize) -> impl Strategy<Value = U256> {
    (0..bits, any::<[u64; 4]>()).prop_map(|(bits, limbs)| U256::from_limbs(limbs) >> (255 - bits))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, ..ProptestConfig::default() })]

    #[test]
    fn short_cuts_change_no_power(
        x in prop_oneof![number(256), (700_000_000_000_000_000_u64..1_500_000_000_000_000_000).prop_map(U256::from)],
        y in prop_oneof![2 => number(200), 3 => number(72)],
    ) {
        prop_assert_eq!(pow(x, y), plain_pow(x, y));
    }

    #[test]
    fn nor_one_of_a_swap(
        x in prop_oneof![
            700_000_000_000_000_000_u64..1_500_000_000_000_000_000,
            899_999_999_999_999_990_u64..900_000_000_000_000_010,
            1_099_999_999_999_999_990_u64..1_100_000_000_000_000_010,
            999_999_999_999_000_000_u64..1_000_000_000_001_000_000,
        ],
        y in 10_000_000_000_000_000_u128..100_000_000_000_000_000_000,
    ) {
        let (x, y) = (U256::from(x), U256::from(y));
        prop_assert!(pow(x, y).is_some());
        prop_assert_eq!(pow(x, y), plain_pow(x, y));
    }
}
