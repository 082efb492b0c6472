//! Swaps of mainnet on the recorded pools that can be used: foretold from the state before the transaction, and the state behind it
//! as the contract left it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::amm::{Amm, Exact};
use peregrine::protocols::discover::Probe;
use peregrine::replay::execute;
use serde::Deserialize;

use crate::common;
use crate::{At, GHO, POOLS};

#[derive(Deserialize)]
struct Swap {
    kind: String,
    /// Some pools have an id in the place of an address.
    pool: String,
    token_in: Address,
    token_out: Address,
    amount_in: String,
    amount_out: String,
    tx: usize,
}

/// The swaps of a pool in its block, in order.
fn swaps(at: At) -> Vec<Swap> {
    let find = if at.newer { common::newer_mainnet } else { common::mainnet };
    let path = find("swaps.json.zst").expect("beside the blocks");
    let bytes = zstd::decode_all(std::fs::File::open(path).expect("the record")).expect("zstd");
    let mut all: BTreeMap<String, Vec<Swap>> = serde_json::from_slice(&bytes).expect("the record's form");
    let own = |swap: &Swap| swap.kind == "curve" && swap.pool.parse() == Ok(at.pool);
    all.remove(at.block).unwrap_or_default().into_iter().filter(own).collect()
}

fn number(text: &str) -> U256 {
    text.parse().expect("decimal")
}

#[test]
fn recorded_swaps_are_foretold_and_leave_what_the_contract_left() {
    let mut equal = 0;
    for at in POOLS {
        let Some(record) = at.record() else { return };
        let mut machine = execute::machine(&record);
        let mut pool = at.discovered(&mut machine).expect("usable").expect("a pool");
        let swaps = swaps(at);
        let (mut next, mut moved) = (swaps.iter().peekable(), 0);
        let verdict = execute::run(&record, &mut machine, |index, executed, _| {
            let mut foretold = pool.clone();
            while let Some(swap) = next.next_if(|swap| swap.tx == index) {
                let leg = foretold.leg(swap.token_in, swap.token_out).expect("its coins");
                let traded = foretold.trade(leg, Exact::In(number(&swap.amount_in)), None).expect("it was made");
                assert_eq!(traded.amount_out, number(&swap.amount_out), "{} transaction {index}", at.pool);
                equal += 1;
            }
            let Some(account) = executed.diff.get(&at.pool) else { return };
            let changes: Vec<(U256, U256)> =
                account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value)).collect();
            moved += usize::from(!changes.is_empty());
            pool.apply_slots(at.pool, &changes).expect("slots of a state");
            if swaps.iter().any(|swap| swap.tx == index) {
                assert_eq!(pool.state(), foretold.state(), "{} transaction {index}", at.pool);
            }
        });
        assert!(verdict.is_ok(), "{verdict:?}");
        let again = at.discovered(&mut machine).expect("usable").expect("a pool");
        assert!(again.agrees(&pool), "{}: followed by slots, and found anew", at.pool);
        for view in pool.views() {
            let answer = EvmProbe::new(&mut machine).call(at.pool, &view.data);
            assert_eq!(answer.word(0), Some(view.due[0].1), "{}: {:?}", at.pool, view.data);
        }
        println!("{} in {}: {} swaps, {moved} transactions moved it", at.pool, at.block, swaps.len());
        assert!(at.pool != GHO.pool || moved > 0);
    }
    assert!(equal >= 3, "{equal} swaps");
}
