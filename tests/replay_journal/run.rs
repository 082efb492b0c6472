//! A short run of the searcher in a world of its own, journalled.

use std::path::Path;
use std::time::Duration;

use peregrine::config::Config;
use peregrine::live::{self, How, session};
use peregrine::metrics::count::Counter;
use peregrine_devnet::world::{Options, World};

/// Of the world and of the searcher.
pub const SEED: u64 = 3;
/// Until so many bundles were decided on, and so many blocks seen.
const BUNDLES: u64 = 6;
const BLOCKS: u64 = 4;
/// Longest run.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(world: &World, folder: &Path) -> Config {
    let mut config = session::in_world(world, folder).expect("keys are written");
    config.threads.hot = 2;
    config.record.ledger = folder.join("ledger");
    config.record.journal = Some(folder.join("journal"));
    config
}

/// The journal's bytes, and the owner's key in hex.
#[allow(dead_code, reason = "each test binary uses its own part")]
pub fn run() -> (Vec<u8>, String) {
    let enough = |built: &dyn Fn(Counter) -> u64, seen| built(Counter::Built) >= BUNDLES && seen >= BLOCKS;
    run_until(SEED, |_| (), PATIENCE, enough)
}

/// As [`run`], of another seed and with a changed configuration, until the counters and the number of blocks are enough.
pub fn run_until(
    seed: u64,
    change: impl FnOnce(&mut Config),
    patience: Duration,
    enough: impl Fn(&dyn Fn(Counter) -> u64, u64) -> bool,
) -> (Vec<u8>, String) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tokio");
    runtime.block_on(async {
        let options = Options { seed, slot: Duration::from_secs(1), per_second: 25.0, ..Options::default() };
        let world = World::start(options).await.unwrap_or_else(|error| panic!("{error}"));
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = config(&world, folder.path());
        change(&mut config);
        let mut blocks = world.blocks();
        blocks.recv().await.expect("a block");
        let searcher = live::start(&config, How::Loopback, seed, &mut |_| ()).await.unwrap_or_else(|e| panic!("{e:#}"));
        let deadline = tokio::time::Instant::now() + patience;
        let mut seen = 0;
        while !enough(&|counter| searcher.meters().count(counter), seen) {
            assert!(tokio::time::Instant::now() < deadline, "too little has happened");
            blocks.recv().await.expect("a block");
            seen += 1;
        }
        searcher.stop().await;
        let owner = format!("{:x}", world.devnet.owner.secret());
        world.stop().await;
        (std::fs::read(folder.path().join("journal")).expect("a journal"), owner)
    })
}
