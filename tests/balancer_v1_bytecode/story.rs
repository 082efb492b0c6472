//! A pool from its first token on, by its real code: after every call one that follows logs, one that follows storage and what its
//! getters say are one.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes, U256, address};
use peregrine::chain::MAINNET;
use peregrine::hot::evm::db::Db;
use peregrine::hot::evm::fork::Fork;
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::{Amm, Exact};
use peregrine::protocols::balancer_v1::Pool;
use peregrine::protocols::discover::{PLAIN_TOKEN, Probe, Venue, plain_balance_slot};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use revm::context::BlockEnv;
use revm::state::{AccountInfo, Bytecode};

use crate::{records, rounds, start};

alloy::sol! {
    function bind(address token, uint256 balance, uint256 weight) external;
    function rebind(address token, uint256 balance, uint256 weight) external;
    function unbind(address token) external;
    function gulp(address token) external;
    function setSwapFee(uint256 fee) external;
    function setPublicSwap(bool open) external;
    function finalize() external;
    function joinPool(uint256 shares, uint256[] most) external;
    function exitPool(uint256 shares, uint256[] least) external;
    function joinswapExternAmountIn(address token, uint256 amount, uint256 least) external returns (uint256);
    function exitswapPoolAmountIn(address token, uint256 shares, uint256 least) external returns (uint256);
    function swapExactAmountIn(address token_in, uint256 amount_in, address token_out, uint256 least_out, uint256 most_price)
        external returns (uint256 amount_out, uint256 price_after);
    function swapExactAmountOut(address token_in, uint256 most_in, address token_out, uint256 amount_out, uint256 most_price)
        external returns (uint256 amount_in, uint256 price_after);
}

const POOL: Address = address!("0x00000000000000000000000000000000b100b100");
const OWNER: Address = address!("0x0000000000000000000000000000000000c0ffee");
const TOKENS: [Address; 4] = [
    address!("0x0000000000000000000000000000000000000a01"),
    address!("0x0000000000000000000000000000000000000a02"),
    address!("0x0000000000000000000000000000000000000a03"),
    address!("0x0000000000000000000000000000000000000a04"),
];
const ONE: u128 = 1_000_000_000_000_000_000;

/// What happens to a pool. Parts are of 65,536.
#[derive(Clone, Debug)]
enum Op {
    Swap { from: usize, to: usize, part: u16, exact_out: bool },
    Rebind { token: usize, part: u16, weight: u8 },
    Gulp { token: usize, part: u16 },
    Fee(u16),
    Finalize,
    Join { part: u16 },
    Exit { part: u16 },
    JoinOne { token: usize, part: u16 },
    ExitOne { token: usize, part: u16 },
}

fn ops() -> impl Strategy<Value = Op> {
    let token = 0..3usize;
    prop_oneof![
        6 => (token.clone(), token.clone(), any::<u16>(), any::<bool>())
            .prop_map(|(from, to, part, exact_out)| Op::Swap { from, to, part, exact_out }),
        2 => (token.clone(), any::<u16>(), 1..40u8).prop_map(|(token, part, weight)| Op::Rebind { token, part, weight }),
        1 => (token.clone(), any::<u16>()).prop_map(|(token, part)| Op::Gulp { token, part }),
        1 => any::<u16>().prop_map(Op::Fee),
        1 => Just(Op::Finalize),
        1 => any::<u16>().prop_map(|part| Op::Join { part }),
        1 => any::<u16>().prop_map(|part| Op::Exit { part }),
        1 => (token.clone(), any::<u16>()).prop_map(|(token, part)| Op::JoinOne { token, part }),
        1 => (token, any::<u16>()).prop_map(|(token, part)| Op::ExitOne { token, part }),
    ]
}

fn fork() -> Fork {
    Fork::of(&MAINNET, 20_000_000, 1_717_000_000).expect("a fork")
}

/// A chain of nothing but the pool's code and plain tokens.
struct World {
    machine: Machine,
    by_logs: Option<Pool>,
    by_slots: Option<Pool>,
}

