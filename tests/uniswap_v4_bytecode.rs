//! The published bytecode of Uniswap V4 against ours: random pools, positions and swaps on a chain in memory.
//!
//! After every transaction three pools must be one: kept by logs, kept by storage diffs, read afresh from storage. Before every swap
//! ours must foretell what the manager then does, to the unit, price, tick and liquidity included. `states`: many amounts to each
//! state. `recorded`: swaps of mainnet. `found`: how pools are found. `landed`: cycles through them, run by our contract.

mod common;
#[path = "uniswap_v4_bytecode/found.rs"]
mod found;
#[path = "uniswap_v4_bytecode/landed.rs"]
mod landed;
#[path = "uniswap_v4_bytecode/market.rs"]
mod market;
#[path = "uniswap_v4_bytecode/recorded.rs"]
mod recorded;
#[path = "uniswap_v4_bytecode/states.rs"]
mod states;
#[path = "uniswap_v4_bytecode/story.rs"]
mod story;
#[path = "common/v4_evm.rs"]
mod v4_evm;

use alloy_primitives::U256;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::amm::Exact;
use peregrine::protocols::amm::Leg;
use peregrine::protocols::amm::QuoteError;
use peregrine::protocols::math::concentrated::walk::Swap;
use peregrine::protocols::math::concentrated::walk::no_limit;
use peregrine::protocols::math::tick;
use peregrine::protocols::uniswap_v4::Fees;
use peregrine::protocols::uniswap_v4::Key;
use peregrine::protocols::uniswap_v4::Pool;
use peregrine::protocols::uniswap_v4::initialized;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use std::cell::RefCell;
use story::Op;
use story::Position;
use story::Story;
use v4_evm::World;

/// The manager, and the two pools that follow it.
struct Play {
    world: World,
    key: Key,
    by_logs: Pool,
    by_slots: Pool,
    held: Vec<Position>,
    swaps: u32,
    reverted: u32,
    most_crossed: u32,
}

/// Deployed once; a story starts from a copy.
fn deployed() -> World {
    thread_local! {
        static MADE: RefCell<Option<World>> = const { RefCell::new(None) };
    }
    MADE.with_borrow_mut(|made| made.get_or_insert_with(World::new).clone())
}

fn load(world: &World, key: Key) -> Pool {
    Pool::load(world.manager, key, Some(v4_evm::WETH), |slot| Some(world.slot(slot))).expect("a native pool")
}

/// The price of a tick and so many 65,536ths of the step to the next.
fn price_at((tick, share): (i32, u16)) -> U256 {
    let [low, high] = [tick, tick + 1].map(|tick| tick::sqrt_price_at(tick).expect("a tick"));
    low + (high - low) * U256::from(share) / U256::from(1u32 << 16)
}

impl Play {
    /// A pool that is initialised, and has its first positions.
    fn begin(story: &Story) -> Result<Self, TestCaseError> {
        let world = deployed();
        let key = story.key(world.tokens);
        let blank = load(&world, key);
        let (by_logs, by_slots) = (blank.clone(), blank);
        let mut play = Self { world, key, by_logs, by_slots, held: Vec::new(), swaps: 0, reverted: 0, most_crossed: 0 };
        let done = play.world.initialize(&key, price_at(story.start));
        let said = done.logs.first().and_then(|log| initialized(log.data.topics(), &log.data.data));
        prop_assert_eq!(said.map(|said| (said.key, said.id)), Some((key, key.id())), "its id is the manager's");
        play.follow(done)?;
        for position in &story.positions {
            play.add(*position)?;
        }
        Ok(play)
    }

    /// Lets both pools follow a transaction; holds all three together.
    fn follow(&mut self, done: v4_evm::Outcome) -> Result<v4_evm::Outcome, TestCaseError> {
        let manager = self.world.manager;
        for log in &done.logs {
            let applied = self.by_logs.apply_log(manager, log.data.topics(), &log.data.data);
            prop_assert!(applied.is_ok(), "log refused: {:?}", applied);
        }
        let applied = self.by_slots.apply_slots(manager, &done.changes);
        prop_assert!(applied.is_ok(), "slots refused: {:?}", applied);
        let fresh = load(&self.world, self.key);
        prop_assert!(self.by_slots.same_state(&fresh), "slots: {:?}\nstorage: {:?}", self.by_slots, fresh);
        prop_assert!(self.by_logs.agrees(&fresh), "logs: {:?}\nstorage: {:?}", self.by_logs, fresh);
        prop_assert!(self.key.is_dynamic() || self.by_logs.same_state(&fresh));
        Ok(done)
    }

