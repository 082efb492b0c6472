//! Reads a record: one block and the state it needs, in the format of the shared `mainnet/README.md`.
//!
//! # Invariants
//! - What is not in the files is unknown; nothing is filled in.
//! - The header's hash, the transactions' root and every code's hash are checked, so a damaged file is named here and
//!   not by a strange execution later. The state itself has no hash to check: [`execute`](crate::replay::execute) is its judge.

mod announced;
mod check;
mod error;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alloy::rpc::types::eth::{Header, Transaction};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use revm::context::{BlockEnv, TxEnv};
use revm::state::{AccountInfo, Bytecode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::chain;
use crate::hot::evm::block;
use crate::hot::evm::block::BlockFields;
use crate::hot::evm::db::Db;
use crate::hot::evm::db::Unknown;
use crate::hot::evm::fork::Fork;
use crate::protocols::discover::Announced;

pub use error::RecordError;

/// One block, its rules, and all that is known of the state before it.
pub struct Record {
    /// Where it was read from.
    pub dir: PathBuf,
    /// Its rules.
    pub fork: Fork,
    /// The block's header, with its hash.
    pub header: Header,
    /// Its transactions, in order.
    pub txs: Vec<Transaction>,
    state: State,
}

/// State after block N-1, as far as the record holds it.
struct State {
    accounts: BTreeMap<Address, Account>,
    codes: BTreeMap<B256, Bytecode>,
    hashes: BTreeMap<u64, B256>,
    announced: Arc<Announced>,
}

/// Transactions are decoded one by one, so that an error names the one at fault.
#[derive(Deserialize)]
struct RawBlock {
    #[serde(flatten)]
    header: Header,
    transactions: Vec<serde_json::Value>,
    /// What else there is.
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Account {
    balance: U256,
    nonce: u64,
    code_hash: Option<B256>,
    #[serde(default)]
    storage: BTreeMap<B256, B256>,
}

/// All code of a folder of records: read once, shared by its blocks.
pub struct Codes {
    path: PathBuf,
    codes: BTreeMap<B256, Bytes>,
}

impl Codes {
    /// The codes of a record: `codes.json.zst` in its folder, else in the parent.
    pub fn of(record: &Path) -> Result<Self, RecordError> {
        let path = Self::place(record);
        Ok(Self { codes: read(&path)?, path })
    }

    /// Whether these are the codes [`Codes::of`] would read for `record`.
    #[must_use]
    pub fn serve(&self, record: &Path) -> bool {
        self.path == Self::place(record)
    }

    fn place(record: &Path) -> PathBuf {
        let own = record.join("codes.json.zst");
        // The parent of `.` or `x/..` is not in its name.
        let real = record.canonicalize().ok();
        match real.as_deref().and_then(Path::parent) {
            Some(parent) if !own.exists() => parent.join("codes.json.zst"),
            _ => own,
        }
    }
}

/// Records named by `paths`: a record itself, or a folder of records (in order of block number).
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, RecordError> {
    let mut found = Vec::new();
    for path in paths {
        if path.join("block.json.zst").exists() {
            found.push(path.clone());
            continue;
        }
        let open = |cause| RecordError::Open { path: path.clone(), cause };
        let mut inner = Vec::new();
        for entry in std::fs::read_dir(path).map_err(open)? {
            let entry = entry.map_err(open)?.path();
            if entry.join("block.json.zst").exists() {
                inner.push(entry);
            }
        }
        if inner.is_empty() {
            return Err(RecordError::Empty { path: path.clone() });
        }
        let number = |dir: &PathBuf| dir.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse::<u64>().ok());
        inner.sort_by_key(|dir| (number(dir), dir.clone()));
        found.append(&mut inner);
    }
    Ok(found)
}

impl Record {
    /// Reads the record in `dir`.
    pub fn read(dir: &Path, codes: &Codes) -> Result<Self, RecordError> {
        let path = dir.join("block.json.zst");
        let RawBlock { header, transactions, unknown } = read(&path)?;
        let fork = Fork::of(chain::RECORDED, header.number, header.timestamp)
            .map_err(|cause| RecordError::Fork { path: path.clone(), cause })?;
        let txs = transactions.into_iter().enumerate().map(|tx| decode(&path, tx)).collect::<Result<Vec<_>, _>>()?;
        check::header(&path, &header, &unknown)?;
        check::txs(&path, &header, &txs)?;
        let path = dir.join("prestate.json.zst");
        let accounts: BTreeMap<Address, Account> = read(&path)?;
        let codes = used_codes(&path, &accounts, codes)?;
        let hashes_path = dir.join("block_hashes.json");
        let hashes = if hashes_path.exists() { block_hashes(&hashes_path)? } else { BTreeMap::new() };
        let announced = Arc::new(announced::read(dir, header.number)?);
        Ok(Self { dir: dir.to_path_buf(), fork, header, txs, state: State { accounts, codes, hashes, announced } })
    }

    /// A database that knows what the record knows and refuses the rest.
    #[must_use]
    pub fn db(&self) -> Db {
        let mut db = Db::default();
        db.set_unknown(Unknown::Refuse);
        for (address, account) in &self.state.accounts {
            db.tell_account(*address, self.info(account));
            for (slot, value) in &account.storage {
                db.tell_slot(*address, (*slot).into(), (*value).into());
            }
        }
        for (number, hash) in &self.state.hashes {
            db.tell_block_hash(*number, *hash);
        }
        db.tell_announced(Arc::clone(&self.state.announced));
        // Execution needs the parent's hash as a matter of course, and the header gives it.
        db.tell_block_hash(self.header.number.saturating_sub(1), self.header.parent_hash);
        db
    }

    fn info(&self, account: &Account) -> AccountInfo {
        let code = account.code_hash.and_then(|hash| Some((hash, self.state.codes.get(&hash)?.clone())));
        let info = AccountInfo { balance: account.balance, nonce: account.nonce, ..AccountInfo::default() };
        match code {
            Some((code_hash, code)) => AccountInfo { code_hash, code: Some(code), ..info },
            None => info,
        }
    }

    /// The block as the EVM sees it.
    #[must_use]
    pub fn block_env(&self) -> BlockEnv {
        BlockFields::from(&self.header).env(self.fork)
    }
}

/// A recorded transaction as the EVM takes it.
#[must_use]
pub fn tx_env(tx: &Transaction) -> TxEnv {
    block::tx_env(&tx.inner)
}

fn decode(path: &Path, (index, tx): (usize, serde_json::Value)) -> Result<Transaction, RecordError> {
    serde_json::from_value(tx).map_err(|cause| RecordError::Damaged {
        path: path.to_path_buf(),
        what: format!("transaction {index}: {cause}"),
    })
}

fn used_codes(
    path: &Path,
    accounts: &BTreeMap<Address, Account>,
    codes: &Codes,
) -> Result<BTreeMap<B256, Bytecode>, RecordError> {
    let mut used = BTreeMap::new();
    for (account, state) in accounts {
        let Some(hash) = state.code_hash else { continue };
        if used.contains_key(&hash) {
            continue;
        }
        let unknown = || RecordError::UnknownCode { path: path.to_path_buf(), account: *account, hash };
        let code = codes.codes.get(&hash).ok_or_else(unknown)?;
        let found = keccak256(code);
        if found != hash {
            return Err(RecordError::WrongCode { path: codes.path.clone(), hash, found });
        }
        let bytecode = Bytecode::new_raw_checked(code.clone()).map_err(|cause| RecordError::BadCode {
            path: codes.path.clone(),
            hash,
            cause: cause.to_string(),
        })?;
        used.insert(hash, bytecode);
    }
    Ok(used)
}

/// A small file must not unpack to all the memory there is. All code of the shared records is 28 MB.
const MOST_BYTES: u64 = 1 << 30;

fn block_hashes(path: &Path) -> Result<BTreeMap<u64, B256>, RecordError> {
    let open = |cause| RecordError::Open { path: path.to_path_buf(), cause };
    let file = File::open(path).map_err(open)?;
    serde_json::from_reader(std::io::BufReader::new(file))
        .map_err(|cause| RecordError::Json { path: path.to_path_buf(), cause })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, RecordError> {
    let open = |cause| RecordError::Open { path: path.to_path_buf(), cause };
    let packed = zstd::Decoder::new(File::open(path).map_err(open)?).map_err(open)?;
    let mut text = Vec::new();
    packed.take(MOST_BYTES).read_to_end(&mut text).map_err(open)?;
    if text.len() as u64 == MOST_BYTES {
        return Err(open(std::io::Error::other("unpacks to more than a gigabyte")));
    }
    serde_json::from_slice(&text).map_err(|cause| RecordError::Json { path: path.to_path_buf(), cause })
}
