//! A market's state and its maths: `Morpho.sol`, `MathLib.sol`, `SharesMathLib.sol`, `ConstantsLib.sol`.
//!
//! # Invariants
//! - Products are of 256 bits, as the contract's: past them is [`Refusal::Arithmetic`].

use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
use alloy::sol_types::SolValue;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::keccak256;
use alloy_primitives::map::HashMap;

use crate::discover::Probe;
use crate::discover::View;
use crate::lending;
use crate::lending::About;
use crate::lending::Health;
use crate::lending::Holding;
use crate::lending::Lending;
use crate::lending::Question;
use crate::lending::Refusal;
use crate::lending::Seizure;
use crate::lending::Size;
use crate::lending::discover::Heard;
use crate::lending::discover::Lender;
use crate::lending::discover::Place;
use crate::lending::market_spec::MarketSpec;
use crate::lending::market_spec::Pair;
use crate::lending::slots;
use crate::math::ray::WAD;
use crate::math::wide::mul_div;
use crate::morpho_blue::abi;

/// Slots of the contract's mappings, by market.
const POSITIONS: u64 = 2;
const MARKETS: u64 = 3;
/// Words of a market's record, behind what is supplied: what is borrowed, and when interest was last accrued.
const BORROWED: usize = 1;
const ACCRUED: usize = 2;

/// Decimals of `ORACLE_PRICE_SCALE`.
pub(super) const PRICE_DECIMALS: u8 = 36;
/// `ORACLE_PRICE_SCALE`, 1e36.
const PRICE_SCALE: U256 = wide(1_000_000_000_000_000_000_000_000_000_000_000_000);
/// `LIQUIDATION_CURSOR`, 0.3 in wad.
const CURSOR: U256 = wide(300_000_000_000_000_000);
/// `MAX_LIQUIDATION_INCENTIVE_FACTOR`, 1.15 in wad.
const MOST_INCENTIVE: U256 = wide(1_150_000_000_000_000_000);
/// `VIRTUAL_SHARES` and `VIRTUAL_ASSETS`.
const VIRTUAL: [U256; 2] = [wide(1_000_000), U256::ONE];

const fn wide(value: u128) -> U256 {
    U256::from_limbs([value as u64, (value >> 64) as u64, 0, 0])
}

/// What makes a market what it is; its id is the hash of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// The token that is lent.
    pub loan: Address,
    /// The token that secures it.
    pub collateral: Address,
    /// Answers `price()`.
    pub oracle: Address,
    /// The interest rate model; zero for none.
    pub irm: Address,
    /// Liquidation loan-to-value, in wad.
    pub lltv: U256,
}

impl Params {
    pub(super) fn encoded(&self) -> abi::MarketParams {
        abi::MarketParams {
            loanToken: self.loan,
            collateralToken: self.collateral,
            oracle: self.oracle,
            irm: self.irm,
            lltv: self.lltv,
        }
    }

    /// The market's id (`MarketParamsLib.id`).
    #[must_use]
    pub fn id(&self) -> B256 {
        keccak256(self.encoded().abi_encode())
    }

    /// What a liquidator gets for one that he repays, in wad (`Morpho.liquidate`).
    fn incentive(&self) -> Option<U256> {
        let short = CURSOR.checked_mul(WAD.checked_sub(self.lltv)?)? / WAD;
        Some((WAD * WAD).checked_div(WAD - short)?.min(MOST_INCENTIVE))
    }
}

/// A borrower's position: shares of the market's debt, and units of collateral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub shares: u128,
    pub collateral: u128,
}

/// What the market's borrowers owe together: units of the loan token, and the shares they are divided into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    assets: U256,
    shares: U256,
}

impl Totals {
    /// `toAssetsUp`, and `toAssetsDown` where it does not round `up`.
    fn assets(&self, shares: U256, up: bool) -> Option<U256> {
        let [assets, all] = [self.assets.checked_add(VIRTUAL[1])?, self.shares.checked_add(VIRTUAL[0])?];
        if up { divide_up(shares, assets, all) } else { shares.checked_mul(assets)?.checked_div(all) }
    }

