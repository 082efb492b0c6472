//! What a weighted pool asks and pays: `WeightedMath` over `FixedPoint`, with the fee.
//!
//! # Invariants
//! - [`given_in`] and [`given_out`] are the contract's own integers, or a refusal.
//! - The contract scales every amount to eighteen decimals before it reckons and back behind it. That changes no result: a ratio keeps
//!   its value when both sides are scaled, and a quotient that is rounded twice, each time in the same direction, is the one that is
//!   rounded once. So no scaling factor stands here.
//! - An input past 128 bits is refused here. The vault takes none past 112.

use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::QuoteError;
use crate::balancer_v2::log_exp;

/// One in eighteen decimals: all of the input, all of the weights.
pub(super) const ONE: u64 = 1_000_000_000_000_000_000;
const WHOLE: U256 = U256::from_limbs([ONE, 0, 0, 0]);
/// Balances are smaller.
pub(super) const LIMIT: u128 = 1 << 112;
/// The relative error that a power may have: ten thousand units of the last decimal.
const ERROR: U256 = U256::from_limbs([10_000, 0, 0, 0]);

/// How a pool's code takes powers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Powers {
    /// All by the logarithm, with the margin of its error: the pools of 2021.
    General,
    /// To exactly one, two and four by products, which need no margin; all others as before.
    Products,
}

/// What stands on both sides of a swap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    /// All that the pool has, wherever it is.
    pub(super) balance_in: u128,
    pub(super) balance_out: u128,
    /// In eighteen decimals, as the fee.
    pub(super) weight_in: u64,
    pub(super) weight_out: u64,
    pub(super) fee: u64,
    pub(super) powers: Powers,
}

/// `a * b / ONE`, rounded up.
fn mul_up(a: U256, b: U256) -> U256 {
    (a * b).div_ceil(WHOLE)
}

impl Powers {
    /// `base` to the power of `exponent`, rounded up by more than it can be wrong.
    fn up(self, base: U256, exponent: U256) -> Option<U256> {
        let times = exponent.checked_div(WHOLE).filter(|times| *times * WHOLE == exponent);
        match (self, times.map(|times| times.saturating_to::<u64>())) {
            (Self::Products, Some(1)) => Some(base),
            (Self::Products, Some(2)) => Some(mul_up(base, base)),
            (Self::Products, Some(4)) => {
                let square = mul_up(base, base);
                Some(mul_up(square, square))
            }
            _ => {
                let raw = log_exp::pow(base, exponent)?;
                Some(raw + mul_up(raw, ERROR) + U256::ONE)
            }
        }
    }
}

/// Three tenths of a balance: what may go in, and come out, at most.
const fn most(balance: u128) -> u128 {
    // Balances have 112 bits.
    balance * 3 / 10
}

/// What goes in without the fee, of what goes in with it.
fn net(amount: u128, fee: u64) -> u128 {
    let fee = mul_up(U256::from(amount), U256::from(fee));
    // The fee is less than the whole.
    amount.saturating_sub(fee.saturating_to())
}

/// The largest input that the pool takes.
pub(super) fn largest_in(side: &Side) -> u128 {
    // The first input of which more than the most is left, less one.
    let past = (U256::from(most(side.balance_in) + 1) * WHOLE).div_ceil(WHOLE - U256::from(side.fee));
    let room = LIMIT.saturating_sub(1).saturating_sub(side.balance_in);
    (past - U256::ONE).saturating_to::<u128>().min(room)
}

/// What the pool takes to a power: its balance over what it has then, rounded up. Of a full pool it is one or less.
fn base(side: &Side, net: u128) -> Option<U256> {
    let balance = U256::from(side.balance_in);
    let after = balance + U256::from(net);
    (!after.is_zero()).then(|| (balance * WHOLE).div_ceil(after))
}

/// ... and to which power.
fn exponent(side: &Side) -> U256 {
    U256::from(u128::from(side.weight_in) * u128::from(ONE) / u128::from(side.weight_out.max(1)))
}

