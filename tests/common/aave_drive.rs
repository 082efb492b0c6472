//! Drives a deployed Aave market of either version with random users, prices, terms and time, and holds ours against it:
//! after every step the health of everyone, before every liquidation what it will move or why it is refused.

use crate::market_evm::Chain;
use crate::market_evm::LENDER;
use crate::market_evm::LIQUIDATOR;
use crate::market_evm::Outcome;
use crate::market_evm::user;
use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::I256;
use alloy_primitives::U256;
use peregrine::protocols::lending::Call;
use peregrine::protocols::lending::Lending;
use peregrine::protocols::lending::Refusal;
use peregrine::protocols::lending::Seizure;
use peregrine::protocols::lending::Size;
use peregrine::protocols::lending::choice;
use peregrine::protocols::lending::choice::LiquidationPrice;
use peregrine::protocols::lending::slots;
use peregrine::protocols::lending::slots::Layout;
use peregrine::protocols::math::ray;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use proptest::test_runner::{RngSeed, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;

alloy::sol! {
    function deposit(address asset, uint256 amount, address onBehalfOf, uint16 referralCode) external;
    function borrow(address asset, uint256 amount, uint256 interestRateMode, uint16 referralCode, address onBehalfOf) external;
    function repay(address asset, uint256 amount, uint256 rateMode, address onBehalfOf) external returns (uint256);
    function withdraw(address asset, uint256 amount, address to) external returns (uint256);
    function setUserUseReserveAsCollateral(address asset, bool useAsCollateral) external;
    function setUserEMode(uint8 categoryId) external;
    function getUserAccountData(address user) external view returns (uint256 collateral, uint256 debt, uint256 available, uint256 threshold, uint256 ltv, uint256 factor);
}

pub const USERS: usize = 4;

/// An asset of the market.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    pub token: Address,
    pub receipt: Address,
    pub decimals: u8,
    /// Key of its price at the oracle; the feed behind it keeps the answer in slot 0.
    pub feed: Address,
}

/// A deployed market.
#[derive(Clone)]
pub struct World {
    pub chain: Chain,
    pub pool: Address,
    pub layout: Layout,
    pub assets: Vec<Asset>,
    /// Further keys at the oracle, and the feeds behind them.
    pub sources: Vec<(Address, Address)>,
    pub treasury: Address,
    /// A dollar in the market's base currency.
    pub dollar: U256,
    /// What a revert's reason means.
    pub refusal: fn(&str) -> Option<Refusal>,
    /// Refusals that its reverts do not tell apart.
    pub silent: &'static [Refusal],
}

#[derive(Clone, Debug)]
pub enum Step {
    Supply {
        user: usize,
        asset: usize,
        dollars: u32,
    },
    Borrow {
        user: usize,
        asset: usize,
        per_mille: u16,
        stable: bool,
    },
    Repay {
        user: usize,
        asset: usize,
        per_mille: u16,
        stable: bool,
    },
    Withdraw {
        user: usize,
        asset: usize,
        per_mille: u16,
    },
    Collateral {
        user: usize,
        asset: usize,
        on: bool,
    },
    /// The lender takes out what there is, but for so many units.
    Drain {
        asset: usize,
        but: u32,
    },
    Category {
        user: usize,
        id: u8,
    },
    Wait {
        seconds: u64,
    },
    Price {
        feed: usize,
        per_mille: u16,
    },
    Flip {
        asset: usize,
        bit: usize,
    },
    /// The whole pool, where there is such a thing; a second time it goes on.
    Pause,
    Terms {
        asset: usize,
        threshold: u16,
        bonus: u16,
        fee: u16,
    },
    Liquidate {
        user: usize,
        pair: (usize, usize),
        own: bool,
        size: Ask,
        receipt: bool,
    },
}

/// How much a liquidation asks for.
#[derive(Clone, Debug)]
pub enum Ask {
    All,
    Part(u16),
    Units(u64),
}

/// What a run came across, so that a test can say that it tested something.
#[derive(Debug, Default)]
pub struct Seen(pub BTreeMap<String, u32>);

impl Seen {
    fn note(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }

