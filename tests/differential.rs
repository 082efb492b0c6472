//! Quotes are what the pools' own code does in the EVM, to the unit, for every pool of every record.

mod common;

#[path = "differential/bench.rs"]
mod bench;
#[path = "differential/spread.rs"]
mod spread;
#[path = "differential/v2.rs"]
mod v2;
#[path = "differential/v3.rs"]
mod v3;

use std::path::Path;

use peregrine::hot::evm::machine::Machine;
use peregrine::protocols::AnyPool;
use peregrine::protocols::DiscoveryCache;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::uniswap_v2::{self, Fee};
use peregrine::replay::discover;
use peregrine::replay::execute;
use peregrine::replay::record::{self, Codes, Record};

use crate::spread::Seen;

/// A record's machine at the start of its block, and the pools found there, what is not known left unknown.
fn start(dir: &Path, codes: &Codes, discovery_cache: &mut DiscoveryCache) -> (Machine, Vec<AnyPool>) {
    let record = Record::read(dir, codes).unwrap_or_else(|error| panic!("{error}"));
    let mut machine = execute::machine(&record);
    let found = discover::pools(&mut machine, discovery_cache, false);
    (machine, found.pools)
}

fn compare(machine: &mut Machine, pools: &[AnyPool]) -> Seen {
    let mut seen = Seen::default();
    for pool in pools {
        // The others have tests of their own on the code of the records.
        if let AnyPool::UniswapV2(pool) = pool {
            v2::compare(machine, pool, &mut seen);
        } else if let AnyPool::UniswapV3(pool) = pool {
            v3::compare(machine, pool, &mut seen);
        }
    }
    seen
}

fn say(name: &str, seen: &Seen) {
    let ([exact_in, exact_out], total, different) = (seen.equal, seen.total(), seen.differences.len());
    let Seen { v2, v3, refused, limited, emptied, spent, crossing, .. } = seen;
    println!(
        "{name}: {v2} pairs, {v3} v3 pools; {total} amounts: {exact_in} exact in, {exact_out} exact out ({crossing} cross a \
         tick), {refused} refused by both, {limited} limited, {emptied} emptied ({spent} ways end without gas); \
         {different} different"
    );
}

#[test]
fn quotes_are_what_the_pools_own_code_does_to_the_unit() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let dirs = record::find(&[blocks]).expect("records");
    let codes = Codes::of(&dirs[0]).expect("codes");
    let (mut discovery_cache, mut all) = (DiscoveryCache::default(), Seen::default());
    for dir in &dirs {
        let (mut machine, pools) = start(dir, &codes, &mut discovery_cache);
        let seen = compare(&mut machine, &pools);
        say(&dir.file_name().unwrap_or_default().to_string_lossy(), &seen);
        all.add(seen);
    }
    say("all", &all);
    all.blind
        .iter()
        .for_each(|way| println!("{way}: the record does not have the first bitmap word, nothing is quoted"));
    all.few.iter().for_each(|way| println!("few: {way}"));
    all.differences.iter().take(40).for_each(|way| println!("different: {way}"));
    assert_eq!(all.differences.len(), 0, "quotes differ from the contracts'");
    assert_eq!(all.few.len(), 0, "ways with fewer amounts than due");
    let ways = 4 * (all.v2 + all.v3);
    assert!(50 * all.blind.len() < ways, "{} of {ways} ways cannot be quoted at all", all.blind.len());
    assert!(all.v2 >= 200 && all.v3 >= 50, "{} pairs and {} v3 pools are not the records'", all.v2, all.v3);
}

/// The bench must be able to say no.
#[test]
fn a_pool_that_is_a_hair_off_is_told_from_its_contract() {
    let Some(dir) = common::mainnet("blocks/19917570") else { return };
    let (mut machine, pools) = start(&dir, &Codes::of(&dir).expect("codes"), &mut DiscoveryCache::default());
    for pool in &pools {
        let mut seen = Seen::default();
        if let AnyPool::UniswapV2(pool) = pool {
            let fee = pool.fees().map(|fee| Fee::new(1_000 * fee.num() + 1, 1_000 * fee.den()));
            let fees = [fee[0].unwrap_or(FREE), fee[1].unwrap_or(FREE)];
            let tokens = [pool.tokens()[0], pool.tokens()[1]];
            let off = uniswap_v2::Pool::new(pool.address(), tokens, fees, pool.layout(), pool.state());
            v2::compare(&mut machine, &off.expect("sound as before"), &mut seen);
        } else if let AnyPool::UniswapV3(pool) = pool {
            let mut off = pool.clone();
            off.set_price(pool.sqrt_price_x96(), pool.tick(), pool.liquidity() + pool.liquidity() / 1_000_000 + 1);
            v3::compare(&mut machine, &off, &mut seen);
        } else {
            continue;
        }
        assert_ne!(seen.differences.len(), 0, "{}: nothing seen", pool.address());
    }
    assert!(pools.len() >= 20, "{} pools", pools.len());
}

const FREE: Fee = Fee::new(0, 1_000).expect("a fee");
