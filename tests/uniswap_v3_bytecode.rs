//! The published pools of Uniswap, PancakeSwap and Slipstream against ours: random positions and swaps on a chain in memory.
//!
//! After every transaction three pools must be one: kept by logs, kept by storage diffs, read afresh from storage. Before
//! every swap ours must foretell what the contract then does, to the wei, price, tick and liquidity included.

mod common;
#[path = "uniswap_v3_bytecode/slipstream.rs"]
mod slipstream;
#[path = "common/v3_evm.rs"]
mod v3_evm;

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::I256;
use alloy_primitives::U160;
use alloy_primitives::U256;
use alloy_primitives::aliases::I24;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::amm::Exact;
use peregrine::protocols::amm::Leg;
use peregrine::protocols::amm::QuoteError;
use peregrine::protocols::amm::{Applied, ApplyError};
use peregrine::protocols::discover::Answer;
use peregrine::protocols::discover::Probe;
use peregrine::protocols::math::tick;
use peregrine::protocols::site::{Logs, Slots as Whose, StateSite, Term};
use peregrine::protocols::uniswap_v3::Flavour;
use peregrine::protocols::uniswap_v3::Layouts;
use peregrine::protocols::uniswap_v3::Pool;
use peregrine::protocols::uniswap_v3::Slots;
use peregrine::protocols::uniswap_v3::Swap;
use peregrine::protocols::uniswap_v3::discover;
use peregrine::protocols::uniswap_v3::no_limit;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use v3_evm::CALLER;
use v3_evm::Kind;
use v3_evm::World;

alloy::sol! {
    function initialize(uint160 sqrtPriceX96) external;
    function mint(address recipient, int24 tickLower, int24 tickUpper, uint128 amount, bytes data) external;
    function burn(int24 tickLower, int24 tickUpper, uint128 amount) external;
    function swap(address recipient, bool zeroForOne, int256 amount, uint160 limit, bytes data) external
        returns (int256 amount0, int256 amount1);
    function setFeeProtocol(uint32 zero, uint32 one) external;
}

/// Slipstream's pools are clones, and are told all when they are initialised.
mod with_terms {
    alloy::sol! {
        function initialize(address factory, address token0, address token1, int24 tickSpacing, address factoryRegistry,
            uint160 sqrtPriceX96) external;
    }
}

/// Fee and spacing as the factories pair them.
const TIERS: [(u32, i32); 4] = [(100, 1), (500, 10), (3_000, 60), (10_000, 200)];

#[derive(Clone, Copy, Debug)]
struct Position {
    lower: i32,
    upper: i32,
    liquidity: u128,
}

#[derive(Clone, Debug)]
enum Op {
    Mint(Position),
    /// Which of the positions held, and how many 255ths of it; none of it is a poke.
    Burn {
        which: usize,
        share: u8,
    },
    Swap {
        zero_for_one: bool,
        exact_in: bool,
        amount: U256,
        limit: Option<(i32, i8)>,
    },
    FeeProtocol(u8, u8),
}

#[derive(Clone, Debug)]
struct Story {
    kind: Kind,
    tier: usize,
    /// Where the price starts, as a tick and a share of the way to the next.
    start: (i32, u16),
    positions: Vec<Position>,
    ops: Vec<Op>,
}

/// A position near the start: `low` and `width` count spacings times a stride that spreads them over bitmap words.
fn position(start: i32, spacing: i32, stride: i32) -> impl Strategy<Value = Position> {
    (-60..60i32, 1..60i32, 1..u128::MAX, 28..100u32).prop_map(move |(low, width, bits, cut)| {
        let (most, step) = (tick::MAX_TICK / spacing * spacing, spacing * stride);
        let lower = (start.div_euclid(spacing) * spacing + low * step).clamp(-most, most - spacing);
        Position { lower, upper: (lower + width * step).min(most), liquidity: (bits >> cut).max(1) }
    })
}

fn op(start: i32, spacing: i32, stride: i32) -> impl Strategy<Value = Op> {
    let amount =
        (any::<[u64; 4]>(), 140..255usize).prop_map(|(limbs, cut)| (U256::from_limbs(limbs) >> cut).max(U256::ONE));
    let limit = prop::option::weighted(0.3, (-40..40i32, -1..=1i8));
    let swap =
        (any::<bool>(), any::<bool>(), amount, limit).prop_map(move |(zero_for_one, exact_in, amount, limit)| {
            let limit = limit.map(|(ticks, off)| (start.div_euclid(spacing) * spacing + ticks * spacing * stride, off));
            Op::Swap { zero_for_one, exact_in, amount, limit }
        });
    prop_oneof![
        6 => swap,
        2 => position(start, spacing, stride).prop_map(Op::Mint),
        3 => (any::<usize>(), prop_oneof![Just(255u8), any::<u8>()]).prop_map(|(which, share)| Op::Burn { which, share }),
        1 => (4..=10u8, 4..=10u8).prop_map(|(zero, one)| Op::FeeProtocol(zero, one)),
    ]
}

