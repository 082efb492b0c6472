//! What assets and base currencies are called, and how many decimals they have: asked of their contracts, for the eye.

use std::collections::HashMap;
use std::collections::HashSet;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::{Address, B256, Bytes, U256};
use futures_util::StreamExt;
use serde::Serialize;

use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::protocols::AnyLending;
use crate::protocols::lending::About;
use crate::protocols::lending::Lending;
use crate::protocols::lending::Priced;

alloy::sol! {
    function symbol() external view returns (string);
    function decimals() external view returns (uint256);
    function BASE_CURRENCY() external view returns (address);
    function BASE_CURRENCY_UNIT() external view returns (uint256);
    function WETH() external view returns (address);
}

/// Questions under way at once.
const IN_FLIGHT: usize = 16;
/// No symbol is longer.
const LONGEST: usize = 12;

/// A unit that amounts are counted in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// Decimals of the amounts.
    pub decimals: u8,
}

/// Those of all assets and oracles.
#[derive(Clone, Debug, Default)]
pub struct Names {
    tokens: HashMap<Address, Unit>,
    bases: HashMap<Address, Unit>,
}

/// `None`: it does not answer so.
async fn ask(chain: &Chain, at: B256, to: Address, data: Vec<u8>) -> Result<Option<Bytes>, ChainError> {
    match chain.views(at, &[(to, data.into())]).await {
        Ok(mut answers) => Ok(answers.pop().filter(|answer| answer.len() >= 32)),
        Err(ChainError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn word(answer: Option<&Bytes>) -> Option<U256> {
    answer?.get(..32).map(U256::from_be_slice)
}

impl Names {
    /// Asks for all that the markets name.
    pub async fn ask(chain: &Chain, at: B256, markets: &[AnyLending]) -> Result<Self, ChainError> {
        let mut names = Self::default();
        let (mut tokens, mut oracles) = (HashSet::new(), HashSet::new());
        for market in markets {
            tokens.extend(market.tokens());
            // A currency that is no token is the oracle's to name.
            if market.counted_in().is_none() {
                oracles.extend(oracle(market));
            }
        }
        let asked = tokens.into_iter().map(|token| async move { Ok((token, self::token(chain, at, token).await?)) });
        let mut asked = futures_util::stream::iter(asked).buffer_unordered(IN_FLIGHT);
        while let Some(answer) = asked.next().await {
            names.tokens.extend([answer?]);
        }
        for oracle in oracles {
            names.bases.insert(oracle, base(chain, at, oracle).await?);
        }
        Ok(names)
    }

    /// An asset's. One that did not say is called by its address, its amounts are as they are.
    #[must_use]
    pub fn token(&self, token: Address) -> Unit {
        self.tokens.get(&token).cloned().unwrap_or_else(|| Unit { name: short(token), decimals: 0 })
    }

    /// The currency that a market's healths are counted in.
    #[must_use]
    pub fn base(&self, market: &AnyLending) -> Unit {
        if let Some(token) = market.counted_in() {
            return self.token(token);
        }
        let base = oracle(market).and_then(|oracle| self.bases.get(&oracle).cloned());
        base.unwrap_or_else(|| Unit { name: "units".to_owned(), decimals: 0 })
    }

    /// What a feed prices, and the decimals of its price.
    #[must_use]
    pub fn feed(&self, market: &AnyLending, feed: Address) -> Unit {
        match market.priced(feed) {
            Priced::Asset(asset) => Unit { name: self.token(asset).name, decimals: self.base(market).decimals },
            Priced::Ratio { of, within, decimals } => {
                let [of, within] = [of, within].map(|token| self.token(token));
                let decimals = within.decimals.saturating_add(decimals).saturating_sub(of.decimals);
                Unit { name: format!("{}/{}", of.name, within.name), decimals }
            }
        }
    }
}

/// Who is asked for a market's prices.
fn oracle(market: &AnyLending) -> Option<Address> {
    market
        .questions()
        .into_iter()
        .find(|question| matches!(question.about, About::Price(_)))
        .map(|question| question.to)
}

async fn token(chain: &Chain, at: B256, token: Address) -> Result<Unit, ChainError> {
    let symbol = ask(chain, at, token, symbolCall {}.abi_encode()).await?;
    let decimals = word(ask(chain, at, token, decimalsCall {}.abi_encode()).await?.as_ref());
    let name = symbol.and_then(|answer| text(&answer)).unwrap_or_else(|| short(token));
    Ok(Unit { name, decimals: decimals.and_then(|decimals| u8::try_from(decimals).ok()).unwrap_or(0) })
}

/// A string; or a word that holds one, as the oldest tokens answer. What cannot be printed is left out.
fn text(answer: &Bytes) -> Option<String> {
    let text = match answer.len() {
        32 => String::from_utf8_lossy(answer).into_owned(),
        _ => String::abi_decode(answer).ok()?,
    };
    let text: String = text.chars().filter(|letter| letter.is_alphanumeric() || ".-+_".contains(*letter)).collect();
    (!text.is_empty()).then(|| text.chars().take(LONGEST).collect())
}

/// What an oracle of Aave's counts in: V3's says, and V2's counts in ether where it names wrapped ether.
async fn base(chain: &Chain, at: B256, oracle: Address) -> Result<Unit, ChainError> {
    let unit = word(ask(chain, at, oracle, BASE_CURRENCY_UNITCall {}.abi_encode()).await?.as_ref());
    let currency = word(ask(chain, at, oracle, BASE_CURRENCYCall {}.abi_encode()).await?.as_ref());
    if let (Some(unit), Some(currency)) = (unit, currency) {
        let decimals = u8::try_from(unit.checked_log10().unwrap_or(0)).unwrap_or(0);
        let name = if currency.is_zero() { "USD".to_owned() } else { short(Address::from_word(currency.into())) };
        return Ok(Unit { name, decimals });
    }
    let weth = word(ask(chain, at, oracle, WETHCall {}.abi_encode()).await?.as_ref());
    Ok(match weth.filter(|weth| !weth.is_zero()) {
        Some(_) => Unit { name: "ETH".to_owned(), decimals: 18 },
        None => Unit { name: "units".to_owned(), decimals: 0 },
    })
}

/// An address, for a column.
fn short(address: Address) -> String {
    let text = address.to_string();
    let [head, tail] = [text.get(..6), text.get(38..)].map(Option::unwrap_or_default);
    format!("{head}..{tail}")
}
