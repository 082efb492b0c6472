//! Random states of every recorded pool that can be used, written into its storage, and many amounts to each: what `exchange` then
//! pays and leaves, and what `get_dy` says, is ours to the unit.

use alloy_primitives::{U256, keccak256};
use peregrine::protocols::amm::{Amm, Exact, Leg, QuoteError};
use peregrine::protocols::curve_stable::{Pool, State, WHOLE};

use crate::POOLS;
use crate::bench::{Bench, written};

/// States of each pool, the recorded one first, and amounts to each way through it.
const STATES: u64 = 40;
const AMOUNTS: u64 = 50;

#[derive(Debug, Default)]
struct Tally {
    equal: u32,
    /// Refused by both.
    refused: u32,
    /// Refused by us alone: nothing would come out.
    nothing: u32,
    said: u32,
    gas: Vec<u64>,
}

/// Numbers that are the same in every run.
pub struct Dice(pub U256);

impl Dice {
    pub fn roll(&mut self) -> U256 {
        self.0 = keccak256(self.0.to_be_bytes::<32>()).into();
        self.0
    }

    pub fn below(&mut self, end: u64) -> u64 {
        (self.roll() % U256::from(end)).to::<u64>()
    }
}

/// Balances from a thousand units to a billion coins, mostly within a hundredfold of one another; any `A` and any fees.
pub fn state(pool: &Pool, dice: &mut Dice) -> State {
    let (terms, mut state) = (pool.terms(), *pool.state());
    let scaled = U256::from(1_000 + dice.below(1_000)) * U256::from(10).pow(U256::from(dice.below(25)));
    let apart = [2, 100, 100_000][dice.below(3) as usize];
    for place in 0..terms.coins {
        let share = U256::from(1 + dice.below(apart));
        let units = scaled * share * U256::from(10).pow(U256::from(18)) / terms.rates[place];
        state.held[place] = units.to::<u128>().max(1);
        let admin_held = if pool.layout().admin_held.is_empty() { 0 } else { u128::from(dice.below(1_000)) };
        state.admin_held[place] = admin_held.min(state.held[place] - 1);
    }
    let most = [3, 5_000][dice.below(2) as usize];
    state.amp = (1 + dice.below(most)) * u64::from(terms.precision);
    state.fee = [dice.below(50_000_000), dice.below(WHOLE / 2)][usize::from(dice.below(8) == 0)];
    if pool.layout().admin_fee.is_some() {
        state.admin_fee = [0, WHOLE / 2, dice.below(WHOLE)][dice.below(3) as usize];
    }
    if pool.layout().offpeg.is_some() {
        state.offpeg = [0, WHOLE, 8 * WHOLE, WHOLE + dice.below(20 * WHOLE)][dice.below(4) as usize];
    }
    state
}

fn legs(pool: &Pool) -> Vec<Leg> {
    let tokens = pool.tokens();
    let all = tokens.iter().flat_map(|a| tokens.iter().map(move |b| (*a, *b)));
    all.filter_map(|(a, b)| pool.leg(a, b)).collect()
}

/// Holds one amount against the contract.
fn compare(bench: &mut Bench, pool: &Pool, leg: Leg, dx: U256, tally: &mut Tally) {
    let at = format!("{} {:?} {dx} in {:?}", pool.address(), pool.places(leg), pool.state());
    let mut after = pool.clone();
    let traded = after.trade(leg, Exact::In(dx), None);
    assert_eq!(traded.map(|traded| traded.amount_out), pool.quote_in(leg, dx), "{at}");
    match (traded, bench.exchange(pool, leg, dx)) {
        (Ok(traded), Some(done)) => {
            assert_eq!(traded.amount_out, done.paid, "{at}");
            let mut told = pool.clone();
            told.apply_slots(pool.address(), &done.changes).expect("slots of a state");
            assert_eq!(told.state(), after.state(), "{at}");
            tally.equal += 1;
            tally.gas.push(done.gas);
        }
        (Err(_), None) => tally.refused += 1,
        (Err(why), Some(done)) => {
            assert_eq!((why, done.paid), (QuoteError::TooSmall, U256::ZERO), "{at}: the pool pays");
            tally.nothing += 1;
        }
        (Ok(traded), None) => panic!("{at}: quotes {traded:?}, the pool reverts"),
    }
    if let Some(said) = pool.get_dy(leg, dx) {
        let answer = bench.get_dy(pool, leg, dx);
        assert!(said.ok() == answer || (said.is_err() && traded.is_err()), "{at}: {said:?}, get_dy {answer:?}");
        tally.said += 1;
    }
}

/// From a unit to forty times what the pool holds.
pub fn amount(pool: &Pool, leg: Leg, dice: &mut Dice) -> U256 {
    let most = U256::from(pool.state().held[pool.places(leg).0]) * U256::from(40);
    let cut = dice.below(most.bit_len() as u64 + 1) as usize / [1, 4][dice.below(2) as usize];
    ((dice.roll() % most) >> cut).max(U256::ONE)
}

#[test]
fn every_amount_to_random_states_is_the_contracts_to_the_unit() {
    for at in POOLS {
        let Some((machine, pool)) = at.start() else { return };
        let mut bench = Bench::new(machine, pool.tokens());
        let (mut dice, mut tally) = (Dice(U256::from_be_slice(at.pool.as_slice())), Tally::default());
        for turn in 0..STATES {
            let mut pool = pool.clone();
            if turn > 0 {
                let state = state(&pool, &mut dice);
                let slots = written(pool.layout(), &state);
                pool.apply_slots(at.pool, &slots).expect("a state within bounds");
                assert_eq!(*pool.state(), state);
            }
            for leg in legs(&pool) {
                for _ in 0..AMOUNTS {
                    compare(&mut bench, &pool, leg, amount(&pool, leg, &mut dice), &mut tally);
                }
            }
        }
        tally.gas.sort_unstable();
        let Tally { equal, refused, nothing, said, gas } = &tally;
        let middle = gas[gas.len() / 2];
        println!(
            "{}: {STATES} states: {equal} exchanges equal, {refused} refused by both, {nothing} would pay nothing, \
             {said} of get_dy equal; gas {}, {middle} in the middle, {}",
            at.pool,
            gas[0],
            gas[gas.len() - 1]
        );
        let least = (STATES * AMOUNTS) as u32;
        assert!(*equal > least, "the states have grown too tame");
        // Ranking looks at it: the transaction's own part is not the pool's.
        let leg = legs(&pool)[0];
        assert!((middle - 21_000).abs_diff(pool.gas(leg)) < 60_000, "gas is {middle}, {} said", pool.gas(leg));
    }
}
