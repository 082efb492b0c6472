//! What is written while a searcher runs, on a disk that takes nothing: ledger, journal and facts. Each in a process of its own,
//! once under a limit of files' sizes, which always works, and once on a file system that is full, where one may be mounted.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use peregrine::edge::disk::Writes;
use peregrine::edge::ledger::Ledger;
use peregrine::edge::ledger::LedgerError;
use peregrine::edge::record::format::{End, FrameKind, Reader};
use peregrine::edge::record::{Clock, Writer};
use peregrine::edge::sink::lines::Lines;
use peregrine::edge::sink::{Fact, Sink};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::bundle;

/// Set, this binary is the child: what it writes, and where.
const CHILD: &str = "PEREGRINE_DISK_CHILD";
/// Longest wait for a file to be written again.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the disk fills up.
const ROUNDS: u64 = 3;

/// A disk that can be filled.
enum Disk {
    /// No file may grow beyond a page.
    Limit(PathBuf),
    /// A file system of its own.
    Mounted(PathBuf),
}

impl Disk {
    fn folder(&self) -> &Path {
        let (Self::Limit(folder) | Self::Mounted(folder)) = self;
        folder
    }

    fn fill(&self) {
        match self {
            Self::Limit(_) => limit(Some(4_096)),
            Self::Mounted(folder) => {
                let mut file = File::options().append(true).create(true).open(folder.join("fill")).unwrap();
                // To the last byte.
                for bytes in [vec![1; 1 << 16], vec![1; 1]] {
                    while file.write_all(&bytes).is_ok() {}
                }
            }
        }
    }

    fn make_room(&self) {
        match self {
            Self::Limit(_) => limit(None),
            Self::Mounted(folder) => std::fs::remove_file(folder.join("fill")).unwrap(),
        }
    }
}

