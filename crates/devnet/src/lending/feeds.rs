//! Chainlink's aggregators and the proxies in front of them: real contracts, the proxies at mainnet's addresses.

use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::Address;
use alloy_primitives::I256;
use alloy_primitives::U256;
use alloy_primitives::address;

use crate::DevnetError;
use crate::chain::Chain;
use crate::chain::Step;
use crate::chain::ether;
use crate::lending::abi;
use crate::lending::made_up;
use crate::seed::Token;
use crate::seed::place::Placement;
use crate::wallet::Wallet;

/// Compiled by `contracts/script/lenders.mjs`.
const AGGREGATOR: &str = ".peregrine/FluxAggregator.json";
const PROXY: &str = ".peregrine/EACAggregatorProxy.json";
/// Of the answers: dollars of 8 decimals.
const DECIMALS: u8 = 8;
/// A round that nobody ends may be skipped after so many seconds.
const TIMEOUT: u32 = 1_800;
/// For the gas of many answers.
const REPORTER_ETHER: u64 = 1_000;

/// Mainnet's proxies of the dollar prices, by symbol.
const PROXIES: [(&str, Address); 6] = [
    ("WETH", address!("0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419")),
    ("USDC", address!("0x8fFfFfd4AfB6115b954Bd326cbe7B4BA576818f6")),
    ("USDT", address!("0x3E7d1eAB13ad0104d2750B8863b489D65364e32D")),
    ("DAI", address!("0xAed0c38402a5d19df6E4c03F4E2DceD6e29c1ee9")),
    ("WBTC", address!("0xF4030086522a5bEEa4988F8cA5B36dbC97BeE88c")),
    ("LINK", address!("0x2c1d072e956AFFC0D435Cb7AC38EF18d24d9127c")),
];

/// Where a price comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Whose price, in dollars.
    pub token: Address,
    /// What the market reads.
    pub proxy: Address,
    /// What takes the answers.
    pub aggregator: Address,
    /// The first answer, of 8 decimals.
    pub opening: u64,
}

impl Feed {
    /// Calldata for the aggregator: the answer of a round.
    #[must_use]
    pub fn answer(round: U256, answer: u64) -> Vec<u8> {
        abi::submitCall { round, answer: I256::unchecked_from(answer) }.abi_encode()
    }
}

/// The feeds of these tokens, at their opening prices.
pub(super) fn of(tokens: &[Token]) -> Vec<Feed> {
    let feed = |token: &Token| {
        let known = PROXIES.iter().find(|(symbol, _)| *symbol == token.symbol).map(|(_, proxy)| *proxy);
        Feed {
            token: token.address,
            proxy: known.unwrap_or_else(|| made_up(&format!("proxy {}", token.symbol))),
            aggregator: made_up(&format!("aggregator {}", token.symbol)),
            opening: token.micro_usd * 100,
        }
    };
    tokens.iter().map(feed).collect()
}

pub(super) fn placements(feeds: &[Feed]) -> Result<Vec<Placement>, DevnetError> {
    let (nobody, nothing) = (Address::ZERO, U256::ZERO);
    let most = I256::unchecked_from(i64::MAX);
    let arguments = (nobody, nothing, TIMEOUT, nobody, I256::ONE, most, U256::from(DECIMALS), "USD");
    let arguments = arguments.abi_encode_params();
    let mut placements = Vec::new();
    for feed in feeds {
        placements.push(Placement::new(feed.aggregator, AGGREGATOR, &arguments)?);
        placements.push(Placement::new(feed.proxy, PROXY, &(feed.aggregator, nobody).abi_encode())?);
    }
    Ok(placements)
}

/// Gives every feed its one reporter, and its first answer.
pub(super) async fn open(chain: &mut Chain, feeds: &[Feed], reporter: &Wallet) -> Result<(), DevnetError> {
    let who = vec![reporter.address()];
    let call =
        abi::changeOraclesCall { removed: Vec::new(), added: who.clone(), admins: who, least: 1, most: 1, delay: 0 };
    let open = |feed: &Feed| Step::call("an aggregator's reporter", feed.aggregator, call.abi_encode());
    chain.run(feeds.iter().map(open).collect()).await?;
    chain.endow(&[(reporter.address(), ether(REPORTER_ETHER))]).await?;
    let mut reports = Chain::new(chain.rpc.clone(), reporter.clone());
    let answer = |feed: &Feed| Step::call("a price", feed.aggregator, Feed::answer(U256::ONE, feed.opening));
    reports.run(feeds.iter().map(answer).collect()).await?;
    Ok(())
}
