//! The journal's bytes: what came in, and when. Written once, appended to, read back by the replay. No tokio here.
//!
//! ```text
//! file  = magic "PRGJ" | version u16 | 2 zero bytes | frame*
//! frame = length of body u32 | crc32 of body u32 | body
//! body  = arrival u64, ns since the run's start | source u16 | kind u8 | payload
//! ```
//! All numbers are little-endian. A run opens with a [`FrameKind::Start`] frame: its payload is the unix time of the run's
//! start in ns, so a file may hold many runs and each keeps its own clock. [`FrameKind::Source`] names a source's number.
//! What hot threads were fed and what they decided is in frames of the last three kinds ([`session`]); a file of an older
//! program has none of them.
//!
//! # Invariants
//! - A frame is read whole and with its checksum, or not at all.
//! - A torn tail (the process died within a write) ends the reading with [`End::Torn`] and may be cut off. Damage with
//!   more bytes after it is [`End::Damaged`]: nothing is ever cut there.

pub mod session;

use std::io::{self, Read, Write};

/// Opens every journal.
pub const MAGIC: [u8; 4] = *b"PRGJ";
/// Of this layout.
pub const VERSION: u16 = 1;
/// Bytes before the first frame.
pub const HEADER: u64 = 8;
/// Longest body: a writer loses what is longer. A claim beyond it is damage, not a frame to allocate for.
pub const MAX_BODY: usize = 64 << 20;
/// Arrival, source, kind.
const FIXED: usize = 11;
/// Longest payload.
pub const MAX_PAYLOAD: usize = MAX_BODY - FIXED;

/// What a frame's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// A run begins; the payload is its unix time, u64 in ns.
    Start = 0,
    /// The payload is the name of the frame's source.
    Source = 1,
    /// A message as the source sent it.
    Raw = 2,
    /// A transaction that was fetched by hash, as the node answered.
    Fetched = 3,
    /// What the run's engines were made with: [`session::Setup`].
    Plan = 4,
    /// What a hot thread was fed: [`session::Fed`]. The frame's source is the thread's index.
    Fed = 5,
    /// What a hot thread decided: [`session::Decided`]. The frame's source is the thread's index.
    Decided = 6,
}

impl FrameKind {
    fn of(byte: u8) -> Option<Self> {
        let all = [Self::Start, Self::Source, Self::Raw, Self::Fetched, Self::Plan, Self::Fed, Self::Decided];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Arrival, ns since the run's start.
    pub at_ns: u64,
    /// The source's number within the run.
    pub source: u16,
    /// What the payload is.
    pub kind: FrameKind,
    /// As it came.
    pub payload: Vec<u8>,
}

/// How the reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At the end of the file.
    Clean,
    /// Within a frame that was never finished; `at` is where it begins, and where the file is to be cut.
    Torn {
        /// Byte offset.
        at: u64,
    },
    /// At a frame that does not hold together, with more bytes behind it.
    Damaged {
        /// Byte offset.
        at: u64,
    },
}

/// Why a file is no journal.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The system's word.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not a journal.
    #[error("the file begins with {found:02x?}, a journal with {MAGIC:02x?}")]
    Magic {
        /// Its first bytes.
        found: [u8; 4],
    },
    /// Too short for a header, and not the beginning of one.
    #[error("the file ends before a journal's header does")]
    Short,
    /// A journal of another time.
    #[error("the journal has version {found}, {VERSION} due")]
    Version {
        /// Its version.
        found: u16,
    },
}

/// The bytes before the first frame.
#[must_use]
pub fn header() -> [u8; HEADER as usize] {
    let [a, b, c, d] = MAGIC;
    let [low, high] = VERSION.to_le_bytes();
    [a, b, c, d, low, high, 0, 0]
}

