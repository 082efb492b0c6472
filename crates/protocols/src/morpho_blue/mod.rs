//! Morpho Blue: one contract that holds isolated markets, each of one loan token and one collateral.
//!
//! A [`Market`] here is one of them. Its feeds are two: the oracle's `price()`, in units of the loan token for a unit of
//! collateral times 1e36, and the interest rate model's `borrowRate`, in wad a second.
//!
//! # Limits
//! - The rate is what the model answers for the block in question: models that adapt with time (`AdaptiveCurveIrm`) are not
//!   rebuilt here, they are asked through the EVM. It matters only from the market's last accrual to that block.

mod abi;
mod flash;
mod market;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;

use crate::amm::Applied;
use crate::amm::ApplyError;
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
use crate::lending::Size;
use crate::lending::market_spec::MarketSpec;
use crate::lending::market_spec::Pair;
use crate::site::Logs;
use crate::site::Slots;
use crate::site::StateSite;

pub use flash::FLASH;
pub use market::Market;
pub use market::Params;
pub use market::Ready;

impl Lending for Market {
    type Ready = Ready;

    fn protocol(&self) -> &'static str {
        Self::PROTOCOL
    }

    fn address(&self) -> Address {
        self.contract()
    }

    fn from_spec(spec: &MarketSpec) -> Option<Self> {
        Self::of_row(spec)
    }

    fn holdings(&self, account: Address, at: u64) -> Result<Vec<Holding>, Refusal> {
        self.held(account, at)
    }

    fn worth(&self, asset: Address, units: U256) -> Option<U256> {
        self.priced(asset, units)
    }

    fn views(&self, account: Address, at: u64) -> Result<Vec<(Address, View)>, Refusal> {
        self.viewed(account, at)
    }

    fn watch(&mut self, account: Address) {
        self.take(account);
    }

    fn account(&self, place: usize) -> Option<Address> {
        self.borrower(place)
    }

    fn missing_of(&self, accounts: &[Address]) -> Vec<(Address, U256)> {
        self.unknown(accounts)
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        let ours = if at == self.contract() { changes } else { &[] };
        let changed = ours.iter().fold(false, |changed, (slot, value)| self.store(*slot, *value) | changed);
        Ok(if changed { Applied::Changed } else { Applied::Irrelevant })
    }

    fn owner(&self, slot: U256) -> Option<Address> {
        self.owner_of(slot)
    }

    /// A market's parameters never change.
    fn is_term(&self, _at: Address, _slot: U256) -> bool {
        false
    }

    fn apply_log(&mut self, at: Address, topics: &[B256], _data: &[u8]) -> Result<Option<Address>, ApplyError> {
        let [signature, id, rest @ ..] = topics else { return Ok(None) };
        if (at, *signature, *id) != (self.contract(), abi::Borrow::SIGNATURE_HASH, self.id()) {
            return Ok(None);
        }
        let account = rest.first().ok_or(ApplyError::Topics { have: topics.len(), due: 4 })?;
        let account = Address::from_word(*account);
        Ok(self.take(account).then_some(account))
    }

    /// Of its own are a few slots and one a borrower, who come and go: cheaper found by asking than listed.
    fn sites(&self) -> Vec<StateSite> {
        vec![StateSite { at: self.contract(), slots: Slots::All, logs: Logs::Of(self.id()) }]
    }

    fn questions(&self) -> Vec<Question> {
        self.asks()
    }

    /// What is supplied is kept in the market's own books.
    fn receipt(&self, _asset: Address) -> Option<Address> {
        None
    }

    fn id(&self) -> Option<B256> {
        Some(Self::id(self))
    }

    fn asks_with_state(&self) -> bool {
        true
    }

    fn pair(&self) -> Option<Pair> {
        let Params { loan, collateral, irm, lltv, .. } = *self.params();
        Some(Pair { loan, collateral, irm, lltv })
    }

    fn is_anybodys(&self) -> bool {
        true
    }

    fn counted_in(&self) -> Option<Address> {
        Some(self.params().loan)
    }

    fn tokens(&self) -> Vec<Address> {
        vec![self.params().loan, self.params().collateral]
    }

    fn priced(&self, _: Address) -> Priced {
        let Params { loan, collateral, .. } = *self.params();
        Priced::Ratio { of: collateral, within: loan, decimals: market::PRICE_DECIMALS }
    }

    fn feeds(&self) -> Vec<Address> {
        let Params { oracle, irm, .. } = *self.params();
        [oracle, irm].into_iter().filter(|feed| !feed.is_zero()).collect()
    }

    fn feeds_of(&self, _account: Address) -> Vec<Address> {
        vec![self.params().oracle]
    }

    fn price(&self, feed: Address) -> Option<U256> {
        self.feed(feed)
    }

    fn set_price(&mut self, feed: Address, price: U256) {
        self.set_feed(feed, price);
    }

    /// The collateral of a market is never lent: it can always be paid out.
    fn set_cash(&mut self, _asset: Address, _units: U256) {}

    fn health_if(&self, account: Address, at: u64, feed: Option<(Address, U256)>) -> Result<Health, Refusal> {
        let position = self.position(account)?;
        self.stand(&position, &self.accrued(at, feed)?, feed)
    }

    fn pairs(&self, account: Address) -> Vec<(Address, Address)> {
        let open = self.position(account).is_ok_and(|position| position.shares != 0 && position.collateral != 0);
        let Params { loan, collateral, .. } = *self.params();
        open.then_some((loan, collateral)).into_iter().collect()
    }

    fn ready(&self, call: &Call, at: u64) -> Result<Ready, Refusal> {
        if call.receipt {
            return Err(Refusal::Unsupported);
        }
        if (call.debt, call.collateral) != (self.params().loan, self.params().collateral) {
            return Err(Refusal::Stranger);
        }
        self.open_to(call.account, at)
    }

    fn encode(&self, call: &Call) -> Result<Vec<u8>, Refusal> {
        let (seized, shares) = match call.size {
            Size::Seize(units) => (units, U256::ZERO),
            Size::Shares(shares) => (U256::ZERO, shares),
            Size::Repay(_) => return Err(Refusal::Unsupported),
        };
        let call = abi::liquidateCall {
            marketParams: self.params().encoded(),
            borrower: call.account,
            seizedAssets: seized,
            repaidShares: shares,
            data: Vec::new().into(),
        };
        Ok(call.abi_encode())
    }

    fn write_step(&self, sale: &PlannedSale, steps: &mut Steps) -> Result<(), Refusal> {
        sale.write(self.contract(), &self.encode(&sale.call)?, steps);
        Ok(())
    }
}
