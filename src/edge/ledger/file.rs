//! The ledger's file: opened, closed and opened anew, and the one place behind which the library's own assertions end.
//!
//! redb trusts its file. On one that was damaged it asserts here and there where it should refuse, and a ledger that cannot be
//! used is no reason for a process to end without a word: what it says then is an error like any other. It holds no memory that
//! a panic could leave torn for us: the database is dropped behind one, and opened anew.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::Database;
use redb::ReadTransaction;

use crate::edge::ledger::LedgerError;
use crate::edge::ledger::store;

/// A file, and the database in it while it is open.
pub(super) struct File {
    path: PathBuf,
    db: RwLock<Option<Database>>,
}

impl File {
    /// Opens it, or makes it, and holds every page against its checksum.
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = Self { path: path.to_path_buf(), db: RwLock::default() };
        file.begin(true)?;
        Ok(file)
    }

    /// Closes it and opens it anew: redb does nothing more behind a failure of the disk's. What it was failed by it may fail by
    /// again at the next write.
    pub(super) fn reopen(&self) -> Result<(), LedgerError> {
        self.begin(false)
    }

    fn begin(&self, is_checked: bool) -> Result<(), LedgerError> {
        // Readers are in and out: none keeps a transaction. The file's lock goes with the last of them.
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        let old = db.take();
        // What goes wrong at the end of one that failed has been said.
        let _closed = guarded(|| {
            drop(old);
            Ok(())
        });
        let opened = guarded(|| {
            let mut opened = Database::create(&self.path).map_err(store::fail)?;
            if is_checked && !opened.check_integrity().map_err(store::fail)? {
                let path = self.path.display();
                tracing::warn!(%path, "the ledger was damaged, and is as it was before its last entries");
            }
            store::prepare(&opened)?;
            Ok(opened)
        });
        *db = Some(opened.map_err(|error| error.of(&self.path))?);
        Ok(())
    }

    /// Whether it could be opened when it was tried last.
    pub(super) fn is_open(&self) -> bool {
        self.db.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Does something with the database.
    pub(super) fn with<T>(&self, act: impl FnOnce(&Database) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = db.as_ref() else {
            return Err(LedgerError::Store { cause: format!("{}: it is not open", self.path.display()) });
        };
        guarded(|| act(db)).map_err(|error| error.of(&self.path))
    }

    /// Reads.
    pub(super) fn read<T>(
        &self,
        ask: impl FnOnce(&ReadTransaction) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        self.with(|db| ask(&store::read(db)?))
    }
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread is one that becomes an error: whoever tells of panics need not tell of it.
#[must_use]
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// A panic of the library's is an error.
fn guarded<T>(act: impl FnOnce() -> Result<T, LedgerError>) -> Result<T, LedgerError> {
    let was = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(act));
    GUARDED.set(was);
    outcome.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
        // An assertion says what was due on lines of their own; an error is one sentence.
        let cause = words.unwrap_or("no reason given").split_whitespace().collect::<Vec<_>>().join(" ");
        Err(LedgerError::Damaged { path: PathBuf::new(), cause })
    })
}
