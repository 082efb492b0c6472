//! The best integer input, held against trying every input.

mod common;

use peregrine::hot::search::sizing::Best;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::search::sizing::Sizer;
use peregrine::hot::search::sizing::curve::{Curve, Reach};
use peregrine::hot::search::sizing::path::Path;
use peregrine::hot::search::sizing::rounding::Aim;
use peregrine::hot::search::sizing::rounding::RoundingSearch;
use peregrine::protocols::amm::Amm;
use proptest::prelude::*;

use common::pools::Curve as Shown;
use common::pools::Pool;
use common::pools::token;

/// Path through pools, where the `i`th swaps token `i` for token `i + 1`, and the last comes back to token 0.
fn path(pools: &[Pool]) -> Path<'_, Pool> {
    let count = pools.len() as u64;
    let leg = |i: u64| pools[i as usize].leg(token(i), token((i + 1) % count)).expect("pools swap along the path");
    Path::new((0..count).map(|i| (&pools[i as usize], leg(i)))).expect("two to six pools")
}

/// The best profit of all inputs up to `most`.
fn brute_force(path: &Path<'_, Pool>, most: u128) -> i128 {
    let profits = (1..=most).map_while(|x| path.forward(0, x).map(|out| out as i128 - x as i128));
    profits.max().unwrap_or(0).max(0)
}

/// What is true of every answer, whatever it cost.
fn check(path: &Path<'_, Pool>, best: Option<Best>, brute: i128) {
    let profit = best.map_or(0, |best| best.profit() as i128);
    assert!(profit <= brute, "found {profit}, above the best of all, {brute}");
    let Some(best) = best else { return };
    assert!(profit > 0);
    let amounts = path.amounts(best.amounts()[0]).expect("the answer can be walked");
    assert_eq!(best.amounts(), &amounts[..best.amounts().len()]);
    assert!(best.gap() >= (brute - profit) as u128, "gap {} claimed, {} true", best.gap(), brute - profit);
}

/// A pool in numbers that proptest can shrink.
#[derive(Clone, Debug)]
struct Shape {
    ranges: bool,
    depth: u32,
    skew: f64,
    fee_ppm: u64,
    steps: Vec<(f64, f64)>,
    flipped: bool,
}

fn shape() -> impl Strategy<Value = Shape> {
    let step = (0.001..0.3f64, 0.05..3.0f64);
    let fee = prop::sample::select(vec![100u64, 500, 2_500, 3_000, 10_000]);
    (any::<bool>(), 2_000u32..20_000, 0.6..1.6f64, fee, prop::collection::vec(step, 1..6), any::<bool>()).prop_map(
        |(ranges, depth, skew, fee_ppm, steps, flipped)| Shape { ranges, depth, skew, fee_ppm, steps, flipped },
    )
}

/// Units of each token that are worth one of the start token.
fn scales() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-3.0..14.0f64).prop_map(|e| 10f64.powf(e)), 3)
}

fn build(shapes: &[Shape], scales: &[f64]) -> Vec<Pool> {
    let scale = |i: usize| if i == 0 || i == shapes.len() { 1.0 } else { scales[i - 1] };
    let pool = |(i, s): (usize, &Shape)| {
        let ids = [i as u64, ((i + 1) % shapes.len()) as u64];
        let depth = f64::from(s.depth);
        let sides = [(depth * scale(i)).max(2.0), (depth * s.skew * scale(i + 1)).max(2.0)];
        let (ids, sides) = if s.flipped { ([ids[1], ids[0]], [sides[1], sides[0]]) } else { (ids, sides) };
        if s.ranges {
            return Pool::ranges(i as u64, ids, sides, s.fee_ppm, &s.steps);
        }
        Pool::product(i as u64, &ids, &sides.map(|side| side as u128), s.fee_ppm)
    };
    shapes.iter().enumerate().map(pool).collect()
}

