//! Stderr, which may be a file on a disk that takes nothing, or a pipe that nobody reads any more. What it does not take is lost,
//! and how much is said once it takes something again. Nothing ends for it: `eprintln!` would panic, and a panic that cannot be
//! told would end the process.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes that were lost since the last one that was not.
static LOST: AtomicU64 = AtomicU64::new(0);

/// A way to stderr, on which no write fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        put(&mut io::stderr().lock(), &LOST, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line.
pub fn say(line: &str) {
    // No write fails.
    let _said = Stderr.write_all(format!("{line}\n").as_bytes());
}

fn put(to: &mut impl Write, lost: &AtomicU64, bytes: &[u8]) {
    let before = lost.load(Ordering::Relaxed);
    let told = if before == 0 { Ok(()) } else { writeln!(to, "{before} lines could not be written here") };
    if told.is_ok() && before > 0 {
        lost.fetch_sub(before, Ordering::Relaxed);
    }
    if told.and_then(|()| to.write_all(bytes)).is_err() {
        lost.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes in all.
    struct Disk(Vec<u8>, usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() + bytes.len() > self.1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_are_not_taken_are_counted_and_told_when_one_is() {
        let (mut disk, lost) = (Disk(Vec::new(), 8), AtomicU64::new(0));
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            put(&mut disk, &lost, line.as_bytes());
        }
        disk.1 = 100;
        put(&mut disk, &lost, b"five\n");
        assert_eq!(disk.0, b"one\ntwo\n2 lines could not be written here\nfive\n");
        assert_eq!(lost.into_inner(), 0);
    }
}