fn story() -> impl Strategy<Value = Story> {
    let kind = prop_oneof![Just(Kind::Uniswap), Just(Kind::Pancake), Just(Kind::Slipstream)];
    let start = prop_oneof![4 => -200_000..200_000i32, 1 => -880_000..880_000i32];
    (kind, 0..TIERS.len(), start, any::<u16>(), prop_oneof![Just(1), Just(7), Just(40)]).prop_flat_map(
        |(kind, tier, tick, share, stride)| {
            let spacing = TIERS[tier].1;
            let positions = prop::collection::vec(position(tick, spacing, stride), 1..=12);
            let ops = prop::collection::vec(op(tick, spacing, stride), 1..12);
            (positions, ops).prop_map(move |(positions, ops)| Story {
                kind,
                tier,
                start: (tick, share),
                positions,
                ops,
            })
        },
    )
}

/// The contract, and the two pools that follow it.
struct Play {
    world: World,
    slots: Arc<Slots>,
    fee_pips: u32,
    by_logs: Pool,
    by_slots: Pool,
    held: Vec<Position>,
    most_crossed: u32,
}

/// A chain with a pool, and where the pool's state lies.
type Deployed = (World, Arc<Slots>);

/// Deployed once a kind and tier; a story starts from a copy.
fn deployed(kind: Kind, tier: usize) -> Deployed {
    thread_local! {
        static MADE: RefCell<HashMap<(Kind, usize), Deployed>> = RefCell::default();
    }
    let (fee_pips, spacing) = TIERS[tier];
    let make = || (World::new(kind, fee_pips, spacing), Slots::new(kind.layout(), spacing).expect("a spacing"));
    MADE.with_borrow_mut(|made| made.entry((kind, tier)).or_insert_with(make).clone())
}

impl Play {
    fn new(kind: Kind, tier: usize) -> Self {
        let (world, slots) = deployed(kind, tier);
        let fee_pips = TIERS[tier].0;
        let blank = load(&world, &slots, fee_pips);
        Self { world, slots, fee_pips, by_logs: blank.clone(), by_slots: blank, held: Vec::new(), most_crossed: 0 }
    }

    fn fresh(&self) -> Pool {
        load(&self.world, &self.slots, self.fee_pips)
    }

    /// Sends a transaction through the caller; lets both pools follow it; holds all three together.
    fn follow(&mut self, direct: bool, data: &[u8]) -> Result<v3_evm::Outcome, TestCaseError> {
        let pool = self.world.pool;
        let done = if direct { self.world.send(pool, data.to_vec()) } else { self.world.through_caller(data) };
        for log in &done.logs {
            let applied = self.by_logs.apply_log(self.by_logs.address(), log.data.topics(), &log.data.data);
            prop_assert!(applied.is_ok(), "log refused: {:?}", applied);
        }
        let applied = self.by_slots.apply_slots(self.by_slots.address(), &done.changes);
        prop_assert!(applied.is_ok(), "slots refused: {:?}", applied);
        let fresh = self.fresh();
        prop_assert!(self.by_slots.same_state(&fresh), "slots: {:?}\nstorage: {:?}", self.by_slots, fresh);
        prop_assert!(self.by_logs.same_state(&fresh), "logs: {:?}\nstorage: {:?}", self.by_logs, fresh);
        Ok(done)
    }

    fn mint(&mut self, position: Position) -> Result<(), TestCaseError> {
        let Position { lower, upper, liquidity } = position;
        let data = mintCall {
            recipient: CALLER,
            tickLower: I24::unchecked_from(lower),
            tickUpper: I24::unchecked_from(upper),
            amount: liquidity,
            data: Default::default(),
        };
        if self.follow(false, &data.abi_encode())?.ok {
            self.held.push(position);
        }
        Ok(())
    }

