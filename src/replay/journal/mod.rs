//! `replay journal`: a recorded run through the same engine. Every decision must come out bit for bit.
//!
//! # What is compared
//! For each event that a hot thread was fed: how a pending transaction ran (success, gas, logs), every refusal and its
//! count, what was missing, what was quarantined, each candidate turned down with its amounts and reason, each proof with
//! its path, amounts, gas, payment and access list, and of the bundle the block, the parent, the trigger, the terms and
//! every field of our transaction with the digest that its signature is over. The signature itself is not: it follows
//! from digest and key (RFC 6979), and no key is recorded.
//!
//! # Invariants
//! - The engine, the choice of the bundle and the builder are those that run live; this folder only feeds them.
//! - Nothing is said behind a gap, until the thread is fed the whole state anew: its numbered frames are replayed up to the
//!   first that is missing, and from a state on.
//!
//! # Limits
//! - A bundle within three bytes of the relays' limit of size may be judged otherwise: the stand-in's signature can be
//!   shorter than the owner's.

mod difference;
mod thread;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::edge::record::format::End;
use crate::edge::record::format::FormatError;
use crate::edge::record::format::Frame;
use crate::edge::record::format::FrameKind;
use crate::edge::record::format::Reader;
use crate::edge::record::format::session;
use crate::edge::record::format::session::Fed;
use crate::edge::record::format::session::Setup;

pub use difference::Difference;
pub use thread::Judged;
pub use thread::Thread;
pub use thread::signer;

/// Why a journal cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system's word.
    #[error("{path}: {cause}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What happened.
        cause: io::Error,
    },
    /// Not a journal.
    #[error("{path}: not a journal: {cause}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: FormatError,
    },
    /// A frame amid the file does not hold together.
    #[error("{path}: damaged at byte {at}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
    },
    /// A frame holds together and what it says cannot be.
    #[error("{path}: frame at byte {at}: {what}")]
    Frame {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// No hot thread's frames.
    #[error("{path}: holds no hot thread's frames, as one of an older version, or of a run that ended while it loaded")]
    NoJournal {
        /// The file.
        path: PathBuf,
    },
    /// What was found cannot be used by the caller.
    #[error("{0}")]
    Caller(String),
}

/// Frames of a thread that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The run, from 1.
    pub run: usize,
    /// The thread.
    pub thread: u16,
    /// The first frame that is missing: nothing is said of it and of those behind it.
    pub from: u64,
    /// The next one that is there.
    pub to: u64,
}

/// How the replay went.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Runs in the file.
    pub runs: usize,
    /// Hot threads, over all runs.
    pub threads: usize,
    /// Events fed.
    pub events: u64,
    /// Decisions that came out equal.
    pub decisions: u64,
    /// Proofs among them.
    pub proofs: u64,
    /// Bundles among them.
    pub bundles: u64,
    /// Where it first differs.
    pub difference: Option<Difference>,
    /// Frames that are missing: nothing is said behind them, until a thread is fed the whole state anew.
    pub gaps: Vec<Gap>,
    /// Gaps behind which a thread was fed the whole state anew.
    pub resumed: u64,
    /// Frames of hot threads behind a gap, of which nothing is said.
    pub unsaid: u64,
    /// Where an unfinished frame begins, with which the file ends.
    pub torn: Option<u64>,
    /// Of the first frame and of the last, ns since their run's start, summed over the runs.
    pub recorded_ns: u64,
    /// Bytes read.
    pub bytes: u64,
}

impl Report {
    /// Every decision came out, and none was missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.difference.is_none() && self.gaps.is_empty()
    }
}

/// Hears of each decision that came out equal, with the engine as it stands behind it.
pub type Hear<'a> = &'a mut dyn FnMut(&mut Thread, &Judged) -> Result<(), String>;

/// Replays all runs of a journal, up to the first difference.
///
/// # Errors
/// The file cannot be read, is no journal, or holds no frames of hot threads.
pub fn replay(path: &Path, hear: Hear<'_>) -> Result<Report, JournalError> {
    let open = |cause| JournalError::Open { path: path.to_path_buf(), cause };
    let file = File::open(path).map_err(open)?;
    if file.metadata().map_err(open)?.is_dir() {
        return Err(open(io::ErrorKind::IsADirectory.into()));
    }
    let mut reader = Reader::new(BufReader::new(file)).map_err(|cause| match cause {
        FormatError::Io(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            JournalError::Format { path: path.to_path_buf(), cause: FormatError::Short }
        }
        cause => JournalError::Format { path: path.to_path_buf(), cause },
    })?;
    let mut run = Runs::default();
    loop {
        let at = reader.offset();
        let Some(frame) = reader.next() else { break };
        let fault = |what| JournalError::Frame { path: path.to_path_buf(), at, what };
        run.take(&frame.map_err(open)?, hear).map_err(|fault_of| fault_of.place(fault))?;
        if run.report.difference.is_some() {
            break;
        }
    }
    let mut report = run.finish();
    report.bytes = reader.offset();
    match reader.end() {
        Some(End::Damaged { at }) => return Err(JournalError::Damaged { path: path.to_path_buf(), at }),
        Some(End::Torn { at }) => report.torn = Some(at),
        Some(End::Clean) | None => (),
    }
    if report.threads == 0 {
        return Err(JournalError::NoJournal { path: path.to_path_buf() });
    }
    Ok(report)
}