    fn add(&mut self, position: Position) -> Result<(), TestCaseError> {
        let Position { ticks, liquidity } = position;
        let Ok(delta) = i128::try_from(liquidity) else { return Ok(()) };
        let done = self.world.modify(&self.key, ticks, delta);
        if self.follow(done)?.ok {
            self.held.push(position);
        }
        Ok(())
    }

    fn remove(&mut self, which: usize, share: u8) -> Result<(), TestCaseError> {
        let Some(index) = which.checked_rem(self.held.len()) else { return Ok(()) };
        let Position { ticks, liquidity } = self.held[index];
        let amount = if share == 255 { liquidity } else { liquidity / 255 * u128::from(share) };
        let done = self.world.modify(&self.key, ticks, -(amount as i128));
        // The published router asserts that something is paid out: of crumbs nothing is, and then nothing has happened.
        if !self.follow(done)?.ok {
            return Ok(());
        }
        self.held[index].liquidity -= amount;
        if self.held[index].liquidity == 0 {
            self.held.swap_remove(index);
        }
        Ok(())
    }

    fn play(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match *op {
            Op::Add(position) => self.add(position),
            Op::Remove { which, share } => self.remove(which, share),
            Op::Swap { down, exact_in, amount, limit } => self.swap((down, exact_in), amount, limit),
            Op::Donate(amounts) => {
                let (before, done) = (self.by_logs.clone(), self.world.donate(&self.key, amounts));
                self.follow(done)?;
                prop_assert!(self.by_logs.same_state(&before), "a donation moves no price");
                Ok(())
            }
            Op::ProtocolFee([zero, one]) => {
                let done = self.world.set_protocol_fee(&self.key, zero | one << 12);
                prop_assert!(self.follow(done)?.ok, "the controller sets the fee");
                Ok(())
            }
            Op::DynamicFee(fee) => {
                let done = self.world.set_dynamic_fee(&self.key, fee);
                prop_assert_eq!(self.follow(done)?.ok, self.key.is_dynamic());
                Ok(())
            }
        }
    }

    fn leg(&self, down: bool) -> Leg {
        let [zero, one] = [0, 1].map(|place| self.by_slots.tokens()[place]);
        let leg = if down { self.by_slots.leg(zero, one) } else { self.by_slots.leg(one, zero) };
        leg.expect("its currencies")
    }

    fn swap(
        &mut self,
        (down, exact_in): (bool, bool),
        amount: U256,
        limit: Option<(i32, i8)>,
    ) -> Result<(), TestCaseError> {
        let leg = self.leg(down);
        let nudged = |price: U256, by: i8| {
            if by < 0 { price - U256::ONE } else { price + U256::from(by.unsigned_abs()) }
        };
        let at = limit.and_then(|(tick, off)| Some(nudged(tick::sqrt_price_at(tick)?, off)));
        let limit = at.unwrap_or_else(|| no_limit(down));
        let foretold = self.by_slots.swap(leg, exact_in, amount, limit);
        let mut made = self.by_slots.clone();
        let exact = if exact_in { Exact::In(amount) } else { Exact::Out(amount) };
        let traded = made.trade(leg, exact, Some(limit));
        let quote = if exact_in { self.by_slots.quote_in(leg, amount) } else { self.by_slots.quote_out(leg, amount) };
        let done = self.world.swap(&self.key, (down, exact_in), amount, limit, true);
        let done = self.follow(done)?;
        self.swaps += 1;
        self.reverted += u32::from(!done.ok);
        prop_assert_eq!(done.ok, foretold.is_ok(), "foretold {:?}, manager {:?}", foretold, done.output);
        let Ok(foretold) = foretold else { return Ok(()) };
        self.most_crossed = self.most_crossed.max(foretold.crossed);
        prop_assert_eq!((foretold.amount_in, foretold.amount_out), v4_evm::moved(&done.output, down));
        self.stands_as(&foretold, exact_in, amount)?;
        let fetched = traded.map(|traded| (traded.amount_in, traded.amount_out));
        prop_assert_eq!(fetched, Ok((foretold.amount_in, foretold.amount_out)));
        prop_assert!(made.agrees(&self.by_slots));
        if limit == no_limit(down) {
            let due = if exact_in { foretold.amount_out } else { foretold.amount_in };
            prop_assert_eq!(quote, if foretold.complete { Ok(due) } else { Err(QuoteError::TooLarge) });
        }
        Ok(())
    }

