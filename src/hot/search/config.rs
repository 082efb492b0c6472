//! The `[search]` table: how far and from where to look for cycles.

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};

use crate::chain;
use crate::hot::search::Budget;
use crate::hot::search::DEFAULT_HOPS;
use crate::hot::search::MAX_HOPS;
use crate::hot::search::sizing::Effort;
use crate::protocols;
use crate::protocols::flash::Funding;
use crate::types::id::TokenId;
use crate::types::wei_text;

/// More walks than anyone waits for, and few enough to count in 32 bits.
const MOST_EVALUATIONS: u32 = 100_000_000;

/// Cycles screened an event: more than any hub pool has among the pools we can hold, in a few milliseconds.
const SCREEN_BUDGET: u64 = 1_000_000;

/// Walks an event: about a hundred cycles at the usual effort, in one or two milliseconds (README, "Speed").
const SIZING_BUDGET: u64 = 10_000;

/// What the executor holds of a token, and a cycle may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Capital {
    /// One of the base tokens.
    pub token: Address,
    /// The most of it that one run spends, in its smallest unit.
    #[serde(with = "wei_text")]
    pub most: U256,
}

/// Who lends a token for the length of a run, and asks nothing for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lender {
    /// How it is asked: a name of [`FLASH_LENDERS`](crate::protocols::FLASH_LENDERS).
    pub protocol: String,
    /// The contract.
    pub address: Address,
    /// One of the base tokens.
    pub token: Address,
    /// The most of it that one run borrows, in its smallest unit.
    #[serde(with = "wei_text")]
    pub most: U256,
}

/// Settings of the search.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Longest cycle, in hops.
    pub max_hops: usize,
    /// Tokens a cycle may start from, highest priority first. The first is the wrapped native token, in which profit
    /// is valued.
    pub base_tokens: Vec<Address>,
    /// What the executor holds itself. Where no pool of a cycle lends what it begins with, it begins with this; else it is not spent.
    pub capital: Vec<Capital>,
    /// Who lends what no pool of a cycle does, and what the executor may not spend: the first that can is asked.
    pub lenders: Vec<Lender>,
    /// Least gross profit, in wei of ether before gas. Cycles below it are counted and dropped.
    #[serde(with = "wei_text")]
    pub min_profit_wei: U256,
    /// Most exact walks of one cycle while its input is polished.
    pub evaluations: u32,
    /// The refinement stops when no input could add more than this share of the profit: 2 to the power of minus this. Nor
    /// does it go on for what rounding alone takes, once good guesses at that were tried.
    /// 128: goes on until no input is better by more than one unit.
    pub tolerance_bits: u32,
    /// Walks spent on the last unit, once no input can add more than that. None by default: it is worth less than the tens of
    /// microseconds that it takes.
    pub last_unit: u32,
    /// Most cycles screened an event. The others are counted as `unscreened`.
    pub screen_budget: u64,
    /// Most walks an event while cycles are sized, the most promising first. Those left are counted as `unsized`.
    pub sizing_budget: u64,
}

/// What of a token one run can move.
const AMOUNT: &str = "1 to 2^128 - 1";

fn is_amount(most: &U256) -> bool {
    u128::try_from(*most).is_ok_and(|most| most != 0)
}

impl Lender {
    /// As [`Config::out_of_range`].
    fn out_of_range(&self, bases: &[Address]) -> Option<(&'static str, String, &'static str)> {
        if protocols::flash_lender(&self.protocol).is_none() {
            return Some(("search.lenders.protocol", self.protocol.clone(), protocols::FLASH_LENDER_NAMES));
        }
        if self.address.is_zero() {
            return Some(("search.lenders.address", self.address.to_string(), "the lender's contract"));
        }
        if !bases.contains(&self.token) {
            return Some(("search.lenders.token", self.token.to_string(), "a base token"));
        }
        (!is_amount(&self.most)).then(|| ("search.lenders.most", self.most.to_string(), AMOUNT))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_hops: DEFAULT_HOPS,
            base_tokens: chain::DEFAULT.base_tokens.to_vec(),
            capital: Vec::new(),
            lenders: Vec::new(),
            min_profit_wei: U256::from(1),
            evaluations: Effort::USUAL.evaluations,
            tolerance_bits: Effort::USUAL.tolerance_bits,
            last_unit: 0,
            screen_budget: SCREEN_BUDGET,
            sizing_budget: SIZING_BUDGET,
        }
    }
}

impl Config {
    /// For a search that is not in a hurry: the defaults, with [`Effort::USUAL`].
    #[must_use]
    pub fn patient() -> Self {
        Self { last_unit: Effort::USUAL.last_unit, ..Self::default() }
    }

    /// The first value that makes no sense: key, value, what is due.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        if !(2..=MAX_HOPS).contains(&self.max_hops) {
            return Some(("search.max_hops", self.max_hops.to_string(), "2 to 6"));
        }
        if !(1..=MOST_EVALUATIONS).contains(&self.evaluations) {
            return Some(("search.evaluations", self.evaluations.to_string(), "1 to 100000000"));
        }
        for (key, budget) in
            [("search.screen_budget", self.screen_budget), ("search.sizing_budget", self.sizing_budget)]
        {
            if budget == 0 {
                return Some((key, budget.to_string(), "at least 1"));
            }
        }
        for (at, Capital { token, most }) in self.capital.iter().enumerate() {
            let is_held = self.capital[..at].iter().any(|before| before.token == *token);
            if is_held || !self.base_tokens.contains(token) {
                return Some(("search.capital.token", token.to_string(), "a base token, each once"));
            }
            if !is_amount(most) {
                return Some(("search.capital.most", most.to_string(), AMOUNT));
            }
        }
        if let Some(wrong) = self.lenders.iter().find_map(|lender| lender.out_of_range(&self.base_tokens)) {
            return Some(wrong);
        }
        let twice = |(at, token): &(usize, &Address)| self.base_tokens[..*at].contains(token);
        let (_, token) =
            self.base_tokens.iter().enumerate().find(|(at, token)| token.is_zero() || twice(&(*at, *token)))?;
        let found = if token.is_zero() { "address 0".to_owned() } else { format!("{token} twice") };
        Some(("search.base_tokens", found, "each token once"))
    }

    /// Out of what cycles can begin that nothing on them lends for: what the executor holds first.
    #[must_use]
    pub fn fundings(&self) -> Vec<Funding> {
        let held = self.capital.iter().map(|held| (held.token, held.most, None));
        let lent = self.lenders.iter().filter_map(|row| {
            let lender = (protocols::flash_lender(&row.protocol)?, row.address);
            Some((row.token, row.most, Some(lender)))
        });
        held.chain(lent).map(|(token, most, lender)| Funding { token, most: most.saturating_to(), lender }).collect()
    }

    /// The same, by the tokens of a table.
    #[must_use]
    pub fn fundings_by(&self, mut id: impl FnMut(Address) -> TokenId) -> Vec<(TokenId, Funding)> {
        self.fundings().into_iter().map(|funding| (id(funding.token), funding)).collect()
    }

    /// How much work an event is worth.
    #[must_use]
    pub const fn budget(&self) -> Budget {
        Budget { cycles: self.screen_budget, walks: self.sizing_budget }
    }

    /// How much work a cycle is worth.
    #[must_use]
    pub const fn effort(&self) -> Effort {
        Effort { evaluations: self.evaluations, tolerance_bits: self.tolerance_bits, last_unit: self.last_unit }
    }
}
