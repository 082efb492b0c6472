//! Blocks of the chain on the base, and off it again.
//!
//! # Invariants
//! - News of an account that is not known teaches nothing: a part of an account is not an account. It stays a miss.
//! - After [`Db::undo`] everything known is as it was before the block, or is not known any more. What was told behind the
//!   block is for its owner to forget ([`Db::forget`]): a block tells no change of what nobody knew.

use std::collections::VecDeque;

use alloy_primitives::{Address, B256, Bytes, U256};
use revm::state::{AccountInfo, Bytecode};

use crate::hot::evm::code::{Codes, bytecode};
use crate::hot::evm::db::Db;
use crate::hot::evm::db::Entry;
use crate::types::update::AccountUpdate;
use crate::types::update::FetchedState;

/// What blocks wrote over, in their order and that of their news.
#[derive(Debug, Default)]
pub struct Before {
    accounts: VecDeque<Old>,
    /// Slots of the accounts that changed, as they were; `None` for one that was not known.
    slots: VecDeque<(U256, Option<U256>)>,
}

impl Before {
    /// Forgets the oldest block. `update` as it was given to [`Db::apply`].
    pub fn retire(&mut self, update: &[AccountUpdate]) {
        for (account, old) in update.iter().zip(self.accounts.drain(..update.len().min(self.accounts.len()))) {
            if matches!(old, Old::Changed { .. }) {
                self.slots.drain(..account.slots.len().min(self.slots.len()));
            }
        }
    }
}

/// What of something told was new.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Learnt {
    accounts: Vec<Address>,
    /// Of accounts known before.
    slots: Vec<(Address, U256)>,
}

#[derive(Debug)]
enum Old {
    /// The account was not known.
    Unknown,
    /// It changed: what it was.
    Changed { info: AccountInfo, whole: bool },
    /// It was destroyed: all of it.
    Destroyed(Entry),
}

impl Db {
    /// Writes a block's changes into the base, and what they wrote over behind what `before` holds.
    pub fn apply(&mut self, update: &[AccountUpdate], before: &mut Before) {
        self.version += 1;
        for account in update {
            let old = self.apply_account(account, &mut before.slots);
            before.accounts.push_back(old);
        }
    }

    fn apply_account(&mut self, update: &AccountUpdate, slots: &mut VecDeque<(U256, Option<U256>)>) -> Old {
        let Some(entry) = self.base.get_mut(&update.address) else { return Old::Unknown };
        if update.destroyed {
            return Old::Destroyed(std::mem::replace(entry, Entry { whole: true, ..Entry::default() }));
        }
        let (info, whole) = (entry.info.clone(), entry.whole);
        update_info(&mut entry.info, update, bytecode);
        slots.extend(update.slots.iter().map(|(slot, value)| (*slot, entry.storage.insert(*slot, *value))));
        Old::Changed { info, whole }
    }

    /// Takes the changes of the block last applied off again. `update` as it was given to [`Db::apply`].
    pub fn undo(&mut self, update: &[AccountUpdate], before: &mut Before) {
        self.version += 1;
        for account in update.iter().rev() {
            let Some(old) = before.accounts.pop_back() else { return };
            match old {
                Old::Unknown => {
                    self.base.remove(&account.address);
                }
                Old::Destroyed(entry) => {
                    self.base.insert(account.address, entry);
                }
                Old::Changed { info, whole } => {
                    let entry = self.base.entry(account.address).or_default();
                    (entry.info, entry.whole) = (info, whole);
                    let first = before.slots.len().saturating_sub(account.slots.len());
                    before.slots.drain(first..).rev().for_each(|(slot, value)| restore(entry, slot, value));
                }
            }
        }
    }

    /// Learns what was fetched. Slots of an account that is neither known nor told wait for the account. What of it was not
    /// known before, for [`Db::forget`].
    pub fn tell(&mut self, fetched: &FetchedState) -> Learnt {
        self.tell_all(&fetched.accounts, &fetched.hashes)
    }

    /// The same of these accounts and of the hashes of these blocks.
    pub fn tell_all(&mut self, accounts: &[AccountUpdate], hashes: &[(u64, B256)]) -> Learnt {
        let (mut learnt, mut codes) = (Learnt::default(), Codes::default());
        for account in accounts {
            let whole_of_it = account.balance.is_some() && account.nonce.is_some() && account.code.is_some();
            let known = self.base.contains_key(&account.address);
            if !whole_of_it && !known {
                continue;
            }
            if !known {
                learnt.accounts.push(account.address);
            }
            let entry = self.base.entry(account.address).or_default();
            let of = |info: &AccountInfo| (info.balance, info.nonce, info.code_hash);
            let before = of(&entry.info);
            update_info(&mut entry.info, account, |code| codes.of(code));
            let mut changed = known && of(&entry.info) != before;
            for (slot, value) in &account.slots {
                match entry.storage.insert(*slot, *value) {
                    None if known => learnt.slots.push((account.address, *slot)),
                    None => {}
                    Some(before) => changed |= before != *value,
                }
            }
            // A slot of an account that is known whole was known, as zero, before it was told.
            changed |= known && entry.whole && !account.slots.is_empty();
            self.version += u64::from(changed);
        }
        for (number, hash) in hashes {
            let before = self.hashes.insert(*number, *hash);
            self.version += u64::from(before.is_some_and(|before| before != *hash));
        }
        learnt
    }