    fn opened(&mut self, step: &Step) {
        match step {
            Step::Borrow { stable: true, .. } => self.note("stable debt"),
            Step::Category { id: 1.., .. } => self.note("category"),
            _ => {}
        }
    }

    pub fn count(&self, what: &str) -> u32 {
        self.0.get(what).copied().unwrap_or_default()
    }
}

/// Steps that open positions, sink some, and liquidate.
fn steps(assets: usize, feeds: usize) -> impl Strategy<Value = Vec<Step>> {
    let asset = 0..assets;
    let open = (0..USERS, asset.clone(), asset, 700_u16..1000, any::<bool>(), 1_u32..1_000_000);
    let open = open.prop_map(|(user, asset, other, per_mille, stable, dollars)| {
        vec![
            Step::Supply { user, asset, dollars },
            Step::Collateral { user, asset, on: true },
            Step::Borrow { user, asset: other, per_mille, stable },
        ]
    });
    let opens = prop::collection::vec(open, USERS..3 * USERS).prop_map(|opens| opens.concat());
    let shock = (0..feeds, 500_u16..1000).prop_map(|(feed, per_mille)| Step::Price { feed, per_mille });
    let shocks = prop::collection::vec(shock, 1..4);
    let rest = prop::collection::vec(step(assets, feeds), 8..24);
    (opens, shocks, rest).prop_map(|parts| [parts.0, parts.1, parts.2].concat())
}

fn step(assets: usize, feeds: usize) -> impl Strategy<Value = Step> {
    let (user, asset) = (0..USERS, 0..assets);
    let part = 1_u16..=1100;
    let who = (user.clone(), asset.clone());
    let size = prop_oneof![
        Just(Ask::All),
        prop_oneof![1_u16..1000, 1_u16..20].prop_map(Ask::Part),
        (0_u64..4).prop_map(Ask::Units)
    ];
    prop_oneof![
        1 => (who.clone(), 1_u32..1_000_000).prop_map(|((user, asset), dollars)| Step::Supply { user, asset, dollars }),
        1 => (who.clone(), part.clone(), any::<bool>())
            .prop_map(|((user, asset), per_mille, stable)| Step::Borrow { user, asset, per_mille, stable }),
        1 => (who.clone(), part.clone(), any::<bool>())
            .prop_map(|((user, asset), per_mille, stable)| Step::Repay { user, asset, per_mille, stable }),
        1 => (who.clone(), part).prop_map(|((user, asset), per_mille)| Step::Withdraw { user, asset, per_mille }),
        1 => (who, any::<bool>()).prop_map(|((user, asset), on)| Step::Collateral { user, asset, on }),
        1 => (user.clone(), 0_u8..3).prop_map(|(user, id)| Step::Category { user, id }),
        2 => prop_oneof![0_u64..20, 0_u64..100_000_000].prop_map(|seconds| Step::Wait { seconds }),
        2 => (0..feeds, 300_u16..1200).prop_map(|(feed, per_mille)| Step::Price { feed, per_mille }),
        1 => Just(Step::Pause),
        5 => (asset.clone(), any::<u32>()).prop_map(|(asset, but)| Step::Drain { asset, but }),
        // Active, frozen, borrowing enabled, paused, siloed.
        1 => (asset.clone(), prop::sample::select(vec![56_usize, 57, 58, 60, 62]))
            .prop_map(|(asset, bit)| Step::Flip { asset, bit }),
        1 => (asset.clone(), prop_oneof![Just(0_u16), 1000_u16..9900], 10_001_u16..12_500, prop_oneof![Just(0_u16), 0_u16..=10_000])
            .prop_map(|(asset, threshold, bonus, fee)| Step::Terms { asset, threshold, bonus, fee }),
        12 => (user, (asset.clone(), asset), prop::bool::weighted(0.8), size, any::<bool>())
            .prop_map(|(user, pair, own, size, receipt)| Step::Liquidate { user, pair, own, size, receipt }),
    ]
}

impl World {
    /// Units of an asset that are worth so many dollars now.
    pub fn units(&self, asset: Asset, dollars: u32) -> U256 {
        let unit = U256::from(10).pow(U256::from(asset.decimals));
        U256::from(dollars) * self.dollar * unit / self.chain.slot(asset.feed, U256::ZERO)
    }

