//! A real run's journal, replayed: every decision comes out, and whatever is changed in the file is told with its event.

#[path = "replay_journal/run.rs"]
mod run;

use std::collections::BTreeSet;
use std::io::Cursor;
use std::process::{Command, Output};
use std::sync::OnceLock;

use alloy_primitives::{U256, hex};
use peregrine::edge::record::format::session::{self, Decided, Fed};
use peregrine::edge::record::format::{self, End, Frame, FrameKind, Reader};
use peregrine::replay::bundle::{Case, explain};
use peregrine::replay::journal::{self, Difference, Gap, JournalError, Report};
use peregrine::types::decision::Decision;
use serde_json::Value;

/// One run for all tests: its journal and its owner's key.
fn recorded() -> &'static (Vec<u8>, String) {
    static RUN: OnceLock<(Vec<u8>, String)> = OnceLock::new();
    RUN.get_or_init(run::run)
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut reader = Reader::new(Cursor::new(bytes)).expect("a journal");
    let frames = reader.by_ref().map(|frame| frame.expect("read")).collect();
    assert_eq!(reader.end(), Some(End::Clean));
    frames
}

fn bytes(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = format::header().to_vec();
    for frame in frames {
        format::write(&mut bytes, frame.at_ns, frame.source, frame.kind, &frame.payload).expect("written");
    }
    bytes
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    file
}

fn replay(bytes: &[u8]) -> Result<Report, JournalError> {
    journal::replay(file(bytes).path(), &mut |_, _| Ok(()))
}

fn peregrine(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_peregrine")).args(arguments).output().expect("the program runs")
}

/// What the program says of a journal: exit code and stderr.
fn verdict(bytes: &[u8]) -> (Option<i32>, String) {
    let file = file(bytes);
    let output = peregrine(&["replay", "journal", file.path().to_str().expect("text")]);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
}

/// The numbers of frames whose decision holds a bundle, with the frame's place.
fn bundles(frames: &[Frame]) -> Vec<(usize, u64, Decided)> {
    let decided = |(place, frame): (usize, &Frame)| {
        let (number, decided): (u64, Decided) = session::unpack_numbered(&frame.payload).expect("a decision");
        decided.decision.bundle.is_some().then_some((place, number, decided))
    };
    frames.iter().enumerate().filter(|(_, frame)| frame.kind == FrameKind::Decided).filter_map(decided).collect()
}

