//! Files that are written while the searcher runs, and what becomes of them while the disk takes nothing: one way for all.
//!
//! # Invariants
//! - That a file is not written is said once, when it begins and with its cause; that it is again, once.
//! - What is left out meanwhile is counted.
//! - It is tried again for as long as the searcher runs, after waits that double, and with more than what waits: one small entry that
//!   still fits is not taken for room.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::watch;

/// Between two tries: the first time, and the longest.
const WAIT: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(30)];
/// What was written for so long is no fluke: the next wait is the first one again.
const LASTED: Duration = Duration::from_secs(60);

/// What there is to be room for before a file is written again: a block's bundles and what relays say to them.
pub const ROOM_BYTES: usize = 256 << 10;

/// Whether a file takes what is written.
#[derive(Debug)]
pub struct Writes {
    what: &'static str,
    path: PathBuf,
    trouble: watch::Sender<Option<Trouble>>,
    lost: AtomicU64,
}

/// Since when it does not, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    since_ms: u64,
    why: String,
    /// What had been lost before.
    lost: u64,
}

/// How a file stands, for others to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// It takes what is written.
    pub writes: bool,
    /// Since when it does not, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// ... and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Entries that are not in it.
    pub lost: u64,
}

impl Writes {
    /// A file that is written, as far as is known. `what` it is, for people.
    #[must_use]
    pub fn new(what: &'static str, path: &Path) -> Self {
        let (trouble, lost) = (watch::Sender::new(None), AtomicU64::new(0));
        Self { what, path: path.to_path_buf(), trouble, lost }
    }

    /// What it is.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        self.what
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is written.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.trouble.borrow().is_none()
    }

    /// It was not written. `so`: what follows from that.
    pub fn fail(&self, why: &str, so: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let since_ms = u64::try_from(now).unwrap_or(u64::MAX);
        let is_new = self.trouble.send_if_modified(|trouble| {
            let is_new = trouble.is_none();
            trouble.get_or_insert_with(|| Trouble { since_ms, why: why.to_owned(), lost: self.lost() });
            is_new
        });
        if is_new {
            let (what, path) = (self.what, self.path.display());
            tracing::warn!(%path, why, "the {what} is not written: {so}; it is tried again");
        }
    }

    /// It was written.
    pub fn go_on(&self) {
        let mut over = None;
        // Who waits for a change is told of one, and not of every write.
        self.trouble.send_if_modified(|trouble| {
            over = trouble.take();
            over.is_some()
        });
        let Some(trouble) = over else { return };
        let (what, path, lost) = (self.what, self.path.display(), self.lost() - trouble.lost);
        tracing::warn!(%path, lost, "the {what} is written again");
    }

    /// Whether there is room beside it, by a file that is gone behind that. What else may be wrong with its folder is not asked here.
    ///
    /// # Errors
    /// There is none.
    pub fn try_room(&self) -> io::Result<()> {
        let mut path = self.path.clone().into_os_string();
        path.push(".room");
        // No zeros: a file system may keep those without room.
        let tried = std::fs::write(&path, vec![0xa5; ROOM_BYTES]);
        let _none = std::fs::remove_file(&path);
        let is_full = |error: &io::Error| matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        tried.or_else(|error| if is_full(&error) { Err(error) } else { Ok(()) })
    }

    /// So many entries are not in it.
    pub fn lose(&self, entries: u64) {
        self.lost.fetch_add(entries, Ordering::Relaxed);
    }

    /// Entries that are not in it, so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let trouble = self.trouble.borrow().clone();
        Standing {
            writes: trouble.is_none(),
            since_ms: trouble.as_ref().map(|trouble| trouble.since_ms),
            why: trouble.map(|trouble| trouble.why),
            lost: self.lost(),
        }
    }

    /// Tells when it is not written, and when it is again.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Trouble>> {
        self.trouble.subscribe()
    }

    /// Waits until it is written.
    pub async fn again(&self) {
        // The sender is ours: it is not gone.
        let mut watch = self.watch();
        let _standing = watch.wait_for(Option::is_none).await;
    }
}

/// When something that failed is tried again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retry {
    /// The wait, and when it is over; `None`: it has not failed.
    waits: Option<(Duration, Instant)>,
    /// The wait before, and since when it has worked.
    worked: Option<(Duration, Instant)>,
}

impl Retry {
    /// It has failed: it is tried again after a wait that is twice the last.
    pub fn fail(&mut self, now: Instant) {
        let [least, most] = WAIT;
        let lately = self.worked.take().filter(|(_, since)| now.duration_since(*since) < LASTED);
        let last = self.waits.or(lately).map(|(wait, _)| wait);
        let wait = last.map_or(least, |last| (last * 2).min(most));
        self.waits = Some((wait, now + wait));
    }

    /// It works.
    pub fn work(&mut self, now: Instant) {
        self.worked = self.waits.take().map(|(wait, _)| (wait, now)).or(self.worked);
    }

    /// How long until it is tried; `None`: it works.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Duration> {
        self.waits.map(|(_, due)| due.saturating_duration_since(now))
    }

    /// Whether it works, or is to be tried by now.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.due(now).is_none_or(|wait| wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_doubles_until_it_has_worked_for_long() {
        let (mut retry, began) = (Retry::default(), Instant::now());
        assert!(retry.is_due(began));
        let mut at = began;
        for ms in [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            retry.fail(at);
            assert_eq!(retry.due(at), Some(Duration::from_millis(ms)));
            at += Duration::from_millis(ms);
            assert!(retry.is_due(at));
        }
        retry.work(at);
        assert_eq!(retry.due(at), None);
        retry.fail(at + LASTED / 2);
        assert_eq!(retry.due(at + LASTED / 2), Some(WAIT[1]), "it did not work for long");
        retry.work(at + LASTED);
        retry.fail(at + LASTED * 2);
        assert_eq!(retry.due(at + LASTED * 2), Some(WAIT[0]));
    }

    #[test]
    fn a_file_is_not_written_from_the_first_failure_until_it_is_written() {
        let writes = Writes::new("ledger", Path::new("a"));
        let mut watch = writes.watch();
        writes.go_on();
        assert!(!watch.has_changed().unwrap(), "it was written before");
        writes.lose(2);
        writes.fail("no space", "nothing is sent");
        writes.lose(3);
        writes.fail("something else", "nothing is sent");
        let standing = writes.standing();
        assert!(!standing.writes && standing.since_ms.is_some() && standing.lost == 5);
        assert_eq!(standing.why.as_deref(), Some("no space"), "what it began with");
        assert!(watch.has_changed().unwrap() && watch.borrow_and_update().is_some());
        writes.go_on();
        assert!(watch.has_changed().unwrap());
        assert_eq!(writes.standing(), Standing { writes: true, since_ms: None, why: None, lost: 5 });
    }
}
