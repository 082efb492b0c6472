//! Pools from their first liquidity on, by their real code: after every call one that follows logs, one that follows storage and what the
//! getters say are one.

use alloy_primitives::{Address, U256};
use peregrine::hot::evm::machine::Executed;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::amm::{Amm, ApplyError, Exact};
use peregrine::protocols::discover::Probe;
use peregrine::protocols::solidly::{Fee, Pool};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::chain::{USER, transferCall};
use crate::world::{
    ETHER, World, balanceOfCall, burnCall, claimFeesCall, mintCall, setCustomFeeCall, setFeeCall, setPauseStateCall,
    skimCall, syncCall,
};

/// What happens to a pool. Parts are of 65,536.
#[derive(Clone, Debug)]
enum Op {
    /// As a router does: for what `getAmountOut` answers.
    Route {
        token_in: usize,
        part: u16,
    },
    /// For the most that is paid.
    Swap {
        token_in: usize,
        part: u16,
    },
    Mint {
        parts: [u16; 2],
    },
    Burn {
        part: u16,
    },
    /// Tokens come without a word; then the pool takes them for its own, or gives them away.
    Gift {
        token: usize,
        part: u16,
        is_synced: bool,
    },
    Claim,
    Fee(u16),
    Pass(u16),
}

fn ops() -> impl Strategy<Value = Op> {
    let (token, part) = (0..2usize, any::<u16>());
    prop_oneof![
        4 => (token.clone(), part).prop_map(|(token_in, part)| Op::Route { token_in, part }),
        4 => (token.clone(), part).prop_map(|(token_in, part)| Op::Swap { token_in, part }),
        2 => [part, part].prop_map(|parts| Op::Mint { parts }),
        2 => part.prop_map(|part| Op::Burn { part }),
        1 => (token, part, any::<bool>()).prop_map(|(token, part, is_synced)| Op::Gift { token, part, is_synced }),
        1 => Just(Op::Claim),
        1 => (0..300u16).prop_map(Op::Fee),
        2 => part.prop_map(Op::Pass),
    ]
}

struct Story {
    world: World,
    address: Address,
    by_logs: Pool,
    by_slots: Pool,
}

impl Story {
    fn new(decimals: &[u8; 2], stable: bool) -> Self {
        let mut world = World::new(decimals);
        let units = [0, 1].map(|place| world.unit(place));
        let address = world.filled([0, 1], stable, units.map(|unit| unit * 5_000));
        let pool = world.found(address);
        Self { world, address, by_logs: pool.clone(), by_slots: pool }
    }

    /// Follows what was done, and holds all that tell of it together.
    fn follow(&mut self, done: &Executed) -> Result<(), String> {
        for log in done.logs() {
            self.by_logs
                .apply_log(log.address, log.topics(), &log.data.data)
                .map_err(|error| format!("log: {error}"))?;
        }
        for (at, account) in &done.diff {
            let changed = account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value));
            self.by_slots.apply_slots(*at, &changed.collect::<Vec<_>>()).map_err(|error| format!("slots: {error}"))?;
        }
        for view in self.by_slots.views() {
            let answer = EvmProbe::new(&mut self.world.chain.machine).call(self.address, &view.data);
            for (place, due) in view.due {
                if answer.word(place) != Some(due) {
                    return Err(format!("word {place} is {:?}, not {due}", answer.word(place)));
                }
            }
        }
        if self.by_logs.agrees(&self.by_slots) && self.by_slots.agrees(&self.by_logs) {
            return Ok(());
        }
        Err(format!("logs {:?}\nslots {:?}", self.by_logs, self.by_slots))
    }

    fn part(&self, token: usize, part: u16) -> u128 {
        ((U256::from(self.by_slots.state()[token]) * U256::from(part)) >> 17_usize).to::<u128>().max(1)
    }

    fn swap(&mut self, token_in: usize, x: u128, as_router: bool) -> Result<(), String> {
        let tokens = self.by_slots.terms().tokens;
        let leg = self.by_slots.leg(tokens[token_in], tokens[1 - token_in]).expect("its tokens");
        let mut made = self.by_slots.clone();
        let y = if as_router {
            let Ok(traded) = made.trade(leg, Exact::In(U256::from(x)), None) else { return Ok(()) };
            traded.amount_out
        } else {
            let Ok(y) = self.by_slots.quote_in(leg, U256::from(x)) else { return Ok(()) };
            y
        };
        let done = self.world.swap(&self.by_slots.clone(), token_in, x, y.to::<u128>());
        self.follow(&done)?;
        if as_router && !made.agrees(&self.by_slots) {
            return Err(format!("foretold {made:?}, is {:?}", self.by_slots));
        }
        Ok(())
    }

    fn play(&mut self, op: &Op) -> Result<(), String> {
        let (pool, tokens, factory) = (self.address, self.by_slots.terms().tokens, self.world.factory);
        let done = match *op {
            Op::Route { token_in, part } => return self.swap(token_in, self.part(token_in, part), true),
            Op::Swap { token_in, part } => return self.swap(token_in, self.part(token_in, part), false),
            Op::Mint { parts } => {
                for (place, part) in parts.into_iter().enumerate() {
                    let amount = self.part(place, part);
                    self.world.pay(pool, tokens[place], amount);
                }
                self.world.attempt(pool, &mintCall { to: USER })
            }
            Op::Burn { part } => {
                let shares = self.world.look(pool, &balanceOfCall { owner: USER }).expect("an answer");
                let amount = (shares * U256::from(part)) >> 17;
                self.world.chain.call(pool, &transferCall { to: pool, amount });
                self.world.attempt(pool, &burnCall { to: USER })
            }
            Op::Gift { token, part, is_synced } => {
                let amount = self.part(token, part);
                self.world.pay(pool, tokens[token], amount);
                if is_synced {
                    self.world.attempt(pool, &syncCall {})
                } else {
                    self.world.attempt(pool, &skimCall { to: USER })
                }
            }
            Op::Claim => self.world.attempt(pool, &claimFeesCall {}),
            Op::Pass(seconds) => {
                self.world.pass(u64::from(seconds));
                return Ok(());
            }
            Op::Fee(fee) => return self.charge(factory, u64::from(fee)),
        };
        done.map_or(Ok(()), |done| self.follow(&done))
    }

    /// Another fee: what was known is contradicted, and the pool is found anew.
    fn charge(&mut self, factory: Address, fee: u64) -> Result<(), String> {
        let custom = if fee == 0 { 420 } else { fee };
        let done = self.world.chain.call(factory, &setCustomFeeCall { pool: self.address, fee: U256::from(custom) });
        let changed = done.diff[&factory].changed_storage_slots();
        let changed: Vec<_> = changed.map(|(slot, value)| (*slot, value.present_value)).collect();
        let told = self.by_slots.apply_slots(factory, &changed);
        if told.is_ok() != changed.is_empty() {
            return Err(format!("{told:?} of {changed:?}"));
        }
        let found = self.world.found(self.address);
        if found.terms().fee != Fee::new(fee, 10_000).expect("a fee") || found.state() != self.by_slots.state() {
            return Err(format!("{found:?} with {fee}"));
        }
        (self.by_logs, self.by_slots) = (found.clone(), found);
        Ok(())
    }
}

