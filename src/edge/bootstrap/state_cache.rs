//! What is known of the chain's state behind one block, and what of it is watched.
//!
//! # Invariants
//! - A key (account or slot) once known stays, so that a block's changes of it are told; its value may be lost, by a
//!   block undone, and is then read again when it is wanted.
//! - A slot's account is known before the slot is told to a machine: revm would take an untold account for an empty one.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, B256, U256};
use revm::state::AccountInfo;
use revm::state::Bytecode;

use crate::edge::bootstrap::Hear;
use crate::edge::bootstrap::Progress;
use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::edge::chain::moves_nonce;
use crate::hot::event::AccountUpdate;
use crate::hot::event::FetchedState;
use crate::hot::event::StateKey;
use crate::hot::evm::code::Codes;
use crate::hot::evm::db::Cold;
use crate::hot::evm::db::Db;
use crate::hot::evm::db::Unknown;
use crate::protocols::discover::Announced;

/// One account.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    /// Balance and nonce.
    pub(super) holding: Option<(U256, u64)>,
    pub(super) code: Option<Bytecode>,
    pub(super) slots: BTreeMap<U256, Option<U256>>,
    /// A pool keeps state here: every change of its storage is wanted, of slots not known before, too.
    pub(super) pool: bool,
    /// What a price is read from: the same is wanted of it, since each round of answers may lie in a slot of its own.
    pub(super) whole: bool,
}

impl Account {
    /// All of it but its slots.
    pub(super) fn info(&self) -> Option<AccountInfo> {
        let ((balance, nonce), code) = (self.holding?, self.code.clone()?);
        Some(AccountInfo { balance, nonce, code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() })
    }

    /// Balance, nonce and code, as far as they can be told apart: a nonce that nothing moves may be known as another one.
    pub(super) fn telling(&self) -> Option<(U256, Option<u64>, &Bytecode)> {
        let ((balance, nonce), code) = (self.holding?, self.code.as_ref()?);
        Some((balance, moves_nonce(code.original_byte_slice()).then_some(nonce), code))
    }

    /// All of it but its slots, as news; if it is known.
    fn update(&self, address: Address) -> Option<AccountUpdate> {
        let ((balance, nonce), code) = (self.holding?, self.code.as_ref()?.original_bytes());
        let (balance, nonce, code) = (Some(balance), Some(nonce), Some(code));
        Some(AccountUpdate { address, balance, nonce, code, ..AccountUpdate::default() })
    }

    /// The slots that have a value.
    fn values(&self) -> impl Iterator<Item = (U256, U256)> {
        self.slots.iter().filter_map(|(slot, value)| Some((*slot, (*value)?)))
    }

    /// Forgets all values and keeps the keys; code that cannot change stays.
    pub(super) fn forget(&mut self) {
        self.holding = None;
        self.slots.values_mut().for_each(|value| *value = None);
        if !self.has_fixed_code() {
            self.code = None;
        }
    }

    /// Its code cannot change any more: a contract's, that is no delegation.
    pub(super) fn has_fixed_code(&self) -> bool {
        self.code.as_ref().is_some_and(|code| !code.is_empty() && !code.is_eip7702())
    }
}

/// What is known.
#[derive(Clone, Debug, Default)]
pub(super) struct StateCache {
    pub(super) accounts: AddressMap<Account>,
    pub(super) hashes: BTreeMap<u64, B256>,
    /// What lies in no contract's state.
    pub(super) announced: Arc<Announced>,
}

/// What is not, and has to be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Missing {
    pub(super) accounts: BTreeSet<Address>,
    /// Accounts of which the code is known.
    pub(super) holdings: BTreeSet<Address>,
    pub(super) slots: BTreeSet<(Address, U256)>,
    pub(super) hashes: BTreeSet<u64>,
}