    /// `toSharesUp`.
    fn shares_up(&self, assets: U256) -> Option<U256> {
        divide_up(assets, self.shares.checked_add(VIRTUAL[0])?, self.assets.checked_add(VIRTUAL[1])?)
    }
}

/// `MathLib.mulDivUp`.
fn divide_up(a: U256, b: U256, divisor: U256) -> Option<U256> {
    a.checked_mul(b)?.checked_add(divisor.checked_sub(U256::ONE)?)?.checked_div(divisor)
}

/// `MathLib.wTaylorCompounded`: three terms of `e ^ (rate * seconds) - 1`, in wad.
fn compounded(rate: U256, seconds: U256) -> Option<U256> {
    let first = rate.checked_mul(seconds)?;
    let second = first.checked_mul(first)? / (WAD << 1_usize);
    let third = second.checked_mul(first)? / (WAD * U256::from(3));
    first.checked_add(second)?.checked_add(third)
}

/// One market.
#[derive(Clone, Debug)]
pub struct Market {
    contract: Address,
    params: Params,
    id: B256,
    /// First slot of the market's record.
    record: U256,
    words: [Option<U256>; 3],
    accounts: Vec<(Address, Option<U256>)>,
    by_account: HashMap<Address, u32>,
    by_slot: HashMap<U256, u32>,
    price: Option<U256>,
    rate: Option<U256>,
}

impl Market {
    /// Name in output, config and metrics.
    pub const PROTOCOL: &str = "morpho_blue";

    /// A market of which nothing is known yet but its parameters.
    #[must_use]
    pub fn new(contract: Address, params: Params) -> Self {
        let id = params.id();
        Self {
            contract,
            params,
            id,
            record: slots::of(id.into(), MARKETS),
            words: [None; 3],
            accounts: Vec::new(),
            by_account: HashMap::default(),
            by_slot: HashMap::default(),
            price: None,
            rate: params.irm.is_zero().then_some(U256::ZERO),
        }
    }

    /// As a row says.
    pub(super) fn of_row(spec: &MarketSpec) -> Option<Self> {
        let Pair { loan, collateral, irm, lltv } = spec.pair?;
        Some(Self::new(spec.address, Params { loan, collateral, oracle: spec.oracle, irm, lltv }))
    }

    /// How markets and their borrowers are found.
    pub const LENDER: Lender = Lender {
        many: true,
        topics: &[abi::CreateMarket::SIGNATURE_HASH, abi::Borrow::SIGNATURE_HASH],
        heard: Self::heard,
        open: Self::open,
    };

    fn heard(topics: &[B256], _data: &[u8]) -> Option<Heard> {
        match topics {
            [abi::CreateMarket::SIGNATURE_HASH, id] => Some(Heard::Market(*id)),
            [abi::Borrow::SIGNATURE_HASH, id, account, ..] => {
                Some(Heard::Borrower { market: *id, account: Address::from_word(*account) })
            }
            _ => None,
        }
    }

    fn open(probe: &mut dyn Probe, place: &Place) -> Result<MarketSpec, String> {
        let answer = probe.call(place.address, &abi::idToMarketParamsCall { id: place.market }.abi_encode());
        let params = abi::idToMarketParamsCall::abi_decode_returns(&answer.output.unwrap_or_default());
        let params = params.map_err(|_| format!("has no market {}: it does not answer", place.market))?;
        let abi::MarketParams { loanToken: loan, collateralToken: collateral, oracle, irm, lltv } = params;
        if loan.is_zero() {
            return Err(format!("has no market {}", place.market));
        }
        if oracle.is_zero() {
            return Err(format!("market {} has no oracle: nobody can borrow there", place.market));
        }
        let pair = Some(Pair { loan, collateral, irm, lltv });
        Ok(MarketSpec {
            protocol: Self::PROTOCOL.to_owned(),
            address: place.address,
            oracle,
            pair,
            accounts: Vec::new(),
        })
    }