    /// Everyone who needs it gets enough of every asset, and the lender supplies some.
    pub fn stock(&mut self) {
        for asset in self.assets.clone() {
            let plenty = self.units(asset, u32::MAX);
            for account in (0..USERS).map(user).chain([LENDER, LIQUIDATOR]) {
                self.chain.fund(asset.token, account, plenty, self.pool);
            }
            let amount = self.units(asset, 3_000_000);
            let call = depositCall { asset: asset.token, amount, onBehalfOf: LENDER, referralCode: 0 };
            self.chain.send(LENDER, self.pool, &call).expect("the lender supplies");
        }
    }

    /// Keys of prices, with the feeds behind them.
    fn feeds(&self) -> Vec<(Address, Address)> {
        self.assets.iter().map(|asset| (asset.token, asset.feed)).chain(self.sources.clone()).collect()
    }

    /// Reads what a market says is missing, round by round.
    pub fn learn(&self, market: &mut impl Lending) {
        for account in (0..USERS).map(user) {
            market.watch(account);
        }
        for (key, feed) in self.feeds() {
            market.set_price(key, self.chain.slot(feed, U256::ZERO));
        }
        for _ in 0..8 {
            for (at, slot) in market.missing() {
                market.apply_slots(at, &[(slot, self.chain.slot(at, slot))]).expect("a slot of the market");
            }
        }
        assert_eq!(market.missing(), Vec::new(), "rounds of reading come to an end");
    }

    fn data(&mut self, account: Address) -> Outcome {
        self.chain.look(self.pool, &getUserAccountDataCall { user: account })
    }

    fn part_of_balance(&mut self, token: Address, account: Address, per_mille: u16) -> U256 {
        self.chain.balance(token, account) * U256::from(per_mille) / U256::from(1000)
    }

    /// A step that is a transaction of a user.
    fn user_step(&mut self, step: &Step) -> Option<Outcome> {
        let pool = self.pool;
        let (who, data) = match *step {
            Step::Supply { user: index, asset, dollars } => {
                let asset = self.assets[asset];
                let amount = self.units(asset, dollars);
                let call = depositCall { asset: asset.token, amount, onBehalfOf: user(index), referralCode: 0 };
                (index, call.abi_encode())
            }
            Step::Borrow { user: index, asset, per_mille, stable } => {
                let asset = self.assets[asset];
                let data = self.data(user(index));
                let unit = U256::from(10).pow(U256::from(asset.decimals));
                let price = self.chain.slot(asset.feed, U256::ZERO);
                let room = if data.ok { data.word(2) } else { U256::ZERO };
                let amount = room * U256::from(per_mille) * unit / price / U256::from(1000);
                let mode = U256::from(if stable { 1 } else { 2 });
                let call = borrowCall {
                    asset: asset.token,
                    amount,
                    interestRateMode: mode,
                    referralCode: 0,
                    onBehalfOf: user(index),
                };
                (index, call.abi_encode())
            }
            Step::Repay { user: index, asset, per_mille, stable } => {
                let asset = self.assets[asset];
                let amount = self.part_of_balance(asset.token, user(index), per_mille.min(1000)) / U256::from(1000);
                let rate = U256::from(if stable { 1 } else { 2 });
                let call = repayCall { asset: asset.token, amount, rateMode: rate, onBehalfOf: user(index) };
                (index, call.abi_encode())
            }
            Step::Withdraw { user: index, asset, per_mille } => {
                let asset = self.assets[asset];
                let amount = self.part_of_balance(asset.receipt, user(index), per_mille);
                (index, withdrawCall { asset: asset.token, amount, to: user(index) }.abi_encode())
            }
            Step::Collateral { user, asset, on } => {
                let call = setUserUseReserveAsCollateralCall { asset: self.assets[asset].token, useAsCollateral: on };
                (user, call.abi_encode())
            }
            Step::Drain { asset, but } => {
                let asset = self.assets[asset];
                let cash = self.chain.balance(asset.token, asset.receipt).saturating_sub(U256::from(but));
                let amount = cash.min(self.chain.balance(asset.receipt, LENDER));
                let call = withdrawCall { asset: asset.token, amount, to: LENDER };
                return Some(self.chain.send(LENDER, pool, &call));
            }
            Step::Category { user, id } => (user, setUserEModeCall { categoryId: id }.abi_encode()),
            _ => return None,
        };
        Some(self.chain.send_raw(user(who), pool, data))
    }