proptest! {
    #![proptest_config(common::pools::cases(300))]

    #[test]
    fn never_worse_than_every_input_tried_by_more_than_a_unit(
        shapes in prop::collection::vec(shape(), 2..=4), scales in scales(),
    ) {
        let pools = build(&shapes, &scales);
        let path = path(&pools);
        let brute = brute_force(&path, 60_000);
        let best = Sizer::default().best(&path, Effort::EXACT);
        check(&path, best, brute);
        let profit = best.map_or(0, |best| best.profit() as i128);
        prop_assert!(profit + 1 >= brute, "found {profit}, {brute} was there: {best:?}");
        prop_assert!(best.is_none_or(|best| best.proven()), "not proven: {best:?}");
    }

    #[test]
    fn a_small_budget_owns_up_to_what_it_may_have_missed(
        shapes in prop::collection::vec(shape(), 2..=4), scales in scales(), evaluations in 1u32..60,
    ) {
        let pools = build(&shapes, &scales);
        let path = path(&pools);
        let brute = brute_force(&path, 60_000);
        for last_unit in [0, 16] {
            let best = Sizer::default().best(&path, Effort { evaluations, tolerance_bits: 10, last_unit });
            check(&path, best, brute);
        }
    }
}

proptest! {
    #![proptest_config(common::pools::cases(60))]

    #[test]
    fn pools_that_show_no_curve_are_sized_as_well(
        shapes in prop::collection::vec(shape(), 2..=4), scales in scales(), hidden in 0usize..4,
    ) {
        let mut pools = build(&shapes, &scales);
        let hidden = hidden % pools.len();
        pools[hidden].open = false;
        let path = path(&pools);
        let brute = brute_force(&path, 60_000);
        let best = Sizer::default().best(&path, Effort::EXACT);
        check(&path, best, brute);
        prop_assert!(best.map_or(0, |best| best.profit() as i128) + 1 >= brute);
    }

    #[test]
    fn what_stretches_only_bound_is_sized_too_and_the_gap_holds(
        shapes in prop::collection::vec(shape(), 2..=4), scales in scales(), which in 0usize..4, loose in -9.0..-2.0f64,
        evaluations in prop_oneof![1u32..60, Just(1_000_000)],
    ) {
        let mut pools = build(&shapes, &scales);
        let which = which % pools.len();
        pools[which].loose = 10f64.powf(loose);
        let path = path(&pools);
        let brute = brute_force(&path, 60_000);
        let best = Sizer::default().best(&path, Effort { evaluations, tolerance_bits: 20, last_unit: 0 });
        check(&path, best, brute);
    }

    #[test]
    fn what_is_not_known_bounds_the_input(
        shapes in prop::collection::vec(shape(), 2..=3), scales in scales(), sure in any::<bool>(),
    ) {
        let narrow = |s: Shape| Shape { ranges: true, steps: vec![(0.02, 1.0), (0.01, 0.5)], ..s };
        let shapes: Vec<_> = shapes.into_iter().map(narrow).collect();
        let mut pools = build(&shapes, &scales);
        for pool in &mut pools {
            if let Shown::Ranges { sure: known, .. } = &mut pool.curve {
                *known = sure;
            }
        }
        let path = path(&pools);
        let brute = brute_force(&path, 60_000);
        let best = Sizer::default().best(&path, Effort::EXACT);
        check(&path, best, brute);
        prop_assert!(best.map_or(0, |best| best.profit() as i128) + 1 >= brute);
    }
}

/// Units of a token that one ether is worth: wrapped ether, USDC, DAI, WBTC, a dear token of 18 decimals.
const ETHER: f64 = 1e18;
const USDC: f64 = 3e9;
const DAI: f64 = 3e21;
const WBTC: f64 = 3e6;
const DEAR: f64 = 5e16;

