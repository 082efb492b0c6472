//! What others found in the recorded blocks, held against what we find: a table with a row a cycle, and a reason where
//! ours is less.

mod common;

use std::path::Path;

use alloy_primitives::{Address, U256};
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::hot::search::config::{Capital, Config};
use peregrine::hot::search::sizing::path::Path as Cycle;
use peregrine::hot::search::sizing::{Effort, Sizer};
use peregrine::protocols::AnyPool;
use peregrine::protocols::DiscoveryCache;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::discover::Probe;
use peregrine::replay::block::{Options, Replayer};
use peregrine::replay::discover;
use peregrine::replay::execute;
use peregrine::replay::record::{Codes, Record};
use peregrine::replay::report::{Line, Opportunity};
use peregrine::types::pool_key::PoolKey;
use serde_json::Value;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("the file")).expect("json")
}

fn address(value: &Value) -> Address {
    value.as_str().expect("an address").parse().expect("hex")
}

fn amount(value: &Value) -> U256 {
    value.as_str().expect("an amount").parse().expect("decimal")
}

fn addresses(value: &Value) -> Vec<Address> {
    value.as_array().expect("a list").iter().map(address).collect()
}

/// As whoever took them did, with some ether of our own where nothing lends.
fn with_capital() -> Config {
    let token = Config::patient().base_tokens[0];
    Config { capital: vec![Capital { token, most: U256::from(10).pow(U256::from(21)) }], ..Config::patient() }
}

fn opportunities(blocks: &Path, block: &str, search: Config) -> Vec<Opportunity> {
    let mut replayer = Replayer::new(Options { strict: false, search });
    let lines = replayer.block(&blocks.join(block)).unwrap_or_else(|error| panic!("{error}"));
    let opportunity = |line| match line {
        Line::Opportunity(opportunity) => Some(opportunity),
        Line::Refused(_) | Line::Summary(_) => None,
    };
    lines.into_iter().filter_map(opportunity).collect()
}

/// By its address, or by its id where the contract holds many.
fn is_named(key: PoolKey, name: &str) -> bool {
    let own = key.id.map_or_else(|| key.contract.to_string(), |id| id.to_string());
    own.eq_ignore_ascii_case(name)
}

/// The same pools in the same direction, wherever the cycle is entered.
fn same_cycle(opportunity: &Opportunity, pools: &[&str], first_token: Address) -> bool {
    let hops = &opportunity.hops;
    hops.len() == pools.len()
        && (0..hops.len()).any(|turn| {
            hops[turn].token_in == first_token
                && pools.iter().enumerate().all(|(i, name)| is_named(hops[(turn + i) % hops.len()].pool, name))
        })
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name")).collect()
}

/// Why a cycle did not come out: a pool that cannot be used, or what its pools really pay.
fn explain(blocks: &Path, block: &str, start: Address, path: &[Address]) -> String {
    let dir = blocks.join(block);
    let record = Record::read(&dir, &Codes::of(&dir).expect("codes")).expect("a record");
    let mut machine = execute::machine(&record);
    let found = discover::pools(&mut machine, &mut DiscoveryCache::default(), true);
    for pool in path {
        if let Some((_, reason)) = found.unusable.iter().find(|(key, _)| *key == (*pool).into()) {
            return format!("pool {pool} cannot be used: {reason}");
        }
    }
    let pools: Option<Vec<&AnyPool>> =
        path.iter().map(|address| found.pools.iter().find(|pool| pool.address() == *address)).collect();
    let Some(pools) = pools else { return "a pool was not recognised".to_owned() };
    let mut token = start;
    let mut legs = Vec::new();
    for pool in &pools {
        let next = *pool.tokens().iter().find(|other| **other != token).expect("two tokens");
        legs.push((*pool, pool.leg(token, next).expect("the path's tokens")));
        token = next;
    }
    let rates: Vec<String> = legs.iter().map(|(pool, leg)| format!("{:.6e}", pool.marginal_rate(*leg))).collect();
    let product: f64 = legs.iter().map(|(pool, leg)| pool.marginal_rate(*leg)).product();
    let fees: Vec<String> = pools.iter().map(|pool| fee(pool)).collect();
    let best = Cycle::new(legs).and_then(|cycle| Sizer::default().best(&cycle, Effort::EXACT));
    match best {
        None => format!(
            "no input gains at the pools' real fees ({}): rates {} multiply to {product:.6}",
            fees.join(", "),
            rates.join(" * ")
        ),
        Some(best) => format!(
            "whole units pay {}, and no input pays {} more (after {} walks; fees {})",
            best.profit(),
            best.gap(),
            best.evaluations(),
            fees.join(", ")
        ),
    }
}

