//! The liquidator's calldata and its code against each other, in revm: a real Morpho Blue position, sold over real pairs.

mod common;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use common::chain::{Chain, USER, depositCall};
use peregrine::hot::evm::machine::Executed;
use peregrine::protocols::amm::Family;
use peregrine::protocols::executor::liquidation::{self, Asked, Lender, Liquidation, Run, Stop};
use peregrine::protocols::executor::{Bid, EncodeError, Hop, MAX_HOPS, error_name};
use peregrine::types::amount::Wei;
use revm::context::TxEnv;

alloy::sol! {
    struct Market { address loan; address collateral; address oracle; address irm; uint256 lltv; }
    function enableIrm(address irm) external;
    function enableLltv(uint256 lltv) external;
    function createMarket(Market market) external;
    function supply(Market market, uint256 assets, uint256 shares, address owner, bytes data) external;
    function supplyCollateral(Market market, uint256 assets, address owner, bytes data) external;
    function borrow(Market market, uint256 assets, uint256 shares, address owner, address receiver) external;
    function position(bytes32 id, address owner) external view returns (uint256 supplied, uint128 borrowed, uint128 collateral);
    function setPrice(uint256 price) external;
    function approve(address spender, uint256 amount) external;
    function balanceOf(address owner) external view returns (uint256);
    function allowance(address owner, address spender) external view returns (uint256);
    function getReserves() external view returns (uint112 first, uint112 second, uint32 at);
}

const LLTV: u128 = 860_000_000_000_000_000;
const LLTV_BESIDE: u128 = 850_000_000_000_000_000;

fn ether(n: u128) -> u128 {
    n * 10_u128.pow(18)
}

/// 100 of a token against 70 of another, and pairs by which the one becomes the other: directly, and by way of WETH.
struct Scene {
    chain: Chain,
    liquidator: Address,
    weth: Address,
    market: Market,
    /// Another market of the same tokens, in which the same user has borrowed as much.
    beside: Market,
    morpho: Address,
    direct: Address,
    /// Collateral to WETH, WETH to debt.
    round: [Address; 2],
}

impl Scene {
    fn new() -> Self {
        let mut chain = Chain::new();
        let weth = chain.deploy("@uniswap/v2-periphery/build/WETH9.json", &[]);
        chain.send(TxKind::Call(weth), depositCall {}.abi_encode(), U256::from(ether(10_000)));
        let supply = U256::from(ether(1_000_000)).abi_encode();
        let [loan, collateral] = [(); 2].map(|()| chain.deploy("@uniswap/v2-core/build/ERC20.json", &supply));
        let morpho = chain.deploy(".peregrine/Morpho.json", &USER.abi_encode());
        let oracle = chain.deploy(".peregrine/OracleMock.json", &[]);
        let irm = chain.deploy(".peregrine/IrmMock.json", &[]);
        let market = Market { loan, collateral, oracle, irm, lltv: U256::from(LLTV) };
        let beside = Market { lltv: U256::from(LLTV_BESIDE), ..market.clone() };
        let mut pair = |tokens| {
            let factory = chain.deploy("@uniswap/v2-core/build/UniswapV2Factory.json", &USER.abi_encode());
            chain.pair(factory, tokens, [U256::from(ether(1_000)); 2])
        };
        let direct = pair([collateral, loan]);
        let round = [pair([collateral, weth]), pair([weth, loan])];
        let liquidator = deploy(&mut chain, weth);
        chain.call(morpho, &enableIrmCall { irm });
        let mut scene = Self { chain, liquidator, weth, market, beside, morpho, direct, round };
        scene.price(100);
        scene.borrow(scene.market.clone());
        scene.borrow(scene.beside.clone());
        scene.price(80);
        scene
    }

    fn borrow(&mut self, market: Market) {
        let morpho = self.morpho;
        self.chain.call(morpho, &enableLltvCall { lltv: market.lltv });
        self.chain.call(morpho, &createMarketCall { market: market.clone() });
        for token in [market.loan, market.collateral] {
            self.chain.call(token, &approveCall { spender: morpho, amount: U256::MAX });
        }
        let assets = U256::from(ether(140));
        let none = (U256::ZERO, Bytes::new());
        self.chain.call(
            morpho,
            &supplyCall { market: market.clone(), assets, shares: none.0, owner: USER, data: none.1.clone() },
        );
        let assets = U256::from(ether(100));
        self.chain.call(morpho, &supplyCollateralCall { market: market.clone(), assets, owner: USER, data: none.1 });
        let assets = U256::from(ether(70));
        self.chain.call(morpho, &borrowCall { market, assets, shares: none.0, owner: USER, receiver: USER });
    }

