//! The best input of a cycle: 1,000 random cycles a row, all of which pay at the margin.
//!
//! degenbot's projections (tick ranges, crossing tables) are made beforehand and not timed; ours are the pools themselves.
//! An answer is what its input makes in an exact walk of the whole cycle by the peers' own integers. What a first pool
//! does not take is not counted against an answer.

use std::hint::black_box;

use alloy_primitives::I256;
use alloy_primitives::U256;
use degenbot_math::v2::IntHopState;
use degenbot_solvers::mixed::ResolvedMixedPath;
use degenbot_solvers::mixed::solve_path;
use degenbot_solvers::mobius_int_exact::exact_mobius_solve;
use degenbot_solvers::profit_envelope::GateDeps;
use peregrine::hot::search::sizing::Best;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::search::sizing::Sizer;
use peregrine::hot::search::sizing::path::Path;
use peregrine::protocols::amm::Amm;

use crate::clock;
use crate::dice::Dice;
use crate::table::Table;
use crate::twin::Twin;
use crate::twin::Wish;
use crate::v3;

const CYCLES: usize = 1_000;
const PEER: &str = "degenbot-solvers";

/// A cycle, and degenbot's view of it.
struct Cycle {
    hops: Vec<Twin>,
    theirs: ResolvedMixedPath,
    /// When all of it is constant products.
    chain: Option<Vec<IntHopState>>,
}

/// Which pools a cycle is made of.
#[derive(Clone, Copy)]
enum Kind {
    V2,
    V3,
    Mixed,
    /// V2, with tokens whose units are worth next to nothing.
    Fine,
}

impl Cycle {
    fn new(hops: Vec<Twin>) -> Self {
        let theirs = ResolvedMixedPath {
            hops: hops.iter().map(|hop| hop.theirs.clone()).collect(),
            valid: true,
            ..Default::default()
        };
        let chain = theirs.hops.iter().map(|hop| hop.as_v2_state().cloned()).collect();
        Self { hops, theirs, chain }
    }

    /// Fair prices but for skews whose product, after fees, is a little above one.
    fn random(dice: &mut Dice, kind: Kind, count: usize) -> Self {
        // An ether, and its worth in a stablecoin of 6 decimals, in one of 8 like WBTC, in one of 18.
        let worth = if matches!(kind, Kind::Fine) { [1e18, 3e21, 6e16, 1e22] } else { [1e18, 3e9, 6e6, 1e22] };
        let third = (dice.roll() % count as u64) as usize;
        let v3: Vec<_> = (0..count)
            .map(|at| match kind {
                Kind::V2 | Kind::Fine => false,
                Kind::V3 => true,
                // One of each at least.
                Kind::Mixed if at == third => true,
                Kind::Mixed if at == (third + 1) % count => false,
                Kind::Mixed => dice.share() < 0.5,
            })
            .collect();
        let fees: Vec<u32> = v3.iter().map(|v3| if *v3 && dice.share() < 0.5 { 500 } else { 3_000 }).collect();
        let gammas: f64 = fees.iter().map(|fee| 1.0 - f64::from(*fee) / 1e6).product();
        let edge = 1.0 + 10f64.powf(dice.between(-3.5, -1.5));
        let skews: Vec<f64> = (0..count).map(|_| dice.between(0.95, 1.05)).collect();
        let all: f64 = skews.iter().product();
        let hops = (0..count).map(|at| {
            let skew = if at + 1 == count { skews[at] * edge / gammas / all } else { skews[at] };
            let next = (at + 1) % count;
            let depth = 10f64.powf(dice.between(1.0, 4.0));
            let wish = Wish { tokens: [at, next], worth: [worth[at], worth[next]], depth, skew };
            let positions = dice.between(5.0, 30.0) as usize;
            let spacing = if fees[at] == 500 { 10 } else { 60 };
            if v3[at] { Twin::v3(dice, &wish, fees[at], spacing, positions) } else { Twin::v2(&wish) }
        });
        Self::new(hops.collect())
    }

