//! What every lending protocol must be able to answer, and the words it answers in.
//!
//! # Invariants
//! - A health and a seizure are the contract's own integers, to the unit, at the given timestamp, or a refusal.
//! - State is learnt from storage alone: [`Lending::missing`] says what is still to be read, [`Lending::apply_slots`] takes
//!   it, at the start as after every block. A log only names an account that is to be watched.
//! - Prices, and the cash that a market can pay out, come from outside: they are other contracts' answers.
//!
//! # Limits
//! - The liquidator's own balance and allowance are his business: a quote says what the market does.

pub mod aave;
pub mod choice;
pub mod discover;
pub mod market_spec;
pub mod slots;
pub mod taken;
pub mod trigger_index;

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::U256;

use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::discover::View;
use crate::execution::{CallStep, Hop, Input, Output, Steps};
use crate::lending::market_spec::MarketSpec;
use crate::lending::market_spec::Pair;
use crate::math::ray::WAD;
use crate::site::StateSite;

/// How an account stands. Values are in the market's base currency: as its oracle gives them (Aave V3 as published: dollars
/// of 8 decimals; Aave V2: wei; Morpho: units of the loan token).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// What its collateral is worth.
    pub collateral: U256,
    /// What it owes.
    pub debt: U256,
    /// What it may owe before it can be liquidated.
    pub limit: U256,
    /// [`Self::limit`] over [`Self::debt`], in wad (1e18), as the protocol rounds it; the largest number without a debt.
    pub factor: U256,
}

impl Health {
    /// True when the protocol lets anyone liquidate the account.
    #[must_use]
    pub fn is_liquidatable(&self) -> bool {
        self.factor < WAD
    }
}

/// What an account has to do with an asset, in its units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Which.
    pub asset: Address,
    /// What it holds of it as collateral.
    pub collateral: U256,
    /// What it owes of it.
    pub debt: U256,
}

/// How much of a position a liquidation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Units of the debt asset to be repaid, at most (Aave's `debtToCover`).
    Repay(U256),
    /// Units of the collateral to be seized, exactly (Morpho's `seizedAssets`).
    Seize(U256),
    /// Shares of the market's debt to be repaid, exactly (Morpho's `repaidShares`).
    Shares(U256),
}

impl Size {
    /// `part` millionths of this, which is the most that the rules allow, rounded up. Of a repayment the whole is asked for
    /// without a bound: what is past the rules is not taken.
    #[must_use]
    pub fn part(self, part: u32) -> Self {
        match self {
            Self::Repay(_) if part >= choice::WHOLE => Self::Repay(U256::MAX),
            Self::Repay(units) => Self::Repay(slots::part(units, part)),
            Self::Seize(units) => Self::Seize(slots::part(units, part)),
            Self::Shares(shares) => Self::Shares(slots::part(shares, part)),
        }
    }
}

/// A liquidation to be quoted, or encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whose position.
    pub account: Address,
    /// The asset that is repaid.
    pub debt: Address,
    /// The asset that is seized.
    pub collateral: Address,
    /// How much.
    pub size: Size,
    /// The collateral is taken as the market's receipt token, where there is one, and not as the underlying.
    pub receipt: bool,
}

/// A liquidation that a market is to write a step of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedSale {
    /// What is asked.
    pub call: Call,
    /// The most that the market may take of the debt asset.
    pub repay: u128,
    /// What the next step spends of what is seized.
    pub amount_out: u128,
}

impl PlannedSale {
    /// The step of a market that is called with `data`, takes what it is owed by an allowance, and pays whoever calls.
    pub fn write(&self, market: Address, data: &[u8], steps: &mut Steps) {
        let asked = Hop { pool: market.into(), token_in: self.call.debt, amount_out: self.amount_out };
        steps.ask(asked, &CallStep { data, input: Input::Allowed, output: Output::Here });
    }
}

/// What a liquidation moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seizure {
    /// Units of the debt asset that the liquidator pays.
    pub repaid: U256,
    /// Units of the collateral that the liquidator gets.
    pub seized: U256,
    /// Units of the collateral that the protocol takes besides.
    pub fee: U256,
    /// Units of the debt asset that nobody will repay, and the lenders lose.
    pub bad_debt: U256,
}

