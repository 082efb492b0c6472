//! The table of cycles, held against trying every sequence of edges.

mod common;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use peregrine::hot::search::Budget;
use peregrine::hot::search::Candidate;
use peregrine::hot::search::Search;
use peregrine::hot::search::cycles::CycleId;
use peregrine::hot::search::cycles::Cycles;
use peregrine::hot::search::screen::MARGIN;
use peregrine::hot::search::screen::Screen;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::search::sizing::Sizer;
use peregrine::hot::search::sizing::path::Path;
use peregrine::hot::search::value;
use peregrine::hot::state::pools::EdgeId;
use peregrine::hot::state::pools::Pools;
use peregrine::hot::state::view::Overlay;
use peregrine::hot::state::view::View;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::execution::Execution;
use peregrine::types::id::PoolId;
use peregrine::types::id::TokenId;
use proptest::prelude::*;

use common::pools::Curve;
use common::pools::Pool;
use common::pools::token;

/// Every directed simple cycle that a pool lends for, from the base of highest priority on it, by trying all sequences of edges.
fn brute_force(pools: &Pools<Pool>, bases: &[TokenId], max_hops: usize) -> BTreeSet<Vec<EdgeId>> {
    let all: Vec<EdgeId> = (0..pools.len()).flat_map(|p| pools.edges_of(PoolId::new(p))).collect();
    let mut found = BTreeSet::new();
    for (rank, base) in bases.iter().enumerate() {
        let mut paths: Vec<Vec<EdgeId>> = vec![Vec::new()];
        for _ in 0..max_hops {
            let mut longer = Vec::new();
            for path in &paths {
                let at = path.last().map_or(*base, |edge| pools.edge(*edge).token_out);
                for edge in all.iter().filter(|edge| pools.edge(**edge).token_in == at) {
                    let to = pools.edge(*edge).token_out;
                    let known_pool = path.iter().any(|e| pools.edge(*e).pool == pools.edge(*edge).pool);
                    let known_token = path.iter().any(|e| pools.edge(*e).token_out == to);
                    if known_pool || known_token {
                        continue;
                    }
                    let path = [&path[..], &[*edge]].concat();
                    if to == *base {
                        let lends = |at: &EdgeId| pools.pool(pools.edge(*at).pool).execution().lends();
                        let is_better = |at: &EdgeId| bases[..rank].contains(&pools.edge(*at).token_out);
                        if path.iter().any(lends) && !path.iter().any(is_better) {
                            found.insert(path);
                        }
                    } else {
                        longer.push(path);
                    }
                }
            }
            paths = longer;
        }
    }
    found
}

fn table(shapes: &[Vec<u64>]) -> Pools<Pool> {
    table_of(shapes, &[])
}

/// Those of these places take what goes in before they pay.
fn table_of(shapes: &[Vec<u64>], pulling: &[usize]) -> Pools<Pool> {
    let mut pools = Pools::default();
    for (i, tokens) in shapes.iter().enumerate() {
        let reserves = vec![1_000_000; tokens.len()];
        let pool = Pool::product(i as u64, tokens, &reserves, 3_000);
        let execution = if pulling.contains(&i) { Execution::Pull } else { pool.execution };
        pools.add(Pool { execution, ..pool }).expect("tokens differ");
    }
    pools
}

fn check(pools: &Pools<Pool>, bases: &[TokenId], max_hops: usize) -> usize {
    let mut cycles = Cycles::new(bases, max_hops);
    cycles.extend(pools);
    let found: Vec<Vec<EdgeId>> = cycles.ids().map(|id| cycles.hops(id).to_vec()).collect();
    let set: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(set.len(), found.len(), "a cycle is kept twice");
    assert_eq!(set, brute_force(pools, bases, max_hops));
    for pool in (0..pools.len()).map(PoolId::new) {
        let on = |id| cycles.hops(id).iter().any(|edge| pools.edge(*edge).pool == pool);
        let expected: Vec<_> = cycles.ids().filter(|id| on(*id)).collect();
        assert_eq!(cycles.through(pool), expected);
    }
    found.len()
}

/// Pools of two or three tokens among the first `tokens`.
fn shapes(tokens: u64, most: usize) -> impl Strategy<Value = Vec<Vec<u64>>> {
    let all: Vec<u64> = (0..tokens).collect();
    let pool = prop::sample::subsequence(all, 2..=3).prop_shuffle();
    prop::collection::vec(pool, 1..most)
}

