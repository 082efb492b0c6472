//! A pool whose shares are another pool's coin: deposits and withdrawals of one coin, in the contract's own integers.
//!
//! # Invariants
//! - What `calc_token_amount` says of a deposit leaves its fees out, and [`Base::deposited`] takes them: the one is an estimate, the
//!   other is made. Of a withdrawal both are the same. Later pools say of a deposit what is made, too.
//! - A deposit and a withdrawal pay a fee for what they put out of proportion, coin by coin, in units; the administrator's part of
//!   it leaves the balances.
//!
//! # Limits
//! - Deposits and withdrawals are known of pools that write down what came and went ([`Settle::Units`]) and whose fee does not grow;
//!   what a share is worth is known of any. The first deposit is none of ours.
//!
//! # Cost
//! A deposit solves `D` three times and a withdrawal once, and the invariant once and three times, with what they leave.

use alloy_primitives::U256;

use crate::amm::QuoteError;
use crate::curve_stable::invariant::MOST_COINS;
use crate::curve_stable::swap::RATE;
use crate::curve_stable::swap::Settle;
use crate::curve_stable::swap::Standing;
use crate::curve_stable::swap::State;
use crate::curve_stable::swap::Terms;
use crate::curve_stable::swap::WHOLE;
use crate::curve_stable::swap::due;

/// A base pool as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    terms: Terms,
    state: State,
    supply: u128,
    now: Standing,
}

/// A part of an amount, both rounded down as the contract rounds them.
fn part(amount: U256, fee: u64) -> Result<U256, QuoteError> {
    Ok(due(amount.checked_mul(U256::from(fee)))? / U256::from(WHOLE))
}

fn narrow(units: U256) -> Result<u128, QuoteError> {
    u128::try_from(units).map_err(|_| QuoteError::TooLarge)
}

impl Base {
    /// `supply`: shares that there are. `None` when there are none, or a coin is missing.
    #[must_use]
    pub fn new(terms: Terms, state: State, supply: u128) -> Option<Self> {
        let sound = (2..=MOST_COINS).contains(&terms.coins) && state.fee < WHOLE && supply > 0;
        let now = if sound { terms.standing(&state)? } else { return None };
        Some(Self { terms, state, supply, now })
    }

    /// Its version.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What it has.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Shares that there are.
    #[must_use]
    pub const fn supply(&self) -> u128 {
        self.supply
    }

    /// What a share is worth, in 10^-18 of a coin: `get_virtual_price`.
    #[must_use]
    pub fn virtual_price(&self) -> Option<U256> {
        self.now.d.checked_mul(RATE)?.checked_div(U256::from(self.supply))
    }

    /// Shares for a unit of a coin at the margin, without a fee: more than any deposit makes, and fewer than any withdrawal takes. May
    /// only steer.
    pub(in crate::curve_stable) fn shares_of_unit(&self, place: usize) -> Option<f64> {
        let (n, d) = (self.terms.coins as f64, f64::from(self.now.d));
        let ann = self.state.amp as f64 * n / f64::from(self.terms.precision);
        let x = f64::from(*self.now.xp.get(place).filter(|_| place < self.terms.coins)?);
        let others = self.now.xp.iter().take(self.terms.coins);
        let product = others.fold(d, |product, x| product * (d / (n * f64::from(*x))));
        // How fast `D` grows with the coin: the invariant differentiated.
        let slope = (ann + product / x) / (ann - 1.0 + (n + 1.0) * product / d);
        let shares = slope * f64::from(self.terms.rates[place]) / 1e18 * (self.supply as f64 / d);
        (shares > 0.0 && shares.is_finite()).then_some(shares)
    }

    /// Its deposits and withdrawals are of the known kind, and it has this coin.
    fn trades(&self, place: usize) -> Result<(), QuoteError> {
        let known = self.terms.settle == Settle::Units && self.state.offpeg <= WHOLE;
        due((known && place < self.terms.coins).then_some(()))
    }

    /// The fee on what is put out of proportion.
    fn imbalance_fee(&self) -> u64 {
        let coins = self.terms.coins as u64;
        self.state.fee * coins / (4 * (coins - 1))
    }

    /// The state with so much more of a coin.
    fn richer(&self, place: usize, amount: U256) -> Result<State, QuoteError> {
        self.trades(place)?;
        let mut state = self.state;
        state.held[place] = due(state.held[place].checked_add(narrow(amount)?))?;
        Ok(state)
    }

    fn d(&self, state: &State) -> Result<U256, QuoteError> {
        Ok(due(self.terms.standing(state))?.d)
    }

    /// The shares for which `D` has grown so far.
    fn shares(&self, d: U256) -> Result<U256, QuoteError> {
        let grown = d.checked_sub(self.now.d).ok_or(QuoteError::TooSmall)?;
        due(due(grown.checked_mul(U256::from(self.supply)))?.checked_div(self.now.d))
    }

