//! The lending market: positions stand, an answer that everybody sees coming sinks some, and they can be liquidated.

use std::time::Duration;
use std::time::Instant;

use alloy::consensus::TxEip1559;
use alloy::sol_types::SolCall;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::I256;
use alloy_primitives::TxKind;
use alloy_primitives::U256;
use peregrine::protocols::execution::{Hop, Steps};
use peregrine::protocols::executor::Bid;
use peregrine::protocols::executor::Run;
use peregrine::protocols::lending::About;
use peregrine::protocols::lending::Call;
use peregrine::protocols::lending::Lending as _;
use peregrine::protocols::lending::PlannedSale;
use peregrine::protocols::lending::Question;
use peregrine::protocols::lending::Size;
use peregrine::protocols::lending::aave;
use peregrine::protocols::morpho_blue;
use peregrine::types::amount::Wei;
use peregrine_devnet::Devnet;
use peregrine_devnet::Options;
use peregrine_devnet::Venue;
use peregrine_devnet::lending::Borrower;
use peregrine_devnet::lending::Feed;
use peregrine_devnet::lending::Lending;
use peregrine_devnet::lending::Market;
use serde_json::Value;
use serde_json::json;

use crate::hand::Hand;

alloy::sol! {
    function approve(address spender, uint256 amount) external;
    function liquidationCall(address collateral, address debt, address user, uint256 amount, bool receipt) external;
    function getUserAccountData(address user) external view returns (uint256 collateral, uint256 debt, uint256 available,
        uint256 threshold, uint256 ltv, uint256 health);
    function latestAnswer() external view returns (int256);
    struct MarketParams { address loanToken; address collateralToken; address oracle; address irm; uint256 lltv; }
    function accrueInterest(MarketParams params) external;
    function market(bytes32 id) external view returns (uint128 totalSupplyAssets, uint128 totalSupplyShares,
        uint128 totalBorrowAssets, uint128 totalBorrowShares, uint128 lastUpdate, uint128 fee);
    function position(bytes32 id, address user) external view returns (uint256 supplyShares, uint128 borrowShares, uint128 collateral);
    function price() external view returns (uint256);
}

/// 1, as healths are counted.
const SOUND: u128 = 1_000_000_000_000_000_000;
/// A dollar, as the market counts.
const USD: u128 = 100_000_000;

