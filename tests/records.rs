//! Every recorded mainnet block executes to its header.

mod common;

use peregrine::replay::execute;
use peregrine::replay::record::{self, Codes, Record};

#[test]
fn every_record_executes_to_the_headers_gas_bloom_and_receipts_root() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let dirs = record::find(&[blocks]).expect("records");
    let codes = Codes::of(&dirs[0]).expect("codes");
    let mut exact = 0;
    for dir in &dirs {
        let record = Record::read(dir, &codes).unwrap_or_else(|error| panic!("{error}"));
        let verdict = execute::run(&record, &mut execute::machine(&record), |_, _, _| ());
        match verdict {
            Ok(verdict) if verdict.is_exact() => exact += 1,
            other => println!("{}: {other:?}", dir.display()),
        }
    }
    println!("{exact} of {} records execute exactly", dirs.len());
    assert_eq!(exact, dirs.len());
}
