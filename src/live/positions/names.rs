//! What assets and base currencies are called, and how many decimals they have: asked of their contracts, for the eye.
//!
//! # Invariants
//! - A symbol is whatever its token says. One that could be taken for another's is shown with the token's address, whole: a short
//!   one can be made to order.

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
use crate::types::text::printable;

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
/// Currencies that are no token; an oracle counts in them.
const CURRENCIES: [&str; 2] = ["ETH", "USD"];

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
    /// Asks for all that the markets name. `known`: tokens that everybody knows, whose symbols nobody else has.
    pub async fn ask(chain: &Chain, at: B256, markets: &[AnyLending], known: &[Address]) -> Result<Self, ChainError> {
        let mut names = Self::default();
        let (mut tokens, mut oracles) = (known.iter().copied().collect::<HashSet<_>>(), HashSet::new());
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
        tell_apart(&mut names.tokens);
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

/// A string; or a word that holds one, as the oldest tokens answer. What is no letter or sign of the usual ones shows as `?`.
fn text(answer: &Bytes) -> Option<String> {
    let text = match answer.len() {
        32 => String::from_utf8_lossy(answer).into_owned(),
        _ => String::abi_decode(answer).ok()?,
    };
    let text = printable(text.trim_matches('\0'), LONGEST);
    let shown = |letter: char| if letter.is_ascii_alphanumeric() || ".-+_".contains(letter) { letter } else { '?' };
    let text: String = text.trim().chars().map(shown).collect();
    (!text.is_empty()).then_some(text)
}

/// Puts its address behind each name that could be taken for another's: letters that are not shown, a symbol that two tokens
/// have, or that only looks like another one's or a currency's.
fn tell_apart(tokens: &mut HashMap<Address, Unit>) {
    let mut count: HashMap<String, usize> = HashMap::new();
    let all = tokens.values().map(|unit| unit.name.as_str()).chain(CURRENCIES);
    all.for_each(|name| *count.entry(to_the_eye(name)).or_default() += 1);
    for (token, unit) in tokens {
        let alike = count.get(&to_the_eye(&unit.name)).is_some_and(|count| *count > 1);
        if alike || unit.name.contains('?') || unit.name.ends_with("..") {
            unit.name = format!("{} ({token})", unit.name);
        }
    }
}

/// The same for symbols that are easily taken for one another.
fn to_the_eye(name: &str) -> String {
    let letter = |letter: char| match letter.to_ascii_lowercase() {
        '0' => 'o',
        '1' | 'i' => 'l',
        '5' => 's',
        '8' => 'b',
        other => other,
    };
    let letters: String = name.chars().filter(|letter| !".-+_".contains(*letter)).map(letter).collect();
    letters.replace("rn", "m").replace("vv", "w")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(symbols: &[&str]) -> Vec<String> {
        let address = |at: usize| Address::with_last_byte(u8::try_from(at).expect("few"));
        let unit = |symbol: &str| Unit { name: text(&symbol.abi_encode().into()).expect("a name"), decimals: 6 };
        let mut tokens = symbols.iter().enumerate().map(|(at, symbol)| (address(at), unit(symbol))).collect();
        tell_apart(&mut tokens);
        let of = |at| tokens[&address(at)].name.replace(&address(at).to_string(), "its address");
        (0..symbols.len()).map(of).collect()
    }

    #[test]
    fn symbols_that_are_alike_are_shown_with_their_addresses_and_others_are_not() {
        assert_eq!(shown(&["USDC", "WETH", "aUSDC", "stETH", "1INCH"]), ["USDC", "WETH", "aUSDC", "stETH", "1INCH"]);
        for (other, named) in [
            ("USDC", "USDC (its address)"),
            ("usdc", "usdc (its address)"),
            ("U5DC", "U5DC (its address)"),
            ("USD.C", "USD.C (its address)"),
            ("USDC ", "USDC (its address)"),
            ("US\u{200b}DC", "US?DC (its address)"),
            ("USD\u{421}", "USD? (its address)"),
            ("\u{1b}[8mUSDC", "USDC (its address)"),
        ] {
            let both = shown(&["USDC", other]);
            assert_eq!(both[1], named, "{other:?}");
            // The other one is told apart, too, where the two are one to the eye.
            assert_eq!(both[0] == "USDC", named.contains('?'), "{other:?}");
        }
        assert_eq!(shown(&["ETH", "USD", "U$D"]), ["ETH (its address)", "USD (its address)", "U?D (its address)"]);
        assert_eq!(shown(&["averylongsymbol"]), ["averylongs.. (its address)"]);
    }
}