    fn path(&self) -> Path<'_, peregrine::protocols::AnyPool> {
        Path::new(self.hops.iter().map(|hop| (&hop.ours, hop.leg))).expect("two to six hops")
    }

    /// What an input makes.
    fn profit(&self, input: U256) -> I256 {
        let mut amount = input;
        let mut paid = input;
        for (at, hop) in self.hops.iter().enumerate() {
            if amount.is_zero() {
                break;
            }
            let Some(filled) = hop.fill(amount) else { return I256::MIN };
            paid = if at == 0 { filled.taken } else { paid };
            amount = filled.paid;
        }
        I256::from_raw(amount) - I256::from_raw(paid)
    }
}

/// How answers compare.
#[derive(Default)]
struct Tally {
    better: usize,
    equal: usize,
    /// Worse by one unit, as `Best::proven` allows, and by more.
    worse: [usize; 2],
    /// Largest loss in units, and as a share of the peer's profit.
    lost: (U256, f64),
    /// Gains as a share of the peer's profit.
    gained: Vec<f64>,
    /// Inputs whose profit was not what the answer said: ours, theirs.
    wrong: [usize; 2],
    /// Losses larger than the gap that our answer owned up to: must stay zero.
    broken: usize,
}

impl Tally {
    fn add(&mut self, ours: I256, theirs: I256) {
        let share = |gap: I256| f64::from(gap.into_raw()) / f64::from(theirs.max(I256::ONE).into_raw());
        if ours > theirs {
            self.better += 1;
            self.gained.push(share(ours - theirs));
        } else if ours == theirs {
            self.equal += 1;
        } else {
            let gap = theirs - ours;
            self.worse[usize::from(gap > I256::ONE)] += 1;
            self.lost = (self.lost.0.max(gap.into_raw()), self.lost.1.max(share(gap)));
        }
    }

    fn text(&mut self) -> String {
        self.gained.sort_unstable_by(f64::total_cmp);
        let gain = self.gained.get(self.better / 2).copied().unwrap_or_default();
        let mut text = format!("{} better (half of them by {gain:.0e} or more), {} equal", self.better, self.equal);
        match self.worse {
            [0, 0] => text += ", none worse",
            [unit, more] => {
                text +=
                    &format!(", {unit} worse by a unit, {more} by more (most {} or {:.0e})", self.lost.0, self.lost.1)
            }
        }
        if self.broken > 0 {
            text += &format!("; {} BEYOND THE GAP", self.broken);
        }
        let [ours, theirs] = self.wrong;
        if ours + theirs > 0 {
            text += &format!("; promised another profit than it made: ours {ours}, peer's {theirs}");
        }
        text
    }
}

/// What a better input could add, as our answer has it.
fn gap(best: Best) -> I256 {
    I256::try_from(U256::from(best.gap())).unwrap_or(I256::MAX)
}

/// Tells all that is needed to see why a bound did not hold.
fn confess(at: usize, cycle: &Cycle, best: Best, peers: I256, peer_input: U256) {
    let by_us = u128::try_from(peer_input).ok().and_then(|input| cycle.path().forward(0, input));
    eprintln!(
        "BEYOND THE GAP: cycle {at}: {best:?}; the peer's input {peer_input} makes {peers}; by our quotes {by_us:?} out"
    );
    for hop in &cycle.hops {
        let mut segments = Vec::new();
        hop.ours.segments(hop.leg, |segment| {
            segments.push(segment);
            segments.len() < 4
        });
        eprintln!("    {}: {segments:?}", hop.ours.protocol());
    }
}

