//! The published source of Morpho Blue, compiled here, against ours: random markets, users, prices and time
//! on a chain in memory.
//!
//! After every step a position must be healthy exactly where the contract finds it so, its debt and its limit being what
//! the contract's own numbers give; before every liquidation ours must foretell what is then moved, to the unit, bad debt
//! included, or why it reverts. The rate is asked of the interest rate model for the block in question, as in production.

#[path = "common/market_evm.rs"]
mod market_evm;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
use alloy::sol_types::SolValue;
use alloy_primitives::Address;
use alloy_primitives::U256;
use market_evm::ADMIN;
use market_evm::Chain;
use market_evm::LENDER;
use market_evm::LIQUIDATOR;
use market_evm::Outcome;
use market_evm::creation_code;
use market_evm::user;
use peregrine::protocols::lending::Call;
use peregrine::protocols::lending::Lending;
use peregrine::protocols::lending::Refusal;
use peregrine::protocols::lending::Seizure;
use peregrine::protocols::lending::Size;
use peregrine::protocols::lending::choice;
use peregrine::protocols::morpho_blue::Market;
use peregrine::protocols::morpho_blue::Params;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;

alloy::sol! {
    struct MarketParams { address loanToken; address collateralToken; address oracle; address irm; uint256 lltv; }
    struct MarketState { uint128 totalSupplyAssets; uint128 totalSupplyShares; uint128 totalBorrowAssets; uint128 totalBorrowShares; uint128 lastUpdate; uint128 fee; }
    function enableIrm(address irm) external;
    function enableLltv(uint256 lltv) external;
    function setFeeRecipient(address recipient) external;
    function setFee(MarketParams params, uint256 fee) external;
    function createMarket(MarketParams params) external;
    function supply(MarketParams params, uint256 assets, uint256 shares, address onBehalf, bytes data) external;
    function supplyCollateral(MarketParams params, uint256 assets, address onBehalf, bytes data) external;
    function withdrawCollateral(MarketParams params, uint256 assets, address onBehalf, address receiver) external;
    function borrow(MarketParams params, uint256 assets, uint256 shares, address onBehalf, address receiver) external;
    function repay(MarketParams params, uint256 assets, uint256 shares, address onBehalf, bytes data) external;
    function accrueInterest(MarketParams params) external;
    function market(bytes32 id) external view returns (MarketState state);
    function position(bytes32 id, address user) external view returns (uint256 supplyShares, uint128 borrowShares, uint128 collateral);
    function borrowRate(MarketParams params, MarketState state) external view returns (uint256);
    event Liquidate(bytes32 indexed id, address indexed caller, address indexed borrower, uint256 repaidAssets, uint256 repaidShares, uint256 seizedAssets, uint256 badDebtAssets, uint256 badDebtShares);
}

const USERS: usize = 3;
/// 1e36: the oracle's scale. Both tokens have 18 decimals.
const SCALE: u128 = 1_000_000_000_000_000_000_000_000_000_000_000_000;
const WAD: u64 = 1_000_000_000_000_000_000;

#[derive(Clone)]
struct World {
    chain: Chain,
    morpho: Address,
    params: Params,
}

#[derive(Clone, Debug)]
enum Step {
    Open { user: usize, units: u64, per_mille: u64 },
    Withdraw { user: usize, per_mille: u64 },
    Repay { user: usize, per_mille: u64 },
    Wait { seconds: u64 },
    Price { per_mille: u64 },
    Fee { per_mille: u64 },
    Liquidate { user: usize, by_shares: bool, per_mille: u64 },
    Units { user: usize, by_shares: bool, units: u64 },
}

type Seen = RefCell<BTreeMap<String, u32>>;

fn note(seen: &Seen, what: &str) {
    *seen.borrow_mut().entry(what.to_owned()).or_default() += 1;
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let open = (0..USERS, 1_u64..1_000_000_000_000, 700_u64..1000);
    let open = open.prop_map(|(user, units, per_mille)| Step::Open { user, units, per_mille });
    let opens = prop::collection::vec(open.clone(), USERS..2 * USERS);
    let step = prop_oneof![
        1 => open,
        1 => (0..USERS, 1_u64..1001).prop_map(|(user, per_mille)| Step::Withdraw { user, per_mille }),
        1 => (0..USERS, 1_u64..1001).prop_map(|(user, per_mille)| Step::Repay { user, per_mille }),
        2 => prop_oneof![0_u64..20, 0_u64..40_000_000].prop_map(|seconds| Step::Wait { seconds }),
        3 => (400_u64..1100).prop_map(|per_mille| Step::Price { per_mille }),
        1 => (0_u64..250).prop_map(|per_mille| Step::Fee { per_mille }),
        6 => (0..USERS, any::<bool>(), prop_oneof![1_u64..1000, Just(1000), 1000_u64..1100])
            .prop_map(|(user, by_shares, per_mille)| Step::Liquidate { user, by_shares, per_mille }),
        2 => (0..USERS, any::<bool>(), 0_u64..2_000_000)
            .prop_map(|(user, by_shares, units)| Step::Units { user, by_shares, units }),
    ];
    (opens, prop::collection::vec(step, 8..24)).prop_map(|parts| [parts.0, parts.1].concat())
}

