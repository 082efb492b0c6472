//! Question: from a price that moves to the positions that it sinks, how long, and what does it grow with? With those near
//! the edge, it should; not with all of them. A look at all of them stands beside it; so does making the index, whole and the
//! last of 128 slices.
//! Input: made Aave V3 markets of 100, 10,000 and 200,000 positions with health factors spread from 1.0 to 3, eight feeds, and
//! one price that falls by 0.3 %. That both ways find the same positions is asserted.

#[path = "../tests/common/many_positions.rs"]
mod many_positions;

use std::hint::black_box;

use alloy_primitives::Address;
use alloy_primitives::U256;
use criterion::BatchSize;
use criterion::Criterion;
use many_positions::PRICE;
use many_positions::START;
use many_positions::asset;
use peregrine::protocols::lending::Lending;
use peregrine::protocols::lending::trigger_index::TriggerIndex;

fn grow(c: &mut Criterion, positions: u64) {
    let mut market = many_positions::market(positions);
    let (mut near, unknown) = TriggerIndex::new(&market, START, START + 60);
    assert!(unknown.is_empty(), "everyone has a health");
    let (feed, price) = (asset(0), U256::from(PRICE / 1000 * 997));
    market.set_price(feed, price);
    let market = market;
    let is_liquidatable = |who: &Address| market.health(*who, START + 12).is_ok_and(|health| health.is_liquidatable());
    let hangs = |who: &Address| market.feeds_of(*who).contains(&feed);
    let mut found: Vec<_> = near.moved(feed, price).filter(is_liquidatable).collect();
    let mut all: Vec<_> = market.accounts().into_iter().filter(|who| hangs(who) && is_liquidatable(who)).collect();
    found.sort_unstable();
    all.sort_unstable();
    assert_eq!(found, all, "the index finds whom a look at all finds");
    let looked_at = near.moved(feed, price).count();
    println!("{positions} positions: {looked_at} looked at, {} sink", found.len());
    c.bench_function(&format!("positions/{positions}/price_to_candidates"), |b| {
        b.iter(|| near.moved(black_box(feed), black_box(price)).count())
    });
    c.bench_function(&format!("positions/{positions}/price_to_sunk"), |b| {
        b.iter(|| near.moved(black_box(feed), black_box(price)).filter(|who| is_liquidatable(who)).count())
    });
    c.bench_function(&format!("positions/{positions}/look_at_all"), |b| {
        b.iter(|| market.accounts().iter().filter(|who| is_liquidatable(who)).count())
    });
    c.bench_function(&format!("positions/{positions}/index_whole"), |b| {
        b.iter(|| TriggerIndex::new(black_box(&market), START, START + 3_600).0.seen())
    });
    let slice = positions as usize / 128 + 1;
    let mut begun = TriggerIndex::begun(START, START + 3_600);
    begun.take(&market, START, positions as usize - slice.min(positions as usize));
    c.bench_function(&format!("positions/{positions}/index_slice"), |b| {
        b.iter_batched(|| begun.clone(), |mut begun| begun.take(&market, START, slice).len(), BatchSize::LargeInput)
    });
}

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    for positions in [100, 10_000, 200_000] {
        grow(&mut criterion, positions);
    }
    criterion.final_summary();
}