    /// What contracts must answer of an account, each with who is asked: health follows from it, and from no call of the
    /// contract's.
    ///
    /// # Errors
    /// Something is not known.
    pub(super) fn viewed(&self, account: Address, at: u64) -> Result<Vec<(Address, View)>, Refusal> {
        self.health(account, at)?;
        let (id, position) = (self.id, self.position(account)?);
        let [borrowed, accrued] = [BORROWED, ACCRUED].map(|word| self.words[word].ok_or(Refusal::Cold));
        let (borrowed, accrued) = (borrowed?, accrued?);
        let word = |value: u128| U256::from(value);
        let totals = [slots::low(borrowed), slots::high(borrowed), slots::low(accrued)].map(word);
        let market = View { data: abi::marketCall { id }.abi_encode(), due: (2..).zip(totals).collect() };
        let held = [position.shares, position.collateral].map(word);
        let of = View { data: abi::positionCall { id, user: account }.abi_encode(), due: (1..).zip(held).collect() };
        let price = self.price.ok_or(Refusal::Unpriced(self.params.oracle))?;
        let price = View { data: abi::priceCall {}.abi_encode(), due: vec![(0, price)] };
        Ok(vec![(self.contract, market), (self.contract, of), (self.params.oracle, price)])
    }

    /// What an account has as collateral, and owes, at a timestamp.
    ///
    /// # Errors
    /// Something is not known, or the contract would revert.
    pub(super) fn held(&self, account: Address, at: u64) -> Result<Vec<Holding>, Refusal> {
        let Params { loan, collateral, .. } = self.params;
        let (position, none) = (self.position(account)?, U256::ZERO);
        let debt = self.accrued(at, None)?.assets(U256::from(position.shares), true).ok_or(Refusal::Arithmetic)?;
        let held = Holding { asset: collateral, collateral: U256::from(position.collateral), debt: none };
        Ok(vec![held, Holding { asset: loan, collateral: none, debt }])
    }

    /// What units of an asset are worth by the oracle, in units of the loan token.
    pub(super) fn priced(&self, asset: Address, units: U256) -> Option<U256> {
        match asset {
            asset if asset == self.params.loan => Some(units),
            asset if asset == self.params.collateral => mul_div(units, self.price?, PRICE_SCALE),
            _ => None,
        }
    }

    /// The oracle's price, and the rate that the model gives for the market as it stands.
    pub(super) fn asks(&self) -> Vec<Question> {
        let Params { oracle, irm, .. } = self.params;
        let price = Question { about: About::Price(oracle), to: oracle, data: abi::priceCall {}.abi_encode().into() };
        let words = self.words.iter().flatten().flat_map(|word| [slots::low(*word), slots::high(*word)]);
        let [lent, lent_shares, owed, owed_shares, updated, fee] = words.collect::<Vec<_>>()[..] else {
            return vec![price];
        };
        let market = abi::Totals {
            totalSupplyAssets: lent,
            totalSupplyShares: lent_shares,
            totalBorrowAssets: owed,
            totalBorrowShares: owed_shares,
            lastUpdate: updated,
            fee,
        };
        let data = abi::borrowRateViewCall { marketParams: self.params.encoded(), market }.abi_encode().into();
        let rate = Question { about: About::Price(irm), to: irm, data };
        if irm.is_zero() { vec![price] } else { vec![price, rate] }
    }

    /// The contract that holds all markets.
    pub(super) const fn contract(&self) -> Address {
        self.contract
    }

    /// The market's parameters.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// The market's id.
    #[must_use]
    pub const fn id(&self) -> B256 {
        self.id
    }

    pub(super) fn borrower(&self, place: usize) -> Option<Address> {
        self.accounts.get(place).map(|(account, _)| *account)
    }

    /// The word with an account's debt and collateral; the one before it is what it has lent.
    fn slot(&self, account: Address) -> U256 {
        let positions = slots::of(self.id.into(), POSITIONS);
        let key = [B256::left_padding_from(account.as_slice()).0, positions.to_be_bytes::<32>()].concat();
        U256::from_be_bytes(keccak256(key).0).wrapping_add(U256::ONE)
    }

    pub(super) fn take(&mut self, account: Address) -> bool {
        let Ok(at) = u32::try_from(self.accounts.len()) else { return false };
        if self.by_account.contains_key(&account) {
            return false;
        }
        self.by_account.insert(account, at);
        self.by_slot.insert(self.slot(account), at);
        self.accounts.push((account, None));
        true
    }

