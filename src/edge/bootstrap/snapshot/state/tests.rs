use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256};
use revm::state::Bytecode;

use super::{Of, Saved, read, rewrite, unmoved, write};
use crate::edge::bootstrap::state_cache::{Account, StateCache};
use crate::protocols::AnyPool;
use crate::protocols::uniswap_v2::{Fee, Layout, Pool};

const OF: Of = Of { chain_id: 1, wrapped_native: None };
const TOKEN: Address = Address::with_last_byte(1);
const PAIR: Address = Address::with_last_byte(2);
const SENDER: Address = Address::with_last_byte(3);
const FEED: Address = Address::with_last_byte(4);

fn at(number: u64) -> (u64, B256) {
    (number, B256::from(U256::from(number)))
}

fn pair() -> AnyPool {
    let tokens = [TOKEN, Address::with_last_byte(9)];
    let fee = Fee::new(3, 1_000).unwrap();
    Pool::new(PAIR, tokens, [fee; 2], Layout::Packed { slot: U256::from(8) }, [1_000_000, 2_000_000]).unwrap().into()
}

fn account(code: &'static [u8], slots: &[(u64, Option<u64>)]) -> Account {
    let slots = slots.iter().map(|(slot, value)| (U256::from(*slot), value.map(U256::from))).collect();
    let code = Bytecode::new_raw(code.into());
    Account { holding: Some((U256::from(7), 1)), code: Some(code), slots, ..Account::default() }
}

fn known() -> StateCache {
    let mut known = StateCache::default();
    known.accounts.insert(TOKEN, account(&[0x60, 1], &[(1, Some(11)), (2, Some(0)), (3, None)]));
    known.accounts.insert(PAIR, account(&[0x60, 2], &[(8, Some(88))]));
    known.accounts.insert(SENDER, Account { code: None, ..account(&[], &[]) });
    known.accounts.insert(FEED, account(&[0x60, 1], &[(5, Some(55))]));
    known.hashes.extend([at(98), at(99)]);
    known
}

/// What of an account is written.
#[track_caller]
fn same_account(one: &Account, other: &Account) {
    assert_eq!((one.holding, &one.code, &one.slots), (other.holding, &other.code, &other.slots));
}

#[track_caller]
fn same(saved: &Saved, due: &StateCache) {
    assert_eq!(saved.known.accounts.len(), due.accounts.len());
    for (address, account) in &due.accounts {
        same_account(&saved.known.accounts[address], account);
    }
    assert_eq!(saved.known.hashes, due.hashes);
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    assert!(read(&path, OF).unwrap().is_none(), "there is none yet");
    write(&path, OF, at(100), &known(), (&[pair()], &[FEED])).unwrap();
    let saved = read(&path, OF).unwrap().unwrap();
    same(&saved, &known());
    assert_eq!((saved.at, saved.pools_at, saved.whole.as_slice()), (at(100), at(100), &[FEED][..]));
    assert!(saved.moved.is_empty());
    assert_eq!(serde_json::to_value(&saved.pools).unwrap(), serde_json::to_value([pair()]).unwrap());
    let other = read(&path, Of { chain_id: 10, ..OF }).unwrap_err();
    assert_eq!(other, "is of chain 1, 10 due");
}

#[test]
fn a_later_state_has_the_same_places_and_of_pools_all_and_says_what_has_moved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let to = |was, now| [at(was), at(now)];
    assert_eq!(rewrite(&path, OF, to(100, 101), &known(), &BTreeSet::new()).unwrap_err(), "is not there");
    write(&path, OF, at(100), &known(), (&[pair()], &[FEED])).unwrap();
    let mut now = known();
    // Strangers' accounts and slots; a balance that moved; a code that is another one; what a pool and a feed have come to hold.
    now.accounts.insert(Address::with_last_byte(77), account(&[0x60, 7], &[(1, Some(1))]));
    now.accounts.get_mut(&TOKEN).unwrap().slots.extend([(U256::from(1), Some(U256::from(12))), (U256::from(9), None)]);
    now.accounts.get_mut(&PAIR).unwrap().slots.insert(U256::from(10), Some(U256::from(10)));
    now.accounts.get_mut(&PAIR).unwrap().pool = true;
    let feed = now.accounts.get_mut(&FEED).unwrap();
    (feed.whole, feed.code) = (true, Some(Bytecode::new_raw((&[0x60, 8]).into())));
    feed.slots.insert(U256::from(6), Some(U256::from(66)));
    assert_eq!(rewrite(&path, OF, to(99, 101), &now, &BTreeSet::new()).unwrap_err(), "is another run's");
    rewrite(&path, OF, to(100, 101), &now, &BTreeSet::from([PAIR])).unwrap();

    let saved = read(&path, OF).unwrap().unwrap();
    let mut due = now.clone();
    due.accounts.remove(&Address::with_last_byte(77));
    due.accounts.get_mut(&TOKEN).unwrap().slots.remove(&U256::from(9));
    // It is read again, and what there is more of pools and feeds.
    due.accounts.get_mut(&FEED).unwrap().code = None;
    due.accounts.get_mut(&FEED).unwrap().slots.remove(&U256::from(6));
    due.accounts.get_mut(&PAIR).unwrap().slots.remove(&U256::from(10));
    same(&saved, &due);
    assert_eq!((saved.at, saved.pools_at), (at(101), at(100)));
    assert_eq!(saved.moved, BTreeSet::from([PAIR]));
    assert!(unmoved(saved.pools, &saved.moved).is_empty());

    // And again: what has moved before still has.
    rewrite(&path, OF, to(101, 102), &now, &BTreeSet::from([TOKEN])).unwrap();
    let saved = read(&path, OF).unwrap().unwrap();
    assert_eq!((saved.at, saved.moved), (at(102), BTreeSet::from([PAIR, TOKEN])));
    assert_eq!(unmoved(saved.pools, &BTreeSet::from([TOKEN])).len(), 1, "a pair keeps nothing at a token");
}
