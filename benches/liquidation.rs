//! Question: from a pending answer of an oracle to a liquidation that the EVM has proven, how long, and what does it grow with?
//! With the positions near the edge, it should; not with all of them.
//! Input: a devnet's Aave V3 market, oracle, aggregator and pools, real contracts all, with 100, 10,000 and 200,000 positions put
//! beside its borrowers: slots of a real borrower's, his collateral so scaled that twenty are near the edge and the rest is not.
//! The answer sinks one of them.

#[path = "../tests/common/liquidations.rs"]
mod liquidations;
#[path = "../tests/bootstrap/world.rs"]
mod world;

use std::collections::HashMap;
use std::hint::black_box;

use alloy_primitives::Address;
use alloy_primitives::U256;
use criterion::Criterion;
use liquidations::Rig;
use peregrine::hot::event::AccountUpdate;
use peregrine::hot::event::Event;
use peregrine::protocols::lending::Lending;
use peregrine::protocols::lending::slots;

/// Positions near the edge, whatever the number of all.
const NEAR: u64 = 20;
/// Mappings by account are numbered lower than this in Aave's contracts.
const MAPPINGS: u64 = 64;

/// Bytes of this process in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4_096
}

/// Everything that the state holds of an account in the market's contracts: contract, mapping, value.
fn held(rig: &Rig, sites: &[Address], account: Address) -> Vec<(Address, u64, U256)> {
    let slots: HashMap<U256, u64> = (0..MAPPINGS).map(|number| (slots::of_address(account, number), number)).collect();
    let of = |news: &AccountUpdate| {
        let known = news.slots.iter().filter_map(|(slot, value)| Some((news.address, *slots.get(slot)?, *value)));
        known.collect::<Vec<_>>()
    };
    rig.loaded.accounts.iter().filter(|news| sites.contains(&news.address)).flat_map(of).collect()
}

/// Puts positions beside the borrowers of the first market: of health `now / health`, in thousandths of the one copied.
fn crowd(rig: &mut Rig, (account, receipt): (Address, Address), sites: &[Address], healths: &[u64]) {
    let pattern = held(rig, sites, account);
    let mut added: HashMap<Address, Vec<(U256, U256)>> = HashMap::new();
    for (index, health) in healths.iter().enumerate() {
        let twin = Address::left_padding_from(&(index as u64 + (1 << 40)).to_be_bytes());
        for (site, number, value) in &pattern {
            let low = U256::from(slots::low(*value));
            let scaled = low * U256::from(*health) / U256::from(1_000_000);
            let value = if *site == receipt && !low.is_zero() { *value - low + scaled } else { *value };
            added.entry(*site).or_default().push((slots::of_address(twin, *number), value));
        }
        rig.loaded.markets[0].accounts.push(twin);
    }
    for news in &mut rig.loaded.accounts {
        news.slots.extend(added.remove(&news.address).unwrap_or_default());
    }
}

fn grow(c: &mut Criterion, runtime: &tokio::runtime::Runtime, positions: u64) {
    let mut rig = runtime.block_on(Rig::new(61));
    let engine = rig.engine();
    let market = engine.markets().market(0).expect("Aave V3");
    let sites: Vec<Address> = market.sites().iter().map(|site| site.at).collect();
    let now = rig.next();
    let feeds = rig.world.net.lending.as_ref().expect("lending").feeds.clone();
    // The healthiest that owes against ether.
    let health = |who: &Address| market.health(*who, now).map(|health| health.factor).unwrap_or_default();
    let owes = |who: &&Address| market.pairs(**who).iter().any(|(_, collateral)| *collateral == feeds[0].token);
    let accounts = market.accounts();
    let model = *accounts.iter().filter(owes).max_by_key(|who| health(who)).expect("a borrower");
    let receipt = market.receipt(feeds[0].token).expect("a receipt token");
    // Millionths of the model's collateral that give a health of one.
    let even = U256::from(10).pow(U256::from(24)) / health(&model);
    let even: u64 = even.saturating_to();
    drop(engine);
    // None of the devnet's own borrowers is to sink by it.
    rig.loaded.markets[0].accounts.clear();
    rig.loaded.markets.truncate(1);
    let near = (0..NEAR).map(|index| even + even * (2 + index * 3) / 10_000);
    let far = (NEAR..positions).map(|index| even + even * (120 + index % 1_880) / 1_000);
    let healths: Vec<u64> = near.chain(far).collect();
    crowd(&mut rig, (model, receipt), &sites, &healths);
    let before = resident();
    let mut engine = rig.engine();
    let bytes = resident().saturating_sub(before) / positions;
    let tx = runtime.block_on(rig.answer(&feeds[0], feeds[0].opening - feeds[0].opening * 4 / 10_000));
    let outcome = runtime.block_on(rig.offer(&mut engine, &tx));
    let liquidatable = engine.markets().liquidatable(false, now).len();
    println!(
        "{positions} positions: {liquidatable} sink, {} proven, {bytes} bytes a position with its slots",
        outcome.proven.len()
    );
    assert_eq!((liquidatable, outcome.proven.len()), (1, 1), "{:?} {:?}", outcome.refused, outcome.rejected);
    c.bench_function(&format!("liquidation/{positions}/answer_to_proven"), |b| {
        b.iter(|| black_box(engine.on_event(Event::Pending(Box::new(tx.clone())))).proven.len())
    });
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    for positions in [100, 10_000, 200_000] {
        grow(&mut criterion, &runtime, positions);
    }
    criterion.final_summary();
}
