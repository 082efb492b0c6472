//! Liquidations' calldata and the executor's code against each other, in revm: real Morpho Blue positions, sold over real pairs; and
//! what our markets and the pairs' formula foretell against what is then earned, to the unit, of Morpho here and of Aave in
//! `liquidator/aave.rs`.

#[path = "liquidator/aave.rs"]
mod aave;
#[path = "common/aave_deploy.rs"]
mod aave_deploy;
#[path = "common/aave_drive.rs"]
#[allow(dead_code, reason = "only its market is used")]
mod aave_drive;
#[path = "aave_v2_bytecode/deploy.rs"]
mod aave_v2_deploy;
#[path = "aave_v3_bytecode/deploy.rs"]
mod aave_v3_deploy;
mod common;
#[path = "common/market_evm.rs"]
mod market_evm;
#[path = "liquidator/plan.rs"]
mod plan;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use common::chain::{Chain, USER, depositCall};
use peregrine::hot::evm::fork::Fork;
use peregrine::protocols::execution::Steps;
use peregrine::protocols::executor::several;
use peregrine::protocols::executor::{self, Bid, EncodeError, MAX_HOPS, Run, error_name};
use peregrine::protocols::lending::{About, Call, Lending, Seizure, Size};
use peregrine::protocols::morpho_blue;
use plan::{FREE, Keep, Lender, Liquidation, Pair, PairHop, Plan, Stop, steps};
use revm::context::{BlockEnv, TxEnv};

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
        let beside = Market { lltv: U256::from(LLTV_BESIDE), ..market };
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
        scene.wait(30 * 86_400);
        scene
    }

    /// Later, in a block of the same number: interest runs on.
    fn wait(&mut self, seconds: u64) {
        let timestamp = self.now() + seconds;
        let block = BlockEnv { timestamp: U256::from(timestamp), ..self.chain.machine.block().clone() };
        self.chain.machine.enter(Fork::of(&peregrine::chain::MAINNET, BLOCK, timestamp).expect("cancun"), block);
    }

    fn now(&self) -> u64 {
        self.chain.machine.block().timestamp.to()
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

    fn liquidation(&self, market: &Market, size: Size, repay: u128) -> Liquidation {
        let call = call(market, size);
        Liquidation { lender: Lender::Morpho(self.morpho, params(market)), call, repay }
    }

    /// A pair as it stands.
    fn pair(&mut self, pool: Address, tokens: [Address; 2]) -> Pair {
        let reserves: getReservesReturn = self.read(pool, &getReservesCall {});
        let reserves: [u128; 2] = [reserves.first.to(), reserves.second.to()];
        let reserves = if tokens[0] < tokens[1] { reserves } else { [reserves[1], reserves[0]] };
        Pair { pool, tokens, reserves }
    }

    fn direct(&mut self) -> Pair {
        let Market { loan, collateral, .. } = self.market;
        self.pair(self.direct, [collateral, loan])
    }

    /// By way of WETH.
    fn round(&mut self) -> [Pair; 2] {
        let Market { loan, collateral, .. } = self.market;
        [self.pair(self.round[0], [collateral, self.weth]), self.pair(self.round[1], [self.weth, loan])]
    }

    /// What our market, which knows what this chain does, says that a liquidation moves.
    fn quote(&mut self, market: &Market, size: Size) -> Seizure {
        let mut ours = morpho_blue::Market::new(self.morpho, params(market));
        ours.watch(USER);
        for (at, slot) in ours.missing() {
            let value = self.chain.machine.db().known_slot(at, slot).expect("known");
            ours.apply_slots(at, &[(slot, value)]).expect("a slot of the market");
        }
        for question in ours.questions() {
            let answer = self.chain.machine.call(USER, question.to, question.data).expect("asked");
            let word = U256::from_be_slice(&answer.result.output().expect("an answer")[..32]);
            let About::Price(feed) = question.about else { panic!("morpho asks for prices alone") };
            ours.set_price(feed, word);
        }
        ours.quote(&call(market, size), self.now()).expect("it sinks")
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

    /// What the owner's transaction is refused with.
    fn refusal(&mut self, data: Bytes) -> Option<&'static str> {
        let kind = TxKind::Call(self.liquidator);
        let nonce = self.chain.nonce();
        let tx = TxEnv { caller: USER, gas_limit: 3_000_000, gas_price: 7, kind, data, nonce, ..TxEnv::default() };
        let executed = self.chain.machine.execute(tx).expect("runs");
        assert!(!executed.is_success());
        error_name(executed.result.output()?.get(..4)?)
    }

    /// Runs it for good.
    fn land(&mut self, data: Bytes) {
        self.chain.send(TxKind::Call(self.liquidator), data.to_vec(), U256::ZERO);
        let left: U256 = self.read(self.market.loan, &allowanceCall { owner: self.liquidator, spender: self.morpho });
        assert_eq!(left, U256::ZERO);
    }
}

