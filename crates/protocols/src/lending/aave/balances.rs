//! What an account of an Aave market owns and owes at a timestamp, and its health: `GenericLogic.calculateUserAccountData`.

use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::lending::Health;
use crate::lending::Holding;
use crate::lending::Refusal;
use crate::lending::aave::position::Field;
use crate::lending::aave::position::Position;
use crate::lending::aave::reserve::Config;
use crate::lending::aave::reserve::Reserve;
use crate::lending::aave::reserves::Reserves;
use crate::math::ray;

/// Compounds a rate (ray a year) over seconds: the versions differ.
pub type Compounded = fn(rate: U256, elapsed: U256) -> Option<U256>;

/// At what an asset counts for an account.
#[derive(Clone, Copy, Debug)]
pub struct Valuation {
    /// Price of a whole token, in base currency.
    pub price: U256,
    /// Liquidation threshold, in hundredths of a percent.
    pub threshold: U256,
}

/// What an account owes of one asset, in its units, and the index that its variable part is scaled by (ray).
#[derive(Clone, Copy, Debug)]
pub struct Debt {
    /// At the variable rate.
    pub variable: U256,
    /// The variable part as the token keeps it.
    pub scaled: U256,
    /// The index of the variable part.
    pub index: U256,
    /// At a stable rate.
    pub stable: U256,
}

impl Debt {
    /// Both parts.
    ///
    /// # Errors
    /// The sum leaves 256 bits.
    pub fn total(&self) -> Result<U256, Refusal> {
        self.variable.checked_add(self.stable).ok_or(Refusal::Arithmetic)
    }

    /// Whether `repaid` units can be burnt of it, variable debt first (`LiquidationLogic._burnDebtTokens`).
    ///
    /// # Errors
    /// Nothing would be burnt after rounding, or more than there is.
    pub fn burn(&self, repaid: U256) -> Result<(), Refusal> {
        if self.variable < repaid {
            return if repaid - self.variable > self.stable { Err(Refusal::Arithmetic) } else { Ok(()) };
        }
        match ray::ray_div(repaid, self.index).ok_or(Refusal::Arithmetic)? {
            scaled if scaled.is_zero() => Err(Refusal::Dust),
            scaled if scaled > self.scaled => Err(Refusal::Arithmetic),
            _ => Ok(()),
        }
    }
}

impl Reserves {
    /// The suppliers' index at a timestamp, in ray (`ReserveLogic.getNormalizedIncome`).
    ///
    /// # Errors
    /// It is not known, or the timestamp is before the last update.
    pub fn income(&self, id: usize, at: u64) -> Result<U256, Refusal> {
        let reserve = self.reserve(id)?;
        let [index, rate, ..] = reserve.indexes(self.layout())?;
        let elapsed = elapsed(at, reserve.updated()?)?;
        ray::linear_interest(rate, elapsed).and_then(|growth| ray::ray_mul(growth, index)).ok_or(Refusal::Arithmetic)
    }

    /// What an account has supplied at a timestamp, in units of the asset (`AToken.balanceOf`).
    ///
    /// # Errors
    /// It is not known, or the contract would revert.
    pub fn supply(&self, position: &Position, id: usize, at: u64) -> Result<U256, Refusal> {
        let scaled = position.value(id, Field::Supply).ok_or(Refusal::Cold)?;
        ray::ray_mul(U256::from(scaled), self.income(id, at)?).ok_or(Refusal::Arithmetic)
    }

    /// What an account owes at a timestamp (`VariableDebtToken.balanceOf`, `StableDebtToken.balanceOf`).
    ///
    /// # Errors
    /// It is not known, or the contract would revert.
    pub fn debt(&self, position: &Position, id: usize, at: u64, grow: Compounded) -> Result<Debt, Refusal> {
        let value = |field| position.value(id, field).map(U256::from).ok_or(Refusal::Cold);
        let reserve = self.reserve(id)?;
        let [.., index, rate] = reserve.indexes(self.layout())?;
        let compounded = |rate, since| grow(rate, elapsed(at, since)?).ok_or(Refusal::Arithmetic);
        let times = |a, b| ray::ray_mul(a, b).ok_or(Refusal::Arithmetic);
        let index = times(compounded(rate, reserve.updated()?)?, index)?;
        let (scaled, principal) = (value(Field::Variable)?, value(Field::Principal)?);
        let stable = if principal.is_zero() {
            U256::ZERO
        } else {
            times(principal, compounded(value(Field::Rate)?, value(Field::Since)?)?)?
        };
        Ok(Debt { variable: times(scaled, index)?, scaled, index, stable })
    }