/// A cycle over tokens, each pool a thousand ether deep on either side, off by `skew` in all.
fn mainnet(units: &[f64], ticks: bool, skew: f64) -> Vec<Pool> {
    let pool = |i: usize| {
        let next = (i + 1) % units.len();
        let sides = [1e3 * units[i], 1e3 * units[next] * if i == 0 { 1.0 + skew } else { 1.0 }];
        if ticks {
            return Pool::ranges(i as u64, [i as u64, next as u64], sides, 500, &[(0.003, 20.0); 9]);
        }
        Pool::product(i as u64, &[i as u64, next as u64], &sides.map(|side| side as u128), 3_000)
    };
    (0..units.len()).map(pool).collect()
}

/// The best of the points near an answer, on the grid of the token of which there are fewest.
fn best_near(path: &Path<'_, Pool>, best: &Best, window: u128) -> i128 {
    let (grid, amount) = best.amounts().iter().enumerate().min_by_key(|(_, amount)| **amount).expect("has amounts");
    let points = (amount.saturating_sub(window)..amount + window).filter_map(|m| path.at(grid, m));
    // A pool before the grid may pay more than was asked of it, and that may be more than a later one can take.
    let profit = |input| path.forward(0, input).map(|output| output as i128 - input as i128);
    points.filter_map(|point| profit(point.input)).max().unwrap_or(0)
}

#[test]
fn constant_products_of_mainnet_size_are_proven_in_a_few_walks() {
    // The second number: walks until proven. One coarse token costs a few, two cost what their units happen to need.
    let cases: [(&[f64], u32); 6] = [
        (&[ETHER, DAI], 1),
        (&[USDC, ETHER, DAI], 1),
        (&[ETHER, USDC], 8),
        (&[ETHER, USDC, DAI], 8),
        (&[ETHER, DEAR, DAI], 8),
        (&[ETHER, WBTC, USDC], 400),
    ];
    for (units, walks) in cases {
        for skew in [0.02, 0.0213, 0.0457] {
            let pools = mainnet(units, false, skew);
            let path = path(&pools);
            let mut sizer = Sizer::default();
            let quick = sizer.best(&path, Effort::QUICK).expect("pays");
            let exact = sizer.best(&path, Effort::EXACT).expect("pays");
            println!(
                "{units:?} {skew}: {} walks leave {}, {} prove",
                quick.evaluations(),
                quick.gap(),
                exact.evaluations()
            );
            assert!(quick.evaluations() <= 2 || units.contains(&WBTC) && units.contains(&USDC), "{units:?}: {quick:?}");
            assert!(exact.proven() && exact.evaluations() <= walks, "{units:?}: {exact:?}");
            assert!(quick.profit() + quick.gap() >= exact.profit());
            assert!(best_near(&path, &exact, 300) <= exact.profit() as i128 + 1);
        }
    }
}

#[test]
fn tick_ranges_of_mainnet_size_take_a_few_walks_to_a_millionth() {
    for units in [&[ETHER, DAI][..], &[ETHER, USDC], &[ETHER, USDC, DAI], &[ETHER, DEAR, DAI], &[USDC, ETHER, DAI]] {
        for skew in [0.02, 0.0213, 0.0457] {
            let pools = mainnet(units, true, skew);
            let path = path(&pools);
            let quick = Sizer::default().best(&path, Effort::QUICK).expect("pays");
            println!("{units:?} {skew}: {} walks leave {} of {}", quick.evaluations(), quick.gap(), quick.profit());
            // A millionth: at the ends of ranges passed rounding may have taken some units of a coarse token (one of USDC
            // is 3e8 wei here), which another input may be spared.
            assert!(quick.evaluations() <= 4 && quick.gap() <= (quick.profit() >> 20).max(1), "{units:?} {quick:?}");
            assert!(best_near(&path, &quick, 100) <= (quick.profit() + quick.gap()) as i128);
        }
    }
}