    fn words(&self) -> [U256; 3] {
        [0_u64, 1, 2].map(|word| self.record.wrapping_add(U256::from(word)))
    }

    pub(super) fn unknown(&self, accounts: &[Address]) -> Vec<(Address, U256)> {
        let words = self.words().into_iter().zip(self.words).filter(|(_, word)| word.is_none()).map(|(slot, _)| slot);
        let known = |account: &Address| self.accounts.get(*self.by_account.get(account)? as usize);
        let accounts = accounts.iter().filter_map(known);
        let unknown = accounts.filter(|(_, word)| word.is_none()).map(|(account, _)| self.slot(*account));
        words.chain(unknown).map(|slot| (self.contract, slot)).collect()
    }

    pub(super) fn store(&mut self, slot: U256, value: U256) -> bool {
        if let Some(word) = self.words().iter().position(|word| *word == slot) {
            return self.words[word].replace(value) != Some(value);
        }
        let known = self.by_slot.get(&slot).and_then(|at| self.accounts.get_mut(*at as usize));
        known.is_some_and(|(_, word)| word.replace(value) != Some(value))
    }

    pub(super) fn owner_of(&self, slot: U256) -> Option<Address> {
        self.by_slot.get(&slot).and_then(|at| self.accounts.get(*at as usize)).map(|(account, _)| *account)
    }

    pub(super) fn feed(&self, feed: Address) -> Option<U256> {
        let answers = [(self.params.oracle, self.price), (self.params.irm, self.rate)];
        answers.into_iter().find(|(of, _)| *of == feed).and_then(|(_, answer)| answer)
    }

    pub(super) fn set_feed(&mut self, feed: Address, answer: U256) {
        if feed == self.params.oracle {
            self.price = Some(answer);
        }
        if feed == self.params.irm {
            self.rate = Some(answer);
        }
    }

    pub(super) fn position(&self, account: Address) -> Result<Position, Refusal> {
        let at = self.by_account.get(&account).ok_or(Refusal::Stranger)?;
        let word = self.accounts.get(*at as usize).and_then(|(_, word)| *word).ok_or(Refusal::Cold)?;
        Ok(Position { shares: slots::low(word), collateral: slots::high(word) })
    }

    /// What is owed at a timestamp (`_accrueInterest`).
    pub(super) fn accrued(&self, at: u64, feed: Option<(Address, U256)>) -> Result<Totals, Refusal> {
        let word = |index: usize| self.words[index].ok_or(Refusal::Cold);
        let (borrowed, last) = (word(BORROWED)?, slots::low(word(ACCRUED)?));
        if last == 0 {
            return Err(Refusal::Inactive);
        }
        let [assets, shares] = [slots::low(borrowed), slots::high(borrowed)].map(U256::from);
        let mut totals = Totals { assets, shares };
        let elapsed = U256::from(at).checked_sub(U256::from(last)).ok_or(Refusal::Arithmetic)?;
        if elapsed.is_zero() || self.params.irm.is_zero() {
            return Ok(totals);
        }
        let rate = self.answer(self.params.irm, self.rate, feed)?;
        let interest = compounded(rate, elapsed).and_then(|growth| Some(totals.assets.checked_mul(growth)? / WAD));
        let assets = interest.and_then(|interest| totals.assets.checked_add(interest));
        totals.assets = assets.filter(|assets| assets.bit_len() <= 128).ok_or(Refusal::Arithmetic)?;
        Ok(totals)
    }

    fn answer(&self, of: Address, known: Option<U256>, feed: Option<(Address, U256)>) -> Result<U256, Refusal> {
        match feed {
            Some((feed, answer)) if feed == of => Ok(answer),
            _ => known.ok_or(Refusal::Unpriced(of)),
        }
    }