pub async fn market(seed: u64) -> Devnet {
    let options = Options { seed, lending: true, ..Options::default() };
    Devnet::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

fn is_aave(lending: &Lending, borrower: &Borrower) -> bool {
    lending.markets[borrower.market].pair.is_none()
}

async fn account(hand: &Hand<'_>, borrower: &Borrower) -> getUserAccountDataReturn {
    hand.ask(borrower.pool, &getUserAccountDataCall { user: borrower.account }).await
}

async fn health(hand: &Hand<'_>, borrower: &Borrower) -> u128 {
    account(hand, borrower).await.health.saturating_to()
}

/// Those who pledge WETH in a market, the least healthy first.
pub async fn nearest(hand: &Hand<'_>, lending: &Lending, market: &Market) -> Vec<(u128, Borrower)> {
    let mut found = Vec::new();
    let pledges = |b: &&Borrower| b.pool == market.pool && b.collateral == hand.0.contracts.weth;
    for borrower in lending.borrowers.iter().filter(pledges) {
        found.push((health(hand, borrower).await, *borrower));
    }
    found.sort_by_key(|(health, _)| *health);
    found
}

/// Sends an answer of the second round, and does not mine it.
pub async fn answer(net: &Devnet, feed: &Feed, answer: u64) {
    let lending = net.lending.as_ref().expect("a market");
    let signed = lending.reporter.sign(TxEip1559 {
        chain_id: 1,
        // One answer for each feed stands.
        nonce: lending.feeds.len() as u64,
        gas_limit: 400_000,
        max_fee_per_gas: 1_000_000_000_000,
        to: TxKind::Call(feed.aggregator),
        input: Feed::answer(U256::from(2), answer).into(),
        ..TxEip1559::default()
    });
    net.rpc.call::<B256>("eth_sendRawTransaction", json!([signed.raw])).await.expect("taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_answer_sinks_positions_that_are_then_sold_by_hand_and_by_the_executor() {
    let start = Instant::now();
    let plain = crate::devnet(5).await;
    let without = start.elapsed();
    let net = market(5).await;
    println!("stands in {without:?} without a market and in {:?} with one", start.elapsed() - without);
    assert_eq!((&net.tokens, &net.pools, &net.positions), (&plain.tokens, &plain.pools, &plain.positions));
    let (hand, lending) = (Hand(&net), net.lending.as_ref().expect("asked for"));
    for borrower in lending.borrowers.iter().filter(|b| is_aave(lending, b)) {
        let stands = account(&hand, borrower).await;
        assert!(stands.health > U256::from(SOUND), "{borrower:?}");
        for (value, usd) in [(stands.collateral, borrower.collateral_usd), (stands.debt, borrower.debt_usd)] {
            let due = u128::from(usd) * USD;
            // The opening price has six decimals, and a debt has grown for some seconds.
            assert!(value.to::<u128>().abs_diff(due) < due / 1_000, "{borrower:?}");
        }
    }

    let feed = lending.feeds[0];
    let mut nearby = Vec::new();
    for market in lending.markets.iter().filter(|market| market.pair.is_none()) {
        nearby.extend(nearest(&hand, lending, market).await.into_iter().take(2));
    }
    assert_eq!(nearby.len(), 4, "two of each market pledge weth");
    let highest = nearby.iter().map(|(health, _)| *health).max().expect("some");
    let low = u64::try_from(u128::from(feed.opening) * SOUND / highest * 995 / 1_000).expect("a price");
    answer(&net, &feed, low).await;
    for (before, borrower) in &nearby {
        assert!(*before > SOUND && health(&hand, borrower).await > SOUND, "sunk by what is not mined");
    }
    net.mine().await.expect("mines");
    assert_eq!(hand.ask(feed.proxy, &latestAnswerCall {}).await.to_string(), low.to_string());
    for (_, borrower) in &nearby {
        assert!(health(&hand, borrower).await < SOUND, "{borrower:?}");
    }
    for pair in nearby.chunks(2) {
        let [(_, first), (_, second)] = pair else { panic!("two of each") };
        let [small, large] = if first.debt_usd < second.debt_usd { [first, second] } else { [second, first] };
        by_hand(&hand, large).await;
        by_the_executor(&hand, small, low).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn healths_of_all_who_owe_morpho_are_those_of_the_contract_after_interest() {
    let net = market(4).await;
    let (hand, lending) = (Hand(&net), net.lending.as_ref().expect("asked for"));
    let mut markets: Vec<morpho_blue::Market> =
        lending.seeds().iter().filter_map(morpho_blue::Market::from_spec).collect();
    assert_eq!(markets.len(), 3);
    for (market, seed) in markets.iter_mut().zip(lending.seeds().iter().filter(|seed| seed.pair.is_some())) {
        assert!(seed.accounts.len() > 30);
        seed.accounts.iter().for_each(|account| market.watch(*account));
        for (at, slot) in market.missing() {
            let word: U256 = net.rpc.call("eth_getStorageAt", json!([at, slot, "latest"])).await.expect("a slot");
            market.apply_slots(at, &[(slot, word)]).expect("a slot of the market");
        }
        for Question { about, to, data } in market.questions() {
            let answer: Bytes =
                net.rpc.call("eth_call", json!([{"to": to, "data": data}, "latest"])).await.expect("told");
            let About::Price(feed) = about else { panic!("{about:?}") };
            market.set_price(feed, U256::from_be_slice(&answer));
        }
        // Interest of an hour, which the contract then books.
        net.rpc.call::<Value>("evm_increaseTime", json!([3_600])).await.expect("later");
        let morpho_blue::Params { loan, collateral, oracle, irm, lltv } = *market.params();
        let params = MarketParams { loanToken: loan, collateralToken: collateral, oracle, irm, lltv };
        let accrue = accrueInterestCall { params }.abi_encode();
        let receipt = hand.send(&net.senders[0], market.address(), U256::ZERO, accrue.into()).await;
        assert!(!receipt.status.is_zero());
        let block: Value = net.rpc.call("eth_getBlockByNumber", json!(["latest", false])).await.expect("a block");
        let at = u64::from_str_radix(&block["timestamp"].as_str().expect("a time")[2..], 16).expect("a time");
        let state = hand.ask(market.address(), &marketCall { id: market.id() }).await;
        let price = hand.ask(oracle, &priceCall {}).await;
        for user in market.accounts() {
            let position = hand.ask(market.address(), &positionCall { id: market.id(), user }).await;
            let [assets, shares] = [state.totalBorrowAssets, state.totalBorrowShares].map(U256::from);
            let owed = U256::from(position.borrowShares) * (assets + U256::ONE);
            let debt = owed.div_ceil(shares + U256::from(1_000_000));
            let worth = U256::from(position.collateral) * price / U256::from(10).pow(U256::from(36));
            let limit = worth * lltv / U256::from(SOUND);
            let health = market.health(user, at).expect("a health");
            assert_eq!((health.collateral, health.debt, health.limit), (worth, debt, limit), "{user}");
            assert!(!health.is_liquidatable() && debt > U256::ZERO, "{health:?}");
        }
    }
}

/// A sender, who has every token, takes all that he is allowed to.
async fn by_hand(hand: &Hand<'_>, borrower: &Borrower) {
    let (net, sender) = (hand.0, &hand.0.senders[0]);
    let approve = approveCall { spender: borrower.pool, amount: U256::MAX }.abi_encode();
    hand.send(sender, borrower.debt, U256::ZERO, approve.into()).await;
    let weth = hand.balance(net.contracts.weth, sender.address()).await;
    let owed = account(hand, borrower).await.debt;
    let call = liquidationCallCall {
        collateral: borrower.collateral,
        debt: borrower.debt,
        user: borrower.account,
        amount: U256::MAX,
        receipt: false,
    };
    let receipt = hand.send(sender, borrower.pool, U256::ZERO, call.abi_encode().into()).await;
    assert!(!receipt.status.is_zero(), "the liquidation reverted");
    assert!(hand.balance(net.contracts.weth, sender.address()).await > weth);
    assert!(account(hand, borrower).await.debt < owed);
}

/// Without capital, over one pair, to the unit.
async fn by_the_executor(hand: &Hand<'_>, borrower: &Borrower, price: u64) {
    let net = hand.0;
    let debt = net.tokens.iter().position(|token| token.address == borrower.debt).expect("a token");
    let mut pairs = net.pools.iter().filter(|pool| pool.venue == Venue::UniswapV2 && pool.tokens.contains(&0));
    let pair = *pairs.find(|pool| pool.tokens.contains(&debt)).expect("a pair");
    // Half of what is owed, a dollar each.
    let half = account(hand, borrower).await.debt.to::<u128>() / 2;
    let repay = half * 10_u128.pow(net.tokens[debt].decimals.into()) / USD;
    // A bonus of 5 %, of which the market takes a tenth: a thousandth less, which stays.
    let amount_in = half * SOUND / u128::from(price) * 1_044 / 1_000;
    let out = hand.walk(&[(pair, 0)], amount_in).await.expect("a quote")[0];
    let profit = out.checked_sub(repay).expect("worth it");
    let hop = Hop { pool: pair.address.into(), token_in: borrower.collateral, amount_out: out };
    let mut steps = Steps::default();
    steps.begin_with(borrower.debt);
    let (account, collateral, size) = (borrower.account, borrower.collateral, Size::Repay(U256::from(repay)));
    let call = Call { account, debt: borrower.debt, collateral, size, receipt: false };
    let sale = PlannedSale { call, repay, amount_out: amount_in };
    aave::write_step(borrower.pool, &sale, None, &mut steps).expect("there is such a call");
    steps.exact_out(hop, pair.tokens[0] == 0);
    let run = Run {
        block: hand.block_number().await + 1,
        token: borrower.debt,
        min_profit: profit,
        bid: Bid::Wei(Wei(U256::ZERO)),
        amount_in: repay,
        steps: &steps,
    };
    let held = hand.balance(borrower.debt, net.executor).await;
    let receipt = hand.send(&net.owner, net.executor, U256::ZERO, run.encode().expect("fits")).await;
    assert!(!receipt.status.is_zero(), "the run reverted");
    assert_eq!(hand.balance(borrower.debt, net.executor).await - held, U256::from(profit));
    let all = crate::attribution::attributed(hand).await;
    let [ours] = &all[..] else { panic!("{all:?}") };
    assert!(ours.ours && ours.taken.liquidator == net.executor && ours.sender == net.owner.address());
    assert_eq!(ours.taken.repaid, U256::from(repay));
    // What was seized was sold on the way, but for what the market's fee had left over.
    let gain = |token| ours.gained.iter().find(|gain| gain.token == token).map(|gain| gain.units);
    assert_eq!(gain(borrower.debt), Some(I256::try_from(profit).expect("fits")));
    let left = I256::try_from(ours.taken.seized).expect("fits") - I256::try_from(amount_in).expect("fits");
    assert_eq!(gain(borrower.collateral).unwrap_or_default(), left);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prices_walk_within_a_tenth_and_somebody_sinks() {
    let net = market(2).await;
    let (hand, lending) = (Hand(&net), net.lending.as_ref().expect("asked for"));
    assert!(crate::devnet(2).await.answer_prices(&net.rpc, Duration::from_millis(1)).is_none());
    let prices = net.answer_prices(&net.rpc, Duration::from_millis(5)).expect("a market");
    let (mut liquidatable, mut sent) = (false, 0);
    while !liquidatable && sent < 600 {
        sent += 5;
        assert!(prices.reached(sent).await, "the answers ended");
        net.mine().await.expect("mines");
        for feed in &lending.feeds {
            let answer: u64 = hand.ask(feed.proxy, &latestAnswerCall {}).await.to_string().parse().expect("a price");
            assert!(answer.abs_diff(feed.opening) <= feed.opening / 10 + 1_000, "{feed:?}: {answer}");
        }
        for borrower in lending.borrowers.iter().filter(|b| is_aave(lending, b)) {
            liquidatable |= health(&hand, borrower).await < SOUND;
        }
    }
    assert!(liquidatable, "{sent} answers, and nobody sank");
    println!("somebody sank after {sent} answers; {:?} taken and refused", prices.sent());
}
