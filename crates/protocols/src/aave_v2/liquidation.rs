//! What `liquidationCall` moves: `LendingPoolCollateralManager.liquidationCall`.

use alloy_primitives::U256;

use crate::aave_v2::Market;
use crate::aave_v2::compounded;
use crate::lending;
use crate::lending::Call;
use crate::lending::Lending;
use crate::lending::Refusal;
use crate::lending::Seizure;
use crate::lending::Size;
use crate::lending::aave::Sides;
use crate::lending::aave::balances::Debt;
use crate::math::ray;

/// `LIQUIDATION_CLOSE_FACTOR_PERCENT`, in hundredths of a percent.
const HALF: U256 = U256::from_limbs([5_000, 0, 0, 0]);

/// A liquidation of which all but the size is worked out.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    debt: Debt,
    /// Prices of debt and collateral, and their units.
    prices: [U256; 2],
    units: [U256; 2],
    bonus: U256,
    /// Half of the debt.
    most: U256,
    held: U256,
    /// The suppliers' index of the collateral.
    index: U256,
    cash: Option<U256>,
    receipt: bool,
}

pub(super) fn ready(market: &Market, call: &Call, at: u64) -> Result<Ready, Refusal> {
    let reserves = &market.reserves;
    if reserves.paused()? {
        return Err(Refusal::Paused);
    }
    let sides = Sides::of(reserves, call)?;
    sides.check(&market.health(call.account, at)?)?;
    let Sides { position, ids: [debt_id, id], configs } = sides;
    let debt = reserves.debt(position, debt_id, at, compounded)?;
    let most = ray::percent_mul(debt.total()?, HALF).ok_or(Refusal::Arithmetic)?;
    let held = reserves.supply(position, id, at)?;
    let prices = [reserves.price(call.debt, None)?, reserves.price(call.collateral, None)?];
    let [debt_unit, unit] = configs.map(|config| config.unit().ok_or(Refusal::Arithmetic));
    Ok(Ready {
        debt,
        prices,
        units: [debt_unit?, unit?],
        bonus: configs[1].bonus(),
        most,
        held,
        index: reserves.income(id, at)?,
        cash: reserves.reserve(id)?.cash(),
        receipt: call.receipt,
    })
}

impl lending::Ready for Ready {
    fn most(&self) -> Result<Size, Refusal> {
        // A receipt needs no cash: what the rules allow does not hang on what can be paid out.
        Ok(Size::Repay(Self { receipt: true, ..*self }.seize(Size::Repay(U256::MAX))?.repaid))
    }

    fn seize(&self, size: Size) -> Result<Seizure, Refusal> {
        let Size::Repay(wanted) = size else { return Err(Refusal::Unsupported) };
        let (repaid, seized) = self.available(wanted.min(self.most)).ok_or(Refusal::Arithmetic)?;
        if !self.receipt && self.cash.is_none_or(|cash| cash < seized) {
            return Err(Refusal::Illiquid);
        }
        self.debt.burn(repaid)?;
        let burnt = ray::ray_div(seized, self.index).ok_or(Refusal::Arithmetic)?;
        if !self.receipt && burnt.is_zero() {
            return Err(Refusal::Dust);
        }
        Ok(Seizure { repaid, seized, fee: U256::ZERO, bad_debt: U256::ZERO })
    }
}

impl Ready {
    /// `_calculateAvailableCollateralToLiquidate`, and the debt that the collateral is enough for: units of debt repaid and of
    /// collateral seized. The bonus is taken before the division, which V3 does after.
    fn available(&self, wanted: U256) -> Option<(U256, U256)> {
        let Self { prices: [debt_price, price], units: [debt_unit, unit], bonus, held, .. } = *self;
        let bought = ray::percent_mul(debt_price.checked_mul(wanted)?.checked_mul(unit)?, bonus)?;
        let most = bought.checked_div(price.checked_mul(debt_unit)?)?;
        if most <= held {
            return Some((wanted, most));
        }
        let worth = price.checked_mul(held)?.checked_mul(debt_unit)?;
        let needed = ray::percent_div(worth.checked_div(debt_price.checked_mul(unit)?)?, bonus)?;
        Some((needed.min(wanted), held))
    }
}