    /// How a position stands (`_isHealthy`). The factor is ours, rounded down: it is below one exactly where the contract
    /// finds the position unhealthy.
    pub(super) fn stand(
        &self,
        position: &Position,
        totals: &Totals,
        feed: Option<(Address, U256)>,
    ) -> Result<Health, Refusal> {
        let price = self.answer(self.params.oracle, self.price, feed)?;
        let debt = totals.assets(U256::from(position.shares), true).ok_or(Refusal::Arithmetic)?;
        let worth = U256::from(position.collateral).checked_mul(price).ok_or(Refusal::Arithmetic)? / PRICE_SCALE;
        let limit = worth.checked_mul(self.params.lltv).ok_or(Refusal::Arithmetic)? / WAD;
        let factor = if debt.is_zero() { None } else { mul_div(limit, WAD, debt) };
        Ok(Health { collateral: worth, debt, limit, factor: factor.unwrap_or(U256::MAX) })
    }

    /// Works out a liquidation but for its size.
    pub(super) fn open_to(&self, account: Address, at: u64) -> Result<Ready, Refusal> {
        let totals = self.accrued(at, None)?;
        let position = self.position(account)?;
        Ok(Ready { totals, position, terms: self.terms(&position, &totals) })
    }

    /// At which price and for which incentive a position that sinks is seized, in this order.
    fn terms(&self, position: &Position, totals: &Totals) -> Result<[U256; 2], Refusal> {
        if !self.stand(position, totals, None)?.is_liquidatable() {
            return Err(Refusal::Healthy);
        }
        let price = self.answer(self.params.oracle, self.price, None)?;
        Ok([price, self.params.incentive().ok_or(Refusal::Arithmetic)?])
    }
}

/// A liquidation of which all but the size is worked out.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    totals: Totals,
    position: Position,
    /// Price and incentive. The contract looks at the amount before it looks at the health, and so is a refusal here.
    terms: Result<[U256; 2], Refusal>,
}

impl lending::Ready for Ready {
    fn most(&self) -> Result<Size, Refusal> {
        let all = Size::Shares(U256::from(self.position.shares));
        // Where the debt is worth more than the collateral, the collateral is the limit, and the rest is bad debt.
        match self.seize(all) {
            Ok(_) => Ok(all),
            Err(Refusal::TooLarge) => Ok(Size::Seize(U256::from(self.position.collateral))),
            Err(refusal) => Err(refusal),
        }
    }

    /// What a liquidation moves (`Morpho.liquidate`).
    fn seize(&self, size: Size) -> Result<Seizure, Refusal> {
        let Self { totals, position, terms } = *self;
        if matches!(size, Size::Seize(amount) | Size::Shares(amount) if amount.is_zero()) {
            return Err(Refusal::Dust);
        }
        let [price, incentive] = terms?;
        let (seized, shares) = match size {
            Size::Repay(_) => return Err(Refusal::Unsupported),
            Size::Seize(units) => (units, shares_for(&totals, units, price, incentive).ok_or(Refusal::Arithmetic)?),
            Size::Shares(shares) => (units_for(&totals, shares, price, incentive).ok_or(Refusal::Arithmetic)?, shares),
        };
        let repaid = totals.assets(shares, true).ok_or(Refusal::Arithmetic)?;
        let left = |have: u128, take: U256| U256::from(have).checked_sub(take).ok_or(Refusal::TooLarge);
        let (owing, held) = (left(position.shares, shares)?, left(position.collateral, seized)?);
        let mut bad_debt = U256::ZERO;
        if held.is_zero() {
            let rest = Totals {
                assets: totals.assets.saturating_sub(repaid),
                shares: totals.shares.checked_sub(shares).ok_or(Refusal::Arithmetic)?,
            };
            bad_debt = rest.assets(owing, true).ok_or(Refusal::Arithmetic)?.min(rest.assets);
        }
        Ok(Seizure { repaid, seized, fee: U256::ZERO, bad_debt })
    }
}

/// Shares to be repaid for units of collateral.
fn shares_for(totals: &Totals, units: U256, price: U256, incentive: U256) -> Option<U256> {
    let quoted = divide_up(units, price, PRICE_SCALE)?;
    totals.shares_up(divide_up(quoted, WAD, incentive)?)
}

/// Units of collateral for shares that are repaid.
fn units_for(totals: &Totals, shares: U256, price: U256, incentive: U256) -> Option<U256> {
    let worth = totals.assets(shares, false)?.checked_mul(incentive)? / WAD;
    worth.checked_mul(PRICE_SCALE)?.checked_div(price)
}
