//! State for the EVM: a base that only [`Db::commit`] changes, and one overlay (a what-if's diff) over it.
//!
//! # Invariants
//! - An account or slot that was never told is *unknown*. In [`Unknown::Refuse`] reading one ends the execution with
//!   [`Cold`]; in [`Unknown::AssumeEmpty`] it reads as empty and is listed in [`Db::assumed`].
//! - A slot told by [`Db::tell_own_slot`] (a balance of our own) may be assumed empty in either mode, and is listed too.
//! - The base is never cloned: the overlay is the diff itself, moved in.
//!
//! # Cost
//! A read is one or two hash look-ups. Code is shared behind a reference count.

mod update;

use std::sync::Arc;

use alloy_primitives::map::{AddressMap, HashMap, HashSet, U256Map};
use alloy_primitives::{Address, B256, U256};
use revm::database_interface::{DBErrorMarker, Database};
use revm::state::{Account, AccountInfo, Bytecode, EvmState};

use crate::protocols::discover::Announced;
use crate::types::update::StateKey;

pub use update::Before;
pub use update::Learnt;

/// Hashes that are kept: BLOCKHASH looks 256 blocks back, also from the deepest block that a reorg can go back to.
const HASHES: u64 = 512;

/// What an execution wanted and the state does not know. Never an RPC: the edge fetches, the event is offered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Cold {
    /// An account: balance, nonce, code.
    #[error("account {0} is not known")]
    Account(Address),
    /// A storage slot.
    #[error("slot {1:#x} of {0} is not known")]
    Slot(Address, U256),
    /// A block's hash.
    #[error("hash of block {0} is not known")]
    BlockHash(u64),
    /// Code by its hash; accounts carry their code, so this is a hole in the account.
    #[error("code {0} is not known")]
    Code(B256),
}

impl DBErrorMarker for Cold {}

impl Cold {
    /// What to fetch. Code is never asked for by its hash: it comes with its account.
    #[must_use]
    pub const fn state_key(self) -> Option<StateKey> {
        match self {
            Self::Account(address) => Some(StateKey::Account(address)),
            Self::Slot(address, slot) => Some(StateKey::Slot(address, slot)),
            Self::BlockHash(number) => Some(StateKey::BlockHash(number)),
            Self::Code(_) => None,
        }
    }
}

/// What to do about a read of the unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// End the execution.
    Refuse,
    /// Read empty, and say so.
    AssumeEmpty,
}

/// One known account.
#[derive(Clone, Debug, Default)]
struct Entry {
    info: AccountInfo,
    storage: U256Map<U256>,
    /// Every slot not in `storage` is zero: the account was created, or destroyed, under our eyes.
    whole: bool,
}

/// An account that was put aside.
#[derive(Debug)]
#[must_use = "the account is gone until it is restored"]
pub struct Replaced {
    address: Address,
    entry: Option<Entry>,
}

/// The EVM's view of the chain.
#[derive(Debug, Default)]
pub struct Db {
    base: AddressMap<Entry>,
    overlay: EvmState,
    hashes: HashMap<u64, B256>,
    /// What a destroyed account reads as.
    empty: AccountInfo,
    own_slots: HashSet<(Address, U256)>,
    refuse: bool,
    assumed: Vec<Cold>,
    reads: Vec<(Address, U256)>,
    record_reads: bool,
    version: u64,
    announced: Arc<Announced>,
}

impl Db {
    /// Tells an account. Its storage stays unknown but for slots told by [`Db::tell_slot`].
    pub fn tell_account(&mut self, address: Address, info: AccountInfo) {
        self.version += 1;
        self.base.entry(address).or_default().info = info;
    }

    /// Tells an account of which every slot not told is zero: one that we put there ourselves.
    pub fn tell_whole_account(&mut self, address: Address, info: AccountInfo) {
        self.version += 1;
        let entry = self.base.entry(address).or_default();
        entry.info = info;
        entry.whole = true;
    }

    /// Tells a slot of an account told before.
    pub fn tell_slot(&mut self, address: Address, slot: U256, value: U256) {
        self.version += 1;
        self.base.entry(address).or_default().storage.insert(slot, value);
    }