proptest! {
    #![proptest_config(common::pools::cases(60))]

    #[test]
    fn every_simple_cycle_is_kept_once_from_its_first_base(
        shapes in shapes(6, 11), max_hops in 2usize..=6, bases in prop::collection::vec(0u64..8, 1..4),
        pulling in prop::collection::vec(0usize..11, 0..6),
    ) {
        let mut pools = table_of(&shapes, &pulling);
        let bases: Vec<_> = bases.into_iter().collect::<BTreeSet<_>>().into_iter().rev().map(|b| pools.intern(token(b))).collect();
        check(&pools, &bases, max_hops);
    }

    #[test]
    fn reverse_of_an_edge_swaps_its_tokens(shapes in shapes(6, 11)) {
        let pools = table(&shapes);
        for edge in (0..pools.len()).flat_map(|p| pools.edges_of(PoolId::new(p))) {
            let (there, back) = (pools.edge(edge), pools.edge(pools.reverse(edge)));
            prop_assert_eq!(there.pool, back.pool);
            prop_assert_eq!((there.token_in, there.token_out), (back.token_out, back.token_in));
        }
    }
}

/// What happens to a pool between two screens.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// In the table.
    Move(u16),
    /// Taken out of every search, or let back in.
    Quarantine(bool),
    /// Behind a transaction that has not happened.
    Lay(u16),
    /// Not understood behind it.
    Silence,
    /// Another transaction.
    Clear,
}

fn deeds() -> impl Strategy<Value = Vec<(usize, Deed)>> {
    let deed = prop_oneof![
        4 => (1u16..2_000).prop_map(Deed::Move),
        1 => any::<bool>().prop_map(Deed::Quarantine),
        4 => (1u16..2_000).prop_map(Deed::Lay),
        1 => Just(Deed::Silence),
        2 => Just(Deed::Clear),
    ];
    prop::collection::vec((any::<prop::sample::Index>().prop_map(|at| at.index(1 << 16)), deed), 1..40)
}

fn shift(pool: &mut Pool, by: u16) {
    if let Curve::Product(reserves) = &mut pool.curve {
        reserves[0] = alloy_primitives::U256::from(1_000_000 + u64::from(by));
    }
}

/// The way it was done before there were flat rows: each pool asked for each cycle.
fn asked<V: View>(cycles: &Cycles, view: &V, silenced: &[PoolId], id: CycleId) -> f64 {
    let rate = |edge: &EdgeId| {
        let edge = view.tables().edge(*edge);
        let out = view.tables().is_quarantined(edge.pool) || silenced.contains(&edge.pool);
        if out { 0.0 } else { view.pool(edge.pool).marginal_rate(edge.leg) }
    };
    cycles.hops(id).iter().map(rate).product()
}

proptest! {
    #![proptest_config(common::pools::cases(120))]

    #[test]
    fn flat_rows_keep_what_asking_each_pool_for_each_cycle_keeps_with_the_same_products_to_the_bit(
        shapes in shapes(5, 12), max_hops in 2usize..=6, deeds in deeds(), late in any::<bool>(),
    ) {
        let mut pools = table(&shapes[..shapes.len() - usize::from(late && shapes.len() > 1)]);
        let bases = [0, 1].map(|n| pools.intern(token(n)));
        let mut cycles = Cycles::new(&bases, max_hops);
        let (mut overlay, mut screen, mut silenced) = (Overlay::default(), Screen::default(), Vec::new());
        for (step, (at, deed)) in deeds.into_iter().enumerate() {
            if step == 3 && pools.len() < shapes.len() {
                let tokens = &shapes[shapes.len() - 1];
                pools.add(Pool::product(shapes.len() as u64, tokens, &vec![1_000_000; tokens.len()], 3_000)).expect("new");
            }
            cycles.extend(&pools);
            let pool = PoolId::new(at % pools.len());
            match deed {
                Deed::Move(by) => pools.edit(pool, |pool| shift(pool, by)),
                Deed::Quarantine(out) => pools.quarantine(pool, out),
                Deed::Lay(by) if !silenced.contains(&pool) => overlay.edit(&pools, pool, |pool| shift(pool, by)),
                Deed::Lay(_) => (),
                Deed::Silence => {
                    overlay.silence(&pools, pool);
                    silenced.push(pool);
                }
                Deed::Clear => {
                    overlay.clear();
                    silenced.clear();
                }
            }
            // What an overlay has touched stands as it was touched, whatever becomes of the table meanwhile.
            if matches!(deed, Deed::Quarantine(_)) && overlay.touched().contains(&pool) {
                overlay.clear();
                silenced.clear();
            }
            let touched: Vec<_> = overlay.touched().iter().copied().chain([pool, pool]).collect();
            let view = overlay.over(&pools);
            for touched in [None, Some(&touched[..1]), Some(&touched[..])] {
                let counts = screen.run(&cycles, &view, touched, u64::MAX, &|| true);
                let through = |id: &CycleId| touched.is_none_or(|t| t.iter().any(|p| cycles.through(*p).contains(id)));
                let due: Vec<_> = cycles.ids().filter(through).map(|id| (id, asked(&cycles, &view, &silenced, id))).collect();
                prop_assert_eq!(counts.looked as usize, due.len());
                let due: BTreeSet<_> =
                    due.into_iter().filter(|(_, p)| *p >= 1.0 - MARGIN || p.is_nan()).map(|(id, p)| (id, p.to_bits())).collect();
                let passed: BTreeSet<_> = screen.passed().iter().map(|passed| (passed.id, passed.product.to_bits())).collect();
                prop_assert_eq!(screen.passed().len() as u64, counts.looked - counts.rejected);
                prop_assert_eq!(passed, due);
            }
        }
    }
}

