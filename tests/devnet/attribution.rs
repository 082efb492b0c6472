//! Who liquidated whom, read from the logs of the real contracts and attributed to the unit.

use std::sync::Arc;
use std::time::Duration;

use alloy::consensus::TxEip1559;
use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::I256;
use alloy_primitives::TxKind;
use alloy_primitives::U64;
use alloy_primitives::U256;
use peregrine::edge::chain::Chain;
use peregrine::edge::ledger::Ledger;
use peregrine::edge::ledger::landed::Block;
use peregrine::edge::ledger::landed::Reason;
use peregrine::edge::ledger::others;
use peregrine::edge::ledger::others::Liquidation;
use peregrine::edge::ledger::others::Worth;
use peregrine::edge::ledger::row::Bundle;
use peregrine::edge::ledger::row::Outcome;
use peregrine::edge::sink::Facts;
use peregrine::hot::evm::own::Own;
use peregrine::live::submission::inclusion::InclusionTracker;
use peregrine::live::submission::inclusion::Note;
use peregrine::protocols::lending::taken::Gain;
use peregrine::protocols::lending::taken::LenderKind;
use peregrine::protocols::lending::taken::Position;
use peregrine::protocols::lending::taken::Taken;
use peregrine::protocols::morpho_blue;
use peregrine_devnet::lending::Borrower;
use peregrine_devnet::lending::Market;
use serde_json::json;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::hand::Hand;
use crate::lending;

alloy::sol! {
    function approve(address spender, uint256 amount) external;
    function liquidationCall(address collateral, address debt, address user, uint256 amount, bool receipt) external;
    struct MarketParams { address loanToken; address collateralToken; address oracle; address irm; uint256 lltv; }
    function liquidate(MarketParams params, address borrower, uint256 seized, uint256 shares, bytes data) external;
    function position(bytes32 id, address user) external view returns (uint256 supplyShares, uint128 borrowShares, uint128 collateral);
    function latestAnswer() external view returns (int256);
    function price() external view returns (uint256);
}

/// Wei per gas for the builder.
const TIP: u64 = 3_000_000_000;

/// The liquidations of the latest block.
pub async fn attributed(hand: &Hand<'_>) -> Vec<Liquidation> {
    let chain = Chain::new(&hand.0.node.http(), Duration::from_secs(30)).expect("a url");
    let head = chain.latest().await.expect("told").expect("a block");
    let block = chain.full(head.hash).await.expect("told").expect("a block");
    let receipts = chain.receipts(head.hash).await.expect("told").expect("receipts");
    let block = Block::read(&block, &receipts, 0).expect("one block");
    let lending = hand.0.lending.as_ref().expect("lending markets");
    let pools: Vec<Address> = lending.markets.iter().map(|market| market.pool).collect();
    others::of(&chain, &block, (hand.0.owner.address(), &pools)).await
}

/// A sender repays all that he may, and pays the builder: the transaction, and the gas that it burnt.
async fn take(hand: &Hand<'_>, market: &Market, borrower: &Borrower) -> (B256, U256) {
    let (net, sender) = (hand.0, &hand.0.senders[1]);
    let approve = approveCall { spender: market.pool, amount: U256::MAX }.abi_encode();
    hand.send(sender, borrower.debt, U256::ZERO, approve.into()).await;
    let (collateral, debt, user) = (borrower.collateral, borrower.debt, borrower.account);
    let input = match market.pair {
        None => liquidationCallCall { collateral, debt, user, amount: U256::MAX, receipt: false }.abi_encode(),
        Some(pair) => {
            let id = params(market).id();
            let shares = hand.ask(market.pool, &positionCall { id, user }).await.borrowShares;
            let (loan, oracle) = (pair.loan, market.oracle);
            let params = MarketParams {
                loanToken: loan,
                collateralToken: pair.collateral,
                oracle,
                irm: pair.irm,
                lltv: pair.lltv,
            };
            let (seized, shares) = (U256::ZERO, U256::from(shares));
            liquidateCall { params, borrower: user, seized, shares, data: Vec::new().into() }.abi_encode()
        }
    };
    let nonce: U64 = net.rpc.call("eth_getTransactionCount", json!([sender.address(), "latest"])).await.expect("told");
    let signed = sender.sign(TxEip1559 {
        chain_id: 1,
        nonce: nonce.to(),
        gas_limit: 2_000_000,
        max_fee_per_gas: 1_000_000_000_000,
        max_priority_fee_per_gas: TIP.into(),
        to: TxKind::Call(market.pool),
        input: input.into(),
        ..TxEip1559::default()
    });
    net.rpc.call::<B256>("eth_sendRawTransaction", json!([signed.raw])).await.expect("taken");
    net.mine().await.expect("mines");
    let receipt: serde_json::Value =
        net.rpc.call("eth_getTransactionReceipt", json!([signed.hash])).await.expect("a receipt");
    assert_eq!(receipt["status"], "0x1", "{market:?}");
    let gas = receipt["gasUsed"].as_str().expect("gas").parse().expect("a number");
    (signed.hash, gas)
}

