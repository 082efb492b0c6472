//! A vault whose slots are known, put into any state: what it says there, and what its own code pays between plain assets.
//!
//! # Cost
//! Some hundred calls a vault, once.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, U256};

use crate::amm::QuoteError;
use crate::discover::{Probe, plain_balance_slot};
use crate::erc4626::Place;
use crate::erc4626::State;
use crate::erc4626::abi;
use crate::erc4626::discover::NOBODY;
use crate::erc4626::rate::{Limit, Rate};

/// States that tell the rates apart: without shares, without assets, of few and of many.
const STATES: [State; 7] = [
    State { supply: 0, assets: 0 },
    State { supply: 0, assets: 5_000_011 },
    State { supply: 7, assets: 0 },
    State { supply: 1, assets: 1 },
    State { supply: 1_000_007, assets: 3_000_001 },
    MIDDLE,
    State { supply: 1_000_000_000_000_000_000_000_000_000, assets: 1_000_000_000_000_000_000 },
];
/// One in which every amount converts to something.
const MIDDLE: State = State { supply: 1_000_000_000_000_000_000_000_007, assets: 1_370_000_000_000_000_000_000_003 };
/// Amounts that are converted in each.
const AMOUNTS: [u128; 6] =
    [1, 2, 999_983, 1_000_000_007, 1_000_000_000_000_000_001, 1_234_567_890_123_456_789_012_345_678];
/// Parts of what there is that are deposited and redeemed.
const PARTS: [u128; 4] = [1, 3, 1_000, 1_000_003];
/// An amount that shows the least change of a rate.
const FINE: u128 = 1 << 100;
/// Seconds after which it is looked at again: a block, a day, a year.
const LATER: [u64; 3] = [12, 86_400, YEAR];
/// By then what is a nought times the time since is something.
pub(super) const YEAR: u64 = 31_536_000;
/// By how much assets or supply are moved to see what a limit hangs on.
const MOVED: u128 = 1_003;
/// More than anything holds: as good as no limit.
const BOUNDLESS: U256 = U256::from_limbs([u64::MAX, u64::MAX, 0, 0]);

/// A vault that is tried.
pub(super) struct Trial<'a, P> {
    pub(super) probe: &'a mut P,
    /// Asset and vault.
    pub(super) tokens: [Address; 2],
    pub(super) supply: Place,
    pub(super) assets: Place,
    /// Where the shares of whoever tries it lie.
    pub(super) shares: Place,
    /// As it stands.
    pub(super) own: State,
}

/// A question whose answer shows the least change of a rate.
pub(super) fn fine(deposits: bool) -> Vec<u8> {
    convert(deposits, FINE)
}

fn convert(deposits: bool, amount: u128) -> Vec<u8> {
    let amount = U256::from(amount);
    if deposits {
        abi::convertToSharesCall { assets: amount }.abi_encode()
    } else {
        abi::convertToAssetsCall { shares: amount }.abi_encode()
    }
}

fn preview(deposits: bool, amount: u128) -> Vec<u8> {
    let amount = U256::from(amount);
    if deposits {
        abi::previewDepositCall { assets: amount }.abi_encode()
    } else {
        abi::previewRedeemCall { shares: amount }.abi_encode()
    }
}

fn deed(deposits: bool, amount: u128) -> Vec<u8> {
    let amount = U256::from(amount);
    if deposits {
        abi::depositCall { assets: amount, receiver: NOBODY }.abi_encode()
    } else {
        abi::redeemCall { shares: amount, receiver: NOBODY, owner: NOBODY }.abi_encode()
    }
}