    /// A step that changes the world round the users: time, prices, terms.
    fn world_step(&mut self, step: &Step, market: &mut impl Lending) {
        match *step {
            Step::Wait { seconds } => self.chain.now += seconds,
            Step::Price { feed, per_mille } => {
                let (key, feed) = self.feeds()[feed];
                let price = self.chain.slot(feed, U256::ZERO) * U256::from(per_mille) / U256::from(1000);
                let price = price.max(U256::ONE);
                self.chain.poke(feed, U256::ZERO, price);
                market.set_price(key, price);
            }
            Step::Flip { asset, bit } => self.configure(asset, market, |word| word ^ (U256::ONE << bit)),
            Step::Pause => {
                if let Some(slot) = self.layout.paused.map(U256::from) {
                    let word = self.chain.slot(self.pool, slot) ^ U256::ONE;
                    self.chain.poke(self.pool, slot, word);
                    market.apply_slots(self.pool, &[(slot, word)]).expect("a slot of the market");
                }
            }
            Step::Terms { asset, threshold, bonus, fee } => self.configure(asset, market, |word| {
                let put =
                    |word, value: u16, at: usize| (word & !(U256::from(u16::MAX) << at)) | (U256::from(value) << at);
                put(put(put(word, threshold, 16), bonus, 32), fee, 152)
            }),
            _ => {}
        }
    }

    /// Rewrites a reserve's configuration where the pool keeps it.
    fn configure(&mut self, asset: usize, market: &mut impl Lending, change: impl Fn(U256) -> U256) {
        let slot = slots::of_address(self.assets[asset].token, self.layout.reserves);
        let word = change(self.chain.slot(self.pool, slot));
        self.chain.poke(self.pool, slot, word);
        market.apply_slots(self.pool, &[(slot, word)]).expect("a slot of the market");
    }

    /// A liquidation of any pair, or, where `own`, of one that the account has.
    fn call(&mut self, step: &Step, market: &impl Lending) -> Option<Call> {
        let Step::Liquidate { user: index, pair, own, ref size, receipt } = *step else { return None };
        let pairs = if own { market.pairs(user(index)) } else { Vec::new() };
        let any = (self.assets[pair.0].token, self.assets[pair.1].token);
        let (debt, collateral) = pairs.get((pair.0 * 7 + pair.1) % pairs.len().max(1)).copied().unwrap_or(any);
        let size = match *size {
            Ask::All => U256::MAX,
            Ask::Units(units) => U256::from(units),
            Ask::Part(thousands) => {
                let asset = self.assets.iter().find(|asset| asset.token == debt).expect("an asset");
                self.units(*asset, u32::from(thousands) * 1000)
            }
        };
        Some(Call { account: user(index), debt, collateral, size: Size::Repay(size), receipt })
    }

    /// What the receipt tokens hold.
    fn count_cash(&mut self, market: &mut impl Lending) {
        for asset in self.assets.clone() {
            market.set_cash(asset.token, self.chain.balance(asset.token, asset.receipt));
        }
    }

    /// What units of a token are worth in base currency.
    fn worth(&self, token: Address, units: U256) -> U256 {
        let asset = self.assets.iter().find(|asset| asset.token == token).expect("an asset");
        units * self.chain.slot(asset.feed, U256::ZERO) / U256::from(10).pow(U256::from(asset.decimals))
    }

    /// What a liquidation has moved, by the tokens' own logs.
    fn moved(&self, call: &Call, outcome: &Outcome) -> Seizure {
        let receipt = |token| self.assets.iter().find(|asset| asset.token == token).expect("an asset").receipt;
        let (owing, paying) = (receipt(call.debt), receipt(call.collateral));
        let sum = |token: Address, from: Address, to: Address| {
            let all = outcome.transfers();
            all.iter().filter(|t| (t.0, t.1, t.2) == (token, from, to)).map(|t| t.3).sum::<U256>()
        };
        let seized =
            if call.receipt { sum(paying, call.account, LIQUIDATOR) } else { sum(call.collateral, paying, LIQUIDATOR) };
        let fee = sum(paying, call.account, self.treasury);
        Seizure { repaid: sum(call.debt, LIQUIDATOR, owing), seized, fee, bad_debt: U256::ZERO }
    }
}