    fn play(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match *op {
            Op::Mint(position) => self.mint(position),
            Op::Burn { which, share } => self.burn(which, share),
            Op::Swap { zero_for_one, exact_in, amount, limit } => self.swap(zero_for_one, exact_in, amount, limit),
            Op::FeeProtocol(..) if self.by_logs.flavour() == Flavour::Slipstream => Ok(()),
            Op::FeeProtocol(zero, one) => {
                // Pancake counts in ten-thousandths from 1000 to 4000.
                let scale = if self.by_logs.flavour() == Flavour::Pancake { 400 } else { 1 };
                let data = setFeeProtocolCall { zero: u32::from(zero) * scale, one: u32::from(one) * scale };
                // Uniswap's takes uint8; small numbers are encoded alike, only the selector differs.
                let mut data = data.abi_encode();
                if scale == 1 {
                    data[..4].copy_from_slice(&alloy_primitives::keccak256("setFeeProtocol(uint8,uint8)")[..4]);
                }
                prop_assert!(self.follow(true, &data)?.ok, "the owner sets the fee");
                Ok(())
            }
        }
    }

    fn burn(&mut self, which: usize, share: u8) -> Result<(), TestCaseError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let index = which % self.held.len();
        let position = self.held[index];
        let amount = if share == 255 { position.liquidity } else { position.liquidity / 255 * u128::from(share) };
        let data = burnCall {
            tickLower: I24::unchecked_from(position.lower),
            tickUpper: I24::unchecked_from(position.upper),
            amount,
        };
        prop_assert!(self.follow(false, &data.abi_encode())?.ok, "a position held can be burned");
        self.held[index].liquidity -= amount;
        if self.held[index].liquidity == 0 {
            self.held.swap_remove(index);
        }
        Ok(())
    }

    fn swap(
        &mut self,
        down: bool,
        exact_in: bool,
        amount: U256,
        limit: Option<(i32, i8)>,
    ) -> Result<(), TestCaseError> {
        let [zero, one] = self.world.tokens;
        let leg = if down { self.by_logs.leg(zero, one) } else { self.by_logs.leg(one, zero) }.expect("its tokens");
        let at = limit.and_then(|(tick, off)| Some(tick::sqrt_price_at(tick)?.saturating_add_signed_one(off)));
        let limit = at.unwrap_or_else(|| no_limit(down));
        let foretold = self.by_slots.swap(leg, exact_in, amount, limit);
        let mut made = self.by_slots.clone();
        let exact = if exact_in { Exact::In(amount) } else { Exact::Out(amount) };
        let traded = made.trade(leg, exact, Some(limit));
        let quote = if exact_in { self.by_slots.quote_in(leg, amount) } else { self.by_slots.quote_out(leg, amount) };
        let signed = I256::from_raw(amount);
        let data = swapCall {
            recipient: CALLER,
            zeroForOne: down,
            amount: if exact_in { signed } else { -signed },
            limit: limit.to::<U160>(),
            data: Default::default(),
        };
        let done = self.follow(false, &data.abi_encode())?;
        prop_assert_eq!(done.ok, foretold.is_ok(), "foretold {:?}, contract {:?}", foretold, done.output);
        let Ok(foretold) = foretold else { return Ok(()) };
        self.most_crossed = self.most_crossed.max(foretold.crossed);
        let said = swapCall::abi_decode_returns(&done.output).expect("two amounts");
        let (taken, paid) = if down { (said.amount0, said.amount1) } else { (said.amount1, said.amount0) };
        prop_assert_eq!((foretold.amount_in, foretold.amount_out), (taken.into_raw(), (-paid).into_raw()));
        self.holds(&foretold, exact_in, amount)?;
        // A swap that is made leaves the pool where the contract leaves it.
        let told = traded.map(|traded| (traded.amount_in, traded.amount_out));
        prop_assert_eq!(told, Ok((foretold.amount_in, foretold.amount_out)));
        prop_assert!(made.agrees(&self.by_slots));
        if limit == no_limit(down) {
            let due = if exact_in { foretold.amount_out } else { foretold.amount_in };
            prop_assert_eq!(quote, if foretold.complete { Ok(due) } else { Err(QuoteError::TooLarge) });
        }
        Ok(())
    }

    fn holds(&self, foretold: &Swap, exact_in: bool, amount: U256) -> Result<(), TestCaseError> {
        let now = &self.by_slots;
        let stands = (now.sqrt_price_x96(), now.tick(), now.liquidity());
        prop_assert_eq!((foretold.sqrt_price, foretold.tick, foretold.liquidity), stands);
        let filled = if exact_in { foretold.amount_in } else { foretold.amount_out } == amount;
        prop_assert_eq!(foretold.complete, filled);
        Ok(())
    }
}

/// A price a unit off: limits on, just under and just over a tick.
trait Nudge {
    fn saturating_add_signed_one(self, by: i8) -> Self;
}

