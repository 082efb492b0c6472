//! ERC-4626 vaults as pools of two tokens, the asset and the vault's own share: `deposit` one way, `redeem` the other.
//!
//! - `rate`: the arithmetic. `discover`: whether the vault does what it says, and where its numbers lie. `snapshot`: the form on disk.
//!
//! # Invariants
//! - A quote hangs on two words, wherever they lie: the shares that there are, and the assets that the vault counts, which most often
//!   are its balance in the asset's own storage. Logs do not tell of a gift, so storage alone tells.
//! - All else that the vault's code looks at is as it was when it was asked: where it changes the vault is asked anew.
//! - A refused slot change leaves the vault as it was.
//!
//! # Limits
//! - Refused with the reason: rates that move with time or hang on more than two words, fees, limits of a redemption, limits of a
//!   deposit that are neither a number nor a cap, asynchronous vaults (ERC-7540), shares that are another token (ERC-7575).
//!
//! # Cost
//! A quote: see `rate`; nothing allocates or hashes.

mod abi;
mod discover;
mod rate;
mod snapshot;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::Amm;
use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::amm::Exact;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::amm::Segment;
use crate::amm::Traded;
use crate::discover::Venue;
use crate::discover::View;
use crate::erc4626::snapshot::PoolSnapshot;
use crate::execution::{CallStep, Execution, Hop, Input, Output, PlannedSwap, Steps, call_data};
use crate::site;
use crate::site::Logs;
use crate::site::Slots;
use crate::site::StateSite;
use crate::site::Term;

pub use crate::erc4626::rate::{Limit, Rate, State};

/// How straight a stretch is: so many times its length stand on either side of it, and nobody sees it bend.
const STRAIGHT: f64 = (1_u64 << 60) as f64;
/// What a stretch is raised by, which is more than the floats' roundings and what little it bends.
const RAISED: f64 = 1e-14;

/// A slot of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The contract.
    pub at: Address,
    /// The slot.
    pub slot: U256,
}

/// What does not change of a vault while it is the one that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The asset, and the vault, which is its own share.
    pub tokens: [Address; 2],
    /// By what it converts.
    pub rate: Rate,
    /// How much it takes.
    pub limit: Limit,
    /// Where the supply is.
    pub supply: Place,
    /// Where the assets are.
    pub assets: Place,
    /// What else it looks at.
    pub others: Vec<Term>,
}

impl Terms {
    fn are_sane(&self) -> bool {
        let [asset, vault] = self.tokens;
        let offset = if let Rate::Virtual(offset) = self.rate { offset } else { 0 };
        asset != vault && self.supply != self.assets && offset <= rate::MOST_OFFSET
    }
}

/// A vault.
#[derive(Debug, Deserialize, Serialize)]
#[serde(try_from = "PoolSnapshot", into = "PoolSnapshot")]
pub struct Pool {
    fixed: Arc<Terms>,
    state: State,
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        Self { fixed: Arc::clone(&self.fixed), ..*self }
    }

    /// Allocates nothing: a hot thread copies pools.
    fn clone_from(&mut self, source: &Self) {
        self.fixed.clone_from(&source.fixed);
        self.state = source.state;
    }
}

/// A word, if it is one that we can count with.
fn narrow(word: U256) -> Result<u128, ApplyError> {
    u128::try_from(word).map_err(|_| ApplyError::Contradiction)
}

/// The asset goes in.
const fn deposits(leg: Leg) -> bool {
    leg.token_in() == 0
}

impl Pool {
    /// `None` when the parts do not fit together, or there is more than 128 bits hold.
    #[must_use]
    pub fn new(terms: Terms, state: State) -> Option<Self> {
        let fits = terms.are_sane() && terms.rate.ratio(state).is_some();
        fits.then(|| Self { fixed: Arc::new(terms), state })
    }

    /// Shares and assets.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// What does not change.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.fixed
    }

    fn at(&self) -> (State, Limit) {
        (self.state, self.fixed.limit)
    }

    fn vault(&self) -> Address {
        self.fixed.tokens[1]
    }

    /// What an input of one pays, were there no roundings. Zero without a price.
    fn slope(&self, leg: Leg) -> f64 {
        let Some(ratio) = self.fixed.rate.ratio(self.state) else { return 0.0 };
        let [per, of] = ratio.of(deposits(leg));
        if of == 0 { 0.0 } else { per as f64 / of as f64 }
    }

    /// Takes a new state, if it is one, and says whether it differs.
    fn set(&mut self, state: State) -> Result<Applied, ApplyError> {
        if self.state == state {
            return Ok(Applied::Irrelevant);
        }
        self.fixed.rate.ratio(state).ok_or(ApplyError::Contradiction)?;
        self.state = state;
        Ok(Applied::Changed)
    }
}