fn params(market: &Market) -> morpho_blue::Params {
    let pair = market.pair.expect("of two tokens");
    let (loan, collateral, irm, lltv) = (pair.loan, pair.collateral, pair.irm, pair.lltv);
    morpho_blue::Params { loan, collateral, oracle: market.oracle, irm, lltv }
}

fn signed(units: U256) -> I256 {
    I256::try_from(units).expect("fits")
}

/// What was seized less what was repaid, by the feeds or Morpho's oracle.
async fn worth(
    hand: &Hand<'_>,
    market: &Market,
    [(debt, repaid), (collateral, seized)]: [(Address, U256); 2],
) -> Worth {
    let ten = |power: u8| U256::from(10).pow(U256::from(power));
    if let Some(pair) = market.pair {
        let price = hand.ask(market.oracle, &priceCall {}).await;
        return Worth { token: Some(pair.loan), units: signed(seized * price / ten(36)) - signed(repaid) };
    }
    let lending = hand.0.lending.as_ref().expect("a market");
    let mut values = Vec::new();
    for (token, units) in [(collateral, seized), (debt, repaid)] {
        let feed = lending.feeds.iter().find(|feed| feed.token == token).expect("a feed");
        let price: u64 = hand.ask(feed.proxy, &latestAnswerCall {}).await.to_string().parse().expect("a price");
        let decimals = hand.0.tokens.iter().find(|one| one.address == token).expect("a token").decimals;
        values.push(signed(units * U256::from(price) / ten(decimals)));
    }
    Worth { token: None, units: values[0] - values[1] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn liquidations_of_three_protocols_are_attributed_to_the_unit() {
    let net = lending::market(9).await;
    let (hand, lending) = (Hand(&net), net.lending.as_ref().expect("asked for"));
    // 7 % off: whoever is near and pledges ether sinks.
    lending::answer(&net, &lending.feeds[0], lending.feeds[0].opening / 100 * 93).await;
    net.mine().await.expect("mines");
    assert_eq!(attributed(&hand).await, [], "an answer liquidates nobody");
    let weth = net.contracts.weth;
    let mut kinds = Vec::new();
    for (place, market) in lending.markets.iter().enumerate() {
        let small = |b: &&Borrower| b.market == place && b.collateral == weth && b.collateral_usd < 500_000;
        // The nearest: what is left of it above its debt is least.
        let near = lending.borrowers.iter().filter(small).min_by_key(|b| b.collateral_usd * 1_000_000 / b.debt_usd);
        let Some(borrower) = near else { continue };
        let me = net.senders[1].address();
        let (debt, collateral) = (borrower.debt, borrower.collateral);
        let before = [hand.balance(debt, me).await, hand.balance(collateral, me).await];
        let (tx, gas) = take(&hand, market, borrower).await;
        let (repaid, seized) =
            (before[0] - hand.balance(debt, me).await, hand.balance(collateral, me).await - before[1]);
        let all = attributed(&hand).await;
        let [found] = &all[..] else { panic!("{all:?}") };
        let kind = if market.pair.is_some() { LenderKind::Morpho } else { LenderKind::Aave };
        let taken = Taken {
            kind,
            market: market.pool,
            id: market.pair.map(|_| params(market).id()),
            liquidator: me,
            borrower: Some(borrower.account),
            debt: Some(debt),
            collateral: Some(collateral),
            repaid,
            seized,
        };
        assert_eq!(found.taken, taken);
        assert!(found.taken.is_of(&Position { market: market.pool, id: taken.id, account: borrower.account }));
        assert_eq!((found.tx, found.sender, found.index, found.ours), (tx, me, 0, false));
        let gains = [(debt, -signed(repaid)), (collateral, signed(seized))];
        assert_eq!(found.gained.len(), 2);
        for (token, units) in gains {
            assert!(found.gained.contains(&Gain { token, units }), "{found:?}");
        }
        let due = worth(&hand, market, [(debt, repaid), (collateral, seized)]).await;
        assert_eq!(found.worth, Some(due));
        assert_eq!(found.paid, gas * U256::from(TIP));
        assert!(found.fee > found.paid);
        kinds.push(market.name);
    }
    assert_eq!(kinds, ["aave_v3", "aave_v2", "morpho_blue"]);
}

/// A bundle of ours for that position and block, which is in no block.
fn bundle(target: u64, position: Position) -> Bundle {
    Bundle {
        uuid: Uuid::from_u128(1),
        target,
        parent: B256::ZERO,
        opportunity: B256::repeat_byte(1),
        replaces: None,
        trigger: None,
        txs: vec![B256::repeat_byte(2)],
        ours: B256::repeat_byte(2),
        pools: Vec::new(),
        positions: vec![position],
        strategy: "liquidation".to_owned(),
        protocols: vec!["aave_v3".to_owned()],
        token: Address::ZERO,
        gross: U256::ONE,
        value: U256::ONE,
        amounts: Vec::new(),
        live: true,
        predicted: I256::ONE,
        bid: U256::ZERO,
        decided_ms: 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_says_who_won_a_position_that_we_lost_until_its_block_is_undone() {
    let net = lending::market(9).await;
    let (hand, lending) = (Hand(&net), net.lending.as_ref().expect("asked for"));
    lending::answer(&net, &lending.feeds[0], lending.feeds[0].opening / 100 * 93).await;
    net.mine().await.expect("mines");
    let market = &lending.markets[0];
    let near = lending::nearest(&hand, lending, market).await;
    let (_, borrower) = near.first().expect("one who sinks");
    let (tx, gas) = take(&hand, market, borrower).await;
    let chain = Chain::new(&net.node.http(), Duration::from_secs(30)).expect("a url");
    let id = chain.latest().await.expect("told").expect("a block").id();

    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Arc::new(Ledger::open(&folder.path().join("ledger")).expect("a ledger"));
    let position = Position { market: market.pool, id: None, account: borrower.account };
    ledger.decide(bundle(id.number, position)).done().await.expect("written");
    let own = Own { owner: net.owner.address(), executor: net.executor, weth: net.contracts.weth };
    let told = async |notes: Vec<Note>| {
        let tracker = InclusionTracker::new(Facts::new(ledger.clone(), Vec::new()), chain.clone(), own);
        let tracker = tracker.watching(lending.markets.iter().map(|market| market.pool).collect());
        let ((tell, hear), (mined, _heard)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        notes.into_iter().for_each(|note| tell.send(note).expect("heard"));
        drop(tell);
        tracker.run(hear, mined).await;
    };
    told(vec![Note::Grown(id)]).await;
    let lost = ledger.row(Uuid::from_u128(1)).expect("there").outcome;
    assert_eq!(lost, Some(Outcome::Lost { reason: Reason::Outbid { by: tx, paid: gas * U256::from(TIP) } }));
    let all = ledger.liquidations(0..=u64::MAX).expect("read");
    assert_eq!(all, attributed(&hand).await);
    assert!(all.len() == 1 && all[0].tx == tx && all[0].taken.is_of(&position));
    told(vec![Note::Grown(id), Note::Undone { above: id.number - 1 }]).await;
    assert_eq!(ledger.liquidations(0..=u64::MAX).expect("read"), []);
    assert_eq!(ledger.row(Uuid::from_u128(1)).expect("there").outcome, None, "open again");
}
