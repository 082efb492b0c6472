//! The real program, killed by SIGKILL in the middle of its work, and started again on the same ledger.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use alloy_primitives::B256;
use peregrine::config::Config;
use peregrine::edge::chain::Chain;
use peregrine::edge::ledger::row::Outcome;
use peregrine::live::{How, session, start};
use peregrine::types::secret::Place;
use peregrine_devnet::block_builder::{Entry, Fate};
use peregrine_devnet::world::{Options, World};
use tokio::process::{Child, Command};

use crate::rig::{self, until};
use crate::truth;

/// What `peregrine run` reads. Addresses are this host's, and keys lie in files.
pub fn config(world: &World, folder: &Path, spin: bool) -> PathBuf {
    let path = |place: Place| match place {
        Place::File(path) => path.display().to_string(),
        other => panic!("{other:?}"),
    };
    let owner = path(rig::key(folder, "owner", &world.devnet.owner));
    let identity = path(rig::key(folder, "identity", &world.identity));
    let (ws, http, relay) = (world.node_ws(), world.node_http(), world.builder_url());
    let ledger = folder.join("ledger");
    let mut text = format!(
        "[chain]\nid = 1\nhardfork = 'prague'\nslot_seconds = 1\n[[node]]\nname = 'a'\nws = '{ws}'\nhttp = '{http}'\n\
         [executor]\naddress = '{}'\nowner = '{owner}'\nidentity = '{identity}'\n\
         [[relay]]\nname = 'b'\nurl = '{relay}'\ndialect = 'flashbots'\nsign = true\n[record]\nledger = '{}'\n\
         [threads]\nspin = {spin}\n",
        world.devnet.executor,
        ledger.display(),
    );
    for row in session::factories(&world.devnet.contracts) {
        let (name, protocol, address) = (row.name, row.protocol, row.address);
        write!(text, "[[factory]]\nname = '{name}'\nprotocol = '{protocol}'\naddress = '{address}'\nfrom_block = 0\n")
            .unwrap();
    }
    let config = folder.join("peregrine.toml");
    std::fs::write(&config, text).unwrap();
    config
}

fn run(config: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_peregrine"))
        .args(["run", "--live", "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

pub fn ours(world: &World) -> Vec<Entry> {
    let signer = Some(world.identity.address());
    world.verdicts().into_iter().filter(|entry| entry.signer == signer).collect()
}

pub fn has_landed(entry: &Entry) -> bool {
    matches!(entry.fate, Fate::Landed { .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_it_sends_nothing_twice_and_every_bundle_has_an_outcome_at_last() {
    let missing = killed(90, false).await;
    println!("{missing} bundles of {KILLS} kills have no row");
}

/// No disk stands before a send, whether threads spin or not: a kill between a send and its row loses the row of what was being
/// sent, and the lease alone keeps the next run from sending it again. What is held is that nothing is sent twice, and that
/// every row ends as the builder has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_thread_spins_it_sends_nothing_twice_and_settles_all_that_is_written_down() {
    let missing = killed(91, true).await;
    println!("{missing} bundles of {KILLS} kills have no row");
}

/// How often it is killed.
const KILLS: usize = 3;

/// Kills it so often; how many bundles reached the builder that are not in the ledger.
async fn killed(seed: u64, spin: bool) -> usize {
    let _alone = rig::alone().await;
    let folder = tempfile::tempdir().unwrap();
    let options = Options { seed, slot: Duration::from_secs(1), per_second: 25.0, ..Options::default() };
    let world = World::start(options).await.unwrap_or_else(|error| panic!("{error}"));
    let path = config(&world, folder.path(), spin);
    let mut kills = Vec::new();
    for round in 0..KILLS {
        let (before, mut child) = (ours(&world).len(), run(&path));
        until("bundles, one of them waiting for its block", async || {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            let now = ours(&world);
            let new = now.get(before..).unwrap_or_default();
            new.len() > round && new.iter().any(|entry| entry.fate == Fate::Waiting)
        })
        .await;
        // SIGKILL.
        child.kill().await.unwrap();
        kills.push(ours(&world).len() - before);
    }
    let searcher = start(&Config::read(&path).unwrap(), How::Loopback, 0, &mut |_| ()).await.unwrap();
    let open = searcher.ledger().open_bundles().unwrap().len();
    let first = ours(&world).len();
    until("a bundle of the last run landed", async || ours(&world).iter().skip(first).any(has_landed)).await;
    let chain = Chain::new(&world.node_http(), rig::PATIENCE).unwrap();
    let seen = searcher.look().await;
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.pools.iter().all(|(_, out)| !*out)));
    let compared = truth::views(&chain, &seen).await;
    assert_eq!(searcher.wind_down(rig::PATIENCE).await, 0, "every bundle has an outcome");

    let rows = searcher.ledger().all().unwrap();
    let keys: BTreeSet<_> = rows.iter().map(|row| (row.bundle.target, row.bundle.opportunity)).collect();
    assert_eq!(keys.len(), rows.len(), "an opportunity was taken twice");
    let sent: BTreeSet<Vec<B256>> = ours(&world).into_iter().map(|entry| entry.txs).collect();
    assert_eq!(sent.len(), ours(&world).len(), "a bundle was sent twice");
    let known: BTreeSet<Vec<B256>> = rows.iter().map(|row| row.bundle.txs.clone()).collect();
    let missing: BTreeSet<_> = sent.difference(&known).cloned().collect();
    let landed = |row: &&peregrine::edge::ledger::row::Row| matches!(row.outcome, Some(Outcome::Landed { .. }));
    let by_ledger: BTreeSet<_> = rows.iter().filter(landed).map(|row| row.bundle.txs.clone()).collect();
    let by_builder = ours(&world).into_iter().filter(has_landed).map(|entry| entry.txs);
    let by_builder: BTreeSet<_> = by_builder.filter(|txs| !missing.contains(txs)).collect();
    assert_eq!(by_ledger, by_builder);
    assert_eq!(searcher.ledger().totals().unwrap(), searcher.ledger().recount().unwrap());
    assert_eq!(searcher.ledger().totals().unwrap().mismatched, 0);
    println!(
        "bundles before each kill: {kills:?}; {open} found open; {} in the ledger, {} landed; {compared} numbers compared",
        rows.len(),
        by_ledger.len()
    );
    searcher.stop().await;
    world.stop().await;
    missing.len()
}
