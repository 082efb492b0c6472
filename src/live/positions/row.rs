//! One position: how it stands, where it sinks, and what liquidating it would earn.

use alloy_primitives::utils::format_units;
use alloy_primitives::{Address, B256, I256, U256};
use serde::Serialize;
use serde::Serializer;

use crate::live::positions::names::Names;
use crate::live::positions::names::Unit;
use crate::protocols::AnyLending;
use crate::protocols::lending::Call;
use crate::protocols::lending::Health;
use crate::protocols::lending::Holding;
use crate::protocols::lending::Lending;
use crate::protocols::lending::Refusal;
use crate::protocols::lending::Seizure;
use crate::protocols::lending::choice;
use crate::protocols::lending::choice::LiquidationPrice;

/// What is said of a position. Amounts are decimal strings of the smallest units.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The row of the configuration.
    pub market: String,
    /// Its protocol.
    pub protocol: &'static str,
    /// The contract.
    pub address: Address,
    /// Which of its markets, where it holds many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<B256>,
    /// Who owes.
    pub account: Address,
    /// How it stands, in base currency.
    #[serde(flatten)]
    pub health: Stand,
    /// The base currency.
    pub base: Unit,
    /// What it holds and owes.
    pub assets: Vec<Asset>,
    /// For each price that it hangs on, where it sinks; the nearest first.
    pub edges: Vec<LiquidatableAt>,
    /// The best liquidation. None: none can be made, at the nearest edge either.
    pub liquidation: Option<Liquidation>,
}

/// Health, in base currency.
#[derive(Clone, Debug, Serialize)]
pub struct Stand {
    /// Under 1 it can be liquidated.
    #[serde(rename = "health_factor", serialize_with = "wad")]
    pub factor: U256,
    /// What its collateral is worth.
    #[serde(serialize_with = "decimal")]
    pub collateral: U256,
    /// What it owes.
    #[serde(serialize_with = "decimal")]
    pub debt: U256,
    /// What it may owe before it can be liquidated.
    #[serde(serialize_with = "decimal")]
    pub limit: U256,
}

/// An asset of a position.
#[derive(Clone, Debug, Serialize)]
pub struct Asset {
    /// The token.
    pub asset: Address,
    /// Its name and decimals.
    #[serde(flatten)]
    pub unit: Unit,
    /// Held as collateral.
    #[serde(serialize_with = "decimal")]
    pub collateral: U256,
    /// Owed.
    #[serde(serialize_with = "decimal")]
    pub debt: U256,
}

/// A price at which a position sinks, all else as it is.
#[derive(Clone, Debug, Serialize)]
pub struct LiquidatableAt {
    /// Whose price.
    pub feed: Address,
    /// Its name, and the decimals of the price.
    #[serde(flatten)]
    pub unit: Unit,
    /// The price now.
    #[serde(serialize_with = "decimal")]
    pub price: U256,
    /// The price from which on the position can be liquidated.
    #[serde(rename = "sinks_at", serialize_with = "decimal")]
    pub liquidatable_at: U256,
    /// "falling": at that price and under it. "rising": at that price and above.
    pub when: &'static str,
    /// How far that is from now, in percent of the price now; of a position that has sunk: how far back it is.
    pub distance_percent: String,
    /// The same in hundredths of a percent.
    #[serde(skip)]
    pub bps: I256,
}

/// A liquidation at oracle prices, before gas and whatever the sale of the collateral costs.
#[derive(Clone, Debug, Serialize)]
pub struct Liquidation {
    /// It can be made now; else at the nearest edge.
    pub now: bool,
    /// The asset that is repaid.
    pub debt: Address,
    /// The asset that is seized.
    pub collateral: Address,
    /// Units of the debt.
    #[serde(serialize_with = "decimal")]
    pub repaid: U256,
    /// Units of the collateral that the liquidator gets.
    #[serde(serialize_with = "decimal")]
    pub seized: U256,
    /// Units of the collateral that the protocol takes.
    #[serde(serialize_with = "decimal")]
    pub fee: U256,
    /// The seized less the repaid, in base currency.
    pub earns: I256,
}

fn wad<S: Serializer>(factor: &U256, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&units(*factor, 18))
}

fn decimal<S: Serializer>(amount: &U256, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(amount)
}

