//! One step of a concentrated-liquidity swap: from a price towards a target, at one liquidity. Uniswap's SwapMath.
//!
//! # Invariants
//! - [`compute_swap_step`] is the contract's function, field by field.
//! - [`exact_in`] and [`exact_out`] are the same step with fee and input as one sum, which is all a quote needs.
//! - Without liquidity a step reaches its target and moves nothing, as the contract's arithmetic has it.
//!
//! # Cost
//! A step that stops inside the stretch: 4 to 5 divisions. One that reaches its target: 3 to 4.

use crate::math::sqrt_price;
use crate::math::wide;
use alloy_primitives::U256;

/// Fee unit: a fee of 1 000 000 pips is all of the input.
pub const PIPS: u32 = 1_000_000;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Price it ends at. The target was reached when it equals it.
    pub sqrt_price: U256,
    /// Input taken, fee included.
    pub amount_in: U256,
    /// Output paid.
    pub amount_out: U256,
}

/// The contract's four results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwapStep {
    /// Price the step ends at.
    pub sqrt_price: U256,
    /// Input taken, without the fee.
    pub amount_in: U256,
    /// Output paid.
    pub amount_out: U256,
    /// Fee, in units of the token that goes in.
    pub fee: U256,
}

/// Input between two prices, rounded up.
#[inline]
fn input(from: U256, to: U256, liquidity: u128, zero_for_one: bool) -> Option<U256> {
    if zero_for_one {
        sqrt_price::amount0(to, from, liquidity, true)
    } else {
        Some(sqrt_price::amount1(from, to, liquidity, true))
    }
}

/// Output between two prices, rounded down.
#[inline]
fn output(from: U256, to: U256, liquidity: u128, zero_for_one: bool) -> Option<U256> {
    if zero_for_one {
        Some(sqrt_price::amount1(to, from, liquidity, false))
    } else {
        sqrt_price::amount0(from, to, liquidity, false)
    }
}

/// True only when `spendable` cannot reach the target: saves the exact input in the commonest step of all, the last. The
/// doubles err by under 1e-14 of the value and rounding up only raises the exact input, so a margin of 1e-9 is safe; in
/// doubt it says false and the integers decide.
#[inline]
fn falls_short(current: U256, target: U256, liquidity: u128, spendable: U256) -> bool {
    let (from, to, spendable) = (wide::to_f64(current), wide::to_f64(target), wide::to_f64(spendable));
    let about = if current >= target {
        liquidity as f64 * wide::Q96 * wide::to_f64(current - target) / from / to
    } else {
        liquidity as f64 * wide::to_f64(target - current) / wide::Q96
    };
    spendable < about * (1.0 - 1e-9)
}

/// What is left of an input after the fee, rounded down.
#[inline]
fn less_fee(amount: U256, fee_pips: u32) -> Option<U256> {
    let share = PIPS.checked_sub(fee_pips)?;
    match u128::try_from(amount) {
        Ok(small) if small >> 108 == 0 => Some(U256::from(small * u128::from(share) / u128::from(PIPS))),
        _ => wide::mul_div(amount, U256::from(share), U256::from(PIPS)),
    }
}

/// Fee on top of a net input, rounded up.
#[inline]
fn fee_on(amount: U256, fee_pips: u32) -> Option<U256> {
    let share = PIPS.checked_sub(fee_pips)?;
    match u128::try_from(amount) {
        Ok(small) if small >> 108 == 0 && share != 0 => {
            Some(U256::from((small * u128::from(fee_pips)).div_ceil(u128::from(share))))
        }
        _ => fee_on_much(amount, fee_pips, share),
    }
}

/// The same for amounts that few tokens have. V4 lets a pool charge everything: then no net input can be bought, and none is.
#[cold]
fn fee_on_much(amount: U256, fee_pips: u32, share: u32) -> Option<U256> {
    if amount.is_zero() { Some(amount) } else { wide::mul_div_up(amount, U256::from(fee_pips), U256::from(share)) }
}

/// The input, fee included, that takes the price from one end of a stretch to the other.
#[inline]
#[must_use]
pub fn input_to_reach(current: U256, target: U256, liquidity: u128, fee_pips: u32) -> Option<U256> {
    let net = input(current, target, liquidity, current >= target)?;
    net.checked_add(fee_on(net, fee_pips)?)
}

/// A step with `remaining` input to spend.
#[inline]
#[must_use]
pub fn exact_in(current: U256, target: U256, liquidity: u128, remaining: U256, fee_pips: u32) -> Option<Step> {
    if liquidity == 0 {
        return Some(Step { sqrt_price: target, amount_in: U256::ZERO, amount_out: U256::ZERO });
    }
    let zero_for_one = current >= target;
    let spendable = less_fee(remaining, fee_pips)?;
    let to_reach = || input(current, target, liquidity, zero_for_one);
    let with_fee = |net: U256| net.checked_add(fee_on(net, fee_pips)?);
    let net = if falls_short(current, target, liquidity, spendable) { None } else { Some(to_reach()?) };
    let (next, amount_in) = match net.filter(|net| spendable >= *net) {
        Some(net) => (target, with_fee(net)?),
        None => {
            let next = sqrt_price::after_input(current, liquidity, spendable, zero_for_one)?;
            // Short of the target the contract keeps the rest as fee, so all of it is taken.
            (next, if next == target { with_fee(to_reach()?)? } else { remaining })
        }
    };
    Some(Step { sqrt_price: next, amount_in, amount_out: output(current, next, liquidity, zero_for_one)? })
}

/// A step with `remaining` output to be paid.
#[inline]
#[must_use]
pub fn exact_out(current: U256, target: U256, liquidity: u128, remaining: U256, fee_pips: u32) -> Option<Step> {
    if liquidity == 0 {
        return Some(Step { sqrt_price: target, amount_in: U256::ZERO, amount_out: U256::ZERO });
    }
    let zero_for_one = current >= target;
    let to_reach = output(current, target, liquidity, zero_for_one)?;
    let (next, paid) = if remaining >= to_reach {
        (target, to_reach)
    } else {
        let next = sqrt_price::after_output(current, liquidity, remaining, zero_for_one)?;
        let paid = if next == target { to_reach } else { output(current, next, liquidity, zero_for_one)? };
        // Rounding the price past what must be paid can free a unit more than was asked.
        (next, paid.min(remaining))
    };
    let net = input(current, next, liquidity, zero_for_one)?;
    Some(Step { sqrt_price: next, amount_in: net.checked_add(fee_on(net, fee_pips)?)?, amount_out: paid })
}

/// The contract's `computeSwapStep`: `remaining` is input when `is_exact_in`, else output.
#[must_use]
pub fn compute_swap_step(
    current: U256,
    target: U256,
    liquidity: u128,
    remaining: U256,
    is_exact_in: bool,
    fee_pips: u32,
) -> Option<SwapStep> {
    let step = if is_exact_in {
        exact_in(current, target, liquidity, remaining, fee_pips)?
    } else {
        exact_out(current, target, liquidity, remaining, fee_pips)?
    };
    let net = input(current, step.sqrt_price, liquidity, current >= target)?;
    let fee = step.amount_in.checked_sub(net)?;
    Some(SwapStep { sqrt_price: step.sqrt_price, amount_in: net, amount_out: step.amount_out, fee })
}