    /// What `calc_token_amount` of the first pools says of a deposit of one coin: the shares, were there no fees.
    ///
    /// # Errors
    /// It would revert.
    pub fn calc_token_amount(&self, place: usize, amount: U256) -> Result<U256, QuoteError> {
        let state = self.richer(place, amount)?;
        self.shares(self.d(&state)?)
    }

    /// The shares that a deposit of one coin makes, and what it leaves.
    ///
    /// # Errors
    /// The contract would revert, or makes none.
    pub fn deposited(&self, place: usize, amount: U256) -> Result<(U256, Self), QuoteError> {
        let full = self.richer(place, amount)?;
        let d = self.d(&full)?;
        if d <= self.now.d {
            return Err(QuoteError::TooSmall);
        }
        let fee = self.imbalance_fee();
        // What stays, and what counts for the shares: the administrator gets a part of what does not.
        let (mut left, mut counted) = (full, full);
        for at in 0..self.terms.coins {
            let even = due(d.checked_mul(U256::from(self.state.held[at])))? / self.now.d;
            let taken = part(even.abs_diff(U256::from(full.held[at])), fee)?;
            let admin = part(taken, self.state.admin_fee)?;
            left.held[at] = due(full.held[at].checked_sub(narrow(admin)?))?;
            counted.held[at] = due(full.held[at].checked_sub(narrow(taken)?))?;
        }
        let shares = self.shares(self.d(&counted)?)?;
        if shares.is_zero() {
            return Err(QuoteError::TooSmall);
        }
        let supply = due(self.supply.checked_add(narrow(shares)?))?;
        Ok((shares, due(Self::new(self.terms, left, supply))?))
    }

    /// What so many shares pay in one coin, and the fee that is taken of it.
    fn one_coin(&self, place: usize, shares: U256) -> Result<[U256; 2], QuoteError> {
        let (xp, d, supply) = (self.now.xp, self.now.d, U256::from(self.supply));
        self.trades(place)?;
        let invariant = self.terms.invariant(&self.state);
        let less = due(d.checked_sub(due(shares.checked_mul(d))? / supply))?;
        let reached = due(invariant.y_alone(place, &xp, less))?;
        let fee = self.imbalance_fee();
        let mut reduced = xp;
        for at in 0..self.terms.coins {
            let even = due(xp[at].checked_mul(less))? / d;
            let apart = if at == place { even.checked_sub(reached) } else { xp[at].checked_sub(even) };
            reduced[at] = due(xp[at].checked_sub(part(due(apart)?, fee)?))?;
        }
        let kept = due(invariant.y_alone(place, &reduced, less))?;
        // One scaled unit stays, for what rounding may have given.
        let scaled = reduced[place].checked_sub(kept).and_then(|scaled| scaled.checked_sub(U256::ONE));
        let paid = self.terms.units(place, scaled.ok_or(QuoteError::TooSmall)?)?;
        let whole = self.terms.units(place, due(xp[place].checked_sub(reached))?)?;
        Ok([paid, due(whole.checked_sub(paid))?])
    }

    /// What `calc_withdraw_one_coin` says: what so many shares pay in one coin.
    ///
    /// # Errors
    /// It would revert.
    pub fn calc_withdraw_one_coin(&self, place: usize, shares: U256) -> Result<U256, QuoteError> {
        self.one_coin(place, shares).map(|[paid, _]| paid)
    }

    /// What so many shares pay in one coin, and what that leaves.
    ///
    /// # Errors
    /// The contract would revert, or pays nothing.
    pub fn withdrawn(&self, place: usize, shares: U256) -> Result<(U256, Self), QuoteError> {
        let [paid, fee] = self.one_coin(place, shares)?;
        if paid.is_zero() {
            return Err(QuoteError::TooSmall);
        }
        let gone = due(paid.checked_add(part(fee, self.state.admin_fee)?))?;
        let mut left = self.state;
        left.held[place] = due(left.held[place].checked_sub(narrow(gone)?))?;
        let supply = due(self.supply.checked_sub(narrow(shares)?))?;
        Ok((paid, due(Self::new(self.terms, left, supply))?))
    }

    /// What a swap of two of its coins pays, and what it leaves.
    ///
    /// # Errors
    /// The contract would revert, or pays nothing.
    pub fn exchanged(&self, places: (usize, usize), dx: U256) -> Result<(U256, Self), QuoteError> {
        self.both(places)?;
        let made = self.terms.exchange(&self.state, &self.now, places, dx)?;
        let left = self.terms.settled(&self.state, places, dx, &made)?;
        Ok((made.paid, due(Self::new(self.terms, left, self.supply))?))
    }

    /// What `get_dy` says of two of its coins.
    ///
    /// # Errors
    /// It would revert, or how it rounds is not known.
    pub fn get_dy(&self, places: (usize, usize), dx: U256) -> Result<U256, QuoteError> {
        self.both(places)?;
        self.terms.get_dy(due(self.terms.said)?, &self.state, &self.now, places, dx)
    }

    /// Two places of coins that it has, which are not the same.
    fn both(&self, (i, j): (usize, usize)) -> Result<(), QuoteError> {
        due((i != j && i.max(j) < self.terms.coins).then_some(()))
    }
}
