//! Lending markets on the devnet: Aave V3, Aave V2 and Morpho Blue whole, their prices by Chainlink's contracts, and people who
//! owe.
//!
//! - `aave_v3`, `aave_v2`, `morpho_blue`: the markets; `market`: what they share. `feeds`: aggregators behind proxies. `borrowers`: who owes what. `prices`: answers as they come.
//!
//! # Invariants
//! - It stands after everything else and draws from dice of its own: the pools of a seed are the same with it and without.
//! - Who owes what follows from the seed. All are healthy when it is done.
//!
//! # Limits
//! - Prices walk by themselves, near where the pools opened: they do not follow the pools.
//! - One account answers for all feeds; mainnet's aggregators take one report of many.

mod aave_v2;
mod aave_v3;
mod abi;
mod borrowers;
mod feeds;
mod market;
mod morpho_blue;
mod prices;

use alloy_primitives::Address;
use alloy_primitives::keccak256;
use peregrine_protocols::lending::market_spec::MarketSpec;
use peregrine_protocols::lending::market_spec::Pair;

use crate::DevnetError;
use crate::chain::Chain;
use crate::chain::Step;
use crate::dice::Dice;
use crate::seed::Token;
use crate::seed::place;
use crate::wallet::Wallet;

pub use borrowers::Borrower;
pub use feeds::Feed;
pub use market::Market;
pub use prices::Prices;

/// What may be lent, owed and pledged: places in the token list.
pub(super) const LISTED: [usize; 6] = [0, 1, 2, 3, 4, 5];

/// What stands.
#[derive(Clone, Debug)]
pub struct Lending {
    /// The markets.
    pub markets: Vec<Market>,
    /// Where each reserve's price comes from, in the order of the tokens.
    pub feeds: Vec<Feed>,
    /// Who owes.
    pub borrowers: Vec<Borrower>,
    /// Who answers for the feeds.
    pub reporter: Wallet,
}

impl Lending {
    /// The markets as rows of a configuration, each with its borrowers.
    #[must_use]
    pub fn seeds(&self) -> Vec<MarketSpec> {
        let seed = |(place, market): (usize, &Market)| MarketSpec {
            protocol: market.name.to_owned(),
            address: market.pool,
            oracle: market.oracle,
            pair: market.pair,
            accounts: self.borrowers.iter().filter(|b| b.market == place).map(|b| b.account).collect(),
        };
        self.markets.iter().enumerate().map(seed).collect()
    }
}

impl Lending {
    /// One more of Morpho's markets: of the first one's tokens, oracle and rates, with the last one's bound on what may be owed.
    #[must_use]
    pub fn another(&self) -> Option<Market> {
        let mut pairs = self.markets.iter().filter_map(|market| Some((*market, market.pair?)));
        let (first, pair) = pairs.next()?;
        let (_, last) = pairs.next_back()?;
        Some(Market { pair: Some(Pair { lltv: last.lltv, ..pair }), ..first })
    }

    /// What `owner`, whose tokens these are, calls to make that market, lend there, and owe so many thousandths of what may be owed
    /// on so many dollars.
    pub(crate) fn opening(&self, tokens: &[Token], owner: Address, (usd, per_mille): (u64, u64)) -> Option<Vec<Step>> {
        let market = self.another()?;
        let pair = market.pair?;
        let of = |address| tokens.iter().find(|token| token.address == address);
        let (loan, collateral) = (of(pair.loan)?, of(pair.collateral)?);
        let owed = usd * market.most(collateral) / 10_000 * per_mille / 1_000;
        let mut steps = vec![Step::call("a market", market.pool, morpho_blue::create(&market, &pair))];
        steps.extend(morpho_blue::supply(&market, &pair, loan, owner, usd));
        steps.extend(market.supply_collateral(collateral, owner, usd));
        steps.push(Step::call("a loan", market.pool, market.borrow(loan, owner, owed)));
        Some(steps)
    }
}

/// Builds it, in the name of the chain's account, who lends.
pub(super) async fn stand(
    chain: &mut Chain,
    (seed, chain_id): (u64, u64),
    tokens: &[Token],
) -> Result<Lending, DevnetError> {
    let mut dice = Dice::new(seed, 3);
    let reporter = Wallet::derived("reporter", seed, 0)?.on(chain_id);
    let listed: Vec<Token> = LISTED.iter().filter_map(|place| tokens.get(*place).copied()).collect();
    let feeds = feeds::of(&listed);
    let mut placements = aave_v3::placements(chain.me())?;
    placements.extend(aave_v2::placements(&listed, &feeds)?);
    placements.extend(morpho_blue::placements(chain.me(), &listed, &feeds)?);
    placements.extend(feeds::placements(&feeds)?);
    place::place(chain, &placements).await?;
    feeds::open(chain, &feeds, &reporter).await?;
    let mut markets = vec![aave_v3::open(chain, &listed, &feeds).await?, aave_v2::open(chain, &listed).await?];
    markets.extend(morpho_blue::open(chain, &listed).await?);
    let mut borrowers = Vec::new();
    for (place, market) in markets.iter().enumerate() {
        market.fund(chain, &listed).await?;
        let here = borrowers::of(&mut dice, &listed, (place, market));
        borrowers::borrow(chain, &listed, market, &here).await?;
        borrowers.extend(here);
    }
    Ok(Lending { markets, feeds, borrowers, reporter })
}

/// An address of nobody's, for what has none on mainnet that matters.
fn made_up(name: &str) -> Address {
    Address::from_slice(&keccak256(format!("peregrine devnet {name}"))[12..])
}
