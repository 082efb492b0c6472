//! The real program, whose disk fills up in the middle of its work and is emptied again: ledger, journal and facts at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use peregrine::edge::ledger::Ledger;
use peregrine_devnet::world::{Options, World};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

use crate::restart::{has_landed, ours};
use crate::rig::{self, until};
use crate::run::Run;

/// How often the disk fills up.
const ROUNDS: usize = 2;

/// How a child's disk is filled.
enum Disk {
    /// None of its files may grow beyond a page.
    Limit(Pid),
    /// A file system of its own.
    Mounted(PathBuf),
}

impl Disk {
    /// To the last byte, once more where room has come back: what was written in part and failed is cut off again.
    fn fill(&self) {
        use std::io::Write;
        match self {
            Self::Limit(child) => limit(*child, Some(4_096)),
            Self::Mounted(folder) => {
                let mut file = std::fs::File::options().create(true).append(true).open(folder.join("fill")).unwrap();
                for bytes in [vec![1; 1 << 16], vec![1; 1]] {
                    while file.write_all(&bytes).is_ok() {}
                }
            }
        }
    }

    fn make_room(&self) {
        match self {
            Self::Limit(child) => limit(*child, None),
            Self::Mounted(folder) => std::fs::remove_file(folder.join("fill")).unwrap(),
        }
    }
}

fn limit(child: Pid, current: Option<u64>) {
    prlimit(Some(child), Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
}

/// Fills the disk, looks, and empties it.
async fn fill_up(run: &mut Run, world: &World, disk: &Disk) {
    let before = ours(world).len();
    until("bundles", async || {
        run.is_running();
        ours(world).len() > before + 3
    })
    .await;
    let held = |status: &Value| status["counters"]["peregrine_bundles_unwritten_total"].as_u64().unwrap_or_default();
    let reloads = |status: &Value| status["counters"]["peregrine_reloads_total"].as_u64().unwrap_or_default();
    let blocks = |status: &Value| status["blocks"].as_u64().unwrap_or_default();
    let standing = run.status().await;
    let (held_before, reloads_before) = (held(&standing), reloads(&standing));
    until("it says that it does not write", async || {
        disk.fill();
        let status = run.status().await;
        ["ledger", "journal"].iter().all(|file| status[file]["writes"] == false && status[file]["why"].is_string())
    })
    .await;
    disk.fill();
    let page = run.get("metrics").await.unwrap();
    assert!(page.contains("peregrine_file_writes{file=\"ledger\"} 0"), "{page}");
    // What was on its way when it was found out.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let sent = ours(world).len();
    until("bundles held back", async || held(&run.status().await) > held_before + 3).await;
    assert_eq!(ours(world).len(), sent, "nothing is sent without a ledger");
    disk.make_room();
    until("it writes again", async || {
        let status = run.status().await;
        ["ledger", "journal", "facts"].iter().all(|file| status[file]["writes"] == true)
    })
    .await;
    // Only then does the gap end: a disk that is full again before that makes one gap of two.
    until("the state is loaded anew, and a bundle sent again has landed", async || {
        run.is_running();
        reloads(&run.status().await) > reloads_before && ours(world).iter().skip(sent).any(has_landed)
    })
    .await;
    // It is counted when it begins; blocks are followed when it is done.
    let begun = blocks(&run.status().await);
    until("two blocks behind the reload", async || blocks(&run.status().await) >= begun + 2).await;
}

async fn full(seed: u64, spin: bool, mounted: Option<&Path>) {
    let _alone = rig::alone().await;
    let folder = tempfile::tempdir().unwrap();
    let options = Options { seed, slot: Duration::from_secs(1), per_second: 25.0, ..Options::default() };
    let world = World::start(options).await.unwrap_or_else(|error| panic!("{error}"));
    let records = mounted.unwrap_or(folder.path());
    let mut run = Run::start(&world, (folder.path(), spin), "", |text| {
        let ledger = folder.path().join("ledger").display().to_string();
        let [kept, journal, facts] =
            ["ledger", "journal", "facts"].map(|name| records.join(name).display().to_string());
        let text = text.replace(&ledger, &kept);
        text.replace("[record]\n", &format!("[record]\njournal = '{journal}'\nfacts = '{facts}'\n"))
    });
    let child = run.pid();
    let disk = mounted.map_or(Disk::Limit(child), |folder| Disk::Mounted(folder.to_path_buf()));
    for _ in 0..ROUNDS {
        fill_up(&mut run, &world, &disk).await;
    }
    let status = run.status().await;
    run.end().await;

    let said = run.said();
    for file in ["ledger", "journal"] {
        let count = |what: &str| said.lines().filter(|line| line.contains(&format!("the {file} is {what}"))).count();
        assert_eq!((count("not written"), count("written again")), (ROUNDS, ROUNDS), "said once each: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    let ledger = Ledger::open(&records.join("ledger")).unwrap();
    let rows = ledger.all().unwrap();
    let known: BTreeSet<_> = rows.iter().map(|row| row.bundle.txs.clone()).collect();
    let sent: BTreeSet<_> = ours(&world).into_iter().map(|entry| entry.txs).collect();
    assert_eq!(sent.len(), ours(&world).len(), "a bundle was sent twice");
    assert!(sent.is_subset(&known), "{} bundles that went out have no row", sent.difference(&known).count());
    assert_eq!(ledger.totals().unwrap(), ledger.recount().unwrap());
    assert_eq!(ledger.totals().unwrap().mismatched, 0);
    replays(&records.join("journal"), status["journal"]["lost"].as_u64().unwrap());
    println!("{} rows, {} sent, {}", rows.len(), sent.len(), status["journal"]);
    world.stop().await;
}

/// Every decision before and behind the gaps comes out, and they are told.
fn replays(journal: &Path, lost: u64) {
    let lines = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_peregrine"))
        .args(["replay", "journal"])
        .arg(journal)
        .arg("--json")
        .arg(lines.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let text = std::fs::read_to_string(lines.path()).unwrap();
    let summary: Value = serde_json::from_str(text.lines().last().unwrap_or_else(|| panic!("{said}"))).unwrap();
    assert!(lost > 0 && said.contains("are missing") && output.status.code() == Some(1), "{said}");
    assert!(summary["difference"].is_null() && summary["torn_at"].is_null(), "{summary}");
    let (gaps, resumed) = (summary["gaps"].as_u64().unwrap(), summary["resumed"].as_u64().unwrap());
    assert!(gaps >= ROUNDS as u64 && resumed == gaps && summary["decisions"].as_u64().unwrap() > 20, "{summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_sending_until_there_is_room_and_says_both() {
    full(140, false, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_file_system_stops_a_spinning_thread_too() {
    let mounted = tempfile::tempdir().unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(mounted.path()).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        println!(
            "SKIPPED: a file system that is full, for want of the right to mount one; a limit of sizes is tried beside"
        );
        return full(141, true, None).await;
    }
    full(141, true, Some(mounted.path())).await;
    assert!(Command::new("umount").arg(mounted.path()).status().unwrap().success());
}
