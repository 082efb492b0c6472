//! The published contracts of both versions of Aave behind the liquidator: what ours say a liquidation moves, sold over real
//! pairs, is what it earns, to the unit, in whatever token the profit is taken.

use crate::aave_drive::World;
use crate::aave_drive::{borrowCall, depositCall, getUserAccountDataCall};
use crate::market_evm::{ADMIN, Outcome, creation_code, mintCall, user};
use crate::plan::{FREE, Keep, Lender, Liquidation, Pair, Plan};
use alloy::sol_types::SolValue;
use alloy_primitives::{Address, Bytes, U256};
use peregrine::protocols::executor::several;
use peregrine::protocols::executor::{self, error_name};
use peregrine::protocols::lending::{Call, Lending, Size};
use peregrine::protocols::{aave_v2, aave_v3};

mod pairs {
    alloy::sol! {
        function createPair(address a, address b) external returns (address pair);
        function mint(address to) external returns (uint256);
    }
}

/// Of the machine's only block.
const BLOCK: u64 = 0;
/// No run here pays in ether.
const WETH: Address = Address::repeat_byte(0xee);
const TOKEN: &str = "@aave/core-v3/artifacts/contracts/mocks/tokens/MintableERC20.sol/MintableERC20.json";
/// What each side of a pair is worth.
const DEPTH: u32 = 20_000_000;

/// A market, the liquidator, and a token that is in no market.
#[derive(Clone)]
struct Stage {
    world: World,
    liquidator: Address,
    middle: Address,
}

impl Stage {
    fn new(mut world: World) -> Self {
        let code = executor::creation(true, ADMIN, WETH).expect("the artifact");
        let liquidator = world.chain.create(code.to_vec(), &[]);
        let args = ("Token".to_owned(), "TKN".to_owned(), U256::from(18)).abi_encode_params();
        let middle = world.chain.create(creation_code(TOKEN, &[]), &args);
        Self { world, liquidator, middle }
    }

    /// A user lends one asset, borrows almost all he may of another, and a month goes by.
    fn open(&mut self, index: usize, collateral: usize, debt: usize) {
        let (who, pool) = (user(index), self.world.pool);
        let [given, taken] = [collateral, debt].map(|index| self.world.assets[index]);
        let amount = self.world.units(given, 100_000);
        let call = depositCall { asset: given.token, amount, onBehalfOf: who, referralCode: 0 };
        self.world.chain.send(who, pool, &call).expect("he lends");
        let room = self.world.chain.look(pool, &getUserAccountDataCall { user: who }).expect("an account").word(2);
        let unit = U256::from(10).pow(U256::from(taken.decimals));
        let amount = room * unit / self.world.chain.slot(taken.feed, U256::ZERO) * U256::from(999) / U256::from(1000);
        let call = borrowCall {
            asset: taken.token,
            amount,
            interestRateMode: U256::from(2),
            referralCode: 0,
            onBehalfOf: who,
        };
        self.world.chain.send(who, pool, &call).expect("he borrows");
        self.world.chain.now += 30 * 86_400;
    }

    fn fall(&mut self, asset: usize, per_mille: u64) {
        let feed = self.world.assets[asset].feed;
        let price = self.world.chain.slot(feed, U256::ZERO) * U256::from(per_mille) / U256::from(1000);
        self.world.chain.poke(feed, U256::ZERO, price);
    }

    /// A pair as deep as any, at the prices of the oracle.
    fn pair(&mut self, tokens: [Address; 2]) -> Pair {
        let code = creation_code("@uniswap/v2-core/build/UniswapV2Factory.json", &[]);
        let factory = self.world.chain.create(code, &ADMIN.abi_encode());
        let call = pairs::createPairCall { a: tokens[0], b: tokens[1] };
        let made = self.world.chain.send(ADMIN, factory, &call).expect("a pair");
        let pool = Address::from_slice(&made.output[12..32]);
        let reserves = tokens.map(|token| self.depth(token));
        for (token, amount) in tokens.into_iter().zip(reserves) {
            let call = mintCall { account: pool, value: U256::from(amount) };
            self.world.chain.send(ADMIN, token, &call).expect("a token is minted");
        }
        self.world.chain.send(ADMIN, pool, &pairs::mintCall { to: ADMIN }).expect("the pair takes them");
        Pair { pool, tokens, reserves }
    }

    fn depth(&self, token: Address) -> u128 {
        let asset = self.world.assets.iter().find(|asset| asset.token == token);
        asset.map_or(u128::from(DEPTH) * 10_u128.pow(18), |asset| self.world.units(*asset, DEPTH).to())
    }

    /// All that a market must know of this one.
    fn teach<M: Lending>(&mut self, mut market: M) -> M {
        self.world.learn(&mut market);
        for asset in self.world.assets.clone() {
            market.set_cash(asset.token, self.world.chain.balance(asset.token, asset.receipt));
        }
        market
    }

    fn call(&self, index: usize, collateral: usize, debt: usize, asked: u128) -> Call {
        let [collateral, debt] = [collateral, debt].map(|index| self.world.assets[index].token);
        Call { account: user(index), debt, collateral, size: Size::Repay(U256::from(asked)), receipt: false }
    }

    fn liquidation(&self, call: &Call, asked: u128) -> Liquidation {
        Liquidation { lender: Lender::Aave(self.world.pool), call: *call, repay: asked }
    }

    fn run(&mut self, data: &Bytes) -> Outcome {
        self.world.chain.send_raw(ADMIN, self.liquidator, data.to_vec())
    }

