//! The journal: raw frames with their arrival times, from the moment a run starts, and what its hot threads were fed and
//! decided. What the run did can be replayed.
//!
//! # Invariants
//! - A tap never waits: a full queue costs the journal a frame, which is counted, and the feed nothing.
//! - What is long to serialise is serialised by the writer ([`JournalHandle::late`]).
//! - The writer is a thread of its own. It hands everything to the system whenever it has caught up.
//! - While the disk takes nothing frames are left out and counted, and it goes on behind the last whole one: no frame is torn
//!   amid the file. What a run's frames are read by (its start, its plan, its sources) is written as soon as there is room.

pub mod format;
mod output;

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::edge::disk::Writes;
use crate::edge::record::format::End;
use crate::edge::record::format::FormatError;
use crate::edge::record::format::FrameKind;
use crate::edge::record::format::Reader;
use crate::edge::record::output::Output;

pub use crate::metrics::span::Clock;

/// The `[record]` table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// File for the raw frames with their arrival times, and for what hot threads were fed and decided; appended to. Without
    /// it they are not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<PathBuf>,
    /// File of the ledger: bundles, outcomes, profit and loss.
    pub ledger: PathBuf,
    /// File of facts: what became of each bundle, a line of JSON each; appended to. Without it they are not kept there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self { journal: None, ledger: PathBuf::from("peregrine.ledger"), facts: None }
    }
}

/// Frames between the taps and the writer.
const QUEUE: usize = 16_384;

/// Why no journal can be kept.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The system's word.
    #[error("{path}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        cause: io::Error,
    },
    /// The file is there and is no journal of ours.
    #[error("{path}: {cause}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: FormatError,
    },
    /// A frame amid the file does not hold together. Nothing is appended behind it and nothing is cut.
    #[error("{path}: damaged at byte {at}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
    },
}

struct Entry {
    at_ns: u64,
    source: u16,
    kind: FrameKind,
    payload: Payload,
}

enum Payload {
    Made(Vec<u8>),
    Late(Late),
}

/// A payload that the writer's thread makes.
pub type Late = Box<dyn FnOnce() -> io::Result<Vec<u8>> + Send>;

/// Where frames are handed in. Cheap to clone.
#[derive(Clone)]
pub struct JournalHandle {
    clock: Clock,
    sender: Option<mpsc::Sender<Entry>>,
    writes: Option<Arc<Writes>>,
}

impl JournalHandle {
    /// Keeps nothing; for runs without a journal.
    #[must_use]
    pub fn none(clock: Clock) -> Self {
        Self { clock, sender: None, writes: None }
    }

    /// The run's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Names a source's number.
    pub fn source(&self, source: u16, name: &str) {
        self.keep(self.clock.now_ns(), source, FrameKind::Source, name.as_bytes());
    }

    /// A message as it came.
    pub fn raw(&self, at_ns: u64, source: u16, payload: &[u8]) {
        self.keep(at_ns, source, FrameKind::Raw, payload);
    }

    /// What was fetched by hash.
    pub fn fetched(&self, at_ns: u64, source: u16, payload: &[u8]) {
        self.keep(at_ns, source, FrameKind::Fetched, payload);
    }

    /// Whether anything is kept.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.sender.is_some()
    }

    /// A frame whose payload the writer's thread is to make.
    pub fn late(&self, source: u16, kind: FrameKind, payload: Late) {
        self.hand_in(self.clock.now_ns(), source, kind, Payload::Late(payload));
    }

    /// Whether it is written, and how many frames are not in it: those that found the queue full, were too long to be read back,
    /// or came while the disk took nothing. `None`: nothing is kept.
    #[must_use]
    pub const fn writes(&self) -> Option<&Arc<Writes>> {
        self.writes.as_ref()
    }

    /// Frames that are not in it.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.writes.as_ref().map_or(0, |writes| writes.lost())
    }

    fn keep(&self, at_ns: u64, source: u16, kind: FrameKind, payload: &[u8]) {
        if self.is_on() {
            self.hand_in(at_ns, source, kind, Payload::Made(payload.to_vec()));
        }
    }

    fn hand_in(&self, at_ns: u64, source: u16, kind: FrameKind, payload: Payload) {
        let Some(sender) = &self.sender else { return };
        if sender.try_send(Entry { at_ns, source, kind, payload }).is_err() {
            self.writes.iter().for_each(|writes| writes.lose(1));
        }
    }
}

