//! A file of the snapshot's: packed, with a checksum over what comes out of it, and there whole or not at all.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

/// Fast, and a fraction of the size: it is mostly hashes, zeros and code that is nearly the same.
const ZSTD_LEVEL: i32 = 1;
/// A small file must not unpack to all the memory there is.
const MOST_BYTES: u64 = 1 << 34;
/// The longest frame: more than any code, pool or account takes.
const MOST_FRAME: usize = 1 << 28;

/// Writes a file by way of another one beside it. `fill` writes what is packed.
pub(super) fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let mut packer = zstd::Encoder::new(&mut file, ZSTD_LEVEL)?;
    packer.include_checksum(true)?;
    fill(&mut packer)?;
    packer.finish()?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// What is packed in a file. The checksum has been held against all of it when its end is read.
pub(super) fn read(file: File) -> io::Result<impl Read> {
    Ok(BufReader::with_capacity(1 << 20, zstd::Decoder::new(file)?.take(MOST_BYTES)))
}

/// Writes a frame: its length in bytes, a little-endian u32, and what is in it.
pub(super) fn put(out: &mut dyn Write, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).ok().filter(|_| frame.len() <= MOST_FRAME);
    let length = length.ok_or_else(|| io::Error::other("a frame is too long"))?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(frame)
}

/// Reads a frame into the place of the last one.
pub(super) fn take(from: &mut impl Read, frame: &mut Vec<u8>) -> io::Result<()> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MOST_FRAME {
        return Err(io::Error::other("a frame is too long"));
    }
    frame.clear();
    // Of what is there: a length alone makes no memory.
    let read = from.by_ref().take(length as u64).read_to_end(frame)?;
    if read < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

/// Nothing stands behind the last frame.
pub(super) fn end(from: &mut impl Read) -> io::Result<()> {
    if from.read(&mut [0])? == 0 { Ok(()) } else { Err(io::Error::other("more than there should be")) }
}