#[test]
fn pools_that_stretches_only_bound_take_some_walks_to_a_millionth() {
    for units in [&[ETHER, DAI][..], &[ETHER, USDC], &[ETHER, USDC, DAI], &[ETHER, DEAR, DAI], &[USDC, ETHER, DAI]] {
        for (ticks, skew, loose) in [false, true]
            .into_iter()
            .flat_map(|ticks| [(ticks, 0.02, 1e-9), (ticks, 0.0213, 1e-5), (ticks, 0.0457, 1e-3)])
        {
            let mut pools = mainnet(units, ticks, skew);
            let known = Sizer::default().best(&path(&pools), Effort::USUAL).expect("pays");
            pools[1].loose = loose;
            let path = path(&pools);
            let found = Sizer::default().best(&path, Effort::USUAL).expect("pays");
            let missed = known.profit().saturating_sub(found.profit());
            println!(
                "{units:?} {ticks} {skew} {loose}: {} walks miss {missed} of {}",
                found.evaluations(),
                known.profit()
            );
            assert!(found.evaluations() <= 24, "{units:?} {found:?}");
            assert!(missed <= found.gap() && missed <= (known.profit() >> 20).max(1), "{units:?} {found:?} {known:?}");
        }
    }
}

/// Cycles through two coarse tokens, and what a unit of the coarsest is worth in the start token.
fn coarse() -> impl Iterator<Item = (Vec<Pool>, u128)> {
    (0..24).map(|i| {
        let skew = 0.0105 + 0.0017 * f64::from(i);
        (mainnet(&[ETHER, USDC, WBTC], i % 4 > 0, skew), (ETHER / WBTC) as u128)
    })
}

#[test]
fn a_guess_is_what_an_exact_walk_makes_where_tokens_are_coarse() {
    let mut compared = 0;
    for (pools, unit) in coarse() {
        let path = path(&pools);
        let mut curve = Curve::default();
        assert!(curve.trace(&path, Reach::Whole));
        let (grid, start) = curve.grid();
        let aim = Aim { grid, start, best: 0, fall: unit as f64, tries: 512 };
        let mut sieve = RoundingSearch::default();
        for (guess, amount) in sieve.pick(&path, &curve, aim) {
            let exact = path.at(grid, *amount).expect("can be walked").profit();
            // A double of the amounts that go in and out holds them to some hundred wei; a unit of USDC is 3e8.
            assert!((guess - exact as f64).abs() < 1e5, "{amount}: {guess} guessed, {exact} true");
            compared += 1;
        }
    }
    assert!(compared > 150, "{compared} compared");
}

#[test]
fn the_usual_effort_finds_what_thousands_of_walks_near_the_peak_find() {
    for (pools, unit) in coarse() {
        let path = path(&pools);
        let best = Sizer::default().best(&path, Effort::USUAL).expect("pays");
        let near = best_near(&path, &best, 400) - best.profit() as i128;
        assert!(best.evaluations() <= 128 && near <= unit as i128 / 500, "{near} more is there: {best:?}");
        assert!(near <= best.gap() as i128);
    }
}

#[test]
fn the_usual_effort_tries_what_lies_before_the_end_of_a_stretch() {
    let unit = ETHER / WBTC;
    let (mut kinks, mut before) = (0, 0);
    for i in 0..4_000 {
        let pools = mainnet(&[ETHER, USDC, WBTC], true, 0.0105 + 1e-5 * f64::from(i));
        let path = path(&pools);
        let mut curve = Curve::default();
        assert!(curve.trace(&path, Reach::Whole));
        let (grid, _) = curve.grid();
        // The curve falls by less than what one rounding fewer may save.
        let Some(kink) = curve.kinks(grid).next().filter(|kink| kink.change > -unit && kinks < 12) else { continue };
        let best = Sizer::default().best(&path, Effort::USUAL).expect("pays");
        let end = kink.amount as u128;
        let found = (end - 400..=end + 1).filter_map(|amount| path.at(grid, amount));
        let most = found.map(|point| point.profit()).max().unwrap_or(0);
        assert!(most - best.profit() as i128 <= unit as i128 / 500, "{most} before {end}: {best:?}");
        before += usize::from(best.amounts()[grid] <= end);
        kinks += 1;
    }
    println!("{before} of {kinks} answers lie before the end of a stretch that the peak is past");
    assert!(kinks > 5 && before > 0);
}