fn params(market: &Market) -> morpho_blue::Params {
    let Market { loan, collateral, oracle, irm, lltv } = *market;
    morpho_blue::Params { loan, collateral, oracle, irm, lltv }
}

fn call(market: &Market, size: Size) -> Call {
    Call { account: USER, debt: market.loan, collateral: market.collateral, size, receipt: false }
}

fn deploy(chain: &mut Chain, weth: Address) -> Address {
    let code = executor::creation(true, USER, weth).expect("the artifact");
    let place = USER.create(chain.nonce());
    chain.machine.db_mut().tell_whole_account(place, revm::state::AccountInfo::default());
    chain.send(TxKind::Create, code.to_vec(), U256::ZERO);
    place
}

const BLOCK: u64 = 20_000_000;

/// What our market and the pairs' formula foretell for a liquidation of `market`, along `route`.
fn plan(scene: &mut Scene, market: &Market, size: Size, keep: Keep, (route, rest): (&[Pair], u128)) -> Plan {
    let moved = scene.quote(market, size);
    let liquidation = scene.liquidation(market, size, moved.repaid.to());
    Plan::new(keep, liquidation, &moved, route, rest)
}

/// A part of the position, asked for in either way.
fn parts(scene: &mut Scene) -> [Size; 2] {
    [Size::Seize(U256::from(ether(20) + 7)), Size::Shares(U256::from(scene.shares() / 4))]
}

#[test]
fn what_our_morpho_foretells_is_earned_to_the_unit_wherever_it_is_kept() {
    for which in 0..2 {
        for (keep, hops, rest) in [
            (Keep::Debt, 1, 0),
            (Keep::Debt, 2, ether(1)),
            (Keep::Collateral, 1, 0),
            (Keep::Collateral, 2, 0),
            (Keep::Between, 2, 0),
            (Keep::Between, 2, ether(1)),
        ] {
            let mut scene = Scene::new();
            let (market, asked) = (scene.market.clone(), parts(&mut scene)[which]);
            let route = if hops == 1 { vec![scene.direct()] } else { scene.round().to_vec() };
            let plan = plan(&mut scene, &market, asked, keep, (&route, rest));
            assert!(plan.profit() > 0);
            let greedy = plan.encode(BLOCK, plan.profit() + 1, FREE);
            assert_eq!(scene.refusal(greedy), Some("Unprofitable"));
            scene.land(plan.encode(BLOCK, plan.profit(), FREE));
            for (token, gain) in &plan.gains {
                assert_eq!(scene.held(*token), *gain, "{plan:?}");
            }
        }
    }
}

#[test]
fn shares_repaid_by_way_of_weth_earn_weth_of_which_the_builder_gets_his_share() {
    let mut scene = Scene::new();
    let (market, asked) = (scene.market.clone(), parts(&mut scene)[1]);
    let route = scene.round();
    let plan = plan(&mut scene, &market, asked, Keep::Between, (&route, 0));
    assert_eq!(plan.token, scene.weth);
    scene.land(plan.encode(BLOCK, plan.profit(), Bid::Bps(9_000)));
    assert_eq!(scene.held(plan.token), plan.profit() - plan.profit() * 9 / 10);
}

/// A position of each market, sold to the same pair, which the second finds as the first leaves it.
fn two_positions(scene: &mut Scene) -> [Plan; 2] {
    let mut pair = scene.direct();
    [(scene.market.clone(), ether(20)), (scene.beside.clone(), ether(15))].map(|(market, seized)| {
        let plan = plan(scene, &market, Size::Seize(U256::from(seized)), Keep::Debt, (&[pair], 0));
        pair = pair.after(plan.amount_in, plan.hops[0].amount_out);
        plan
    })
}

/// Their calldata, with the whole prediction demanded of each, and `more` of the second.
fn calldata(plans: &[Plan; 2], more: u128) -> [Bytes; 2] {
    [0, 1].map(|which| plans[which].encode(BLOCK, plans[which].profit() + more * which as u128, FREE))
}

#[test]
fn two_positions_in_one_transaction_earn_the_sum_of_what_was_foretold_or_nothing() {
    let mut scene = Scene::new();
    let plans = two_positions(&mut scene);
    let greedy = several::encode_all(&calldata(&plans, 1)).expect("two");
    assert_eq!(scene.refusal(greedy), Some("Unprofitable"));
    scene.land(several::encode_all(&calldata(&plans, 0)).expect("two"));
    assert_eq!(scene.held(scene.market.loan), plans[0].profit() + plans[1].profit());
    assert_eq!(scene.held(scene.market.collateral), 0);
}

