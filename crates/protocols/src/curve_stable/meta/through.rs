//! A swap that goes through the base pool: `exchange_underlying`, and `get_dy_underlying`, which estimates it.
//!
//! Its coins are counted from the meta coin on: that is 0, and the base pool's first is 1.
//!
//! # Invariants
//! - One rate is in force through all of a swap: the one from before it, though the deposit that begins it moves the base pool.
//! - The estimate is what is paid where the meta coin goes in. Where it comes out, the deposit's fees are guessed at: half of the
//!   base pool's fee, of all that is put in.
//!
//! # Cost
//! A solution of the invariant beside the base pool's two.
//!
//! # Limits
//! - One coin beside the share, as in all metapools. A token that keeps a part of a transfer for itself pays less than is quoted.

use alloy_primitives::U256;

use crate::amm::QuoteError;
use crate::curve_stable::bound::Curve;
use crate::curve_stable::meta::META;
use crate::curve_stable::meta::SHARE;
use crate::curve_stable::meta::base::Base;
use crate::curve_stable::swap::RATE;
use crate::curve_stable::swap::Said;
use crate::curve_stable::swap::Standing;
use crate::curve_stable::swap::State;
use crate::curve_stable::swap::Terms;
use crate::curve_stable::swap::WHOLE;
use crate::curve_stable::swap::due;

/// How every metapool rounds what it says of a swap.
const SAID: Said = Said { less_one: true, in_units: false };

/// A price of the share that is held for a while: the oldest metapools ask the base pool anew only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// In 10^-18 of a coin.
    pub price: U256,
    /// When it was asked, in seconds.
    pub updated: u64,
    /// For how many seconds it is held.
    pub lasts: u64,
}

impl Remembered {
    /// What is remembered behind a swap at a time, whose price is in force in that swap. `None`: the base pool has none.
    #[must_use]
    pub fn at(self, base: &Base, time: u64) -> Option<Self> {
        if time <= self.updated.saturating_add(self.lasts) {
            return Some(self);
        }
        Some(Self { price: base.virtual_price()?, updated: time, ..self })
    }
}

/// A metapool and its base pool, at one price of the share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metapool {
    terms: Terms,
    state: State,
    base: Base,
    now: Standing,
}

/// What a swap through the base pool comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Through {
    /// What comes out, in units of its token.
    pub paid: U256,
    /// What it leaves of the metapool.
    pub state: State,
    /// What it leaves of the base pool.
    pub base: Base,
}

impl Metapool {
    /// `price`: of the share, in 10^-18 of a coin. `None` when it has not two coins, one is missing, or the contract would revert.
    #[must_use]
    pub fn new(terms: Terms, state: State, base: Base, price: U256) -> Option<Self> {
        let mut terms = terms;
        terms.rates[SHARE] = price;
        let fits = terms.coins == 2 && !price.is_zero() && !terms.rates[META].is_zero();
        let now = terms.standing(&state).filter(|_| fits)?;
        Some(Self { terms, state, base, now })
    }

    /// Its version, and the rates in force.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What it has.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Whose share its second coin is.
    #[must_use]
    pub const fn base(&self) -> &Base {
        &self.base
    }

    /// The share's price in force, in 10^-18 of a coin.
    #[must_use]
    pub const fn price(&self) -> U256 {
        self.terms.rates[SHARE]
    }

    /// What its own two coins are worth together, scaled: the contract's `D`.
    #[must_use]
    pub const fn invariant(&self) -> U256 {
        self.now.d
    }

    /// What follows of the state of its own two coins.
    pub(in crate::curve_stable) const fn standing(&self) -> &Standing {
        &self.now
    }

