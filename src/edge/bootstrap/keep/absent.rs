//! What a node cannot do: not for ever, since nodes are restarted, replaced and set up anew. And how often in a row it was not
//! had, which is said at the first time and at each power of ten.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::time::Instant;

use crate::edge::chain::ChainError;
use crate::metrics::said::is_said;

/// So long a method that there is not is not asked for.
const AGAIN: Duration = Duration::from_secs(3_600);

/// A method that no node has, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Absent {
    since: Mutex<Option<Instant>>,
    /// Times in a row that it was not had.
    failed: AtomicU64,
}

impl Absent {
    /// Whether it is not worth asking now.
    pub(super) fn is_absent(&self) -> bool {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|since| since.elapsed() < AGAIN)
    }

    /// It was had.
    pub(super) fn had(&self) {
        self.failed.store(0, Ordering::Relaxed);
    }

    /// What a call of it came to. Only "there is no such method" is remembered: a trace that is not had of one block, for whatever
    /// reason, says nothing of the next.
    pub(super) fn learn(&self, method: &str, error: &ChainError) {
        if error.is_no_such_method() {
            let known = self.since.lock().unwrap_or_else(PoisonError::into_inner).replace(Instant::now());
            if known.is_none() {
                tracing::info!(method, %error, "done without; asked again in an hour");
            }
            return;
        }
        let in_a_row = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
        if is_said(in_a_row) {
            tracing::warn!(method, in_a_row, %error, "not had this time: done without");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Absent;
    use crate::edge::chain::ChainError;

    fn refused(code: i64, message: &str) -> ChainError {
        ChainError::Refused { host: "h".to_owned(), method: "m".to_owned(), code, message: message.to_owned() }
    }

    #[test]
    fn no_such_method_is_remembered_and_no_other_trouble() {
        let absent = Absent::default();
        let shape = ChainError::Shape { host: "h".to_owned(), method: "m".to_owned(), cause: "null".to_owned() };
        let transport = ChainError::Transport {
            host: "h".to_owned(),
            method: "m".to_owned(),
            cause: "502".to_owned(),
            late: false,
        };
        let others = [refused(-32600, "invalid request"), refused(-32000, "block not found"), refused(-32602, "x")];
        for error in others.into_iter().chain([shape, transport]) {
            absent.learn("m", &error);
            assert!(!absent.is_absent(), "{error}");
        }
        for error in
            [refused(-32601, "x"), refused(-32000, "the method debug_traceBlockByHash does not exist/is not available")]
        {
            let absent = Absent::default();
            absent.learn("m", &error);
            assert!(absent.is_absent(), "{error}");
        }
    }
}
