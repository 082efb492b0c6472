//! Where a pool keeps what a quote depends on.
//!
//! # Invariants
//! - Each slot was learnt from what its getter reads and tried by writing it: the answer followed, by as much.
//! - A refused change leaves the state as it was. What bounds `A` in time may not change: then it is on the move, which no
//!   state without a clock can follow.

use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::ApplyError;
use crate::curve_stable::invariant::MOST_COINS;
use crate::curve_stable::swap::State;
use crate::curve_stable::swap::WHOLE;

/// Largest balance: keeps what is multiplied far from where the contract overflows.
const MOST: u128 = (1 << 112) - 1;
/// Largest amplification that a contract may be given, times its largest precision.
const MOST_AMP: u64 = 100_000_000;

/// The slots of one pool's contract.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Each coin's balance.
    pub held: Vec<U256>,
    /// What of it is the administrator's; empty where that is no part of the balance.
    pub admin_held: Vec<U256>,
    /// The amplification.
    pub amp: U256,
    /// What says that it stands still, and what is there while it does.
    pub still: Option<(U256, U256)>,
    /// The fee.
    pub fee: U256,
    /// The administrator's part of it, unless that is a constant.
    pub admin_fee: Option<U256>,
    /// What the fee grows to, where it grows.
    pub offpeg: Option<U256>,
}

impl Layout {
    /// All of them.
    pub fn slots(&self) -> impl Iterator<Item = U256> + '_ {
        let alone = [Some(self.amp), self.still.map(|(slot, _)| slot), Some(self.fee), self.admin_fee, self.offpeg];
        self.held.iter().chain(&self.admin_held).copied().chain(alone.into_iter().flatten())
    }

    /// The state after `changes`, from the one before them. Later changes of a slot win.
    pub(super) fn fold(&self, state: &State, changes: &[(U256, U256)]) -> Result<State, ApplyError> {
        let mut after = *state;
        for (slot, value) in changes {
            self.take(&mut after, *slot, *value).ok_or(ApplyError::Contradiction)?;
        }
        Ok(after)
    }

    fn take(&self, state: &mut State, slot: U256, value: U256) -> Option<()> {
        let place = |list: &[U256]| list.iter().position(|own| *own == slot);
        if let Some(held) = place(&self.held).and_then(|place| state.held.get_mut(place)) {
            *held = units(value)?;
        } else if let Some(admin_held) = place(&self.admin_held).and_then(|place| state.admin_held.get_mut(place)) {
            *admin_held = units(value)?;
        } else if slot == self.amp {
            state.amp = u64::try_from(value).ok().filter(|amp| *amp <= MOST_AMP)?;
        } else if slot == self.fee {
            state.fee = u64::try_from(value).ok().filter(|fee| *fee < WHOLE)?;
        } else if Some(slot) == self.admin_fee {
            state.admin_fee = u64::try_from(value).ok().filter(|fee| *fee <= WHOLE)?;
        } else if Some(slot) == self.offpeg {
            state.offpeg = u64::try_from(value).ok()?;
        } else if let Some((guard, due)) = self.still {
            return (slot != guard || value == due).then_some(());
        }
        Some(())
    }

    /// The slots that say so much: what a contract is to be told to believe in this state.
    pub(super) fn written(&self, state: &State) -> Vec<(U256, U256)> {
        let balances = |slots: &[U256], units: [u128; MOST_COINS]| {
            slots.iter().copied().zip(units.map(U256::from)).collect::<Vec<_>>()
        };
        let mut all = balances(&self.held, state.held);
        all.extend(balances(&self.admin_held, state.admin_held));
        all.extend([(self.amp, U256::from(state.amp)), (self.fee, U256::from(state.fee))]);
        all.extend(self.admin_fee.map(|slot| (slot, U256::from(state.admin_fee))));
        all.extend(self.offpeg.map(|slot| (slot, U256::from(state.offpeg))));
        all
    }
}

/// A word as units of a coin.
fn units(value: U256) -> Option<u128> {
    u128::try_from(value).ok().filter(|units| *units <= MOST)
}