    fn stands_as(&self, foretold: &Swap, exact_in: bool, amount: U256) -> Result<(), TestCaseError> {
        let now = &self.by_slots;
        let stands = (now.sqrt_price_x96(), now.tick(), now.liquidity());
        prop_assert_eq!((foretold.sqrt_price, foretold.tick, foretold.liquidity), stands);
        let filled = if exact_in { foretold.amount_in } else { foretold.amount_out } == amount;
        prop_assert_eq!(foretold.complete, filled);
        Ok(())
    }

    /// The manager answers every view as the state says, and a pool that is read back is the same.
    fn ends(&mut self) -> Result<(), TestCaseError> {
        for view in self.by_slots.views() {
            let answer = self.world.look(self.world.manager, &view.data);
            for (place, due) in view.due {
                let word = answer.output.get(place * 32..place * 32 + 32).map(U256::from_be_slice);
                prop_assert_eq!(word, Some(due), "word {}", place);
            }
        }
        let written = serde_json::to_string(&self.by_slots).expect("it can be written");
        let read: Pool = serde_json::from_str(&written).expect("and read");
        prop_assert!(read.same_state(&self.by_slots) && read.sites() == self.by_slots.sites());
        Ok(())
    }
}

#[test]
fn logs_slots_and_quotes_agree_with_the_published_bytecode() {
    // First of all, so that bytecode that is not installed is said at once and not shrunk.
    deployed();
    let config = ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/uniswap_v4_bytecode.regressions"))),
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    };
    let (cases, swaps, reverted) = (Cell::new(0u32), Cell::new(0u32), Cell::new(0u32));
    let (deep, most) = (Cell::new(0u32), Cell::new(0u32));
    let outcome = TestRunner::new(config).run(&story::story(), |story| {
        let mut play = Play::begin(&story)?;
        for op in &story.ops {
            play.play(op)?;
        }
        play.ends()?;
        cases.set(cases.get() + 1);
        swaps.set(swaps.get() + play.swaps);
        reverted.set(reverted.get() + play.reverted);
        deep.set(deep.get() + u32::from(play.most_crossed > 10));
        most.set(most.get().max(play.most_crossed));
        Ok(())
    });
    println!(
        "{} stories, {} swaps of which the manager reverted {}; {} stories crossed more than 10 ticks, the deepest {}",
        cases.get(),
        swaps.get(),
        reverted.get(),
        deep.get(),
        most.get()
    );
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    assert!(deep.get() > 0, "no story crossed more than 10 ticks: they have grown too tame");
    assert!(reverted.get() > 0, "no swap was reverted: the stories have grown too tame");
}

#[test]
fn a_pool_of_nothing_but_fee_takes_what_goes_in_and_sells_nothing() {
    let story = story::plain(1_000_000);
    let mut play = Play::begin(&story).expect("it begins");
    for down in [true, false] {
        let (leg, amount) = (play.leg(down), U256::from(1_000_000));
        assert_eq!(play.by_slots.quote_in(leg, amount), Ok(U256::ZERO));
        assert_eq!(play.by_slots.quote_out(leg, U256::ONE), Err(QuoteError::TooLarge));
        assert_eq!((play.by_slots.marginal_rate(leg), play.by_slots.depth(leg)), (0.0, 0.0));
        play.swap((down, true), amount, None).expect("the manager agrees");
        play.swap((down, false), U256::ONE, None).expect("the manager refuses too");
    }
    assert_eq!((play.swaps, play.reverted), (4, 2));
}

#[test]
fn the_manager_combines_both_fees_as_we_do() {
    let mut checked = 0;
    for lp in [0, 1, 100, 3_000, 999_999, 1_000_000] {
        for [zero, one] in [[0, 0], [1, 1_000], [1_000, 1], [777, 0]] {
            let mut play = Play::begin(&story::plain(lp)).expect("it begins");
            play.play(&Op::ProtocolFee([zero, one])).expect("a fee that may be set");
            assert_eq!(play.by_logs.fees(), Fees { lp, protocol: zero | one << 12 });
            for down in [true, false] {
                // Its log names the combined fee, and is refused where it is not ours.
                play.swap((down, true), U256::from(123_456_789), None).expect("the manager charges the same");
                checked += 1;
            }
        }
    }
    println!("{checked} swaps, each log's fee is the one we foretell");
}
