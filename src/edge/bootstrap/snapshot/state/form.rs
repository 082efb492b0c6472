//! The file's parts as they are written.

use std::io;
use std::sync::OnceLock;

use alloy_primitives::{Address, B256, U256, keccak256};
use revm::state::Bytecode;
use serde::Deserialize;
use serde::Serialize;

use crate::edge::bootstrap::snapshot::state::Of;
use crate::edge::bootstrap::state_cache::Account;

/// Raised whenever the format changes; an older file is made anew.
const VERSION: u32 = 1;

/// What stands first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) chain_id: u64,
    pub(super) wrapped_native: Option<Address>,
    /// The program that found the pools.
    pub(super) program: Option<B256>,
    /// The block that all values are of.
    pub(super) at: (u64, B256),
    /// The block that the pools were read at.
    pub(super) pools_at: (u64, B256),
    /// Contracts that have changed since the pools were read.
    pub(super) moved: Vec<Address>,
    /// Contracts that prices are read from.
    pub(super) whole: Vec<Address>,
    /// Older blocks'.
    pub(super) hashes: Vec<(u64, B256)>,
    pub(super) codes: u64,
    pub(super) pools: u64,
    pub(super) accounts: u64,
}

impl Header {
    /// Of nothing yet.
    pub(super) fn of(Of { chain_id, wrapped_native }: Of, at: (u64, B256)) -> Self {
        let (moved, whole, hashes) = Default::default();
        let (codes, pools, accounts) = (0, 0, 0);
        let (version, program) = (VERSION, None);
        Self {
            version,
            chain_id,
            wrapped_native,
            program,
            at,
            pools_at: at,
            moved,
            whole,
            hashes,
            codes,
            pools,
            accounts,
        }
    }

    /// It, if the file can be used here.
    pub(super) fn read(frame: &[u8], of: Of) -> Result<Self, String> {
        let damaged = |error: postcard::Error| format!("is damaged ({error})");
        let (version, _) = postcard::take_from_bytes::<u32>(frame).map_err(damaged)?;
        if version != VERSION {
            return Err(format!("is of version {version}, {VERSION} due"));
        }
        let header: Self = postcard::from_bytes(frame).map_err(damaged)?;
        if header.chain_id != of.chain_id {
            return Err(format!("is of chain {}, {} due", header.chain_id, of.chain_id));
        }
        if header.wrapped_native != of.wrapped_native {
            return Err("was made with another token in ether's place".to_owned());
        }
        Ok(header)
    }

    pub(super) fn written(&self) -> io::Result<Vec<u8>> {
        postcard::to_stdvec(self).map_err(io::Error::other)
    }
}

/// One account.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedAccount {
    pub(super) address: Address,
    /// Balance and nonce.
    holding: Option<(U256, u64)>,
    /// Which of the file's codes it has.
    code: Option<u32>,
    /// In order. `None`: known of, and not had.
    slots: Vec<(U256, Option<U256>)>,
}

impl SavedAccount {
    pub(super) fn of(address: Address, account: &Account, code: Option<u32>) -> Self {
        let slots = account.slots.iter().map(|(slot, value)| (*slot, *value)).collect();
        Self { address, holding: account.holding, code, slots }
    }

    pub(super) fn read(frame: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(frame)
    }

    pub(super) fn written(&self) -> io::Result<Vec<u8>> {
        postcard::to_stdvec(self).map_err(io::Error::other)
    }

    /// As it is known.
    pub(super) fn known(self, codes: &[Bytecode]) -> Result<(Address, Account), &'static str> {
        let code = match self.code {
            Some(place) => Some(codes.get(place as usize).ok_or("a code is missing")?.clone()),
            None => None,
        };
        let slots = self.slots.into_iter().collect();
        Ok((self.address, Account { holding: self.holding, code, slots, ..Account::default() }))
    }

    /// With what it holds now, of what is written of it. Code that is another one now is read again.
    pub(super) fn now(self, now: Option<&Account>, codes: &[B256]) -> Self {
        let Some(account) = now else {
            let slots = self.slots.into_iter().map(|(slot, _)| (slot, None)).collect();
            return Self { holding: None, code: None, slots, ..self };
        };
        let hash = account.code.as_ref().map(Bytecode::hash_slow);
        let code = self.code.filter(|place| codes.get(*place as usize).is_some_and(|code| Some(*code) == hash));
        let value = |slot: U256| account.slots.get(&slot).copied().flatten();
        let slots = self.slots.into_iter().map(|(slot, _)| (slot, value(slot))).collect();
        Self { holding: account.holding, code, slots, ..self }
    }
}

/// A code's frame.
pub(super) fn code(code: &Bytecode) -> Vec<u8> {
    [code.hash_slow().as_slice(), &code.original_bytes()].concat()
}

/// The hash of the program that runs: what it has found of pools another one may not believe. `None`: it cannot be read.
pub(super) fn program() -> Option<B256> {
    static PROGRAM: OnceLock<Option<B256>> = OnceLock::new();
    *PROGRAM.get_or_init(|| Some(keccak256(std::fs::read(std::env::current_exe().ok()?).ok()?)))
}
