//! The pool's own fixed-point arithmetic, and what a swap pays by it. Eighteen decimals, rounded half up where it divides.
//!
//! # Invariants
//! - [`paid`] is `swapExactAmountIn`'s own integer, or the reason for which that would revert.
//! - It is monotone, but for reverts: more in never pays less. The contract holds its own approximation against the price, and where a
//!   swap is so small that roundings are more than its effect (a billionth of the balance; more, where a price has few digits) it
//!   reverts now and then. [`cost`] is the least that does not.
//!
//! # Limits
//! - Where the contract holds numbers to 256 bits these hold them to less: balances to 128 bits, weights to [`MOST_WEIGHT`]. What lies
//!   beyond is refused where a pool is made or changed.
//!
//! # Cost
//! Numbers about one are 128 bits wide; some ten divisions of 256 bits a quote, and one of 128 bits a term of the power's series.

use alloy_primitives::U256;

use crate::amm::QuoteError;

/// One, in eighteen decimals.
pub(super) const ONE: u128 = 1_000_000_000_000_000_000;
/// The contract's bounds of a weight.
pub(super) const LEAST_WEIGHT: u128 = ONE;
/// See [`LEAST_WEIGHT`].
pub(super) const MOST_WEIGHT: u128 = 50 * ONE;
/// The contract's bounds of the fee, as a share of the input.
pub(super) const LEAST_FEE: u128 = ONE / 1_000_000;
/// See [`LEAST_FEE`].
pub(super) const MOST_FEE: u128 = ONE / 10;
/// The largest part of a balance that a swap may put in.
const MOST_IN: u128 = ONE / 2;
/// How often [`cost`] goes up to what the contract asks for, at most.
const STEPS: u32 = 64;
/// The power's series ends with a term below this.
const PRECISION: u128 = ONE / 10_000_000_000;

/// Both tokens of a swap, and the fee.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) balance_in: u128,
    pub(super) weight_in: u128,
    pub(super) balance_out: u128,
    pub(super) weight_out: u128,
    pub(super) fee: u128,
}

impl Side {
    /// The most that a swap may put in: the contract's half of the balance, and no more than a balance can come to.
    pub(super) fn most_in(self) -> u128 {
        times(self.balance_in, MOST_IN).saturating_to::<u128>().min(u128::MAX - self.balance_in)
    }
}

/// `a * b`, of which `b` has eighteen decimals.
fn times(a: u128, b: u128) -> U256 {
    // Two numbers of 128 bits, and a half: within 256.
    (U256::from(a) * U256::from(b) + U256::from(ONE / 2)) / U256::from(ONE)
}

/// `a / b` in eighteen decimals. `None`: by zero, or past what the contract's 256 bits hold.
fn over(a: U256, b: U256) -> Option<U256> {
    let whole = a.checked_mul(U256::from(ONE))?.checked_add(b >> 1)?;
    whole.checked_div(b)
}

/// What `amount_in` pays.
pub(super) fn paid(side: Side, amount_in: U256) -> Result<U256, QuoteError> {
    let into = u128::try_from(amount_in).ok().filter(|into| *into <= side.most_in()).ok_or(QuoteError::TooLarge)?;
    let before = price(side, side.balance_in, side.balance_out).ok_or(QuoteError::TooSmall)?;
    let out = out_given_in(side, into).ok_or(QuoteError::TooSmall)?;
    let left = side.balance_out.checked_sub(out).ok_or(QuoteError::TooLarge)?;
    // A balance is so small that there is no price any more: the contract divides by zero.
    let after = price(side, side.balance_in + into, left).ok_or(QuoteError::TooLarge)?;
    let got = over(amount_in, U256::from(out)).ok_or(QuoteError::TooSmall)?;
    // The contract's two checks of its own approximation, which only roundings of few units fail.
    if after < before || before > got { Err(QuoteError::TooSmall) } else { Ok(U256::from(out)) }
}