impl Nudge for U256 {
    fn saturating_add_signed_one(self, by: i8) -> Self {
        if by < 0 { self - Self::ONE } else { self + Self::from(by.unsigned_abs()) }
    }
}

fn load(world: &World, slots: &Arc<Slots>, fee_pips: u32) -> Pool {
    Pool::load(slots, world.pool, world.tokens, fee_pips, |slot| Some(world.slot(world.pool, slot))).expect("a pool")
}

fn begin(kind: Kind, tier: usize, (tick, share): (i32, u16)) -> Result<Play, TestCaseError> {
    let mut play = Play::new(kind, tier);
    let (low, high) = (tick::sqrt_price_at(tick).unwrap(), tick::sqrt_price_at(tick + 1).unwrap());
    let price = low + (high - low) * U256::from(share) / U256::from(1u32 << 16);
    let price = price.to::<U160>();
    let data = if kind == Kind::Slipstream {
        let [token0, token1] = play.world.tokens;
        let spacing = I24::unchecked_from(TIERS[tier].1);
        let call = with_terms::initializeCall {
            factory: v3_evm::FACTORY,
            token0,
            token1,
            tickSpacing: spacing,
            factoryRegistry: Address::ZERO,
            sqrtPriceX96: price,
        };
        call.abi_encode()
    } else {
        initializeCall { sqrtPriceX96: price }.abi_encode()
    };
    let done = play.follow(true, &data)?;
    prop_assert!(done.ok, "the pool initialises");
    Ok(play)
}

#[test]
fn logs_slots_and_quotes_agree_with_the_published_bytecode() {
    // First of all, so that bytecode that is not installed is said at once and not shrunk.
    for tier in 0..TIERS.len() {
        deployed(Kind::Uniswap, tier);
        deployed(Kind::Pancake, tier);
        deployed(Kind::Slipstream, tier);
    }
    // About 25 transactions a case; 600 cases take 8 s on an idle machine in the dev profile.
    let config = ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(600),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/uniswap_v3_bytecode.regressions"))),
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    };
    let (deep, most, swaps) = (Cell::new(0u32), Cell::new(0u32), Cell::new(0u32));
    let outcome = TestRunner::new(config).run(&story(), |story| {
        let mut play = begin(story.kind, story.tier, story.start)?;
        for position in &story.positions {
            play.mint(*position)?;
        }
        for op in &story.ops {
            swaps.set(swaps.get() + u32::from(matches!(op, Op::Swap { .. })));
            play.play(op)?;
        }
        deep.set(deep.get() + u32::from(play.most_crossed > 10));
        most.set(most.get().max(play.most_crossed));
        Ok(())
    });
    println!("{} swaps; {} cases crossed more than 10 ticks, the deepest {}", swaps.get(), deep.get(), most.get());
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    assert!(deep.get() > 0, "no case crossed more than 10 ticks: the stories have grown too tame");
}

/// Discovery's eyes: the in-memory chain, where every slot is known.
struct Eyes<'a> {
    world: &'a mut World,
    /// Getters that answer but hide what they read, as a contract behind an unknown proxy might.
    blind: bool,
}

impl Probe for Eyes<'_> {
    fn call(&mut self, to: Address, data: &[u8]) -> Answer {
        let done = self.world.look(to, data);
        let reads = if self.blind { Vec::new() } else { done.touched };
        Answer { output: done.ok.then(|| done.output.to_vec()), cold: false, reads, gas: 0 }
    }

    fn call_with(&mut self, _: Address, to: Address, data: &[u8], _: &[(Address, U256, U256)]) -> Answer {
        self.call(to, data)
    }

    fn call_staged(
        &mut self,
        _: Address,
        to: Address,
        data: &[u8],
        _: &[(Address, U256, U256)],
        _: &[Address],
    ) -> Answer {
        self.call(to, data)
    }

    fn slot(&mut self, at: Address, slot: U256) -> Option<U256> {
        Some(self.world.slot(at, slot))
    }

    fn code_hash(&mut self, _: Address) -> Option<B256> {
        None
    }
}

/// A pool of each kind with three positions, the price inside the first two.
fn furnished(kind: Kind, tier: usize) -> Play {
    let spacing = TIERS[tier].1;
    let mut play = begin(kind, tier, (-77_777, 9)).expect("begins");
    let base = -77_777i32.div_euclid(spacing) * spacing;
    for (low, high, liquidity) in [(-5, 5, 10u128.pow(18)), (-300, 1_000, 3 * 10u128.pow(17)), (7, 20, 10u128.pow(20))]
    {
        play.mint(Position { lower: base + low * spacing, upper: base + high * spacing, liquidity }).expect("mints");
    }
    play
}