impl World {
    fn new(code: Bytecode) -> Self {
        let block = BlockEnv { gas_limit: 30_000_000, prevrandao: Some(B256::ZERO), ..BlockEnv::default() };
        let mut machine = Machine::new(1, fork(), block, Db::default());
        let with = |code: Bytecode| AccountInfo {
            nonce: 1,
            code_hash: code.hash_slow(),
            code: Some(code),
            ..AccountInfo::default()
        };
        let db = machine.db_mut();
        db.tell_whole_account(POOL, with(code));
        db.tell_whole_account(OWNER, AccountInfo::default());
        for token in TOKENS {
            db.tell_whole_account(token, with(Bytecode::new_legacy(Bytes::from_static(&PLAIN_TOKEN))));
            db.tell_slot(token, plain_balance_slot(OWNER), U256::ONE << 200);
        }
        // What the constructor leaves: decimals, lock and factory; the controller; the least fee.
        let owner = U256::from_be_bytes(OWNER.into_word().0);
        db.tell_slot(POOL, U256::from(5), U256::from(18) | owner << 16);
        db.tell_slot(POOL, U256::from(6), owner);
        db.tell_slot(POOL, U256::from(7), U256::from(ONE / 1_000_000));
        let mut world = Self { machine, by_logs: None, by_slots: None };
        for (at, token) in TOKENS[..3].iter().enumerate() {
            let balance = U256::from(ONE) * U256::from(1_000 << (7 * at));
            let bound = bindCall { token: *token, balance, weight: U256::from(ONE) * U256::from(1 + 3 * at) };
            assert!(world.send(bound.abi_encode()).expect("followed"), "bound");
        }
        assert!(world.discover().is_err(), "it is not open yet");
        assert!(world.send(setPublicSwapCall { open: true }.abi_encode()).expect("followed"));
        let pool = world.discover().expect("usable").expect("a pool");
        assert_eq!(pool.tokens(), &TOKENS[..3]);
        (world.by_logs, world.by_slots) = (Some(pool.clone()), Some(pool));
        world
    }

    fn discover(&mut self) -> Result<Option<Pool>, String> {
        Pool::discover(&mut EvmProbe::new(&mut self.machine), &mut (), POOL.into(), false)
    }

    /// Calls the pool, follows what it does, and holds all that tell of it together. False: it reverted.
    fn send(&mut self, data: Vec<u8>) -> Result<bool, String> {
        let done = self.machine.call(OWNER, POOL, data.into()).map_err(|error| error.to_string())?;
        let ok = done.is_success();
        self.machine.commit(done.diff.clone());
        if let (Some(by_logs), Some(by_slots)) = (&mut self.by_logs, &mut self.by_slots) {
            for log in done.logs() {
                by_logs
                    .apply_log(log.address, log.topics(), &log.data.data)
                    .map_err(|error| format!("log: {error}"))?;
            }
            for (at, account) in &done.diff {
                let changed = account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value));
                by_slots.apply_slots(*at, &changed.collect::<Vec<_>>()).map_err(|error| format!("slots: {error}"))?;
            }
        }
        if self.by_slots.is_some() {
            self.holds()?;
        }
        Ok(ok)
    }

    fn holds(&mut self) -> Result<(), String> {
        let (Some(by_logs), Some(by_slots)) = (self.by_logs.clone(), self.by_slots.clone()) else { return Ok(()) };
        for view in by_slots.views() {
            let answer = EvmProbe::new(&mut self.machine).call(POOL, &view.data);
            if answer.word(0) != Some(view.due[0].1) {
                return Err(format!("{:?} is not {:?}", answer.word(0), view.due[0].1));
            }
        }
        if !by_logs.agrees(&by_slots) || !by_slots.agrees(&by_logs) {
            return Err(format!("logs {by_logs:?}\nslots {by_slots:?}"));
        }
        // As the engine does: what storage tells is what is kept.
        self.by_logs = Some(by_slots);
        Ok(())
    }

    fn pool(&self) -> &Pool {
        self.by_slots.as_ref().expect("discovered")
    }

    fn part(&self, token: usize, part: u16) -> U256 {
        (U256::from(self.pool().held()[token].balance) * U256::from(part)) >> 16
    }

    fn swap(&mut self, from: usize, to: usize, part: u16, exact_out: bool) -> Result<(), String> {
        let Some(leg) = self.pool().leg(TOKENS[from], TOKENS[to]) else { return Ok(()) };
        let (token_in, token_out, most_price) = (TOKENS[from], TOKENS[to], U256::MAX);
        if exact_out {
            let amount_out = self.part(to, part / 4);
            let data = swapExactAmountOutCall { token_in, most_in: U256::MAX, token_out, amount_out, most_price };
            return self.send(data.abi_encode()).map(drop);
        }
        let amount_in = self.part(from, part);
        let mut made = self.pool().clone();
        let traded = made.trade(leg, Exact::In(amount_in), None);
        let data = swapExactAmountInCall { token_in, amount_in, token_out, least_out: U256::ZERO, most_price };
        let ok = self.send(data.abi_encode())?;
        match (traded.is_ok(), ok && made.agrees(self.pool())) {
            (true, true) => Ok(()),
            (false, _) if !ok => Ok(()),
            _ => Err(format!("{traded:?} foretold, {ok} done: {made:?}\n{:?}", self.pool())),
        }
    }

    fn play(&mut self, op: &Op) -> Result<(), String> {
        let shares = |part: u16| (U256::from(100 * ONE) * U256::from(part)) >> 20;
        match *op {
            Op::Swap { from, to, part, exact_out } => return self.swap(from, to, part, exact_out),
            Op::Rebind { token, part, weight } => {
                let balance = U256::from(self.pool().held()[token].balance) / U256::from(2) + self.part(token, part);
                let weight = U256::from(ONE) * U256::from(weight) + U256::from(part);
                self.send(rebindCall { token: TOKENS[token], balance, weight }.abi_encode())
            }
            Op::Gulp { token, part } => {
                let holds = U256::from(self.pool().held()[token].balance) + self.part(token, part);
                self.machine.db_mut().override_slots(&[(TOKENS[token], plain_balance_slot(POOL), holds)]);
                self.send(gulpCall { token: TOKENS[token] }.abi_encode())
            }
            Op::Fee(part) => {
                let fee = U256::from(ONE / 1_000_000) + U256::from(ONE / 10) * U256::from(part) / U256::from(65_536);
                self.send(setSwapFeeCall { fee }.abi_encode())
            }
            Op::Finalize => self.send(finalizeCall {}.abi_encode()),
            Op::Join { part } => {
                self.send(joinPoolCall { shares: shares(part), most: vec![U256::MAX; 3] }.abi_encode())
            }
            Op::Exit { part } => {
                self.send(exitPoolCall { shares: shares(part), least: vec![U256::ZERO; 3] }.abi_encode())
            }
            Op::JoinOne { token, part } => {
                let amount = self.part(token, part / 4);
                self.send(joinswapExternAmountInCall { token: TOKENS[token], amount, least: U256::ZERO }.abi_encode())
            }
            Op::ExitOne { token, part } => {
                let call = exitswapPoolAmountInCall { token: TOKENS[token], shares: shares(part), least: U256::ZERO };
                self.send(call.abi_encode())
            }
        }
        .map(drop)
    }
}

