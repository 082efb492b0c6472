//! Ticks and the square-root prices they stand for: `sqrt(1.0001^tick) * 2^96`, as Uniswap's TickMath rounds it.
//!
//! # Invariants
//! - `sqrt_price_at` is TickMath's integer, bit for bit (its constants are `2^128 / sqrt(1.0001^(2^i))`).
//! - `tick_at` is the greatest tick whose price is not above the given one, which is what TickMath's logarithm yields.
//!
//! # Cost
//! `sqrt_price_at`: at most 20 multiplications of 128 bits. `tick_at`: one logarithm; near a tick's own price two exact prices more.

use crate::math::wide;
use alloy_primitives::U256;

/// Lowest tick of any pool.
pub const MIN_TICK: i32 = -887_272;
/// Highest tick of any pool.
pub const MAX_TICK: i32 = 887_272;
/// Price at [`MIN_TICK`]: the lowest a pool can stand at.
pub const MIN_SQRT_PRICE: U256 = U256::from_limbs([4_295_128_739, 0, 0, 0]);
/// Price at [`MAX_TICK`]: every pool stands below it.
pub const MAX_SQRT_PRICE: U256 = U256::from_limbs([0x5d95_1d52_6398_8d26, 0xefd1_fc6a_5064_8849, 0xfffd_8963, 0]);

/// `2^128 / sqrt(1.0001)^(2^i)`, rounded as TickMath has it.
const FACTORS: [u128; 20] = [
    0xfffc_b933_bd6f_ad37_aa2d_162d_1a59_4001,
    0xfff9_7272_373d_4132_59a4_6990_580e_213a,
    0xfff2_e50f_5f65_6932_ef12_357c_f3c7_fdcc,
    0xffe5_caca_7e10_e4e6_1c36_24ea_a094_1cd0,
    0xffcb_9843_d60f_6159_c9db_5883_5c92_6644,
    0xff97_3b41_fa98_c081_472e_6896_dfb2_54c0,
    0xff2e_a164_66c9_6a38_43ec_78b3_26b5_2861,
    0xfe5d_ee04_6a99_a2a8_11c4_61f1_969c_3053,
    0xfcbe_86c7_900a_88ae_dcff_c83b_479a_a3a4,
    0xf987_a725_3ac4_1317_6f2b_074c_f781_5e54,
    0xf339_2b08_22b7_0005_940c_7a39_8e4b_70f3,
    0xe715_9475_a2c2_9b74_43b2_9c7f_a6e8_89d9,
    0xd097_f3bd_fd20_22b8_845a_d8f7_92aa_5825,
    0xa9f7_4646_2d87_0fdf_8a65_dc1f_90e0_61e5,
    0x70d8_69a1_56d2_a1b8_90bb_3df6_2baf_32f7,
    0x31be_135f_97d0_8fd9_8123_1505_542f_cfa6,
    0x09aa_508b_5b7a_84e1_c677_de54_f3e9_9bc9,
    0x005d_6af8_dedb_8119_6699_c329_225e_e604,
    0x0000_2216_e584_f5fa_1ea9_2604_1bed_fe98,
    0x0000_0000_048a_1703_91f7_dc42_444e_8fa2,
];

/// Price of a tick. `None` past the lowest or highest tick.
#[must_use]
pub fn sqrt_price_at(tick: i32) -> Option<U256> {
    let distance = tick.unsigned_abs();
    if distance > MAX_TICK.unsigned_abs() {
        return None;
    }
    // The contract starts from 2^128; its product with the first factor shifted by 128 is that factor itself.
    let mut ratio: Option<u128> = None;
    for (bit, factor) in FACTORS.iter().enumerate() {
        if distance >> bit & 1 == 1 {
            ratio = Some(ratio.map_or(*factor, |r| wide::widening_mul_u128(r, *factor).0));
        }
    }
    let below = ratio.map_or(U256::ONE << 128, U256::from);
    let ratio = if tick > 0 { U256::MAX / below } else { below };
    // From 128 to 96 fractional bits, rounding up so that `tick_at` of the result is `tick` again.
    let cut = ratio.as_limbs()[0] & 0xffff_ffff != 0;
    Some((ratio >> 32) + U256::from(u8::from(cut)))
}

/// The greatest tick whose price is not above `sqrt_price`. `None` outside `MIN_SQRT_PRICE..MAX_SQRT_PRICE`.
#[must_use]
pub fn tick_at(sqrt_price: U256) -> Option<i32> {
    /// `2 / ln(1.0001)`.
    const TICKS_PER_E: f64 = 20_000.999_983_334_167;
    // Rounding a price up to 96 bits moves it by under 2^-32 of itself, 5e-6 ticks; the double adds under 1e-8.
    const DOUBT: f64 = 1e-4;
    if sqrt_price < MIN_SQRT_PRICE || sqrt_price >= MAX_SQRT_PRICE {
        return None;
    }
    let guess = (wide::to_f64(sqrt_price) / wide::Q96).ln() * TICKS_PER_E;
    let floor = guess.floor();
    let tick = floor as i32;
    if guess - floor > DOUBT && guess - floor < 1.0 - DOUBT {
        return Some(tick);
    }
    // Near a tick's own price the integers decide.
    let nearest = guess.round() as i32;
    let reached = sqrt_price_at(nearest.clamp(MIN_TICK, MAX_TICK)).is_some_and(|price| price <= sqrt_price);
    Some(if reached { nearest } else { nearest - 1 })
}