#[test]
fn a_run_replays_decision_for_decision() {
    let (recorded, _) = recorded();
    let report = replay(recorded).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((&report.difference, &report.gaps[..], report.torn), (&None, &[][..], None));
    let all = frames(recorded);
    let of = |kind| all.iter().filter(|frame| frame.kind == kind).count() as u64;
    assert_eq!((report.runs, report.threads), (1, 2));
    assert_eq!((report.events, report.decisions), (of(FrameKind::Fed), of(FrameKind::Decided)));
    assert_eq!(report.bundles, bundles(&all).len() as u64);
    assert!(report.bundles >= 6 && report.proofs > report.bundles / 2, "{report:?}");
    println!("{report:?}");

    let (file, out) = (file(recorded), tempfile::NamedTempFile::new().expect("a file"));
    let [from, to] = [file.path(), out.path()].map(|path| path.to_str().expect("text"));
    let output = peregrine(&["replay", "journal", from, "--json", to]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = std::fs::read_to_string(to).expect("lines");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    assert_eq!(lines.len() as u64, report.bundles + 1);
    let last = &lines[lines.len() - 1];
    assert_eq!((&last["kind"], &last["equal"]), (&Value::from("summary"), &Value::from(true)));
}

#[test]
fn every_bundle_of_the_run_can_be_explained_out_of_its_journal() {
    let (recorded, _) = recorded();
    let (file, folder) = (file(recorded), tempfile::tempdir().expect("a folder"));
    let [journal, out] = [file.path(), folder.path()].map(|path| path.to_str().expect("text"));
    let output = peregrine(&["replay", "journal", journal, "--bundles", out]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let due = bundles(&frames(recorded));
    let written: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").map(|e| e.expect("one").path()).collect();
    // Both threads may find the same one.
    let names: BTreeSet<_> = due.iter().map(|(.., decided)| decided.names.expect("names").bundle).collect();
    assert_eq!(written.len(), names.len());
    for path in written {
        let case = Case::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let said = explain::explain(&case).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(said.verdict, "as_predicted", "{}", path.display());
    }
    let names = due[0].2.names.expect("names");
    let one = folder.path().join("one");
    let one_path = one.to_str().expect("text");
    let bundle = names.bundle.to_string();
    let output = peregrine(&["replay", "journal", journal, "--bundle", &bundle, "--out", one_path]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(Case::read(&one).map(|case| case.names).ok(), Some(Some(names)));
    let nobodys = format!("0x{:064x}", 7);
    let output = peregrine(&["replay", "journal", journal, "--bundle", &nobodys, "--out", one_path]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no bundle is called 0x00"), "{said}");
}

#[test]
fn no_key_and_no_signature_of_ours_is_in_a_hot_threads_frames() {
    let (recorded, owner) = recorded();
    for frame in frames(recorded) {
        let text = match frame.kind {
            FrameKind::Plan => session::unpack::<Value>(&frame.payload).expect("json").to_string(),
            FrameKind::Fed | FrameKind::Decided => {
                session::unpack_numbered::<Value>(&frame.payload).expect("json").1.to_string()
            }
            FrameKind::Start | FrameKind::Source | FrameKind::Raw | FrameKind::Fetched => {
                String::from_utf8_lossy(&frame.payload).into()
            }
        };
        assert!(!text.to_lowercase().contains(owner), "{:?}", frame.kind);
        assert!(!text.contains("owner.key"), "{:?}", frame.kind);
    }
}

#[test]
fn a_decision_that_was_changed_is_told_with_its_event_and_field() {
    let mut frames = frames(&recorded().0);
    let (place, number, mut decided) = bundles(&frames).remove(2);
    let thread = frames[place].source;
    let bundle = decided.decision.bundle.as_mut().expect("a bundle");
    bundle.bid += U256::from(1);
    frames[place].payload = session::pack_numbered(number, &decided).expect("packed");
    let spoilt = bytes(&frames);
    let report = replay(&spoilt).unwrap_or_else(|error| panic!("{error}"));
    let Some(Difference { thread: of, event, at, .. }) = report.difference else { panic!("no difference") };
    assert_eq!((of, event, at.as_str()), (thread, number - 1, "bundle.bid"));
    let (code, said) = verdict(&spoilt);
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("hot-{thread}, event {event} (")) && said.contains("bundle.bid was"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn an_event_that_was_called_off_is_called_off_again_and_the_rest_comes_out() {
    let mut frames = frames(&recorded().0);
    // A search behind a pending transaction that came to no bundle: no later limit speaks of it.
    let searched = |frame: &Frame| {
        let (number, decided): (u64, Decided) = session::unpack_numbered(&frame.payload).ok()?;
        let Decision { trigger, refused, bundle, .. } = &decided.decision;
        let screened = refused.iter().any(|(reason, _)| reason == "screened");
        (trigger.is_some() && screened && bundle.is_none()).then_some((number, decided))
    };
    let decisions = frames.iter().enumerate().filter(|(_, frame)| frame.kind == FrameKind::Decided);
    let found = decisions.filter_map(|(place, frame)| searched(frame).map(|found| (place, found))).next();
    let (place, (number, decided)) = found.expect("a search in vain");
    let Decision { trigger, first, .. } = decided.decision;
    let called_off = Decision { trigger, first, cancelled: true, ..Decision::default() };
    frames[place].payload =
        session::pack_numbered(number, &Decided { decision: called_off, names: None }).expect("packed");
    let report = replay(&bytes(&frames)).unwrap_or_else(|error| panic!("{error}"));
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.decisions, frames.iter().filter(|frame| frame.kind == FrameKind::Decided).count() as u64);
    assert_eq!(report.bundles, bundles(&frames).len() as u64);
}

#[test]
fn a_slot_that_was_changed_is_told_at_the_first_decision_it_changes() {
    let mut frames = frames(&recorded().0);
    // The storage of a pool, which the EVM reads, says something else than the pool that is searched in: by high bits, as
    // a reserve that is some units smaller still passes a pair's own check. Wherever the first thread is told of it, as a
    // block may write the true reserves over the state's before the pool is first used.
    let thread = 0;
    let used = bundles(&frames).into_iter().find(|(place, ..)| frames[*place].source == thread).expect("a bundle").2;
    let pool = used.decision.bundle.expect("a bundle").of.path.hops[0].pool.contract;
    for frame in frames.iter_mut().filter(|frame| frame.kind == FrameKind::Fed && frame.source == thread) {
        let (number, mut fed): (u64, Fed) = session::unpack_numbered(&frame.payload).expect("what it was fed");
        let accounts = match &mut fed {
            Fed::Load(state) => state.accounts.to_mut(),
            Fed::Block(block) => &mut block.to_mut().accounts,
            Fed::FetchedState { fetched, .. } => &mut fetched.to_mut().accounts,
            Fed::Undo(_) | Fed::Pool { .. } | Fed::Pending { .. } | Fed::Market { .. } => continue,
        };
        let of_the_pool = accounts.iter_mut().filter(|account| account.address == pool);
        for (_, value) in of_the_pool.flat_map(|account| &mut account.slots) {
            *value ^= (U256::from(1) << 100) | (U256::from(1) << 212);
        }
        frame.payload = session::pack_numbered(number, &fed).expect("packed");
    }
    let (code, said) = verdict(&bytes(&frames));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("hot-{thread}, event ")), "{said}");
}

/// The same run, with something else said of what it was made with.
fn made_with(edit: impl Fn(&mut serde_json::Map<String, Value>)) -> Vec<u8> {
    let mut frames = frames(&recorded().0);
    for frame in frames.iter_mut().filter(|frame| frame.kind == FrameKind::Plan) {
        let mut setup: Value = session::unpack(&frame.payload).expect("json");
        edit(setup.as_object_mut().expect("an object"));
        frame.payload = session::pack(&setup).expect("packed");
    }
    bytes(&frames)
}

#[test]
fn a_run_of_before_one_contract_did_both_is_replayed_unless_a_second_one_liquidated() {
    let one = made_with(|setup| assert_eq!(setup.remove("liquidates"), Some(Value::from(true))));
    assert!(replay(&one).unwrap_or_else(|error| panic!("{error}")).is_whole());
    let none = made_with(|setup| {
        setup.remove("liquidates");
        setup.insert("liquidator".to_owned(), Value::Null);
    });
    assert!(replay(&none).unwrap_or_else(|error| panic!("{error}")).is_whole());
    let two = made_with(|setup| {
        setup.insert("liquidator".to_owned(), Value::from("0x00000000000000000000000000000000000000e2"));
    });
    let (code, said) = verdict(&two);
    assert!(code == Some(2) && said.contains("a second contract that liquidated"), "{code:?} {said}");
}

#[test]
fn a_torn_tail_costs_what_was_not_written_and_nothing_else() {
    let recorded = &recorded().0;
    let report = replay(&recorded[..recorded.len() - 3]).unwrap_or_else(|error| panic!("{error}"));
    assert!(report.is_whole() && report.torn.is_some());
    let (code, said) = verdict(&recorded[..recorded.len() / 2]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[test]
fn nothing_is_said_behind_a_frame_that_is_missing() {
    let mut frames = frames(&recorded().0);
    let (place, number, _) = bundles(&frames).remove(1);
    let thread = frames[place].source;
    frames.remove(place);
    let gapped = bytes(&frames);
    let report = replay(&gapped).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.gaps, [Gap { run: 1, thread, from: number, to: number + 1 }]);
    assert!(report.difference.is_none() && report.unsaid > 0 && report.decisions > 0);
    let (code, said) = verdict(&gapped);
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("hot-{thread}: frames {number} to {number} are missing")), "{said}");
}

#[test]
fn what_is_no_journal_is_refused_in_one_sentence() {
    let damaged = {
        let mut bytes = recorded().0.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    let bare = bytes(&[Frame { at_ns: 0, source: 0, kind: FrameKind::Start, payload: vec![0; 8] }]);
    let strange = {
        let start = Frame { at_ns: 0, source: 0, kind: FrameKind::Start, payload: vec![0; 8] };
        bytes(&[start, Frame { at_ns: 1, source: 0, kind: FrameKind::Plan, payload: b"no zstd".to_vec() }])
    };
    for (bytes, named) in [
        (&b"notes of mine"[..], "not a journal"),
        (b"PRGJ", "ends before a journal's header does"),
        (b"", "ends before a journal's header does"),
        (b"PRGJ\x09\0\0\0", "version 9"),
        (&damaged, "damaged at byte"),
        (&bare, "holds no hot thread's frames"),
        (&strange, "frame at byte 35"),
    ] {
        let (code, said) = verdict(bytes);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(named) && said.lines().count() == 1, "{named}: {said}");
    }
    let missing = peregrine(&["replay", "journal", "/no/such/file"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/no/such/file"));
    let folder = peregrine(&["replay", "journal", "/"]);
    assert_eq!(folder.status.code(), Some(2));
    // The address of the owner is there for all to see, and no more of him.
    assert_eq!(hex::decode(&recorded().1).map(|key| key.len()), Ok(32));
}
