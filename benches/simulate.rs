//! Question: how long does a proof take: the executor's own transaction, in the EVM, behind its trigger?
//! Input: the 3-hop V2 backrun of block 12047794 behind transaction 34, and the 3-hop V3 cycle at the start of block
//! 13217637. That the EVM agrees to the wei is asserted.

mod common;

use criterion::Criterion;
use peregrine::hot::strategy::cycles;
use peregrine::protocols::amm::Amm;

fn prove(c: &mut Criterion, name: &str, block: &str, behind: Option<usize>, protocol: &str) {
    let Some(dir) = common::inputs::mainnet(&format!("blocks/{block}")) else { return };
    let mut block = common::block::Block::read(&dir);
    let mut found = block.candidates(behind);
    let common::block::Block { machine, pools, prover, .. } = &mut block;
    found.retain(|candidate| {
        let hops = candidate.hops();
        hops.len() == 3 && hops.iter().all(|hop| pools.pool(hop.pool).protocol() == protocol)
    });
    let candidate = found.first().expect("the block has such a cycle");
    let opportunity = &cycles::opportunity(candidate, behind.is_some()).expect("of hops that fit");
    let proven = prover.prove(machine, pools, opportunity).expect("the EVM agrees");
    println!("simulate/{name}: profit {} wei, {} gas", candidate.gross(), proven.gas_used().0);
    c.bench_function(&format!("simulate/{name}"), |b| {
        b.iter(|| {
            // Another state, for all that is known: what was proven of this one is not found again.
            machine.db_mut().restore_slots(Vec::new());
            prover.prove(machine, pools, opportunity)
        });
    });
}

fn main() {
    let mut c = common::criterion();
    prove(&mut c, "3_hops_v2", "12047794", Some(34), "uniswap_v2");
    prove(&mut c, "3_hops_v3", "13217637", None, "uniswap_v3");
    c.final_summary();
}
