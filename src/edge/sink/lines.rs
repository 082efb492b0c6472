//! Facts as lines of JSON in a file, for whoever follows a run with `tail -f` or loads it into a table.
//!
//! # Invariants
//! - A line is a fact, whole, with the unix time in milliseconds at which it was taken. They stand in the order in which they came.
//! - Publishing does not wait for the disk; a thread writes. What is queued at the end is written.
//! - While the disk takes nothing lines are left out, and it goes on behind them: half a line is cut off again.
//!
//! # Limits
//! - It is no ledger: a crash may lose the last lines. When the disk fails, or is slower than [`QUEUE`] facts, lines are left
//!   out, and how many is said.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::edge::disk::{Retry, Writes};
use crate::edge::sink::{Fact, Sink};

/// Facts that may wait for the disk.
pub const QUEUE: usize = 65_536;

/// The file.
pub struct Lines {
    queue: Option<SyncSender<String>>,
    writer: Option<JoinHandle<()>>,
    writes: Arc<Writes>,
}

#[derive(Serialize)]
struct Line<'a> {
    at_ms: u64,
    #[serde(flatten)]
    fact: &'a Fact,
}

impl Lines {
    /// Opens the file, and adds to what it holds.
    ///
    /// # Errors
    /// It cannot be opened, or the system has no thread to give.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).append(true).create(true).open(path)?;
        let (queue, lines) = sync_channel(QUEUE);
        let writes = Arc::new(Writes::new("file of facts", path));
        let out = Out { is_torn: is_torn(&file), file, writes: writes.clone(), retry: Retry::default() };
        let writer = std::thread::Builder::new().name("facts".to_owned()).spawn(move || out.run(&lines))?;
        Ok(Self { queue: Some(queue), writer: Some(writer), writes })
    }

    /// Whether it is written, and how many facts are not in it.
    #[must_use]
    pub const fn writes(&self) -> &Arc<Writes> {
        &self.writes
    }
}

/// Whether the last run died within a line. What cannot be read, a pipe, is not looked at.
fn is_torn(mut file: &File) -> bool {
    let mut last = [b'\n'];
    let read = file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last));
    read.is_ok() && last != *b"\n"
}

impl Sink for Lines {
    fn take(&self, fact: &Fact) {
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let line = Line { at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX), fact };
        // Nothing in a fact fails to serialise.
        let Ok(line) = serde_json::to_string(&line) else { return };
        let kept = self.queue.as_ref().is_some_and(|queue| queue.try_send(line).is_ok());
        self.writes.lose(u64::from(!kept));
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // It does not panic.
            let _ended = writer.join();
        }
        match self.writes.lost() {
            0 => (),
            lost => tracing::warn!(lost, "facts are not in the file of facts"),
        }
    }
}

/// What writes.
struct Out {
    file: File,
    writes: Arc<Writes>,
    retry: Retry,
    /// It ends within a line that could not be cut off.
    is_torn: bool,
}

impl Out {
    /// Writes what comes; what has come at once goes to the disk at once.
    fn run(mut self, lines: &Receiver<String>) {
        while let Ok(first) = lines.recv() {
            let all: Vec<String> = std::iter::once(first).chain(lines.try_iter()).collect();
            if !self.retry.is_due(Instant::now()) {
                self.writes.lose(all.len() as u64);
                continue;
            }
            let has_room = if self.retry.due(Instant::now()).is_some() { self.writes.try_room() } else { Ok(()) };
            match has_room.and_then(|()| self.put(&all)) {
                Ok(()) => {
                    self.retry.work(Instant::now());
                    self.writes.go_on();
                }
                Err(error) => {
                    self.writes.lose(all.len() as u64);
                    self.retry.fail(Instant::now());
                    self.writes.fail(&error.to_string(), "facts are left out, and counted");
                }
            }
        }
    }

    fn put(&mut self, lines: &[String]) -> io::Result<()> {
        let mut text = String::new();
        if self.is_torn {
            text.push('\n');
        }
        for line in lines {
            // Writing into a string does not fail.
            let _written = writeln!(text, "{line}");
        }
        let whole = self.file.metadata()?.len();
        let written = self.file.write_all(text.as_bytes());
        self.is_torn &= written.is_err();
        if written.is_err() {
            // What is no file, a pipe, cannot be cut, and does not take half of a line.
            self.is_torn |= self.file.set_len(whole).is_err();
        }
        written
    }
}
