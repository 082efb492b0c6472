//! Why a record cannot be used, in one sentence that names the file.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};

use crate::hot::evm::fork::UnknownFork;

/// Why a record cannot be used. Each names the file and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A file is missing or cannot be opened.
    #[error("{path}: {cause}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's word.
        cause: std::io::Error,
    },
    /// Not zstd, not JSON, or not of the right shape (wrong hex among it).
    #[error("{path}: not the json due: {cause}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and what.
        cause: serde_json::Error,
    },
    /// An account names code that no code file holds.
    #[error("{path}: account {account} has code {hash}, which codes.json.zst does not hold")]
    UnknownCode {
        /// The state's file.
        path: PathBuf,
        /// The account.
        account: Address,
        /// The code's hash.
        hash: B256,
    },
    /// The code does not hash to its key.
    #[error("{path}: code {hash} hashes to {found}")]
    WrongCode {
        /// The codes' file.
        path: PathBuf,
        /// The key.
        hash: B256,
        /// Its code's hash.
        found: B256,
    },
    /// The code starts as a delegation (EIP-7702) does and is none.
    #[error("{path}: code {hash} is malformed: {cause}")]
    BadCode {
        /// The codes' file.
        path: PathBuf,
        /// The code's hash.
        hash: B256,
        /// What is wrong with it.
        cause: String,
    },
    /// Rules we do not hold.
    #[error("{path}: {cause}")]
    Fork {
        /// The block's file.
        path: PathBuf,
        /// Which block.
        cause: UnknownFork,
    },
    /// The block contradicts its own hashes.
    #[error("{path}: {what}")]
    Damaged {
        /// The block's file.
        path: PathBuf,
        /// The contradiction.
        what: String,
    },
    /// A folder without records.
    #[error("{path}: no record here (a record is a folder with block.json.zst and prestate.json.zst)")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}
