//! How well a source is heard: what of it decodes and what does not, what its node refuses, and what could not be had of it.
//!
//! # Invariants
//! - What does not decode is counted, and said at the first and at each power of ten: which node, what is wrong, how it begins.
//! - A source is deaf to a kind of news when nothing of it decodes any more. That is said once, and taken back when it does.
//! - Everything held here is printable.
//!
//! # Cost
//! A frame that decodes: two relaxed reads and an addition.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::metrics::said::is_said;
use crate::types::text::printable;

/// Frames in a row that do not decode, behind which a source is said to be deaf to their kind.
const DEAF: u64 = 5;
/// Characters of a frame and of a cause that are shown.
const SHOWN: usize = 200;
/// Causes kept for each source, the latest.
const CAUSES: usize = 4;
/// Sets of fields that are said to be derived; nodes of one kind leave out the same.
const SETS: usize = 16;

/// What a frame tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Kind {
    /// Blocks.
    Heads,
    /// Logs.
    Logs,
    /// Pending transactions.
    Pending,
    /// That cannot be told.
    Unknown,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Heads, Self::Logs, Self::Pending, Self::Unknown];

    /// In logs and in `/status`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Heads => "heads",
            Self::Logs => "logs",
            Self::Pending => "pending transactions",
            Self::Unknown => "anything",
        }
    }
}

/// A frame that did not decode, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What is wrong with it.
    pub cause: String,
    /// How it begins.
    pub begins: String,
}

/// How a source is heard, for people.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Heard {
    /// What its connection ended with, while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<String>,
    /// Frames that decoded.
    pub frames: u64,
    /// Frames that did not.
    pub bad_frames: u64,
    /// Of which kinds nothing decodes.
    pub deaf_to: Vec<&'static str>,
    /// The latest that did not decode.
    pub causes: Vec<Cause>,
    /// Subscriptions that its node refuses, each with its words.
    pub refused: BTreeMap<&'static str, String>,
    /// Transactions some of whose fields were derived.
    pub derived: u64,
    /// Transactions announced by hash whose body could not be had here.
    pub not_had: u64,
    /// ... that the node did not know any more when it was asked.
    pub gone: u64,
}

/// One source's.
pub(in crate::edge::ingest) struct Hearing {
    name: String,
    good: AtomicU64,
    bad: AtomicU64,
    /// By kind: frames that did not decode since the last that did.
    runs: [AtomicU64; 4],
    derived: AtomicU64,
    not_had: AtomicU64,
    gone: AtomicU64,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    down: Option<String>,
    causes: VecDeque<Cause>,
    refused: BTreeMap<&'static str, String>,
    derived: BTreeSet<Vec<&'static str>>,
    /// By kind: how often it was found deaf.
    deaf: [u64; 4],
}

impl Hearing {
    pub(in crate::edge::ingest) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            good: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            runs: [const { AtomicU64::new(0) }; 4],
            derived: AtomicU64::new(0),
            not_had: AtomicU64::new(0),
            gone: AtomicU64::new(0),
            said: Mutex::default(),
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        // No code panics while it holds the lock; a poisoned one is whole.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A frame decoded.
    pub(in crate::edge::ingest) fn good(&self, kind: Kind) {
        self.good.fetch_add(1, Ordering::Relaxed);
        for kind in [kind, Kind::Unknown] {
            let run = &self.runs[kind as usize];
            if run.load(Ordering::Relaxed) > 0 && run.swap(0, Ordering::Relaxed) >= DEAF {
                tracing::info!(source = self.name, to = kind.name(), "a source is heard again");
            }
        }
    }

    /// A frame did not decode.
    pub(in crate::edge::ingest) fn bad(&self, kind: Kind, text: &str, cause: &str) {
        let cause = Cause { cause: printable(cause, SHOWN), begins: printable(text, SHOWN) };
        let frames = self.bad.fetch_add(1, Ordering::Relaxed) + 1;
        let run = self.runs[kind as usize].fetch_add(1, Ordering::Relaxed) + 1;
        let (source, to) = (&self.name, kind.name());
        if is_said(frames) {
            tracing::warn!(
                source,
                frames,
                of = to,
                cause = cause.cause,
                begins = cause.begins,
                "a frame does not decode"
            );
        }
        let mut said = self.said();
        if run == DEAF {
            said.deaf[kind as usize] += 1;
            if is_said(said.deaf[kind as usize]) {
                tracing::warn!(
                    source,
                    to,
                    cause = cause.cause,
                    begins = cause.begins,
                    "a source is deaf: nothing of it decodes"
                );
            }
        }
        if said.causes.len() >= CAUSES {
            said.causes.pop_front();
        }
        said.causes.push_back(cause);
    }