    fn held(&mut self, token: Address) -> u128 {
        self.world.chain.balance(token, self.liquidator).to()
    }

    /// It earns what it was planned to, and is refused one unit more.
    fn earns(mut self, plan: &Plan) {
        assert!(plan.profit() > 0, "{plan:?}");
        let greedy = self.run(&plan.encode(BLOCK, plan.profit() + 1, FREE));
        assert_eq!(greedy.output.get(..4).and_then(error_name), Some("Unprofitable"), "{plan:?}");
        self.run(&plan.encode(BLOCK, plan.profit(), FREE)).expect("it runs");
        for (token, gain) in &plan.gains {
            assert_eq!(self.held(*token), *gain, "{plan:?}");
        }
    }
}

/// Every way to take the profit of one sinking position, for as much of it as the rules allow and for a part.
fn every_way<M: Lending>(mut stage: Stage, market: M, collateral: usize, debt: usize) {
    let market = stage.teach(market);
    let [from, to] = [collateral, debt].map(|index| stage.world.assets[index].token);
    let middle = stage.middle;
    let direct = [stage.pair([from, to])];
    let round = [stage.pair([from, middle]), stage.pair([middle, to])];
    let at = stage.world.chain.now;
    let most = stage.call(0, collateral, debt, u128::MAX);
    let part = market.quote(&most, at).expect("it sinks").repaid.to::<u128>() / 3;
    for asked in [u128::MAX, part] {
        let call = stage.call(0, collateral, debt, asked);
        let moved = market.quote(&call, at).expect("it sinks");
        let liquidation = stage.liquidation(&call, asked);
        // What is not sold stays as it is.
        for rest in [0, moved.seized.to::<u128>() / 100] {
            stage.clone().earns(&Plan::new(Keep::Debt, liquidation, &moved, &direct, rest));
            stage.clone().earns(&Plan::new(Keep::Debt, liquidation, &moved, &round, rest));
            stage.clone().earns(&Plan::new(Keep::Between, liquidation, &moved, &round, rest));
        }
        stage.clone().earns(&Plan::new(Keep::Collateral, liquidation, &moved, &direct, 0));
        stage.clone().earns(&Plan::new(Keep::Collateral, liquidation, &moved, &round, 0));
    }
}

/// Assets of both markets that differ in decimals, bonus and fee.
const POSITIONS: [(usize, usize); 4] = [(0, 1), (1, 2), (2, 3), (3, 0)];

/// Just below, far below, and worth less than is owed.
fn every_depth<M: Lending>(stage: &Stage, market: impl Fn() -> M) {
    for (collateral, debt) in POSITIONS {
        for per_mille in [850, 700, 400] {
            let mut stage = stage.clone();
            stage.open(0, collateral, debt);
            stage.fall(collateral, per_mille);
            every_way(stage, market(), collateral, debt);
        }
    }
}

/// Two positions that one price has sunk, in one transaction: the second is quoted as the first leaves the market, and finds
/// the pair as the first leaves it.
fn two_behind_one_price<M: Lending>(mut stage: Stage, market: M) {
    let (collateral, debt) = (0, 1);
    for index in 0..2 {
        stage.open(index, collateral, debt);
    }
    stage.fall(collateral, 700);
    let mut market = stage.teach(market);
    let at = stage.world.chain.now;
    let mut pair = stage.pair([0, 1].map(|index| stage.world.assets[index].token));
    let (mut then, mut runs, mut sum) = (stage.clone(), Vec::new(), 0);
    for index in 0..2 {
        let call = stage.call(index, collateral, debt, u128::MAX);
        let moved = market.quote(&call, at).expect("it sinks");
        let plan = Plan::new(Keep::Debt, stage.liquidation(&call, u128::MAX), &moved, &[pair], 0);
        let data = plan.encode(BLOCK, plan.profit(), FREE);
        for (at, changes) in then.run(&data).expect("it runs").changes {
            market.apply_slots(at, &changes).expect("slots of the market");
        }
        pair = pair.after(plan.amount_in, plan.hops[0].amount_out);
        sum += plan.profit();
        runs.push(data);
    }
    let both = several::encode_all(&runs).expect("two");
    stage.run(&both).expect("both run");
    let to = stage.world.assets[debt].token;
    assert_eq!(stage.held(to), sum);
    // Once more: the first is healthy or gone, and so is all.
    assert!(!stage.run(&both).ok);
    assert_eq!(stage.held(to), sum);
}

#[test]
fn what_our_aave_v2_foretells_is_earned_to_the_unit_wherever_it_is_kept() {
    let stage = Stage::new(crate::aave_v2_deploy::deploy());
    let pool = stage.world.pool;
    every_depth(&stage, || aave_v2::Market::new(pool, aave_v2::LAYOUT));
}

#[test]
fn what_our_aave_v3_foretells_is_earned_to_the_unit_wherever_it_is_kept() {
    let stage = Stage::new(crate::aave_v3_deploy::deploy());
    let pool = stage.world.pool;
    every_depth(&stage, || aave_v3::Market::new(pool, aave_v3::LAYOUT));
}

#[test]
fn two_positions_of_aave_behind_one_price_earn_the_sum_of_what_was_foretold() {
    let stage = Stage::new(crate::aave_v2_deploy::deploy());
    let pool = stage.world.pool;
    two_behind_one_price(stage, aave_v2::Market::new(pool, aave_v2::LAYOUT));
    let stage = Stage::new(crate::aave_v3_deploy::deploy());
    let pool = stage.world.pool;
    two_behind_one_price(stage, aave_v3::Market::new(pool, aave_v3::LAYOUT));
}
