//! Pools of mainnet in the recorded blocks, by their own code: each swap that the vault logs is the one we foretell from the state before
//! its transaction, and followed pools stand at the block's end where the vault has them.

use std::path::Path;

use alloy::sol_types::SolEvent;
use alloy_primitives::{Log, U256};
use peregrine::hot::evm::machine::Executed;
use peregrine::protocols::amm::{Amm, Exact, Traded};
use peregrine::protocols::balancer_v2::Pool;
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::replay::record::{self, Codes, Record};
use peregrine::replay::{discover, execute};

use crate::common;

alloy::sol! {
    event Swap(bytes32 indexed poolId, address indexed tokenIn, address indexed tokenOut, uint256 amountIn, uint256 amountOut);
}

fn weighted(pools: Vec<AnyPool>) -> Vec<Pool> {
    let pools = pools.into_iter();
    pools.filter_map(|pool| if let AnyPool::BalancerV2(pool) = pool { Some(pool) } else { None }).collect()
}

/// Foretells what the log says where it is a swap, told what goes in or told what comes out, and follows it. Says whether it was one.
fn follow(pool: &mut Pool, log: &Log) -> bool {
    let said =
        Swap::decode_log(log).ok().filter(|said| said.address == pool.address() && Some(said.poolId) == pool.key().id);
    let Some(said) = said else {
        pool.apply_log(log.address, log.topics(), &log.data.data).expect("understood");
        return false;
    };
    let leg = pool.leg(said.tokenIn, said.tokenOut).expect("its tokens");
    let due = Traded { amount_in: said.amountIn, amount_out: said.amountOut };
    let made = [Exact::In(said.amountIn), Exact::Out(said.amountOut)].map(|exact| pool.clone().trade(leg, exact, None));
    assert!(made.contains(&Ok(due)), "{due:?}, foretold {made:?}, of {pool:?}");
    assert!(
        pool.quote_out(leg, said.amountOut).expect("it pays so much")
            <= said.amountIn.max(made[1].map_or(U256::ZERO, |made| made.amount_in))
    );
    pool.apply_log(log.address, log.topics(), &log.data.data).expect("understood");
    true
}

fn stored(pool: &mut Pool, executed: &Executed) {
    for (at, account) in &executed.diff {
        let changed = account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value));
        pool.apply_slots(*at, &changed.collect::<Vec<_>>()).expect("understood");
    }
}

/// Pools of a record, and swaps of them.
fn block(dir: &Path, codes: &Codes) -> [usize; 2] {
    let record = Record::read(dir, codes).unwrap_or_else(|error| panic!("{error}"));
    let mut machine = execute::machine(&record);
    let mut cache = DiscoveryCache::default();
    let mut pools = weighted(discover::pools(&mut machine, &mut cache, false).pools);
    let mut by_slots = pools.clone();
    let mut swaps = 0;
    for tx in &record.txs {
        let executed = execute::step(&mut machine, tx).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        for (pool, by_slots) in pools.iter_mut().zip(&mut by_slots) {
            swaps += executed.logs().iter().filter(|log| follow(pool, log)).count();
            stored(by_slots, &executed);
            assert!(pool.agrees(by_slots), "{pool:?}\n{by_slots:?}");
        }
        machine.commit(executed.diff);
    }
    let fresh = weighted(discover::pools(&mut machine, &mut cache, false).pools);
    for pool in &pools {
        let now = fresh.iter().find(|now| now.key() == pool.key()).expect("it is still there");
        assert!(now.agrees(pool), "{pool:?}\n{now:?}");
    }
    [pools.len(), swaps]
}

#[test]
fn swaps_of_the_recorded_blocks_are_foretold_by_the_code_that_made_them() {
    let (mut pools, mut swaps) = (0, 0);
    let folders = [common::mainnet("blocks"), common::newer_mainnet("blocks")];
    if folders.iter().all(Option::is_none) {
        return;
    }
    for blocks in folders.iter().flatten() {
        let dirs = record::find(std::slice::from_ref(blocks)).expect("records");
        let codes = Codes::of(&dirs[0]).expect("codes");
        for dir in &dirs {
            let [found, made] = block(dir, &codes);
            (pools, swaps) = (pools + found, swaps + made);
        }
    }
    println!("{pools} pools whose state is known whole, {swaps} swaps of them foretold");
    assert!(folders[0].is_none() || pools > 0 && swaps > 0);
}
