//! Pools followed through random swaps, joins, exits, managers, fees and pauses: by logs, by slots, by what a trade is said to do, and
//! afresh, which must all be one.

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::U256;
use peregrine::hot::evm::machine::Executed;
use peregrine::protocols::amm::{Amm, Exact, Traded};
use peregrine::protocols::balancer_v2::Pool;
use peregrine::types::pool_key::PoolKey;
use proptest::prelude::*;
use std::cell::Cell;

use crate::common::pools::cases;
use crate::world::{
    Code, PER_CENT, PoolBalanceOp, WINDOWS, World, getProtocolFeesCollectorCall, id, legs, managePoolBalanceCall,
    pauseCall, setPausedCall, setSwapFeePercentageCall, unpauseCall,
};

#[derive(Clone, Debug)]
enum Op {
    /// Which way, whether it is told what comes out, and so many millionths of the balance.
    Swap(usize, bool, u128),
    /// So many thousandths of each balance come.
    Join(Vec<u128>),
    /// So many thousandths of all shares go.
    Exit(u128),
    /// What is managed of the first token: taken out, brought back, or set, in thousandths of the balance.
    Manage(u8, u128),
    /// In millionths.
    Fee(u64),
    /// Paused, and let go on.
    Pause,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (any::<usize>(), any::<bool>(), 0_u128..320_000).prop_map(|(leg, out, part)| Op::Swap(leg, out, part)),
        2 => prop::collection::vec(0_u128..500, 4).prop_map(Op::Join),
        1 => (1_u128..900).prop_map(Op::Exit),
        1 => (0_u8..3, 0_u128..900).prop_map(|(kind, part)| Op::Manage(kind, part)),
        1 => (1_u64..100_000).prop_map(Op::Fee),
        1 => Just(Op::Pause),
    ]
}

struct Play {
    world: World,
    code: Code,
    key: PoolKey,
    by_logs: Pool,
    by_slots: Pool,
    /// Another pool of the same vault and tokens: nothing here is its business.
    other: (Pool, Pool),
    done: u32,
}

impl Play {
    fn begin(code: Code, weights: &[u64], amounts: &[u128]) -> Self {
        let mut world = World::new(&[18, 6, 8, 18], WINDOWS);
        world.fund();
        let other = world.filled(code, weights, PER_CENT, &vec![1 << 70; weights.len()]);
        let key = world.filled(code, weights, PER_CENT / 10, amounts);
        let vault = world.vault;
        let collector = world.look(vault, &getProtocolFeesCollectorCall {}).expect("an address");
        let collector = alloy_primitives::Address::from_word(collector.into());
        world.allow(collector, setSwapFeePercentageCall::SELECTOR);
        world.chain.call(collector, &setSwapFeePercentageCall { fee: U256::from(50 * PER_CENT) });
        let (other, pool) = (world.found(other), world.found(key));
        let selectors: &[[u8; 4]] = match code {
            Code::Third => &[pauseCall::SELECTOR, unpauseCall::SELECTOR],
            Code::First | Code::TwoTokens => &[setPausedCall::SELECTOR],
        };
        for selector in selectors {
            world.allow(pool.contract(), *selector);
        }
        Self { world, code, key, by_logs: pool.clone(), by_slots: pool, other: (other.clone(), other), done: 0 }
    }

