//! Fixed-point maths of lending markets: rays, wads and hundredths of a percent, rounded half up.
//!
//! # Invariants
//! - `None` exactly where the contract reverts: division by zero, or a product past 256 bits. There is no wider product.
//!
//! Source: `WadRayMath` and `PercentageMath` of Aave V2 and V3, which agree on all that is here.

use alloy_primitives::U256;

/// 1e27, the unit of indexes and rates.
pub const RAY: U256 = wide(1_000_000_000_000_000_000_000_000_000);
/// 1e18, the unit of health factors.
pub const WAD: U256 = wide(1_000_000_000_000_000_000);
/// 1e4: percentages are in hundredths of a percent.
pub const PERCENT: U256 = wide(10_000);
/// 365 days, in seconds: rates are per such a year.
pub const YEAR: U256 = wide(365 * 24 * 60 * 60);

const fn wide(value: u128) -> U256 {
    U256::from_limbs([value as u64, (value >> 64) as u64, 0, 0])
}

/// `a * b / 1e27`, rounded half up (`rayMul`).
#[must_use]
pub fn ray_mul(a: U256, b: U256) -> Option<U256> {
    mul_round(a, b, RAY)
}

/// `a * 1e27 / b`, rounded half up (`rayDiv`).
#[must_use]
pub fn ray_div(a: U256, b: U256) -> Option<U256> {
    div_round(a, b, RAY)
}

/// `a * 1e18 / b`, rounded half up (`wadDiv`).
#[must_use]
pub fn wad_div(a: U256, b: U256) -> Option<U256> {
    div_round(a, b, WAD)
}

/// `a * percentage / 1e4`, rounded half up (`percentMul`).
#[must_use]
pub fn percent_mul(a: U256, percentage: U256) -> Option<U256> {
    mul_round(a, percentage, PERCENT)
}

/// `a * 1e4 / percentage`, rounded half up (`percentDiv`).
#[must_use]
pub fn percent_div(a: U256, percentage: U256) -> Option<U256> {
    div_round(a, percentage, PERCENT)
}

/// Growth over `elapsed` seconds at `rate` (ray a year) without compounding (`MathUtils.calculateLinearInterest`).
#[must_use]
pub fn linear_interest(rate: U256, elapsed: U256) -> Option<U256> {
    RAY.checked_add(rate.checked_mul(elapsed)? / YEAR)
}

/// `10 ** exponent`; `None` past 256 bits.
#[must_use]
pub fn power_of_ten(exponent: u8) -> Option<U256> {
    U256::from(10).checked_pow(U256::from(exponent))
}

fn mul_round(a: U256, b: U256, unit: U256) -> Option<U256> {
    Some(a.checked_mul(b)?.checked_add(unit >> 1)? / unit)
}

fn div_round(a: U256, b: U256, unit: U256) -> Option<U256> {
    a.checked_mul(unit)?.checked_add(b >> 1)?.checked_div(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_up() {
        let one = U256::ONE;
        assert_eq!(ray_mul(one, RAY >> 1), Some(one));
        assert_eq!(ray_mul(one, (RAY >> 1) - one), Some(U256::ZERO));
        assert_eq!(percent_mul(U256::from(5), U256::from(1000)), Some(one));
        assert_eq!(wad_div(U256::from(3), U256::from(2)), Some(WAD + (WAD >> 1)));
        assert_eq!(ray_div(one, U256::from(3)), Some(RAY / U256::from(3)));
    }

    #[test]
    fn refuses_where_the_contract_reverts() {
        assert_eq!(percent_div(U256::ONE, U256::ZERO), None);
        assert_eq!(ray_mul(U256::MAX, U256::from(2)), None);
        assert_eq!(ray_mul(U256::MAX, U256::ONE), None);
        assert_eq!(percent_mul(U256::MAX, U256::ZERO), Some(U256::ZERO));
    }
}