#[test]
fn logs_slots_and_getters_tell_one_story() {
    for (decimals, stable) in [([18, 18], false), ([6, 18], true), ([18, 18], true), ([8, 6], true)] {
        let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
        let ran = runner.run(&prop::collection::vec(ops(), 1..30), |ops| {
            let mut story = Story::new(&decimals, stable);
            for op in &ops {
                story.play(op).map_err(|error| TestCaseError::fail(format!("{op:?}: {error}")))?;
            }
            let text = serde_json::to_string(&story.by_slots).expect("text");
            let back: Pool = serde_json::from_str(&text).expect("a pool");
            prop_assert!(back.agrees(&story.by_slots) && back.terms() == story.by_slots.terms());
            Ok(())
        });
        ran.unwrap_or_else(|error| panic!("{decimals:?} {stable}: {error}"));
    }
}

#[test]
fn a_pause_and_a_fee_of_all_pools_are_contradictions_and_another_pools_fee_is_none() {
    let mut story = Story::new(&[18, 6], true);
    let factory = story.world.factory;
    let other = story.world.filled([0, 1], false, [ETHER, ETHER]);
    let word = |story: &mut Story, done: &Executed| {
        let changed = done.diff[&factory].changed_storage_slots();
        let changed: Vec<_> = changed.map(|(slot, value)| (*slot, value.present_value)).collect();
        assert!(!changed.is_empty());
        story.by_slots.apply_slots(factory, &changed)
    };
    let done = story.world.chain.call(factory, &setCustomFeeCall { pool: other, fee: U256::from(7) });
    assert!(word(&mut story, &done).is_ok());
    let done = story.world.chain.call(factory, &setFeeCall { stable: false, fee: U256::from(7) });
    assert!(word(&mut story, &done).is_ok(), "it is stable");
    let done = story.world.chain.call(factory, &setFeeCall { stable: true, fee: U256::from(7) });
    assert_eq!(word(&mut story, &done), Err(ApplyError::Contradiction));
    let found = story.world.found(story.address);
    assert_eq!(found.terms().fee, Fee::new(7, 10_000).expect("a fee"));
    story.by_slots = found;
    let done = story.world.chain.call(factory, &setPauseStateCall { paused: true });
    assert_eq!(word(&mut story, &done), Err(ApplyError::Contradiction));
    let why = story.world.discover(story.address).expect_err("paused");
    assert_eq!(why, "pays by no curve of this family with a fee that its factory names");
    story.world.chain.call(factory, &setPauseStateCall { paused: false });
    assert!(story.world.found(story.address).agrees(&story.by_slots));
}
