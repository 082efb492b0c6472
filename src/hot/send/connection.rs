//! A warm HTTP/1.1 connection to one relay: a request is one write, its answer is polled for.
//!
//! # Invariants
//! - One request at a time: while its answer is due the connection is busy.
//! - A request of which the first byte may have gone out is never written again, on this connection or another.
//! - An answer that says it is the last, that comes before its request is out, or that has something behind it, is heard; the
//!   connection is then not written to any more, and ends.

use std::fmt;
use std::io::{Read, Write};

use uuid::Uuid;

use crate::hot::rt::port::Broken;
use crate::hot::rt::port::Stream;
use crate::hot::rt::port::is_empty;
use crate::hot::send::Body;
use crate::hot::send::answer::{Answer, AnswerReader};

/// How one relay is spoken to.
#[derive(Clone)]
pub struct Manner {
    /// Its index in the configuration.
    pub relay: usize,
    /// Never shown, as the path may hold an account's key. Request connection and headers, but for length and signature; ends with the last one's connection break.
    pub head: String,
    /// Its dialect.
    pub body: Body,
    /// It wants `X-Flashbots-Signature`.
    pub signed: bool,
}

impl fmt::Debug for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manner").field("relay", &self.relay).field("signed", &self.signed).finish_non_exhaustive()
    }
}

/// One relay's connection.
pub struct RelayConnection {
    manner: Manner,
    stream: Stream,
    /// The request, and how much of it is out.
    out: Vec<u8>,
    done: usize,
    answers: AnswerReader,
    under_way: Option<Uuid>,
    /// Nothing is written to it any more.
    closing: bool,
    /// What came down it is no HTTP.
    confused: bool,
}

impl fmt::Debug for RelayConnection {
    // The request in hand starts with the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("manner", &self.manner).field("under_way", &self.under_way).finish_non_exhaustive()
    }
}

/// What a relay said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Of which bundle.
    pub uuid: Uuid,
    /// HTTP's status.
    pub status: u16,
    /// The answer's body.
    pub body: Vec<u8>,
    /// When it may be asked again, in its words.
    pub retry_after: Option<String>,
}

impl RelayConnection {
    /// On a non-blocking connection.
    #[must_use]
    pub const fn new(manner: Manner, stream: Stream) -> Self {
        let answers = AnswerReader::new();
        Self { manner, stream, out: Vec::new(), done: 0, answers, under_way: None, closing: false, confused: false }
    }

    /// Its relay's index.
    #[must_use]
    pub const fn relay(&self) -> usize {
        self.manner.relay
    }

    /// Its dialect.
    #[must_use]
    pub const fn body(&self) -> Body {
        self.manner.body
    }

    /// Whether it wants a signature.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        self.manner.signed
    }

    /// A request may be written to it: no answer is due, and more are to come.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        self.under_way.is_none() && !self.closing
    }

    /// It broke because its relay said what is no answer, and would again.
    #[must_use]
    pub const fn is_confused(&self) -> bool {
        self.confused
    }

    /// The bundle whose answer is due.
    #[must_use]
    pub const fn under_way(&self) -> Option<Uuid> {
        self.under_way
    }

    /// Writes a request. On an error not one byte of it is out.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn say(&mut self, uuid: Uuid, body: &[u8], signature: Option<&[u8]>) -> Result<(), Broken> {
        self.out.clear();
        self.done = 0;
        self.out.extend_from_slice(self.manner.head.as_bytes());
        if let Some(signature) = signature {
            self.out.extend_from_slice(b"X-Flashbots-Signature: ");
            self.out.extend_from_slice(signature);
            self.out.extend_from_slice(b"\r\n");
        }
        // Writing to a vector cannot fail.
        let _infallible = write!(self.out, "Content-Length: {}\r\n\r\n", body.len());
        self.out.extend_from_slice(body);
        match self.push() {
            Err(broken) if self.done == 0 => Err(broken),
            // Broken in the middle of it: the next look at the connection finds out, and the answer is unknown.
            _ => {
                self.under_way = Some(uuid);
                Ok(())
            }
        }
    }

    fn push(&mut self) -> Result<(), Broken> {
        while self.done < self.out.len() {
            match self.stream.write(&self.out[self.done..]) {
                Ok(0) => return Err(Broken("closed by the relay".to_owned())),
                Ok(count) => self.done += count,
                Err(error) if is_empty(&error) => return Ok(()),
                Err(error) => return Err(Broken(error.to_string())),
            }
        }
        // TLS may hold records back.
        match self.stream.flush() {
            Err(error) if !is_empty(&error) => Err(Broken(error.to_string())),
            _ => Ok(()),
        }
    }

    /// Goes on writing, and reads what has come.
    ///
    /// # Errors
    /// The connection has ended, or says what is no answer. What is under way then has no answer: it may have arrived.
    pub fn listen(&mut self) -> Result<Option<Said>, Broken> {
        match self.under_way {
            // Who does not want to hear the rest may have said why before it closed.
            Some(_) if !self.closing => self.closing = self.push().is_err(),
            Some(_) => {}
            None if self.closing => return Err(Broken("closed by the relay".to_owned())),
            None => {}
        }
        let mut chunk = [0; 4096];
        let ended = match self.stream.read(&mut chunk) {
            Ok(0) => true,
            Ok(count) => {
                self.answers.hear(&chunk[..count]).map_err(|broken| self.confusing(broken))?;
                false
            }
            Err(error) if is_empty(&error) => return Ok(None),
            Err(error) => return Err(Broken(error.to_string())),
        };
        let said = self.answer(ended).map_err(|broken| self.confusing(broken))?;
        if ended && said.is_none() { Err(Broken("closed by the relay".to_owned())) } else { Ok(said) }
    }

    #[cold]
    fn confusing(&mut self, Broken(why): Broken) -> Broken {
        // On an idle connection it is how some say that they close it (408).
        self.confused = self.under_way.is_some();
        Broken(format!("{why}: {:?}", self.answers.beginning()))
    }

    fn answer(&mut self, ended: bool) -> Result<Option<Said>, Broken> {
        let Some(uuid) = self.under_way else {
            let nothing = self.answers.is_between();
            return if nothing { Ok(None) } else { Err(Broken("an answer to nothing".to_owned())) };
        };
        let Some(Answer { status, body, last, retry_after }) = self.answers.answer(ended)? else { return Ok(None) };
        // A request in the middle of another, or an answer that was there before its question: neither could be told apart.
        self.closing |= last || ended || self.done < self.out.len() || !self.answers.is_between();
        self.under_way = None;
        Ok(Some(Said { uuid, status, body, retry_after }))
    }
}
