//! Question: how long does the best input of one cycle take? Every cycle that passes the screen is sized.
//! Input: `chains`: 256 seeded chains of constant-product pools of each length, all of which pay, tokens of 6, 8 and 18
//! decimals. `recorded`: cycles that paid on mainnet, as the engine found them in the recorded blocks.
//! `usual` is `Effort::USUAL`, as `replay block` has it; `quick` is `Effort::QUICK`. How many are proven is printed.

mod common;

use std::hint::black_box;

use alloy_primitives::Address;
use alloy_primitives::U256;
use criterion::Criterion;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::search::sizing::Sizer;
use peregrine::hot::search::sizing::path::Path;
use peregrine::hot::state::view::View;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::amm::Leg;
use peregrine::protocols::uniswap_v2::Fee;
use peregrine::protocols::uniswap_v2::Layout;
use peregrine::protocols::uniswap_v2::Pool;

const CHAINS: usize = 256;

fn token(index: usize) -> Address {
    Address::left_padding_from(&(index as u64 + 1).to_be_bytes())
}

/// A chain of pools that pays: depths from 10 to 10 000 ether a side, two ether in a hundred off at the most.
fn chain(dice: &mut common::dice::Dice, hops: usize) -> Vec<Pool> {
    // Units that are worth an ether: 18 decimals, then a stablecoin's 6, a coin of 8, a cheap one of 18.
    let worth = [1e18, 3e9, 6e6, 1e22];
    let edge = 1.0 + dice.between(0.0005, 0.02) + 0.003 * hops as f64;
    let skews: Vec<f64> = (0..hops).map(|_| dice.between(0.9, 1.1)).collect();
    let all: f64 = skews.iter().product();
    let pool = |(at, skew): (usize, f64)| {
        let depth = 10f64.powf(dice.between(1.0, 4.0));
        // The last pool takes what makes the product of all prices the edge.
        let skew = if at + 1 == hops { skew * edge / all } else { skew };
        let reserves = [depth * worth[at], depth * skew * worth[(at + 1) % hops]].map(|r| r as u128);
        let fee = Fee::new(3, 1000).expect("a fee");
        let place = Address::left_padding_from(&(at as u64 + 100).to_be_bytes());
        Pool::new(place, [token(at), token((at + 1) % hops)], [fee; 2], Layout::Opaque, reserves).expect("sound")
    };
    skews.into_iter().enumerate().map(pool).collect()
}

fn legs(pools: &[Pool]) -> Vec<(&Pool, Leg)> {
    pools.iter().map(|pool| (pool, pool.leg(pool.tokens()[0], pool.tokens()[1]).expect("its own tokens"))).collect()
}

fn measure<P: Amm>(c: &mut Criterion, name: &str, paths: &[Path<'_, P>]) {
    for (how, effort) in [("usual", Effort::USUAL), ("quick", Effort::QUICK)] {
        let mut sizer = Sizer::default();
        let best = paths.iter().map(|path| sizer.best(path, effort).expect("every cycle of the input pays"));
        let (mut walks, mut proven) = (0, 0);
        for best in best {
            walks += best.evaluations();
            proven += u32::from(best.proven());
        }
        println!("sizing/{name}/{how}: {} cycles, {proven} proven, {walks} exact walks", paths.len());
        let mut turn = paths.iter().cycle();
        c.bench_function(&format!("sizing/{name}/{how}"), |b| {
            b.iter(|| turn.next().map(|path| sizer.best(black_box(path), effort)));
        });
    }
}

fn chains(c: &mut Criterion) {
    for hops in [2, 3, 4] {
        let mut dice = common::dice::Dice(hops as u64);
        let pools: Vec<_> = (0..CHAINS).map(|_| chain(&mut dice, hops)).collect();
        let paths: Vec<_> = pools.iter().map(|pools| Path::new(legs(pools)).expect("two to six hops")).collect();
        let path = &paths[0];
        assert!(path.forward(0, 1_000_000_000_000_000).is_some(), "the chain swaps {}", U256::from(1e15));
        measure(c, &format!("chains/{hops}_hops"), &paths);
    }
}

/// The best cycle of that length behind a transaction, or in the state that the block starts from.
fn recorded(c: &mut Criterion, block: &str, behind: Option<usize>, protocols: &[&str]) {
    let Some(dir) = common::inputs::mainnet(&format!("blocks/{block}")) else { return };
    let mut block = common::block::Block::read(&dir);
    let found = block.candidates(behind);
    let view = block.overlay.over(&block.pools);
    let legs = found
        .iter()
        .map(|candidate| -> Vec<_> { candidate.hops().iter().map(|edge| (view.pool(edge.pool), edge.leg)).collect() });
    let like = |legs: &Vec<(&_, Leg)>| {
        legs.iter().map(|(pool, _): &(&_, _)| Amm::protocol(*pool)).eq(protocols.iter().copied())
    };
    let legs: Vec<_> = legs.filter(like).take(1).collect();
    assert_eq!(legs.len(), 1, "the block has such a cycle");
    let path = Path::new(legs[0].iter().copied()).expect("two to six hops");
    let kinds: Vec<_> = protocols.iter().map(|name| &name[name.len() - 2..]).collect();
    measure(c, &format!("recorded/{}_hops_{}", protocols.len(), kinds.join("_")), &[path]);
}

fn main() {
    let mut c = common::criterion();
    chains(&mut c);
    const V2: &str = "uniswap_v2";
    const V3: &str = "uniswap_v3";
    recorded(&mut c, "13217637", None, &[V2, V3]);
    recorded(&mut c, "12047794", Some(34), &[V2, V2, V2]);
    recorded(&mut c, "13217637", None, &[V3, V3, V3]);
    recorded(&mut c, "10760440", Some(106), &[V2, V2, V2, V2]);
    c.final_summary();
}
