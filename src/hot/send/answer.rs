//! An HTTP/1.1 answer as it comes in (RFC 9110, RFC 9112): what is no answer yet (1xx) is passed over, and a body ends where its
//! framing says.
//!
//! # Invariants
//! - Sans-IO: bytes go in, whole answers come out, and however the bytes are cut the same answers come out.
//! - An answer of more than [`MOST_ANSWER`] bytes is an error, whatever it says of its own length: relays say a hash or a sentence.
//! - What cannot be told to the byte (two lengths that differ, a chunk without an end) is an error and never a guess.
//!
//! # Cost
//! A head is read twice at most: when its first bytes are there, and when its end is. One allocation, for the body; one more for a
//! head of more than `USUAL_HEADERS` headers, and for one that says when to ask again.

use httparse::{EMPTY_HEADER, Header, ParserConfig, Response, Status};

use crate::hot::rt::port::Broken;
use crate::types::text::printable;

/// Bytes of an answer, head and body.
pub const MOST_ANSWER: usize = 64 * 1024;
/// Headers for which nothing is allocated.
const USUAL_HEADERS: usize = 64;
/// Characters of a beginning.
const MOST_BEGINNING: usize = 64;
/// Bytes of a chunk's size with its extensions.
const MOST_SIZE_LINE: usize = 1024;

/// A whole one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's status, 200 or more.
    pub status: u16,
    /// Its body, without the framing.
    pub body: Vec<u8>,
    /// No other answer comes down this connection.
    pub last: bool,
    /// When it may be asked again, in its words (RFC 9110, 10.2.3).
    pub retry_after: Option<String>,
}

/// What of an answer is due next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    /// So many bytes of body.
    Length(usize),
    /// A body up to the end of the connection.
    ToTheEnd,
    ChunkSize,
    /// So many bytes of a chunk.
    Chunk(usize),
    ChunkEnd,
    Trailers,
}

enum Step {
    /// Bytes that are not there yet are due.
    Wait,
    Next(Part),
    Whole,
}

/// A head, as far as it matters here.
struct Head {
    status: u16,
    body: Part,
    last: bool,
    retry_after: Option<String>,
}

/// Reads the answers of one connection.
#[derive(Debug)]
pub struct AnswerReader {
    /// Heard, and not taken off yet.
    heard: Vec<u8>,
    /// Bytes of `heard` that end no head.
    looked: usize,
    /// Bytes of the answer in hand, those taken off included.
    count: usize,
    part: Part,
    status: u16,
    last: bool,
    retry_after: Option<String>,
    body: Vec<u8>,
}

