//! Every recorded mainnet block executes to its header.

mod common;

use std::path::Path;

use alloy_primitives::U256;
use peregrine::replay::diagnose::diagnose;
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

/// A copy of a record with one bit of one slot turned over.
fn damaged(dir: &Path, account: &str, slot: &str, bit: usize) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    for file in ["block.json.zst", "block_hashes.json"] {
        if dir.join(file).exists() {
            std::fs::copy(dir.join(file), copy.path().join(file)).expect("copy");
        }
    }
    let text = zstd::decode_all(std::fs::File::open(dir.join("prestate.json.zst")).expect("state")).expect("zstd");
    let mut state: serde_json::Value = serde_json::from_slice(&text).expect("json");
    let held = &mut state[account]["storage"][slot];
    let value: U256 = held.as_str().expect("the slot").parse().expect("hex");
    *held = format!("{:#066x}", value ^ (U256::from(1) << bit)).into();
    let packed = zstd::encode_all(state.to_string().as_bytes(), 1).expect("zstd");
    std::fs::write(copy.path().join("prestate.json.zst"), packed).expect("write");
    copy
}

#[test]
fn a_bit_turned_over_in_a_reserve_slot_is_named_with_the_first_transaction_that_reads_it() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    // Pairs whose first swap in the block is known from truth.json: (block, pair, transaction).
    let slot = format!("{:#066x}", 8);
    for (block, pair, first) in [
        ("12047794", "0x4dc02e1bb2ec1ce4c50c351e6e06505e7b1dce8d", 34),
        ("12047794", "0xc76225124f3caab07f609b1d147a31de43926cd6", 208),
        ("10760440", "0xb4e16d0168e52d35cacd2c6185b44281ec28c9dc", 0),
        ("13217637", "0xecc558b8db3f95d043844442f51187ceb534d17a", 1037),
    ] {
        let dir = blocks.join(block);
        let codes = Codes::of(&dir).expect("codes");
        for bit in [0, 40, 112, 150] {
            let copy = damaged(&dir, pair, &slot, bit);
            let record = Record::read(copy.path(), &codes).expect("still a record");
            let found = execute::run(&record, &mut execute::machine(&record), |_, _, _| ());
            assert!(!matches!(found, Ok(verdict) if verdict.is_exact()), "{block} {pair} bit {bit} goes unseen");
            let broken = diagnose(&record, &found);
            assert_eq!(broken.at.map(|(index, _)| index), Some(first), "{block} {pair} bit {bit}: {broken}");
        }
    }
}