    /// Tells a block's hash, for BLOCKHASH, and forgets one that is too far below it to be asked for.
    pub fn tell_block_hash(&mut self, number: u64, hash: B256) {
        if self.hashes.is_empty() {
            self.hashes.reserve(2 * HASHES as usize);
        }
        self.hashes.remove(&number.wrapping_sub(HASHES));
        self.hashes.insert(number, hash);
    }

    /// Blocks whose hashes are known, in order.
    #[must_use]
    pub fn block_hashes(&self) -> Vec<(u64, B256)> {
        let mut all: Vec<(u64, B256)> = self.hashes.iter().map(|(number, hash)| (*number, *hash)).collect();
        all.sort_unstable();
        all
    }

    /// A slot that may be assumed empty in either mode: a balance or allowance of our own accounts.
    pub fn tell_own_slot(&mut self, address: Address, slot: U256) {
        self.own_slots.insert((address, slot));
    }

    /// The slot may be assumed empty in either mode.
    #[must_use]
    pub fn is_own_slot(&self, address: Address, slot: U256) -> bool {
        self.own_slots.contains(&(address, slot))
    }

    /// Sets the rule for unknown reads.
    pub fn set_unknown(&mut self, unknown: Unknown) {
        self.refuse = unknown == Unknown::Refuse;
    }

    /// Another one whenever something that was known may have become another: as long as it stays, and nothing lies over the
    /// base, whatever ran without a miss runs the same. (What is learnt changes nothing of that.)
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Something lies over the base.
    #[must_use]
    pub fn is_overlaid(&self) -> bool {
        !self.overlay.is_empty()
    }

    /// The rule for unknown reads.
    #[must_use]
    pub const fn unknown(&self) -> Unknown {
        if self.refuse { Unknown::Refuse } else { Unknown::AssumeEmpty }
    }

    /// What has been assumed empty since [`Db::clear_notes`], without duplicates.
    #[must_use]
    pub fn assumed(&self) -> &[Cold] {
        &self.assumed
    }

    /// Slots that reached the database since [`Db::clear_notes`], in order, if [`Db::record_reads`] is on.
    #[must_use]
    pub fn reads(&self) -> &[(Address, U256)] {
        &self.reads
    }

    /// Notes each slot read from now on, or stops.
    pub fn record_reads(&mut self, on: bool) {
        self.record_reads = on;
    }

    /// Forgets the notes of the last execution.
    pub fn clear_notes(&mut self) {
        self.assumed.clear();
        self.reads.clear();
    }

    /// Tells what lies in no contract's state.
    pub fn tell_announced(&mut self, announced: Arc<Announced>) {
        self.announced = announced;
    }

    /// What lies in no contract's state, for discovery.
    #[must_use]
    pub fn announced(&self) -> &Announced {
        &self.announced
    }

    /// The slot under overlay and base; `None` when unknown. Notes nothing.
    #[must_use]
    pub fn known_slot(&self, address: Address, slot: U256) -> Option<U256> {
        if let Some(account) = self.overlay.get(&address) {
            if let Some(value) = account.storage.get(&slot) {
                return Some(value.present_value);
            }
            if account.is_created() || account.is_selfdestructed() {
                return Some(U256::ZERO);
            }
        }
        let entry = self.base.get(&address)?;
        entry.storage.get(&slot).copied().or_else(|| entry.whole.then_some(U256::ZERO))
    }

    /// The account under overlay and base; `None` when unknown. Notes nothing.
    #[must_use]
    pub fn known_account(&self, address: Address) -> Option<&AccountInfo> {
        match self.overlay.get(&address) {
            Some(account) if account.is_selfdestructed() => Some(&self.empty),
            Some(account) => Some(&account.info),
            None => self.base.get(&address).map(|entry| &entry.info),
        }
    }

    /// Known accounts of the base with code, in order of address.
    #[must_use]
    pub fn contracts(&self) -> Vec<Address> {
        let mut all: Vec<Address> = self
            .base
            .iter()
            .filter(|(_, entry)| !entry.info.is_empty_code_hash())
            .map(|(address, _)| *address)
            .collect();
        all.sort_unstable();
        all
    }

