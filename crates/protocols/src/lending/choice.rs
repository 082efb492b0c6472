//! The best liquidation of one position, and the price at which it sinks.
//!
//! # Limits
//! - What a seizure is worth is the caller's to say. For each pair it must be concave in the amount, as it is when the
//!   collateral is sold along a curve; what is found is then within rounding of the best.
//! - Amounts are sought in millionths of the most that the rules allow.
//!
//! # Cost
//! One health and about ten quotes a pair where all is best, forty where it is a part; 100 healths a price.

use alloy_primitives::Address;
use alloy_primitives::I256;
use alloy_primitives::U256;

use crate::lending::Call;
use crate::lending::Lending;
use crate::lending::Ready;
use crate::lending::Refusal;
use crate::lending::Seizure;
use crate::lending::Size;

/// All that the rules allow, in millionths.
pub const WHOLE: u32 = 1_000_000;
/// A little less than all is so much less: a thousandth. What rounding does to neighbours is nothing there.
const LITTLE: u32 = 1_000;

/// A liquidation that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What to call.
    pub call: Call,
    /// What it moves.
    pub seizure: Seizure,
    /// What that is worth, by the caller's measure.
    pub worth: I256,
}

/// The liquidation of an account that is worth most, over all its pairs of debt and collateral and all amounts within the
/// rules. `None` when none can be made. `worth` may refuse a seizure that it has no price for.
pub fn best<M: Lending>(
    market: &M,
    account: Address,
    receipt: bool,
    at: u64,
    worth: impl Fn(&Call, &Seizure) -> Option<I256>,
) -> Option<Choice> {
    let pairs = market.pairs(account).into_iter();
    let call = |(debt, collateral)| Call { account, debt, collateral, size: Size::Repay(U256::MAX), receipt };
    pairs.filter_map(|pair| best_of_pair(market, &call(pair), at, &worth)).max_by_key(|choice| choice.worth)
}

/// The best amount for one pair: the call's size is not looked at.
pub fn best_of_pair<M: Lending>(
    market: &M,
    call: &Call,
    at: u64,
    worth: &impl Fn(&Call, &Seizure) -> Option<I256>,
) -> Option<Choice> {
    best_size(&market.ready(call, at).ok()?, call, worth)
}

/// The best amount of a liquidation that is worked out. Too small an amount is dust and too large a one the market may not pay
/// out; between them the worth rises to its best and falls.
pub fn best_size(ready: &impl Ready, call: &Call, worth: &impl Fn(&Call, &Seizure) -> Option<I256>) -> Option<Choice> {
    let most = ready.most().ok()?;
    let choice = |part| {
        let call = Call { size: most.part(part), ..*call };
        let seizure = ready.seize(call.size).ok()?;
        Some(Choice { call, seizure, worth: worth(&call, &seizure)? })
    };
    let refused = |part, why| ready.seize(most.part(part)).is_err_and(|refusal| refusal == why);
    let low = first(1, WHOLE, |part| !refused(part, Refusal::Dust));
    let high = first(low, WHOLE + 1, |part| part > WHOLE || refused(part, Refusal::Illiquid)).checked_sub(1)?;
    let ends = [choice(low), choice(high)];
    // Mostly all that can be taken is best: where it is more than a little less, and than the least less.
    let is_end =
        |less: u32| ends[1].map(|end| end.worth) > choice(high.saturating_sub(less).max(low)).map(|less| less.worth);
    if high > low && is_end((high - low).div_ceil(LITTLE)) && is_end(1) {
        return ends[1];
    }
    ends.into_iter().chain([peak(low, high, choice)]).flatten().max_by_key(|choice| choice.worth)
}

/// The best between two parts, by golden sections: each step asks for one more. Where there is none, there is none above it.
fn peak(mut low: u32, mut high: u32, choice: impl Fn(u32) -> Option<Choice>) -> Option<Choice> {
    let golden = |length: u32| (length * 382 / 1_000).max(1);
    let mut best: Option<(u32, Choice)> = None;
    while high.checked_sub(low)? > 2 || (best.is_none() && high - low == 2) {
        let Some((middle, chosen)) = best else {
            let part = high - golden(high - low);
            best = choice(part).map(|choice| (part, choice));
            high = if best.is_none() { part } else { high };
            continue;
        };
        let is_above = high - middle > middle - low;
        let part = if is_above { middle + golden(high - middle) } else { middle - golden(middle - low) };
        match choice(part).filter(|choice| choice.worth > chosen.worth) {
            Some(better) => {
                best = Some((part, better));
                *(if is_above { &mut low } else { &mut high }) = middle;
            }
            None => *(if is_above { &mut high } else { &mut low }) = part,
        }
    }
    best.map(|(_, choice)| choice)
}

/// The first of `low..=high` that `is`, when all after it are too; `high` when none before it is.
fn first(mut low: u32, mut high: u32, is: impl Fn(u32) -> bool) -> u32 {
    // Mostly the first, or none.
    if low < high && is(low) {
        return low;
    }
    if low < high && !is(high - 1) {
        return high;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if is(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// Where a position sinks, as one price moves and all else stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiquidationPrice {
    /// At this price it can be liquidated, a unit above it cannot.
    Falling(U256),
    /// At this price it can be liquidated, a unit below it cannot.
    Rising(U256),
}

/// The price of `feed` at which an account sinks, or has sunk, at a timestamp. `None`: that price alone does not do it, be
/// it next to nothing or a million times the present one.
///
/// Health need not be monotonous in a price to the last unit: Aave rounds the average threshold to a hundredth of a
/// percent. Where an account crosses more than once within that, this is one of the crossings.
///
/// # Errors
/// Something is not known, or the contract would revert.
pub fn edge<M: Lending>(
    market: &M,
    account: Address,
    feed: Address,
    price: U256,
    at: u64,
) -> Result<Option<LiquidationPrice>, Refusal> {
    let is_liquidatable =
        |price| market.health_if(account, at, Some((feed, price))).map(|health| health.is_liquidatable());
    let now = is_liquidatable(price)?;
    for other in [U256::ONE, price.saturating_mul(U256::from(WHOLE))] {
        // A price so high that the contract's integers cannot hold it is no price.
        if is_liquidatable(other) == Ok(!now) {
            let (liquidatable, afloat) = if now { (price, other) } else { (other, price) };
            return bisect(liquidatable, afloat, is_liquidatable).map(Some);
        }
    }
    Ok(None)
}

/// Brings two prices together, of which one sinks and the other does not.
fn bisect(
    mut liquidatable: U256,
    mut afloat: U256,
    is_liquidatable: impl Fn(U256) -> Result<bool, Refusal>,
) -> Result<LiquidationPrice, Refusal> {
    while liquidatable.abs_diff(afloat) > U256::ONE {
        let middle = liquidatable.min(afloat) + (liquidatable.abs_diff(afloat) >> 1_usize);
        if is_liquidatable(middle)? {
            liquidatable = middle;
        } else {
            afloat = middle;
        }
    }
    Ok(if liquidatable < afloat {
        LiquidationPrice::Falling(liquidatable)
    } else {
        LiquidationPrice::Rising(liquidatable)
    })
}
