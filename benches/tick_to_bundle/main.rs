//! How long from a notification's first byte to the whole bundle at a relay? Over loopback sockets, the product and the usual
//! pipeline on the same frames, pools and targets, interleaved in one run.
//!
//! ```text
//! fake node --frame--> product (spin | share) or peer --POST--> fake relay      one clock, in this thread
//! ```
//! - `spin`: `threads.spin`, the worker I/O in line, as configured by default; `spin_evm`: without maths first; [`Path`] has them all.
//!   `share`: the same searcher on tokio's tasks. `peer`: see [`peer`].
//! - The world is the devnet's: real contracts in anvil, which answers requests and mines nothing. Its state is loaded as
//!   always; a tiny one is what targets and proofs read of it, the other holds 6,000 of its slots.
//! - A frame's time runs from when it was *due*, not from when it could be written (no coordinated omission).
//! - A canary says what the host itself takes from a thread that spins: [`canary`].
//! - The worker I/O's own socket gets a frame first; the edge's slower one, when the bundle has come.
//!
//! Writes `target/bench/tick_to_bundle.json`. `TICK_EVENTS` sets the events of a round, `TICK_ROUNDS` the rounds. With `TICK_POOLS` the
//! product is run again with so many pools more: see [`crowd`].

mod canary;
mod crowd;
mod drive;
mod floor;
mod node;
mod peer;
mod report;
mod world;

use std::time::Duration;

use canary::Canary;
use drive::{Plan, Sample};
use node::{Node, Relay};
use peregrine::hot::rt;
use peregrine::live::session;
use report::Run;
use tokio::runtime::Runtime;
use world::{Runner, State, World};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// The worker I/O of a spinning thread, as configured by default: known pools by maths, nonces prepared for the identity key.
    Spin,
    /// ... and for the owner's as well.
    SpinKnown,
    /// By the EVM alone, nonces prepared for the identity key.
    SpinEvm,
    /// By the EVM alone, without nonces prepared ahead.
    SpinPlain,
    /// The same searcher on tokio's tasks.
    Share,
    /// The usual pipeline.
    Peer,
}

impl Path {
    /// All of them, in the order of a round.
    pub const ALL: [Self; 6] = [Self::Spin, Self::SpinKnown, Self::SpinEvm, Self::SpinPlain, Self::Share, Self::Peer];

    /// As the file has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::SpinKnown => "spin_known",
            Self::SpinEvm => "spin_evm",
            Self::SpinPlain => "spin_plain",
            Self::Share => "share",
            Self::Peer => "peer",
        }
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// On a thread of the first core; the hot thread takes the last. Not this thread itself: whoever it starts would inherit
/// the place.
fn pinned<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let run = || {
            core_affinity::set_for_current(core_affinity::CoreId { id: 0 });
            work()
        };
        scope.spawn(run).join().expect("a drive")
    })
}

/// As `peregrine run` starts it: all that is not hot is off the hot thread's core.
fn spinning(world: &World, path: Path, state: &State) -> (Option<Runtime>, Runner) {
    std::thread::scope(|scope| {
        let run = || {
            let apart = session::edge(&[&rt::Config { spin: true, ..rt::Config::default() }]).expect("a runtime");
            let runner = world.run(&apart, path, state);
            (Some(apart), runner)
        };
        scope.spawn(run).join().expect("a searcher")
    })
}

fn main() {
    let (events, rounds) = (number("TICK_EVENTS", 400), number("TICK_ROUNDS", 3));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut node = Node::start();
    let mut relay = Relay::start();
    let world = runtime.block_on(World::start(&node.url(), &relay.url()));
    let (mut runs, mut floors) = (Vec::new(), Vec::new());
    let (mut told, mut canary) = (Vec::new(), Canary::new());
    let crowd = number("TICK_POOLS", 0);
    let (tiny, crowded) = (world.state(0).slots, (crowd > 0).then_some((0, crowd as u64)));
    for (slots, pools) in [(0, 0), (6_000, 0)].into_iter().chain(crowded) {
        let state = crowd::with(world.state(slots), pools);
        println!(
            "\n{} slots of state, {} victims, {rounds} rounds of {events} events a path",
            state.slots,
            world.targets.len()
        );
        let mut samples: Vec<(Path, &str, Vec<Sample>)> = Vec::new();
        for round in 0..rounds {
            // The usual pipeline looks at all pools it knows: it is not what is asked there.
            for path in Path::ALL.into_iter().filter(|path| pools == 0 || *path != Path::Peer) {
                let (apart, runner) = match path {
                    Path::Share | Path::Peer => (None, world.run(&runtime, path, &state)),
                    _ => spinning(&world, path, &state),
                };
                let runtime = apart.as_ref().unwrap_or(&runtime);
                for (mode, plan) in [
                    ("idle", Plan { gap: Duration::from_millis(4), burst: 1 }),
                    ("burst", Plan { gap: Duration::from_millis(40), burst: 10 }),
                ] {
                    let targets = world.fresh(events);
                    let new = pinned(|| drive::drive((&mut node, &mut relay), path, &targets, plan));
                    told.extend(drive::opportunities(&new, &targets, path));
                    match samples.iter_mut().find(|(of, in_mode, _)| (*of, *in_mode) == (path, mode)) {
                        Some((_, _, all)) => all.extend(new),
                        None => samples.push((path, mode, new)),
                    }
                }
                runtime.block_on(runner.stop());
                node.forget();
                canary.listen();
                eprintln!("round {round}: {} done", path.name());
            }
        }
        runs.extend(samples.iter().map(|(path, mode, samples)| Run::of(*path, mode, state.slots, samples)));
        let floor = floor::measure(&world, &state);
        report::print(&runs, state.slots, &floor, &canary);
        if pools > 0 {
            report::against(&runs, tiny, state.slots);
        }
        floors.push((state.slots, floor));
    }
    drive::compare(&told);
    report::write(&runs, &floors, &canary);
}