#[test]
fn discovery_learns_the_layout_of_each_kind_and_reads_the_same_state() {
    let mut layouts = Layouts::default();
    for kind in [Kind::Uniswap, Kind::Pancake, Kind::Slipstream] {
        for tier in 0..TIERS.len() {
            let mut play = furnished(kind, tier);
            let address = play.world.pool;
            let found = discover(&mut Eyes { world: &mut play.world, blind: false }, &mut layouts, address);
            let found = found.expect("a pool is found");
            assert!(!found.log_fed(), "{kind:?}: the layout is learned");
            assert_eq!(found.flavour(), kind.layout().flavour);
            assert!(found.same_state(&play.by_logs), "{kind:?} {found:?}\n{:?}", play.by_logs);
        }
    }
}

#[test]
fn a_pool_whose_layout_stays_hidden_is_read_through_calls_and_fed_by_logs() {
    for kind in [Kind::Uniswap, Kind::Pancake] {
        let mut play = furnished(kind, 2);
        let address = play.world.pool;
        let found = discover(&mut Eyes { world: &mut play.world, blind: true }, &mut Layouts::default(), address);
        let found = found.expect("a pool is found");
        assert!(found.log_fed());
        assert!(found.same_state(&play.by_logs), "{kind:?} {found:?}\n{:?}", play.by_logs);
    }
}

#[test]
fn a_fee_that_a_factory_tells_is_a_term_of_the_pool_and_another_one_is_found_anew() {
    let mut play = furnished(Kind::Slipstream, 1);
    let (address, mut layouts) = (play.world.pool, Layouts::default());
    let mut pool = discover(&mut Eyes { world: &mut play.world, blind: false }, &mut layouts, address).expect("found");
    let (at, slot) = (v3_evm::FACTORY, v3_evm::FEE_SLOT);
    assert_eq!(pool.terms(), [Term { at, slot, value: U256::from(500) }]);
    assert_eq!(pool.sites()[1], StateSite { at, slots: Whose::Listed(vec![slot]), logs: Logs::None });
    assert_eq!((pool.fee_pips(), pool.factory_fee()), (500, None));
    let text = serde_json::to_string(&pool).expect("text");
    let back: Pool = serde_json::from_str(&text).expect("a pool");
    assert!(back.same_state(&pool) && back.terms() == pool.terms());
    assert_eq!(pool.apply_slots(at, &[(slot, U256::from(500))]), Ok(Applied::Irrelevant));
    assert_eq!(pool.apply_slots(at, &[(slot, U256::from(700))]), Err(ApplyError::Contradiction));
    play.world.write(at, slot, U256::from(700));
    let found = discover(&mut Eyes { world: &mut play.world, blind: false }, &mut layouts, address).expect("found");
    assert_eq!(found.fee_pips(), 700);
}

#[test]
fn a_token_is_not_taken_for_a_pool() {
    let mut play = furnished(Kind::Uniswap, 0);
    let token = play.world.tokens[0];
    assert!(discover(&mut Eyes { world: &mut play.world, blind: false }, &mut Layouts::default(), token).is_none());
}

#[test]
fn the_segments_of_a_pool_end_where_its_swaps_cross() {
    let play = furnished(Kind::Uniswap, 1);
    let [zero, one] = play.world.tokens;
    let pool = &play.by_slots;
    for leg in [pool.leg(zero, one).unwrap(), pool.leg(one, zero).unwrap()] {
        let (mut spent, mut stretches) = (U256::ZERO, 0);
        pool.segments(leg, |segment| {
            spent += segment.in_max;
            stretches += 1;
            check_end(pool, leg, spent);
            true
        });
        assert!(stretches >= 2, "{stretches} stretches");
        // Past the last stretch there is nothing to buy.
        assert_eq!(pool.quote_in(leg, spent + U256::ONE), Err(QuoteError::TooLarge));
    }
}

/// Exactly the summed input is taken whole, and the price then stands on a stop.
fn check_end(pool: &Pool, leg: Leg, spent: U256) {
    let swap = pool.swap(leg, true, spent, no_limit(leg.zero_for_one())).expect("a swap");
    assert!(swap.complete);
    let less = pool.swap(leg, true, spent - U256::ONE, no_limit(leg.zero_for_one())).expect("a swap");
    let before_end =
        if leg.zero_for_one() { less.sqrt_price > swap.sqrt_price } else { less.sqrt_price < swap.sqrt_price };
    assert!(before_end, "a unit less does not reach the end");
}