/// The thread that writes. It ends once every [`JournalHandle`] is dropped; [`Writer::finish`] waits for that.
pub struct Writer {
    path: PathBuf,
    thread: JoinHandle<io::Result<u64>>,
}

impl Writer {
    /// Opens or creates the journal, cuts off a torn tail, and begins a run.
    pub fn open(path: &Path, clock: Clock) -> Result<(JournalHandle, Self), RecordError> {
        let file = prepare(path)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writes = Arc::new(Writes::new("journal", path));
        let output =
            Output::new(file, writes.clone()).map_err(|cause| RecordError::Io { path: path.to_path_buf(), cause })?;
        let run = move || drain(output, receiver, clock);
        let spawned = std::thread::Builder::new().name("journal".to_owned()).spawn(run);
        let thread = spawned.map_err(|cause| RecordError::Io { path: path.to_path_buf(), cause })?;
        let journal_handle = JournalHandle { clock, sender: Some(sender), writes: Some(writes) };
        Ok((journal_handle, Self { path: path.to_path_buf(), thread }))
    }

    /// Waits for the last frame; drop the taps first. Says how many frames were written.
    pub fn finish(self) -> Result<u64, RecordError> {
        let ended = self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the journal's thread panicked")));
        ended.map_err(|cause| RecordError::Io { path: self.path, cause })
    }
}

/// The file, cut to its last whole frame and positioned behind it.
fn prepare(path: &Path) -> Result<File, RecordError> {
    let io = |cause| RecordError::Io { path: path.to_path_buf(), cause };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
    let format = |cause| RecordError::Format { path: path.to_path_buf(), cause };
    if file.metadata().map_err(io)?.len() < format::HEADER {
        // New, or died within the header: there is nothing to keep. What is no beginning of a journal is not ours to cut.
        let mut have = Vec::new();
        file.read_to_end(&mut have).map_err(io)?;
        if !format::header().starts_with(&have) {
            return Err(format(FormatError::Short));
        }
        file.rewind().map_err(io)?;
        file.write_all(&format::header()).map_err(io)?;
        return Ok(file);
    }
    let mut reader = Reader::new(BufReader::new(&file)).map_err(format)?;
    for frame in reader.by_ref() {
        frame.map_err(io)?;
    }
    let end = reader.offset();
    if let Some(End::Damaged { at }) = reader.end() {
        return Err(RecordError::Damaged { path: path.to_path_buf(), at });
    }
    drop(reader);
    file.set_len(end).map_err(io)?;
    file.seek(SeekFrom::Start(end)).map_err(io)?;
    Ok(file)
}

fn drain(mut output: Output, mut queue: mpsc::Receiver<Entry>, clock: Clock) -> io::Result<u64> {
    let start = clock.unix_start_ns().to_le_bytes().to_vec();
    output.take(Entry { at_ns: 0, source: 0, kind: FrameKind::Start, payload: Payload::Made(start) });
    output.flush();
    while let Some(first) = queue.blocking_recv() {
        let mut next = Some(first);
        while let Some(entry) = next {
            output.take(entry);
            next = queue.try_recv().ok();
        }
        output.flush();
    }
    output.end()
}

impl Payload {
    /// `None` when it cannot be made, or could not be read back.
    fn bytes(self) -> Option<Vec<u8>> {
        let bytes = match self {
            Self::Made(bytes) => bytes,
            Self::Late(make) => make().ok()?,
        };
        (bytes.len() <= format::MAX_PAYLOAD).then_some(bytes)
    }
}