impl Amm for Pool {
    fn protocol(&self) -> &'static str {
        Self::PROTOCOL
    }

    fn execution(&self) -> Execution {
        Execution::Pull
    }

    /// The owner of what is redeemed is our contract, which needs no allowance of its own.
    fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps) {
        let own = U256::from_be_bytes(steps.own().into_word().0);
        let amount = U256::from(swap.amount_in);
        let deposit: [u8; 4 + 2 * 32] = call_data(abi::depositCall::SELECTOR, [amount, own]);
        let redeem: [u8; 4 + 3 * 32] = call_data(abi::redeemCall::SELECTOR, [amount, own, own]);
        let (data, input) =
            if deposits(swap.leg) { (&deposit[..], Input::Allowed) } else { (&redeem[..], Input::Held) };
        let hop = Hop { pool: self.key(), token_in: swap.token_in, amount_out: swap.amount_out };
        steps.call(hop, &CallStep { data, input, output: Output::Here });
    }

    /// It is told what goes in, and takes exactly that.
    fn logged(&self, leg: Leg, [into, _]: [u128; 2], _came: u128) -> Result<[U256; 2], QuoteError> {
        let into = U256::from(into);
        Ok([into, self.quote_in(leg, into)?])
    }

    fn address(&self) -> Address {
        self.vault()
    }

    /// Of a token's contract, and of the vault's own, these slots and no others.
    fn sites(&self) -> Vec<StateSite> {
        let Terms { supply, assets, others, .. } = &*self.fixed;
        let all =
            [*supply, *assets].into_iter().chain(others.iter().map(|term| Place { at: term.at, slot: term.slot }));
        let mut listed: Vec<(Address, Vec<U256>)> = Vec::new();
        for Place { at, slot } in all {
            match listed.iter_mut().find(|(contract, _)| *contract == at) {
                Some((_, slots)) => slots.push(slot),
                None => listed.push((at, vec![slot])),
            }
        }
        listed.into_iter().map(|(at, slots)| StateSite { at, slots: Slots::Only(slots), logs: Logs::None }).collect()
    }

    fn tokens(&self) -> &[Address] {
        &self.fixed.tokens
    }

    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        self.fixed.rate.paid(self.at(), deposits(leg), amount_in).map(U256::from)
    }

    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.fixed.rate.cost(self.at(), deposits(leg), amount_out).map(U256::from)
    }

    fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.quote_out(leg, amount_out)
    }

    fn trade(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError> {
        // A vault knows no price limit.
        if limit.is_some() {
            return Err(QuoteError::TooLarge);
        }
        let (rate, at, deposits) = (self.fixed.rate, self.at(), deposits(leg));
        let into = match exact {
            Exact::In(amount) => u128::try_from(amount).map_err(|_| QuoteError::TooLarge)?,
            Exact::Out(amount) => rate.cost(at, deposits, amount)?,
        };
        let out = rate.paid(at, deposits, U256::from(into))?;
        self.state = rate.after(self.state, deposits, [into, out]).ok_or(QuoteError::TooLarge)?;
        Ok(Traded { amount_in: U256::from(into), amount_out: U256::from(out) })
    }

    fn views(&self) -> Vec<View> {
        let view = |data: Vec<u8>, due: u128| View { data, due: vec![(0, U256::from(due))] };
        vec![
            view(abi::totalSupplyCall {}.abi_encode(), self.state.supply),
            view(abi::totalAssetsCall {}.abi_encode(), self.state.assets),
        ]
    }

    fn factory_fee(&self) -> Option<u32> {
        None
    }

    fn keeps(&self, _leg: Leg) -> Option<u32> {
        None
    }

    fn marginal_rate(&self, leg: Leg) -> f64 {
        if self.fixed.rate.room(self.at(), deposits(leg)) == 0 { 0.0 } else { self.slope(leg) }
    }

    /// It never falls: as deep as there is room.
    fn depth(&self, leg: Leg) -> f64 {
        self.fixed.rate.room(self.at(), deposits(leg)) as f64
    }

    /// They do, but where a share is worth many assets one rounding is more than a search that follows a curve reckons with.
    fn follows_stretches(&self) -> bool {
        false
    }

    fn segments(&self, leg: Leg, mut visit: impl FnMut(Segment) -> bool) {
        let (room, slope) = (self.fixed.rate.room(self.at(), deposits(leg)), self.slope(leg));
        if room == 0 || slope <= 0.0 {
            return;
        }
        let reserve_in = room as f64 * STRAIGHT;
        let reserve_out = reserve_in * slope * (1.0 + RAISED);
        visit(Segment { in_max: U256::from(room), reserve_in, reserve_out, gamma: 1.0 });
    }

    fn apply_log(&mut self, _at: Address, _topics: &[B256], _data: &[u8]) -> Result<Applied, ApplyError> {
        // A gift is in no log of the vault's, and its own say less than its storage.
        Ok(Applied::Irrelevant)
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        let Terms { supply, assets, others, .. } = &*self.fixed;
        if site::breaks(others, at, changes) {
            return Err(ApplyError::Contradiction);
        }
        let mut state = self.state;
        for &(slot, word) in changes {
            let place = Place { at, slot };
            if place == *supply {
                state.supply = narrow(word)?;
            } else if place == *assets {
                state.assets = narrow(word)?;
            }
        }
        self.set(state)
    }

    fn agrees(&self, other: &Self) -> bool {
        let same = |one: &Terms, other: &Terms| (one.rate, one.limit) == (other.rate, other.limit);
        self.state == other.state && same(&self.fixed, &other.fixed)
    }

    fn log_fed(&self) -> bool {
        false
    }

    fn logs_state(&self) -> bool {
        false
    }

    fn gas(&self, leg: Leg) -> u64 {
        // Measured on OpenZeppelin's code and a token of Uniswap's, both of which the user has had before, less the transaction's own 21k.
        if deposits(leg) { 36_000 } else { 34_000 }
    }
}
