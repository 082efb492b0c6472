//! The EVM's database: what is known, what is assumed, and what a transaction leaves of an account.

use alloy_primitives::{Address, Bytes, TxKind, U256, address};
use peregrine::hot::evm::db::{Cold, Db, Unknown};
use peregrine::hot::evm::fork::Fork;
use peregrine::hot::evm::machine::{ExecuteError, Executed, Machine};
use revm::context::{BlockEnv, TxEnv};
use revm::database_interface::Database;
use revm::state::{AccountInfo, Bytecode};

const USER: Address = address!("0x00000000000000000000000000000000000e0001");
const THERE: Address = address!("0x00000000000000000000000000000000000c0001");

/// A machine under Istanbul, where SELFDESTRUCT still destroys, with one account and one contract told.
fn machine(code: &[u8]) -> Machine {
    let fork = Fork::of(&peregrine::chain::MAINNET, 10_000_000, 1_588_598_533).expect("istanbul");
    let block = BlockEnv { number: U256::from(10_000_000), gas_limit: 10_000_000, ..BlockEnv::default() };
    let mut db = Db::default();
    db.set_unknown(Unknown::Refuse);
    db.tell_whole_account(USER, AccountInfo { balance: U256::from(u64::MAX), ..AccountInfo::default() });
    db.tell_whole_account(Address::ZERO, AccountInfo::default());
    let code = Bytecode::new_raw(Bytes::copy_from_slice(code));
    db.tell_account(THERE, AccountInfo { code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() });
    Machine::new(1, fork, block, db)
}

fn call(machine: &mut Machine, nonce: u64) -> Result<Executed, ExecuteError> {
    machine.execute(TxEnv { caller: USER, gas_limit: 1_000_000, kind: TxKind::Call(THERE), nonce, ..TxEnv::default() })
}

/// SLOAD 5, SSTORE it plus one at 5.
const COUNT: [u8; 10] = [0x60, 0x05, 0x54, 0x60, 0x01, 0x01, 0x60, 0x05, 0x55, 0x00];

#[test]
fn a_slot_that_was_never_told_ends_the_execution_and_is_named() {
    let mut machine = machine(&COUNT);
    let miss = Cold::Slot(THERE, U256::from(5));
    assert_eq!(call(&mut machine, 0).map(|_| ()), Err(ExecuteError::Cold(miss)));
    machine.db_mut().set_unknown(Unknown::AssumeEmpty);
    machine.db_mut().clear_notes();
    assert!(call(&mut machine, 0).expect("runs").is_success());
    assert_eq!(machine.db().assumed(), [miss]);
}

#[test]
fn a_slot_of_our_own_may_be_assumed_and_is_counted_even_when_strict() {
    let mut machine = machine(&COUNT);
    machine.db_mut().tell_own_slot(THERE, U256::from(5));
    machine.db_mut().clear_notes();
    assert!(call(&mut machine, 0).expect("runs").is_success());
    assert_eq!(machine.db().assumed(), [Cold::Slot(THERE, U256::from(5))]);
}

#[test]
fn an_overlay_is_seen_and_a_commit_lasts() {
    let mut machine = machine(&COUNT);
    machine.db_mut().tell_slot(THERE, U256::from(5), U256::from(40));
    let slot = |machine: &Machine| machine.db().known_slot(THERE, U256::from(5));
    let diff = call(&mut machine, 0).expect("runs").diff;
    assert_eq!(slot(&machine), Some(U256::from(40)), "an execution changes nothing");
    machine.set_overlay(diff);
    assert_eq!(slot(&machine), Some(U256::from(41)));
    machine.drop_overlay();
    assert_eq!(slot(&machine), Some(U256::from(40)));
    let diff = call(&mut machine, 0).expect("runs").diff;
    machine.set_overlay(diff);
    machine.commit_overlay();
    assert_eq!(slot(&machine), Some(U256::from(41)));
    // The sender's nonce went with it.
    assert!(matches!(call(&mut machine, 0), Err(ExecuteError::Invalid(_))));
    assert!(call(&mut machine, 1).is_ok());
}

#[test]
fn a_destroyed_contract_is_empty_with_all_its_slots() {
    // PUSH1 0, SELFDESTRUCT.
    let mut machine = machine(&[0x60, 0x00, 0xff]);
    machine.db_mut().tell_slot(THERE, U256::from(5), U256::from(40));
    let diff = call(&mut machine, 0).expect("runs").diff;
    machine.set_overlay(diff);
    let gone = |machine: &mut Machine| {
        let slots = [5u64, 6].map(|slot| machine.db().known_slot(THERE, U256::from(slot)));
        assert_eq!(slots, [Some(U256::ZERO); 2], "known to be zero, told or not");
        assert_eq!(machine.db_mut().basic(THERE), Ok(None));
    };
    gone(&mut machine);
    machine.commit_overlay();
    gone(&mut machine);
}

#[test]
fn every_slot_of_a_created_contract_is_known() {
    let mut machine = machine(&COUNT);
    let place = USER.create(0);
    machine.db_mut().tell_whole_account(place, AccountInfo::default());
    // SSTORE 7 at 1; return one byte of code (STOP).
    let code = [0x60, 0x07, 0x60, 0x01, 0x55, 0x60, 0x01, 0x60, 0x00, 0xf3];
    let tx = TxEnv {
        caller: USER,
        gas_limit: 1_000_000,
        kind: TxKind::Create,
        data: Bytes::copy_from_slice(&code),
        ..TxEnv::default()
    };
    let created = machine.execute(tx).expect("runs");
    assert!(created.is_success());
    machine.set_overlay(created.diff);
    for commit in [false, true] {
        if commit {
            machine.commit_overlay();
        }
        let slots = [1u64, 2].map(|slot| machine.db().known_slot(place, U256::from(slot)));
        assert_eq!(slots, [Some(U256::from(7)), Some(U256::ZERO)]);
    }
}
