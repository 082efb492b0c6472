//! Question: what grows with what? The time of a search with the cycles it touches and with the pools that are known (with
//! those it must not), memory with pools and cycles, throughput with workers.
//! Input: the made worlds of `event_to_candidates`, seeded: a Sync log moves a pool by as much as lets one cycle in a hundred
//! pass the screen, and the best three of the cycles through it are looked for within the default effort and budget.
//! Counts are asserted.
//! Medians; memory by a counting allocator.
//!
//! A harness of its own: one process prints all of it, as a table of the README.

#[path = "common/dice.rs"]
mod dice;
#[path = "common/world.rs"]
mod world;

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use peregrine::hot::search::candidate::Candidate;
use peregrine::hot::search::config::Config;
use peregrine::hot::search::screen::Screen;
use peregrine::hot::search::{Counts, Search};
use peregrine::hot::state::pools::Pools;
use peregrine::hot::state::view::Overlay;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::types::id::PoolId;
use world::Shape;

/// Bytes held.
static HELD: AtomicI64 = AtomicI64::new(0);

/// What the program runs with, counting.
struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait; every call goes on unchanged")]
// SAFETY: both methods pass their arguments to mimalloc as they came, and return what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as i64, Ordering::Relaxed);
        unsafe { mimalloc::MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        unsafe { mimalloc::MiMalloc.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Touched cycles of the first table.
const TOUCHED: [Shape; 5] = [
    Shape { cycles: 10, parallel: 3, sides: 1, bridges: 0 },
    world::SHAPES[0],
    world::SHAPES[1],
    world::SHAPES[2],
    world::HUB,
];
/// Known pools of the second.
const KNOWN: [usize; 5] = [1_000, 3_000, 10_000, 30_000, 120_000];
/// Longest look at one cell.
const LOOK: Duration = Duration::from_millis(800);

struct Stage {
    pools: Pools<AnyPool>,
    overlay: Overlay<AnyPool>,
    search: Search,
    screen: Screen,
    found: Vec<Candidate>,
    moved: PoolId,
    data: [u8; 64],
}

impl Stage {
    fn new(shape: &Shape, ballast: usize) -> Self {
        let (pools, moved) = world::among(shape, ballast);
        let base = pools.find_token(world::token(0)).expect("in the table");
        let config = Config::default();
        let mut search = Search::new(&[base], config.max_hops, config.effort()).within(config.budget());
        search.extend(&pools);
        let (overlay, screen) = (Overlay::default(), Screen::default());
        let mut stage = Self { pools, overlay, search, screen, found: Vec::new(), moved, data: [0; 64] };
        let passing = |stage: &mut Self, step: u32| {
            stage.data = world::sync(&stage.pools, moved, f64::from(step) * 1e-4);
            stage.screen();
            stage.screen.passed().len() as u64 * 100 >= shape.cycles
        };
        assert!((1..1_000).any(|step| passing(&mut stage, step)), "a move lets some pass");
        stage
    }

    fn lay(&mut self) {
        self.overlay.clear();
        let data = black_box(&self.data);
        self.overlay
            .edit(&self.pools, self.moved, |pool| pool.apply_log(pool.address(), &[world::SYNC], data))
            .expect("a Sync log");
    }

    /// As an engine asks: for the best three.
    fn event(&mut self) -> Counts {
        self.lay();
        let view = self.overlay.over(&self.pools);
        self.search.begin(&view, Some(&[self.moved]), &|| true);
        self.found.clear();
        self.found.extend((0..3).map_while(|_| self.search.next(&view, None, &|| true)));
        *self.search.counts()
    }

    fn screen(&mut self) -> u64 {
        self.lay();
        let view = self.overlay.over(&self.pools);
        self.screen.run(self.search.cycles(), &view, Some(&[self.moved]), u64::MAX, &|| true).looked
    }
}

/// The median time of `work`, in ns.
fn median(mut work: impl FnMut()) -> f64 {
    work();
    let (mut times, began) = (Vec::new(), Instant::now());
    while began.elapsed() < LOOK || times.len() < 5 {
        let start = Instant::now();
        work();
        times.push(start.elapsed().as_nanos() as f64);
    }
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.1} us", ns / 1e3),
        ns => format!("{:.2} ms", ns / 1e6),
    }
}

fn row(stage: &mut Stage, of: usize, cycles: u64) {
    let counts = stage.event();
    assert_eq!(counts.screened.looked, cycles, "exactly that many cycles are touched");
    let passed = cycles - counts.screened.rejected;
    let screen = median(|| assert_eq!(stage.screen(), cycles));
    let event = median(|| {
        black_box(stage.event());
    });
    let left = counts.left;
    println!("| {of} | {cycles} | {passed} | {} | {} | {left} |", time(screen), time(event));
}

fn searches() {
    println!(
        "\n| pools known | cycles touched | pass the screen | lay over and screen | ... and find the best three | left, for want of budget |"
    );
    println!("|--:|--:|--:|--:|--:|--:|");
    for shape in &TOUCHED {
        row(&mut Stage::new(shape, world::BALLAST), world::BALLAST, shape.cycles);
    }
    for known in KNOWN {
        row(&mut Stage::new(&world::SHAPES[1], known), known, world::SHAPES[1].cycles);
    }
}

fn memory() {
    println!("\n| | count | bytes each |\n|---|--:|--:|");
    let held = || HELD.load(Ordering::Relaxed);
    let before = held();
    let (pools, _) = world::among(&world::SHAPES[0], KNOWN[4]);
    println!(
        "| pool, V2: state, two edges, token, indices | {} | {} |",
        pools.len(),
        (held() - before) / pools.len() as i64
    );
    let before = held();
    let mut search = Search::new(&[], 4, Config::default().effort());
    search.extend(&pools);
    println!("| ... in the graph of a search | {} | {} |", pools.len(), (held() - before) / pools.len() as i64);
    drop((pools, search));
    let before = held();
    let stage = Stage::new(&world::HUB, 0);
    let cycles = stage.search.cycles().len();
    println!(
        "| cycle, of 2 to 4 hops: its row, and a place at each of its pools | {cycles} | {} |",
        (held() - before) / cycles as i64
    );
}

/// Events a second that so many workers make, each with all of its own.
fn throughput(workers: usize) -> f64 {
    let (ready, go, ended) = (Barrier::new(workers + 1), AtomicBool::new(true), AtomicU64::new(0));
    let work = || {
        let mut stage = Stage::new(&world::SHAPES[1], world::BALLAST);
        stage.event();
        ready.wait();
        while go.load(Ordering::Relaxed) {
            black_box(stage.event());
            ended.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        (0..workers).for_each(|_| drop(scope.spawn(work)));
        ready.wait();
        let began = Instant::now();
        // Nothing else to do: this thread is not one of the workers.
        std::thread::park_timeout(2 * LOOK);
        go.store(false, Ordering::Relaxed);
        ended.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
    })
}

fn main() {
    searches();
    memory();
    println!("\n| workers | events a second, 1,000 cycles touched | of one worker's |\n|--:|--:|--:|");
    let one = throughput(1);
    for workers in 1..=std::thread::available_parallelism().map_or(1, usize::from) {
        let events = if workers == 1 { one } else { throughput(workers) };
        println!("| {workers} | {events:.0} | {:.2}x |", events / one);
    }
}
