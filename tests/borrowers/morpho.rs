//! Morpho Blue, compiled from its published source: a market that its logs announce, who borrows there, and a price that sinks him.

use std::path::Path;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use peregrine::edge::bootstrap::{self, Keep, LendingRow, Wanted};
use peregrine::protocols::AnyLending;
use peregrine::protocols::lending::Lending;
use peregrine::protocols::lending::market_spec::Pair;
use peregrine::protocols::morpho_blue::Params;
use serde_json::Value;

use crate::follower::Follower;
use crate::world::World;
use crate::{approveCall, deposit_0Call, send};

alloy::sol! {
    struct MarketParams { address loanToken; address collateralToken; address oracle; address irm; uint256 lltv; }
    function setPrice(uint256 price) external;
    function enableIrm(address irm) external;
    function enableLltv(uint256 lltv) external;
    function createMarket(MarketParams params) external;
    function supply(MarketParams params, uint256 assets, uint256 shares, address owner, bytes data) external;
    function supplyCollateral(MarketParams params, uint256 assets, address owner, bytes data) external;
    function borrow(MarketParams params, uint256 assets, uint256 shares, address owner, address to) external;
    function repay(MarketParams params, uint256 assets, uint256 shares, address owner, bytes data) external;
    function withdrawCollateral(MarketParams params, uint256 assets, address owner, address to) external;
    function accrueInterest(MarketParams params) external;
    struct Totals { uint128 lent; uint128 lentShares; uint128 owed; uint128 owedShares; uint128 updated; uint128 fee; }
    function market(bytes32 id) external view returns (Totals totals);
    function position(bytes32 id, address user) external view returns (uint256 lent, uint128 shares, uint128 collateral);
    function price() external view returns (uint256);
}

impl MarketParams {
    /// A market's.
    pub fn of(pair: &Pair, oracle: Address) -> Self {
        let Pair { loan, collateral, irm, lltv } = *pair;
        Self { loanToken: loan, collateralToken: collateral, oracle, irm, lltv }
    }
}

const WAD: u64 = 1_000_000_000_000_000_000;

/// Creation code, which `scripts/setup` compiles from the package's sources.
fn code(name: &str, arguments: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("contracts/node_modules/.peregrine/{name}.json"));
    let artifact: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    [&hex::decode(artifact["bytecode"].as_str().unwrap()).unwrap(), arguments].concat()
}

/// Units of the loan token for one of collateral, times 1e36: dollars of 6 decimals for ether of 18.
fn price(dollars: u64) -> U256 {
    U256::from(dollars) * U256::from(10).pow(U256::from(24))
}

/// The contract, with one market in which the owner has borrowed 2,000 dollars on an ether of 3,000.
async fn stand(world: &World) -> (Address, Params) {
    let (net, owner) = (&world.net, world.net.owner.address());
    let nonce = send(world, &net.owner, Vec::new()).await;
    let [morpho, irm, oracle] = [0, 1, 2].map(|index| owner.create(nonce + index));
    let (loan, collateral, lltv) = (net.tokens[1].address, net.contracts.weth, U256::from(WAD / 100 * 86));
    let params = Params { loan, collateral, oracle, irm, lltv };
    let market = MarketParams::of(&Pair { loan, collateral, irm, lltv }, oracle);
    let create = |name, arguments: &[u8]| (TxKind::Create, U256::ZERO, code(name, arguments));
    let call = |to, data| (TxKind::Call(to), U256::ZERO, data);
    let (ether, none, most) = (U256::from(WAD), U256::ZERO, U256::MAX);
    let approve = approveCall { spender: morpho, amount: most }.abi_encode();
    let ours = vec![
        create("Morpho", &owner.abi_encode()),
        create("IrmMock", &[]),
        create("OracleMock", &[]),
        call(oracle, setPriceCall { price: price(3_000) }.abi_encode()),
        call(morpho, enableIrmCall { irm }.abi_encode()),
        call(morpho, enableLltvCall { lltv }.abi_encode()),
        call(morpho, createMarketCall { params: market.clone() }.abi_encode()),
        (TxKind::Call(collateral), ether, deposit_0Call {}.abi_encode()),
        call(collateral, approve.clone()),
    ];
    send(world, &net.owner, ours).await;
    net.mine().await.unwrap();
    let (assets, data, lender) = (U256::from(1_000_000_000_000_u64), Bytes::new(), net.senders[0].address());
    let lend = supplyCall { params: market.clone(), assets, shares: none, owner: lender, data: data.clone() };
    send(world, &net.senders[0], vec![call(loan, approve), call(morpho, lend.abi_encode())]).await;
    net.mine().await.unwrap();
    let pledge = supplyCollateralCall { params: market.clone(), assets: ether, owner, data };
    let borrow = borrowCall { params: market, assets: U256::from(2_000_000_000), shares: none, owner, to: owner };
    let ours = [pledge.abi_encode(), borrow.abi_encode()].map(|data| call(morpho, data));
    send(world, &net.owner, ours.into()).await;
    net.mine().await.unwrap();
    (morpho, params)
}