impl<P: Probe> Trial<'_, P> {
    const fn vault(&self) -> Address {
        self.tokens[1]
    }

    /// What makes it believe that it stands so.
    fn written(&self, state: State) -> Vec<(Address, U256, U256)> {
        let word = |place: Place, value: u128| (place.at, place.slot, U256::from(value));
        vec![word(self.supply, state.supply), word(self.assets, state.assets)]
    }

    /// What a view answers in a state, with another slot written over besides. `None`: it reverts.
    pub(super) fn says(&mut self, data: &[u8], state: State, more: Option<(Address, U256, U256)>) -> Option<U256> {
        let overrides: Vec<_> = self.written(state).into_iter().chain(more).collect();
        self.probe.call_with(NOBODY, self.vault(), data, &overrides).word(0)
    }

    /// The same, so many seconds later.
    pub(super) fn says_later(
        &mut self,
        data: &[u8],
        state: State,
        more: Option<(Address, U256, U256)>,
        seconds: u64,
    ) -> Option<U256> {
        let overrides: Vec<_> = self.written(state).into_iter().chain(more).collect();
        self.probe.call_later(NOBODY, self.vault(), data, &overrides, seconds).word(0)
    }

    /// What a deposit or a redemption says that it has paid. `None`: it reverts. With it, all slots that it has read.
    pub(super) fn does(
        &mut self,
        (deposits, amount): (bool, u128),
        state: State,
        more: Option<(Address, U256, U256)>,
    ) -> (Option<U256>, Vec<(Address, U256)>) {
        let [asset, vault] = self.tokens;
        let mut overrides = self.written(state);
        // Whether it counts its balance or keeps books: it has as much as it counts.
        overrides.push((asset, plain_balance_slot(vault), U256::from(state.assets)));
        overrides.push((asset, plain_balance_slot(NOBODY), U256::MAX >> 1));
        overrides.push((self.shares.at, self.shares.slot, U256::from(state.supply)));
        overrides.extend(more);
        let answer = self.probe.call_staged(NOBODY, vault, &deed(deposits, amount), &overrides, &[asset]);
        (answer.word(0), answer.reads)
    }

    /// By what it converts, which is what it previews.
    pub(super) fn rate(&mut self) -> Result<Rate, String> {
        let mut rates: Vec<Rate> = Rate::all().collect();
        for state in STATES.into_iter().chain([self.own]) {
            for (deposits, amount) in AMOUNTS.into_iter().flat_map(|amount| [(true, amount), (false, amount)]) {
                let converted = self.says(&convert(deposits, amount), state, None);
                let previewed = self.says(&preview(deposits, amount), state, None);
                if converted.is_some() && previewed.is_none() {
                    return Err("it does not say what it would pay: what is asked for may be claimed later".to_owned());
                }
                if converted != previewed {
                    return Err("it previews something else than it converts: it takes a fee".to_owned());
                }
                rates.retain(|rate| rate.converted(state, deposits, amount) == converted);
            }
        }
        rates.first().copied().ok_or_else(|| "it converts by no rate that is known".to_owned())
    }

    /// It converts later as it does now.
    pub(super) fn stands_still(&mut self) -> Result<(), String> {
        for (state, deposits) in [MIDDLE, self.own].into_iter().flat_map(|state| [(state, true), (state, false)]) {
            let data = fine(deposits);
            let now = self.says(&data, state, None);
            if LATER.into_iter().any(|seconds| self.says_later(&data, state, None, seconds) != now) {
                return Err("its rate moves with time".to_owned());
            }
        }
        Ok(())
    }

    /// How much it takes, of anybody.
    pub(super) fn limit(&mut self) -> Result<Limit, String> {
        self.redeems_all()?;
        let most = abi::maxDepositCall { receiver: NOBODY }.abi_encode();
        let own = self.own;
        let more = State { assets: own.assets.saturating_add(MOVED), ..own };
        let other = State { supply: own.supply.saturating_add(MOVED), ..own };
        let [at_own, at_more, at_other] = [own, more, other].map(|state| self.says(&most, state, None));
        let at_own = at_own.ok_or("it does not say how much may be deposited")?;
        if at_own.is_zero() {
            return Err("it takes no deposits".to_owned());
        }
        let limit = match u128::try_from(at_own) {
            Ok(each) if at_own < BOUNDLESS && at_more == Some(at_own) => Limit::Each(each),
            Ok(each) if at_own < BOUNDLESS => {
                let cap = each.checked_add(own.assets).ok_or("the cap of its deposits is past 128 bits")?;
                Limit::Total(cap)
            }
            _ => Limit::None,
        };
        let due = |state: State| match limit {
            Limit::None => at_own,
            limit => U256::from(limit.most(state.assets)),
        };
        if at_more == Some(due(more)) && at_other == Some(due(other)) {
            Ok(limit)
        } else {
            Err("the limit of its deposits is neither a number nor a cap".to_owned())
        }
    }

    /// Whoever has shares may redeem them all.
    fn redeems_all(&mut self) -> Result<(), String> {
        let most = abi::maxRedeemCall { owner: NOBODY }.abi_encode();
        for state in [self.own, MIDDLE] {
            for held in [state.supply, state.supply / 2, 1].map(U256::from) {
                let shares = (self.shares.at, self.shares.slot, held);
                if self.says(&most, state, Some(shares)) != Some(held) {
                    return Err(format!("it does not let {held} shares be redeemed by whoever has them"));
                }
            }
        }
        Ok(())
    }

    /// Its own code pays what is counted.
    pub(super) fn pays(&mut self, by: (Rate, Limit)) -> Result<(), String> {
        let mut tried = [0, 0];
        for (state, deposits) in STATES.into_iter().chain([self.own]).flat_map(|state| [(state, true), (state, false)])
        {
            let whole = if deposits { state.assets.max(1_000_000_007) } else { state.supply };
            for amount in PARTS.map(|part| whole / part) {
                tried[usize::from(deposits)] += self.pays_there(by, state, (deposits, amount))?;
            }
        }
        if tried.contains(&0) { Err("what it pays could not be tried".to_owned()) } else { Ok(()) }
    }

    /// One where it pays what is counted; nought where that is nothing, or more than it takes.
    fn pays_there(
        &mut self,
        (rate, limit): (Rate, Limit),
        state: State,
        (deposits, amount): (bool, u128),
    ) -> Result<u32, String> {
        let due = rate.paid((state, limit), deposits, U256::from(amount));
        if due == Err(QuoteError::TooLarge) {
            return Ok(0);
        }
        let done = self.does((deposits, amount), state, None).0;
        let agrees = due.map_or(done.is_none_or(|done| done.is_zero()), |due| done == Some(U256::from(due)));
        if !agrees {
            let what = if deposits { "assets deposited" } else { "shares redeemed" };
            return Err(format!("{amount} {what} pay {done:?}, not as it previews ({due:?})"));
        }
        Ok(u32::from(due.is_ok()))
    }

    /// A state in which a deposit and a redemption are seen to work, and how much of each.
    pub(super) fn workable(&self, (rate, limit): (Rate, Limit)) -> (State, [u128; 2]) {
        let amounts = |state: State| {
            let deposit = (state.assets / 7).max(1).min(rate.room((state, limit), true));
            [(state.supply / 7).max(1), deposit]
        };
        let works = |state: &State| {
            let [redeemed, deposited] = amounts(*state);
            [(redeemed, false), (deposited, true)]
                .into_iter()
                .all(|(amount, deposits)| rate.paid((*state, limit), deposits, U256::from(amount)).is_ok())
        };
        let state = [self.own].into_iter().find(works).unwrap_or(MIDDLE);
        (state, amounts(state))
    }
}
