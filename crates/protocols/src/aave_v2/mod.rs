//! Aave V2: pools of reserves; half of a debt may be repaid at once, and the whole bonus is the liquidator's.
//!
//! # Limits
//! - Frozen reserves are liquidated like any other; only inactive ones and a paused pool are not.

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
use crate::lending::aave::reserves::Reserves;
use crate::lending::discover::Lender;
use crate::lending::discover::Place;
use crate::lending::market_spec::MarketSpec;
use crate::lending::market_spec::Pair;
use crate::lending::slots::Layout;
use crate::lending::slots::Packing;
use crate::math::ray;
use crate::site::StateSite;

pub use liquidation::Ready;

alloy::sol! {
    function getAddressesProvider() external view returns (address);
    event Borrow(address indexed reserve, address user, address indexed onBehalfOf, uint256 amount, uint256 borrowRateMode, uint256 borrowRate, uint16 indexed referral);
}

/// `LendingPool`, `AToken`, `StableDebtToken` and `VariableDebtToken` as deployed. Forks keep it.
pub const LAYOUT: Layout = Layout {
    reserves: 53,
    users: 54,
    list: 55,
    count: (56, 0),
    categories: None,
    paused: Some(57),
    supply: 52,
    variable: 0,
    principal: 0,
    rate: Some(61),
    since: 60,
    packing: Packing::IndexesThenRates,
};

/// A pool with its reserves and positions.
#[derive(Clone, Debug)]
pub struct Market {
    reserves: Reserves,
}

impl Market {
    /// Name in output, config and metrics.
    pub const PROTOCOL: &str = "aave_v2";

    /// How pools and their borrowers are found.
    pub const LENDER: Lender =
        Lender { many: false, topics: &[Borrow::SIGNATURE_HASH], heard: aave::heard, open: Self::open };

    fn open(probe: &mut dyn Probe, place: &Place) -> Result<MarketSpec, String> {
        aave::open(probe, place, Self::PROTOCOL, &getAddressesProviderCall {}.abi_encode())
    }

    /// A pool of which nothing is known yet.
    #[must_use]
    pub fn new(pool: Address, layout: Layout) -> Self {
        Self { reserves: Reserves::new(pool, layout) }
    }
}

/// `MathUtils.calculateCompoundedInterest`: three terms of the binomial, of a rate a second.
fn compounded(rate: U256, elapsed: U256) -> Option<U256> {
    let [one, two] = [1, 2].map(|less| elapsed.saturating_sub(U256::from(less)));
    let rate = rate / ray::YEAR;
    let square = ray::ray_mul(rate, rate)?;
    let cube = ray::ray_mul(square, rate)?;
    let second = elapsed.checked_mul(one)?.checked_mul(square)? >> 1;
    let third = elapsed.checked_mul(one)?.checked_mul(two)?.checked_mul(cube)? / U256::from(6);
    ray::RAY.checked_add(rate.checked_mul(elapsed)?)?.checked_add(second)?.checked_add(third)
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
        self.reserves.listed().map(|(_, asset)| asset).collect()
    }

    fn feeds_of(&self, account: Address) -> Vec<Address> {
        self.reserves.used_by(account).collect()
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
        self.reserves.account(position, at, compounded, |asset, config| {
            Ok(Valuation { price: self.reserves.price(asset, feed)?, threshold: config.threshold() })
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