fn fee(pool: &AnyPool) -> String {
    if let AnyPool::UniswapV2(pool) = pool {
        return format!("{}/{}", pool.fees()[0].num(), pool.fees()[0].den());
    }
    let AnyPool::UniswapV3(pool) = pool else { return format!("of {}", pool.protocol()) };
    format!("{}/1000000", pool.fee_pips())
}

#[test]
fn every_profitable_cycle_at_the_start_of_a_block_comes_out_or_is_explained() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let due = json(&common::mainnet("start_of_block_cycles.json").expect("beside the blocks"));
    println!("{:>9} {:>24} {:>24}  path", "block", "their gross, wei", "ours, wei");
    let (mut out, mut explained) = (0, Vec::new());
    for (block, cycles) in due.as_object().expect("blocks") {
        let cycles = cycles["profitable"].as_array().expect("a list");
        if cycles.is_empty() {
            continue;
        }
        let ours = opportunities(&blocks, block, Config::patient());
        for cycle in cycles {
            let (start, path, theirs) =
                (address(&cycle["start"]), addresses(&cycle["path"]), amount(&cycle["gross_profit"]));
            let pools = names(&cycle["path"]);
            let same = |o: &&Opportunity| o.trigger_index.is_none() && same_cycle(o, &pools, start);
            match ours.iter().find(same) {
                Some(o) if o.gross_profit >= theirs => {
                    out += 1;
                    println!("{block:>9} {theirs:>24} {:>24}  {path:?}", o.gross_profit);
                }
                other => {
                    let mine = other.map_or("-".to_owned(), |o| o.gross_profit.to_string());
                    let why = explain(&blocks, block, start, &path);
                    // Where it is a matter of fractions, it is one of less than a millionth.
                    let close = |o: &Opportunity| (theirs - o.gross_profit) * U256::from(1_000_000) < theirs;
                    assert!(other.is_none_or(close), "{block} {path:?}: {mine} of {theirs}");
                    println!("{block:>9} {theirs:>24} {mine:>24}  {path:?}\n          {why}");
                    explained.push((block.clone(), why));
                }
            }
        }
    }
    println!("{out} come out with at least their gross profit, {} are explained", explained.len());
    // The file's profits are of real-valued inputs and outputs at an assumed fee. What it may say beyond ours: fractions
    // of a 6- or 8-decimals token, a fee that is higher, a pair that has no Uniswap V2 `swap`. Anything else is news.
    let of = |start: &str| explained.iter().filter(|(_, why)| why.contains(start)).count();
    assert_eq!((out, of("and no input pays 0 more")), (4, 3), "{explained:#?}");
    assert_eq!((of("its swap cannot be executed"), of("no input gains at the pools' real fees")), (1, 1));
    assert_eq!(out + explained.len(), 9);
}

/// What others made in the recorded blocks, and what of it comes out.
#[derive(Debug, Default)]
struct Taken {
    /// What they made in all, in wei, and the part that we find.
    theirs: U256,
    ours: U256,
    /// Rows that come out, and rows that do not and have a reason.
    out: usize,
    lacking: Vec<String>,
    /// Rows that do not come out and have none.
    missed: Vec<String>,
}

impl Taken {
    fn look(&mut self, blocks: &Path, block: &str, arb: &Value, ours: &[Opportunity]) {
        let theirs = amount(&arb["profit_amount"]);
        self.theirs += theirs;
        let Some(row) = compare(block, arb, ours) else {
            self.ours += theirs;
            self.out += 1;
            return;
        };
        let lacking = lacking(blocks, block, arb);
        println!("{:>16} {}", "", lacking.join("; "));
        if lacking.is_empty() { self.missed.push(row) } else { self.lacking.push(row) }
    }
}

/// Pools of an arbitrage that cannot be used, and tokens that take a share of what is sent: why it does not come out.
fn lacking(blocks: &Path, block: &str, arb: &Value) -> Vec<String> {
    let dir = blocks.join(block);
    let record = Record::read(&dir, &Codes::of(&dir).expect("codes")).expect("a record");
    let mut machine = execute::machine(&record);
    let found = discover::pools(&mut machine, &mut DiscoveryCache::default(), true);
    let swaps = arb["swaps"].as_array().expect("swaps");
    let mut why = Vec::new();
    for swap in swaps {
        let [kind, name] = ["kind", "pool"].map(|key| swap[key].as_str().expect("text"));
        if !found.pools.iter().any(|pool| is_named(pool.key(), name)) {
            let reason = found.unusable.iter().find(|(key, _)| is_named(*key, name));
            why.push(format!("{kind} {name}: {}", reason.map_or("no venue of ours", |(_, reason)| reason)));
        }
    }
    for pair in swaps.windows(2) {
        let [out, into] = [amount(&pair[0]["amount_out"]), amount(&pair[1]["amount_in"])];
        // More than somebody who skims would leave behind.
        if into < out && (out - into) * U256::from(1_000) > out {
            why.push(format!("{} of {out} came of {}: it taxes transfers", into, pair[0]["token_out"]));
        }
    }
    if why.is_empty() && !is_lent(arb, &found.pools) {
        why.push("it holds no ether, and no venue on it pays before it is paid".to_owned());
    }
    why
}