/// Pools between tokens of which this is about a unit's worth. `build` makes pools some thousands of start tokens deep: start
/// from what a thousandth of an ether is.
fn of_units(shapes: &[Shape], exponents: &[f64]) -> Vec<Pool> {
    let unit: Vec<f64> = exponents.iter().map(|e| 10f64.powf(*e)).collect();
    let (start, count) = (unit[3], shapes.len());
    let of = |at: usize| if at.is_multiple_of(count) { start } else { unit[at - 1] };
    let pool = |(i, s): (usize, &Shape)| {
        let sides = [f64::from(s.depth) * of(i), f64::from(s.depth) * s.skew * of(i + 1)];
        let ids = [i as u64, ((i + 1) % count) as u64];
        if s.ranges {
            Pool::ranges(i as u64, ids, sides, s.fee_ppm, &s.steps)
        } else {
            Pool::product(i as u64, &ids, &sides.map(|side| side as u128), s.fee_ppm)
        }
    };
    shapes.iter().enumerate().map(pool).collect()
}

/// No amount near an answer leaves more than the answer says that any can.
fn assert_bounded(path: &Path<'_, Pool>) {
    for effort in [Effort::QUICK, Effort::USUAL, Effort { evaluations: 60, ..Effort::EXACT }] {
        let Some(best) = Sizer::default().best(path, effort) else { continue };
        let near = best_near(path, &best, 150);
        assert!(near <= (best.profit().saturating_add(best.gap())).min(1 << 126) as i128, "{near}: {best:?}");
    }
}

/// Found by the property below: the last hop ends while the cycle still pays, and 22,673,645 of its token is where. There two more
/// units are rounded away, as at any end of a range; 22,673,600, where the fee leaves no fraction, is the best.
#[test]
fn an_answer_at_the_end_of_a_range_is_bounded_by_what_its_end_takes() {
    let shape = |depth, skew, fee_ppm, ranges, steps: &[(f64, f64)]| {
        let steps = steps.to_vec();
        Shape { depth, skew, fee_ppm, ranges, steps, flipped: false }
    };
    let shapes = [
        shape(13_523, 0.822_437_329_796_551_4, 2_500, false, &[(0.001, 0.05)]),
        shape(
            9_961,
            0.821_797_290_459_797_8,
            2_500,
            true,
            &[(0.001, 0.05), (0.001, 0.05), (0.0865, 1.6473), (0.001, 0.05)],
        ),
        shape(8_481, 1.166_727_698_737_976_2, 100, true, &[(0.001, 0.05), (0.128_388_184_954_941_3, 0.399_8)]),
        shape(10_905, 1.591_995_154_031_423_7, 10_000, true, &[(0.072_063_557_107_987_6, 0.389_355_713_347_185_5)]),
    ];
    let exponents = [21.620_464_570_539_735, 19.847_671_908_028_303, 5.166_498_588_682_129_5, 23.208_166_192_410_417];
    let pools = of_units(&shapes, &exponents);
    let path = path(&pools);
    let exact = Sizer::default().best(&path, Effort { evaluations: 60, ..Effort::EXACT }).expect("pays");
    assert!(exact.amounts()[3] > 22_673_640 && best_near(&path, &exact, 150) > exact.profit() as i128, "{exact:?}");
    assert_bounded(&path);
}

proptest! {
    #![proptest_config(common::pools::cases(40))]

    #[test]
    fn no_point_near_a_large_answer_beats_its_gap(
        shapes in prop::collection::vec(shape(), 2..=4),
        exponents in prop::collection::vec(5.0..27.0f64, 4),
    ) {
        let pools = of_units(&shapes, &exponents);
        let path = path(&pools);
        assert_bounded(&path);
    }
}

#[test]
fn a_cycle_that_does_not_pay_costs_no_walk() {
    let pools = mainnet(&[ETHER, USDC, DAI], false, 0.0);
    let mut sizer = Sizer::default();
    assert_eq!(sizer.best(&path(&pools), Effort::QUICK), None);
    assert_eq!(sizer.evaluations(), 0);
}