impl AnswerReader {
    /// At the beginning of a connection.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            heard: Vec::new(),
            looked: 0,
            count: 0,
            part: Part::Head,
            status: 0,
            last: false,
            retry_after: None,
            body: Vec::new(),
        }
    }

    /// Takes bytes in.
    ///
    /// # Errors
    /// The answer is too long.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.count += bytes.len();
        if self.count > MOST_ANSWER {
            return Err(too_long());
        }
        self.heard.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether nothing is left behind the last answer. Line ends are nothing: some servers put one behind a body.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.part == Part::Head && self.heard.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
    }

    /// How what is left begins, printable: what an error is about.
    #[must_use]
    pub fn beginning(&self) -> String {
        let bytes = &self.heard[..self.heard.len().min(4 * MOST_BEGINNING)];
        printable(&String::from_utf8_lossy(bytes), MOST_BEGINNING)
    }

    /// The next answer, once it is whole. `ended`: no more bytes will come.
    ///
    /// # Errors
    /// What came is no HTTP answer.
    pub fn answer(&mut self, ended: bool) -> Result<Option<Answer>, Broken> {
        loop {
            match self.step(ended)? {
                Step::Wait => return Ok(None),
                Step::Next(part) => self.part = part,
                Step::Whole => return Ok(Some(self.whole())),
            }
        }
    }

    fn step(&mut self, ended: bool) -> Result<Step, Broken> {
        match self.part {
            Part::Head => self.head(),
            Part::Length(due) => Ok(self.length(due)),
            Part::ToTheEnd if ended => Ok(self.length(self.heard.len())),
            Part::ToTheEnd => Ok(Step::Wait),
            Part::ChunkSize => self.chunk_size(),
            Part::Chunk(due) => Ok(self.chunk(due)),
            Part::ChunkEnd => self.chunk_end(),
            Part::Trailers => Ok(self.trailers()),
        }
    }

    fn whole(&mut self) -> Answer {
        (self.part, self.count, self.looked) = (Part::Head, self.heard.len(), 0);
        let (body, retry_after) = (std::mem::take(&mut self.body), self.retry_after.take());
        Answer { status: self.status, body, last: self.last, retry_after }
    }

    fn head(&mut self) -> Result<Step, Broken> {
        // The first bytes say whether it is HTTP at all. From then on it is read once, when its end is there.
        if self.looked != 0 && !has_blank_line(&self.heard[self.looked.saturating_sub(3)..]) {
            self.looked = self.heard.len();
            return Ok(Step::Wait);
        }
        let Some((at, head)) = read_head(&self.heard)? else {
            self.looked = self.heard.len();
            return Ok(Step::Wait);
        };
        self.heard.drain(..at);
        self.looked = 0;
        match head.status {
            101 => Err(Broken("a change of protocol that nobody asked for".to_owned())),
            // Interim: the answer comes behind it.
            100..=199 => Ok(Step::Next(Part::Head)),
            _ => {
                (self.status, self.last, self.retry_after) = (head.status, head.last, head.retry_after);
                Ok(Step::Next(head.body))
            }
        }
    }

    fn length(&mut self, due: usize) -> Step {
        let Some(body) = self.heard.get(..due) else { return Step::Wait };
        self.body.extend_from_slice(body);
        self.heard.drain(..due);
        Step::Whole
    }

    fn chunk_size(&mut self) -> Result<Step, Broken> {
        let none = || Broken("a chunk without a size".to_owned());
        match httparse::parse_chunk_size(&self.heard).map_err(|_| none())? {
            Status::Complete((at, size)) => {
                self.heard.drain(..at);
                let size = usize::try_from(size).ok().filter(|size| *size <= MOST_ANSWER).ok_or_else(too_long)?;
                Ok(Step::Next(if size == 0 { Part::Trailers } else { Part::Chunk(size) }))
            }
            Status::Partial if self.heard.len() > MOST_SIZE_LINE => Err(none()),
            Status::Partial => Ok(Step::Wait),
        }
    }

    fn chunk(&mut self, due: usize) -> Step {
        let here = due.min(self.heard.len());
        self.body.extend(self.heard.drain(..here));
        match due - here {
            0 => Step::Next(Part::ChunkEnd),
            _ if here == 0 => Step::Wait,
            left => Step::Next(Part::Chunk(left)),
        }
    }

    fn chunk_end(&mut self) -> Result<Step, Broken> {
        match &self.heard[..] {
            [b'\r', b'\n', ..] => {
                self.heard.drain(..2);
                Ok(Step::Next(Part::ChunkSize))
            }
            [] | [b'\r'] => Ok(Step::Wait),
            _ => Err(Broken("a chunk that does not end where it says".to_owned())),
        }
    }

    /// Whatever they say: nothing here hangs on it.
    fn trailers(&mut self) -> Step {
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let empty = matches!(&self.heard[..end], [] | [b'\r']);
            self.heard.drain(..=end);
            if empty {
                return Step::Whole;
            }
        }
        Step::Wait
    }
}

impl Default for AnswerReader {
    fn default() -> Self {
        Self::new()
    }
}

fn too_long() -> Broken {
    Broken(format!("an answer of more than {MOST_ANSWER} bytes"))
}

fn has_blank_line(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|three| three == b"\n\r\n") || bytes.windows(2).any(|two| two == b"\n\n")
}

/// A head and its length, once it is whole.
fn read_head(heard: &[u8]) -> Result<Option<(usize, Head)>, Broken> {
    let read = match parse(heard, &mut [EMPTY_HEADER; USUAL_HEADERS]) {
        // A header takes a line, so there is room for all.
        Err(httparse::Error::TooManyHeaders) => {
            parse(heard, &mut vec![EMPTY_HEADER; heard.iter().filter(|byte| **byte == b'\n').count() + 1])
        }
        read => read,
    };
    match read.map_err(|error| Broken(format!("no HTTP: {error}")))? {
        Some((at, head)) => Ok(Some((at, head?))),
        None => Ok(None),
    }
}

