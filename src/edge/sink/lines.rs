//! Facts as lines of JSON in a file, for whoever follows a run with `tail -f` or loads it into a table.
//!
//! # Invariants
//! - A line is a fact, whole, with the unix time in milliseconds at which it was taken. They stand in the order in which they came.
//! - Publishing does not wait for the disk; a thread writes. What is queued at the end is written.
//!
//! # Limits
//! - It is no ledger: a crash may lose the last lines. When the disk fails, or is slower than [`QUEUE`] facts, lines are left
//!   out, and how many is said.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::edge::sink::{Fact, Sink};

/// Facts that may wait for the disk.
pub const QUEUE: usize = 65_536;

/// The file.
pub struct Lines {
    queue: Option<SyncSender<String>>,
    writer: Option<JoinHandle<()>>,
    lost: AtomicU64,
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
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::options().append(true).create(true).open(path)?;
        let (queue, lines) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new().name("facts".to_owned()).spawn(move || write(file, &lines))?;
        Ok(Self { queue: Some(queue), writer: Some(writer), lost: AtomicU64::new(0) })
    }
}

impl Sink for Lines {
    fn take(&self, fact: &Fact) {
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let line = Line { at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX), fact };
        // Nothing in a fact fails to serialise.
        let Ok(line) = serde_json::to_string(&line) else { return };
        let kept = self.queue.as_ref().is_some_and(|queue| queue.try_send(line).is_ok());
        self.lost.fetch_add(u64::from(!kept), Ordering::Relaxed);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // It does not panic.
            let _ended = writer.join();
        }
        match self.lost.load(Ordering::Relaxed) {
            0 => (),
            lost => tracing::warn!(lost, "facts are not in the file of facts"),
        }
    }
}

/// Writes what comes; what has come at once goes to the disk at once.
fn write(file: File, lines: &Receiver<String>) {
    let mut file = BufWriter::new(file);
    while let Ok(first) = lines.recv() {
        let all = std::iter::once(first).chain(lines.try_iter());
        let written = all.into_iter().try_for_each(|line| writeln!(file, "{line}")).and_then(|()| file.flush());
        if let Err(error) = written {
            tracing::error!(%error, "the file of facts does not take lines any more");
            return;
        }
    }
}