/// Creation code, which `scripts/setup` compiles from the package's sources.
fn morpho_code(name: &str) -> Vec<u8> {
    creation_code(&format!(".peregrine/{name}.json"), &[])
}

impl World {
    fn new(lltv: u64) -> Self {
        let mut chain = Chain::new();
        let morpho = chain.create(morpho_code("Morpho"), &ADMIN.abi_encode());
        let irm = chain.create(morpho_code("IrmMock"), &[]);
        // The mock keeps its price in slot 0, as a hand-made feed does.
        let oracle = chain.create(morpho_code("OracleMock"), &[]);
        let erc20 = "@aave/core-v3/artifacts/contracts/mocks/tokens/MintableERC20.sol/MintableERC20.json";
        let args = ("Token".to_owned(), "TKN".to_owned(), U256::from(18)).abi_encode_params();
        let [loan, collateral] = [(); 2].map(|()| chain.create(creation_code(erc20, &[]), &args));
        let params = Params { loan, collateral, oracle, irm, lltv: U256::from(lltv) };
        let mut world = Self { chain, morpho, params };
        world.set_price(U256::from(SCALE));
        world.admin(&enableIrmCall { irm });
        world.admin(&enableLltvCall { lltv: params.lltv });
        world.admin(&setFeeRecipientCall { recipient: LENDER });
        world.admin(&createMarketCall { params: world.market_params() });
        for account in (0..USERS).map(user).chain([LENDER, LIQUIDATOR]) {
            for token in [loan, collateral] {
                world.chain.fund(token, account, U256::from(u128::MAX >> 8), morpho);
            }
        }
        let assets = U256::from(10_000_000_000_000_u64);
        let call = supplyCall {
            params: world.market_params(),
            assets,
            shares: U256::ZERO,
            onBehalf: LENDER,
            data: Vec::new().into(),
        };
        world.chain.send(LENDER, morpho, &call).expect("the lender supplies");
        world
    }

    fn market_params(&self) -> MarketParams {
        let Params { loan, collateral, oracle, irm, lltv } = self.params;
        MarketParams { loanToken: loan, collateralToken: collateral, oracle, irm, lltv }
    }

    fn admin(&mut self, call: &impl SolCall) {
        self.chain.send(ADMIN, self.morpho, call).expect("the owner may");
    }

    fn price(&self) -> U256 {
        self.chain.slot(self.params.oracle, U256::ZERO)
    }

    fn set_price(&mut self, price: U256) {
        self.chain.poke(self.params.oracle, U256::ZERO, price);
    }

    fn state(&mut self) -> MarketState {
        let outcome = self.chain.look(self.morpho, &marketCall { id: self.params.id() }).expect("a market");
        MarketState::abi_decode(&outcome.output).expect("a market's state")
    }

    fn position(&mut self, user: Address) -> (U256, U256) {
        let outcome = self.chain.look(self.morpho, &positionCall { id: self.params.id(), user }).expect("a position");
        (outcome.word(1), outcome.word(2))
    }

    /// What the contracts beside the market answer for this block.
    fn answer(&mut self, market: &mut Market) {
        let call = borrowRateCall { params: self.market_params(), state: self.state() };
        let rate = self.chain.look(self.params.irm, &call).expect("a rate").word(0);
        market.set_price(self.params.irm, rate);
        market.set_price(self.params.oracle, self.price());
    }

    fn learn(&self, market: &mut Market) {
        for (at, slot) in market.missing() {
            market.apply_slots(at, &[(slot, self.chain.slot(at, slot))]).expect("a slot of the market");
        }
        assert_eq!(market.missing(), Vec::new(), "one round is enough");
    }

