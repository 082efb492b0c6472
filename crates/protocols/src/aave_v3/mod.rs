//! Aave V3, as of 3.0.2: pools of reserves with categories of correlated assets, and a protocol's share of the bonus.
//!
//! # Limits
//! - The sentinel of a layer-two chain (`PriceOracleSentinel`) is not asked, so that a market behind one is judged while the sentinel forbids it.
//! - 3.1 and later have other close factors and debts that may not be left small: another version of this folder.
//! - Frozen, siloed and isolated reserves are liquidated like any other; only inactive and paused ones are not.

mod liquidation;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;

use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::discover::Probe;
use crate::discover::View;
use crate::execution::Steps;
use crate::lending::Call;
use crate::lending::Health;
use crate::lending::Holding;
use crate::lending::Lending;
use crate::lending::PlannedSale;
use crate::lending::Priced;
use crate::lending::Question;
use crate::lending::Refusal;
use crate::lending::aave;
use crate::lending::aave::balances::Valuation;
use crate::lending::aave::position::Position;
use crate::lending::aave::reserves::Reserves;
use crate::lending::discover::Lender;
use crate::lending::discover::Place;
use crate::lending::market_spec::MarketSpec;
use crate::lending::market_spec::Pair;
use crate::lending::slots;
use crate::lending::slots::Layout;
use crate::lending::slots::Packing;
use crate::math::ray;
use crate::site::StateSite;

pub use liquidation::Ready;

alloy::sol! {
    function POOL_REVISION() external view returns (uint256);
    function ADDRESSES_PROVIDER() external view returns (address);
    event Borrow(address indexed reserve, address user, address indexed onBehalfOf, uint256 amount, uint8 interestRateMode, uint256 borrowRate, uint16 indexed referralCode);
}

/// `Pool`, `AToken`, `StableDebtToken` and `VariableDebtToken` as deployed. Forks keep it.
pub const LAYOUT: Layout = Layout {
    reserves: 52,
    users: 53,
    list: 54,
    count: (59, 64),
    categories: Some((55, 56)),
    paused: None,
    supply: 52,
    variable: 56,
    principal: 56,
    rate: None,
    since: 62,
    packing: Packing::ByReserveSide,
};

/// The last `POOL_REVISION` of 3.0: the published 3.0.2 says 1, each upgrade of a live pool counted up to 3. From 3.1 on, which
/// is 4, liquidations have other rules.
const LAST_REVISION: u64 = 3;

/// A category's terms: the first word of `EModeCategory`.
#[derive(Clone, Copy, Debug)]
struct Category(U256);

impl Category {
    fn threshold(self) -> U256 {
        U256::from(slots::field(self.0, 16, 16))
    }

    fn bonus(self) -> U256 {
        U256::from(slots::field(self.0, 32, 16))
    }

    /// The one feed for all its assets, if it has one.
    fn source(self) -> Option<Address> {
        let source = slots::word_address(self.0 >> 48);
        (!source.is_zero()).then_some(source)
    }
}

/// A pool with its reserves and positions.
#[derive(Clone, Debug)]
pub struct Market {
    reserves: Reserves,
}

impl Market {
    /// Name in output, config and metrics.
    pub const PROTOCOL: &str = "aave_v3";

    /// How pools and their borrowers are found.
    pub const LENDER: Lender =
        Lender { many: false, topics: &[Borrow::SIGNATURE_HASH], heard: aave::heard, open: Self::open };

    fn open(probe: &mut dyn Probe, place: &Place) -> Result<MarketSpec, String> {
        let revision = probe.call(place.address, &POOL_REVISIONCall {}.abi_encode()).word(0);
        let revision = revision.ok_or("is no pool of aave v3: it does not say its revision")?;
        if revision.is_zero() || revision > U256::from(LAST_REVISION) {
            return Err(format!(
                "is of pool revision {revision}: 1 to {LAST_REVISION} (aave 3.0) are known here, others liquidate by other rules"
            ));
        }
        aave::open(probe, place, Self::PROTOCOL, &ADDRESSES_PROVIDERCall {}.abi_encode())
    }

    /// A pool of which nothing is known yet.
    #[must_use]
    pub fn new(pool: Address, layout: Layout) -> Self {
        Self { reserves: Reserves::new(pool, layout) }
    }

    /// The category that an account has chosen.
    fn category(&self, position: &Position) -> Result<Option<(u8, Category)>, Refusal> {
        match position.category.ok_or(Refusal::Cold)? {
            0 => Ok(None),
            id => Ok(Some((id, Category(self.reserves.category(id)?)))),
        }
    }

    /// What the category's own feed says, for all its assets; `None` where each has its own price.
    fn common_price(
        &self,
        chosen: Option<(u8, Category)>,
        feed: Option<(Address, U256)>,
    ) -> Result<Option<U256>, Refusal> {
        let source = chosen.and_then(|(_, category)| category.source());
        let price = source.map(|source| self.reserves.price(source, feed)).transpose()?;
        Ok(price.filter(|price| !price.is_zero()))
    }
}