/// The smallest input that pays at least `out`, looked for from `about` on.
pub(super) fn cost(side: Side, about: u128, out: U256) -> Result<U256, QuoteError> {
    let wanted = u128::try_from(out).map_err(|_| QuoteError::TooLarge)?;
    let reaches = |into: u128| out_given_in(side, into).is_some_and(|out| out >= wanted);
    let mut into = least(about, side.most_in(), reaches).ok_or(QuoteError::TooLarge)?;
    let before = price(side, side.balance_in, side.balance_out).ok_or(QuoteError::TooSmall)?;
    // The least that reaches it may pay more than the price, by a rounding, and then the contract reverts. What it asks for only rises
    // with what is paid out, so that going up to that each time ends at the least that it takes.
    for _ in 0..STEPS {
        let got = out_given_in(side, into).ok_or(QuoteError::TooSmall)?;
        let asked = before.checked_mul(U256::from(got)).ok_or(QuoteError::TooSmall)?;
        let due = asked.saturating_sub(U256::from(got / 2)).div_ceil(U256::from(ONE));
        if due <= U256::from(into) {
            break;
        }
        into = u128::try_from(due).ok().filter(|due| *due <= side.most_in()).ok_or(QuoteError::TooLarge)?;
    }
    paid(side, U256::from(into)).map(|_| U256::from(into))
}

/// The smallest number from one to `most` that `holds`, as do all above it: looked for in doubling steps away from `about`, then by halves.
fn least(about: u128, most: u128, holds: impl Fn(u128) -> bool) -> Option<u128> {
    if most == 0 || !holds(most) {
        return None;
    }
    // What is at `low` does not hold, what is at `high` does.
    let (mut low, mut high) = (0, most);
    let (mut at, mut step) = (about.clamp(1, most), (about >> 48).max(1));
    while low < at && at < high {
        if holds(at) {
            (high, at) = (at, at.saturating_sub(step));
        } else {
            (low, at) = (at, at.saturating_add(step));
        }
        step = step.saturating_mul(2);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// `calcSpotPrice`.
fn price(side: Side, balance_in: u128, balance_out: u128) -> Option<U256> {
    let part = |balance: u128, weight: u128| over(U256::from(balance), U256::from(weight));
    let ratio = over(part(balance_in, side.weight_in)?, part(balance_out, side.weight_out)?)?;
    let scale = over(U256::from(ONE), U256::from(ONE - side.fee))?;
    Some(ratio.checked_mul(scale)?.checked_add(U256::from(ONE / 2))? / U256::from(ONE))
}

/// `calcOutGivenIn`.
fn out_given_in(side: Side, into: u128) -> Option<u128> {
    let ratio = over(U256::from(side.weight_in), U256::from(side.weight_out))?.saturating_to::<u128>();
    // No more than what went in, and half of the balance fits above it.
    let kept = times(into, ONE - side.fee).saturating_to::<u128>();
    let base = over(U256::from(side.balance_in), U256::from(side.balance_in) + U256::from(kept))?;
    let power = power(base.saturating_to(), ratio);
    u128::try_from(times(side.balance_out, ONE.checked_sub(power)?)).ok()
}

/// `bpow` of a base of at most one.
fn power(base: u128, exponent: u128) -> u128 {
    let (whole, rest) = (exponent / ONE, exponent % ONE);
    let integer = integer_power(base, whole);
    if rest == 0 { integer } else { mul(integer, root(base, rest)) }
}

/// Both at most a hundred or so: within 128 bits.
const fn mul(a: u128, b: u128) -> u128 {
    (a * b + ONE / 2) / ONE
}

/// `bpowi`.
const fn integer_power(mut base: u128, mut exponent: u128) -> u128 {
    let mut power = if exponent % 2 == 1 { base } else { ONE };
    exponent /= 2;
    while exponent != 0 {
        base = mul(base, base);
        if exponent % 2 == 1 {
            power = mul(power, base);
        }
        exponent /= 2;
    }
    power
}

/// `bpowApprox`: the binomial series of a base of at most one to an exponent below one, whose terms behind the first are all taken off.
const fn root(base: u128, exponent: u128) -> u128 {
    let away = ONE - base;
    let (mut term, mut sum, mut count) = (ONE, ONE, 1);
    while term >= PRECISION {
        let factor = exponent.abs_diff((count - 1) * ONE);
        let whole = count * ONE;
        term = (mul(term, mul(factor, away)) * ONE + whole / 2) / whole;
        if term == 0 {
            break;
        }
        // The contract would revert, far from any base that half a balance makes; nothing is left of the sum then.
        sum = sum.saturating_sub(term);
        count += 1;
    }
    sum
}