impl Missing {
    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.holdings.is_empty() && self.slots.is_empty() && self.hashes.is_empty()
    }

    /// How much it is.
    pub(super) fn len(&self) -> usize {
        self.accounts.len() + self.holdings.len() + self.slots.len() + self.hashes.len()
    }

    /// Reads all of it behind block `at`.
    pub(super) async fn read(&self, chain: &Chain, at: B256) -> Result<FetchedState, ChainError> {
        let list = |set: &BTreeSet<Address>| set.iter().copied().collect::<Vec<_>>();
        let (whole, halves) = (list(&self.accounts), list(&self.holdings));
        let keys: Vec<(Address, U256)> = self.slots.iter().copied().collect();
        let numbers: Vec<u64> = self.hashes.iter().copied().collect();
        let (accounts, holdings, values, hashes) = tokio::try_join!(
            chain.accounts(at, &whole),
            chain.holdings(at, &halves),
            chain.slots(at, &keys),
            chain.hashes(at, &numbers),
        )?;
        let mut update: BTreeMap<Address, AccountUpdate> =
            accounts.into_iter().chain(holdings).map(|account| (account.address, account)).collect();
        for ((address, slot), value) in keys.into_iter().zip(values) {
            let of = || AccountUpdate { address, ..AccountUpdate::default() };
            update.entry(address).or_insert_with(of).slots.push((slot, value));
        }
        Ok(FetchedState { at, accounts: update.into_values().collect(), hashes })
    }
}

/// Between two words of how far a reading has come.
const EVERY: Duration = Duration::from_millis(500);

impl Missing {
    /// The same, and tells how far it has come where it takes its time.
    pub(super) async fn read_heard(&self, chain: &Chain, at: B256, hear: Hear<'_>) -> Result<FetchedState, ChainError> {
        let (before, of) = (chain.answered(), self.len());
        let read = self.read(chain, at);
        tokio::pin!(read);
        loop {
            match tokio::time::timeout(EVERY, &mut read).await {
                Ok(read) => return read,
                // Of an account there may be more answers than one.
                Err(_) => {
                    let done = usize::try_from(chain.answered() - before).unwrap_or(usize::MAX);
                    hear(Progress::Read { done: done.min(of), of });
                }
            }
        }
    }
}

impl StateCache {
    /// The slots of a contract that are known of.
    pub(super) fn slots_of(&self, at: Address) -> Vec<U256> {
        self.accounts.get(&at).map_or_else(Vec::new, |account| account.slots.keys().copied().collect())
    }

    /// How much is known of: accounts and slots.
    pub(super) fn len(&self) -> usize {
        self.accounts.values().map(|account| 1 + account.slots.len()).sum()
    }

    /// What of `state_keys` has no value.
    pub(super) fn missing(&self, state_keys: impl IntoIterator<Item = StateKey>) -> Missing {
        let mut missing = Missing::default();
        for want in state_keys {
            match want {
                StateKey::Account(address) => self.miss(&mut missing, address),
                StateKey::Slot(address, slot) => {
                    self.miss(&mut missing, address);
                    let account = self.accounts.get(&address);
                    if account.and_then(|account| *account.slots.get(&slot)?).is_none() {
                        missing.slots.insert((address, slot));
                    }
                }
                StateKey::BlockHash(number) => {
                    if !self.hashes.contains_key(&number) {
                        missing.hashes.insert(number);
                    }
                }
            }
        }
        missing
    }

    fn miss(&self, missing: &mut Missing, address: Address) {
        let account = self.accounts.get(&address);
        let (holding, code) = account.map_or((false, false), |a| (a.holding.is_some(), a.code.is_some()));
        let fixed = account.is_some_and(Account::has_fixed_code);
        match (holding, code, fixed) {
            (true, true, _) => (),
            (false, _, true) => {
                missing.holdings.insert(address);
            }
            _ => {
                missing.accounts.insert(address);
            }
        }
    }

    /// What a slot holds, if it is known.
    pub(super) fn slot(&self, at: Address, slot: U256) -> Option<U256> {
        *self.accounts.get(&at)?.slots.get(&slot)?
    }

    /// Everything known that has no value.
    pub(super) fn lost(&self) -> Missing {
        let mut missing = Missing::default();
        for (address, account) in &self.accounts {
            self.miss(&mut missing, *address);
            let slots = account.slots.iter().filter(|(_, value)| value.is_none());
            missing.slots.extend(slots.map(|(slot, _)| (*address, *slot)));
        }
        missing
    }

    /// Makes keys known, without values.
    pub(super) fn expect(&mut self, state_keys: &[StateKey]) {
        for want in state_keys {
            match want {
                StateKey::Account(address) => {
                    self.accounts.entry(*address).or_default();
                }
                StateKey::Slot(address, slot) => {
                    self.accounts.entry(*address).or_default().slots.entry(*slot).or_default();
                }
                StateKey::BlockHash(_) => (),
            }
        }
    }