/// Why there is no health, or no liquidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The account, or the asset, is not of this market or is not watched.
    #[error("account or asset is not known here")]
    Stranger,
    /// A slot that is needed is not known: see [`Lending::missing`].
    #[error("needs a slot that is not known")]
    Cold,
    /// The price of this feed is not known.
    #[error("needs the price of {0}, which is not known")]
    Unpriced(Address),
    /// The contract would divide by zero, or leave its integers.
    #[error("the contract's arithmetic would revert")]
    Arithmetic,
    /// One of the two reserves is not active.
    #[error("a reserve is not active")]
    Inactive,
    /// The pool or one of the two reserves is paused.
    #[error("paused")]
    Paused,
    /// The position is healthy.
    #[error("the position is healthy")]
    Healthy,
    /// The asset is no collateral of the account.
    #[error("the asset is no collateral of the account")]
    NotCollateral,
    /// The account owes nothing of the asset.
    #[error("the account owes nothing of the asset")]
    NotBorrowed,
    /// The market's cash is less than what would be seized, or it is not known.
    #[error("the market cannot pay out the collateral")]
    Illiquid,
    /// The amount, or what it would seize, is nothing after rounding.
    #[error("the amount is too small to liquidate")]
    Dust,
    /// More than the position owes or holds.
    #[error("more than the position owes or holds")]
    TooLarge,
    /// The protocol has no such call.
    #[error("the protocol has no such liquidation")]
    Unsupported,
}

/// What an answer of another contract is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The price of a feed: for [`Lending::set_price`].
    Price(Address),
    /// The cash of an asset: for [`Lending::set_cash`].
    Cash(Address),
}

/// What a feed's answer is the price of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priced {
    /// An asset, in the currency that healths are counted in.
    Asset(Address),
    /// A unit of one token in units of another, times ten to this power.
    Ratio {
        /// What is priced.
        of: Address,
        /// In what.
        within: Address,
        /// Decimals of it between tokens of equal decimals.
        decimals: u8,
    },
}

/// What another contract is to be asked. The first word of its answer is what the market takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What it is about.
    pub about: About,
    /// Who is asked.
    pub to: Address,
    /// With what calldata.
    pub data: Bytes,
}

/// A liquidation of one pair of which all but the size is worked out: health, indexes, prices. It stands for the market as it was
/// when this was made.
pub trait Ready {
    /// The most that the rules allow, whatever can be paid out.
    ///
    /// # Errors
    /// Nothing can be taken.
    fn most(&self) -> Result<Size, Refusal>;

    /// What so much of it moves.
    ///
    /// # Errors
    /// The contract would revert, or what it would do is not known.
    fn seize(&self, size: Size) -> Result<Seizure, Refusal>;
}

/// A market, or several that share their positions.
pub trait Lending {
    /// See [`Self::ready`].
    type Ready: Ready;

    /// Name in output, config and metrics.
    fn protocol(&self) -> &'static str;

    /// The contract that is called to liquidate.
    fn address(&self) -> Address;

    /// A market as a row says, whose positions are to be read. `None`: no such protocol, or the row lacks what it needs.
    fn from_spec(spec: &MarketSpec) -> Option<Self>
    where
        Self: Sized;

    /// What an account has as collateral, and owes, at a timestamp.
    ///
    /// # Errors
    /// Something is not known, or the contract would revert.
    fn holdings(&self, account: Address, at: u64) -> Result<Vec<Holding>, Refusal>;

    /// What units of an asset are worth by the market's own oracle, in its base currency.
    fn worth(&self, asset: Address, units: U256) -> Option<U256>;

    /// What contracts must answer of an account at a timestamp if the state is right, each with the contract that is asked.
    ///
    /// # Errors
    /// The account has no health.
    fn views(&self, account: Address, at: u64) -> Result<Vec<(Address, View)>, Refusal>;

    /// Takes an account into the positions. Its slots are [`Self::missing`] from then on.
    fn watch(&mut self, account: Address);

    /// The account that was taken as the `place`th, from nought.
    fn account(&self, place: usize) -> Option<Address>;

    /// Accounts watched, in the order in which they were taken.
    fn accounts(&self) -> Vec<Address> {
        (0..).map_while(|place| self.account(place)).collect()
    }

    /// Contracts and slots that must be read before every watched account has a health. What is read may ask for more:
    /// empty when all is known. The price feeds are not slots of the market, see [`Self::feeds`].
    fn missing(&self) -> Vec<(Address, U256)> {
        self.missing_of(&self.accounts())
    }

    /// Those of the market itself and of these accounts.
    fn missing_of(&self, accounts: &[Address]) -> Vec<(Address, U256)>;

    /// Applies slots of the contract `at` that are read, or that a transaction has changed: `(slot, value)`.
    ///
    /// # Errors
    /// A value contradicts what is known.
    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError>;

    /// Whose position a slot is a part of, where it is.
    fn owner(&self, slot: U256) -> Option<Address>;

    /// Whether a slot of the contract `at` holds terms that governance sets, and that everybody's health may hang on: thresholds,
    /// categories. Time, prices and interest are none.
    fn is_term(&self, at: Address, slot: U256) -> bool;

