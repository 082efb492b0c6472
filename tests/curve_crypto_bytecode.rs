//! The real code of Curve's pools of three coins without a fixed price, out of the records, against ours: quotes, each pinned from both sides by the pool's own `exchange`, behind swaps of any size, and recorded swaps.

mod common;
#[path = "common/rounds.rs"]
mod rounds;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use alloy::sol_types::{SolCall, SolEvent};
use alloy_primitives::{Address, Bytes, U256, address};
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::hot::search::sizing::curve::ERROR;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::{Amm, Leg, QuoteError};
use peregrine::protocols::curve_crypto::Pool;
use peregrine::protocols::discover::{PLAIN_TOKEN, Probe, Venue, plain_balance_slot};
use peregrine::replay::execute;
use peregrine::replay::record::{self, Codes, Record};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use revm::state::{AccountInfo, Bytecode};

alloy::sol! {
    function exchange(uint256 i, uint256 j, uint256 dx, uint256 min_dy) external;
    event TokenExchange(address indexed buyer, uint256 sold_id, uint256 tokens_sold, uint256 bought_id, uint256 tokens_bought);
}

const SWAPPER: Address = address!("0x000000000000000000000000000000005ca1ab1e");
/// Amounts each way.
const AMOUNTS: u32 = 50;

/// The records, and the codes that they share.
fn records() -> Option<(Vec<PathBuf>, Codes)> {
    let dirs = record::find(&[common::mainnet("blocks")?]).expect("records");
    let codes = Codes::of(dirs.first()?).expect("codes");
    Some((dirs, codes))
}

/// A record, its machine at the start of the block, and the pools there.
fn start(dir: &Path, codes: &Codes) -> (Record, Machine, Vec<Pool>) {
    let record = Record::read(dir, codes).unwrap_or_else(|error| panic!("{error}"));
    let mut machine = execute::machine(&record);
    let mut pools = Vec::new();
    for contract in machine.db().contracts() {
        match Pool::discover(&mut EvmProbe::new(&mut machine), &mut (), contract.into(), true) {
            Ok(found) => pools.extend(found),
            Err(reason) => println!("{}: {contract} cannot be used: {reason}", dir.display()),
        }
    }
    (record, machine, pools)
}

fn legs(pool: &Pool) -> Vec<Leg> {
    let pairs = pool.tokens().iter().flat_map(|one| pool.tokens().iter().map(move |other| (*one, *other)));
    pairs.filter_map(|(one, other)| pool.leg(one, other)).collect()
}

/// The contract's places of a leg: those of the tokens that are known are found by asking.
fn call(pool: &Pool, leg: Leg, dx: U256, min_dy: U256) -> Vec<u8> {
    let [i, j] = [leg.token_in(), leg.token_out()].map(|place| U256::from(pool.index(place)));
    exchangeCall { i, j, dx, min_dy }.abi_encode()
}

/// Does the pool's own code pay at least so much, in a state?
fn pays(machine: &mut Machine, pool: &Pool, leg: Leg, [dx, least]: [U256; 2], state: &[(Address, U256, U256)]) -> bool {
    let funds = (pool.tokens()[leg.token_in()], plain_balance_slot(SWAPPER), U256::MAX >> 1);
    let overrides: Vec<_> = state.iter().copied().chain([funds]).collect();
    let data = call(pool, leg, dx, least);
    EvmProbe::new(machine).call_staged(SWAPPER, pool.address(), &data, &overrides, pool.tokens()).output.is_some()
}

#[derive(Clone, Copy, Default)]
struct Seen {
    equal: u32,
    /// Refused by us and reverted by the pool.
    refused: u32,
    /// Paid before it repegs, and then the pool reverts: for what lies behind the payment.
    reverted: u32,
}

