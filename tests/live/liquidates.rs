//! Liquidations of real markets behind the answers that allow them.

use std::collections::BTreeSet;

use alloy::consensus::TxEip1559;
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256};
use peregrine::edge::ledger::landed::Reason;
use peregrine::edge::ledger::row::{Outcome, Row};
use peregrine::live::Searcher;
use peregrine_devnet::lending::{Feed, Lending};
use serde_json::json;

use crate::newborn::Hand;
use crate::reorg;
use crate::rig::{Rig, until};
use crate::truth;

alloy::sol! {
    function latestAnswer() external view returns (uint256);
    function latestRound() external view returns (uint256);
    function position(bytes32 id, address user) external view returns (uint256 supplied, uint128 owed, uint128 collateral);
    function balanceOf(address account) external view returns (uint256);
    function getUserAccountData(address user) external view returns (uint256 collateral, uint256 debt, uint256 available, uint256 threshold, uint256 ltv, uint256 factor);
}

/// WETH, WBTC and LINK among the listed tokens.
const MOVING: [usize; 3] = [0, 4, 5];
/// Wei per gas that an answer offers: far above the base fee.
const FEE: u128 = 1_000_000_000_000;

fn lending(rig: &Rig) -> &Lending {
    rig.net.lending.as_ref().expect("lending markets")
}

async fn word(rig: &Rig, to: Address, call: impl SolCall) -> U256 {
    let call = json!([{"to": to, "data": Bytes::from(call.abi_encode())}, "latest"]);
    let answer: Bytes = serde_json::from_value(rig.ask("eth_call", call).await).unwrap();
    U256::from_be_slice(&answer[..32])
}

/// The reporter's next answer for a feed, signed: so many thousandths of the last one. `more`: tip above the least, in wei a gas.
async fn answer(rig: &Rig, feed: &Feed, per_mille: u64, (nonce, more): (u64, u128)) -> (B256, Bytes) {
    let latest: u64 = word(rig, feed.aggregator, latestAnswerCall {}).await.to();
    let round = word(rig, feed.aggregator, latestRoundCall {}).await + U256::ONE;
    let signed = lending(rig).reporter.sign(TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 400_000,
        max_fee_per_gas: FEE + more,
        max_priority_fee_per_gas: 1_000_000_000 + more,
        to: TxKind::Call(feed.aggregator),
        input: Feed::answer(round, latest / 1_000 * per_mille).into(),
        ..TxEip1559::default()
    });
    (signed.hash, signed.raw)
}

async fn nonce(rig: &Rig) -> u64 {
    let of = json!([lending(rig).reporter.address(), "latest"]);
    serde_json::from_value::<U64>(rig.ask("eth_getTransactionCount", of).await).unwrap().to()
}

async fn send(rig: &Rig, raw: &Bytes) {
    rig.tell("eth_sendRawTransaction", json!([raw])).await;
}

fn liquidations(searcher: &Searcher) -> Vec<Row> {
    let all = searcher.ledger().all().unwrap();
    all.into_iter().filter(|row| row.bundle.strategy == "liquidation").collect()
}

fn landed(searcher: &Searcher) -> Vec<Row> {
    let landed = |row: &Row| matches!(row.outcome, Some(Outcome::Landed { .. }));
    liquidations(searcher).into_iter().filter(landed).collect()
}

/// How many positions a bundle liquidates: its path names the market of each.
fn positions(rig: &Rig, row: &Row) -> usize {
    let markets: BTreeSet<Address> = lending(rig).markets.iter().map(|market| market.pool).collect();
    row.bundle.pools.iter().filter(|pool| markets.contains(&pool.contract)).count()
}

