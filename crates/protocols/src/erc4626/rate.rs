//! What a vault pays: assets into shares and back, by how many there are of both, rounded down.
//!
//! # Invariants
//! - [`Rate::paid`] is the vault's own integer, or the reason for which it would revert or give nothing. [`Rate::cost`] is its
//!   inverse: the least that is paid so much for.
//! - What there is, the rate's own addends included, is at most 128 bits, before a deposit and behind it: no product leaves 256.
//! - More in never pays less, and nothing that goes in and comes back has grown.
//!
//! # Cost
//! One division of 256 bits by 128.

use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::QuoteError;

/// The most decimals that a share may have beyond its asset: ten to their power is within 128 bits.
pub(super) const MOST_OFFSET: u8 = 38;

/// All that changes and a quote depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Shares that there are.
    pub supply: u128,
    /// Assets that the vault counts.
    pub assets: u128,
}

/// By what a vault converts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// By what there is; one for one while there are no shares: solmate's vaults, and OpenZeppelin's before their version 4.9.
    Plain,
    /// As if there were one asset more, and ten to this power of shares: OpenZeppelin's.
    Virtual(u8),
}

/// How much a vault takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// As much as there is.
    None,
    /// A deposit is at most this.
    Each(u128),
    /// The vault counts at most this behind it.
    Total(u128),
}

impl Limit {
    /// The largest deposit.
    pub(super) const fn most(self, assets: u128) -> u128 {
        match self {
            Self::None => u128::MAX,
            Self::Each(most) => most,
            Self::Total(cap) => cap.saturating_sub(assets),
        }
    }
}

/// Shares and assets that are worth the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio {
    pub(super) shares: u128,
    pub(super) assets: u128,
}

impl Ratio {
    /// What one side is of the other: of what comes out to what goes in.
    pub(super) const fn of(self, deposits: bool) -> [u128; 2] {
        if deposits { [self.shares, self.assets] } else { [self.assets, self.shares] }
    }
}

impl Rate {
    /// All that are known.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..=MOST_OFFSET).map(Self::Virtual).chain([Self::Plain])
    }

    /// `None` past 128 bits.
    pub(super) fn ratio(self, state: State) -> Option<Ratio> {
        let State { supply, assets } = state;
        match self {
            Self::Plain if supply == 0 => Some(Ratio { shares: 1, assets: 1 }),
            Self::Plain => Some(Ratio { shares: supply, assets }),
            Self::Virtual(offset) => {
                let shares = supply.checked_add(10_u128.checked_pow(u32::from(offset))?)?;
                Some(Ratio { shares, assets: assets.checked_add(1)? })
            }
        }
    }

    /// What the vault's views convert `amount` to. `None`: they divide by zero.
    pub(super) fn converted(self, state: State, deposits: bool, amount: u128) -> Option<U256> {
        let [per, of] = self.ratio(state)?.of(deposits);
        (U256::from(amount) * U256::from(per)).checked_div(U256::from(of))
    }

    /// What is in the vault behind a deposit of `into` for `out`, or a redemption.
    pub(super) fn after(self, state: State, deposits: bool, [into, out]: [u128; 2]) -> Option<State> {
        let State { supply, assets } = state;
        let after = if deposits {
            State { supply: supply.checked_add(out)?, assets: assets.checked_add(into)? }
        } else {
            State { supply: supply.checked_sub(into)?, assets: assets.checked_sub(out)? }
        };
        self.ratio(after).map(|_| after)
    }

    /// What `amount_in` pays.
    pub(super) fn paid(
        self,
        (state, limit): (State, Limit),
        deposits: bool,
        amount_in: U256,
    ) -> Result<u128, QuoteError> {
        let into = u128::try_from(amount_in).map_err(|_| QuoteError::TooLarge)?;
        if into > if deposits { limit.most(state.assets) } else { state.supply } {
            return Err(QuoteError::TooLarge);
        }
        // Shares that nothing backs have no price.
        let out = self.converted(state, deposits, into).ok_or(QuoteError::TooLarge)?;
        let out = u128::try_from(out).map_err(|_| QuoteError::TooLarge)?;
        if out == 0 {
            return Err(QuoteError::TooSmall);
        }
        self.after(state, deposits, [into, out]).map(|_| out).ok_or(QuoteError::TooLarge)
    }

    /// The smallest input that pays at least `out`.
    pub(super) fn cost(self, at: (State, Limit), deposits: bool, out: U256) -> Result<u128, QuoteError> {
        if out.is_zero() {
            return Err(QuoteError::TooSmall);
        }
        let out = u128::try_from(out).map_err(|_| QuoteError::TooLarge)?;
        let [per, of] = self.ratio(at.0).ok_or(QuoteError::TooLarge)?.of(deposits);
        if per == 0 {
            return Err(QuoteError::TooLarge);
        }
        // `into * per / of >= out`, solved for the input: the division is rounded up.
        let into = (U256::from(out) * U256::from(of)).div_ceil(U256::from(per));
        self.paid(at, deposits, into)?;
        u128::try_from(into).map_err(|_| QuoteError::TooLarge)
    }

    /// An input up to which a swap is not too large.
    pub(super) fn room(self, (state, limit): (State, Limit), deposits: bool) -> u128 {
        if !deposits {
            return state.supply;
        }
        let Some(ratio) = self.ratio(state) else { return 0 };
        let shares = u128::MAX - ratio.shares.max(state.supply);
        let most = (U256::from(shares) * U256::from(ratio.assets)).checked_div(U256::from(ratio.shares));
        // One less than what the addend leaves, where there is one.
        let assets = (u128::MAX - 1).saturating_sub(state.assets);
        most.unwrap_or_default().saturating_to::<u128>().min(assets).min(limit.most(state.assets))
    }
}