/// Holds quotes of both kinds and the stretches against the code.
fn compare(machine: &mut Machine, pool: &Pool, state: &[(Address, U256, U256)], seen: &mut Seen) -> Result<(), String> {
    for leg in legs(pool) {
        let (mut before, top) = (U256::ZERO, f64::from(pool.held(leg)).ln() + 1.0);
        for step in 0..AMOUNTS {
            let amount = U256::from((top * f64::from(step) / f64::from(AMOUNTS)).exp() as u128);
            let Ok(due) = pool.quote_in(leg, amount) else {
                if pays(machine, pool, leg, [amount, U256::ONE], state) {
                    return Err(format!("{leg:?} of {pool:?}: {amount} is paid, and not quoted"));
                }
                seen.refused += 1;
                continue;
            };
            if !pays(machine, pool, leg, [amount, U256::ZERO], state) {
                seen.reverted += 1;
                continue;
            }
            let [paid, more] = [due, due + U256::ONE].map(|least| pays(machine, pool, leg, [amount, least], state));
            if !paid || more {
                return Err(format!("{leg:?} of {pool:?}: {amount} does not pay {due}"));
            }
            if due < before {
                return Err(format!("{leg:?} of {pool:?}: {amount} pays {due}, less than {before}"));
            }
            before = due;
            seen.equal += 1;
            backwards(pool, leg, amount, due)?;
        }
        bounded(pool, leg)?;
    }
    Ok(())
}

/// The smallest input for an output.
fn backwards(pool: &Pool, leg: Leg, amount: U256, out: U256) -> Result<(), String> {
    let least = pool.quote_out(leg, out).map_err(|error| format!("{leg:?} of {pool:?}: {out}: {error}"))?;
    let below = pool.quote_in(leg, least - U256::ONE);
    if least > amount || pool.quote_in(leg, least).is_ok_and(|got| got < out) || below.is_ok_and(|got| got >= out) {
        return Err(format!("{leg:?} of {pool:?}: {out} costs {least}, paid by {amount}"));
    }
    Ok(())
}

/// No quote lies above the stretches, for amounts that are worth a trade.
fn bounded(pool: &Pool, leg: Leg) -> Result<(), String> {
    let (mut at, mut bound, mut wrong) = (U256::ZERO, 0.0, None);
    pool.segments(leg, |stretch| {
        let half = stretch.in_max / U256::from(2);
        for part in [half, stretch.in_max] {
            let net = f64::from(part) * stretch.gamma;
            let most = bound + stretch.reserve_out * net / (stretch.reserve_in + net);
            let paid = pool.quote_in(leg, at + part).map_or(0.0, f64::from);
            if paid > most * (1.0 + ERROR) {
                wrong = Some(format!("{leg:?} of {pool:?}: {} pays {paid}, bounded by {most}", at + part));
                return false;
            }
        }
        let net = f64::from(stretch.in_max) * stretch.gamma;
        bound += stretch.reserve_out * net / (stretch.reserve_in + net);
        at += stretch.in_max;
        at < pool.held(leg)
    });
    wrong.map_or(Ok(()), Err)
}

#[test]
fn recorded_pools_pay_what_is_quoted() {
    let Some((dirs, codes)) = records() else { return };
    let (mut pools, mut seen) = (0, Seen::default());
    for dir in &dirs {
        let (_, mut machine, found) = start(dir, &codes);
        for pool in &found {
            compare(&mut machine, pool, &[], &mut seen).unwrap_or_else(|error| panic!("{error}"));
            pools += 1;
        }
    }
    println!(
        "{pools} pools: {} equal, {} refused by both, {} reverted behind it",
        seen.equal, seen.refused, seen.reverted
    );
    assert!(pools > 0 && seen.equal > 100, "{pools} pools");
}