    /// How an account stands; `terms` says at what each reserve counts.
    ///
    /// # Errors
    /// Something is not known, or the contract would revert.
    pub fn account(
        &self,
        position: &Position,
        at: u64,
        grow: Compounded,
        terms: impl Fn(Address, Config) -> Result<Valuation, Refusal>,
    ) -> Result<Health, Refusal> {
        let count = self.count()?;
        position.flags.ok_or(Refusal::Cold)?;
        let (mut collateral, mut debt, mut weighted) = (U256::ZERO, U256::ZERO, U256::ZERO);
        let add = |sum: &mut U256, part: Option<U256>| -> Result<(), Refusal> {
            *sum = part.and_then(|part| sum.checked_add(part)).ok_or(Refusal::Arithmetic)?;
            Ok(())
        };
        for id in position.uses().take_while(|id| *id < count) {
            let reserve = self.reserve(id)?;
            let Some(asset) = reserve.asset()? else { continue };
            let config = reserve.config()?;
            let unit = config.unit().ok_or(Refusal::Arithmetic)?;
            let terms = terms(asset, config)?;
            if position.secures(id) && !config.threshold().is_zero() {
                let worth = self.supply(position, id, at)?.checked_mul(terms.price).map(|worth| worth / unit);
                add(&mut collateral, worth)?;
                add(&mut weighted, worth.and_then(|worth| worth.checked_mul(terms.threshold)))?;
            }
            if position.borrows(id) {
                let owed = self.debt(position, id, at, grow)?.total()?;
                add(&mut debt, owed.checked_mul(terms.price).map(|owed| owed / unit))?;
            }
        }
        let threshold = weighted.checked_div(collateral).unwrap_or_default();
        let limit = ray::percent_mul(collateral, threshold).ok_or(Refusal::Arithmetic)?;
        let factor = if debt.is_zero() { Some(U256::MAX) } else { ray::wad_div(limit, debt) };
        Ok(Health { collateral, debt, limit, factor: factor.ok_or(Refusal::Arithmetic)? })
    }

    /// What an account has supplied as collateral, and owes, at a timestamp.
    ///
    /// # Errors
    /// Something is not known, or the contract would revert.
    pub fn holdings(&self, account: Address, at: u64, grow: Compounded) -> Result<Vec<Holding>, Refusal> {
        let position = self.position(account)?;
        let mut holdings = Vec::new();
        for (id, asset) in self.listed() {
            let secures = position.secures(id).then(|| self.supply(position, id, at)).transpose()?;
            let borrows = position.borrows(id).then(|| self.debt(position, id, at, grow)?.total()).transpose()?;
            if secures.is_some() || borrows.is_some() {
                let [collateral, debt] = [secures, borrows].map(Option::unwrap_or_default);
                holdings.push(Holding { asset, collateral, debt });
            }
        }
        Ok(holdings)
    }

    /// What units of an asset are worth by the oracle, in base currency.
    #[must_use]
    pub fn worth(&self, asset: Address, units: U256) -> Option<U256> {
        let unit = self.reserve(self.id(asset)?).and_then(Reserve::config).ok()?.unit()?;
        self.price(asset, None).ok()?.checked_mul(units).map(|worth| worth / unit)
    }

    /// Assets that an account has supplied as collateral, or owes.
    pub fn used_by(&self, account: Address) -> impl Iterator<Item = Address> + '_ {
        let uses = self.position(account).into_iter().flat_map(Position::uses);
        uses.filter_map(|id| self.reserve(id).and_then(Reserve::asset).ok().flatten())
    }

    /// Assets that an account owes, each with each that secures it.
    #[must_use]
    pub fn pairs(&self, account: Address) -> Vec<(Address, Address)> {
        let Ok(position) = self.position(account) else { return Vec::new() };
        let listed = || self.listed();
        let debts = listed().filter(|(id, _)| position.borrows(*id));
        let pair = |debt| listed().filter(|(id, _)| position.secures(*id)).map(move |(_, asset)| (debt, asset));
        debts.flat_map(|(_, debt)| pair(debt)).collect()
    }
}

/// Seconds from a stored time.
fn elapsed(at: u64, since: U256) -> Result<U256, Refusal> {
    U256::from(at).checked_sub(since).ok_or(Refusal::Arithmetic)
}
