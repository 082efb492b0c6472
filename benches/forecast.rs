//! Question: how long until we know, by maths alone, what a pending swap would leave behind? It is what `what_if` answers by
//! running it in the EVM.
//! Input: `swapExactETHForTokens` of V2's router (block 12047794, transaction 98) and `exactInputSingle` of V3's (block
//! 12522062, transaction 58), each on the state right before it. That the two ways agree on every pool is asserted. Measured: the
//! resolution from calldata to pools (`maths`), the EVM's run of the same (`evm`), and the diff laid over the pools (`apply`).

mod common;

use criterion::BatchSize;
use criterion::Criterion;
use peregrine::hot::forecast::Forecaster;
use peregrine::hot::forecast::MinConfidence;
use peregrine::protocols::amm::Amm;

/// A block of the records, and a transaction of it.
fn forecast(c: &mut Criterion, name: &str, number: &str, index: usize, protocol: &str) {
    let Some(dir) = common::inputs::mainnet(&format!("blocks/{number}")) else { return };
    let mut block = common::block::Block::read(&dir);
    block.advance(0, index);
    let tx = block.tx(index);
    block.offer(index);
    let common::block::Block { machine, pools, overlay, touched, .. } = &mut block;
    let mut forecaster = Forecaster::new(peregrine::chain::MAINNET.contracts());
    forecaster.extend(pools);
    forecaster.forecast(machine, pools, &tx, MinConfidence::Blind).expect("resolved");
    assert_eq!(forecaster.judge(pools, touched, overlay), None, "maths and EVM agree");
    assert!(!touched.moved.is_empty() && touched.moved.iter().all(|id| pools.pool(*id).protocol() == protocol));
    forecaster.believe();
    let executed = machine.execute(tx.clone()).expect("recorded");
    println!("reckon/{name}: {} gas, {} pools moved of {}", executed.gas_used(), touched.moved.len(), pools.len());

    c.bench_function(&format!("reckon/{name}/maths"), |b| {
        b.iter(|| forecaster.forecast(machine, pools, &tx, MinConfidence::Proven).expect("resolved"));
    });
    c.bench_function(&format!("reckon/{name}/evm"), |b| {
        b.iter_batched(|| tx.clone(), |tx| machine.execute(tx), BatchSize::SmallInput);
    });
    c.bench_function(&format!("reckon/{name}/apply"), |b| b.iter(|| touched.apply(pools, overlay, &executed)));
}

fn main() {
    let mut c = common::criterion();
    forecast(&mut c, "v2_swap", "12047794", 98, "uniswap_v2");
    forecast(&mut c, "v3_swap", "12522062", 58, "uniswap_v3");
    c.final_summary();
}