/// What went wrong with a frame.
#[derive(Debug)]
enum Fault {
    /// The frame's.
    Frame(String),
    /// Whoever hears of it cannot go on.
    Caller(String),
}

impl Fault {
    fn place(self, at: impl FnOnce(String) -> JournalError) -> JournalError {
        match self {
            Self::Frame(what) => at(what),
            Self::Caller(what) => JournalError::Caller(what),
        }
    }
}

/// The runs of a file, one after the other.
#[derive(Default)]
struct Runs {
    report: Report,
    setup: Option<Rc<Setup>>,
    threads: BTreeMap<u16, Thread>,
    last_ns: u64,
}

impl Runs {
    fn take(&mut self, frame: &Frame, hear: Hear<'_>) -> Result<(), Fault> {
        let unreadable = |error: io::Error| Fault::Frame(format!("it cannot be read: {error}"));
        match frame.kind {
            FrameKind::Start => {
                self.end_run();
                self.report.runs += 1;
            }
            FrameKind::Source | FrameKind::Raw | FrameKind::Fetched => self.last_ns = self.last_ns.max(frame.at_ns),
            FrameKind::Plan => {
                let setup: Setup = session::unpack(&frame.payload).map_err(unreadable)?;
                let range = |(key, found, due)| format!("{key} is {found}, {due} due");
                let search = || setup.search.out_of_range().map(range);
                let tokens = || setup.chain.wrong_tokens(&setup.search.base_tokens);
                if let Some(wrong) = setup.chain.fault().or_else(search).or_else(tokens) {
                    return Err(Fault::Frame(wrong));
                }
                self.setup = Some(Rc::new(setup));
            }
            FrameKind::Fed => {
                let (number, fed) = session::unpack_numbered(&frame.payload).map_err(unreadable)?;
                let is_anew = matches!(fed, Fed::Load(_));
                let Some(thread) = self.thread(frame.source, (number, is_anew))? else { return Ok(()) };
                let unanswered = thread.fed(number, fed).map_err(Fault::Frame)?;
                self.report.events += 1;
                self.report.difference = unanswered;
            }
            FrameKind::Decided => {
                let (number, decided) = session::unpack_numbered(&frame.payload).map_err(unreadable)?;
                let Some(thread) = self.thread(frame.source, (number, false))? else { return Ok(()) };
                match thread.decided(decided).map_err(Fault::Frame)? {
                    Ok(judged) => {
                        hear(thread, &judged).map_err(Fault::Caller)?;
                        self.count(&judged);
                    }
                    Err(difference) => self.report.difference = Some(*difference),
                }
            }
        }
        self.last_ns = self.last_ns.max(frame.at_ns);
        Ok(())
    }

    fn count(&mut self, judged: &Judged) {
        self.report.decisions += 1;
        self.report.proofs += judged.decided.decision.proven.len() as u64;
        self.report.bundles += u64::from(judged.decided.decision.bundle.is_some());
    }

    /// The thread, if the frame of this number is its next, or feeds it the whole state anew.
    fn thread(&mut self, index: u16, (number, is_anew): (u64, bool)) -> Result<Option<&mut Thread>, Fault> {
        let run = self.report.runs;
        if !self.threads.contains_key(&index) {
            let setup = self.setup.clone().ok_or_else(|| Fault::Frame("a hot thread's, before any plan".to_owned()))?;
            self.threads.insert(index, Thread::new(run, index, setup).map_err(Fault::Frame)?);
        }
        let Some(thread) = self.threads.get_mut(&index) else { return Ok(None) };
        if !thread.is_lost()
            && let Err(from) = thread.expect(number)
        {
            self.report.gaps.push(Gap { run, thread: index, from, to: number });
        }
        if thread.is_lost() && is_anew {
            thread.begin_anew(number);
            self.report.resumed += 1;
        }
        self.report.unsaid += u64::from(thread.is_lost());
        Ok(Some(thread).filter(|thread| !thread.is_lost()))
    }

    fn end_run(&mut self) {
        self.report.threads += std::mem::take(&mut self.threads).len();
        self.report.recorded_ns += std::mem::take(&mut self.last_ns);
        self.setup = None;
    }

    fn finish(mut self) -> Report {
        self.end_run();
        self.report
    }
}