#[test]
fn an_overlay_follows_more_changes_than_the_table_notes() {
    let mut pools = table(&[vec![0, 1], vec![0, 1]]);
    let [first, second] = [0, 1].map(PoolId::new);
    let mut overlay = Overlay::default();
    overlay.edit(&pools, first, |pool| shift(pool, 7));
    let laid: Vec<_> = pools.edges_of(first).map(|edge| overlay.over(&pools).rate(edge)).collect();
    for by in 0..10_000 {
        pools.edit(second, |pool| shift(pool, by));
    }
    let view = overlay.over(&pools);
    assert!(pools.edges_of(second).all(|edge| view.rate(edge) == pools.rate(edge)));
    assert_eq!(pools.edges_of(first).map(|edge| view.rate(edge)).collect::<Vec<_>>(), laid);
}

#[test]
fn pools_added_later_bring_only_the_cycles_through_them() {
    let shapes = [vec![0, 1], vec![0, 1], vec![1, 2], vec![0, 2], vec![0, 1, 2], vec![2, 3], vec![3, 0]];
    let pools = table(&shapes);
    let bases = [pools.find_token(token(0)).expect("in the table")];
    let mut stepwise = Cycles::new(&bases, 4);
    for count in 1..=shapes.len() {
        let before = stepwise.len();
        stepwise.extend(&table(&shapes[..count]));
        let new = PoolId::new(count - 1);
        assert_eq!(stepwise.through(new).len(), stepwise.len() - before);
    }
    assert_eq!(stepwise.len(), check(&pools, &bases, 4));
}

#[test]
fn an_overlay_hides_its_pools_from_the_base_and_forgets_them() {
    let mut pools = table(&[vec![0, 1], vec![0, 1, 2]]);
    let (first, second) = (PoolId::new(0), PoolId::new(1));
    let edge = pools.edges_of(first).next().expect("has edges");
    let halve = |pool: &mut Pool| {
        if let Curve::Product(reserves) = &mut pool.curve {
            reserves[1] /= alloy_primitives::U256::from(2);
        }
    };
    let mut overlay = Overlay::default();
    let rate = pools.rate(edge);
    overlay.edit(&pools, first, halve);
    assert_eq!(overlay.over(&pools).rate(edge), rate / 2.0);
    assert_eq!(pools.rate(edge), rate);
    assert_eq!(overlay.touched(), &[first]);
    overlay.clear();
    assert_eq!(overlay.over(&pools).rate(edge), rate);
    overlay.edit(&pools, second, halve);
    overlay.edit(&pools, first, halve);
    overlay.edit(&pools, first, halve);
    assert_eq!(overlay.over(&pools).rate(edge), rate / 4.0);
    overlay.clear();
    pools.edit(first, halve);
    assert_eq!(overlay.over(&pools).rate(edge), rate / 2.0);
    pools.quarantine(first, true);
    assert_eq!(pools.rate(edge), 0.0);
    overlay.edit(&pools, first, halve);
    assert_eq!(overlay.over(&pools).rate(edge), 0.0, "quarantine holds in an overlay");
}