    /// A transaction came without these fields, and they were derived.
    pub(in crate::edge::ingest) fn derived(&self, fields: &[&'static str], text: &str) {
        self.derived.fetch_add(1, Ordering::Relaxed);
        let mut said = self.said();
        if said.derived.len() < SETS && !said.derived.contains(fields) {
            said.derived.insert(fields.to_vec());
            let (source, begins) = (&self.name, printable(text, SHOWN));
            tracing::warn!(source, ?fields, begins, "transactions come without these fields, which are derived");
        }
    }

    /// Transactions are known by hash alone, and stay so.
    pub(in crate::edge::ingest) fn not_had(&self, count: u64, why: &str) {
        let before = self.not_had.fetch_add(count, Ordering::Relaxed);
        if count > 0 && (before + 1..=before + count).any(is_said) {
            let (source, why) = (&self.name, printable(why, SHOWN));
            tracing::warn!(source, transactions = before + count, why, "transactions whose bodies could not be had");
        }
    }

    /// A node does not know any more what it has announced.
    pub(in crate::edge::ingest) fn gone(&self) {
        self.gone.fetch_add(1, Ordering::Relaxed);
    }

    /// The node refuses a subscription. Whether that was not known.
    pub(in crate::edge::ingest) fn refused(&self, topic: &'static str, why: &str) -> bool {
        self.said().refused.insert(topic, printable(why, SHOWN)).is_none()
    }

    /// It has made it after all.
    pub(in crate::edge::ingest) fn granted(&self, topic: &'static str) {
        self.said().refused.remove(topic);
    }

    /// It has a connection, or why it has none.
    pub(in crate::edge::ingest) fn link(&self, down: Option<&str>) {
        self.said().down = down.map(|why| printable(why, SHOWN));
    }

    /// How it stands.
    pub(in crate::edge::ingest) fn heard(&self) -> Heard {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let deaf = |kind: &Kind| read(&self.runs[*kind as usize]) >= DEAF;
        let said = self.said();
        Heard {
            down: said.down.clone(),
            frames: read(&self.good),
            bad_frames: read(&self.bad),
            deaf_to: Kind::ALL.into_iter().filter(deaf).map(Kind::name).collect(),
            causes: said.causes.iter().cloned().collect(),
            refused: said.refused.clone(),
            derived: read(&self.derived),
            not_had: read(&self.not_had),
            gone: read(&self.gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_deaf_to_what_does_not_decode_any_more_and_to_nothing_once_it_does() {
        let hearing = Hearing::new("a");
        for _ in 0..DEAF {
            hearing.good(Kind::Heads);
            hearing.bad(Kind::Pending, "{\"x\u{1b}\n\"", "no `from`");
        }
        let heard = hearing.heard();
        assert_eq!((heard.deaf_to, heard.frames, heard.bad_frames), (vec!["pending transactions"], DEAF, DEAF));
        assert_eq!(heard.causes, vec![Cause { cause: "no `from`".to_owned(), begins: "{\"x \"".to_owned() }; CAUSES]);
        hearing.good(Kind::Pending);
        assert!(hearing.heard().deaf_to.is_empty());
        for _ in 1..DEAF {
            hearing.bad(Kind::Unknown, "", "");
        }
        hearing.good(Kind::Logs);
        hearing.bad(Kind::Unknown, "", "");
        assert!(hearing.heard().deaf_to.is_empty(), "one in between decoded");
    }

    #[test]
    fn a_refusal_stands_until_it_is_granted() {
        let hearing = Hearing::new("a");
        assert!(hearing.refused("newHeads", "n\no") && !hearing.refused("newHeads", "no"));
        hearing.link(Some("gone\r"));
        assert_eq!(
            (hearing.heard().refused["newHeads"].as_str(), hearing.heard().down.as_deref()),
            ("no", Some("gone"))
        );
        hearing.granted("newHeads");
        hearing.link(None);
        assert!(hearing.heard().refused.is_empty() && hearing.heard().down.is_none());
    }
}