    /// What the collateral is worth, in percent of the debt token.
    fn price(&mut self, percent: u128) {
        let price = U256::from(percent) * U256::from(10).pow(U256::from(34));
        self.chain.call(self.market.oracle, &setPriceCall { price });
    }

    fn liquidation(&self, asked: Asked, repay: u128) -> Liquidation {
        self.liquidation_in(&self.market, asked, repay)
    }

    fn liquidation_in(&self, market: &Market, asked: Asked, repay: u128) -> Liquidation {
        let Market { loan, collateral, oracle, irm, lltv } = *market;
        let lender = Lender::Morpho { morpho: self.morpho, oracle, irm, lltv: lltv.to(), asked };
        Liquidation { lender, borrower: USER, debt: loan, collateral, repay }
    }

    fn hop(&mut self, pool: Address, token_in: Address, token_out: Address, amount_in: u128) -> Hop {
        let [hop] = self.hops(pool, token_in, token_out, [amount_in]);
        hop
    }

    /// What a pair pays for one amount after another.
    fn hops<const N: usize>(
        &mut self,
        pool: Address,
        token_in: Address,
        token_out: Address,
        ins: [u128; N],
    ) -> [Hop; N] {
        let reserves: getReservesReturn = self.read(pool, &getReservesCall {});
        let zero_for_one = token_in < token_out;
        let (first, second) = (reserves.first.to(), reserves.second.to());
        let (mut into, mut out): (u128, u128) = if zero_for_one { (first, second) } else { (second, first) };
        ins.map(|amount_in| {
            let amount_out = pays(into, out, amount_in);
            into += amount_in;
            out -= amount_out;
            Hop { family: Family::V2, zero_for_one, pool, token_in, amount_out }
        })
    }

    fn read<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        let executed = self.chain.call(to, call);
        C::abi_decode_returns(executed.result.output().expect("an answer")).expect("the shape due")
    }

    fn held(&mut self, token: Address) -> u128 {
        let owner = self.liquidator;
        self.read(token, &balanceOfCall { owner }).to()
    }

    fn shares(&mut self) -> u128 {
        let id = B256::from(keccak256(self.market.abi_encode()));
        self.read(self.morpho, &positionCall { id, owner: USER }).borrowed
    }

    /// The owner's transaction, which may revert.
    fn run(&mut self, data: Bytes) -> Executed {
        let kind = TxKind::Call(self.liquidator);
        let nonce = self.chain.nonce();
        let tx = TxEnv { caller: USER, gas_limit: 3_000_000, gas_price: 7, kind, data, nonce, ..TxEnv::default() };
        self.chain.machine.execute(tx).expect("runs")
    }

    /// What it was refused with.
    fn refusal(&mut self, run: &Run<'_>) -> Option<&'static str> {
        self.refusal_of(run.encode().expect("fits"))
    }

    fn refusal_of(&mut self, data: Bytes) -> Option<&'static str> {
        let executed = self.run(data);
        assert!(!executed.is_success());
        error_name(executed.result.output()?.get(..4)?)
    }

    /// Runs it for good.
    fn land(&mut self, run: &Run<'_>) {
        self.land_data(run.encode().expect("fits"));
    }

    fn land_data(&mut self, data: Bytes) {
        self.chain.send(TxKind::Call(self.liquidator), data.to_vec(), U256::ZERO);
        let left: U256 = self.read(self.market.loan, &allowanceCall { owner: self.liquidator, spender: self.morpho });
        assert_eq!(left, U256::ZERO);
    }
}

/// The published formula of a pair.
fn pays(into: u128, out: u128, amount_in: u128) -> u128 {
    let net = U256::from(amount_in) * U256::from(997);
    (net * U256::from(out) / (U256::from(into) * U256::from(1000) + net)).to()
}

