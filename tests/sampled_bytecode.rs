//! Pools that are asked, held against what can be had: estimates against pools whose maths is known, amounts that were asked for against
//! what the contract's own swap pays, and cycles through them in the engine. The code is what the records hold: Curve's and Mooniswap's.

mod common;
#[path = "sampled_bytecode/landed.rs"]
mod landed;
// Markets and vaults of another binary's.
#[allow(dead_code, reason = "this binary uses its own part")]
#[path = "erc4626_bytecode/market.rs"]
mod market;
#[allow(dead_code, reason = "as above")]
#[path = "erc4626_bytecode/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, U256};
use peregrine::chain;
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols;
use peregrine::protocols::amm::{Amm, Asked, Leg, Question};
use peregrine::protocols::discover::{Announced, Described, Probe};
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::replay::record::{Codes, Record};
use peregrine::replay::{discover, execute};
use peregrine::types::pool_key::PoolKey;
use std::sync::Arc;

mod unsigned {
    alloy::sol! {
        function coins(uint256 place) external view returns (address);
    }
}

mod signed {
    alloy::sol! {
        function coins(int128 place) external view returns (address);
    }
}

/// A block in which one of Mooniswap's pools was traded in.
const MOONISWAP: &str = "12047794";

fn record(dir: &Path) -> Record {
    Record::read(dir, &Codes::of(dir).expect("codes")).expect("a record")
}

/// All ways through a pool.
fn legs(pool: &AnyPool) -> Vec<Leg> {
    let pairs = pool.tokens().iter().flat_map(|one| pool.tokens().iter().map(move |other| (*one, *other)));
    pairs.filter_map(|(one, other)| pool.leg(one, other)).collect()
}

/// What the contract answers. `None`: it reverts.
fn answer(machine: &mut Machine, question: &Question) -> Option<U256> {
    EvmProbe::new(machine).call(question.to, &question.data).word(question.word)
}

/// The coins of a pool of Curve's by their places, whether or not the record knows them.
fn coins(machine: &mut Machine, pool: Address) -> Vec<Address> {
    let questions = |place: u64| {
        let unsigned = unsigned::coinsCall { place: U256::from(place) }.abi_encode();
        [unsigned, signed::coinsCall { place: place.into() }.abi_encode()]
    };
    let coin = |place: u64| {
        let mut words = questions(place).into_iter().map(|data| EvmProbe::new(machine).call(pool, &data).word(0));
        words.find_map(|word| word).filter(|word| !word.is_zero()).map(|word| Address::from_word(word.into()))
    };
    (0..8).map_while(coin).collect()
}

/// The same contract as one of which nothing is known but what a row says. `None`: the record lacks what its getter reads.
fn described(machine: &mut Machine, key: PoolKey, [quote, swap]: [&str; 2]) -> Option<AnyPool> {
    let tokens = coins(machine, key.contract);
    let [quote, swap] = [quote, swap].map(str::to_owned);
    let row = Described { tokens, quote, swap, quote_back: None, swap_back: None, quoter: None, ether: None };
    let wrapped_native = Some(chain::RECORDED.wrapped_native);
    let rows = [(key, row)].into();
    machine.db_mut().tell_announced(Arc::new(Announced { wrapped_native, described: rows, ..Announced::default() }));
    let reason = "its own maths is left out".to_owned();
    let found = protocols::sampled::instead(&mut EvmProbe::new(machine), key, reason);
    found.inspect_err(|why| println!("{key}: {why}")).ok().map(AnyPool::from)
}

/// Fifty amounts from a millionth of the most to the most, in equal steps of their logarithm.
fn amounts(most: u128) -> impl Iterator<Item = u128> {
    (0..50)
        .map(move |step| ((most as f64) * 10_f64.powf(-6.0 * f64::from(step) / 49.0)) as u128)
        .filter(|amount| *amount > 0)
}

/// How far an estimate is off, in parts of what is paid.
fn off(ours: U256, theirs: U256) -> f64 {
    f64::from(ours.abs_diff(theirs)) / f64::from(theirs)
}

/// Estimates are close: to a thousandth up to a sixteenth of the most that is asked for. Beyond, where half of the price is lost, a pool
/// of stable coins has its knee, and a tenth is what it is.
fn is_close(ours: U256, theirs: U256, part: u128, worst: &mut [f64; 2]) {
    if theirs < U256::from(1_000_000_000) {
        return;
    }
    let (off, beyond) = (off(ours, theirs), usize::from(part < 16));
    worst[beyond] = worst[beyond].max(off);
    assert!(off < [1e-3, 0.1][beyond], "{ours} of {theirs}, a {part}th of the most");
}

