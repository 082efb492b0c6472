//! Question: how long until we know what a pending swap would leave behind? Nothing can be searched before.
//! Input: two transactions of recorded blocks on the state right before them: a V2 router swap (block 12047794,
//! transaction 34) and a swap in a V3 pool (block 13217637, transaction 3). That each moves pools is asserted. Measured:
//! the EVM run (`execute`), and the pools' share of it (`apply`: the diff laid over the table).

mod common;

use criterion::BatchSize;
use criterion::Criterion;
use peregrine::protocols::amm::Amm;

fn what_if(c: &mut Criterion, name: &str, block: &str, index: usize) {
    let Some(dir) = common::inputs::mainnet(&format!("blocks/{block}")) else { return };
    let mut block = common::block::Block::read(&dir);
    block.advance(0, index);
    let tx = block.tx(index);
    block.offer(index);
    let moved: Vec<_> = block.touched.moved.iter().map(|id| block.pools.pool(*id).protocol()).collect();
    assert!(!moved.is_empty(), "the transaction moves a pool");
    let executed = block.machine.execute(tx.clone()).expect("recorded");
    assert!(executed.is_success());
    println!("what_if/{name}: {} gas, moves {moved:?} of {} pools", executed.gas_used(), block.pools.len());

    let common::block::Block { machine, pools, overlay, touched, .. } = &mut block;
    c.bench_function(&format!("what_if/{name}/execute"), |b| {
        b.iter_batched(|| tx.clone(), |tx| machine.execute(tx), BatchSize::SmallInput);
    });
    c.bench_function(&format!("what_if/{name}/apply"), |b| b.iter(|| touched.apply(pools, overlay, &executed)));
}

fn main() {
    let mut c = common::criterion();
    what_if(&mut c, "v2_swap", "12047794", 34);
    what_if(&mut c, "v3_swap", "13217637", 3);
    c.final_summary();
}