fn deploy(chain: &mut Chain, weth: Address) -> Address {
    let code = liquidation::creation(true, USER, weth).expect("the artifact");
    let place = USER.create(chain.nonce());
    chain.machine.db_mut().tell_whole_account(place, revm::state::AccountInfo::default());
    chain.send(TxKind::Create, code.to_vec(), U256::ZERO);
    place
}

const BLOCK: u64 = 20_000_000;
const FREE: Bid = Bid::Wei(Wei(U256::ZERO));

/// All that is seized is sold for the debt token, which stays; the builder gets nothing.
fn sold_for(token: Address, liquidation: Liquidation, amount_in: u128, hops: &[Hop]) -> Run<'_> {
    Run { block: BLOCK, token, min_profit: 0, bid: FREE, liquidation, amount_in, hops, stop: None }
}

#[test]
fn collateral_asked_for_and_sold_directly_earns_the_debt_token() {
    let mut scene = Scene::new();
    let Market { loan, collateral, .. } = scene.market;
    let seized = ether(20);
    let hop = scene.hop(scene.direct, collateral, loan, seized);
    let liquidation = scene.liquidation(Asked::Collateral(seized), hop.amount_out);
    let hops = [hop];
    scene.land(&sold_for(loan, liquidation, seized, &hops));
    // 20 at 0.8, with the incentive of this threshold: 1 / (1 - 0.3 * (1 - 0.86)).
    let paid = hop.amount_out - scene.held(loan);
    // To a few units, by which the lender rounds the incentive and the shares in its favour.
    let over = paid.checked_sub(ether(16) * 958 / 1_000).expect("never less");
    assert!(over < 100, "{over}");
    assert_eq!(scene.held(collateral), 0);
}

#[test]
fn shares_repaid_by_way_of_weth_earn_weth_of_which_the_builder_gets_his_share() {
    let mut scene = Scene::new();
    let Market { loan, collateral, .. } = scene.market;
    let weth = scene.weth;
    let shares = scene.shares() / 4;
    // 17.5 and what rounding may add; at 0.8 and the incentive, it brings 22.8.
    let repay = ether(35) / 2 + 1;
    let seized = ether(22);
    let first = scene.hop(scene.round[0], collateral, weth, seized);
    let mut spent = ether(17);
    let second = loop {
        let hop = scene.hop(scene.round[1], weth, loan, spent);
        if hop.amount_out >= repay {
            break hop;
        }
        spent += ether(1) / 1_000;
    };
    let profit = first.amount_out - spent;
    let liquidation = scene.liquidation(Asked::Shares(shares), repay);
    let hops = [first, second];
    let stop = Some(Stop { before: 1, amount_out: spent });
    let bid = Bid::Bps(9_000);
    let run =
        Run { block: BLOCK, token: weth, min_profit: profit, bid, liquidation, amount_in: seized, hops: &hops, stop };
    assert_eq!(scene.refusal(&Run { min_profit: profit + 1, ..run }), Some("Unprofitable"));
    scene.land(&run);
    assert_eq!(scene.held(weth), profit - profit * 9 / 10);
    // What is seized above the first hop's input, and what the last pool pays above the debt, stays.
    assert!(scene.held(collateral) > 0);
    assert!(scene.held(loan) < ether(1) / 100);
}

