//! What `liquidationCall` moves: `LiquidationLogic.executeLiquidationCall` of 3.0.2.

use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::protocols::aave_v3::Market;
use crate::protocols::aave_v3::compounded;
use crate::protocols::lending::Call;
use crate::protocols::lending::Lending;
use crate::protocols::lending::Refusal;
use crate::protocols::lending::Seizure;
use crate::protocols::lending::Size;
use crate::protocols::lending::aave::Sides;
use crate::protocols::lending::aave::balances::Debt;
use crate::protocols::lending::aave::position::Field;
use crate::protocols::lending::aave::position::Position;
use crate::protocols::math::ray;

/// `CLOSE_FACTOR_HF_THRESHOLD`, in wad: below it the whole debt may be repaid.
const DEEP: U256 = U256::from_limbs([950_000_000_000_000_000, 0, 0, 0]);
/// `DEFAULT_LIQUIDATION_CLOSE_FACTOR`, in hundredths of a percent.
const HALF: U256 = U256::from_limbs([5_000, 0, 0, 0]);

/// One side of a liquidation, as it enters the amounts.
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

pub(super) fn quote(market: &Market, call: &Call, at: u64) -> Result<Seizure, Refusal> {
    let Size::Repay(wanted) = call.size else { return Err(Refusal::Unsupported) };
    let reserves = &market.reserves;
    let sides = Sides::of(reserves, call)?;
    if sides.configs.iter().any(|config| config.paused()) {
        return Err(Refusal::Paused);
    }
    let health = market.health(call.account, at)?;
    sides.check(&health)?;
    let Sides { position, ids: [debt_id, collateral_id], configs } = sides;
    let debt = reserves.debt(position, debt_id, at, compounded)?;
    let total = debt.total()?;
    let most = if health.factor > DEEP { ray::percent_mul(total, HALF) } else { Some(total) };
    let wanted = wanted.min(most.ok_or(Refusal::Arithmetic)?);
    let held = reserves.supply(position, collateral_id, at)?;
    let (prices, bonus) = prices_and_bonus(market, position, call, collateral_id)?;
    let [debt_unit, unit] = configs.map(|config| config.unit().ok_or(Refusal::Arithmetic));
    let debt_side = Side { price: prices[0], unit: debt_unit? };
    let side = Side { price: prices[1], unit: unit? };
    let amounts =
        available([&debt_side, &side], [wanted, held], [bonus, configs[1].fee()]).ok_or(Refusal::Arithmetic)?;
    settle(market, call, &debt, (position, collateral_id), amounts, at)
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

/// `_calculateAvailableCollateralToLiquidate`. `wanted` and `held`: units of debt and of collateral; `bonus` and `fee` in
/// hundredths of a percent.
fn available([debt, side]: [&Side; 2], [wanted, held]: [U256; 2], [bonus, fee]: [U256; 2]) -> Option<Amounts> {
    let bought = debt.price.checked_mul(wanted)?.checked_mul(side.unit)?;
    let base = bought.checked_div(side.price.checked_mul(debt.unit)?)?;
    let most = ray::percent_mul(base, bonus)?;
    let (taken, repaid) = if most > held {
        let worth = side.price.checked_mul(held)?.checked_mul(debt.unit)?;
        let base = worth.checked_div(debt.price.checked_mul(side.unit)?)?;
        (held, ray::percent_div(base, bonus)?)
    } else {
        (most, wanted)
    };
    let fee = if fee.is_zero() {
        U256::ZERO
    } else {
        ray::percent_mul(taken.checked_sub(ray::percent_div(taken, bonus)?)?, fee)?
    };
    Some(Amounts { repaid, seized: taken.checked_sub(fee)?, fee })
}

/// What the tokens make of the amounts: burns that round to nothing, cash that is not there, a fee a unit too large.
fn settle(
    market: &Market,
    call: &Call,
    debt: &Debt,
    (position, id): (&Position, usize),
    amounts: Amounts,
    at: u64,
) -> Result<Seizure, Refusal> {
    let Amounts { repaid, seized, mut fee } = amounts;
    debt.burn(repaid)?;
    let index = market.reserves.income(id, at)?;
    let scaled = |units| ray::ray_div(units, index).ok_or(Refusal::Arithmetic);
    let burnt = scaled(seized)?;
    if !call.receipt && market.reserves.reserve(id)?.cash().is_none_or(|cash| cash < seized) {
        return Err(Refusal::Illiquid);
    }
    if !call.receipt && burnt.is_zero() {
        return Err(Refusal::Dust);
    }
    let held = U256::from(position.value(id, Field::Supply).ok_or(Refusal::Cold)?);
    let left = held.checked_sub(burnt).ok_or(Refusal::Arithmetic)?;
    if scaled(fee)? > left {
        fee = ray::ray_mul(left, index).ok_or(Refusal::Arithmetic)?;
    }
    Ok(Seizure { repaid, seized, fee, bad_debt: U256::ZERO })
}
