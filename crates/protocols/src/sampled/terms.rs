//! What a row says of a pool: its tokens, who is asked, and the functions each way.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use crate::amm::Leg;
use crate::discover::Described;
use crate::sampled::call::{Filling, Function};
use crate::types::pool_key::PoolKey;

/// Most tokens of a pool: each pair is sampled both ways.
pub const MOST_TOKENS: usize = 8;

/// What does not change of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    pub(super) key: PoolKey,
    pub(super) tokens: Vec<Address>,
    /// The place of the token that is ether to the contract, and how it names that.
    pub(super) ether: Option<(usize, Address)>,
    /// Who is asked.
    pub(super) quoter: Address,
    forth: Calls,
    /// From the second token to the first, where `forth` does not say which token goes in.
    back: Option<Calls>,
}

/// What is asked, and what is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Calls {
    pub(super) quote: Function,
    pub(super) swap: Function,
}

impl Calls {
    fn parse(quote: &str, swap: &str) -> Result<Self, String> {
        let calls = Self { quote: Function::parse(quote)?, swap: Function::parse(swap)? };
        for (name, function) in [(quote, &calls.quote), (swap, &calls.swap)] {
            if !function.takes_amount() {
                return Err(format!("\"{name}\" takes no amount_in"));
            }
        }
        if calls.quote.says_direction() != calls.swap.says_direction() {
            return Err("of quote and swap one says which token goes in, and the other does not".to_owned());
        }
        Ok(calls)
    }
}

impl Terms {
    /// A pool as a row describes it. `wrapped`: the token that stands for ether.
    ///
    /// # Errors
    /// What of it makes no sense.
    pub fn new(key: PoolKey, row: &Described, wrapped: Option<Address>) -> Result<Self, String> {
        let forth = Calls::parse(&row.quote, &row.swap)?;
        let back = match (&row.quote_back, &row.swap_back) {
            (Some(quote), Some(swap)) => Some(Calls::parse(quote, swap)?),
            (None, None) => None,
            _ => return Err("of quote_back and swap_back there is one".to_owned()),
        };
        let blind = !forth.quote.says_direction();
        if back.as_ref().is_some_and(|back| !blind || back.quote.says_direction()) {
            return Err("quote_back stands beside functions that say which token goes in".to_owned());
        }
        if blind && row.tokens.len() > 2 {
            return Err("its functions do not say which of its tokens goes in".to_owned());
        }
        let is_ether = |token: &Address| Some(*token) == row.ether;
        let place = row.tokens.iter().position(is_ether);
        let ether = match (place.or_else(|| row.tokens.iter().position(|token| Some(*token) == wrapped)), row.ether) {
            (Some(place), Some(named)) => Some((place, named)),
            (None, Some(_)) => {
                return Err("it names ether, and none of its tokens is ether or stands for it".to_owned());
            }
            _ => None,
        };
        let mut tokens = row.tokens.clone();
        if let Some(place) = place {
            tokens[place] = wrapped.ok_or("it takes ether, and no token stands for that here")?;
        }
        let twice = tokens.iter().enumerate().any(|(at, token)| tokens[..at].contains(token));
        if tokens.len() < 2 || tokens.len() > MOST_TOKENS || twice || tokens.contains(&Address::ZERO) {
            return Err(format!("its tokens are not 2 to {MOST_TOKENS} different ones"));
        }
        Ok(Self { key, tokens, ether, quoter: row.quoter.unwrap_or(key.contract), forth, back })
    }

    /// What is asked and told of a leg. `None`: it is closed.
    pub(super) fn calls(&self, leg: Leg) -> Option<&Calls> {
        let forth = self.forth.quote.says_direction() || leg.zero_for_one();
        if forth { Some(&self.forth) } else { self.back.as_ref() }
    }

    pub(super) fn filling(&self, leg: Leg, amount_in: u128, recipient: Address) -> Filling {
        let named = |place: usize| match self.ether {
            Some((ether, named)) if ether == place => named,
            _ => self.tokens.get(place).copied().unwrap_or_default(),
        };
        Filling { leg, tokens: [named(leg.token_in()), named(leg.token_out())], amount_in, recipient }
    }

    pub(super) fn legs(&self) -> impl Iterator<Item = Leg> + '_ {
        let pairs = self.tokens.iter().flat_map(|one| self.tokens.iter().map(move |other| (*one, *other)));
        pairs.filter_map(|(one, other)| Leg::find(&self.tokens, one, other))
    }

    /// Position of a leg among [`Terms::legs`].
    pub(super) fn place(&self, leg: Leg) -> usize {
        let (i, o) = (leg.token_in(), leg.token_out());
        i * (self.tokens.len() - 1) + o - usize::from(o > i)
    }
}
