//! When a position sinks, what absorbing it does, and what collateral is sold for.

use alloy_primitives::U256;

use crate::compound_v3::Account;
use crate::compound_v3::Asset;
use crate::compound_v3::MarketConfig;
use crate::compound_v3::Totals;
use crate::compound_v3::market::INDEX;
use crate::compound_v3::market::PRINCIPAL;
use crate::compound_v3::market::factor;
use crate::lending::Health;
use crate::lending::Refusal;
use crate::math::ray::WAD;

const ABSORB_PAUSED: u8 = 1 << 3;
const BUY_PAUSED: u8 = 1 << 4;

/// What the price feeds answer, with 8 decimals. Zero: the feed says so, and the market reverts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Of a whole base token.
    pub base: U256,
    /// Of a whole token of each collateral, by its index.
    pub assets: Vec<U256>,
}

/// What absorbing a position has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absorbed {
    /// What the market has paid for the collateral, in units of the base token: the debt, and what is credited above it.
    pub paid: U256,
    /// Base principal that the account has afterwards.
    pub principal: U256,
    /// Index and units of each collateral that is on the shelf now.
    pub seized: Vec<(usize, U256)>,
    /// The market's totals afterwards.
    pub totals: Totals,
}

/// What the market could sell of a collateral, and what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// Index of the collateral.
    pub asset: usize,
    /// Units of it that the market holds and no account owns.
    pub stock: U256,
    /// Units of the base token that the market holds.
    pub cash: U256,
}

impl MarketConfig {
    /// How an account stands, with totals that are accrued to the block in question. Values have the prices' 8 decimals.
    ///
    /// # Errors
    /// A collateral is not known, a price is not, or the contract would revert.
    pub fn health(&self, totals: &Totals, account: &Account, prices: &Prices) -> Result<Health, Refusal> {
        let [mut collateral, mut limit] = [U256::ZERO; 2];
        for Holding { asset, value, .. } in self.holdings(account, prices)? {
            let counts = factor(value, U256::from(asset.liquidate_collateral)).ok_or(Refusal::Arithmetic)?;
            collateral = collateral.checked_add(value).ok_or(Refusal::Arithmetic)?;
            limit = limit.checked_add(counts).ok_or(Refusal::Arithmetic)?;
        }
        let debt = worth(debt_of(totals, account)?, self.base_scale, prices.base)?;
        let ratio = limit.checked_mul(WAD).ok_or(Refusal::Arithmetic)?;
        Ok(Health { collateral, debt, limit, factor: ratio.checked_div(debt).unwrap_or(U256::MAX) })
    }

    /// What `absorb` does to an account, with totals that are accrued to the block in question.
    ///
    /// # Errors
    /// As for [`Self::health`], or the position is healthy, or absorbing is paused.
    pub fn absorb(&self, totals: &Totals, account: &Account, prices: &Prices) -> Result<Absorbed, Refusal> {
        if totals.paused & ABSORB_PAUSED != 0 {
            return Err(Refusal::Paused);
        }
        if !self.health(totals, account, prices)?.is_liquidatable() {
            return Err(Refusal::Healthy);
        }
        let (mut credit, mut seized) = (U256::ZERO, Vec::new());
        for Holding { asset, index, units, value } in self.holdings(account, prices)? {
            let counts = factor(value, U256::from(asset.liquidation)).ok_or(Refusal::Arithmetic)?;
            credit = credit.checked_add(counts).ok_or(Refusal::Arithmetic)?;
            seized.push((index, units));
        }
        let debt = debt_of(totals, account)?;
        let scale = U256::from(self.base_scale);
        let units = credit.checked_mul(scale).and_then(|n| n.checked_div(prices.base)).ok_or(Refusal::Arithmetic)?;
        // A debt that the collateral does not cover is the reserves' loss.
        let left = units.saturating_sub(debt);
        let principal = left.checked_mul(INDEX).and_then(|n| n.checked_div(totals.supply_index));
        // `signed104`.
        let principal = principal.filter(|n| n.bit_len() < PRINCIPAL).ok_or(Refusal::Arithmetic)?;
        let supplied = totals.supplied + principal;
        let repaid = U256::from(account.principal.unsigned_abs());
        let borrowed = totals.borrowed.checked_sub(repaid).filter(|_| supplied.bit_len() <= PRINCIPAL);
        let totals = Totals { supplied, borrowed: borrowed.ok_or(Refusal::Arithmetic)?, ..*totals };
        Ok(Absorbed { paid: debt + left, principal, seized, totals })
    }