/// Wrapped ether 0, dollars 1 and 2, coins beyond.
fn market() -> (Pools<Pool>, Search) {
    let mut pools = Pools::default();
    let eth = 1_000_000_000_000_000_000u128;
    let usd = 1_000_000u128;
    let list = [
        Pool::product(0, &[0, 1], &[1_000 * eth, 3_000_000 * usd], 3_000),
        Pool::product(1, &[1, 0], &[3_150_000 * usd, 1_000 * eth], 3_000),
        Pool::product(2, &[1, 2], &[5_000_000 * usd, 5_000_000 * eth], 100),
        Pool::product(3, &[2, 3], &[100_000 * eth, 7_000 * eth], 3_000),
        Pool::product(4, &[1, 3], &[100_000 * usd, 7_600 * eth], 3_000),
        Pool::product(5, &[3, 4], &[7_000 * eth, 9 * eth], 3_000),
    ];
    for pool in list {
        pools.add(pool).expect("tokens differ");
    }
    let bases = [0, 1, 2].map(|n| pools.intern(token(n)));
    let mut search = Search::new(&bases, 4, Effort::QUICK);
    search.extend(&pools);
    (pools, search)
}

#[test]
fn candidates_come_by_value_with_every_cycle_accounted_for() {
    let (pools, mut search) = market();
    let mut out = Vec::new();
    let counts = search.candidates(&pools, None, &mut out);
    println!("{counts:?}");
    assert_eq!(counts.screened.looked as usize, search.cycles().len());
    assert_eq!(counts.screened.looked, counts.screened.rejected + counts.flat + counts.candidates);
    assert_eq!(counts.candidates as usize, out.len());
    assert!(out.len() >= 2 && out.is_sorted_by(|a, b| a.value() >= b.value()));
    for candidate in &out {
        let amounts = candidate.amounts();
        assert_eq!(candidate.gross(), amounts[amounts.len() - 1] - amounts[0]);
        assert!(candidate.value().is_some());
        for (i, hop) in candidate.hops().iter().enumerate() {
            let out = pools.pool(hop.pool).quote_in(hop.leg, alloy_primitives::U256::from(amounts[i])).expect("quotes");
            assert_eq!(out, alloy_primitives::U256::from(amounts[i + 1]));
        }
    }
}

#[test]
fn touched_pools_bring_their_cycles_once_and_no_others() {
    let (pools, mut search) = market();
    let (mut all, mut some, mut both) = (Vec::new(), Vec::new(), Vec::new());
    search.candidates(&pools, None, &mut all);
    let one = search.candidates(&pools, Some(&[PoolId::new(3)]), &mut some);
    assert_eq!(one.screened.looked as usize, search.cycles().through(PoolId::new(3)).len());
    assert!(!some.is_empty() && some.iter().all(|c| c.hops().iter().any(|hop| hop.pool == PoolId::new(3))));
    let two = search.candidates(&pools, Some(&[PoolId::new(3), PoolId::new(4), PoolId::new(3)]), &mut both);
    let expected = search.cycles().ids().filter(|id| {
        let hops = search.cycles().hops(*id);
        hops.iter().any(|edge| [3, 4].contains(&pools.edge(*edge).pool.index()))
    });
    assert_eq!(two.screened.looked as usize, expected.count());
    let none = search.candidates(&pools, Some(&[PoolId::new(5)]), &mut Vec::new());
    assert_eq!(none.screened.looked, 0, "a pool at the end of a dead end is on no cycle");
}

#[test]
fn screening_and_ranking_lose_nothing_that_sizing_every_cycle_finds() {
    let (pools, mut search) = market();
    let (mut found, mut sizer) = (Vec::new(), Sizer::default());
    search.candidates(&pools, None, &mut found);
    let due = search.cycles().ids().filter_map(|id| {
        let edges = search.cycles().hops(id);
        let best = sizer.best(&Path::of(&pools, edges)?, Effort::QUICK)?;
        Some((edges.iter().map(|edge| pools.edge(*edge)).collect::<Vec<_>>(), best.amounts().to_vec()))
    });
    let due: BTreeSet<_> = due.collect();
    let found: BTreeSet<_> = found.iter().map(|c| (c.hops().to_vec(), c.amounts().to_vec())).collect();
    assert!(!due.is_empty());
    assert_eq!(found, due);
}

/// Six tokens, two pools of each two, at prices that differ by up to four in a hundred.
fn crowd() -> (Pools<Pool>, Search) {
    let mut pools = Pools::default();
    for (number, (a, b)) in (0..6u64).flat_map(|a| (a + 1..6).map(move |b| (a, b))).enumerate() {
        for copy in 0..2u64 {
            let number = 2 * number as u64 + copy;
            let reserves = [1_000_000_000 + u128::from(number * 7 % 5) * 10_000_000, 1_000_000_000];
            pools.add(Pool::product(number, &[a, b], &reserves, 3_000)).expect("tokens differ");
        }
    }
    let bases = [0, 1].map(|n| pools.intern(token(n)));
    let mut search = Search::new(&bases, 4, Effort::QUICK);
    search.extend(&pools);
    (pools, search)
}

