//! The ledger's thread: takes what is queued, writes it in one transaction, and acknowledges each once that is on disk.
//!
//! # Invariants
//! - While the disk takes nothing, what comes is told so at once: nobody waits for a disk. It is tried again with as much as the
//!   next rows may need, so that one small row that still fits is not taken for room.
//! - What is acknowledged stays, and what failed is told as failed.
//! - A row that cannot be written or read takes none of those down that share its transaction.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use crate::edge::disk::{Retry, Writes};
use crate::edge::ledger::LedgerError;
use crate::edge::ledger::Request;
use crate::edge::ledger::file::File;
use crate::edge::ledger::store;

/// Most operations that share one transaction.
const ABREAST: usize = 256;
/// What follows from a ledger that is not written.
const SO: &str = "nothing is sent";

/// What writes.
pub(super) struct Writer {
    pub(super) file: Arc<File>,
    pub(super) writes: Arc<Writes>,
    pub(super) requests: Receiver<Request>,
    pub(super) retry: Retry,
}

impl Writer {
    /// Writes until nobody can ask any more.
    pub(super) fn run(mut self) {
        loop {
            let next = match self.retry.due(Instant::now()) {
                None => self.requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => self.requests.recv_timeout(wait),
            };
            match next {
                Ok(first) if self.writes.is_on() => self.write(first),
                Ok(first) => {
                    let why = self.writes.standing().why.unwrap_or_default();
                    answer(first, Err(LedgerError::Unwritten { why }));
                }
                Err(RecvTimeoutError::Timeout) => (),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // Whether or not somebody keeps asking.
            if !self.writes.is_on() && self.retry.is_due(Instant::now()) {
                self.try_again();
            }
        }
    }

    fn write(&mut self, first: Request) {
        let batch: Vec<Request> = std::iter::once(first).chain(self.requests.try_iter().take(ABREAST - 1)).collect();
        match self.commit(&batch) {
            Ok(results) => batch.into_iter().zip(results).for_each(|(request, result)| answer(request, result)),
            Err(LedgerError::Row { .. }) if batch.len() > 1 => {
                batch.into_iter().for_each(|request| self.alone(request))
            }
            Err(error) => {
                self.note(&error);
                batch.into_iter().for_each(|request| answer(request, Err(error.clone())));
            }
        }
    }

    fn alone(&mut self, request: Request) {
        let result = match self.commit(std::slice::from_ref(&request)) {
            Ok(results) => results.into_iter().collect(),
            Err(error) => {
                self.note(&error);
                Err(error)
            }
        };
        answer(request, result);
    }

    fn commit(&self, batch: &[Request]) -> Result<Vec<Result<(), LedgerError>>, LedgerError> {
        self.file.with(|db| store::commit(db, batch.iter().map(|request| &request.op)))
    }

    /// Whether more fails than this.
    fn note(&mut self, error: &LedgerError) {
        if error.is_the_disks() {
            // Said before anybody is answered: who is told to wait for the disk waits for this.
            self.writes.fail(&error.to_string(), SO);
            self.rest();
        }
    }

    /// Opens the file anew at once, so that it can be read meanwhile, if the disk lets it; it is written again later.
    fn rest(&mut self) {
        self.retry.fail(Instant::now());
        if let Err(error) = self.file.reopen() {
            tracing::debug!(%error, "the ledger is not opened anew");
        }
    }

    fn try_again(&mut self) {
        let open = if self.file.is_open() { Ok(()) } else { self.file.reopen() };
        // The file's own room may be the last probe's, which the next row does not get: there is to be room beside it as well.
        let room = self.writes.try_room().map_err(store::fail);
        match room.and(open).and_then(|()| self.file.with(store::probe)) {
            Ok(()) => {
                self.retry.work(Instant::now());
                self.writes.go_on();
            }
            Err(error) => {
                tracing::debug!(%error, "the ledger is still not written");
                self.rest();
            }
        }
    }
}

fn answer(request: Request, result: Result<(), LedgerError>) {
    // Nobody waits: it is written all the same.
    let _unheard = request.ack.send(result);
}