fn limit(current: Option<u64>) {
    setrlimit(Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
}

/// Once what was told is in the file.
fn until_grown(path: &Path, before: u64, by: u64) {
    let began = Instant::now();
    while std::fs::metadata(path).unwrap().len() < before + by {
        assert!(began.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn until_written(writes: &Writes, mut push: impl FnMut()) {
    let began = Instant::now();
    while !writes.is_on() {
        push();
        assert!(began.elapsed() < PATIENCE, "{:?}", writes.standing());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The child's part. Without the variable there is nothing to do.
#[test]
fn child_whose_disk_fills_up() {
    let Ok(text) = std::env::var(CHILD) else { return };
    let [what, how, folder] = text.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let disk = if how == "limit" { Disk::Limit(folder.into()) } else { Disk::Mounted(folder.into()) };
    match what {
        "ledger" => ledger(&disk),
        "journal" => journal(&disk),
        _ => facts(&disk),
    }
    println!("done");
}

fn ledger(disk: &Disk) {
    let path = disk.folder().join("ledger");
    let ledger = Ledger::open(&path).unwrap();
    let (mut next, mut held) = (0_u128, Vec::new());
    let mut decide = |held: &mut Vec<u128>| {
        next += 1;
        let outcome = ledger.decide(bundle(next, next as u64, 0, None)).wait();
        outcome.map(|()| held.push(next))
    };
    for _ in 0..ROUNDS {
        (0..50).for_each(|_| decide(&mut held).unwrap());
        disk.fill();
        let first = std::iter::repeat_with(|| decide(&mut held).err()).flatten().next().unwrap();
        assert!(first.is_the_disks(), "{first:?}");
        let began = Instant::now();
        for _ in 0..200 {
            assert!(matches!(decide(&mut held), Err(LedgerError::Unwritten { .. })), "nobody waits for the disk");
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let standing = ledger.writes().standing();
        assert!(!standing.writes && standing.why.is_some_and(|why| why.contains("os error")));
        // Whether it can be read meanwhile is the disk's to say: to open it anew is to write a little.
        match ledger.all() {
            Ok(rows) => assert_eq!(rows.len(), held.len()),
            Err(error) => assert!(error.is_the_disks(), "{error:?}"),
        }
        disk.make_room();
        until_written(ledger.writes(), || ());
        decide(&mut held).unwrap();
    }
    drop(ledger);
    let ledger = Ledger::open(&path).unwrap();
    let there: Vec<u128> = ledger.all().unwrap().iter().map(|row| row.bundle.uuid.as_u128()).collect();
    assert_eq!(there, held, "what was acknowledged, and nothing else");
    assert_eq!(ledger.totals().unwrap(), ledger.recount().unwrap());
}

fn journal(disk: &Disk) {
    let path = disk.folder().join("journal");
    let (handle, writer) = Writer::open(&path, Clock::start()).unwrap();
    let writes = handle.writes().unwrap().clone();
    let mut told = 0_u64;
    let mut tell = || {
        told += 1;
        handle.raw(told, 1, &[7; 300]);
    };
    for round in 0..ROUNDS {
        let before = std::fs::metadata(&path).unwrap().len();
        (0..50).for_each(|_| tell());
        until_grown(&path, before, 50 * 300);
        disk.fill();
        let began = Instant::now();
        while writes.is_on() {
            assert!(began.elapsed() < PATIENCE);
            tell();
            // The queue is the disk's to fill, and not ours.
            std::thread::sleep(Duration::from_millis(1));
        }
        // What the others are read by is owed, and not lost.
        handle.source(2, &format!("while it was full {round}"));
        (0..200).for_each(|_| tell());
        disk.make_room();
        until_written(&writes, &mut tell);
        tell();
    }
    let lost = handle.lost();
    drop(handle);
    let written = writer.finish().unwrap();
    let mut reader = Reader::new(BufReader::new(File::open(&path).unwrap())).unwrap();
    let frames: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!((reader.end(), frames.len() as u64), (Some(End::Clean), written), "no frame is torn");
    let of = |kind| frames.iter().filter(move |frame| frame.kind == kind);
    assert_eq!(of(FrameKind::Start).count(), 1);
    assert_eq!(of(FrameKind::Source).count() as u64, ROUNDS);
    let raw: Vec<u64> = of(FrameKind::Raw).map(|frame| frame.at_ns).collect();
    assert!(raw.is_sorted());
    assert_eq!(raw.len() as u64 + lost, told, "what is not there is counted");
    assert!(lost > 100 && raw.len() >= 150);
}

/// Whole lines that are facts.
fn facts_in(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap().matches("\"}\n").count()
}

fn facts(disk: &Disk) {
    let path = disk.folder().join("facts");
    // As a run leaves it that dies within a line.
    std::fs::write(&path, "{\"fact\":\"fault\",\"what\":\"0\"}\n{\"fact\":\"fau").unwrap();
    let lines = Lines::open(&path).unwrap();
    let writes = lines.writes().clone();
    let mut told = 0_u64;
    let mut tell = || {
        told += 1;
        lines.take(&Fact::Fault { what: format!("{told} {}", "x".repeat(500)) });
    };
    for _ in 0..ROUNDS {
        let before = facts_in(&path);
        (0..50).for_each(|_| tell());
        // All of them: what still waited would be lost, and is counted below.
        let began = Instant::now();
        while facts_in(&path) < before + 50 {
            assert!(began.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(1));
        }
        disk.fill();
        let began = Instant::now();
        while writes.is_on() {
            assert!(began.elapsed() < PATIENCE);
            tell();
            // The queue is the disk's to fill, and not ours.
            std::thread::sleep(Duration::from_millis(1));
        }
        (0..200).for_each(|_| tell());
        disk.make_room();
        until_written(&writes, &mut tell);
        tell();
    }
    drop(lines);
    let text = std::fs::read_to_string(&path).unwrap();
    let (mut torn, mut whole) = (0, 0);
    for line in text.lines() {
        match serde_json::from_str::<serde_json::Value>(line) {
            Ok(fact) => whole += u64::from(fact["at_ms"].is_u64()),
            Err(_) => torn += 1,
        }
    }
    assert_eq!(torn, 1, "the one that was there");
    assert!(text.ends_with('\n'));
    assert_eq!(whole + writes.lost(), told, "what is not there is counted");
    assert!(writes.lost() > 100 && whole >= 150);
}

#[track_caller]
fn survives(what: &str, how: &str, folder: &Path) {
    // A shell can have the signal ignored that comes with the limit, as `run` does for itself.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full::child_whose_disk_fills_up", "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{what} {how} {}", folder.display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("done"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
fn survives_both(what: &str) {
    let folder = tempfile::tempdir().unwrap();
    survives(what, "limit", folder.path());
    let mounted = tempfile::tempdir().unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(mounted.path()).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: a file system that is full, for want of the right to mount one; the limit was tried");
        return;
    }
    let outcome = std::panic::catch_unwind(|| survives(what, "mounted", mounted.path()));
    assert!(Command::new("umount").arg(mounted.path()).status().unwrap().success());
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn a_ledger_whose_disk_fills_up_says_so_at_once_and_goes_on_when_there_is_room() {
    survives_both("ledger");
}

#[test]
fn a_journal_whose_disk_fills_up_counts_what_is_not_in_it_and_tears_no_frame() {
    survives_both("journal");
}

#[test]
fn a_file_of_facts_whose_disk_fills_up_counts_what_is_not_in_it_and_tears_no_line() {
    survives_both("facts");
}
