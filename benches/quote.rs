//! Question: how long does one exact quote take, forwards and backwards? All of sizing is made of them.
//! Input: Uniswap V2's USDC/WETH and DAI/WETH pairs as they stood before block 10760440 (an amount that fits 128
//! bits all the way, and one that does not), and Uniswap V3's WBTC/WETH 0.3 % with all its ticks at block 24407242: an
//! amount that stays in its range, and one that crosses three ticks. That they do is asserted. Balancer V1: a pool of the same block
//! as the pairs, a thousandth of its balance; backwards it searches. ERC-4626: OpenZeppelin's rate, an ether into a vault of thousands.
//! Of each other venue that records hold: the first pool of a record, half of what its first stretch takes in. What is quoted is printed.

mod common;

use std::hint::black_box;
use std::path::PathBuf;

use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::address;
use criterion::Criterion;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::amm::Leg;
use peregrine::protocols::erc4626;
use peregrine::protocols::uniswap_v3::no_limit;

use crate::common::inputs::{mainnet, newer_mainnet};

/// Uniswap V2: USDC/WETH, 6 and 18 decimals.
const USDC_WETH: Address = address!("0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc");
/// Balancer V1: wrapped ether and another, both of 18 decimals.
const BALANCER: Address = address!("0x10dD17eCfc86101Eab956E0A443cab3e9C62d9b4");
/// Uniswap V2: DAI/WETH, 18 and 18 decimals.
const DAI_WETH: Address = address!("0xA478c2975Ab1Ea89e8196811F51A7B7Ade33eB11");

fn both_ways(c: &mut Criterion, name: &str, pool: &impl Amm, leg: Leg, amount_in: U256) {
    let amount_out = pool.quote_in(leg, amount_in).expect("the amount swaps");
    let back = pool.quote_out(leg, amount_out).expect("the output is to be had");
    assert!(back <= amount_in, "the smallest input for what an input pays is no larger");
    c.bench_function(&format!("quote/{name}/in"), |b| b.iter(|| pool.quote_in(black_box(leg), black_box(amount_in))));
    c.bench_function(&format!("quote/{name}/out"), |b| {
        b.iter(|| pool.quote_out(black_box(leg), black_box(amount_out)))
    });
}

fn v2(c: &mut Criterion) {
    let Some(dir) = mainnet("blocks/10760440") else { return };
    let block = common::block::Block::read(&dir);
    for (name, address, amount) in
        [("v2_usdc_weth", USDC_WETH, 1_000_000_000u128), ("v2_dai_weth", DAI_WETH, 1_000_000_000_000_000_000_000)]
    {
        let pool = block.pool(address);
        let leg = pool.leg(pool.tokens()[0], pool.tokens()[1]).expect("its own tokens");
        both_ways(c, name, pool, leg, U256::from(amount));
    }
}

fn balancer_v1(c: &mut Criterion) {
    let Some(dir) = mainnet("blocks/10760440") else { return };
    let block = common::block::Block::read(&dir);
    let AnyPool::BalancerV1(pool) = block.pool(BALANCER) else { panic!("{BALANCER} is a pool of Balancer V1") };
    let leg = pool.leg(pool.tokens()[0], pool.tokens()[1]).expect("its own tokens");
    both_ways(c, "balancer_v1", pool, leg, U256::from(pool.held()[leg.token_in()].balance / 1_000));
}

fn vault(c: &mut Criterion) {
    let [asset, vault] = [Address::with_last_byte(1), Address::with_last_byte(2)];
    let ether = 1_000_000_000_000_000_000;
    let place = |at, slot: u64| erc4626::Place { at, slot: U256::from(slot) };
    let terms = erc4626::Terms {
        tokens: [asset, vault],
        rate: erc4626::Rate::Virtual(0),
        limit: erc4626::Limit::None,
        supply: place(vault, 2),
        assets: place(asset, 3),
        others: Vec::new(),
    };
    let state = erc4626::State { supply: 4_321 * ether, assets: 5_432 * ether + 7 };
    let pool = erc4626::Pool::new(terms, state).expect("a vault");
    for (name, tokens) in [("erc4626_deposit", [asset, vault]), ("erc4626_redeem", [vault, asset])] {
        let leg = pool.leg(tokens[0], tokens[1]).expect("its own tokens");
        both_ways(c, name, &pool, leg, U256::from(ether));
    }
}

fn v3(c: &mut Criterion) {
    let Some(pool) = common::v3::recorded() else { return };
    let leg = common::v3::leg(&pool, true);
    for (name, crossings) in [("v3_one_range", 0), ("v3_three_ticks", 3)] {
        let amount = common::v3::amount_crossing(&pool, leg, crossings);
        let swap = pool.swap(leg, true, amount, no_limit(true)).expect("the amount swaps");
        assert_eq!((swap.crossed, swap.complete), (crossings, true));
        both_ways(c, name, &pool, leg, amount);
    }
}

/// Venues, by their name, and a record that holds a pool of each: Curve's crypto pools are of two coins, of three, and of three by a
/// cubic's root, which cannot be quoted backwards.
const VENUES: [(&str, &str, Records, &str); 5] = [
    ("curve_stable", "curve_stable", mainnet, "blocks/12300570"),
    ("curve_crypto_three", "curve_crypto", mainnet, "blocks/13217637"),
    ("curve_crypto_root", "curve_crypto", mainnet, "blocks/19933597"),
    ("curve_crypto_two", "curve_crypto", newer_mainnet, "blocks/21077746"),
    ("uniswap_v4", "uniswap_v4", newer_mainnet, "blocks/24628607"),
];

/// A folder of records, and a part of it.
type Records = fn(&str) -> Option<PathBuf>;

fn other_venues(c: &mut Criterion) {
    for (name, protocol, records, number) in VENUES {
        let Some(dir) = records(number) else { continue };
        let block = common::block::Block::read(&dir);
        let mut all = block.pools.iter().filter(|pool| pool.protocol() == protocol);
        let Some((pool, leg, amount)) = all.find_map(first_trade) else { panic!("no {protocol} in {number}") };
        println!("quote/{name}: {amount} of {} in {}", pool.tokens()[leg.token_in()], pool.key());
        let out = pool.quote_in(leg, amount).expect("it was quoted");
        if pool.quote_out(leg, out).is_ok() {
            both_ways(c, name, pool, leg, amount);
        } else {
            c.bench_function(&format!("quote/{name}/in"), |b| {
                b.iter(|| pool.quote_in(black_box(leg), black_box(amount)))
            });
        }
    }
}

/// Half of the first stretch of the first leg, where that is paid for.
fn first_trade(pool: &AnyPool) -> Option<(&AnyPool, Leg, U256)> {
    let leg = pool.leg(pool.tokens()[0], pool.tokens()[1])?;
    let mut amount = None;
    pool.segments(leg, |stretch| {
        amount = Some(stretch.in_max / U256::from(2));
        false
    });
    let amount = amount.filter(|amount| pool.quote_in(leg, *amount).is_ok_and(|out| !out.is_zero()))?;
    Some((pool, leg, amount))
}

fn main() {
    let mut c = common::criterion();
    v2(&mut c);
    v3(&mut c);
    balancer_v1(&mut c);
    vault(&mut c);
    other_venues(&mut c);
    c.final_summary();
}