#[test]
fn asked_for_one_at_a_time_the_best_come_in_the_order_of_a_full_sizing_and_few_are_sized() {
    let (pools, mut search) = crowd();
    let mut sizer = Sizer::default();
    let due = search.cycles().ids().filter_map(|id| {
        let edges = search.cycles().hops(id);
        let best = sizer.best(&Path::of(&pools, edges)?, Effort::QUICK)?;
        let start = pools.edge(edges[0]).token_in;
        let worth = value::in_ether(search.cycles(), &pools, start, best.profit());
        Some((worth, Reverse(id), best.amounts().to_vec()))
    });
    let mut due: Vec<_> = due.collect();
    due.sort_unstable_by(|a, b| b.cmp(a));
    search.begin(&pools, None, &|| true);
    for (asked, (worth, _, amounts)) in due.iter().enumerate() {
        let found = search.next(&pools, None, &|| true).expect("as many");
        assert_eq!((found.value(), found.amounts()), (*worth, &amounts[..]), "number {asked}");
        if asked == 2 {
            let sized = search.counts().candidates;
            println!("for the best three of {}, {sized} are sized", due.len());
            assert!(due.len() > 100 && sized < 10);
        }
    }
    assert!(search.next(&pools, None, &|| true).is_none());
    // A floor in the middle leaves the rest, and says how many.
    let floor = due[due.len() / 2].0.map(|worth| worth.0);
    search.begin(&pools, None, &|| true);
    let above = std::iter::from_fn(|| search.next(&pools, floor, &|| true)).count();
    assert_eq!(above, due.iter().filter(|(worth, ..)| worth.map(|worth| worth.0) > floor).count());
    let waiting = search.waiting();
    let rest = std::iter::from_fn(|| search.next(&pools, None, &|| true)).count();
    assert_eq!(above + rest, due.len());
    assert!(rest > 0 && rest <= waiting, "{rest} of {waiting} that waited");
}

#[test]
fn a_spent_budget_keeps_the_most_promising_and_counts_what_is_left() {
    let (pools, mut search) = crowd();
    let mut all = Vec::new();
    let full = search.candidates(&pools, None, &mut all);
    assert_eq!((full.left, full.screened.left, full.stopped), (0, 0, false));
    let passed = full.screened.looked - full.screened.rejected;
    assert!(passed >= 100 && full.candidates >= 50, "{full:?}");
    for walks in (1..full.evaluations + passed).step_by(31) {
        let (_, search) = crowd();
        let mut some = Vec::new();
        let mut search = search.within(Budget { walks, ..Budget::NONE });
        let counts = search.candidates(&pools, None, &mut some);
        assert_eq!(counts.flat + counts.candidates + counts.left, passed);
        let most = Effort::QUICK.evaluations as u64;
        assert!(counts.evaluations < walks + most, "the last cycle begun is finished, and no other: {counts:?}");
        // The promise is an estimate, so the best of all is among the first few, not always the first.
        let best = some.iter().map(Candidate::gross).max().expect("the first one pays");
        assert!(best * 10 >= all[0].gross() * 9, "{walks} walks: {best} of {}", all[0].gross());
    }
    let (_, search) = crowd();
    let mut search = search.within(Budget { cycles: 3, ..Budget::NONE });
    let counts = search.candidates(&pools, None, &mut Vec::new());
    assert_eq!((counts.screened.looked, counts.screened.left), (3, full.screened.looked - 3));
}

#[test]
fn a_search_that_is_called_off_says_so_and_counts_what_is_left() {
    let (pools, mut search) = market();
    let full = search.candidates(&pools, None, &mut Vec::new());
    let asked = std::cell::Cell::new(0);
    for moment in 0.. {
        asked.set(0);
        let go_on = || asked.replace(asked.get() + 1) < moment;
        let counts = search.candidates_while(&pools, None, &mut Vec::new(), &go_on);
        if !counts.stopped {
            assert!(moment > 4);
            assert_eq!(counts, full);
            return;
        }
        assert_eq!(counts.screened.looked + counts.screened.left, full.screened.looked);
        assert_eq!(counts.screened.looked, counts.screened.rejected + counts.flat + counts.candidates + counts.left);
    }
}