/// The largest input that a leg's curve knows an answer for.
fn most(pool: &AnyPool, leg: Leg) -> u128 {
    pool.depth(leg) as u128
}

/// Every pool of Curve's in the records whose maths is known: the estimate beside the exact quote, and the answer to a question beside it.
#[test]
fn estimates_are_close_to_pools_whose_maths_is_known_and_answers_are_theirs() {
    const STABLE: [&str; 2] = [
        "get_dy(int128 index_in, int128 index_out, uint256 amount_in)",
        "exchange(int128 index_in, int128 index_out, uint256 amount_in, uint256 0)",
    ];
    const CRYPTO: [&str; 2] = [
        "get_dy(uint256 index_in, uint256 index_out, uint256 amount_in)",
        "exchange(uint256 index_in, uint256 index_out, uint256 amount_in, uint256 0)",
    ];
    let (Some(older), Some(newer)) = (common::mainnet("blocks"), common::newer_mainnet("blocks")) else { return };
    let (mut pools, mut compared, mut worst) = (BTreeSet::new(), 0, [0.0; 2]);
    let blocks = [older, newer].map(|folder| std::fs::read_dir(folder).expect("a folder")).into_iter().flatten();
    let mut blocks: Vec<PathBuf> =
        blocks.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
    blocks.sort_unstable();
    for dir in blocks {
        let mut machine = execute::machine(&record(&dir));
        let found = discover::pools(&mut machine, &mut DiscoveryCache::default(), false).pools;
        for native in found {
            let row = match native.protocol() {
                "curve_stable" => STABLE,
                "curve_crypto" => CRYPTO,
                _ => continue,
            };
            let Some(pool) = described(&mut machine, native.key(), row) else { continue };
            pools.insert(native.key());
            // Of some pools the record knows a part of the coins.
            for leg in legs(&native) {
                let [into, out] = [leg.token_in(), leg.token_out()].map(|place| native.tokens()[place]);
                let Some(own) = pool.leg(into, out) else { continue };
                for amount in amounts(most(&pool, own)) {
                    let Ok(exact) = native.quote_in(leg, U256::from(amount)) else { continue };
                    let question = pool.question(own, amount).expect("a question");
                    let asked = answer(&mut machine, &question).expect("an answer");
                    // Some kinds say a unit more than they pay, or less.
                    assert!(asked.abs_diff(exact) <= U256::from(2), "{}: {asked} of {exact}", native.key());
                    compared += 1;
                    let ours = pool.quote_in(own, U256::from(amount)).unwrap_or_default();
                    is_close(ours, asked, most(&pool, own) / amount, &mut worst);
                }
            }
        }
    }
    let pools = pools.len();
    println!(
        "{pools} pools, {compared} amounts: at most {:.1e} and {:.1e} off, up to a sixteenth of the most and beyond",
        worst[0], worst[1]
    );
    assert!(pools >= 4 && compared >= 300, "{pools} pools, {compared} amounts");
}

/// Every pool of Mooniswap's in a record is known without a row. That it pays what it answers is proven where it is swapped in: `ground_truth`.
#[test]
fn a_pool_of_mooniswap_is_known_without_a_row() {
    let Some(dir) = common::mainnet(&format!("blocks/{MOONISWAP}")) else { return };
    let mut machine = execute::machine(&record(&dir));
    let found = discover::pools(&mut machine, &mut DiscoveryCache::default(), false);
    let pools: Vec<&AnyPool> = found.pools.iter().filter(|pool| pool.asked() != Asked::Never).collect();
    for pool in &pools {
        println!("{} {:?}: {:?}", pool.key(), pool.tokens(), pool.asked());
        let (mut compared, mut worst) = (0, [0.0; 2]);
        for leg in legs(pool) {
            for amount in amounts(most(pool, leg)) {
                let question = pool.question(leg, amount).expect("a question");
                let asked = answer(&mut machine, &question).expect("an answer");
                let ours = pool.quote_in(leg, U256::from(amount)).expect("within its answers");
                is_close(ours, asked, most(pool, leg) / amount, &mut worst);
                compared += 1;
            }
        }
        println!(
            "{compared} amounts: at most {:.1e} and {:.1e} off, up to a sixteenth of the most and beyond",
            worst[0], worst[1]
        );
        assert!(compared >= 90);
    }
    assert!(pools.iter().any(|pool| pool.protocol() == "sampled"), "{:?}", found.unusable);
}
