//! The recorded mainnet blocks: every transaction in order, resolved before it is run.

use peregrine::hot::forecast::Forecaster;
use peregrine::protocols::DiscoveryCache;
use peregrine::replay::discover;
use peregrine::replay::execute;
use peregrine::replay::record;
use peregrine::replay::record::Codes;
use peregrine::replay::record::Record;
use peregrine::replay::record::tx_env;

use crate::bench;
use crate::bench::Bench;
use crate::bench::Reason;
use crate::bench::Row;
use crate::common;

/// The block from its start, with a ledger that knows nothing or one that has seen it.
fn run(record: &Record, discovery_cache: &mut DiscoveryCache, ledger: Option<Forecaster>) -> Bench {
    let mut machine = execute::machine(record);
    let found = discover::pools(&mut machine, discovery_cache, false);
    let mut bench = Bench::new(machine, found.pools, ledger);
    for tx in &record.txs {
        bench.step(&tx_env(tx), |machine| execute::step(machine, tx).expect("a record executes"));
    }
    bench
}

#[test]
fn maths_and_the_evm_agree_on_every_swap_of_the_records_or_it_is_left_to_the_evm() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let dirs = record::find(&[blocks]).expect("records");
    let codes = Codes::of(&dirs[0]).expect("codes");
    let mut discovery_cache = DiscoveryCache::default();
    let (mut cold, mut warm, mut blind) = (Row::default(), Row::default(), Row::default());
    bench::head();
    for dir in &dirs {
        let record = Record::read(dir, &codes).expect("a record");
        let first = run(&record, &mut discovery_cache, None);
        bench::print(&format!("{}", record.header.number), &first.blind);
        cold.add(&first.proven);
        blind.add(&first.blind);
        // Again with what was learnt of the pools: as one who has followed them for a while.
        warm.add(&run(&record, &mut discovery_cache, Some(first.forecaster)).proven);
    }
    bench::print("blind", &blind);
    bench::print("cold", &cold);
    bench::print("warm", &warm);
    for (name, row) in [("blind", &blind), ("cold", &cold), ("warm", &warm)] {
        for (_, story) in &row.differed {
            println!("{name}: {story}");
        }
        let unexplained = row.differed.iter().filter(|(reason, _)| *reason == Reason::Unexplained);
        assert_eq!(unexplained.count(), 0, "{name}: {:?}", row.differed);
    }
    assert!(cold.differed.is_empty() && warm.differed.is_empty(), "{:?} {:?}", cold.differed, warm.differed);
    // The rest calls nobody whose calldata is read: searchers' own contracts, most of it.
    assert!(blind.resolved * 2 > blind.moving, "{} of {} are resolved", blind.resolved, blind.moving);
    assert!(
        warm.agreed * 10 > warm.moving * 4,
        "{} of {} are resolved through what is proven",
        warm.agreed,
        warm.moving
    );
}