    /// `quoteCollateral`: units of a collateral for units of the base token.
    ///
    /// # Errors
    /// The collateral is not known, its price is not, or the contract would revert.
    pub fn quote(&self, asset: usize, base: U256, prices: &Prices) -> Result<U256, Refusal> {
        let terms = self.assets.get(asset).ok_or(Refusal::Stranger)?;
        let price = priced(terms, prices.assets.get(asset))?;
        let exact = || -> Option<U256> {
            let penalty = WAD.checked_sub(U256::from(terms.liquidation))?;
            let discount = factor(U256::from(self.store_front), penalty)?;
            let price = factor(price, WAD.checked_sub(discount)?)?;
            let worth = prices.base.checked_mul(base)?.checked_mul(U256::from(terms.scale))?;
            worth.checked_div(price)?.checked_div(U256::from(self.base_scale))
        };
        exact().filter(|_| !prices.base.is_zero()).ok_or(Refusal::Arithmetic)
    }

    /// What `buyCollateral` pays for units of the base token, with totals that are accrued to the block in question.
    ///
    /// # Errors
    /// As for [`Self::quote`], or buying is paused, or the market does not sell: its reserves are at their target, or it has less.
    pub fn buy(&self, totals: &Totals, shelf: &Shelf, base: U256, prices: &Prices) -> Result<U256, Refusal> {
        if totals.paused & BUY_PAUSED != 0 {
            return Err(Refusal::Paused);
        }
        let [supplied, borrowed] = [totals.all_supplied(), totals.all_borrowed()].map(|n| n.ok_or(Refusal::Arithmetic));
        // Reserves are what is left of cash and claims when suppliers have taken theirs; they may be negative.
        let has = shelf.cash.checked_add(borrowed?).ok_or(Refusal::Arithmetic)?;
        if has.checked_sub(supplied?).is_some_and(|reserves| reserves >= self.target_reserves) {
            return Err(Refusal::Illiquid);
        }
        let units = self.quote(shelf.asset, base, prices)?;
        if units <= shelf.stock { Ok(units) } else { Err(Refusal::Illiquid) }
    }

    /// The collaterals that an account has.
    fn holdings(&self, account: &Account, prices: &Prices) -> Result<Vec<Holding<'_>>, Refusal> {
        let holding = |index: usize| {
            let asset = self.assets.get(index).ok_or(Refusal::Stranger)?;
            let units = *account.held.get(index).ok_or(Refusal::Cold)?;
            let value = worth(units, asset.scale, priced(asset, prices.assets.get(index))?)?;
            Ok(Holding { asset, index, units, value })
        };
        account.uses().map(holding).collect()
    }
}

/// So much of a collateral.
struct Holding<'a> {
    asset: &'a Asset,
    index: usize,
    units: U256,
    value: U256,
}

/// `mulPrice`, of a price that is not zero.
fn worth(units: U256, scale: u64, price: U256) -> Result<U256, Refusal> {
    let worth = units.checked_mul(price).and_then(|n| n.checked_div(U256::from(scale)));
    worth.filter(|_| !price.is_zero()).ok_or(Refusal::Arithmetic)
}

fn priced(asset: &Asset, price: Option<&U256>) -> Result<U256, Refusal> {
    let price = price.copied().ok_or(Refusal::Unpriced(asset.token))?;
    if price.is_zero() { Err(Refusal::Arithmetic) } else { Ok(price) }
}

/// Units of the base token that an account owes.
fn debt_of(totals: &Totals, account: &Account) -> Result<U256, Refusal> {
    let principal = if account.principal < 0 { account.principal.unsigned_abs() } else { 0 };
    let debt_of = U256::from(principal).checked_mul(totals.borrow_index);
    Ok(debt_of.ok_or(Refusal::Arithmetic)? / INDEX)
}
