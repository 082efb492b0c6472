//! What `liquidationCall` moves: `LiquidationLogic.executeLiquidationCall` of 3.0.2.

use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::aave_v3::Market;
use crate::aave_v3::compounded;
use crate::lending;
use crate::lending::Call;
use crate::lending::Lending;
use crate::lending::Refusal;
use crate::lending::Seizure;
use crate::lending::Size;
use crate::lending::aave::Sides;
use crate::lending::aave::balances::Debt;
use crate::lending::aave::position::Field;
use crate::lending::aave::position::Position;
use crate::math::ray;

/// `CLOSE_FACTOR_HF_THRESHOLD`, in wad: below it the whole debt may be repaid.
const DEEP: U256 = U256::from_limbs([950_000_000_000_000_000, 0, 0, 0]);
/// `DEFAULT_LIQUIDATION_CLOSE_FACTOR`, in hundredths of a percent.
const HALF: U256 = U256::from_limbs([5_000, 0, 0, 0]);

/// One side of a liquidation, as it enters the amounts.
#[derive(Clone, Copy, Debug)]
struct Side {
    price: U256,
    unit: U256,
}

/// What is seized for what, before the limits of the tokens.
struct Amounts {
    repaid: U256,
    seized: U256,
    fee: U256,
}

/// A liquidation of which all but the size is worked out.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    debt: Debt,
    /// Of debt and collateral.
    sides: [Side; 2],
    /// Of the debt, by the close factor.
    most: U256,
    /// Of the collateral: its units, and as the token keeps them.
    held: U256,
    scaled: U256,
    /// The suppliers' index of the collateral.
    index: U256,
    /// In hundredths of a percent.
    bonus: U256,
    fee: U256,
    cash: Option<U256>,
    receipt: bool,
}

pub(super) fn ready(market: &Market, call: &Call, at: u64) -> Result<Ready, Refusal> {
    let reserves = &market.reserves;
    let sides = Sides::of(reserves, call)?;
    if sides.configs.iter().any(|config| config.paused()) {
        return Err(Refusal::Paused);
    }
    let health = market.health(call.account, at)?;
    sides.check(&health)?;
    let Sides { position, ids: [debt_id, id], configs } = sides;
    let debt = reserves.debt(position, debt_id, at, compounded)?;
    let total = debt.total()?;
    let most = if health.factor > DEEP { ray::percent_mul(total, HALF) } else { Some(total) };
    let most = most.ok_or(Refusal::Arithmetic)?;
    let held = reserves.supply(position, id, at)?;
    let (prices, bonus) = prices_and_bonus(market, position, call, id)?;
    let [debt_unit, unit] = configs.map(|config| config.unit().ok_or(Refusal::Arithmetic));
    Ok(Ready {
        debt,
        sides: [Side { price: prices[0], unit: debt_unit? }, Side { price: prices[1], unit: unit? }],
        most,
        held,
        scaled: U256::from(position.value(id, Field::Supply).ok_or(Refusal::Cold)?),
        index: reserves.income(id, at)?,
        bonus,
        fee: configs[1].fee(),
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
        self.settle(self.available(wanted.min(self.most)).ok_or(Refusal::Arithmetic)?)
    }
}

/// Prices of debt and collateral, and the bonus: the category's where it has them (`_getConfigurationData`).
fn prices_and_bonus(
    market: &Market,
    position: &Position,
    call: &Call,
    collateral_id: usize,
) -> Result<([U256; 2], U256), Refusal> {
    let reserves = &market.reserves;
    let config = reserves.reserve(collateral_id)?.config()?;
    let price = |asset: Address| reserves.price(asset, None);
    let Some((id, category)) = market.category(position)? else {
        return Ok(([price(call.debt)?, price(call.collateral)?], config.bonus()));
    };
    // The contract takes the debt for one of the category without looking.
    let source = category.source();
    let debt = price(source.unwrap_or(call.debt))?;
    if config.category() != id {
        return Ok(([debt, price(call.collateral)?], config.bonus()));
    }
    Ok(([debt, price(source.unwrap_or(call.collateral))?], category.bonus()))
}

impl Ready {
    /// `_calculateAvailableCollateralToLiquidate`. `wanted`: units of debt.
    fn available(&self, wanted: U256) -> Option<Amounts> {
        let Self { sides: [debt, side], held, bonus, fee, .. } = self;
        let bought = debt.price.checked_mul(wanted)?.checked_mul(side.unit)?;
        let base = bought.checked_div(side.price.checked_mul(debt.unit)?)?;
        let most = ray::percent_mul(base, *bonus)?;
        let (taken, repaid) = if most > *held {
            let worth = side.price.checked_mul(*held)?.checked_mul(debt.unit)?;
            let base = worth.checked_div(debt.price.checked_mul(side.unit)?)?;
            (*held, ray::percent_div(base, *bonus)?)
        } else {
            (most, wanted)
        };
        let fee = if fee.is_zero() {
            U256::ZERO
        } else {
            ray::percent_mul(taken.checked_sub(ray::percent_div(taken, *bonus)?)?, *fee)?
        };
        Some(Amounts { repaid, seized: taken.checked_sub(fee)?, fee })
    }

    /// What the tokens make of the amounts: burns that round to nothing, cash that is not there, a fee a unit too large.
    fn settle(&self, amounts: Amounts) -> Result<Seizure, Refusal> {
        let Amounts { repaid, seized, mut fee } = amounts;
        self.debt.burn(repaid)?;
        let scaled = |units| ray::ray_div(units, self.index).ok_or(Refusal::Arithmetic);
        let burnt = scaled(seized)?;
        if !self.receipt && self.cash.is_none_or(|cash| cash < seized) {
            return Err(Refusal::Illiquid);
        }
        if !self.receipt && burnt.is_zero() {
            return Err(Refusal::Dust);
        }
        let left = self.scaled.checked_sub(burnt).ok_or(Refusal::Arithmetic)?;
        if scaled(fee)? > left {
            fee = ray::ray_mul(left, self.index).ok_or(Refusal::Arithmetic)?;
        }
        Ok(Seizure { repaid, seized, fee, bad_debt: U256::ZERO })
    }
}