/// The code of any pool of the records: all are one factory's.
fn code() -> Option<Bytecode> {
    let (dirs, codes) = records()?;
    dirs.iter().find_map(|dir| {
        let (_, machine, found) = start(dir, &codes);
        machine.db().known_account(found.first()?.address())?.code.clone()
    })
}

#[test]
fn logs_slots_and_getters_tell_one_story() {
    let Some(code) = code() else { return };
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&prop::collection::vec(ops(), 1..24), |ops| {
        let mut world = World::new(code.clone());
        for op in &ops {
            world.play(op).map_err(|error| TestCaseError::fail(format!("{op:?}: {error}")))?;
        }
        let text = serde_json::to_string(world.pool()).expect("text");
        let back: Pool = serde_json::from_str(&text).expect("a pool");
        prop_assert!(back.agrees(world.pool()) && back.tokens() == world.pool().tokens());
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_pool_that_is_closed_or_gets_another_token_is_asked_anew() {
    let Some(code) = code() else { return };
    let mut closed = World::new(code.clone());
    let refused = closed.send(setPublicSwapCall { open: false }.abi_encode());
    assert_eq!(refused.unwrap_err(), "slots: log or slot contradicts the known state");
    assert_eq!(closed.discover().unwrap_err(), "it is not open to swaps");
    let mut wider = World::new(code);
    let bound = bindCall { token: TOKENS[3], balance: U256::from(ONE), weight: U256::from(ONE) };
    assert_eq!(wider.send(bound.abi_encode()).unwrap_err(), "slots: log or slot contradicts the known state");
}

/// Logs alone cannot say what a token said of itself: such a balance quotes nothing, and agrees with any.
#[test]
fn a_balance_that_was_gulped_is_not_known_by_logs() {
    let Some(code) = code() else { return };
    let mut world = World::new(code);
    let mut by_logs = world.pool().clone();
    world.machine.db_mut().override_slots(&[(TOKENS[0], plain_balance_slot(POOL), U256::from(ONE))]);
    let done = world.machine.call(OWNER, POOL, gulpCall { token: TOKENS[0] }.abi_encode().into()).expect("runs");
    for log in done.logs() {
        by_logs.apply_log(log.address, log.topics(), &log.data.data).expect("a log");
    }
    let leg = by_logs.leg(TOKENS[0], TOKENS[1]).expect("its tokens");
    assert!(by_logs.quote_in(leg, U256::from(ONE)).is_err() && by_logs.agrees(world.pool()));
    let other = by_logs.leg(TOKENS[1], TOKENS[2]).expect("its tokens");
    assert_eq!(by_logs.quote_in(other, U256::from(ONE)), world.pool().quote_in(other, U256::from(ONE)));
}

#[test]
fn on_a_node_that_tells_what_is_asked_for_a_pool_is_found() {
    let Some(code) = code() else { return };
    let world = World::new(code);
    let (found, rounds) = rounds::found(&world.machine, fork(), POOL.into());
    println!("{rounds} rounds");
    let AnyPool::BalancerV1(pool) = found.expect("usable").expect("a pool") else { panic!("another's") };
    assert!(pool.agrees(world.pool()) && pool.tokens() == world.pool().tokens());
}
