//! `replay bundle`: one bundle explained. A bundle's file holds all that its execution reads, so that it is explained
//! anywhere and for ever the same: no node, no journal, no key.
//!
//! - `slice`: writes the file, out of a journal's replay. `explain`: runs it. `trace`: the call tree. `report`: what is said of it. `words`: what outputs
//!   and logs mean. `show`: for people.

pub mod explain;
pub mod report;
pub mod show;
pub mod slice;
pub mod trace;
mod words;

use std::fs;
use std::io;
use std::io::Read;
use std::path::{Path, PathBuf};

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::chain;
use crate::edge::record::format::session::Names;
use crate::hot::evm::block::BlockFields;
use crate::types::decision::Bundle;
use crate::types::update::AccountUpdate;

/// Opens every file, so that it is not taken for another JSON.
pub const FORMAT: &str = "peregrine bundle 1";
/// A small file must not unpack to all the memory there is.
const MOST_BYTES: u64 = 1 << 28;
/// What zstd begins with.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A bundle, and the state that it reads.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// [`FORMAT`].
    pub format: String,
    /// `backrun` or `atomic_arb`.
    pub strategy: String,
    /// The chain's rules.
    pub chain: chain::Config,
    /// The block it is for, as it was foreseen.
    pub block: Block,
    /// Who signs.
    pub owner: Address,
    /// Our contract.
    pub executor: Address,
    /// Wrapped ether.
    pub weth: Address,
    /// What the signed bundle is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Names>,
    /// The transaction it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Pending>,
    /// What was decided: path, amounts, terms, our transaction.
    pub bundle: Bundle,
    /// Accounts, and their slots, that trigger and bundle read: as they stand before both.
    pub accounts: Vec<AccountUpdate>,
    /// Hashes of older blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<(u64, B256)>,
}

/// A pending transaction.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// Its hash.
    pub hash: B256,
    /// Its sender.
    pub sender: Address,
    /// EIP-2718.
    pub raw: Bytes,
}

/// What of a block the EVM sees.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Height.
    pub number: u64,
    /// Unix time, in seconds.
    pub timestamp: u64,
    /// Who is paid.
    pub beneficiary: Address,
    /// Gas units.
    pub gas_limit: u64,
    /// Wei per gas.
    pub base_fee: u64,
    /// The beacon's randomness.
    pub mix_hash: B256,
    /// Blob gas over target, summed up.
    pub excess_blob_gas: u64,
}

impl Block {
    /// As the EVM is told.
    #[must_use]
    pub fn terms(&self) -> BlockFields {
        let Self { number, timestamp, beneficiary, gas_limit, base_fee, mix_hash, excess_blob_gas } = *self;
        let excess_blob_gas = Some(excess_blob_gas);
        BlockFields {
            number,
            timestamp,
            beneficiary,
            gas_limit,
            base_fee,
            mix_hash,
            excess_blob_gas,
            ..BlockFields::default()
        }
    }
}

/// Why a bundle cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The system's word.
    #[error("{path}: {cause}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What happened.
        cause: io::Error,
    },
    /// Not the JSON due.
    #[error("{path}: not a bundle's file: {cause}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: serde_json::Error,
    },
    /// What it says cannot be.
    #[error("{path}: {what}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl Case {
    /// Reads a file: JSON, plain or packed with zstd.
    ///
    /// # Errors
    /// It cannot be read, or is no bundle's.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let open = |cause| BundleError::Open { path: path.to_path_buf(), cause };
        let mut text = fs::read(path).map_err(open)?;
        if text.starts_with(&ZSTD) {
            let packed = std::mem::take(&mut text);
            let unpacker = zstd::Decoder::new(&packed[..]).map_err(open)?;
            unpacker.take(MOST_BYTES).read_to_end(&mut text).map_err(open)?;
        }
        let wrong = |what| BundleError::Wrong { path: path.to_path_buf(), what };
        let json = |cause| BundleError::Json { path: path.to_path_buf(), cause };
        let case: Self = serde_json::from_slice(&text).map_err(json)?;
        if case.format != FORMAT {
            return Err(wrong(format!("format is `{}`, `{FORMAT}` due", case.format)));
        }
        case.chain.fault().map_or(Ok(case), |what| Err(wrong(what)))
    }

    /// As it stands in a file: a line a field would be long, so that it is one line.
    ///
    /// # Errors
    /// None that are known: all keys are strings.
    pub fn text(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}