    /// Takes what is told as what is.
    pub(super) fn learn(&mut self, fetched: &[AccountUpdate]) {
        let mut codes = Codes::default();
        for update in fetched {
            let account = self.accounts.entry(update.address).or_default();
            if update.destroyed {
                // Whatever it held is zero from here on, and so are the slots that were known.
                account.slots.values_mut().for_each(|value| *value = Some(U256::ZERO));
                (account.holding, account.code) = (Some((U256::ZERO, 0)), Some(Bytecode::default()));
            }
            let (balance, nonce) = account.holding.unzip();
            account.holding = update.balance.or(balance).zip(update.nonce.or(nonce));
            if let Some(code) = &update.code {
                account.code = Some(codes.of(code));
            }
            account.slots.extend(update.slots.iter().map(|(slot, value)| (*slot, Some(*value))));
        }
    }

    /// Forgets all values and keeps the keys; code that cannot change stays.
    pub(super) fn forget(&mut self) {
        self.hashes.clear();
        self.accounts.values_mut().for_each(Account::forget);
    }

    /// A machine's state that is told what it asks for, by [`Self::tell_of`].
    pub(super) fn db_of_nothing(&self) -> Db {
        let mut db = Db::default();
        db.set_unknown(Unknown::Refuse);
        db.tell_announced(Arc::clone(&self.announced));
        db
    }

    /// A machine's state: all that has a value, and nothing else.
    pub(super) fn db(&self) -> Db {
        let mut db = self.db_of_nothing();
        for (address, account) in &self.accounts {
            put(&mut db, *address, account, account.values());
        }
        for (number, hash) in &self.hashes {
            db.tell_block_hash(*number, *hash);
        }
        db
    }

    /// Tells a machine's state what it was not told yet of `state_keys`, as far as it is known.
    pub(super) fn tell_of(&self, db: &mut Db, state_keys: &[StateKey]) {
        for key in state_keys {
            let (address, slot) = match *key {
                StateKey::Account(address) => (address, None),
                StateKey::Slot(address, slot) => (address, Some(slot)),
                StateKey::BlockHash(number) => {
                    self.hashes.get(&number).into_iter().for_each(|hash| db.tell_block_hash(number, *hash));
                    continue;
                }
            };
            let Some(account) = self.accounts.get(&address) else { continue };
            let value = slot.and_then(|slot| Some((slot, (*account.slots.get(&slot)?)?)));
            match db.known_account(address) {
                None => put(db, address, account, value.into_iter()),
                Some(_) => value.into_iter().for_each(|(slot, value)| db.tell_slot(address, slot, value)),
            }
        }
    }

    /// Tells a machine's state what has been learnt of `read`.
    pub(super) fn tell(&self, db: &mut Db, read: &FetchedState) {
        for update in &read.accounts {
            let Some(account) = self.accounts.get(&update.address) else { continue };
            match db.known_account(update.address) {
                // Slots that were known before their account have not been told.
                None => put(db, update.address, account, account.values()),
                Some(_) => put(db, update.address, account, update.slots.iter().copied()),
            }
        }
        for (number, hash) in &read.hashes {
            db.tell_block_hash(*number, *hash);
        }
    }

    /// All of it, in order of address.
    pub(super) fn into_all(self) -> Vec<AccountUpdate> {
        let update = |(address, account): (Address, Account)| {
            Some(AccountUpdate { slots: account.values().collect(), ..account.update(address)? })
        };
        let mut all: Vec<AccountUpdate> = self.accounts.into_iter().filter_map(update).collect();
        all.sort_unstable_by_key(|account| account.address);
        all
    }

    /// What of `state_keys` is known.
    pub(super) fn fetched(&self, at: B256, state_keys: &[StateKey]) -> FetchedState {
        let account = |want: &StateKey| match want {
            StateKey::Account(address) => Some((*address, self.accounts.get(address)?.update(*address)?)),
            StateKey::Slot(..) | StateKey::BlockHash(_) => None,
        };
        let slot = |want: &StateKey| match want {
            StateKey::Slot(address, slot) => {
                Some((*address, (*slot, (*self.accounts.get(address)?.slots.get(slot)?)?)))
            }
            StateKey::Account(_) | StateKey::BlockHash(_) => None,
        };
        let hash = |want: &StateKey| match want {
            StateKey::BlockHash(number) => Some((*number, *self.hashes.get(number)?)),
            StateKey::Account(_) | StateKey::Slot(..) => None,
        };
        let mut accounts: BTreeMap<Address, AccountUpdate> = state_keys.iter().filter_map(account).collect();
        for (address, slot) in state_keys.iter().filter_map(slot) {
            let of = || AccountUpdate { address, ..AccountUpdate::default() };
            accounts.entry(address).or_insert_with(of).slots.push(slot);
        }
        FetchedState {
            at,
            accounts: accounts.into_values().collect(),
            hashes: state_keys.iter().filter_map(hash).collect(),
        }
    }

