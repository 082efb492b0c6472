//! What a share's price follows from, and where that is kept: the base pool's balances and `A`, and how many shares there are.
//!
//! # Invariants
//! - The price is what the base pool answers to `get_virtual_price`, which a metapool asks at each swap: no clock has a part in it.
//! - A refused change leaves it as it was.

use alloy_primitives::Address;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::ApplyError;
use crate::curve_stable::layout::Layout;
use crate::curve_stable::meta::base::Base;
use crate::curve_stable::swap::State;
use crate::curve_stable::swap::Terms;

/// What does not change of a base pool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Backing {
    /// The base pool.
    pub pool: Address,
    /// Its version.
    pub terms: Terms,
    /// Where it keeps its state.
    pub layout: Layout,
    /// Its coins by place, where they are ways through; none of them else.
    #[serde(default)]
    pub coins: Vec<Option<Address>>,
    /// The token of its shares, which may be the pool itself.
    pub share: Address,
    /// Where that counts them.
    pub supply: U256,
}

/// What does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Behind {
    /// The base pool's state.
    pub state: State,
    /// Shares that there are.
    pub supply: u128,
}

impl Backing {
    /// The base pool as it stands. `None`: it has no price.
    #[must_use]
    pub fn base(&self, behind: &Behind) -> Option<Base> {
        Base::new(self.terms, behind.state, behind.supply)
    }

    /// What a share is worth, in 10^-18 of a coin. `None`: the base pool would revert.
    #[must_use]
    pub fn price(&self, behind: &Behind) -> Option<U256> {
        self.base(behind)?.virtual_price().filter(|price| !price.is_zero())
    }

    /// Whether it is kept at this contract.
    pub(in crate::curve_stable) fn is_at(&self, at: Address) -> bool {
        at == self.pool || at == self.share
    }

    /// After changes of slots of a contract.
    pub(in crate::curve_stable) fn fold(
        &self,
        behind: &Behind,
        at: Address,
        changes: &[(U256, U256)],
    ) -> Result<Behind, ApplyError> {
        let mut after = *behind;
        if at == self.pool {
            after.state = self.layout.fold(&behind.state, changes)?;
        }
        for (_, value) in changes.iter().filter(|(slot, _)| at == self.share && *slot == self.supply) {
            after.supply = u128::try_from(*value).map_err(|_| ApplyError::Contradiction)?;
        }
        Ok(after)
    }

    /// The slots that say so much.
    pub(in crate::curve_stable) fn written(&self, behind: &Behind) -> Vec<(Address, U256, U256)> {
        let slots = self.layout.written(&behind.state).into_iter();
        let mut all: Vec<_> = slots.map(|(slot, value)| (self.pool, slot, value)).collect();
        all.push((self.share, self.supply, U256::from(behind.supply)));
        all
    }

    /// Each contract that it is kept at, and its slots.
    pub(in crate::curve_stable) fn sites(&self) -> Vec<(Address, Vec<U256>)> {
        let mut slots: Vec<U256> = self.layout.slots().collect();
        if self.pool == self.share {
            slots.push(self.supply);
            return vec![(self.pool, slots)];
        }
        vec![(self.pool, slots), (self.share, vec![self.supply])]
    }

    /// Do the parts fit together, and is this a state that storage could have told?
    pub(in crate::curve_stable) fn fits(&self, behind: &Behind) -> bool {
        let told = self.layout.fold(&behind.state, &self.layout.written(&behind.state));
        let sized = self.layout.held.len() == self.terms.coins
            && [0, self.terms.coins].contains(&self.layout.admin_held.len())
            && self.terms.precision > 0
            && self.terms.rates.iter().take(self.terms.coins).all(|rate| !rate.is_zero());
        let ways = [0, self.terms.coins].contains(&self.coins.len());
        sized && ways && told == Ok(behind.state)
    }
}