/// What the liquidator holds of everything, and its ether.
async fn purse(rig: &Rig) -> Vec<U256> {
    let account = rig.net.executor;
    let mut held = Vec::new();
    for token in &rig.net.tokens {
        held.push(word(rig, token.address, balanceOfCall { account }).await);
    }
    held.push(serde_json::from_value(rig.ask("eth_getBalance", json!([account, "latest"])).await).unwrap());
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn liquidations_of_every_protocol_land_behind_the_answers_that_allow_them_without_capital() {
    liquidated(Rig::start_lending(91).await).await;
}

/// Until those of every protocol have landed.
pub async fn liquidated(rig: Rig) {
    let (_ether, tokens) = purse(&rig).await.split_last().map(|(ether, tokens)| (*ether, tokens.to_vec())).unwrap();
    assert!(tokens.iter().all(U256::is_zero), "the liquidator begins without any token: {tokens:?}");
    let searcher = rig.search().await;
    let done = || {
        let behind: Vec<Row> = landed(&searcher).into_iter().filter(|row| row.bundle.trigger.is_some()).collect();
        let protocols = behind.iter().flat_map(|row| row.bundle.protocols.iter().cloned());
        let lent = ["aave_v2", "aave_v3", "morpho_blue"];
        let protocols: BTreeSet<String> = protocols.filter(|name| lent.contains(&name.as_str())).collect();
        let together = behind.iter().map(|row| positions(&rig, row)).max().unwrap_or_default();
        (protocols.len() == lent.len() && together > 1, protocols, together)
    };
    let mut blocks = 0;
    while !done().0 {
        assert!(blocks < 60, "{:?} {:?}", done(), searcher.status());
        let feed = lending(&rig).feeds[MOVING[blocks % 3]];
        let (trigger, raw) = answer(&rig, &feed, 988, (nonce(&rig).await, 0)).await;
        send(&rig, &raw).await;
        rig.chance_behind(trigger).await;
        rig.block(4).await;
        rig.followed(&searcher).await;
        blocks += 1;
    }
    truth::whole(&rig, &searcher).await;
    let (_, protocols, together) = done();
    let rows = landed(&searcher);
    println!(
        "{blocks} blocks, {} liquidations landed, of {protocols:?}, up to {together} positions in one",
        rows.len()
    );
    // Aave lets half of a debt be repaid: who was liquidated once owes still.
    let mut owing = 0;
    for borrower in &lending(&rig).borrowers {
        let call = json!([{"to": borrower.pool, "data": Bytes::from(getUserAccountDataCall { user: borrower.account }.abi_encode())}, "latest"]);
        let Ok(answer) = rig.net.rpc.call::<Bytes>("eth_call", call).await else { continue };
        let Ok(data) = getUserAccountDataCall::abi_decode_returns(&answer) else { continue };
        let whole = U256::from(borrower.debt_usd) * U256::from(100_000_000u64) * U256::from(9) / U256::from(10);
        owing += u64::from(!data.debt.is_zero() && data.debt < whole);
    }
    assert!(owing > 0, "a position that was liquidated in part owes the rest");
    let status = rig.close(searcher).await;
    assert!(status.landed_by_strategy["liquidation"] > 0);
    assert_eq!(status.profit_predicted_wei, status.profit_realised_wei);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_healthy_again_before_the_block_is_left_alone_and_nothing_is_lost() {
    let rig = Rig::start_lending(92).await;
    let searcher = rig.search().await;
    rig.hears(&searcher).await;
    let trading = rig.quiet().await;
    let feed = lending(&rig).feeds[0];
    let next = nonce(&rig).await;
    // A fall that sinks many.
    let (trigger, raw) = answer(&rig, &feed, 900, (next, 0)).await;
    send(&rig, &raw).await;
    let behind = |row: &Row| row.bundle.trigger == Some(trigger);
    until("a liquidation behind the answer", async || {
        rig.builder.bundles().iter().any(|entry| entry.txs.first() == Some(&trigger))
    })
    .await;
    let before = (purse(&rig).await, rig.ask("eth_getBalance", json!([rig.net.owner.address(), "latest"])).await);
    // The block is somebody else's, who never heard of our bundle, and heard of another answer in the place of the first: one
    // that sinks nobody.
    let (instead, raw) = answer(&rig, &feed, 1_001, (next, 50_000_000_000)).await;
    rig.ask("eth_sendRawTransaction", json!([raw])).await;
    rig.ask("evm_mine", json!([])).await;
    assert_eq!(rig.ask("eth_getTransactionReceipt", json!([instead])).await["status"], "0x1");
    drop(trading);
    rig.followed(&searcher).await;
    until("an outcome", async || {
        liquidations(&searcher).iter().filter(|row| behind(row)).all(|row| row.outcome.is_some())
    })
    .await;
    let rows: Vec<Row> = liquidations(&searcher).into_iter().filter(behind).collect();
    assert!(!rows.is_empty());
    for row in &rows {
        let reason = match &row.outcome {
            Some(Outcome::Lost { reason }) => reason,
            other => panic!("{other:?}"),
        };
        assert!(matches!(reason, Reason::TargetNotIncluded | Reason::Superseded { .. }), "{reason:?}");
    }
    let after = (purse(&rig).await, rig.ask("eth_getBalance", json!([rig.net.owner.address(), "latest"])).await);
    assert_eq!(before, after, "nothing was spent");
    rig.close(searcher).await;
}

/// What somebody holds as collateral in a market of Morpho's.
async fn pledged(rig: &Rig, market: (Address, B256), user: Address) -> U256 {
    let call =
        json!([{"to": market.0, "data": Bytes::from(positionCall { id: market.1, user }.abi_encode())}, "latest"]);
    let answer: Bytes = serde_json::from_value(rig.ask("eth_call", call).await).unwrap();
    U256::from_be_slice(&answer[64..96])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_opened_while_it_runs_is_followed_and_its_borrower_liquidated() {
    market_opened(311, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_whose_opening_is_undone_is_let_go_of_and_followed_again_once_it_is_opened_again() {
    market_opened(312, true).await;
}

/// `undone`: by a reorg that opens it anew in a later block.
async fn market_opened(seed: u64, undone: bool) {
    let rig = Rig::start_lending(seed).await;
    let searcher = rig.search().await;
    rig.blocks(&searcher, 1).await;
    let market = lending(&rig).another().unwrap();
    let mut hand = Hand::of(&rig, rig.net.maker().unwrap()).await;
    let (user, market) = (rig.net.maker().unwrap().address(), (market.pool, market.id().unwrap()));
    hand.send(&rig, &rig.net.opening_market(400_000, 985).unwrap()).await;
    rig.block(0).await;
    if undone {
        let trading = rig.quiet().await;
        rig.followed(&searcher).await;
        reorg::reorg(&rig, 1, reorg::Told::BlockByBlock).await;
        drop(trading);
        rig.followed(&searcher).await;
    }
    let before = pledged(&rig, market, user).await;
    assert!(!before.is_zero(), "the market is open and somebody owes there");
    rig.blocks(&searcher, 2).await;
    let mut blocks = 0;
    // Whoever takes from it is ours: there is nobody else who liquidates.
    while pledged(&rig, market, user).await == before {
        assert!(blocks < 20, "{:?}", searcher.status());
        let (trigger, raw) = answer(&rig, &lending(&rig).feeds[MOVING[0]], 985, (nonce(&rig).await, 0)).await;
        send(&rig, &raw).await;
        rig.chance_behind(trigger).await;
        rig.block(4).await;
        rig.followed(&searcher).await;
        blocks += 1;
    }
    until("a liquidation that landed", async || !landed(&searcher).is_empty()).await;
    let status = rig.close(searcher).await;
    assert_eq!(status.counters["peregrine_reloads_total"], 0);
    assert_eq!(status.counters["peregrine_pools_quarantined_total"], 0);
}
