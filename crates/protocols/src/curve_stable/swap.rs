//! What a pool pays, and what a swap leaves in it, by the terms that tell one version of the contract from another.
//!
//! # Invariants
//! - [`Terms::exchange`] is what `exchange` does, [`Terms::get_dy`] what `get_dy` says: they round in different places, and may be
//!   a unit apart.
//! - Fees are parts of [`WHOLE`], taken from what comes out before it is turned into the token's units.
//!
//! # Limits
//! - What comes in is what was said to: a token that keeps a part of it for itself pays less than is quoted.

use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::QuoteError;
use crate::curve_stable::invariant::Invariant;
use crate::curve_stable::invariant::MOST_COINS;
use crate::curve_stable::invariant::Product;
use crate::curve_stable::invariant::Scaled;

/// What a fee is a part of.
pub const WHOLE: u64 = 10_000_000_000;

/// What a rate is a multiple of.
pub(super) const RATE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// How a contract writes down what a swap leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Settle {
    /// The new scaled balances, turned into units: the first pools.
    Scaled,
    /// The old balances, and what came and went.
    Units,
    /// The same, but what is the administrator's stays among the balances and is counted apart.
    Apart,
}

/// Where `get_dy` takes the fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Said {
    /// It leaves one scaled unit to the pool.
    pub less_one: bool,
    /// The fee is taken in the token's units.
    pub in_units: bool,
}

impl Said {
    pub(super) const ALL: [Self; 4] = [
        Self { less_one: true, in_units: true },
        Self { less_one: true, in_units: false },
        Self { less_one: false, in_units: true },
        Self { less_one: false, in_units: false },
    ];
}

/// What does not change of a pool, and tells its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// How many coins it has.
    pub coins: usize,
    /// What a unit of each is worth, in 10^-36 of a coin.
    pub rates: [U256; MOST_COINS],
    /// How it multiplies.
    pub product: Product,
    /// What `A` is multiplied by where it is kept.
    pub precision: u32,
    /// `exchange` leaves one scaled unit to the pool.
    pub less_one: bool,
    /// How it writes balances down.
    pub settle: Settle,
    /// How `get_dy` rounds; `None` where that is not known.
    pub said: Option<Said>,
}

/// All that a quote depends on and that changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Units of each coin.
    pub held: [u128; MOST_COINS],
    /// Of those, what is the administrator's and no part of the pool.
    pub admin_held: [u128; MOST_COINS],
    /// `A`, times its precision.
    pub amp: u64,
    /// Fee.
    pub fee: u64,
    /// Part of the fee that leaves the pool.
    pub admin_fee: u64,
    /// What the fee grows to far from balance, in [`WHOLE`]ths of it; at most [`WHOLE`]: it does not.
    pub offpeg: u64,
}

/// What follows of a state: scaled balances and their `D`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub(super) xp: Scaled,
    pub(super) d: U256,
}

/// What a swap comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// What comes out, in units of its token.
    pub paid: U256,
    /// Scaled balance of the coin that goes in.
    x: U256,
    /// Scaled balance of the coin that comes out, with the whole of what the curve gives taken out.
    y: U256,
    /// Scaled fee, and the administrator's part of it.
    fee: [U256; 2],
}

/// `None` is a revert: of the contract's arithmetic, which is checked.
pub(super) fn due<T>(value: Option<T>) -> Result<T, QuoteError> {
    value.ok_or(QuoteError::TooLarge)
}

impl Terms {
    /// The invariant with the state's amplification.
    pub(super) fn invariant(&self, state: &State) -> Invariant {
        let [precision, amp] = [u64::from(self.precision), state.amp].map(U256::from);
        Invariant { coins: self.coins, product: self.product, precision, amp }
    }

    /// `None`: a coin is missing, or the contract would revert.
    #[must_use]
    pub fn standing(&self, state: &State) -> Option<Standing> {
        let mut xp = Scaled::default();
        for (place, x) in xp.iter_mut().enumerate().take(self.coins) {
            let units = state.held[place].checked_sub(state.admin_held[place]).filter(|units| *units > 0)?;
            *x = U256::from(units).checked_mul(self.rates[place])? / RATE;
        }
        let d = self.invariant(state).d(&xp)?;
        Some(Standing { xp, d })
    }

    /// Scaled balance of coin `i` with `dx` more.
    fn with(&self, now: &Standing, i: usize, dx: U256) -> Result<U256, QuoteError> {
        let more = due(dx.checked_mul(self.rates[i]))? / RATE;
        due(now.xp[i].checked_add(more))
    }

    /// What coin `j` has once coin `i` has come to `x`, and the whole of what it gave, both scaled.
    fn moved(
        &self,
        (state, now): (&State, &Standing),
        (i, j): (usize, usize),
        x: U256,
        less_one: bool,
    ) -> Result<[U256; 2], QuoteError> {
        let y = due(self.invariant(state).y((i, j), x, &now.xp, now.d))?;
        // Later versions write a price down, and cannot where nothing is left.
        if y.is_zero() && self.product == Product::Whole {
            return Err(QuoteError::TooLarge);
        }
        let whole = now.xp[j].checked_sub(y).and_then(|dy| dy.checked_sub(U256::from(u8::from(less_one))));
        Ok([y, whole.ok_or(QuoteError::TooSmall)?])
    }