    /// Watches an account that a log of the contract `at` says has borrowed; which, where it is new.
    ///
    /// # Errors
    /// The log is not the shape its signature promises.
    fn apply_log(&mut self, at: Address, topics: &[B256], data: &[u8]) -> Result<Option<Address>, ApplyError>;

    /// Where its state lives: the contracts of [`Self::missing`], as far as they are known.
    fn sites(&self) -> Vec<StateSite>;

    /// What other contracts are to be asked, in a block, for prices and cash as they are in it; as far as the market is known.
    fn questions(&self) -> Vec<Question>;

    /// The receipt token that an asset is supplied for, where there is one.
    fn receipt(&self, asset: Address) -> Option<Address>;

    /// Which of its contract's markets it is, where that holds many.
    fn id(&self) -> Option<B256> {
        None
    }

    /// Whether what it asks others hangs on its own slots, as a rate model is asked with a market's totals.
    fn asks_with_state(&self) -> bool;

    /// What a market of two tokens alone is made of; `None` for a pool of many.
    fn pair(&self) -> Option<Pair>;

    /// Anybody may open one more, with any oracle: what it is made of is nobody's word.
    fn is_anybodys(&self) -> bool;

    /// The token that healths are counted in; `None`: a currency of the oracle's own, which is the same for all accounts.
    fn counted_in(&self) -> Option<Address>;

    /// The tokens that are lent and secure what is lent.
    fn tokens(&self) -> Vec<Address>;

    /// What a feed prices.
    fn priced(&self, feed: Address) -> Priced;

    /// What the market asks other contracts for, keys of [`Self::set_price`]: of Aave the assets and categories that its
    /// oracle prices, of Morpho the market's oracle and its interest rate model.
    fn feeds(&self) -> Vec<Address>;

    /// The feeds that an account's health hangs on.
    fn feeds_of(&self, account: Address) -> Vec<Address>;

    /// The last answer for a feed, if it is known.
    fn price(&self, feed: Address) -> Option<U256>;

    /// The answer for a feed, in its own unit.
    fn set_price(&mut self, feed: Address, price: U256);

    /// What the market holds of an asset, and can pay out.
    fn set_cash(&mut self, asset: Address, units: U256);

    /// Takes what was answered to a question about this.
    fn answer(&mut self, about: About, word: U256) {
        match about {
            About::Price(feed) => self.set_price(feed, word),
            About::Cash(asset) => self.set_cash(asset, word),
        }
    }

    /// How an account stands at a timestamp (seconds), with one feed at another price if so asked.
    ///
    /// # Errors
    /// Something is not known, or the contract would revert.
    fn health_if(&self, account: Address, at: u64, feed: Option<(Address, U256)>) -> Result<Health, Refusal>;

    /// How an account stands at a timestamp, in seconds.
    ///
    /// # Errors
    /// Something is not known, or the contract would revert.
    fn health(&self, account: Address, at: u64) -> Result<Health, Refusal> {
        self.health_if(account, at, None)
    }

    /// Pairs of debt and collateral that an account has: what a liquidation can name.
    fn pairs(&self, account: Address) -> Vec<(Address, Address)>;

    /// Works out a liquidation in a block with this timestamp, as far as it does not hang on the size: the call's is not looked at.
    ///
    /// # Errors
    /// The contract would revert whatever the size, or what it would do is not known.
    fn ready(&self, call: &Call, at: u64) -> Result<Self::Ready, Refusal>;

    /// What a liquidation in a block with this timestamp moves.
    ///
    /// # Errors
    /// The contract would revert, or what it would do is not known.
    fn quote(&self, call: &Call, at: u64) -> Result<Seizure, Refusal> {
        self.ready(call, at)?.seize(call.size)
    }

    /// A size that asks for `part` of the most that the rules let a liquidation of this pair take, in millionths: see
    /// [`Size::part`].
    ///
    /// # Errors
    /// Nothing can be taken.
    fn size(&self, call: &Call, part: u32, at: u64) -> Result<Size, Refusal> {
        Ok(self.ready(call, at)?.most()?.part(part))
    }

    /// Calldata of the liquidation, for [`Self::address`].
    ///
    /// # Errors
    /// The protocol has no such call.
    fn encode(&self, call: &Call) -> Result<Vec<u8>, Refusal>;

    /// Writes the liquidation as our contract reads it: the step that a path begins with.
    ///
    /// # Errors
    /// The protocol has no such call, or what it would need is not known.
    fn write_step(&self, sale: &PlannedSale, steps: &mut Steps) -> Result<(), Refusal>;
}
