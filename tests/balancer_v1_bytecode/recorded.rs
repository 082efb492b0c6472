//! What pools did in the recorded blocks.

use std::collections::BTreeMap;

use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, U256};
use peregrine::hot::evm::machine::{Executed, Machine};
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::balancer_v1::Pool;
use peregrine::protocols::discover::{Probe, Venue};
use peregrine::replay::execute;

use crate::{records, start};

alloy::sol! {
    event LOG_SWAP(address indexed caller, address indexed token_in, address indexed token_out, uint256 amount_in, uint256 amount_out);
}

#[derive(Default)]
struct Seen {
    swaps: u32,
    exact_out: u32,
    touches: u32,
}

/// Both ways of following, after a transaction.
fn follow(pools: &mut BTreeMap<Address, [Pool; 2]>, machine: &mut Machine, executed: Executed, seen: &mut Seen) {
    for log in executed.logs() {
        let Some([by_logs, _]) = pools.get_mut(&log.address) else { continue };
        if let Ok(swap) = LOG_SWAP::decode_log(log) {
            let leg = by_logs.leg(swap.token_in, swap.token_out).expect("its tokens");
            // The log does not say which of the two was given: who names the output pays what another series comes to.
            let pays = by_logs.quote_in(leg, swap.amount_in).expect("it was swapped");
            if pays == swap.amount_out {
                seen.swaps += 1;
            } else {
                let off = pays.abs_diff(swap.amount_out) * U256::from(1_000_000_000);
                assert!(off < pays, "{}: {pays} of {}", log.address, swap.amount_out);
                seen.exact_out += 1;
            }
        }
        by_logs.apply_log(log.address, log.topics(), &log.data.data).expect("a log");
    }
    let mut touched = Vec::new();
    for (address, account) in &executed.diff {
        let Some([_, by_slots]) = pools.get_mut(address) else { continue };
        let changes: Vec<(U256, U256)> =
            account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value)).collect();
        by_slots.apply_slots(*address, &changes).expect("slots");
        touched.push(*address);
    }
    machine.commit(executed.diff);
    for address in touched {
        let [by_logs, by_slots] = &pools[&address];
        assert!(by_logs.agrees(by_slots), "{by_logs:?}\n{by_slots:?}");
        for view in by_slots.views() {
            let answer = EvmProbe::new(machine).call(address, &view.data);
            assert_eq!(answer.word(0), Some(view.due[0].1), "{address}: {:?}", view.data);
        }
        let fresh = Pool::discover(&mut EvmProbe::new(machine), &mut (), address.into(), true).expect("a pool");
        assert!(fresh.expect("a pool").agrees(by_slots));
        seen.touches += 1;
    }
}

#[test]
fn recorded_swaps_pay_what_is_quoted_and_logs_and_storage_tell_the_same() {
    let Some((dirs, codes)) = records() else { return };
    let mut seen = Seen::default();
    for dir in &dirs {
        let (record, mut machine, found) = start(dir, &codes);
        let mut pools: BTreeMap<Address, [Pool; 2]> =
            found.into_iter().map(|pool| (pool.address(), [pool.clone(), pool])).collect();
        for tx in record.txs.iter().take(if pools.is_empty() { 0 } else { usize::MAX }) {
            let executed = execute::step(&mut machine, tx).unwrap_or_else(|error| panic!("{error}"));
            follow(&mut pools, &mut machine, executed, &mut seen);
        }
    }
    let Seen { swaps, exact_out, touches } = seen;
    println!("{swaps} recorded swaps equal, {exact_out} named their output, {touches} touches agree");
    assert!(swaps > exact_out && swaps >= 4, "{swaps} swaps");
}
