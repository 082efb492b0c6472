//! Swaps of mainnet on pools that no hook is called by, from the state before the block, to the unit.
//!
//! The record is `v4.json.zst` of the newer blocks. A pool's later swaps start from where its earlier ones have left it.

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::address;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::amm::Exact;
use peregrine::protocols::math::concentrated::ticks::Liquidity;
use peregrine::protocols::uniswap_v4::Hooks;
use peregrine::protocols::uniswap_v4::Key;
use peregrine::protocols::uniswap_v4::Pool;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

use crate::common;

/// The record does not name it, and no result depends on it.
/// Stands for ether: no result depends on it either.
const ETHER: Address = address!("000000000000000000000000000000000000e7e4");
const MANAGER: Address = address!("000000000000000000000000000000000000c0de");

#[derive(Deserialize)]
struct Block {
    pools: BTreeMap<B256, RecordedPool>,
    swaps: Vec<RecordedSwap>,
}

#[derive(Deserialize)]
struct RecordedPool {
    key: RecordedKey,
    slot0: U256,
    liquidity: String,
    bitmap_words: BTreeMap<String, U256>,
    ticks: BTreeMap<String, RecordedTick>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedKey {
    currency0: Address,
    currency1: Address,
    fee: String,
    hooks: Address,
    tick_spacing: String,
}

#[derive(Deserialize)]
struct RecordedTick {
    gross: String,
    net: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedSwap {
    tx: u64,
    log: u64,
    id: B256,
    amount0: String,
    amount1: String,
    #[serde(rename = "sqrtPriceX96")]
    sqrt_price: String,
    liquidity: String,
    tick: i32,
    fee: u32,
    zero_for_one: bool,
    amount_specified: String,
    limit: String,
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is a number"))
}

/// Its magnitude, and whether it is negative.
fn signed(text: &str) -> (U256, bool) {
    text.strip_prefix('-').map_or_else(|| (number(text), false), |digits| (number(digits), true))
}

fn read<T: DeserializeOwned>(path: &std::path::Path) -> T {
    let bytes = zstd::decode_all(std::fs::File::open(path).expect("the record")).expect("zstd");
    serde_json::from_slice(&bytes).expect("the record's form")
}

impl RecordedPool {
    fn key(&self) -> Key {
        let RecordedKey { currency0, currency1, fee, hooks, tick_spacing } = &self.key;
        Key {
            currencies: [*currency0, *currency1],
            fee: number(fee),
            tick_spacing: number(tick_spacing),
            hooks: *hooks,
        }
    }

    /// What the record knows and nothing else: an absent word or tick is unknown.
    fn pool(&self) -> Pool {
        let mut pool = Pool::new(MANAGER, self.key(), Some(ETHER)).expect("a native pool");
        for (position, bits) in &self.bitmap_words {
            pool.set_word(number(position), *bits);
        }
        for (tick, RecordedTick { gross, net }) in &self.ticks {
            pool.set_tick(number(tick), Liquidity { gross: number(gross), net: number(net) });
        }
        let home = pool.home();
        let first = [(home.slot0(), self.slot0), (home.liquidity(), number(&self.liquidity))];
        pool.apply_slots(MANAGER, &first).expect("a first slot as it was");
        pool
    }
}

/// Holds a swap against what came of it, and leaves the pool where the block left it.
fn check(pool: &mut Pool, made: &RecordedSwap) {
    let down = made.zero_for_one;
    let [zero, one] = [0, 1].map(|place| pool.tokens()[place]);
    let leg = if down { pool.leg(zero, one) } else { pool.leg(one, zero) }.expect("its currencies");
    let (amount, exact_in) = signed(&made.amount_specified);
    let limit: U256 = number(&made.limit);
    let swap = pool.swap(leg, exact_in, amount, limit).unwrap_or_else(|error| panic!("tx {}: {error}", made.tx));
    let [zero, one] = [&made.amount0, &made.amount1].map(|amount| signed(amount).0);
    let moved = if down { (zero, one) } else { (one, zero) };
    let at = format!("tx {} log {}", made.tx, made.log);
    assert_eq!((swap.amount_in, swap.amount_out), moved, "{at}");
    let stands = (number(&made.sqrt_price), made.tick, number(&made.liquidity));
    assert_eq!((swap.sqrt_price, swap.tick, swap.liquidity), stands, "{at}");
    assert_eq!(pool.fees().of_swap(down), made.fee, "{at}");
    if swap.complete {
        let quote = if exact_in { pool.quote_in(leg, amount) } else { pool.quote_out(leg, amount) };
        assert_eq!(quote, Ok(if exact_in { swap.amount_out } else { swap.amount_in }), "{at}");
    }
    let exact = if exact_in { Exact::In(amount) } else { Exact::Out(amount) };
    pool.trade(leg, exact, Some(limit)).expect("it was foretold");
}

#[test]
fn every_recorded_swap_of_a_pool_without_hooks_is_ours_to_the_wei() {
    let Some(path) = common::newer_mainnet("v4.json.zst") else { return };
    let blocks: BTreeMap<String, Block> = read(&path);
    let (mut pools, mut native, mut equal, mut hooked) = (0, 0, 0, 0);
    for (number, block) in &blocks {
        let mut known = BTreeMap::new();
        for (id, recorded) in &block.pools {
            let key = recorded.key();
            assert_eq!(key.id(), *id, "block {number}: the id is the hash of the key");
            pools += 1;
            let hooks = Hooks::of(key.hooks, key.fee);
            if hooks.is_native() {
                known.insert(*id, recorded.pool());
                native += 1;
            } else {
                println!("block {number}, {id}: {}", hooks.reason());
                assert!(!key.hooks.is_zero() && Pool::new(MANAGER, key, Some(ETHER)).is_err());
            }
        }
        for made in &block.swaps {
            match known.get_mut(&made.id) {
                Some(pool) => {
                    check(pool, made);
                    equal += 1;
                }
                None => hooked += 1,
            }
        }
    }
    println!(
        "{} blocks, {pools} pools of which {native} native: {equal} swaps equal to the wei, {hooked} of hooks",
        blocks.len()
    );
    assert!(equal > 0, "the record holds swaps of pools without hooks");
}
