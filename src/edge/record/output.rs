//! The journal's file while it is written: whole frames, or none.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Instant;

use crate::edge::disk::{Retry, Writes};
use crate::edge::record::Entry;
use crate::edge::record::format;
use crate::edge::record::format::FrameKind;

/// Bytes that are handed to the system at once, while more frames wait.
const AT_ONCE: usize = 1 << 20;

/// What is written, and how far.
pub(super) struct Output {
    file: File,
    writes: Arc<Writes>,
    retry: Retry,
    /// Behind the last whole frame.
    end: u64,
    /// The frames that a run's others are read by, until they are written: none of them is left out.
    essential: Vec<u8>,
    /// Other frames in hand, and how many.
    ready: (Vec<u8>, u64),
    /// Frames written.
    written: u64,
    essential_frames: u64,
}

impl Output {
    /// From where the file stands.
    pub(super) fn new(mut file: File, writes: Arc<Writes>) -> io::Result<Self> {
        let end = file.stream_position()?;
        let (essential, ready) = Default::default();
        Ok(Self { file, writes, retry: Retry::default(), end, essential, ready, written: 0, essential_frames: 0 })
    }

    /// Takes a frame.
    pub(super) fn take(&mut self, entry: Entry) {
        let is_essential = matches!(entry.kind, FrameKind::Start | FrameKind::Plan | FrameKind::Source);
        // What would be thrown away is not made.
        if !is_essential && !self.retry.is_due(Instant::now()) {
            return self.writes.lose(1);
        }
        let Entry { at_ns, source, kind, payload } = entry;
        let to = if is_essential { &mut self.essential } else { &mut self.ready.0 };
        let framed = payload.bytes().is_some_and(|bytes| format::write(to, at_ns, source, kind, &bytes).is_ok());
        match (framed, is_essential) {
            (false, _) => self.writes.lose(1),
            (true, true) => self.essential_frames += 1,
            (true, false) => self.ready.1 += 1,
        }
        if self.ready.0.len() >= AT_ONCE {
            self.flush();
        }
    }

    /// Hands everything to the system, or leaves it out.
    pub(super) fn flush(&mut self) {
        let now = Instant::now();
        if self.essential.is_empty() && self.ready.1 == 0 || !self.retry.is_due(now) {
            return;
        }
        match self.put() {
            Ok(()) => {
                self.retry.work(now);
                self.writes.go_on();
            }
            Err(error) => {
                self.retry.fail(now);
                self.writes.lose(self.ready.1);
                self.writes.fail(&error.to_string(), "frames are left out, and counted");
            }
        }
        self.ready.0.clear();
        self.ready.1 = 0;
    }

    /// Writes behind the last whole frame.
    fn put(&mut self) -> io::Result<()> {
        // After a failure: whatever part of a frame there may be is cut off.
        if self.retry.due(Instant::now()).is_some() {
            self.writes.try_room()?;
            self.cut()?;
        }
        let written = self.file.write_all(&self.essential).and_then(|()| self.file.write_all(&self.ready.0));
        if let Err(error) = written {
            // Tried again before anything is written, and when the file is opened anew.
            let _cut = self.cut();
            return Err(error);
        }
        self.end += (self.essential.len() + self.ready.0.len()) as u64;
        self.written += self.essential_frames + self.ready.1;
        self.essential.clear();
        self.essential_frames = 0;
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end)).map(drop)
    }

    /// Says how many frames were written, once they are on disk.
    pub(super) fn end(self) -> io::Result<u64> {
        self.file.sync_all()?;
        Ok(self.written)
    }
}
