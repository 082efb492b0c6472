//! Quotes, applying a diff, screening and sizing allocate nothing once warm: counted by the allocator itself.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use alloy_primitives::U256;
use common::pools::token;
use peregrine::hot::search::Search;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::state::pools::Pools;
use peregrine::hot::state::view::Overlay;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::uniswap_v2::{Fee, Layout as Slots, Pool as Pair};
use peregrine::types::id::PoolId;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what this thread asks of it.
struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait; every call goes to the system's unchanged")]
// SAFETY: both methods pass their arguments to `System` as they came, and return what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations that `work` makes.
fn allocations<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = COUNT.with(Cell::get);
    let answer = work();
    (COUNT.with(Cell::get) - before, answer)
}

/// Wrapped ether and six tokens, two pairs of each two, at prices that differ a little.
fn market() -> (Pools<Pair>, Search) {
    let mut pools: Pools<Pair> = Pools::default();
    let base = pools.intern(token(0));
    let fee = Fee::new(3, 1000).expect("a fee");
    for i in 0..7u64 {
        for j in i + 1..7 {
            for copy in 0..2 {
                let reserves = [10u128.pow(21) + u128::from(i + copy) * 10u128.pow(19), 10u128.pow(21)];
                let address = common::pools::place(100 * i + 10 * j + copy);
                let layout = Slots::Packed { slot: U256::from(8) };
                let pair = Pair::new(address, [token(i), token(j)], [fee; 2], layout, reserves).expect("sound");
                pools.add(pair).expect("new");
            }
        }
    }
    let mut search = Search::new(&[base], 4, Effort::USUAL);
    search.extend(&pools);
    (pools, search)
}

#[test]
fn a_diff_laid_over_the_pools_and_searched_allocates_nothing_once_warm() {
    let (pools, mut search) = market();
    let mut overlay = Overlay::default();
    let mut found = Vec::new();
    let touched = [PoolId::new(0), PoolId::new(5)];
    let mut solve = |skew: u128| {
        overlay.clear();
        found.clear();
        for id in touched {
            let reserves = U256::from(10u128.pow(21) + skew) | U256::from(10u128.pow(21)) << 112;
            overlay.edit(&pools, id, |pair| pair.apply_slots(&[(U256::from(8), reserves)])).expect("understood");
        }
        let counts = search.candidates(&overlay.over(&pools), Some(&touched), &mut found);
        (counts.screened.looked, found.len())
    };
    // Warm: the largest answer first, so that every buffer has its size.
    solve(9 * 10u128.pow(19));
    for skew in [9 * 10u128.pow(19), 5 * 10u128.pow(19), 8 * 10u128.pow(19)] {
        let (count, (looked, candidates)) = allocations(|| solve(skew));
        assert!(looked > 100 && candidates > 0, "{looked} cycles, {candidates} candidates: nothing was measured");
        assert_eq!(count, 0, "{looked} cycles, {candidates} candidates");
    }
}

#[test]
fn quotes_both_ways_allocate_nothing() {
    let (pools, _) = market();
    let pair = pools.pool(PoolId::new(0));
    let leg = pair.leg(token(0), token(1)).expect("its tokens");
    let amount = U256::from(10u128.pow(18));
    let (count, quotes) = allocations(|| (pair.quote_in(leg, amount), pair.quote_out(leg, amount)));
    assert!(quotes.0.is_ok() && quotes.1.is_ok());
    assert_eq!(count, 0);
}

#[test]
fn the_counter_counts() {
    let (count, list) = allocations(|| vec![1u8; 100]);
    assert_eq!((count, list.len()), (1, 100));
}