    /// Lets the pools follow a transaction.
    fn follow(&mut self, executed: &Executed) -> Result<(), TestCaseError> {
        self.done += 1;
        for log in executed.logs() {
            for pool in [&mut self.by_logs, &mut self.other.1] {
                let applied = pool.apply_log(log.address, log.topics(), &log.data.data);
                prop_assert!(applied.is_ok(), "log refused: {:?}", applied);
            }
        }
        for (at, account) in &executed.diff {
            let changes: Vec<_> =
                account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value)).collect();
            for pool in [&mut self.by_slots, &mut self.other.1] {
                let applied = pool.apply_slots(*at, &changes);
                prop_assert!(applied.is_ok(), "slots refused: {:?}", applied);
            }
        }
        prop_assert!(self.by_logs.agrees(&self.by_slots), "{:?}\n{:?}", self.by_logs, self.by_slots);
        prop_assert!(self.other.0.agrees(&self.other.1), "another pool has moved");
        match self.world.discover(self.key) {
            Ok(Some(peregrine::protocols::AnyPool::BalancerV2(fresh))) => {
                prop_assert!(self.by_slots.agrees(&fresh), "{:?}\n{:?}", self.by_slots, fresh);
            }
            found => prop_assert!(self.by_slots.is_paused(), "{:?}", found),
        }
        Ok(())
    }

    fn play(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let totals: Vec<u128> = self.by_slots.held().iter().map(|held| held.total()).collect();
        let count = totals.len();
        match op {
            Op::Swap(leg, given_out, part) => self.swap(*leg, *given_out, *part),
            Op::Join(parts) => {
                let amounts: Vec<U256> =
                    totals.iter().zip(parts).map(|(total, part)| U256::from(total / 1_000 * part)).collect();
                let data = (U256::ONE, amounts, U256::ZERO).abi_encode_params();
                self.then(|world, key| world.join(key, data, count))
            }
            Op::Exit(part) => {
                let shares = self.shares() / U256::from(1_000) * U256::from(*part);
                self.then(|world, key| world.exit(key, (U256::ONE, shares).abi_encode_params(), count))
            }
            Op::Manage(kind, part) => {
                let (kind, amount) = (*kind, U256::from(totals[0] / 1_000 * part));
                self.then(|world, key| {
                    let op = PoolBalanceOp { kind, poolId: id(key), token: world.tokens[0], amount };
                    let vault = world.vault;
                    world.attempt(vault, &managePoolBalanceCall { ops: vec![op] })
                })
            }
            Op::Fee(millionths) => {
                let (contract, fee) = (self.by_slots.contract(), U256::from(millionths * 1_000_000_000_000));
                self.then(|world, _| world.attempt(contract, &setSwapFeePercentageCall { fee }))
            }
            Op::Pause => self.pause(),
        }
    }

    fn then(&mut self, act: impl FnOnce(&mut World, PoolKey) -> Option<Executed>) -> Result<(), TestCaseError> {
        let Some(executed) = act(&mut self.world, self.key) else { return Ok(()) };
        self.follow(&executed)
    }

    /// What the user has of the pool's shares.
    fn shares(&mut self) -> U256 {
        alloy::sol! { function balanceOf(address owner) external view returns (uint256); }
        let contract = self.by_slots.contract();
        self.world.look(contract, &balanceOfCall { owner: crate::common::chain::USER }).expect("an amount")
    }

    fn pause(&mut self) -> Result<(), TestCaseError> {
        let contract = self.by_slots.contract();
        for paused in [true, false] {
            let code = self.code;
            self.then(|world, _| match (code, paused) {
                (Code::Third, true) => world.attempt(contract, &pauseCall {}),
                (Code::Third, false) => world.attempt(contract, &unpauseCall {}),
                _ => world.attempt(contract, &setPausedCall { paused }),
            })?;
            prop_assert_eq!(self.by_slots.is_paused(), paused);
            let (leg, amount) = (legs(&self.by_slots)[0], U256::from(1_000));
            let theirs = self.world.would_answer(&self.by_slots, leg, false, amount);
            prop_assert_eq!(self.by_logs.quote_in(leg, amount).ok(), theirs);
        }
        Ok(())
    }

    fn swap(&mut self, leg: usize, given_out: bool, part: u128) -> Result<(), TestCaseError> {
        let all = legs(&self.by_slots);
        let leg = all[leg % all.len()];
        let of = if given_out { leg.token_out() } else { leg.token_in() };
        let amount = U256::from(self.by_slots.held()[of].total() / 1_000_000 * part);
        let exact = if given_out { Exact::Out(amount) } else { Exact::In(amount) };
        let mut traded = self.by_slots.clone();
        let made = traded.trade(leg, exact, None);
        let theirs = self.world.would_answer(&self.by_slots, leg, given_out, amount);
        let ours = made.map(|Traded { amount_in, amount_out }| if given_out { amount_in } else { amount_out });
        prop_assert_eq!(ours.ok(), theirs, "{:?} {:?} of {:?}", leg, exact, self.by_slots);
        if theirs.is_none() {
            return Ok(());
        }
        let executed = self.world.swap(&self.by_slots, leg, given_out, amount);
        self.follow(&executed)?;
        prop_assert!(traded.agrees(&self.by_slots), "{:?}\n{:?}", traded, self.by_slots);
        Ok(())
    }
}

#[test]
fn logs_slots_trades_and_a_fresh_look_are_one_through_random_stories() {
    let kinds = prop_oneof![
        Just((Code::First, vec![80, 20])),
        Just((Code::First, vec![40, 20, 10, 30])),
        Just((Code::TwoTokens, vec![50, 50])),
        Just((Code::Third, vec![50, 50])),
        Just((Code::Third, vec![25, 25, 50])),
    ];
    let amounts = prop::collection::vec((40_u32..100).prop_map(|bits| 1_u128 << bits), 4);
    let ops = prop::collection::vec(op(), 4..16);
    let (stories, done) = (Cell::new(0_u32), Cell::new(0_u32));
    let config = cases(24);
    let outcome = proptest::test_runner::TestRunner::new(config).run(
        &(kinds, amounts, ops),
        |((code, weights), amounts, ops)| {
            let mut play = Play::begin(code, &weights, &amounts[..weights.len()]);
            for op in &ops {
                play.play(op)?;
            }
            stories.set(stories.get() + 1);
            done.set(done.get() + play.done);
            Ok(())
        },
    );
    println!("{} stories, {} transactions followed", stories.get(), done.get());
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    assert!(done.get() > stories.get() * 3, "most of what was tried has failed: the stories have grown too tame");
}