/// Of the courses.
const SEED: u64 = 1;

/// Runs `cases` courses, each with a market that knows nothing yet; says what they came across. They are random, and the
/// same ones every time, as what they must come across is rare: `PROPTEST_RNG_SEED` names others.
pub fn hold<M: Lending>(world: &World, cases: u32, market: impl Fn() -> M) -> Seen {
    let seen = RefCell::new(Seen::default());
    let failure_persistence =
        Some(Box::new(FileFailurePersistence::Direct("target/lending.proptest-regressions")) as _);
    let mut config = ProptestConfig { cases, failure_persistence, ..ProptestConfig::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    let steps = steps(world.assets.len(), world.feeds().len());
    let outcome =
        TestRunner::new(config).run(&steps, |steps| run(world.clone(), &mut market(), &steps, &mut seen.borrow_mut()));
    if let Err(error) = outcome {
        panic!("{error}");
    }
    seen.into_inner()
}

/// Runs the steps and holds the market against the contracts all along.
///
/// # Errors
/// They differ.
fn run<M: Lending>(mut world: World, market: &mut M, steps: &[Step], seen: &mut Seen) -> Result<(), TestCaseError> {
    world.learn(market);
    for step in steps {
        world.world_step(step, market);
        let outcome = match world.call(step, market) {
            Some(call) => {
                world.count_cash(market);
                edges(&world, market, call.account, seen)?;
                choices(&world, market, &call, seen)?;
                Some(liquidate(&mut world, market, &call, seen)?)
            }
            None => world.user_step(step),
        };
        if outcome.as_ref().is_some_and(|outcome| outcome.ok) {
            seen.opened(step);
        }
        for (at, changes) in outcome.into_iter().filter(|outcome| outcome.ok).flat_map(|outcome| outcome.changes) {
            market.apply_slots(at, &changes).expect("slots of the market");
        }
        learn_more(&world, market);
        healths(&mut world, market, seen)?;
    }
    Ok(())
}

/// What a change has made known may need more.
fn learn_more(world: &World, market: &mut impl Lending) {
    for _ in 0..4 {
        for (at, slot) in market.missing() {
            market.apply_slots(at, &[(slot, world.chain.slot(at, slot))]).expect("a slot of the market");
        }
    }
}

fn healths(world: &mut World, market: &impl Lending, seen: &mut Seen) -> Result<(), TestCaseError> {
    for account in (0..USERS).map(user) {
        let data = world.data(account);
        let health = market.health(account, world.chain.now);
        prop_assert_eq!(health.is_ok(), data.ok, "{:?} {}", health, data.reason());
        let Ok(health) = health else { continue };
        prop_assert_eq!([health.collateral, health.debt, health.factor], [data.word(0), data.word(1), data.word(5)]);
        prop_assert_eq!(Some(health.limit), ray::percent_mul(data.word(0), data.word(3)));
        seen.note(if health.is_liquidatable() { "sinking" } else { "afloat" });
    }
    Ok(())
}

/// At the price where a position is said to sink the contract agrees, and a unit beside it too.
fn edges(world: &World, market: &impl Lending, account: Address, seen: &mut Seen) -> Result<(), TestCaseError> {
    for (key, feed) in world.feeds() {
        let price = world.chain.slot(feed, U256::ZERO);
        let Ok(Some(edge)) = choice::edge(market, account, key, price, world.chain.now) else { continue };
        let (liquidatable, afloat) = match edge {
            LiquidationPrice::Falling(price) => (price, price + U256::ONE),
            LiquidationPrice::Rising(price) => (price, price - U256::ONE),
        };
        for (price, is_liquidatable) in
            [(liquidatable, true), (afloat, false)].into_iter().filter(|(price, _)| !price.is_zero())
        {
            let mut then = world.clone();
            then.chain.poke(feed, U256::ZERO, price);
            prop_assert_eq!(then.data(account).word(5) < ray::WAD, is_liquidatable, "{:?}", edge);
        }
        seen.note(if matches!(edge, LiquidationPrice::Falling(_)) { "falling edge" } else { "rising edge" });
    }
    Ok(())
}

/// No pair and no amount of a fine grid beats the choice by more than a ten-thousandth, sold at the oracle's price or along
/// a thin curve; but for what a unit of a token is worth, by which every amount is rounded.
fn choices(world: &World, market: &impl Lending, call: &Call, seen: &mut Seen) -> Result<(), TestCaseError> {
    let (at, pairs) = (world.chain.now, market.pairs(call.account));
    let grain = world.assets.iter().map(|asset| world.worth(asset.token, U256::ONE)).max().unwrap_or_default();
    let slack = I256::try_from(grain * U256::from(4) + U256::from(4)).expect("a small number");
    for depth in [U256::MAX >> 128_usize, world.dollar * U256::from(30_000)] {
        let worth = |call: &Call, seizure: &Seizure| {
            let value = world.worth(call.collateral, seizure.seized);
            let income = I256::try_from(value * depth / (value + depth)).ok()?;
            Some(income - I256::try_from(world.worth(call.debt, seizure.repaid)).ok()?)
        };
        let grid = pairs.iter().flat_map(|(debt, collateral)| {
            let call = Call { debt: *debt, collateral: *collateral, size: Size::Repay(U256::MAX), ..*call };
            let most = market.quote(&Call { receipt: true, ..call }, at).map_or(U256::ZERO, |most| most.repaid);
            let part = move |part: u64| Size::Repay(most * U256::from(part) / U256::from(200));
            (1..=200).map(part).chain([call.size]).map(move |size| Call { size, ..call })
        });
        let grid = grid.filter_map(|call| worth(&call, &market.quote(&call, at).ok()?)).max();
        let best = choice::best(market, call.account, call.receipt, at, worth);
        if let Some(best) = best {
            prop_assert_eq!(market.quote(&best.call, at), Ok(best.seizure));
        }
        let Some(grid) = grid else { continue };
        let best = best.expect("a grid point can be liquidated").worth;
        let allowed = grid.abs() / I256::try_from(10_000).expect("a number") + slack;
        prop_assert!(best + allowed >= grid, "chose {}, the grid has {}", best, grid);
        seen.note(if pairs.len() > 1 { "choice of pairs" } else { "choice of one pair" });
    }
    Ok(())
}

fn liquidate(world: &mut World, market: &impl Lending, call: &Call, seen: &mut Seen) -> Result<Outcome, TestCaseError> {
    let quoted = market.quote(call, world.chain.now);
    let data = market.encode(call).expect("a liquidation by repayment");
    let outcome = world.chain.send_raw(LIQUIDATOR, world.pool, data);
    let reason = (world.refusal)(&outcome.reason());
    match quoted {
        Ok(seizure) => {
            prop_assert!(outcome.ok, "quoted {:?}, reverted: {} {}", seizure, outcome.reason(), outcome.output);
            prop_assert_eq!(seizure, world.moved(call, &outcome));
            seen.note(if call.receipt { "liquidated for receipts" } else { "liquidated" });
            let Ok(most) = market.quote(&Call { size: Size::Repay(U256::MAX), ..*call }, world.chain.now) else {
                return Ok(outcome);
            };
            let debts = market.pairs(call.account);
            seen.note(if most.repaid == seizure.repaid { "as much as may be" } else { "in part" });
            seen.note(if debts.len() > 1 { "one of several pairs" } else { "the only pair" });
            seen.note(if seizure.fee.is_zero() { "no fee" } else { "fee" });
        }
        Err(refusal) => {
            prop_assert!(!outcome.ok, "refused: {:?}, moved {:?}", refusal, world.moved(call, &outcome));
            if let Some(reason) = reason {
                prop_assert_eq!(refusal, reason);
            } else {
                prop_assert!(
                    world.silent.contains(&refusal),
                    "{:?} for {} {}",
                    refusal,
                    outcome.reason(),
                    outcome.output
                );
            }
            seen.note(&format!("{refusal:?}"));
        }
    }
    Ok(outcome)
}