    /// The curve of its own two coins, with what goes into the base pool or comes out of it worth what the first unit is: behind it
    /// is a fee, and each further unit makes fewer shares, or is paid for more.
    pub(in crate::curve_stable) fn curve(&self, (i, j): (usize, usize)) -> Option<Curve> {
        match (Self::base_place(i), Self::base_place(j)) {
            (Some(from), None) => {
                let curve = Curve::new(&self.terms, &self.state, &self.now, (SHARE, META))?;
                Some(curve.of_units(self.base.shares_of_unit(from)?, 1.0))
            }
            (None, Some(to)) => {
                let curve = Curve::new(&self.terms, &self.state, &self.now, (META, SHARE))?;
                Some(curve.of_units(1.0, self.base.shares_of_unit(to)?))
            }
            _ => None,
        }
    }

    /// The place of a coin in the base pool; `None` is the meta coin.
    const fn base_place(place: usize) -> Option<usize> {
        place.checked_sub(1)
    }

    /// A swap of the pool's own two coins.
    fn own(&self, places: (usize, usize), dx: U256) -> Result<(U256, State), QuoteError> {
        let made = self.terms.exchange(&self.state, &self.now, places, dx)?;
        Ok((made.paid, self.terms.settled(&self.state, places, dx, &made)?))
    }

    /// What `get_dy` says of the pool's own two coins.
    ///
    /// # Errors
    /// It would revert.
    pub fn get_dy(&self, (i, j): (usize, usize), dx: U256) -> Result<U256, QuoteError> {
        due((i != j && i.max(j) <= SHARE).then_some(()))?;
        self.terms.get_dy(SAID, &self.state, &self.now, (i, j), dx)
    }

    /// What `get_dy_underlying` says.
    ///
    /// # Errors
    /// It would revert, or how the base pool rounds is not known.
    pub fn get_dy_underlying(&self, (i, j): (usize, usize), dx: U256) -> Result<U256, QuoteError> {
        match (Self::base_place(i), Self::base_place(j)) {
            (Some(from), Some(to)) => self.base.get_dy((from, to), dx),
            (None, Some(to)) => {
                let shares = self.terms.get_dy(SAID, &self.state, &self.now, (META, SHARE), dx)?;
                self.base.calc_withdraw_one_coin(to, shares)
            }
            (Some(from), None) => {
                let x = self.estimated(from, dx)?;
                self.terms.get_dy_at(SAID, (&self.state, &self.now), (SHARE, META), x)
            }
            (None, None) => Err(QuoteError::TooLarge),
        }
    }

    /// To what the shares would come, scaled, with those that a deposit is guessed to make.
    fn estimated(&self, from: usize, dx: U256) -> Result<U256, QuoteError> {
        let shares = self.base.calc_token_amount(from, dx)?;
        let worth = due(shares.checked_mul(self.terms.rates[SHARE]))? / RATE;
        let fee = due(worth.checked_mul(U256::from(self.base.state().fee)))? / U256::from(2 * WHOLE);
        due(worth.checked_sub(fee).and_then(|worth| worth.checked_add(self.now.xp[SHARE])))
    }

    /// What `exchange_underlying` pays, and what it leaves.
    ///
    /// # Errors
    /// One of the contracts would revert, or nothing comes out.
    pub fn exchange_underlying(&self, (i, j): (usize, usize), dx: U256) -> Result<Through, QuoteError> {
        match (Self::base_place(i), Self::base_place(j)) {
            (Some(from), Some(to)) => {
                let (paid, base) = self.base.exchanged((from, to), dx)?;
                Ok(Through { paid, state: self.state, base })
            }
            (None, Some(to)) => {
                let (shares, state) = self.own((META, SHARE), dx)?;
                let (paid, base) = self.base.withdrawn(to, shares)?;
                Ok(Through { paid, state, base })
            }
            (Some(from), None) => {
                let (shares, base) = self.base.deposited(from, dx)?;
                let (paid, state) = self.own((SHARE, META), shares)?;
                Ok(Through { paid, state, base })
            }
            (None, None) => Err(QuoteError::TooLarge),
        }
    }
}