/// In the place of its tokens plain ones, of which the swapper and the pool have enough.
fn with_plain_tokens(machine: &mut Machine, pool: &Pool) {
    let code = Bytecode::new_legacy(Bytes::from_static(&PLAIN_TOKEN));
    let plain = AccountInfo { nonce: 1, code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() };
    machine.db_mut().tell_whole_account(SWAPPER, AccountInfo::default());
    for token in pool.tokens() {
        let _ = machine.db_mut().replace_account(*token, plain.clone());
        machine.db_mut().override_slots(&[
            (*token, plain_balance_slot(SWAPPER), U256::MAX >> 1),
            (*token, plain_balance_slot(pool.address()), U256::MAX >> 1),
        ]);
    }
}

/// A swap that is made: which way, and how many thousandths of what the pool has of the token that goes in.
fn swaps() -> impl Strategy<Value = Vec<(usize, u64)>> {
    prop::collection::vec((0..6usize, 1..250u64), 1..6)
}

/// Puts a pool, and one that follows its storage, behind these swaps and gives it fees.
fn behind(machine: &mut Machine, pool: &mut Pool, swaps: &[(usize, u64)], fees: [u32; 2]) -> Result<(), TestCaseError> {
    let mut told: Vec<_> = pool.slots()[4..6].iter().map(|(slot, _)| *slot).zip(fees.map(U256::from)).collect();
    for (way, part) in swaps {
        let leg = legs(pool)[*way];
        let dx = pool.held(leg) * U256::from(*part) / U256::from(1_000);
        let ran = machine.call(SWAPPER, pool.address(), call(pool, leg, dx, U256::ZERO).into()).expect("runs");
        if ran.is_success() {
            let account = ran.diff.get(&pool.address()).expect("it swapped");
            let changed = account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value));
            let followed = pool.apply_slots(pool.address(), &changed.collect::<Vec<_>>());
            prop_assert!(followed.is_ok(), "{followed:?}");
        }
        machine.commit(ran.diff);
    }
    told.sort_unstable();
    pool.apply_slots(pool.address(), &told).expect("fees");
    let told: Vec<_> = told.into_iter().map(|(slot, word)| (pool.address(), slot, word)).collect();
    machine.db_mut().override_slots(&told);
    for view in pool.views() {
        let answer = EvmProbe::new(machine).call(pool.address(), &view.data);
        prop_assert_eq!(answer.word(0), Some(view.due[0].1), "{:?}", view.data);
    }
    Ok(())
}

#[test]
fn wherever_swaps_leave_a_pool_it_pays_what_is_quoted() {
    let Some((dirs, codes)) = records() else { return };
    let dir = dirs.iter().find(|dir| !start(dir, &codes).2.is_empty()).expect("a record with a pool");
    let seen = Cell::new(Seen::default());
    let mut runner = TestRunner::new(Config { cases: 50, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&(swaps(), [0..100_000_000u32, 0..100_000_000u32]), |(swaps, fees)| {
        let (_, mut machine, mut pools) = start(dir, &codes);
        let pool = &mut pools[0];
        with_plain_tokens(&mut machine, pool);
        behind(&mut machine, pool, &swaps, fees)?;
        let mut now = seen.get();
        compare(&mut machine, pool, &[], &mut now).map_err(TestCaseError::fail)?;
        seen.set(now);
        Ok(())
    });
    let Seen { equal, refused, reverted } = seen.get();
    println!("50 states: {equal} equal, {refused} refused by both, {reverted} reverted behind it");
    ran.unwrap_or_else(|error| panic!("{error}"));
    assert!(equal > 5_000, "{equal} amounts");
}

#[test]
fn recorded_swaps_pay_what_is_quoted() {
    let Some((dirs, codes)) = records() else { return };
    let mut swaps = 0;
    for dir in &dirs {
        let (record, mut machine, mut pools) = start(dir, &codes);
        for tx in record.txs.iter().take(if pools.is_empty() { 0 } else { usize::MAX }) {
            let executed = execute::step(&mut machine, tx).unwrap_or_else(|error| panic!("{error}"));
            for pool in &mut pools {
                let own = executed.logs().iter().filter(|log| log.address == pool.address());
                let said: Vec<_> = own.filter_map(|log| TokenExchange::decode_log(log).ok()).collect();
                // The first of a transaction alone starts from where the pool is known to be.
                if let Some(swap) = said.first() {
                    let place = |index: U256| (0..pool.tokens().len()).find(|at| U256::from(pool.index(*at)) == index);
                    let [from, to] =
                        [swap.sold_id, swap.bought_id].map(|index| pool.tokens()[place(index).expect("known")]);
                    let leg = pool.leg(from, to).expect("its tokens");
                    assert_eq!(pool.quote_in(leg, swap.tokens_sold), Ok(swap.tokens_bought));
                    swaps += 1;
                }
                let Some(account) = executed.diff.get(&pool.address()) else { continue };
                let changed = account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value));
                pool.apply_slots(pool.address(), &changed.collect::<Vec<_>>()).expect("slots");
            }
            machine.commit(executed.diff);
            for pool in &pools {
                for view in pool.views() {
                    let answer = EvmProbe::new(&mut machine).call(pool.address(), &view.data);
                    assert_eq!(answer.word(0), Some(view.due[0].1), "{:?}", view.data);
                }
            }
        }
    }
    println!("{swaps} recorded swaps equal");
    assert!(swaps > 0);
}

