//! The recorded mainnet blocks: every transaction in order, resolved before it is run.

use peregrine::protocols::Lore;
use peregrine::replay::discover;
use peregrine::replay::execute;
use peregrine::replay::record;
use peregrine::replay::record::Codes;
use peregrine::replay::record::Record;
use peregrine::replay::record::tx_env;

use crate::bench;
use crate::bench::Bench;
use crate::bench::Row;
use crate::common;

#[test]
fn maths_and_the_evm_agree_on_every_swap_of_the_records_or_it_is_left_to_the_evm() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let dirs = record::find(&[blocks]).expect("records");
    let codes = Codes::of(&dirs[0]).expect("codes");
    let mut lore = Lore::default();
    let (mut proven, mut blind) = (Row::default(), Row::default());
    println!(
        "{:>10} {:>6} {:>8} {:>6} {:>6} {:>8}  left to the evm",
        "block", "moving", "resolved", "agreed", "failed", "differed"
    );
    for dir in &dirs {
        let record = Record::read(dir, &codes).expect("a record");
        let mut machine = execute::machine(&record);
        let found = discover::pools(&mut machine, &mut lore, false);
        let mut bench = Bench::new(machine, found.pools);
        for tx in &record.txs {
            bench.step(&tx_env(tx), |machine| execute::step(machine, tx).expect("a record executes"));
        }
        bench::print(&format!("{}", record.header.number), &bench.blind);
        proven.add(&bench.proven);
        blind.add(&bench.blind);
    }
    bench::print("proven", &proven);
    bench::print("blind", &blind);
    for story in &proven.differed {
        println!("proven, and differs: {story}");
    }
    for story in &blind.differed {
        println!("not proven, and differs: {story}");
    }
    assert!(proven.differed.is_empty(), "{:?}", proven.differed);
}
