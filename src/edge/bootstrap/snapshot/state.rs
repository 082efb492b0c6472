//! The state as it stood behind one block, and the pools that were found in it, so that a start goes on from there as a searcher does
//! that was away for some blocks.
//!
//! ```text
//! file  = header | code* | pool* | account*       packed, see `packed`
//! code  = hash (32 bytes), bytes                  each once, whoever has it
//! pool  = JSON, as in a journal
//! ```
//! Header and accounts are postcard.
//!
//! # Invariants
//! - Whether its blocks are the chain's is not for the file to say: see [`Saved::at`], [`Saved::pools_at`].
//! - Pools are those that *this* program has found: another build may know more of a contract, or know better.
//! - A pool at a contract that has changed since it was written down is not given back: it is asked anew.
//! - Written anew at the end of a run it does not grow: see [`rewrite`].

mod form;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256};
use revm::state::Bytecode;

use crate::edge::bootstrap::snapshot::packed;
use crate::edge::bootstrap::snapshot::state::form::{Header, SavedAccount, code, program};
use crate::edge::bootstrap::state_cache::StateCache;
use crate::hot::evm::code::bytecode;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;

/// What a file is of, besides its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge::bootstrap) struct Of {
    pub(in crate::edge::bootstrap) chain_id: u64,
    /// The token that stands for ether: pools are found with it in mind.
    pub(in crate::edge::bootstrap) wrapped_native: Option<Address>,
}

/// What was written down.
#[derive(Debug)]
pub(in crate::edge::bootstrap) struct Saved {
    /// Number and hash of the block that all values are of.
    pub(in crate::edge::bootstrap) at: (u64, B256),
    pub(in crate::edge::bootstrap) known: StateCache,
    /// All pools, as they were read.
    pub(in crate::edge::bootstrap) pools: Vec<AnyPool>,
    /// Number and hash of the block that they were read at.
    pub(in crate::edge::bootstrap) pools_at: (u64, B256),
    /// Contracts that have changed since.
    pub(in crate::edge::bootstrap) moved: BTreeSet<Address>,
    /// Contracts that prices are read from.
    pub(in crate::edge::bootstrap) whole: Vec<Address>,
}

/// Where it lies: beside the snapshot.
pub(in crate::edge::bootstrap) fn path(snapshot: &Path) -> PathBuf {
    let mut path = snapshot.as_os_str().to_owned();
    path.push(".state");
    path.into()
}

/// A file that there is.
struct Open<R> {
    header: Header,
    frames: R,
    frame: Vec<u8>,
}

/// The file's header, if there is a file. The frames behind it follow.
fn open(path: &Path, of: Of) -> Result<Option<Open<impl Read>>, String> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| format!("cannot be read ({error})"))?,
    };
    let mut frames = packed::read(file).map_err(damaged)?;
    let mut frame = Vec::new();
    packed::take(&mut frames, &mut frame).map_err(damaged)?;
    let header = Header::read(&frame, of)?;
    Ok(Some(Open { header, frames, frame }))
}

fn damaged(what: impl ToString) -> String {
    format!("is damaged ({})", what.to_string())
}

impl<R: Read> Open<R> {
    fn next(&mut self) -> Result<&[u8], String> {
        packed::take(&mut self.frames, &mut self.frame).map_err(damaged)?;
        Ok(&self.frame)
    }
}

/// Codes and pools that are read ahead of whoever makes something of them.
const AHEAD: usize = 1_024;

/// The file's, if there is one.
///
/// # Errors
/// It cannot be used: what it is.
pub(in crate::edge::bootstrap) fn read(path: &Path, of: Of) -> Result<Option<Saved>, String> {
    let Some(mut open) = open(path, of)? else { return Ok(None) };
    let ours = open.header.program.is_some() && open.header.program == program();
    let (codes, pools) = (open.header.codes, open.header.pools);
    std::thread::scope(|scope| {
        // Analysing codes and reading pools takes longer than all the rest: each has a thread.
        let (to_code, frames) = mpsc::sync_channel::<Vec<u8>>(AHEAD);
        let made_codes = scope.spawn(move || frames.iter().map(|frame| code_of(&frame)).collect::<Result<Vec<_>, _>>());
        let (to_pool, frames) = mpsc::sync_channel::<Vec<u8>>(AHEAD);
        let made_pools = scope.spawn(move || frames.iter().map(|frame| pool_of(&frame)).collect::<Result<Vec<_>, _>>());
        for (to, count, wanted) in [(to_code, codes, true), (to_pool, pools, ours)] {
            for _ in 0..count {
                let frame = open.next()?;
                // One that cannot be read ends the reading: below is said which.
                if wanted && to.send(frame.to_vec()).is_err() {
                    open.header.accounts = 0;
                    break;
                }
            }
        }
        let mut accounts = Vec::new();
        for _ in 0..open.header.accounts {
            accounts.push(SavedAccount::read(open.next()?).map_err(damaged)?);
        }
        let codes = made_codes.join().map_err(|_| damaged("a code cannot be read"))?.map_err(damaged)?;
        let pools = made_pools.join().map_err(|_| damaged("a pool cannot be read"))?.map_err(damaged)?;
        packed::end(&mut open.frames).map_err(damaged)?;
        let Header { at, pools_at, moved, hashes, whole, .. } = open.header;
        let mut known = StateCache { hashes: hashes.into_iter().collect(), ..StateCache::default() };
        for account in accounts {
            let (address, account) = account.known(&codes).map_err(damaged)?;
            known.accounts.insert(address, account);
        }
        Ok(Some(Saved { at, known, pools, pools_at, moved: moved.into_iter().collect(), whole }))
    })
}