    fn user_step(&mut self, step: &Step) -> Vec<Outcome> {
        let (params, morpho, none) = (self.market_params(), self.morpho, Vec::new());
        match *step {
            Step::Open { user: index, units, per_mille } => {
                let who = user(index);
                let assets = U256::from(units);
                let give = supplyCollateralCall { params: params.clone(), assets, onBehalf: who, data: none.into() };
                let given = self.chain.send(who, morpho, &give);
                let worth = assets * self.price() / U256::from(SCALE);
                let assets = worth * self.params.lltv / U256::from(WAD) * U256::from(per_mille) / U256::from(1000);
                let take = borrowCall { params, assets, shares: U256::ZERO, onBehalf: who, receiver: who };
                vec![given, self.chain.send(who, morpho, &take)]
            }
            Step::Withdraw { user: index, per_mille } => {
                let who = user(index);
                let assets = self.position(who).1 * U256::from(per_mille) / U256::from(1000);
                let call = withdrawCollateralCall { params, assets, onBehalf: who, receiver: who };
                vec![self.chain.send(who, morpho, &call)]
            }
            Step::Repay { user: index, per_mille } => {
                let who = user(index);
                let shares = self.position(who).0 * U256::from(per_mille) / U256::from(1000);
                let call = repayCall { params, assets: U256::ZERO, shares, onBehalf: who, data: none.into() };
                vec![self.chain.send(who, morpho, &call)]
            }
            Step::Wait { seconds } => {
                self.chain.now += seconds;
                Vec::new()
            }
            Step::Price { per_mille } => {
                let price = (self.price() * U256::from(per_mille) / U256::from(1000)).max(U256::ONE);
                self.set_price(price);
                Vec::new()
            }
            Step::Fee { per_mille } => {
                let call = setFeeCall { params, fee: U256::from(per_mille) * U256::from(WAD / 1000) };
                vec![self.chain.send(ADMIN, morpho, &call)]
            }
            Step::Liquidate { .. } | Step::Units { .. } => Vec::new(),
        }
    }

    fn call(&mut self, step: &Step) -> Option<Call> {
        let (who, by_shares, amount) = match *step {
            Step::Liquidate { user: index, by_shares, per_mille } => {
                let (shares, collateral) = self.position(user(index));
                let whole = if by_shares { shares } else { collateral };
                (user(index), by_shares, whole * U256::from(per_mille) / U256::from(1000))
            }
            Step::Units { user: index, by_shares, units } => (user(index), by_shares, U256::from(units)),
            _ => return None,
        };
        let size = if by_shares { Size::Shares(amount) } else { Size::Seize(amount) };
        let Params { loan, collateral, .. } = self.params;
        Some(Call { account: who, debt: loan, collateral, size, receipt: false })
    }
}

/// What a liquidation has moved: by the tokens' logs, and the loss by the contract's.
fn moved(world: &World, outcome: &Outcome) -> Seizure {
    let log = outcome.logs.iter().find_map(|log| Liquidate::decode_log(log).ok()).expect("a liquidation");
    let sum = |token: Address, from: Address, to: Address| {
        outcome.transfers().iter().filter(|t| (t.0, t.1, t.2) == (token, from, to)).map(|t| t.3).sum::<U256>()
    };
    Seizure {
        repaid: sum(world.params.loan, LIQUIDATOR, world.morpho),
        seized: sum(world.params.collateral, world.morpho, LIQUIDATOR),
        fee: U256::ZERO,
        bad_debt: log.badDebtAssets,
    }
}

/// The contract tells a health by whether it lets a liquidation through, and its numbers by the state after accrual.
fn healths(world: &mut World, market: &Market, seen: &Seen) -> Result<(), TestCaseError> {
    for who in (0..USERS).map(user) {
        let health = market.health(who, world.chain.now).expect("a health");
        let mut then = world.clone();
        let call = accrueInterestCall { params: then.market_params() };
        then.chain.send(ADMIN, then.morpho, &call).expect("interest accrues");
        let state = then.state();
        let (shares, collateral) = then.position(who);
        let [assets, all] = [state.totalBorrowAssets, state.totalBorrowShares].map(U256::from);
        let all = all + U256::from(1_000_000);
        let debt = (shares * (assets + U256::ONE)).div_ceil(all);
        let limit = collateral * then.price() / U256::from(SCALE) * then.params.lltv / U256::from(WAD);
        prop_assert_eq!((health.debt, health.limit), (debt, limit));
        // The smallest amount that is not refused for being nothing.
        let Params { loan, collateral, .. } = then.params;
        let call = Call { account: who, debt: loan, collateral, size: Size::Shares(U256::ONE), receipt: false };
        let data = market.encode(&call).expect("a call");
        let outcome = then.chain.send_raw(LIQUIDATOR, then.morpho, data);
        prop_assert_eq!(health.is_liquidatable(), outcome.ok || outcome.reason() != "position is healthy");
        note(seen, if health.is_liquidatable() { "sinking" } else { "afloat" });
    }
    Ok(())
}

