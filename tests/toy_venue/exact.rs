//! The toy's maths and what it follows, held against its own bytecode to the unit.

use alloy_primitives::U256;
use peregrine::hot::evm::machine::Executed;
use peregrine::protocols::amm::{Amm, Applied, Exact, QuoteError, Traded};
use peregrine::protocols::toy_pool::Pool;
use proptest::prelude::*;

use crate::bank::{Bank, legs};
use crate::common::pools::cases;

/// The storage that a transaction changed, told to the pool contract by contract.
fn by_slots(pool: &mut Pool, executed: &Executed) -> Vec<Applied> {
    let changed = |account: &revm::state::Account| -> Vec<_> {
        account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value)).collect()
    };
    let accounts = executed.diff.iter();
    accounts.map(|(at, account)| pool.apply_slots(*at, &changed(account)).expect("understood")).collect()
}

fn by_logs(pool: &mut Pool, executed: &Executed) -> Vec<Applied> {
    let logs = executed.logs().iter();
    logs.map(|log| pool.apply_log(log.address, log.topics(), &log.data.data).expect("understood")).collect()
}

/// Amounts of every size up to what a reserve can be, and somewhat past it.
fn amounts() -> impl Strategy<Value = u128> {
    (0_u32..114, any::<u128>()).prop_map(|(bits, random)| (1 << bits) | (random & ((1 << bits) - 1)))
}

fn reserves() -> impl Strategy<Value = [u128; 3]> {
    prop::array::uniform3(amounts().prop_map(|amount| amount.min((1 << 112) - 1)))
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn quotes_are_what_the_contract_pays_and_what_is_followed_is_what_it_keeps(
        fee in 0_u32..1_000_000, reserves in reserves(), swaps in prop::collection::vec((0_usize..6, amounts()), 1..8),
    ) {
        let mut bank = Bank::new();
        // Another pool of the same tokens is nobody's business here.
        let other = bank.filled(3_000, [1_000_000; 3]);
        let key = bank.filled(fee, reserves);
        let (first, [mut stored, mut logged, mut traded]) = (bank.pool(other), [(); 3].map(|()| bank.pool(key)));
        for (leg, amount) in swaps {
            let (leg, amount) = (legs(&stored)[leg], U256::from(amount));
            let quoted = stored.quote_in(leg, amount);
            prop_assert_eq!(quoted.ok(), bank.would_pay(key, leg, amount), "{:?} of {} through {:?}", leg, amount, stored);
            let Ok(amount_out) = quoted else { continue };
            let made = traded.trade(leg, Exact::In(amount), None);
            prop_assert_eq!(made, Ok(Traded { amount_in: amount, amount_out }));
            let executed = bank.exchange(key, leg, amount);
            prop_assert_eq!(by_slots(&mut stored, &executed).iter().filter(|done| **done == Applied::Changed).count(), 1);
            by_logs(&mut logged, &executed);
            let mut untouched = first.clone();
            by_slots(&mut untouched, &executed);
            by_logs(&mut untouched, &executed);
            let fresh = bank.pool(key);
            for followed in [&stored, &logged, &traded] {
                prop_assert_eq!(followed.state(), fresh.state());
            }
            prop_assert!(untouched.agrees(&first));
        }
    }

    #[test]
    fn the_least_input_pays_what_is_asked_and_one_unit_less_does_not(
        fee in 0_u32..1_000_000, reserves in reserves(), leg in 0_usize..6, out in amounts(),
    ) {
        let key = peregrine::types::pool_key::PoolKey::default();
        let at = (key.contract, key.contract, key.id.unwrap_or_default());
        let tokens = [1, 2, 3].map(alloy_primitives::Address::with_last_byte);
        let pool = Pool::new(at, tokens, U256::from(fee), reserves.map(U256::from)).expect("in range");
        let (leg, out) = (legs(&pool)[leg], U256::from(out));
        let paid = |amount| pool.quote_in(leg, amount);
        match pool.quote_out(leg, out) {
            Ok(least) => {
                prop_assert!(paid(least).expect("pays") >= out);
                prop_assert!(paid(least - U256::ONE).unwrap_or_default() < out);
                prop_assert_eq!(pool.asks(leg, out), Ok(least));
            }
            Err(_) => {
                let most = U256::from((1_u128 << 112) - 1 - reserves[leg.token_in()]);
                prop_assert!(paid(most).unwrap_or_default() < out);
            }
        }
    }
}

#[test]
fn a_fee_that_changes_is_followed_at_the_bank_and_reserves_at_the_vault() {
    let mut bank = Bank::new();
    let (key, other) = (bank.filled(3_000, [1 << 60; 3]), bank.filled(500, [1 << 50; 3]));
    let [mut stored, mut logged] = [(); 2].map(|()| bank.pool(key));
    let mut untouched = bank.pool(other);
    let executed = bank.set_fee(key, 10_000);
    assert!(by_slots(&mut stored, &executed).contains(&Applied::Changed));
    assert!(by_logs(&mut logged, &executed).contains(&Applied::Changed));
    assert!(!by_slots(&mut untouched, &executed).contains(&Applied::Changed));
    assert!(!by_logs(&mut untouched, &executed).contains(&Applied::Changed));
    assert_eq!((stored.state(), logged.state()), ((10_000, [1 << 60; 3]), (10_000, [1 << 60; 3])));
    assert_eq!(stored.state(), bank.pool(key).state());
}

#[test]
fn what_is_no_state_is_refused_and_leaves_the_pool_as_it_was() {
    let mut bank = Bank::new();
    let key = bank.filled(3_000, [1 << 60; 3]);
    let mut pool = bank.pool(key);
    let before = pool.state();
    let sites = pool.sites();
    for site in &sites {
        let peregrine::protocols::site::Slots::Listed(slots) = &site.slots else { panic!("{site:?}") };
        let changes = slots.iter().map(|slot| (*slot, U256::MAX)).collect::<Vec<_>>();
        assert!(pool.apply_slots(site.at, &changes).is_err());
    }
    assert!(pool.trade(legs(&pool)[0], Exact::In(U256::ONE << 111), Some(U256::ONE)) == Err(QuoteError::TooLarge));
    assert_eq!(pool.state(), before);
}
