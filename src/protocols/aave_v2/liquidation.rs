//! What `liquidationCall` moves: `LendingPoolCollateralManager.liquidationCall`.

use alloy_primitives::U256;

use crate::protocols::aave_v2::Market;
use crate::protocols::aave_v2::compounded;
use crate::protocols::lending::Call;
use crate::protocols::lending::Lending;
use crate::protocols::lending::Refusal;
use crate::protocols::lending::Seizure;
use crate::protocols::lending::Size;
use crate::protocols::lending::aave::Sides;
use crate::protocols::lending::aave::reserve::Config;
use crate::protocols::math::ray;

/// `LIQUIDATION_CLOSE_FACTOR_PERCENT`, in hundredths of a percent.
const HALF: U256 = U256::from_limbs([5_000, 0, 0, 0]);

pub(super) fn quote(market: &Market, call: &Call, at: u64) -> Result<Seizure, Refusal> {
    let Size::Repay(wanted) = call.size else { return Err(Refusal::Unsupported) };
    let reserves = &market.reserves;
    if reserves.paused()? {
        return Err(Refusal::Paused);
    }
    let sides = Sides::of(reserves, call)?;
    sides.check(&market.health(call.account, at)?)?;
    let Sides { position, ids: [debt_id, id], configs } = sides;
    let debt = reserves.debt(position, debt_id, at, compounded)?;
    let half = ray::percent_mul(debt.total()?, HALF).ok_or(Refusal::Arithmetic)?;
    let held = reserves.supply(position, id, at)?;
    let prices = [reserves.price(call.debt, None)?, reserves.price(call.collateral, None)?];
    let (repaid, seized) = available(configs, prices, wanted.min(half), held).ok_or(Refusal::Arithmetic)?;
    if !call.receipt && reserves.reserve(id)?.cash().is_none_or(|cash| cash < seized) {
        return Err(Refusal::Illiquid);
    }
    debt.burn(repaid)?;
    let burnt = ray::ray_div(seized, reserves.income(id, at)?).ok_or(Refusal::Arithmetic)?;
    if !call.receipt && burnt.is_zero() {
        return Err(Refusal::Dust);
    }
    Ok(Seizure { repaid, seized, fee: U256::ZERO, bad_debt: U256::ZERO })
}

/// `_calculateAvailableCollateralToLiquidate`, and the debt that the collateral is enough for: units of debt repaid and of
/// collateral seized. The bonus is taken before the division, which V3 does after.
fn available(
    [debt, collateral]: [Config; 2],
    [debt_price, price]: [U256; 2],
    wanted: U256,
    held: U256,
) -> Option<(U256, U256)> {
    let (debt_unit, unit, bonus) = (debt.unit()?, collateral.unit()?, collateral.bonus());
    let bought = ray::percent_mul(debt_price.checked_mul(wanted)?.checked_mul(unit)?, bonus)?;
    let most = bought.checked_div(price.checked_mul(debt_unit)?)?;
    if most <= held {
        return Some((wanted, most));
    }
    let worth = price.checked_mul(held)?.checked_mul(debt_unit)?;
    let needed = ray::percent_div(worth.checked_div(debt_price.checked_mul(unit)?)?, bonus)?;
    Some((needed.min(wanted), held))
}