    /// Unlearns what was learnt behind a block that is no more. (Hashes of older blocks stay: the chain below is the same.)
    pub fn forget(&mut self, learnt: Learnt) {
        self.version += 1;
        for address in learnt.accounts {
            self.base.remove(&address);
        }
        for (address, slot) in learnt.slots {
            if let Some(entry) = self.base.get_mut(&address) {
                entry.storage.remove(&slot);
            }
        }
    }
}

fn restore(entry: &mut Entry, slot: U256, value: Option<U256>) {
    match value {
        Some(value) => entry.storage.insert(slot, value),
        None => entry.storage.remove(&slot),
    };
}

fn update_info<'a>(info: &mut AccountInfo, update: &'a AccountUpdate, made: impl FnOnce(&'a Bytes) -> Bytecode) {
    info.balance = update.balance.unwrap_or(info.balance);
    info.nonce = update.nonce.unwrap_or(info.nonce);
    if let Some(code) = &update.code {
        let code = made(code);
        (info.code_hash, info.code) = (code.hash_slow(), Some(code));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(byte: u8) -> Address {
        Address::repeat_byte(byte)
    }

    fn whole(address: Address, balance: u64, slots: &[(u64, u64)]) -> AccountUpdate {
        let slots = slots.iter().map(|(slot, value)| (U256::from(*slot), U256::from(*value))).collect();
        let code = Some(Bytes::from_static(&[0x60, 0x00]));
        AccountUpdate { address, balance: Some(U256::from(balance)), nonce: Some(1), code, slots, destroyed: false }
    }

    fn part(address: Address, slots: &[(u64, u64)]) -> AccountUpdate {
        AccountUpdate { balance: None, nonce: None, code: None, ..whole(address, 0, slots) }
    }

    fn db(accounts: Vec<AccountUpdate>) -> Db {
        let mut db = Db::default();
        let _all_of_it = db.tell(&FetchedState { accounts, ..FetchedState::default() });
        db
    }

    fn slot(db: &Db, address: Address, slot: u64) -> Option<U256> {
        db.known_slot(address, U256::from(slot))
    }

    #[test]
    fn an_undone_block_leaves_what_was_known_before_it() {
        let mut db = db(vec![whole(at(1), 5, &[(0, 7)])]);
        let update = [
            AccountUpdate { balance: Some(U256::from(9)), ..part(at(1), &[(0, 8), (1, 1), (0, 9)]) },
            part(at(2), &[(0, 1)]),
        ];
        let mut before = Before::default();
        db.apply(&update, &mut before);
        assert_eq!(slot(&db, at(1), 0), Some(U256::from(9)));
        assert_eq!(slot(&db, at(1), 1), Some(U256::from(1)));
        assert!(db.known_account(at(2)).is_none(), "a part of an account is not an account");
        db.undo(&update, &mut before);
        assert_eq!(slot(&db, at(1), 0), Some(U256::from(7)));
        assert_eq!(slot(&db, at(1), 1), None, "it was never known what it held before");
        assert_eq!(db.known_account(at(1)).map(|info| info.balance), Some(U256::from(5)));
    }

    #[test]
    fn what_was_told_after_a_block_that_changed_it_is_forgotten_with_the_block() {
        let mut db = db(vec![]);
        let update = [part(at(3), &[(0, 1)])];
        let mut before = Before::default();
        db.apply(&update, &mut before);
        let _learnt =
            db.tell(&FetchedState { accounts: vec![whole(at(3), 1, &[(0, 1), (5, 5)])], ..FetchedState::default() });
        assert_eq!(slot(&db, at(3), 0), Some(U256::from(1)));
        db.undo(&update, &mut before);
        assert!(db.known_account(at(3)).is_none());
        assert_eq!(slot(&db, at(3), 0), None);
    }

    #[test]
    fn what_was_told_behind_an_undone_block_is_unlearnt() {
        let mut db = db(vec![whole(at(1), 5, &[(0, 7)])]);
        let known_too = whole(at(1), 5, &[(0, 7), (3, 3)]);
        let learnt =
            db.tell(&FetchedState { accounts: vec![known_too, whole(at(2), 1, &[(0, 1)])], ..FetchedState::default() });
        db.forget(learnt);
        assert_eq!((slot(&db, at(1), 0), slot(&db, at(1), 3)), (Some(U256::from(7)), None));
        assert!(db.known_account(at(2)).is_none());
    }

    #[test]
    fn a_destroyed_account_comes_back_whole() {
        let mut db = db(vec![whole(at(4), 5, &[(0, 7)])]);
        let update = [AccountUpdate { address: at(4), destroyed: true, ..AccountUpdate::default() }];
        let mut before = Before::default();
        db.apply(&update, &mut before);
        assert_eq!(slot(&db, at(4), 0), Some(U256::ZERO));
        assert!(db.known_account(at(4)).is_some_and(AccountInfo::is_empty));
        db.undo(&update, &mut before);
        assert_eq!(slot(&db, at(4), 0), Some(U256::from(7)));
    }
}