#[test]
fn what_a_swap_costs() {
    let Some((dirs, codes)) = records() else { return };
    let mut costs = Vec::new();
    for dir in &dirs {
        let (_, mut machine, found) = start(dir, &codes);
        for pool in &found {
            with_plain_tokens(&mut machine, pool);
            for leg in legs(pool) {
                let data = call(pool, leg, pool.held(leg) / U256::from(1_000), U256::ZERO);
                let ran = machine.call(SWAPPER, pool.address(), data.into()).expect("runs");
                if ran.is_success() {
                    costs.push((ran.gas_used() - 21_000, pool.gas(leg)));
                }
            }
        }
    }
    println!("gas of a swap, less the transaction's own, and what is said: {costs:?}");
    assert!(!costs.is_empty() && costs.iter().all(|(real, said)| said.abs_diff(*real) < said / 20), "{costs:?}");
}

#[test]
fn a_pool_that_is_written_down_is_read_back_and_says_what_it_cannot() {
    let Some((dirs, codes)) = records() else { return };
    let mut pool = dirs.iter().find_map(|dir| start(dir, &codes).2.into_iter().next()).expect("a pool");
    let text = serde_json::to_string(&pool).expect("text");
    let back: Pool = serde_json::from_str(&text).expect("a pool");
    assert!(back.agrees(&pool) && back.tokens() == pool.tokens() && back.sites() == pool.sites());
    let leg = legs(&pool)[0];
    assert_eq!(pool.quote_in(leg, U256::ZERO), Err(QuoteError::TooSmall));
    assert_eq!(pool.quote_in(leg, U256::MAX), Err(QuoteError::TooLarge));
    assert_eq!(pool.quote_out(leg, U256::MAX), Err(QuoteError::TooLarge));
    let (moving, _) = pool.fixed_slots()[0];
    let refused = pool.apply_slots(pool.address(), &[(moving, U256::ONE)]);
    assert!(refused.is_err() && back.agrees(&pool), "its A moves: it is asked anew");
}

#[test]
fn on_a_node_that_tells_what_is_asked_for_a_pool_is_found() {
    let Some((dirs, codes)) = records() else { return };
    let (record, machine, pools) = dirs
        .iter()
        .map(|dir| start(dir, &codes))
        .find(|(_, _, pools)| !pools.is_empty())
        .expect("a record with a pool");
    let (found, rounds) = rounds::found(&machine, record.fork, pools[0].key());
    println!("{rounds} rounds");
    let AnyPool::CurveCrypto(pool) = found.expect("usable").expect("a pool") else { panic!("another's") };
    assert!(pool.agrees(&pools[0]) && pool.tokens() == pools[0].tokens());
}
