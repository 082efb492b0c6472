//! The list against what happens to the state's sites.

use alloy_primitives::{Address, B256};

use crate::edge::bootstrap::Factory;
use crate::edge::bootstrap::LendingRow;
use crate::edge::bootstrap::Loaded;
use crate::edge::chain::Log;
use crate::live::watchlist::Announcers;
use crate::live::watchlist::PROBATION;
use crate::live::watchlist::Site;
use crate::live::watchlist::Watchlist;
use crate::protocols::site::Logs;
use crate::protocols::site::Slots;
use crate::protocols::site::StateSite;
use crate::types::pool_key::PoolKey;

const FACTORY: Address = Address::with_last_byte(1);
const LENDER: Address = Address::with_last_byte(2);
const POOL: Address = Address::with_last_byte(3);
const SITE: Site = Site::Pool(PoolKey { contract: POOL, id: None });
const VAULT: Address = Address::with_last_byte(4);

fn list() -> Watchlist {
    let factory = Factory { name: "f".to_owned(), protocol: "uniswap_v2".to_owned(), address: FACTORY, from_block: 0 };
    let lender = LendingRow {
        name: "l".to_owned(),
        protocol: "morpho_blue".to_owned(),
        address: LENDER,
        oracle: None,
        from_block: 0,
        market: None,
        accounts: Vec::new(),
    };
    Watchlist::new(Announcers { factories: vec![factory], lenders: vec![lender] }, &Loaded::default())
}

fn here() -> Vec<StateSite> {
    vec![StateSite::whole(POOL, false)]
}

fn due(list: &Watchlist) -> Vec<Address> {
    list.follow().borrow().to_vec()
}

#[test]
fn whoever_announces_is_watched_and_a_new_pool_from_its_announcement_on() {
    let mut list = list();
    let before = list.follow().borrow().clone();
    assert_eq!(*before, [FACTORY, LENDER]);
    assert!(list.lacking(&before).is_empty());
    list.add(SITE, 10);
    assert_eq!(due(&list), [FACTORY, LENDER, POOL]);
    assert_eq!(list.lacking(&before), [POOL], "logs that were asked for before lack its own");
    list.take_up(SITE, &here(), 11);
    list.grow(11 + 2 * PROBATION);
    assert_eq!(due(&list), [FACTORY, LENDER, POOL], "one in use stays");
    assert!(list.is_used(SITE) && !list.is_new(SITE));
}

/// Whether it would be asked by a log of its own in this block.
fn is_asked(list: &Watchlist, block: u64) -> bool {
    !list.stirred(&Log { address: POOL, ..Log::default() }, block).is_empty()
}

#[test]
fn one_that_never_comes_into_use_is_asked_at_every_move_for_its_probation_and_less_and_less_then() {
    let mut list = list();
    list.add(SITE, 10);
    list.give_up(SITE, 10);
    list.grow(10 + PROBATION);
    assert!(list.is_new(SITE) && is_asked(&list, 10 + PROBATION));
    let mut block = 11 + PROBATION;
    list.grow(block);
    assert!(!list.is_new(SITE) && is_asked(&list, block));
    for wait in [1, 2, 4, 8] {
        list.give_up(SITE, block);
        assert!(!is_asked(&list, block + wait - 1) && is_asked(&list, block + wait));
        block += wait;
    }
    assert_eq!(due(&list), [FACTORY, LENDER, POOL], "watched it is");
}

#[test]
fn one_that_cannot_be_used_any_more_is_watched_and_asked_when_it_moves() {
    let mut list = list();
    list.take_up(SITE, &here(), 10);
    list.give_up(SITE, 12);
    assert!(!list.is_used(SITE) && !is_asked(&list, 12) && is_asked(&list, 13));
    assert_eq!(due(&list), [FACTORY, LENDER, POOL]);
    list.take_up(SITE, &here(), 13);
    assert!(list.is_used(SITE));
}

#[test]
fn one_that_could_not_be_used_when_all_was_loaded_is_watched_and_a_lender_is_no_pool() {
    let unusable = [POOL, LENDER].map(|contract| (contract.into(), "a reserve is zero".to_owned()));
    let mut list = list();
    list.reload(&Loaded { unusable: unusable.into(), ..Loaded::default() });
    assert_eq!(due(&list), [FACTORY, LENDER, POOL]);
    assert!(is_asked(&list, 1));
    assert!(list.stirred(&Log { address: LENDER, ..Log::default() }, 1).is_empty());
}

#[test]
fn undone_blocks_take_back_what_they_changed_and_say_what_has_fallen_out_of_use() {
    let mut list = list();
    list.add(SITE, 10);
    list.take_up(SITE, &here(), 11);
    list.give_up(SITE, 12);
    assert_eq!((list.undo(11), list.is_used(SITE)), (vec![], true), "used again, as before");
    assert_eq!((list.undo(10), list.is_new(SITE)), (vec![SITE], true));
    assert_eq!((list.undo(9), due(&list)), (vec![], vec![FACTORY, LENDER]));
    assert_eq!(list.undo(0), []);
}

#[test]
fn a_state_that_is_loaded_anew_makes_the_list_anew_and_nothing_of_before_is_taken_back() {
    let mut list = list();
    list.add(SITE, 10);
    list.reload(&Loaded::default());
    assert_eq!(due(&list), [FACTORY, LENDER]);
    assert_eq!((list.undo(0), due(&list)), (vec![], vec![FACTORY, LENDER]));
}

#[test]
fn pools_of_one_contract_come_into_use_one_by_one_and_wherever_they_speak_is_watched() {
    let mut list = list();
    let key = |id| PoolKey { contract: POOL, id: Some(B256::with_last_byte(id)) };
    list.add(Site::Pool(key(1)), 10);
    list.add(Site::Pool(key(2)), 10);
    assert_eq!(due(&list), [FACTORY, LENDER, POOL]);
    let log = |topics: &[u8]| Log {
        address: POOL,
        topics: topics.iter().map(|id| B256::with_last_byte(*id)).collect(),
        ..Log::default()
    };
    assert_eq!(list.stirred(&log(&[9, 2]), 1), [key(2)], "a log stirs the pool that it names");
    assert_eq!(list.stirred(&log(&[2, 9]), 1), [], "and a signature names none");
    let vault = |logs| StateSite { at: VAULT, slots: Slots::Listed(Vec::new()), logs };
    list.take_up(Site::Pool(key(2)), &[here()[0].clone(), vault(Logs::None)], 11);
    assert_eq!(due(&list), [FACTORY, LENDER, POOL], "a contract that says nothing is not listened to");
    list.take_up(Site::Pool(key(2)), &[here()[0].clone(), vault(Logs::All)], 12);
    assert_eq!(due(&list), [FACTORY, LENDER, POOL, VAULT]);
    assert!(list.is_new(Site::Pool(key(1))));
    list.give_up(Site::Pool(key(2)), 13);
    assert_eq!(due(&list), [FACTORY, LENDER, POOL], "the other is watched still");
}
