//! Morpho Blue as its package's source compiles, at mainnet's address; its markets' oracles are ours, over the same feeds as
//! Aave's.
//!
//! # Limits
//! - The interest rate model is the package's mock: a year's interest is the part of the supply that is borrowed. No package
//!   has mainnet's.
//! - No package has Morpho's oracle either: `contracts/src/FeedOracle.sol` does what it does over two feeds.

use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::U256;
use alloy_primitives::address;
use alloy_primitives::keccak256;
use peregrine_protocols::lending::market_spec::Pair;

use crate::DevnetError;
use crate::chain::Chain;
use crate::chain::Step;
use crate::lending::abi;
use crate::lending::abi::morpho;
use crate::lending::feeds::Feed;
use crate::lending::made_up;
use crate::lending::market::Market;
use crate::seed::Token;
use crate::seed::place::Placement;

const MORPHO: Address = address!("0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb");
/// Compiled by `contracts/script/lenders.mjs`.
const ARTIFACT: &str = ".peregrine/Morpho.json";
const MODEL: &str = ".peregrine/IrmMock.json";
/// Made by `contracts/script/build.mjs`.
const ORACLE: &str = include_str!("../../../../contracts/artifacts/feed_oracle.json");

/// Collateral and loan, by place in the list of tokens, and how much may be owed on it, in hundredths of a percent.
const MARKETS: [(usize, usize, u64); 3] = [(0, 1, 8_600), (4, 2, 8_600), (5, 3, 7_700)];

/// Units of an oracle's price for one: 1e36 where both tokens have the same decimals.
fn scale(collateral: &Token, loan: &Token) -> U256 {
    U256::from(10).pow(U256::from(36 + u64::from(loan.decimals) - u64::from(collateral.decimals)))
}

/// The markets of these tokens.
pub(super) fn markets(tokens: &[Token]) -> impl Iterator<Item = (Market, &Token, &Token)> {
    MARKETS.into_iter().filter_map(|(collateral, loan, part)| {
        let (collateral, loan) = (tokens.get(collateral)?, tokens.get(loan)?);
        let lltv = U256::from(part) * U256::from(100_000_000_000_000u64);
        let pair = Pair { loan: loan.address, collateral: collateral.address, irm: made_up("morpho_blue rates"), lltv };
        let oracle = made_up(&format!("morpho_blue oracle {} {}", collateral.symbol, loan.symbol));
        Some((Market { name: "morpho_blue", pool: MORPHO, oracle, pair: Some(pair) }, collateral, loan))
    })
}

/// All of it: no constructor asks anybody. The chain's account owns it.
pub(super) fn placements(owner: Address, tokens: &[Token], feeds: &[Feed]) -> Result<Vec<Placement>, DevnetError> {
    let mut placements = vec![
        Placement::new(MORPHO, ARTIFACT, &owner.abi_encode())?,
        Placement::new(made_up("morpho_blue rates"), MODEL, &[])?,
    ];
    let feed = |token: &Token| feeds.iter().find(|feed| feed.token == token.address).map(|feed| feed.proxy);
    for (market, collateral, loan) in markets(tokens) {
        let [base, quote] = [collateral, loan].map(|token| feed(token).unwrap_or_default());
        let arguments = (base, quote, scale(collateral, loan)).abi_encode();
        placements.push(Placement::ours(market.oracle, ORACLE, &arguments)?);
    }
    Ok(placements)
}

/// Makes the markets.
pub(super) async fn open(chain: &mut Chain, tokens: &[Token]) -> Result<Vec<Market>, DevnetError> {
    let markets: Vec<Market> = markets(tokens).map(|(market, ..)| market).collect();
    let set = |data| Step::call("morpho blue: a market", MORPHO, data);
    let mut steps = vec![set(abi::enableIrmCall { irm: made_up("morpho_blue rates") }.abi_encode())];
    let mut enabled = Vec::new();
    for (market, pair) in markets.iter().filter_map(|market| Some((market, market.pair?))) {
        // It can be said once.
        if !enabled.contains(&pair.lltv) {
            enabled.push(pair.lltv);
            steps.push(set(abi::enableLltvCall { lltv: pair.lltv }.abi_encode()));
        }
        steps.push(set(create(market, &pair)));
    }
    chain.run(steps).await?;
    Ok(markets)
}

/// Calldata: makes the market.
pub(super) fn create(market: &Market, pair: &Pair) -> Vec<u8> {
    abi::createMarketCall { params: params(market, pair) }.abi_encode()
}

fn params(market: &Market, pair: &Pair) -> abi::MarketParams {
    let Pair { loan, collateral, irm, lltv } = *pair;
    abi::MarketParams { loanToken: loan, collateralToken: collateral, oracle: market.oracle, irm, lltv }
}

/// What a market is known by.
pub(super) fn id(market: &Market, pair: &Pair) -> B256 {
    keccak256(params(market, pair).abi_encode())
}

/// The chain's account lends so many dollars of a market's loan token, for `owner`.
pub(super) fn supply(market: &Market, pair: &Pair, token: &Token, owner: Address, usd: u64) -> [Step; 2] {
    let (params, assets) = (params(market, pair), token.worth(usd));
    let call = abi::supplyCall { params, assets, shares: U256::ZERO, owner, data: Bytes::new() };
    market.pay(token, assets, call.abi_encode())
}

/// Calldata: the caller secures what `owner` will owe.
pub(super) fn supply_collateral(market: &Market, pair: &Pair, assets: U256, owner: Address) -> Vec<u8> {
    abi::supplyCollateralCall { params: params(market, pair), assets, owner, data: Bytes::new() }.abi_encode()
}

/// Calldata: `owner`, who must be the caller, borrows.
pub(super) fn borrow(market: &Market, pair: &Pair, assets: U256, owner: Address) -> Vec<u8> {
    let Pair { loan, collateral, irm, lltv } = *pair;
    let oracle = market.oracle;
    let params = morpho::MarketParams { loanToken: loan, collateralToken: collateral, oracle, irm, lltv };
    morpho::borrowCall { params, assets, shares: U256::ZERO, owner, receiver: owner }.abi_encode()
}