#[test]
fn what_is_no_run_is_not_among_several() {
    let mut scene = Scene::new();
    let plans = two_positions(&mut scene);
    let [first, second] = calldata(&plans, 0);
    assert_eq!(several::encode_all(&[]), Err(EncodeError::NoRun(0)));
    assert_eq!(several::encode_all(&[first.clone(), Bytes::new()]), Err(EncodeError::NoRun(1)));
    let both = several::encode_all(&[first.clone(), second.clone()]).expect("two");
    assert_eq!(several::encode_all(&[both.clone(), second.clone()]), Err(EncodeError::NoRun(0)));
    let long = [&first[..], &[0; 1 << 16]].concat();
    assert_eq!(several::encode_all(&[second, long.into()]), Err(EncodeError::NoRun(1)));
    // One is sent as it is.
    assert_eq!(several::encode_all(std::slice::from_ref(&first)), Ok(first));
    assert_eq!(scene.refusal(both.slice(..both.len() - 1)), Some("BadPayload"));
    assert_eq!(scene.refusal(both.slice(..4)), Some("BadPayload"));
}

#[test]
fn what_must_not_run_is_refused_by_name() {
    let mut scene = Scene::new();
    let (market, asked) = (scene.market.clone(), parts(&mut scene)[0]);
    let route = [scene.direct()];
    let plan = plan(&mut scene, &market, asked, Keep::Debt, (&route, 0));
    let mut refusal = |plan: &Plan, block, bid| scene.refusal(plan.encode(block, 0, bid));
    assert_eq!(refusal(&plan, BLOCK + 1, FREE), Some("WrongBlock"));
    assert_eq!(refusal(&plan, BLOCK, Bid::Bps(1)), Some("BadPayload"));
    let more = Plan { amount_in: plan.amount_in + 1, ..plan.clone() };
    assert_eq!(refusal(&more, BLOCK, FREE), Some("GotTooLittle"));
    let short = vec![PairHop { amount_out: 1, ..plan.hops[0] }];
    let poor = Plan { token: market.collateral, hops: short, ..plan.clone() };
    assert_eq!(refusal(&poor, BLOCK, FREE), None, "morpho says that it was not paid");
    scene.price(100);
    assert_eq!(scene.refusal(plan.encode(BLOCK, 0, FREE)), None, "morpho says that the position is healthy");
}

#[test]
fn what_does_not_fit_the_calldata_is_not_encoded() {
    let hop = PairHop { first_in: true, pool: Address::ZERO, token_in: Address::ZERO, amount_out: 1 };
    let zero = Address::ZERO;
    let size = Size::Repay(U256::ONE);
    let call = Call { account: zero, debt: zero, collateral: zero, size, receipt: false };
    let liquidation = Liquidation { lender: Lender::Aave(zero), call, repay: 1 };
    let one = steps(&liquidation, 1, &[hop], None);
    let many = steps(&liquidation, 1, &[hop; MAX_HOPS + 1], None);
    let stopped = |before| steps(&liquidation, 1, &[hop; 2], Some(Stop { before, amount_out: 1 }));
    let run = Run { block: 1, token: zero, min_profit: 0, bid: FREE, amount_in: 1, steps: &one };
    // The head, what the market is called with and its record, the pair's.
    let whole = 98 + (4 + 5 * 32) + 2 + 57 + 57;
    assert_eq!(run.encode().map(|data| data.len()), Ok(whole));
    assert_eq!(Run { steps: &Steps::default(), ..run }.encode(), Err(EncodeError::Hops(0)));
    assert_eq!(Run { steps: &many, ..run }.encode(), Err(EncodeError::Hops(MAX_HOPS + 1)));
    assert_eq!(Run { steps: &stopped(1), ..run }.encode().map(|data| data.len()), Ok(whole + 2 * 57));
    assert_eq!(Run { steps: &stopped(0), ..run }.encode(), Err(EncodeError::Stop(0, 2)));
    assert_eq!(Run { block: 1 << 40, ..run }.encode(), Err(EncodeError::Block(1 << 40)));
}

#[test]
fn a_bid_is_divided_to_the_wei_and_no_run_bears_more_than_its_part() {
    use peregrine::protocols::executor::several::split;
    for (bid, gains) in
        [(100_u64, vec![1_u128, 1, 1]), (7, vec![5]), (0, vec![3, 4]), (1_000_001, vec![10, 999_990, 3])]
    {
        let bid = U256::from(bid);
        let parts = split(bid, &gains);
        assert_eq!(parts.iter().copied().fold(U256::ZERO, |sum, part| sum + part), bid, "{gains:?}");
        let all: u128 = gains.iter().sum();
        for (part, gain) in parts.iter().zip(&gains) {
            let fair = bid * U256::from(*gain) / U256::from(all);
            assert!(*part >= fair && *part <= fair + U256::from(gains.len()), "{part} of {bid} for {gain} of {all}");
        }
    }
    assert!(split(U256::from(5), &[]).is_empty());
}