/// What follows from a market's state is what the node answers; the account's health factor.
async fn factor(world: &World, market: &AnyLending, account: Address, (block, at): (B256, u64)) -> U256 {
    for (to, view) in market.views(account, at).unwrap() {
        let answers = world.chain().views(block, &[(to, view.data.into())]).await.unwrap();
        for (place, due) in view.due {
            assert_eq!(U256::from_be_slice(&answers[0][place * 32..place * 32 + 32]), due, "word {place} of {to}");
        }
    }
    market.health(account, at).unwrap().factor
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_that_logs_announce_is_followed_and_its_borrower_sinks_with_its_oracle() {
    let world = World::start(56).await;
    let (morpho, params) = stand(&world).await;
    let owner = world.net.owner.address();
    let row = LendingRow {
        name: "morpho".to_owned(),
        protocol: "morpho_blue".to_owned(),
        address: morpho,
        oracle: None,
        from_block: 0,
        market: None,
        accounts: Vec::new(),
    };
    // All markets that were announced; or one, and of that those who are listed.
    let listed = LendingRow { market: Some(params.id()), accounts: vec![owner], ..row.clone() };
    for row in [listed, row] {
        let wanted = Wanted { lending: vec![row], ..Wanted::default() };
        let (chain, config) = (world.chain(), world.config(None));
        let loaded = bootstrap::load(&chain, &config, world.rules(), &wanted, &mut |_| ()).await.unwrap();
        assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
        let [seed] = &loaded.markets[..] else { panic!("{:?}", loaded.markets) };
        assert_eq!((seed.address, seed.oracle, &seed.accounts), (morpho, params.oracle, &vec![owner]));
        let keep = Keep::new(chain.clone(), world.rules(), &loaded);
        let mut follower = Follower::new(&loaded, world.rules());
        let place = (loaded.head.hash, loaded.head.timestamp);
        let before = factor(&world, &follower.fresh()[0], owner, place).await;
        assert!(before > U256::from(WAD), "{before}");

        for dollars in [2_000, 3_000] {
            let answer = setPriceCall { price: price(dollars) }.abi_encode();
            send(&world, &world.net.owner, vec![(TxKind::Call(params.oracle), U256::ZERO, answer)]).await;
            world.net.mine().await.unwrap();
            let head = chain.latest().await.unwrap().unwrap();
            let logs = chain.logs(head.hash, &[morpho]).await.unwrap();
            follower.block(&keep, keep.update(&head, &logs).await.unwrap()).await;
            let now = factor(&world, &follower.fresh()[0], owner, (head.hash, head.timestamp)).await;
            assert_eq!(now < U256::from(WAD), dollars == 2_000, "{now}");
        }
    }
}