    /// What of `changes` is of known things, and differs from what is known of them. What was fetched behind the tip is told in any
    /// case: see [`Self::concern`].
    pub(super) fn sift(&self, changes: Vec<AccountUpdate>, fetched: &BTreeSet<StateKey>) -> Vec<AccountUpdate> {
        self.pick(changes, |state_key| !fetched.contains(&state_key))
    }

    /// Of changes those of what is known, whatever is known of it. What we hold may be ahead of what the engine was told: an
    /// answer that came too late to be passed on; or, of a node that answers for a block while it makes the next one
    /// (anvil), what that next one holds.
    pub(super) fn concern(&self, changes: Vec<AccountUpdate>) -> Vec<AccountUpdate> {
        self.pick(changes, |_| false)
    }

    /// `sure`: of what stands in such a place only what differs.
    fn pick(&self, changes: Vec<AccountUpdate>, sure: impl Fn(StateKey) -> bool) -> Vec<AccountUpdate> {
        let sifted = changes.into_iter().filter_map(|mut update| {
            let account = self.accounts.get(&update.address)?;
            let address = update.address;
            let (balance, nonce) = account.holding.filter(|_| sure(StateKey::Account(address))).unzip();
            update.balance = update.balance.filter(|value| balance != Some(*value));
            update.nonce = update.nonce.filter(|value| nonce != Some(*value));
            let code = account.code.as_ref().map(Bytecode::original_bytes);
            update.code = update.code.filter(|value| code.as_ref() != Some(value));
            let new = |slot: &U256, value: U256| match account.slots.get(slot) {
                Some(known) => *known != Some(value) || !sure(StateKey::Slot(address, *slot)),
                None => account.pool || account.whole,
            };
            update.slots.retain(|(slot, value)| new(slot, *value));
            let AccountUpdate { balance, nonce, code, slots, destroyed, .. } = &update;
            let says = balance.is_some() || nonce.is_some() || code.is_some() || !slots.is_empty() || *destroyed;
            says.then_some(update)
        });
        sifted.collect()
    }
}

/// Tells a machine's state an account and slots of it, if the account is known.
fn put(db: &mut Db, address: Address, account: &Account, slots: impl Iterator<Item = (U256, U256)>) {
    let Some(info) = account.info() else { return };
    db.tell_account(address, info);
    slots.for_each(|(slot, value)| db.tell_slot(address, slot, value));
}

/// What a machine missed, as a want. Code has no want of its own: it comes with its account.
pub(super) fn state_keys(missed: impl IntoIterator<Item = Cold>) -> Vec<StateKey> {
    let want = |cold| match cold {
        Cold::Account(address) => Some(StateKey::Account(address)),
        Cold::Slot(address, slot) => Some(StateKey::Slot(address, slot)),
        Cold::BlockHash(number) => Some(StateKey::BlockHash(number)),
        Cold::Code(_) => None,
    };
    missed.into_iter().filter_map(want).collect()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use revm::state::Bytecode;

    use super::Account;

    #[test]
    fn a_nonce_that_nothing_moves_tells_no_account_from_another() {
        let account = |code: &'static [u8], nonce| Account {
            holding: Some((U256::ONE, nonce)),
            code: Some(Bytecode::new_raw(code.into())),
            ..Account::default()
        };
        // A contract that its constructor has made others for, and one of before EIP-161.
        for nonce in [0, 2] {
            assert_eq!(account(&[0x60, 1], 1).telling(), account(&[0x60, 1], nonce).telling());
        }
        // Whoever sends, and what can make others.
        for code in [&[][..], &[0xf0]] {
            assert_ne!(account(code, 1).telling(), account(code, 2).telling());
        }
        assert_eq!(Account::default().telling(), None);
    }
}