/// What comes out for `amount`.
pub(super) fn given_in(side: &Side, amount: u128) -> Result<u128, QuoteError> {
    let net = net(amount, side.fee);
    if net > most(side.balance_in) {
        return Err(QuoteError::TooLarge);
    }
    let base = base(side, net).ok_or(QuoteError::TooLarge)?;
    let power = side.powers.up(base, exponent(side)).ok_or(QuoteError::TooLarge)?;
    let share = WHOLE.saturating_sub(power);
    Ok((U256::from(side.balance_out) * share / WHOLE).saturating_to())
}

/// What goes in for `amount`.
pub(super) fn given_out(side: &Side, amount: u128) -> Result<u128, QuoteError> {
    if amount > most(side.balance_out) {
        return Err(QuoteError::TooLarge);
    }
    let left = side.balance_out.checked_sub(amount).filter(|left| *left > 0).ok_or(QuoteError::TooLarge)?;
    let base = (U256::from(side.balance_out) * WHOLE).div_ceil(U256::from(left));
    let exponent = (u128::from(side.weight_out) * u128::from(ONE)).div_ceil(u128::from(side.weight_in.max(1)));
    let power = side.powers.up(base, U256::from(exponent)).ok_or(QuoteError::TooLarge)?;
    let ratio = power.checked_sub(WHOLE).ok_or(QuoteError::TooLarge)?;
    // Past that the input has more than 128 bits, or the contract's scaled product more than 256.
    let product = U256::from(side.balance_in).checked_mul(ratio).filter(|product| product.bit_len() <= 196);
    let net = product.ok_or(QuoteError::TooLarge)?.div_ceil(WHOLE);
    u128::try_from(gross(side, net)).map_err(|_| QuoteError::TooLarge)
}

/// What goes in with the fee, of which `net` is left: the least.
fn gross(side: &Side, net: U256) -> U256 {
    (net * WHOLE).div_ceil(WHOLE - U256::from(side.fee))
}

/// The smallest input that pays at least `amount`, which is not zero.
///
/// An output depends on the input through the base alone. So the largest base that pays enough is looked for, near where real numbers have
/// it, and the least input that leaves no larger one follows by a division.
///
/// # Limits
/// Where a power falls though its base rises (see `log_exp`), an input further below may pay as much.
pub(super) fn smallest_in(side: &Side, amount: u128) -> Result<u128, QuoteError> {
    let largest = largest_in(side);
    let pays = |input: u128| given_in(side, input).is_ok_and(|out| out >= amount);
    if !pays(largest) {
        return Err(QuoteError::TooLarge);
    }
    let lowest = base(side, net(largest, side.fee)).ok_or(QuoteError::TooLarge)?.saturating_to();
    // `balance_out * (ONE - power) / ONE`, rounded down, is enough up to this power.
    let due = (U256::from(amount) * WHOLE).div_ceil(U256::from(side.balance_out).max(U256::ONE));
    let enough = WHOLE.saturating_sub(due);
    let base = largest_base(side, lowest, enough);
    let balance = U256::from(side.balance_in);
    let net = (balance * WHOLE).div_ceil(U256::from(base.max(1))) - balance;
    let input: u128 = gross(side, net).saturating_to::<u128>().min(largest);
    if pays(input) {
        return Ok(input);
    }
    let (mut low, mut high) = (input, largest);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if pays(middle) { high = middle } else { low = middle }
    }
    Ok(high)
}

/// The largest base, below one and from `lowest` up, with a power of no more than `enough`, which that of `lowest` is not.
fn largest_base(side: &Side, lowest: u64, enough: U256) -> u64 {
    let exponent = exponent(side);
    let fits = |base: u64| side.powers.up(U256::from(base), exponent).is_some_and(|power| power <= enough);
    // Floats steer: they say where to begin. Float to integer saturates.
    let inverse = side.weight_out as f64 / side.weight_in as f64;
    let near = ((f64::from(enough) / ONE as f64).powf(inverse) * ONE as f64) as u64;
    let near = near.clamp(lowest, ONE.max(lowest));
    // `low` fits, `high` does not.
    let (mut low, mut high, mut step) = (near, near, 1 << 7);
    while low > lowest && !fits(low) {
        (high, low) = (low, low.saturating_sub(step).max(lowest));
        step <<= 2;
    }
    while low == high || (high < ONE && fits(high)) {
        (low, high) = (high, high.saturating_add(step).min(ONE.max(lowest + 1)));
        step <<= 2;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    low
}