/// Rows of one set of cycles.
fn rows(table: &mut Table, what: &str, cycles: &[Cycle]) {
    for (how, effort) in [("usual effort", Effort::USUAL), ("quick", Effort::QUICK)] {
        let mut sizer = Sizer::default();
        let gate = GateDeps::offline();
        let mut tally = Tally::default();
        for (at, cycle) in cycles.iter().enumerate() {
            let ours = sizer.best(&cycle.path(), effort);
            let theirs = solve_path(&cycle.theirs, &gate).result;
            let peer_input = theirs.as_ref().map_or(U256::ZERO, |best| best.optimal_input);
            let made = ours.map_or(I256::ZERO, |best| cycle.profit(U256::from(best.amounts()[0])));
            let peers = theirs.as_ref().map_or(I256::ZERO, |best| cycle.profit(best.optimal_input));
            tally.wrong[0] += usize::from(ours.is_some_and(|best| I256::from_raw(U256::from(best.profit())) != made));
            tally.wrong[1] += usize::from(theirs.is_some_and(|best| I256::from_raw(best.profit) != peers));
            // No trade is always an answer.
            let (made, peers) = (made.max(I256::ZERO), peers.max(I256::ZERO));
            tally.add(made, peers);
            if let Some(best) = ours.filter(|best| peers - made > gap(*best)) {
                tally.broken += 1;
                confess(at, cycle, best, peers, peer_input);
            }
        }
        let times = clock::race(
            cycles.len(),
            20,
            |i| sizer.best(&black_box(&cycles[i]).path(), effort),
            |i| solve_path(black_box(&cycles[i].theirs), &gate),
        );
        table.row(format!("{what}, {how}"), PEER, times, tally.text());
    }
    if cycles.iter().all(|cycle| cycle.chain.is_some()) {
        bare(table, what, cycles);
    }
}

/// degenbot's closed form alone, without the gate and the bookkeeping round it.
fn bare(table: &mut Table, what: &str, cycles: &[Cycle]) {
    let (mut sizer, effort) = (Sizer::default(), Effort::QUICK);
    let mut tally = Tally::default();
    let solve = |cycle: &Cycle| exact_mobius_solve(cycle.chain.as_deref().unwrap_or_default()).ok();
    for cycle in cycles {
        let ours =
            sizer.best(&cycle.path(), effort).map_or(I256::ZERO, |best| cycle.profit(U256::from(best.amounts()[0])));
        let theirs = solve(cycle).map_or(I256::ZERO, |best| cycle.profit(best.optimal_input));
        tally.add(ours.max(I256::ZERO), theirs.max(I256::ZERO));
    }
    let times = clock::race(
        cycles.len(),
        20,
        |i| sizer.best(&black_box(&cycles[i]).path(), effort),
        |i| solve(black_box(&cycles[i])),
    );
    table.row(format!("{what}, quick, its closed form alone"), PEER, times, tally.text());
}

/// All rows.
pub fn race(table: &mut Table) {
    for (name, kind, lengths) in [("V2", Kind::V2, 2..=4), ("V2 and V3", Kind::Mixed, 2..=4), ("V3", Kind::V3, 2..=3)] {
        for count in lengths {
            let mut dice = Dice(count as u64 * 10 + kind as u64);
            let cycles: Vec<_> = (0..CYCLES).map(|_| Cycle::random(&mut dice, kind, count)).collect();
            rows(table, &format!("sizing, {count} hops, {name}"), &cycles);
        }
    }
    let mut dice = Dice(5);
    let cycles: Vec<_> = (0..CYCLES).map(|_| Cycle::random(&mut dice, Kind::Fine, 3)).collect();
    rows(table, "sizing, 3 hops, V2, all of 18 decimals", &cycles);
    let Some(pool) = v3::recorded() else { return };
    let mut dice = Dice(77);
    let cycles: Vec<_> = (0..CYCLES).map(|_| recorded(&mut dice, &pool)).collect();
    rows(table, "sizing, 2 hops, recorded V3 pool and V2", &cycles);
}

/// The recorded pool, and a constant product at another price to come back through.
fn recorded(dice: &mut Dice, pool: &peregrine::protocols::uniswap_v3::Pool) -> Cycle {
    let down = dice.share() < 0.5;
    let first = Twin::of_v3(pool.clone(), 60, down);
    let edge = 1.0 + 10f64.powf(dice.between(-3.5, -1.5));
    let rate = first.ours.marginal_rate(first.leg);
    let depth = 10f64.powf(dice.between(1.0, 4.0));
    // Units worth an ether, by the pool's own price; its second token is ether.
    let worth = if down { [1e18, 1e18 / rate] } else { [rate * 1e18, 1e18] };
    let back = Twin::v2(&Wish { tokens: [1, 0], worth, depth, skew: edge / 0.997 });
    Cycle::new(vec![first, back])
}