/// With all its decimals. Past 77 of them no number of 256 bits has as many digits.
pub(super) fn units(amount: U256, decimals: u8) -> String {
    match decimals {
        0 => amount.to_string(),
        _ => format_units(amount, decimals).unwrap_or_else(|_| amount.to_string()),
    }
}

fn signed(amount: U256) -> Option<I256> {
    I256::try_from(amount).ok()
}

impl Row {
    /// Looks at a position. The market is left as it is.
    pub fn new(
        (market, name): (&mut AnyLending, &str),
        (account, health): (Address, Health),
        at: u64,
        names: &Names,
    ) -> Result<Self, Refusal> {
        let asset = |held: Holding| Asset {
            asset: held.asset,
            unit: names.token(held.asset),
            collateral: held.collateral,
            debt: held.debt,
        };
        let assets = market.holdings(account, at)?.into_iter().map(asset).collect();
        let mut edges = Vec::new();
        for feed in market.feeds_of(account) {
            edges.extend(liquidatable_at(market, account, feed, at, names)?);
        }
        edges.sort_by_key(|edge: &LiquidatableAt| edge.bps.unsigned_abs());
        let liquidation = match health.is_liquidatable() {
            true => liquidation(market, account, at, true),
            false => edges.first().and_then(|edge| at_edge(market, account, at, edge)),
        };
        let Health { collateral, debt, limit, factor } = health;
        Ok(Self {
            market: name.to_owned(),
            protocol: market.protocol(),
            address: market.address(),
            id: market.id(),
            account,
            health: Stand { factor, collateral, debt, limit },
            base: names.base(market),
            assets,
            edges,
            liquidation,
        })
    }
}

/// `None`: this price alone does not sink it, or has no price.
fn liquidatable_at(
    market: &AnyLending,
    account: Address,
    feed: Address,
    at: u64,
    names: &Names,
) -> Result<Option<LiquidatableAt>, Refusal> {
    let Some(price) = market.price(feed).filter(|price| !price.is_zero()) else { return Ok(None) };
    let edge = choice::edge(market, account, feed, price, at)?;
    let Some((liquidatable_at, when)) = edge.map(|edge| match edge {
        LiquidationPrice::Falling(price) => (price, "falling"),
        LiquidationPrice::Rising(price) => (price, "rising"),
    }) else {
        return Ok(None);
    };
    let bps = signed(liquidatable_at)
        .zip(signed(price))
        .and_then(|(then, now)| then.checked_sub(now)?.checked_mul(I256::unchecked_from(10_000))?.checked_div(now));
    let bps = bps.unwrap_or(I256::MAX);
    Ok(Some(LiquidatableAt {
        feed,
        unit: names.feed(market, feed),
        price,
        liquidatable_at,
        when,
        distance_percent: percent(bps),
        bps,
    }))
}

/// Hundredths of a percent as percent.
fn percent(bps: I256) -> String {
    let (sign, size) = (if bps.is_negative() { "-" } else { "" }, bps.unsigned_abs());
    let (whole, rest) = size.div_rem(U256::from(100));
    format!("{sign}{whole}.{rest:0>2}")
}

/// What liquidating would earn once the price is there.
fn at_edge(market: &mut AnyLending, account: Address, at: u64, edge: &LiquidatableAt) -> Option<Liquidation> {
    market.set_price(edge.feed, edge.liquidatable_at);
    let found = liquidation(market, account, at, false);
    market.set_price(edge.feed, edge.price);
    found
}

/// The best by oracle prices: of the underlying, or where the market cannot pay that out, of its receipt.
fn liquidation(market: &AnyLending, account: Address, at: u64, now: bool) -> Option<Liquidation> {
    let worth = |call: &Call, seizure: &Seizure| {
        let got = signed(market.worth(call.collateral, seizure.seized)?)?;
        got.checked_sub(signed(market.worth(call.debt, seizure.repaid)?)?)
    };
    let best = |receipt| choice::best(market, account, receipt, at, worth);
    let chosen = best(false).or_else(|| best(true))?;
    let Seizure { repaid, seized, fee, .. } = chosen.seizure;
    let Call { debt, collateral, .. } = chosen.call;
    Some(Liquidation { now, debt, collateral, repaid, seized, fee, earns: chosen.worth })
}
