//! Question: how long from a log to ranked candidates, when 100 to 100,000 cycles run through the pool it moved?
//! Input: made, not recorded, so that the counts are exact: a multigraph of four tokens whose moved pool lies on that many
//! directed cycles of 2 to 4 hops, scattered among 3,000 pools that are not on them. Seeded. A Sync log moves one pool by
//! as much as lets about one cycle in a hundred pass the screen. All of it is asserted. `asked` is the first look as it would
//! be without arrays of rates, each pool asked for each cycle; `screen` is the first look alone; `quick` and `usual` are
//! all of it, every cycle that passes sized, with `Effort::QUICK` and `Effort::USUAL`. An engine asks for the best
//! few alone: `best_three`; `traced` is what that takes until the first of them is sized.
//!
//! `hub` is the worst case: 100,000 cycles through the moved pool, and a move so large that nearly all of those in one
//! direction pass the screen. `bounded` is what the default budget makes of it; `unbounded`, all of them sized, is timed once.

mod common;

use std::hint::black_box;

use common::world::HUB;
use common::world::SHAPES;
use common::world::SYNC;
use common::world::Shape;
use common::world::sync;
use common::world::token;
use common::world::world;
use criterion::Criterion;
use peregrine::hot::search::Counts;
use peregrine::hot::search::Search;
use peregrine::hot::search::candidate::Candidate;
use peregrine::hot::search::config::Config;
use peregrine::hot::search::cycles::CycleId;
use peregrine::hot::search::cycles::Cycles;
use peregrine::hot::search::screen::MARGIN;
use peregrine::hot::search::screen::Screen;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::state::pools::EdgeId;
use peregrine::hot::state::pools::Pools;
use peregrine::hot::state::view::Overlay;
use peregrine::hot::state::view::View;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::types::id::PoolId;

/// Everything from log to candidates.
struct Stage {
    pools: Pools<AnyPool>,
    overlay: Overlay<AnyPool>,
    search: Search,
    found: Vec<Candidate>,
    moved: PoolId,
}

impl Stage {
    fn event(&mut self, data: &[u8]) -> Counts {
        self.overlay.clear();
        self.overlay
            .edit(&self.pools, self.moved, |pool| pool.apply_log(pool.address(), &[SYNC], data))
            .expect("a Sync log");
        self.found.clear();
        self.search.candidates(&self.overlay.over(&self.pools), Some(&[self.moved]), &mut self.found)
    }
}

impl Stage {
    /// As [`Stage::event`], as far as the best few.
    fn first(&mut self, data: &[u8], most: usize) -> usize {
        self.overlay.clear();
        self.overlay
            .edit(&self.pools, self.moved, |pool| pool.apply_log(pool.address(), &[SYNC], data))
            .expect("a Sync log");
        let view = self.overlay.over(&self.pools);
        self.search.begin(&view, Some(&[self.moved]), &|| true);
        (0..most).filter_map(|_| self.search.next(&view, None, &|| true)).count()
    }
}

/// A stage that sizes with this effort.
fn stage(shape: &Shape, effort: Effort) -> Stage {
    let (pools, moved) = world(shape);
    let base = pools.find_token(token(0)).expect("in the table");
    let mut search = Search::new(&[base], Config::default().max_hops, effort);
    search.extend(&pools);
    Stage { pools, overlay: Overlay::default(), search, found: Vec::new(), moved }
}

fn passed(counts: Counts) -> u64 {
    counts.screened.looked - counts.screened.rejected
}

/// The first look without arrays of rates: how many cycles pass.
fn asked(cycles: &Cycles, view: &impl View<Pool = AnyPool>, moved: PoolId) -> usize {
    let rate = |edge: &EdgeId| {
        let edge = view.tables().edge(*edge);
        view.pool(edge.pool).marginal_rate(edge.leg)
    };
    let passes = |id: &&CycleId| cycles.hops(**id).iter().map(rate).product::<f64>() >= 1.0 - MARGIN;
    cycles.through(moved).iter().filter(passes).count()
}

/// The worst case: within the default budget, and without one.
fn hub(c: &mut Criterion) {
    let mut stage = stage(&HUB, Config::default().effort());
    let data = sync(&stage.pools, stage.moved, 0.2);
    let started = std::time::Instant::now();
    let all = stage.event(&data);
    let unbounded = started.elapsed();
    assert_eq!(all.screened.looked, HUB.cycles, "exactly that many cycles are touched");
    assert!(passed(all) * 3 >= HUB.cycles, "a great part of them passes: {all:?}");
    let best = stage.found[0].value();
    println!("event_to_candidates/hub/unbounded: {unbounded:?}, best {best:?}: {all:?}");
    stage.search = stage.search.within(Config::default().budget());
    let counts = stage.event(&data);
    println!("event_to_candidates/hub/bounded: best {:?}: {counts:?}", stage.found[0].value());
    assert!(counts.left > 0 && counts.left + counts.flat + counts.candidates == passed(counts), "all are counted");
    c.bench_function("event_to_candidates/hub/bounded", |b| b.iter(|| stage.event(black_box(&data))));
}

fn measure(c: &mut Criterion, shape: &Shape) {
    let Shape { cycles, .. } = *shape;
    let mut stage = stage(shape, Effort::QUICK);
    // The smallest move, in steps of a ten-thousandth, that lets one in a hundred pass.
    let steps: Vec<_> = (1..1_000).map(|step| sync(&stage.pools, stage.moved, f64::from(step) * 1e-4)).collect();
    let data = steps.iter().find(|data| passed(stage.event(*data)) * 100 >= cycles).expect("a move lets some pass");
    let counts = stage.event(data);
    assert_eq!(counts.screened.looked, cycles, "exactly that many cycles are touched");
    assert!(counts.candidates > 0 && passed(counts) * 50 <= cycles, "some survive, and not many");
    println!("event_to_candidates/{cycles}: {counts:?} of {} cycles", stage.search.cycles().len());

    let mut screen = Screen::default();
    let Stage { pools, overlay, search, moved, .. } = &mut stage;
    c.bench_function(&format!("event_to_candidates/{cycles}/asked"), |b| {
        b.iter(|| asked(search.cycles(), &overlay.over(pools), *moved));
    });
    c.bench_function(&format!("event_to_candidates/{cycles}/screen"), |b| {
        b.iter(|| screen.run(search.cycles(), &overlay.over(pools), Some(&[*moved]), u64::MAX, &|| true));
    });
    c.bench_function(&format!("event_to_candidates/{cycles}/quick"), |b| b.iter(|| stage.event(black_box(data))));
    let mut stage = self::stage(shape, Effort::USUAL);
    c.bench_function(&format!("event_to_candidates/{cycles}/usual"), |b| b.iter(|| stage.event(black_box(data))));
    let mut stage = self::stage(shape, Config::default().effort());
    c.bench_function(&format!("event_to_candidates/{cycles}/traced"), |b| b.iter(|| stage.first(black_box(data), 0)));
    c.bench_function(&format!("event_to_candidates/{cycles}/best_three"), |b| {
        b.iter(|| stage.first(black_box(data), 3))
    });
}

fn main() {
    let mut c = common::criterion();
    for shape in &SHAPES {
        measure(&mut c, shape);
    }
    hub(&mut c);
    c.final_summary();
}