/// `MathUtils.calculateCompoundedInterest`: three terms of the binomial, the year's seconds divided out at the end.
fn compounded(rate: U256, elapsed: U256) -> Option<U256> {
    let [one, two] = [1, 2].map(|less| elapsed.saturating_sub(U256::from(less)));
    let square = ray::ray_mul(rate, rate)? / (ray::YEAR * ray::YEAR);
    let cube = ray::ray_mul(square, rate)? / ray::YEAR;
    let second = elapsed.checked_mul(one)?.checked_mul(square)? >> 1;
    let third = elapsed.checked_mul(one)?.checked_mul(two)?.checked_mul(cube)? / U256::from(6);
    let first = rate.checked_mul(elapsed)? / ray::YEAR;
    ray::RAY.checked_add(first)?.checked_add(second)?.checked_add(third)
}

impl Lending for Market {
    type Ready = Ready;

    fn protocol(&self) -> &'static str {
        Self::PROTOCOL
    }

    fn address(&self) -> Address {
        self.reserves.pool()
    }

    /// Forks keep the layout.
    fn from_spec(spec: &MarketSpec) -> Option<Self> {
        Some(Self { reserves: Reserves::new(spec.address, LAYOUT).priced_by(spec.oracle) })
    }

    fn holdings(&self, account: Address, at: u64) -> Result<Vec<Holding>, Refusal> {
        self.reserves.holdings(account, at, compounded)
    }

    fn worth(&self, asset: Address, units: U256) -> Option<U256> {
        self.reserves.worth(asset, units)
    }

    fn views(&self, account: Address, at: u64) -> Result<Vec<(Address, View)>, Refusal> {
        Ok(vec![(self.reserves.pool(), aave::view(account, &self.health(account, at)?))])
    }

    fn watch(&mut self, account: Address) {
        self.reserves.watch(account);
    }

    fn account(&self, place: usize) -> Option<Address> {
        self.reserves.positions().get(place).map(|position| position.account)
    }

    fn missing_of(&self, accounts: &[Address]) -> Vec<(Address, U256)> {
        self.reserves.missing_of(accounts)
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        self.reserves.apply_slots(at, changes)
    }

    fn owner(&self, slot: U256) -> Option<Address> {
        self.reserves.owner(slot)
    }

    fn is_term(&self, at: Address, slot: U256) -> bool {
        self.reserves.is_term(at, slot)
    }

    fn apply_log(&mut self, at: Address, topics: &[B256], _data: &[u8]) -> Result<Option<Address>, ApplyError> {
        self.reserves.borrowed(at, topics, Borrow::SIGNATURE_HASH)
    }

    fn sites(&self) -> Vec<StateSite> {
        self.reserves.sites()
    }

    fn questions(&self) -> Vec<Question> {
        aave::questions(&self.reserves, &self.feeds())
    }

    fn receipt(&self, asset: Address) -> Option<Address> {
        self.reserves.receipt(asset)
    }

    fn asks_with_state(&self) -> bool {
        false
    }

    fn pair(&self) -> Option<Pair> {
        None
    }

    fn is_anybodys(&self) -> bool {
        false
    }

    fn counted_in(&self) -> Option<Address> {
        None
    }

    fn tokens(&self) -> Vec<Address> {
        self.reserves.listed().map(|(_, asset)| asset).collect()
    }

    fn priced(&self, feed: Address) -> Priced {
        Priced::Asset(feed)
    }

    fn feeds(&self) -> Vec<Address> {
        let own = self.reserves.listed().map(|(_, asset)| asset);
        own.chain(self.reserves.categories().filter_map(|word| Category(word).source())).collect()
    }

    fn feeds_of(&self, account: Address) -> Vec<Address> {
        let chosen = self.reserves.position(account).and_then(|position| self.category(position)).ok().flatten();
        let source = chosen.and_then(|(_, category)| category.source());
        self.reserves.used_by(account).chain(source).collect()
    }

    fn price(&self, feed: Address) -> Option<U256> {
        self.reserves.price(feed, None).ok()
    }

    fn set_price(&mut self, feed: Address, price: U256) {
        self.reserves.set_price(feed, price);
    }

    fn set_cash(&mut self, asset: Address, units: U256) {
        self.reserves.set_cash(asset, units);
    }

    fn health_if(&self, account: Address, at: u64, feed: Option<(Address, U256)>) -> Result<Health, Refusal> {
        let position = self.reserves.position(account)?;
        let chosen = self.category(position)?;
        // The contract asks for it first, but not for an account that uses nothing.
        let used = position.uses().next().is_some();
        let common = if used { self.common_price(chosen, feed)? } else { None };
        self.reserves.account(position, at, compounded, |asset, config| {
            let own = || self.reserves.price(asset, feed);
            match chosen.filter(|(id, _)| *id == config.category()) {
                Some((_, category)) => {
                    Ok(Valuation { price: common.map_or_else(own, Ok)?, threshold: category.threshold() })
                }
                None => Ok(Valuation { price: own()?, threshold: config.threshold() }),
            }
        })
    }

    fn pairs(&self, account: Address) -> Vec<(Address, Address)> {
        self.reserves.pairs(account)
    }

    fn ready(&self, call: &Call, at: u64) -> Result<Ready, Refusal> {
        liquidation::ready(self, call, at)
    }

    fn encode(&self, call: &Call) -> Result<Vec<u8>, Refusal> {
        aave::encode(call)
    }

    fn write_step(&self, sale: &PlannedSale, steps: &mut Steps) -> Result<(), Refusal> {
        aave::write_step(self.address(), sale, self.receipt(sale.call.collateral), steps)
    }
}