    /// The what-if's diff that lies over the base.
    #[must_use]
    pub const fn overlay(&self) -> &EvmState {
        &self.overlay
    }

    /// Lays a what-if's diff over the base, in place of the last one.
    pub fn set_overlay(&mut self, diff: EvmState) {
        self.overlay = diff;
    }

    /// Takes the overlay off.
    pub fn take_overlay(&mut self) -> EvmState {
        std::mem::take(&mut self.overlay)
    }

    /// Puts values over slots of known accounts of the base and returns what was there, for [`Db::restore_slots`].
    /// Discovery's experiments only.
    pub fn override_slots(&mut self, slots: &[(Address, U256, U256)]) -> Vec<(Address, U256, Option<U256>)> {
        self.version += 1;
        let put = |&(address, slot, value)| {
            let old = self.base.get_mut(&address)?.storage.insert(slot, value);
            Some((address, slot, old))
        };
        slots.iter().filter_map(put).collect()
    }

    /// Undoes [`Db::override_slots`].
    pub fn restore_slots(&mut self, under: Vec<(Address, U256, Option<U256>)>) {
        self.version += 1;
        for (address, slot, old) in under.into_iter().rev() {
            let Some(entry) = self.base.get_mut(&address) else { continue };
            match old {
                Some(value) => entry.storage.insert(slot, value),
                None => entry.storage.remove(&slot),
            };
        }
    }

    /// Puts `info`, with empty storage, in an account's place; [`Db::restore_account`] brings the account back.
    pub fn replace_account(&mut self, address: Address, info: AccountInfo) -> Replaced {
        self.version += 1;
        let stage = Entry { info, whole: true, ..Entry::default() };
        Replaced { address, entry: self.base.insert(address, stage) }
    }

    /// Sets what ether an account has, until it is restored.
    pub fn endow(&mut self, address: Address, balance: U256) -> Replaced {
        self.version += 1;
        let entry = self.base.get(&address).cloned();
        self.base.entry(address).or_default().info.balance = balance;
        Replaced { address, entry }
    }

    /// Undoes [`Db::replace_account`] and [`Db::endow`].
    pub fn restore_account(&mut self, replaced: Replaced) {
        self.version += 1;
        match replaced.entry {
            Some(entry) => self.base.insert(replaced.address, entry),
            None => self.base.remove(&replaced.address),
        };
    }

    /// Writes a diff into the base.
    pub fn commit(&mut self, diff: EvmState) {
        self.version += 1;
        for (address, account) in diff {
            if account.is_touched() {
                commit_account(self.base.entry(address).or_default(), account);
            }
        }
    }

    fn miss(&mut self, cold: Cold, own: bool) -> Result<(), Cold> {
        if self.refuse && !own {
            return Err(cold);
        }
        if !self.assumed.contains(&cold) {
            self.assumed.push(cold);
        }
        Ok(())
    }
}

fn commit_account(entry: &mut Entry, account: Account) {
    if account.is_selfdestructed() {
        *entry = Entry { whole: true, ..Entry::default() };
        return;
    }
    if account.is_created() {
        entry.storage.clear();
        entry.whole = true;
    }
    entry.info = account.info;
    for (slot, value) in account.storage {
        entry.storage.insert(slot, value.present_value);
    }
}

impl Database for Db {
    type Error = Cold;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Cold> {
        if let Some(info) = self.known_account(address) {
            // An account that is known to be empty does not exist (EIP-161).
            return Ok((!info.is_empty()).then(|| info.clone()));
        }
        self.miss(Cold::Account(address), false)?;
        Ok(None)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Cold> {
        Err(Cold::Code(code_hash))
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Cold> {
        if self.record_reads && !self.reads.contains(&(address, slot)) {
            self.reads.push((address, slot));
        }
        if let Some(value) = self.known_slot(address, slot) {
            return Ok(value);
        }
        let own = self.is_own_slot(address, slot);
        self.miss(Cold::Slot(address, slot), own)?;
        Ok(U256::ZERO)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Cold> {
        self.hashes.get(&number).copied().ok_or(Cold::BlockHash(number))
    }
}
