//! The calldata of paths with calls, byte for byte as the header of `contracts/src/Executor.sol` has it.

use alloy_primitives::{Address, U256, hex};

use crate::execution::{CallStep, Execution, Hop, Input, Output, Steps};
use crate::executor::{Bid, EncodeError, Run};
use crate::types::amount::Wei;

const OWN: Address = Address::repeat_byte(0x77);
const TOKEN: Address = Address::repeat_byte(0xaa);
const START: Address = Address::repeat_byte(0x55);

fn hop(pool: u8, token: u8, amount_out: u128) -> Hop {
    Hop { pool: Address::repeat_byte(pool).into(), token_in: Address::repeat_byte(token), amount_out }
}

fn call(data: &[u8], input: Input, output: Output) -> CallStep<'_> {
    CallStep { data, input, output }
}

fn encode(steps: &Steps) -> Result<Vec<u8>, EncodeError> {
    let bid = Bid::Wei(Wei(U256::from(3)));
    let run = Run { block: 5, token: TOKEN, min_profit: 2, bid, amount_in: 9, steps };
    run.encode().map(|data| data.to_vec())
}

/// One after another, as the header's table has them.
fn record(kind: u8, pool: u8, token: u8, amount_out: u128) -> Vec<u8> {
    [&[kind][..], &[pool; 20], &[token; 20], &amount_out.to_be_bytes()].concat()
}

fn head(flags: u8) -> Vec<u8> {
    let head = [&hex!("c0406226")[..], &[flags], &[0, 0, 0, 0, 5], TOKEN.as_slice()].concat();
    [&head[..], &2_u128.to_be_bytes(), &3_u128.to_be_bytes()].concat()
}

#[test]
fn a_path_of_callbacks_is_written_in_the_plain_form_with_all_its_tokens() {
    let mut steps = Steps::default();
    steps.begin();
    steps.exact_out(hop(1, 0xaa, 7), true);
    steps.exact_in(hop(2, 0xbb, 8), false);
    let due = [head(0), 9_u128.to_be_bytes().to_vec(), record(2, 1, 0xaa, 7), record(1, 2, 0xbb, 8)].concat();
    assert_eq!(encode(&steps), Ok(due));
}

#[test]
fn a_calls_data_and_their_size_lie_before_its_record_in_the_long_form() {
    let mut steps = Steps::of(OWN);
    steps.begin();
    steps.exact_in(hop(1, 0xaa, 7), true);
    steps.call(hop(2, 0xbb, 8), &call(&[1, 2, 3, 4, 5], Input::Allowed, Output::Direct));
    assert_eq!(steps.last(), Some(Execution::Pull));
    steps.call(hop(3, 0xcc, 8), &call(&[6, 7, 8, 9], Input::Sent, Output::Here));
    assert_eq!(steps.last(), Some(Execution::Prepaid));
    steps.exact_out(hop(4, 0xdd, 6), false);
    let head = [head(2), vec![0; 20], 9_u128.to_be_bytes().to_vec(), record(3, 1, 0xaa, 7)].concat();
    let first = [vec![1, 2, 3, 4, 5, 0, 5], record(128 + 12 + 16, 2, 0xbb, 8)].concat();
    let second = [vec![6, 7, 8, 9, 0, 4], record(128, 3, 0xcc, 8)].concat();
    assert_eq!(encode(&steps), Ok([head, first, second, record(0, 4, 0xdd, 6)].concat()));
}

/// Zeros are cheaper: of what a measured call pays, of a call in the middle that is paid here, and of no other.
#[test]
fn a_path_that_begins_with_another_token_names_tokens_where_they_are_read() {
    let mut steps = Steps::of(OWN);
    steps.begin_with(START);
    steps.ask(hop(1, 0x55, 7), &call(&[0; 4], Input::Allowed, Output::Here));
    steps.exact_in(hop(2, 0xbb, 8), true);
    steps.exact_in(hop(3, 0xcc, 8), true);
    steps.call(hop(4, 0xdd, 8), &call(&[0; 4], Input::Held, Output::Direct));
    steps.call(hop(5, 0xee, 8), &call(&[0; 4], Input::Sent, Output::Here));
    steps.stop(TOKEN, 6);
    steps.exact_out(hop(6, 0xaa, 9), true);
    let size = vec![0, 0, 0, 0, 0, 4];
    let due = [
        [head(2), START.to_vec(), 9_u128.to_be_bytes().to_vec()].concat(),
        [size.clone(), record(128 + 12, 1, 0, 7), record(3, 2, 0xbb, 8), record(3, 3, 0, 8)].concat(),
        [size.clone(), record(128 + 4 + 16, 4, 0xdd, 8), size, record(128, 5, 0, 8)].concat(),
        [record(4, 0, 0xaa, 6), record(2, 6, 0, 9)].concat(),
    ];
    assert_eq!(encode(&steps), Ok(due.concat()));
    // It is used again, and holds nothing of what was.
    steps.begin();
    steps.exact_out(hop(1, 0xaa, 7), true);
    assert_eq!(encode(&steps), Ok([head(0), 9_u128.to_be_bytes().to_vec(), record(2, 1, 0xaa, 7)].concat()));
}

#[test]
fn what_our_contract_cannot_go_is_not_encoded() {
    let mut steps = Steps::of(OWN);
    let whole = vec![0; 1 << 16];
    steps.begin();
    steps.exact_out(hop(1, 0xaa, 7), true);
    steps.call(hop(2, 0xbb, 8), &call(&[0; 4], Input::Held, Output::Here));
    assert_eq!(encode(&steps), Err(EncodeError::NotLent));
    steps.exact_out(hop(3, 0xcc, 7), true);
    assert!(encode(&steps).is_ok());
    steps.begin();
    steps.call(hop(2, 0xbb, 8), &call(&whole, Input::Held, Output::Here));
    steps.exact_out(hop(3, 0xcc, 7), true);
    assert_eq!(encode(&steps), Err(EncodeError::Data(1 << 16)));
    let mut nobodys = Steps::default();
    nobodys.begin();
    nobodys.call(hop(2, 0xbb, 8), &call(&[0; 4], Input::Held, Output::Here));
    nobodys.exact_out(hop(3, 0xcc, 7), true);
    assert_eq!(encode(&nobodys), Err(EncodeError::Nobody));
}

#[test]
fn whoever_takes_what_goes_in_from_us_has_it_paid_to_us() {
    let venue = Address::repeat_byte(1);
    for (execution, payee) in
        [(Execution::Callback, venue), (Execution::Prepaid, venue), (Execution::Pull, OWN), (Execution::Unlock, OWN)]
    {
        assert_eq!(execution.payee(venue, OWN), payee);
    }
}
