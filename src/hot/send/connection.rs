//! A warm HTTP/1.1 connection to one relay: a request is one write, its answer is polled for.
//!
//! # Invariants
//! - One request at a time: while its answer is due the connection is busy.
//! - A request of which the first byte may have gone out is never written again, on this connection or another.
//! - An answer longer than [`MOST_ANSWER`] breaks the connection: relays say a hash or a sentence.

use std::fmt;
use std::io::{Read, Write};

use uuid::Uuid;

use crate::hot::rt::port::Broken;
use crate::hot::rt::port::Stream;
use crate::hot::rt::port::is_empty;
use crate::hot::send::Body;

/// Bytes of an answer, head and body.
pub const MOST_ANSWER: usize = 64 * 1024;

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
    heard: Vec<u8>,
    under_way: Option<Uuid>,
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
}

impl RelayConnection {
    /// On a non-blocking connection.
    #[must_use]
    pub const fn new(manner: Manner, stream: Stream) -> Self {
        Self { manner, stream, out: Vec::new(), done: 0, heard: Vec::new(), under_way: None }
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

    /// No answer is due.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        self.under_way.is_none()
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
        if self.under_way.is_some() {
            self.push()?;
        }
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.ended(),
            Ok(count) => {
                self.heard.extend_from_slice(&chunk[..count]);
                self.answer(false)
            }
            Err(error) if is_empty(&error) => Ok(None),
            Err(error) => Err(Broken(error.to_string())),
        }
    }

    /// The relay has closed; what it said before may be whole.
    fn ended(&mut self) -> Result<Option<Said>, Broken> {
        match self.answer(true)? {
            Some(said) => Ok(Some(said)),
            None => Err(Broken("closed by the relay".to_owned())),
        }
    }

    fn answer(&mut self, ended: bool) -> Result<Option<Said>, Broken> {
        let Some(uuid) = self.under_way else {
            if self.heard.is_empty() {
                return Ok(None);
            }
            return Err(Broken("an answer to nothing".to_owned()));
        };
        if self.heard.len() > MOST_ANSWER {
            return Err(Broken(format!("an answer of more than {MOST_ANSWER} bytes")));
        }
        let Some((status, body)) = parse(&self.heard, ended)? else { return Ok(None) };
        self.heard.clear();
        self.under_way = None;
        Ok(Some(Said { uuid, status, body }))
    }
}

/// An answer, once it is whole.
fn parse(heard: &[u8], ended: bool) -> Result<Option<(u16, Vec<u8>)>, Broken> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(heard).map_err(|error| Broken(format!("no HTTP: {error}")))?;
    let httparse::Status::Complete(at) = parsed else { return Ok(None) };
    let status = response.code.unwrap_or_default();
    let rest = &heard[at..];
    let field = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok().map(str::trim)
    };
    if field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Ok(chunks(rest)?.map(|body| (status, body)));
    }
    let length = match field("content-length").map(str::parse::<usize>) {
        Some(Ok(length)) => length,
        Some(Err(_)) => return Err(Broken("a content length that is none".to_owned())),
        // Up to the end of the connection.
        None => return Ok(ended.then(|| (status, rest.to_vec()))),
    };
    Ok(rest.get(..length).map(|body| (status, body.to_vec())))
}

/// A chunked body, once its last chunk is there.
fn chunks(mut rest: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
    let mut body = Vec::new();
    loop {
        let size = httparse::parse_chunk_size(rest).map_err(|_| Broken("a chunk without a size".to_owned()))?;
        let httparse::Status::Complete((at, length)) = size else { return Ok(None) };
        let end = usize::try_from(length).ok().and_then(|length| at.checked_add(length));
        let Some(chunk) = end.and_then(|end| rest.get(at..end)) else { return Ok(None) };
        let Some(next) = end.and_then(|end| rest.get(end + 2..)) else { return Ok(None) };
        if chunk.is_empty() {
            return Ok(Some(body));
        }
        body.extend_from_slice(chunk);
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_whole_however_it_is_cut() {
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
        for text in [plain, chunked] {
            for cut in 0..text.len() {
                assert_eq!(parse(&text.as_bytes()[..cut], false).unwrap(), None, "{cut}");
            }
            assert_eq!(parse(text.as_bytes(), false).unwrap(), Some((200, b"hello".to_vec())));
        }
    }

    #[test]
    fn an_answer_without_a_length_ends_with_the_connection() {
        let text = b"HTTP/1.1 500 No\r\n\r\n<html>";
        assert_eq!(parse(text, false).unwrap(), None);
        assert_eq!(parse(text, true).unwrap(), Some((500, b"<html>".to_vec())));
        assert!(parse(b"hello", true).is_err());
    }
}
