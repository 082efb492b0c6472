//! Question: how long does `replay block` take over all recorded blocks, and what of it is the engine's?
//! Input: the 26 recorded mainnet blocks. `whole`: files to report lines, discovery of all pools included. `engine`: the
//! engine's own clock in the same runs (what-if, search and proofs of every transaction). That every block executes to
//! its header is the replay's own condition; that opportunities come out is asserted.

mod common;

use std::path::PathBuf;
use std::time::Duration;

use criterion::Criterion;
use peregrine::hot::search::config::Config;
use peregrine::replay::block::Options;
use peregrine::replay::block::Replayer;
use peregrine::replay::record;
use peregrine::replay::report::Line;

/// Replays all blocks as a fresh process would; the engine's time, and opportunities found.
fn replay(dirs: &[PathBuf]) -> (Duration, usize) {
    let mut replayer = Replayer::new(Options { strict: false, search: Config::patient() });
    let (mut engine, mut found) = (Duration::ZERO, 0);
    for line in dirs.iter().flat_map(|dir| replayer.block(dir).expect("recorded blocks execute")) {
        let Line::Summary(block) = line else { continue };
        let spent = block.elapsed_us;
        engine += Duration::from_micros(spent.execute + spent.search + spent.simulate);
        found += block.opportunities;
    }
    (engine, found)
}

fn main() {
    let mut c: Criterion = common::criterion().sample_size(10).measurement_time(Duration::from_secs(8));
    if let Some(folder) = common::inputs::mainnet("blocks") {
        let dirs = record::find(&[folder]).expect("records");
        let (_, found) = replay(&dirs);
        assert!(found > 0, "opportunities are found");
        println!("replay: {} blocks, {found} opportunities", dirs.len());
        c.bench_function("replay/whole", |b| b.iter(|| replay(&dirs)));
        c.bench_function("replay/engine", |b| {
            b.iter_custom(|times| (0..times).map(|_| replay(&dirs).0).sum());
        });
    }
    c.final_summary();
}
