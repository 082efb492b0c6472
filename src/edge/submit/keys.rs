//! Reads keys from where the configuration says they lie.
//!
//! # Invariants
//! - What was read is wiped, and is in no error: errors name the place alone.
//! - A file that others may read is refused.
//!
//! # Limits
//! - No V3 JSON keystore: it would bring scrypt, AES and a passphrase to ask for. Such a file is named and refused.

use std::fs::File;
use std::io::Read;

use k256::elliptic_curve::zeroize::Zeroizing;

use crate::types::secret::Key;
use crate::types::secret::KeyError;
use crate::types::secret::Place;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The variable is not there, or not text.
    #[error("{0}: variable is not set")]
    Unset(Place),
    /// The file cannot be read.
    #[error("{place}: {cause}")]
    Io {
        /// The file.
        place: Place,
        /// The system's word.
        cause: std::io::Error,
    },
    /// Others may read the file.
    #[error("{place}: mode is {mode:03o}, 600 due")]
    Mode {
        /// The file.
        place: Place,
        /// Its permission bits.
        mode: u32,
    },
    /// A V3 JSON keystore.
    #[error("{0}: a JSON keystore, a file with 64 hex digits due")]
    Keystore(Place),
    /// The configuration holds the key itself.
    #[error("the configuration holds a key itself, env:NAME or a file's path due")]
    Naked,
    /// What is there is no key.
    #[error("{place}: {cause}")]
    Key {
        /// Where.
        place: Place,
        /// What is wrong with it.
        cause: KeyError,
    },
}

/// Reads the key at `place`.
pub fn read(place: &Place) -> Result<Key, ReadError> {
    let text = match place {
        Place::Naked => return Err(ReadError::Naked),
        // The error would hold the value.
        Place::Env(name) => Zeroizing::new(std::env::var(name).map_err(|_| ReadError::Unset(place.clone()))?),
        Place::File(path) => {
            let io = |cause| ReadError::Io { place: place.clone(), cause };
            let file = File::open(path).map_err(io)?;
            check_mode(&file, place)?;
            let mut text = Zeroizing::new(String::with_capacity(MOST_BYTES));
            file.take(MOST_BYTES as u64).read_to_string(&mut text).map_err(io)?;
            text
        }
    };
    if text.trim_start().starts_with('{') {
        return Err(ReadError::Keystore(place.clone()));
    }
    Key::from_hex(&text).map_err(|cause| ReadError::Key { place: place.clone(), cause })
}

/// Asked of the open file, so that it is the one that is read.
fn check_mode(file: &File, place: &Place) -> Result<(), ReadError> {
    use std::os::unix::fs::PermissionsExt;
    let meta = file.metadata().map_err(|cause| ReadError::Io { place: place.clone(), cause })?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(ReadError::Mode { place: place.clone(), mode });
    }
    Ok(())
}

/// A key with its prefix and a line's end is 68 bytes. Enough to tell a keystore by its first.
const MOST_BYTES: usize = 512;