type Parsed = Option<(usize, Result<Head, Broken>)>;

fn parse<'a>(heard: &'a [u8], room: &mut [Header<'a>]) -> Result<Parsed, httparse::Error> {
    // What is odd in a header that does not matter here costs no connection.
    let mut lenient = ParserConfig::default();
    lenient
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    let mut response = Response::new(room);
    match lenient.parse_response(&mut response, heard)? {
        Status::Complete(at) => Ok(Some((at, framing(&response)))),
        Status::Partial => Ok(None),
    }
}

/// RFC 9112, section 6.3: how the body ends. Section 9.3: whether another answer comes.
fn framing(response: &Response<'_, '_>) -> Result<Head, Broken> {
    let status = response.code.unwrap_or_default();
    let mut last = response.version == Some(0);
    let (mut lengths, mut codings, mut retry_after) = (None, None, None);
    for header in response.headers.iter() {
        let parts = || header.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        if header.name.eq_ignore_ascii_case("content-length") {
            let all = parts().map(number).reduce(|one, other| if one == other { one } else { None }).flatten();
            lengths = Some(if lengths.is_none_or(|before| before == all) { all } else { None });
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            codings = parts().rfind(|part| !part.is_empty()).or(codings);
        } else if header.name.eq_ignore_ascii_case("connection") {
            last &= !parts().any(|part| part.eq_ignore_ascii_case(b"keep-alive"));
            last |= parts().any(|part| part.eq_ignore_ascii_case(b"close"));
        } else if header.name.eq_ignore_ascii_case("retry-after") {
            retry_after = Some(printable(&String::from_utf8_lossy(header.value), MOST_BEGINNING));
        }
    }
    let body = match (status, codings, lengths) {
        (100..=199 | 204 | 304, _, _) => Part::Length(0),
        (_, Some(coding), lengths) => {
            // Who says both may have been understood otherwise on the way here.
            last |= lengths.is_some();
            if coding.eq_ignore_ascii_case(b"chunked") { Part::ChunkSize } else { Part::ToTheEnd }
        }
        (_, None, Some(Some(length))) if length > MOST_ANSWER => return Err(too_long()),
        (_, None, Some(Some(length))) => Part::Length(length),
        (_, None, Some(None)) => return Err(Broken("a content length that is none".to_owned())),
        (_, None, None) => Part::ToTheEnd,
    };
    Ok(Head { status, body, last: last || body == Part::ToTheEnd, retry_after })
}