    /// Scaled units in the token's.
    pub(super) fn units(&self, place: usize, scaled: U256) -> Result<U256, QuoteError> {
        due(due(scaled.checked_mul(RATE))?.checked_div(self.rates[place]))
    }

    /// What `exchange` pays for `dx` of coin `i` in coin `j`.
    ///
    /// # Errors
    /// The contract would revert, or pays nothing.
    pub fn exchange(
        &self,
        state: &State,
        now: &Standing,
        (i, j): (usize, usize),
        dx: U256,
    ) -> Result<Exchanged, QuoteError> {
        let x = self.with(now, i, dx)?;
        let [y, whole] = self.moved((state, now), (i, j), x, self.less_one)?;
        let rate = if state.offpeg > WHOLE {
            due(grown(state, [now.xp[i], x], [now.xp[j], y]))?
        } else {
            U256::from(state.fee)
        };
        let fee = due(whole.checked_mul(rate))? / U256::from(WHOLE);
        let admin = due(fee.checked_mul(U256::from(state.admin_fee)))? / U256::from(WHOLE);
        let paid = self.units(j, due(whole.checked_sub(fee))?)?;
        if paid.is_zero() {
            return Err(QuoteError::TooSmall);
        }
        Ok(Exchanged { paid, x, y, fee: [fee, admin] })
    }

    /// About the input that pays so much: the invariant solved backwards, with the fee at its least.
    pub(super) fn near(
        &self,
        state: &State,
        now: &Standing,
        (i, j): (usize, usize),
        paid: U256,
    ) -> Result<U256, QuoteError> {
        let after_fee = U256::from(WHOLE.saturating_sub(state.fee));
        let scaled = due(paid.checked_mul(self.rates[j]))? / RATE;
        let whole = due(due(scaled.checked_mul(U256::from(WHOLE)))?.checked_div(after_fee))?;
        let left = due(now.xp[j].checked_sub(whole).filter(|left| !left.is_zero()))?;
        let x = due(self.invariant(state).y((j, i), left, &now.xp, now.d))?;
        Ok(self.units(i, x.saturating_sub(now.xp[i]))?.max(U256::ONE))
    }

    /// The state that a swap of `dx` leaves.
    ///
    /// # Errors
    /// The contract would revert.
    pub fn settled(
        &self,
        state: &State,
        (i, j): (usize, usize),
        dx: U256,
        made: &Exchanged,
    ) -> Result<State, QuoteError> {
        let narrow = |units: U256| u128::try_from(units).map_err(|_| QuoteError::TooLarge);
        let mut left = *state;
        let [fee, admin] = made.fee;
        match self.settle {
            Settle::Scaled => {
                let kept = due(fee.checked_sub(admin).and_then(|kept| made.y.checked_add(kept)))?;
                left.held[i] = narrow(self.units(i, made.x)?)?;
                left.held[j] = narrow(self.units(j, kept)?)?;
            }
            Settle::Units | Settle::Apart => {
                let (paid, admin) = (narrow(made.paid)?, narrow(self.units(j, admin)?)?);
                left.held[i] = due(left.held[i].checked_add(narrow(dx)?))?;
                left.held[j] = due(left.held[j].checked_sub(paid))?;
                if self.settle == Settle::Apart {
                    left.admin_held[j] = due(left.admin_held[j].checked_add(admin))?;
                } else {
                    left.held[j] = due(left.held[j].checked_sub(admin))?;
                }
            }
        }
        Ok(left)
    }

    /// What `get_dy` answers, where the fee does not grow.
    ///
    /// # Errors
    /// It would revert.
    pub fn get_dy(
        &self,
        said: Said,
        state: &State,
        now: &Standing,
        (i, j): (usize, usize),
        dx: U256,
    ) -> Result<U256, QuoteError> {
        self.get_dy_at(said, (state, now), (i, j), self.with(now, i, dx)?)
    }

    /// The same once coin `i` has come to `x`, scaled.
    pub(super) fn get_dy_at(
        &self,
        said: Said,
        (state, now): (&State, &Standing),
        (i, j): (usize, usize),
        x: U256,
    ) -> Result<U256, QuoteError> {
        let [_, whole] = self.moved((state, now), (i, j), x, said.less_one)?;
        let less = |amount: U256| {
            let fee = amount.checked_mul(U256::from(state.fee))? / U256::from(WHOLE);
            amount.checked_sub(fee)
        };
        if said.in_units { due(less(self.units(j, whole)?)) } else { self.units(j, due(less(whole))?) }
    }
}

/// The fee halfway between two states, which grows with the distance from balance.
fn grown(state: &State, [x, to_x]: [U256; 2], [y, to_y]: [U256; 2]) -> Option<U256> {
    let (whole, offpeg) = (U256::from(WHOLE), U256::from(state.offpeg));
    let half = |a: U256, b: U256| Some(a.checked_add(b)? / U256::from(2));
    let (x, y) = (half(x, to_x)?, half(y, to_y)?);
    let sum = x.checked_add(y)?;
    let near = offpeg.checked_sub(whole)?.checked_mul(U256::from(4))?.checked_mul(x)?.checked_mul(y)?;
    let near = near.checked_div(sum.checked_mul(sum)?)?;
    offpeg.checked_mul(U256::from(state.fee))?.checked_div(near.checked_add(whole)?)
}