fn liquidate(world: &mut World, market: &Market, call: &Call, seen: &Seen) -> Result<Outcome, TestCaseError> {
    let quoted = market.quote(call, world.chain.now);
    let outcome = world.chain.send_raw(LIQUIDATOR, world.morpho, market.encode(call).expect("a call"));
    match quoted {
        Ok(seizure) => {
            prop_assert!(outcome.ok, "quoted {:?}, reverted: {} {}", seizure, outcome.reason(), outcome.output);
            prop_assert_eq!(seizure, moved(world, &outcome));
            note(seen, if matches!(call.size, Size::Shares(_)) { "by shares" } else { "by collateral" });
            note(seen, if seizure.bad_debt.is_zero() { "no bad debt" } else { "bad debt" });
        }
        Err(refusal) => {
            prop_assert!(!outcome.ok, "refused: {:?}", refusal);
            let due = match outcome.reason().as_str() {
                "position is healthy" => Refusal::Healthy,
                "inconsistent input" => Refusal::Dust,
                "max uint128 exceeded" => Refusal::TooLarge,
                // A panic: more shares or collateral than there is, or a division by a price of zero.
                _ if refusal == Refusal::Arithmetic => Refusal::Arithmetic,
                _ => Refusal::TooLarge,
            };
            prop_assert_eq!(refusal, due, "{}", outcome.reason());
            note(seen, &format!("{refusal:?}"));
        }
    }
    Ok(outcome)
}

/// All that the choice may take of a sinking position: everything it owes, or everything it has.
fn whole(world: &World, market: &Market, who: Address) -> Result<(), TestCaseError> {
    let at = world.chain.now;
    if !market.health(who, at).is_ok_and(|health| health.is_liquidatable()) || market.pairs(who).is_empty() {
        return Ok(());
    }
    let worth = |_: &Call, seizure: &Seizure| alloy_primitives::I256::try_from(seizure.repaid).ok();
    let best = choice::best(market, who, false, at, worth).expect("a sinking position can be liquidated");
    let quoted = market.quote(&best.call, at);
    prop_assert_eq!(quoted, Ok(best.seizure));
    let Params { loan, collateral, .. } = world.params;
    let call = |size| Call { account: who, debt: loan, collateral, size, receipt: false };
    let all = market.quote(&call(market.size(&call(Size::Shares(U256::ONE)), choice::WHOLE, at).expect("a size")), at);
    prop_assert_eq!(all.map(|all| all.repaid), Ok(best.seizure.repaid));
    Ok(())
}

fn run(mut world: World, steps: &[Step], seen: &Seen) -> Result<(), TestCaseError> {
    let mut market = Market::new(world.morpho, world.params);
    (0..USERS).for_each(|index| market.watch(user(index)));
    world.learn(&mut market);
    for step in steps {
        world.answer(&mut market);
        let outcomes = match world.call(step) {
            Some(call) => {
                whole(&world, &market, call.account)?;
                vec![liquidate(&mut world, &market, &call, seen)?]
            }
            None => world.user_step(step),
        };
        for (at, changes) in outcomes.into_iter().filter(|outcome| outcome.ok).flat_map(|outcome| outcome.changes) {
            market.apply_slots(at, &changes).expect("slots of the market");
        }
        world.answer(&mut market);
        healths(&mut world, &market, seen)?;
    }
    Ok(())
}

#[test]
fn health_and_liquidations_are_those_of_the_contract() {
    let seen = Seen::default();
    let worlds = [945_u64, 860, 770, 385].map(|per_mille| World::new(per_mille * (WAD / 1000)));
    let mut config = ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() };
    // Random, and the same every time, as what they must come across is rare: `PROPTEST_RNG_SEED` names others.
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    let cases = (0..worlds.len(), steps());
    let outcome = TestRunner::new(config).run(&cases, |(world, steps)| run(worlds[world].clone(), &steps, &seen));
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let seen = seen.into_inner();
    for what in
        ["sinking", "afloat", "by shares", "by collateral", "bad debt", "no bad debt", "Healthy", "TooLarge", "Dust"]
    {
        assert!(seen.contains_key(what), "no case of: {what} in {seen:#?}");
    }
    println!("{seen:#?}");
}