/// Digits and nothing else: what `parse` takes besides, a sign, is no length.
fn number(digits: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers that come out of `text` handed in in pieces of this size, the connection's end behind it.
    fn read(text: &[u8], piece: usize) -> Result<Vec<Answer>, Broken> {
        let (mut reader, mut all) = (AnswerReader::new(), Vec::new());
        for bytes in text.chunks(piece) {
            reader.hear(bytes)?;
            while let Some(answer) = reader.answer(false)? {
                all.push(answer);
            }
        }
        all.extend(reader.answer(true)?);
        assert!(reader.is_between() || all.is_empty(), "{reader:?}");
        Ok(all)
    }

    #[track_caller]
    fn says(text: &str, status: u16, body: &str, last: bool) {
        let due = [Answer { status, body: body.into(), last, retry_after: None }];
        for piece in 1..=text.len() {
            assert_eq!(read(text.as_bytes(), piece).unwrap(), due, "in pieces of {piece}: {text}");
        }
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

    #[test]
    fn an_answer_is_read_once_it_is_whole_however_it_is_cut() {
        says(OK, 200, "hello", false);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        says(&format!("{chunked}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), 200, "hello", false);
        says(
            &format!("{chunked}2;a=\"b\"\r\nhe\r\n003\r\nllo\r\n0;c\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n"),
            200,
            "hello",
            false,
        );
        says(
            &chunked.replace("chunked", "gzip , Chunked").replace("\r\n\r\n", "\r\n\r\n1\r\nz\r\n0\r\n\r\n"),
            200,
            "z",
            false,
        );
        says("HTTP/1.1 500 No\r\n\r\n<html>", 500, "<html>", true);
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
        for before in
            [hints.to_owned(), hints.repeat(7), "HTTP/1.1 100 \r\n\r\n".to_owned(), hints.replace("103", "199")]
        {
            says(&format!("{before}{OK}"), 200, "hello", false);
        }
        // A length of theirs is none: they have no body (RFC 9110, section 15.2).
        says(&format!("HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n{OK}"), 200, "hello", false);
        assert!(read(format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n{OK}").as_bytes(), 9).is_err());
    }

    #[test]
    fn an_answer_that_cannot_have_a_body_has_none_whatever_it_says() {
        for status in [204, 304] {
            says(&format!("HTTP/1.1 {status} X\r\n\r\n"), status, "", false);
            says(&format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n"), status, "", false);
            says(&format!("HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n"), status, "", false);
        }
        let both = read(format!("HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n{OK}").as_bytes(), 4).unwrap();
        assert_eq!(both.iter().map(|answer| answer.status).collect::<Vec<_>>(), [204, 200]);
    }

    #[test]
    fn headers_may_be_many_and_odd() {
        for count in [USUAL_HEADERS, USUAL_HEADERS + 1, 1_000] {
            let many: String = (0..count).map(|at| format!("X-{at}: {at}\r\n")).collect();
            says(&format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 5\r\n\r\nhello"), 200, "hello", false);
        }
        for odd in [
            "X-Empty:\r\n",
            "X Space: 1\r\n",
            "X-Fold: 1\r\n  2\r\n",
            "no colon\r\n",
            "X-Byte: \u{ff}\r\n",
            "X-Before : 1\r\n",
        ] {
            says(&format!("HTTP/1.1 200 OK\r\n{odd}Content-Length: 5\r\n\r\nhello"), 200, "hello", false);
        }
        says("HTTP/1.1  200  OK\nCONTENT-LENGTH:5\n\nhello", 200, "hello", false);
        says("\r\nHTTP/1.1 200\r\ncontent-length:  5 \r\n\r\nhello", 200, "hello", false);
    }

    #[test]
    fn lengths_are_one_number_or_an_error() {
        for same in ["5, 5", "5\r\nContent-Length: 5", "05"] {
            says(&OK.replace(": 5", &format!(": {same}")), 200, "hello", false);
        }
        for none in
            ["+5", "-5", "5, 6", "5\r\nContent-Length: 6", "five", "", "0x5", "99999999999999999999999", "65537"]
        {
            let text = OK.replace(": 5", &format!(": {none}"));
            assert!(read(text.as_bytes(), text.len()).is_err(), "{none}");
        }
        // The coding wins, and the connection is not trusted behind it (RFC 9112, section 6.3).
        let both = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        says(both, 200, "hello", true);
    }

    #[test]
    fn whether_another_answer_comes_is_told() {
        says(&OK.replace("Content", "Connection: close\r\nContent"), 200, "hello", true);
        says(&OK.replace("Content", "Connection: Keep-Alive, Close\r\nContent"), 200, "hello", true);
        says(&OK.replace("1.1", "1.0"), 200, "hello", true);
        says(&OK.replace("1.1", "1.0").replace("Content", "Connection: keep-alive\r\nContent"), 200, "hello", false);
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_never_a_guess() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let endless = format!("{chunked}1;{}", "x".repeat(2 * MOST_SIZE_LINE));
        for text in [
            "hello",
            "\u{16}\u{3}\u{1}",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            &format!("{chunked}x\r\n"),
            &format!("{chunked}2\r\nhello\r\n"),
            &format!("{chunked}ffffffffffffffff\r\n"),
            &format!("{chunked}fffffffffffffffff\r\n"),
            &endless,
        ] {
            assert!(read(text.as_bytes(), text.len()).is_err(), "{text:?}");
        }
        let long = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(MOST_ANSWER));
        assert!(read(long.as_bytes(), 4096).is_err());
        // What ends in the middle is no answer.
        for text in [&OK[..OK.len() - 1], &OK[..20], chunked, &format!("{chunked}5\r\nhello\r\n0\r\n")] {
            assert_eq!(read(text.as_bytes(), 7).unwrap_or_default(), [], "{text}");
        }
    }
}
