//! The journal: what goes in comes out, wherever the process died.

use std::io::Cursor;

use peregrine::edge::ingest::start;
use peregrine::edge::record::format::{self, End, Frame, FrameKind, Reader};
use peregrine::edge::record::{Clock, RecordError, Writer};
use proptest::prelude::*;

use crate::chain_of;
use crate::config;
use crate::follower::Follower;
use crate::node::{FakeNode, POOL};
use crate::watched_of;

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let old =
        prop_oneof![Just(FrameKind::Start), Just(FrameKind::Source), Just(FrameKind::Raw), Just(FrameKind::Fetched)];
    let kind = prop_oneof![old, Just(FrameKind::Plan), Just(FrameKind::Fed), Just(FrameKind::Decided)];
    let frame = (any::<u64>(), any::<u16>(), kind, prop::collection::vec(any::<u8>(), 0..200));
    prop::collection::vec(
        frame.prop_map(|(at_ns, source, kind, payload)| Frame { at_ns, source, kind, payload }),
        0..12,
    )
}

/// The journal's bytes, and where each frame ends.
fn written(frames: &[Frame]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = format::header().to_vec();
    let mut ends = Vec::new();
    for frame in frames {
        format::write(&mut bytes, frame.at_ns, frame.source, frame.kind, &frame.payload).unwrap();
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn read(bytes: &[u8]) -> (Vec<Frame>, Option<End>) {
    let mut reader = Reader::new(Cursor::new(bytes)).unwrap();
    let frames = reader.by_ref().map(Result::unwrap).collect();
    (frames, reader.end())
}

proptest! {
    #[test]
    fn what_is_written_is_read(frames in frames()) {
        prop_assert_eq!(read(&written(&frames).0), (frames, Some(End::Clean)));
    }

    #[test]
    fn a_torn_tail_costs_the_torn_frame_and_can_be_appended_to(frames in frames(), cut in any::<prop::sample::Index>(),
        zeros in 0_usize..40) {
        let (mut bytes, ends) = written(&frames);
        let cut = 8 + cut.index(bytes.len() - 7);
        bytes.truncate(cut);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let at = *ends[..whole].last().unwrap_or(&8);
        let end = if at == cut { End::Clean } else { End::Torn { at: at as u64 } };
        prop_assert_eq!(read(&bytes), (frames[..whole].to_vec(), Some(end)));
        // A file system may have grown the file and not filled it.
        bytes.truncate(at);
        bytes.resize(at + zeros, 0);
        let end = if zeros == 0 { End::Clean } else { End::Torn { at: at as u64 } };
        prop_assert_eq!(read(&bytes).1, Some(end));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::write(&path, &bytes).unwrap();
        let (journal_handle, writer) = Writer::open(&path, Clock::start()).unwrap();
        journal_handle.raw(5, 1, b"later");
        drop(journal_handle);
        writer.finish().unwrap();
        let (found, end) = read(&std::fs::read(&path).unwrap());
        prop_assert_eq!(end, Some(End::Clean));
        prop_assert_eq!(&found[..whole], &frames[..whole]);
        prop_assert_eq!(found[whole].kind, FrameKind::Start);
        prop_assert_eq!(&found[whole + 1], &Frame { at_ns: 5, source: 1, kind: FrameKind::Raw, payload: b"later".to_vec() });
    }

    #[test]
    fn a_flipped_bit_never_passes_for_a_frame(frames in frames(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let (mut bytes, ends) = written(&frames);
        prop_assume!(bytes.len() > 8);
        let at = 8 + at.index(bytes.len() - 8);
        bytes[at] ^= 1_u8 << bit;
        let whole = ends.iter().filter(|end| **end <= at).count();
        let (found, end) = read(&bytes);
        prop_assert_eq!(found, &frames[..whole]);
        prop_assert!(!matches!(end, Some(End::Clean) | None));
    }
}

#[test]
fn damage_amid_the_file_is_refused_and_nothing_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let frame = |at_ns| Frame { at_ns, source: 0, kind: FrameKind::Raw, payload: vec![7; 50] };
    let (mut bytes, ends) = written(&[frame(1), frame(2), frame(3)]);
    bytes[ends[0] + 20] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let refused = Writer::open(&path, Clock::start());
    assert!(matches!(refused, Err(RecordError::Damaged { at, .. }) if at == ends[0] as u64));
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    std::fs::write(&path, b"notes").unwrap();
    assert!(matches!(Writer::open(&path, Clock::start()), Err(RecordError::Format { .. })));
}

#[tokio::test]
async fn a_run_leaves_every_raw_frame_with_its_arrival() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let clock = Clock::start();
    let (journal_handle, writer) = Writer::open(&path, clock).unwrap();
    let node = FakeNode::start().await;
    let rows = [node.row("a")];
    let (ingest, outlet) =
        start((&rows, &chain_of(&rows)), &config(), None, watched_of(vec![POOL]), journal_handle.clone()).unwrap();
    let mut follower = Follower::new(outlet);
    node.subscribed(1).await;
    follower.reaches(&node).await;
    node.tell_raw("garbage");
    let block = node.mine();
    // What a socket brought before this has been through the tap.
    let tx = node.tell_tx(1);
    follower.hears(tx).await;
    assert_eq!(journal_handle.lost(), 0);
    drop((ingest, follower, journal_handle));
    // The tasks are ended by the runtime, and their taps with them.
    let written = tokio::task::spawn_blocking(|| writer.finish()).await.unwrap().unwrap();
    let (frames, end) = read(&std::fs::read(&path).unwrap());
    assert_eq!((frames.len() as u64, end), (written, Some(End::Clean)));
    assert_eq!(frames[0].payload, clock.unix_start_ns().to_le_bytes());
    assert_eq!((frames[1].kind, frames[1].payload.as_slice()), (FrameKind::Source, b"a/node_ws".as_slice()));
    let raw: Vec<_> = frames.iter().filter(|frame| frame.kind == FrameKind::Raw).collect();
    assert!(raw.windows(2).all(|pair| pair[0].at_ns <= pair[1].at_ns));
    let has = |text: &str| raw.iter().any(|frame| String::from_utf8_lossy(&frame.payload).contains(text));
    assert!(has("garbage") && has(&format!("\"hash\":\"{}\"", block.hash)));
}