/// A position of each market, sold to the same pair, which the second finds as the first leaves it.
fn two_positions(scene: &mut Scene) -> [(Run<'static>, [Hop; 1]); 2] {
    let Market { loan, collateral, .. } = scene.market;
    let seized = [ether(20), ether(15)];
    let hops = scene.hops(scene.direct, collateral, loan, seized);
    let markets = [scene.market.clone(), scene.beside.clone()];
    [0, 1].map(|which| {
        let asked = Asked::Collateral(seized[which]);
        let liquidation = scene.liquidation_in(&markets[which], asked, hops[which].amount_out);
        (sold_for(loan, liquidation, seized[which], &[]), [hops[which]])
    })
}

/// Their calldata, the second of which demands so much.
fn calldata(runs: &[(Run<'static>, [Hop; 1]); 2], least: u128) -> [Bytes; 2] {
    [0, 1].map(|which| {
        let (run, hops) = &runs[which];
        let min_profit = if which == 1 { least } else { run.min_profit };
        Run { hops, min_profit, ..*run }.encode().expect("fits")
    })
}

#[test]
fn two_positions_in_one_transaction_earn_what_they_earn_one_after_the_other_or_nothing() {
    let mut scene = Scene::new();
    let loan = scene.market.loan;
    let runs = two_positions(&mut scene);
    let [first, second] = calldata(&runs, 0);
    scene.land_data(first);
    let earned = scene.held(loan);
    scene.land_data(second);
    let sum = scene.held(loan);
    let second = sum - earned;
    assert!(earned > 0 && second > 0);

    let mut scene = Scene::new();
    let refused = liquidation::encode_all(&calldata(&runs, second + 1)).expect("two");
    assert_eq!(scene.refusal_of(refused), Some("Unprofitable"));
    scene.land_data(liquidation::encode_all(&calldata(&runs, second)).expect("two"));
    assert_eq!(scene.held(loan), sum);
}

#[test]
fn what_is_no_run_is_not_among_several() {
    let mut scene = Scene::new();
    let runs = two_positions(&mut scene);
    let [first, second] = calldata(&runs, 0);
    assert_eq!(liquidation::encode_all(&[]), Err(EncodeError::NoRun(0)));
    assert_eq!(liquidation::encode_all(&[first.clone(), Bytes::new()]), Err(EncodeError::NoRun(1)));
    let both = liquidation::encode_all(&[first.clone(), second.clone()]).expect("two");
    assert_eq!(liquidation::encode_all(&[both.clone(), second.clone()]), Err(EncodeError::NoRun(0)));
    let long = [&first[..], &[0; 1 << 16]].concat();
    assert_eq!(liquidation::encode_all(&[second, long.into()]), Err(EncodeError::NoRun(1)));
    // One is sent as it is.
    assert_eq!(liquidation::encode_all(std::slice::from_ref(&first)), Ok(first));
    assert_eq!(scene.refusal_of(both.slice(..both.len() - 1)), Some("BadPayload"));
    assert_eq!(scene.refusal_of(both.slice(..4)), Some("BadPayload"));
}

#[test]
fn what_must_not_run_is_refused_by_name() {
    let mut scene = Scene::new();
    let Market { loan, collateral, .. } = scene.market;
    let seized = ether(20);
    let hops = [scene.hop(scene.direct, collateral, loan, seized)];
    let liquidation = scene.liquidation(Asked::Collateral(seized), hops[0].amount_out);
    let run = sold_for(loan, liquidation, seized, &hops);
    assert_eq!(scene.refusal(&Run { block: BLOCK + 1, ..run }), Some("WrongBlock"));
    assert_eq!(scene.refusal(&Run { amount_in: seized + 1, ..run }), Some("SeizedTooLittle"));
    assert_eq!(scene.refusal(&Run { bid: Bid::Bps(1), ..run }), Some("BadPayload"));
    let short = [Hop { amount_out: 1, ..hops[0] }];
    let poor = Run { token: collateral, hops: &short, ..run };
    assert_eq!(scene.refusal(&poor), None, "morpho says that it was not paid");
    scene.price(100);
    assert_eq!(scene.refusal(&run), None, "morpho says that the position is healthy");
}

#[test]
fn what_does_not_fit_the_calldata_is_not_encoded() {
    let hop =
        Hop { family: Family::V3, zero_for_one: true, pool: Address::ZERO, token_in: Address::ZERO, amount_out: 1 };
    let lender = Lender::Aave { pool: Address::ZERO, paid: liquidation::Paid::Collateral };
    let zero = Address::ZERO;
    let liquidation = Liquidation { lender, borrower: zero, debt: zero, collateral: zero, repay: 1 };
    let many = vec![hop; MAX_HOPS + 1];
    let run = Run {
        block: 1,
        token: zero,
        min_profit: 0,
        bid: FREE,
        liquidation,
        amount_in: 1,
        hops: &many[..1],
        stop: None,
    };
    assert_eq!(run.encode().map(|data| data.len()), Ok(247 + 57));
    assert_eq!(Run { hops: &[], ..run }.encode(), Err(EncodeError::Hops(0)));
    assert_eq!(Run { hops: &many, ..run }.encode(), Err(EncodeError::Hops(MAX_HOPS + 1)));
    assert_eq!(Run { block: 1 << 40, ..run }.encode(), Err(EncodeError::Block(1 << 40)));
}