/// Appends one frame. A payload past [`MAX_BODY`] is refused: it could not be read back.
pub fn write(out: &mut impl Write, at_ns: u64, source: u16, kind: FrameKind, payload: &[u8]) -> io::Result<()> {
    let length = FIXED + payload.len();
    if length > MAX_BODY {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{length} bytes, {MAX_BODY} at most")));
    }
    let mut fixed = [0_u8; FIXED];
    fixed[..8].copy_from_slice(&at_ns.to_le_bytes());
    fixed[8..10].copy_from_slice(&source.to_le_bytes());
    fixed[10] = kind as u8;
    let crc = !crc32(crc32(!0, &fixed), payload);
    out.write_all(&(length as u32).to_le_bytes())?;
    out.write_all(&crc.to_le_bytes())?;
    out.write_all(&fixed)?;
    out.write_all(payload)
}

/// Reads a journal frame by frame; ask [`Reader::end`] afterwards how it ended.
pub struct Reader<R> {
    input: R,
    at: u64,
    end: Option<End>,
}

impl<R: Read> Reader<R> {
    /// Checks the header.
    pub fn new(mut input: R) -> Result<Self, FormatError> {
        let mut head = [0_u8; HEADER as usize];
        input.read_exact(&mut head)?;
        let [a, b, c, d, low, high, ..] = head;
        if [a, b, c, d] != MAGIC {
            return Err(FormatError::Magic { found: [a, b, c, d] });
        }
        match u16::from_le_bytes([low, high]) {
            VERSION => Ok(Self { input, at: HEADER, end: None }),
            found => Err(FormatError::Version { found }),
        }
    }

    /// How it ended; `None` while there may be more.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Where the next frame begins: all before it is whole.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.at
    }

    fn step(&mut self) -> io::Result<Result<Frame, End>> {
        let torn = End::Torn { at: self.at };
        let mut head = [0_u8; 8];
        match fill(&mut self.input, &mut head)? {
            0 => return Ok(Err(End::Clean)),
            8 => {}
            _ => return Ok(Err(torn)),
        }
        let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if !(FIXED..=MAX_BODY).contains(&length) {
            return Ok(Err(self.judge(head.iter().all(|byte| *byte == 0))?));
        }
        let mut body = Vec::new();
        (&mut self.input).take(length as u64).read_to_end(&mut body)?;
        if body.len() < length {
            return Ok(Err(torn));
        }
        let whole = !crc32(!0, &body) == u32::from_le_bytes([c0, c1, c2, c3]);
        match frame(&body).filter(|_| whole) {
            None => Ok(Err(self.judge(body.iter().all(|byte| *byte == 0))?)),
            Some(frame) => {
                self.at += 8 + length as u64;
                Ok(Ok(frame))
            }
        }
    }

    /// A bad frame with nothing but zeros behind it (a file grown but never written) is a torn tail.
    fn judge(&mut self, mut zero: bool) -> io::Result<End> {
        let at = self.at;
        let mut more = [0_u8; 4096];
        let mut any = false;
        loop {
            match fill(&mut self.input, &mut more)? {
                0 => break,
                n => zero &= more.iter().take(n).all(|byte| *byte == 0),
            }
            any = true;
        }
        Ok(if zero || !any { End::Torn { at } } else { End::Damaged { at } })
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = io::Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.end.is_some() {
            return None;
        }
        match self.step() {
            Ok(Ok(frame)) => Some(Ok(frame)),
            Ok(Err(end)) => {
                self.end = Some(end);
                None
            }
            Err(error) => {
                self.end = Some(End::Damaged { at: self.at });
                Some(Err(error))
            }
        }
    }
}

fn frame(body: &[u8]) -> Option<Frame> {
    let (at, rest) = body.split_first_chunk::<8>()?;
    let (source, rest) = rest.split_first_chunk::<2>()?;
    let (kind, payload) = rest.split_first()?;
    let kind = FrameKind::of(*kind)?;
    Some(Frame { at_ns: u64::from_le_bytes(*at), source: u16::from_le_bytes(*source), kind, payload: payload.to_vec() })
}

/// As much as there is, up to the whole of `into`.
fn fill(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while let Some(rest) = into.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

/// CRC-32 (IEEE 802.3, reflected), carried on from `state`; begin with `!0`, invert at the end.
fn crc32(state: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(state, |crc, byte| TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8))
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    #[test]
    fn crc_of_the_check_string_is_the_standards() {
        assert_eq!(!super::crc32(!0, b"123456789"), 0xcbf4_3926);
    }
}