/// Does a venue on the cycle lend what it is begun with, and is there a base token to hold the profit in? Or is that ether, which we have?
fn is_lent(arb: &Value, pools: &[AnyPool]) -> bool {
    let (names, path) = (names(&arb["pools"]), addresses(&arb["path"]));
    let bases = Config::patient().base_tokens;
    let lends = |name: &&str| {
        let pool = pools.iter().find(|pool| is_named(pool.key(), name));
        pool.is_some_and(|pool| pool.execution().lends())
    };
    let is_base = |token: &Address| bases.contains(token);
    path.contains(&bases[0]) || names.iter().any(lends) && path.iter().any(is_base)
}

#[test]
fn every_arbitrage_that_others_made_comes_out_or_says_what_we_lack() {
    let (Some(older), Some(newer)) = (common::mainnet(""), common::newer_mainnet("")) else { return };
    println!("{:>9} {:>5} {:>24} {:>24} {:>8}  kinds", "block", "tx", "their gross, wei", "ours, wei", "behind");
    let mut taken = Taken::default();
    for folder in [older, newer] {
        let (blocks, truth) = (folder.join("blocks"), json(&folder.join("truth.json")));
        for (block, entry) in truth.as_object().expect("blocks") {
            let arbs = entry["arbs"].as_array().expect("a list");
            if arbs.is_empty() {
                continue;
            }
            let ours = opportunities(&blocks, block, with_capital());
            arbs.iter().for_each(|arb| taken.look(&blocks, block, arb, &ours));
        }
    }
    let Taken { theirs, ours, out, lacking, missed } = &taken;
    let share = f64::from(*ours) / f64::from(*theirs);
    println!("{out} come out, {:.1} % of {theirs} wei; {} have a reason", 100.0 * share, lacking.len());
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(*out >= 17 && share > 0.997, "{out} come out, {share} of the value");
}

/// Prints the row; returns it when ours is less than 99.9 % of theirs. A cycle may begin with another token than theirs, so in ether.
fn compare(block: &str, arb: &Value, ours: &[Opportunity]) -> Option<String> {
    let (index, theirs) = (arb["tx_index"].as_u64().expect("a number") as usize, amount(&arb["profit_amount"]));
    let (pools, first) = (names(&arb["pools"]), address(&arb["path"][0]));
    let before = |o: &&Opportunity| o.trigger_index.is_none_or(|trigger| trigger < index);
    let enough = |profit: U256| profit * U256::from(1000) >= theirs * U256::from(999);
    let same = |o: &&Opportunity| before(o) && same_cycle(o, &pools, first);
    let best = ours.iter().filter(same).max_by_key(|o| o.gross_profit_eth_wei);
    let kinds: Vec<&str> = arb["swaps"].as_array()?.iter().filter_map(|swap| swap["kind"].as_str()).collect();
    let mine = best.map_or("-".to_owned(), |o| o.gross_profit_eth_wei.to_string());
    let behind = best.and_then(|o| o.trigger_index).map_or("start".to_owned(), |trigger| trigger.to_string());
    let row = format!("{block:>9} {index:>5} {theirs:>24} {mine:>24} {behind:>8}  {}", kinds.join(" "));
    println!("{row}");
    (!best.is_some_and(|o| enough(o.gross_profit_eth_wei))).then_some(row)
}

/// Not a hole in the tests above: a pool whose fee cannot be known is not a pool that we use.
#[test]
fn a_pool_that_cannot_be_used_says_why() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let dir = blocks.join("10760440");
    let record = Record::read(&dir, &Codes::of(&dir).expect("codes")).expect("a record");
    let mut machine = execute::machine(&record);
    let found = discover::pools(&mut machine, &mut DiscoveryCache::default(), false);
    assert!(!found.unusable.is_empty());
    for (key, reason) in &found.unusable {
        assert!(!reason.is_empty(), "{key}");
        assert!(EvmProbe::new(&mut machine).code_hash(key.contract).is_some(), "{key} is a contract");
    }
}