fn code_of(frame: &[u8]) -> Result<Bytecode, String> {
    let (hash, bytes) = frame.split_first_chunk::<32>().ok_or("a code is cut off")?;
    let code = bytecode(&bytes.to_vec().into());
    let held = code.hash_slow() == *hash;
    held.then_some(code).ok_or_else(|| format!("code {} has another hash", B256::from(*hash)))
}

fn pool_of(frame: &[u8]) -> Result<AnyPool, String> {
    serde_json::from_slice(frame).map_err(|error| error.to_string())
}

/// Of pools those whose contracts have all stood still. Of one that storage does not tell that is not known.
pub(in crate::edge::bootstrap) fn unmoved(pools: Vec<AnyPool>, moved: &BTreeSet<Address>) -> Vec<AnyPool> {
    let stood = |pool: &AnyPool| {
        let here = !moved.contains(&pool.address()) && !pool.log_fed();
        here && (moved.is_empty() || pool.sites().iter().all(|site| !moved.contains(&site.at)))
    };
    pools.into_iter().filter(stood).collect()
}

/// Writes what is known behind a block, and the pools that were found in it.
pub(in crate::edge::bootstrap) fn write(
    path: &Path,
    of: Of,
    at: (u64, B256),
    known: &StateCache,
    (pools, whole): (&[AnyPool], &[Address]),
) -> io::Result<()> {
    let (mut codes, mut places) = (Vec::new(), HashMap::<B256, u32>::default());
    for code in known.accounts.values().filter_map(|account| account.code.as_ref()) {
        let next = u32::try_from(codes.len()).map_err(io::Error::other)?;
        places.entry(code.hash_slow()).or_insert_with(|| {
            codes.push(code);
            next
        });
    }
    let header = Header {
        program: program(),
        codes: codes.len() as u64,
        pools: pools.len() as u64,
        accounts: known.accounts.len() as u64,
        whole: whole.to_vec(),
        hashes: known.hashes.iter().map(|(number, hash)| (*number, *hash)).collect(),
        ..Header::of(of, at)
    };
    packed::write(path, |out| {
        packed::put(out, &header.written()?)?;
        codes.iter().try_for_each(|code_of| packed::put(out, &code(code_of)))?;
        for pool in pools {
            packed::put(out, &serde_json::to_vec(pool)?)?;
        }
        for (address, account) in &known.accounts {
            let place = account.code.as_ref().and_then(|code| places.get(&code.hash_slow()).copied());
            packed::put(out, &SavedAccount::of(*address, account, place).written()?)?;
        }
        Ok(())
    })
}

/// Writes the file anew behind a later block: the same accounts and slots with what they hold now, and nothing of what came to be known
/// since, which strangers may have had us fetch. Its pools stay as they stand there, with the contracts `moved` since its block.
///
/// # Errors
/// There is no such file, or it is not of this chain and program and of the block `was`.
pub(in crate::edge::bootstrap) fn rewrite(
    path: &Path,
    of: Of,
    [was, at]: [(u64, B256); 2],
    known: &StateCache,
    moved: &BTreeSet<Address>,
) -> Result<(), String> {
    let mut old = open(path, of)?.ok_or("is not there")?;
    if old.header.at != was {
        return Err("is another run's".to_owned());
    }
    if old.header.program.is_none() || old.header.program != program() {
        return Err("is another program's".to_owned());
    }
    let (codes, pools, accounts) = (old.header.codes, old.header.pools, old.header.accounts);
    let moved = moved.iter().chain(&old.header.moved).copied().collect::<BTreeSet<_>>().into_iter().collect();
    let hashes = known.hashes.range(at.0.saturating_sub(HASHES)..).map(|(number, hash)| (*number, *hash)).collect();
    let header = Header { at, moved, hashes, ..old.header.clone() };
    let unread = |what: String| io::Error::other(what);
    let written = packed::write(path, |out| {
        packed::put(out, &header.written()?)?;
        let mut hashes = Vec::new();
        for place in 0..codes.saturating_add(pools) {
            let frame = old.next().map_err(unread)?;
            if place < codes {
                hashes.push(
                    frame.first_chunk::<32>().map(B256::from).ok_or_else(|| unread(damaged("a code is cut off")))?,
                );
            }
            packed::put(out, frame)?;
        }
        for _ in 0..accounts {
            let was = SavedAccount::read(old.next().map_err(unread)?).map_err(|what| unread(damaged(what)))?;
            let now = known.accounts.get(&was.address);
            packed::put(out, &was.now(now, &hashes).written()?)?;
        }
        packed::end(&mut old.frames)
    });
    written.map_err(|error| format!("is not written ({error})"))
}

/// Hashes of older blocks that are kept: no opcode looks back further.
const HASHES: u64 = 256;

#[cfg(test)]
mod tests;
