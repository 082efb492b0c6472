//! The calldata of paths with calls, byte for byte as the header of `contracts/src/Executor.sol` has it.

use alloy_primitives::{Address, Bytes, U256, hex};

use crate::execution::{CallStep, Execution, Hop, Input, ManagedStep, Output, Steps, TERMS};
use crate::executor::{Bid, EncodeError, Run};
use crate::flash::Funding;
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

/// Ether is had as the wrapped token: what spends it finds it here and names it, what gives it is measured without a name.
#[test]
fn a_call_in_ether_is_told_from_others_by_two_bits() {
    let mut steps = Steps::of(OWN);
    steps.begin();
    steps.call(hop(1, 0xaa, 7), &call(&[0; 4], Input::Allowed, Output::Ether));
    steps.call(hop(2, 0xbb, 8), &call(&[0; 4], Input::Ether, Output::Here));
    steps.exact_out(hop(3, 0xcc, 6), true);
    let size = vec![0, 0, 0, 0, 0, 4];
    let first = [size.clone(), record(128 + 12 + 2, 1, 0xaa, 7)].concat();
    let second = [size, record(128 + 4 + 32, 2, 0xbb, 8)].concat();
    let head = [head(2), vec![0; 20], 9_u128.to_be_bytes().to_vec()].concat();
    assert_eq!(encode(&steps), Ok([head, first, second, record(2, 3, 0xcc, 6)].concat()));
}

fn terms(zero: u8, one: u8) -> [u8; TERMS] {
    let mut terms = [0x11; TERMS];
    terms[..20].fill(zero);
    terms[20..40].fill(one);
    terms
}

/// Sent to the manager where it is the first of its kind, out of our contract's for ether and for what else is settled in between, out of
/// the manager's books between neighbours. The last one unlocks.
#[test]
fn a_managed_swap_is_paid_and_unlocked_as_the_steps_before_it_allow() {
    let mut steps = Steps::of(OWN);
    let kinds = |steps: &Steps, at: [usize; 3]| at.map(|at| steps.bytes()[at]);
    let managed = |steps: &mut Steps, (zero, one): (u8, u8), first_in| {
        steps.managed(hop(9, 0xcc, 8), &ManagedStep { terms: &terms(zero, one), first_in });
    };
    steps.begin();
    steps.exact_in(hop(1, 0xaa, 7), true);
    managed(&mut steps, (0xbb, 0xcc), true);
    assert_eq!(steps.last(), Some(Execution::Unlock));
    let due = [vec![0; 20], 9_u128.to_be_bytes().to_vec(), record(3, 1, 0xaa, 7), terms(0xbb, 0xcc).to_vec()].concat();
    assert_eq!(encode(&steps), Ok([head(2), due, record(64 + 2, 9, 0, 8)].concat()));
    managed(&mut steps, (0xaa, 0xcc), false);
    steps.exact_out(hop(2, 0xaa, 7), true);
    managed(&mut steps, (0xaa, 0), true);
    let at = [57 + 66, 57 + 123 + 66, 57 * 2 + 123 * 2 + 66];
    // The first two are inside the last; the second takes what the first left, the third what has come to our contract.
    assert_eq!(kinds(&steps, at), [64 + 2 + 16, 64 + 8 + 16, 64 + 2 + 4]);
    assert!(encode(&steps).is_ok());
    // In front nothing is held; ether elsewhere is, and what a venue pays our contract itself.
    steps.begin();
    managed(&mut steps, (0, 0xcc), true);
    steps.call(hop(2, 0xbb, 8), &call(&[0; 4], Input::Allowed, Output::Direct));
    let second = 123 + 6 + 57 + 66;
    managed(&mut steps, (0xbb, 0xdd), false);
    assert_eq!([66, second].map(|at| steps.bytes()[at]), [64 + 2 + 16, 64 + 4]);
    steps.begin();
    steps.exact_in(hop(1, 0xaa, 7), true);
    managed(&mut steps, (0, 0xcc), true);
    assert_eq!(steps.bytes()[57 + 66], 64 + 2 + 4);
}

/// A stop lies between, and another manager keeps other books.
#[test]
fn nothing_is_left_in_books_but_between_neighbours_of_one_manager() {
    let mut steps = Steps::of(OWN);
    for stopped in [true, false] {
        steps.begin();
        steps.managed(hop(8, 0xaa, 7), &ManagedStep { terms: &terms(0xaa, 0xbb), first_in: true });
        if stopped {
            steps.stop(Address::repeat_byte(0xbb), 6);
        }
        let manager = if stopped { 8 } else { 9 };
        steps.managed(hop(manager, 0xbb, 8), &ManagedStep { terms: &terms(0xbb, 0xcc), first_in: true });
        let inside = if stopped { 16 } else { 0 };
        let second = 123 + 66 + if stopped { 57 } else { 0 };
        assert_eq!([66, second].map(|at| steps.bytes()[at]), [64 + 2 + inside, 64 + 2 + 4]);
    }
}

#[test]
fn what_our_contract_cannot_go_is_not_encoded() {
    let mut steps = Steps::of(OWN);
    let whole = vec![0; 1 << 16];
    steps.begin();
    steps.exact_out(hop(1, 0xaa, 7), true);
    steps.call(hop(2, 0xbb, 8), &call(&[0; 4], Input::Held, Output::Here));
    // Our contract has what it begins with, and the last venue pays it: nobody behind is to be paid.
    let due = encode(&steps).unwrap();
    assert_eq!((steps.bytes()[57 + 6], due[due.len() - 57]), (128 + 4, 128 + 4 + 16));
    // What it begins with and does not end with is lent.
    steps.begin_with(Address::repeat_byte(0xaa));
    steps.call(hop(2, 0xbb, 8), &call(&[0; 4], Input::Held, Output::Here));
    assert_eq!(encode(&steps), Err(EncodeError::NotLent));
    steps.begin();
    steps.exact_out(hop(1, 0xaa, 7), true);
    steps.call(hop(2, 0xbb, 8), &call(&[0; 4], Input::Held, Output::Here));
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

fn funding(most: u128, lender: Option<(&'static str, Address)>) -> Funding {
    let lender = lender.map(|(name, at)| (crate::flash_lender(name).expect("a lender"), at));
    Funding { token: TOKEN, most, lender }
}

/// A path that nothing on it lends for, and what is written behind its record of amount 8. `None`: it cannot be begun.
fn behind(fundings: Vec<Funding>, pool: u8) -> Option<Vec<u8>> {
    let mut steps = Steps::of(OWN).funded(fundings);
    steps.begin();
    steps.call(hop(pool, 0xaa, 8), &call(&[0; 4], Input::Allowed, Output::Here));
    let head = [head(2), vec![0; 20], 9_u128.to_be_bytes().to_vec(), vec![0, 0, 0, 0, 0, 4]].concat();
    let path = [head, record(128 + 12 + 16, pool, 0xaa, 8)].concat();
    let whole = match encode(&steps) {
        Err(EncodeError::NotLent) => return None,
        whole => whole.expect("fits"),
    };
    assert_eq!(whole[..path.len()], path);
    Some(whole[path.len()..].to_vec())
}

/// In the lender's own words, up to where the length of what it echoes is due; then their size and the record.
#[test]
fn a_loan_stands_behind_a_path_that_nothing_on_it_lends_for() {
    use alloy::sol_types::SolCall;
    alloy::sol! {
        function flashLoan(address recipient, address[] tokens, uint256[] amounts, bytes userData) external;
    }
    mod morpho {
        alloy::sol! { function flashLoan(address token, uint256 assets, bytes data) external; }
    }
    mod erc3156 {
        alloy::sol! { function flashLoan(address receiver, address token, uint256 amount, bytes data) external; }
    }
    let (lender, nine) = (Address::repeat_byte(6), U256::from(9));
    let (token, recipient, data) = (TOKEN, OWN, Bytes::new());
    let vault =
        flashLoanCall { recipient, tokens: vec![token], amounts: vec![nine], userData: data.clone() }.abi_encode();
    let minted = erc3156::flashLoanCall { receiver: OWN, token, amount: nine, data: data.clone() }.abi_encode();
    let words = [
        ("balancer_v2", 196, vault),
        ("morpho_blue", 196 + 8, morpho::flashLoanCall { token, assets: nine, data }.abi_encode()),
        ("erc3156", 196 + 8 + 16, minted),
    ];
    assert_eq!(words.len(), crate::FLASH_LENDERS.len());
    let names = crate::FLASH_LENDER_NAMES.replace(" or ", ", ");
    assert!(names.split(", ").eq(crate::FLASH_LENDERS.iter().map(|lender| lender.protocol)), "{names}");
    for (name, kind, words) in words {
        let words = &words[..words.len() - 32];
        let size = u16::try_from(words.len()).expect("short").to_be_bytes();
        let due = [words, &size, &record(kind, 6, 0, 9)].concat();
        assert_eq!(behind(vec![funding(9, Some((name, lender)))], 1), Some(due), "{name}");
    }
}

#[test]
fn the_first_that_can_begins_a_path_and_none_that_is_on_it() {
    let [one, other] = [6, 7].map(Address::repeat_byte);
    let lent = |most, at| funding(most, Some(("morpho_blue", at)));
    let lends = |fundings, pool| behind(fundings, pool).map(|loan| loan.last_chunk::<57>().map(|record| record[1]));
    let ours = Some(None);
    assert_eq!(lends(vec![funding(9, None), lent(100, one)], 1), ours, "our contract has it");
    assert_eq!(lends(vec![lent(8, one), funding(9, None)], 1), ours);
    assert_eq!(lends(vec![funding(8, None), lent(100, one)], 1), Some(Some(6)), "it may spend less");
    assert_eq!(lends(vec![lent(8, one), lent(9, other)], 1), Some(Some(7)), "the first may lend less");
    assert_eq!(lends(vec![lent(9, one), lent(9, other)], 6), Some(Some(7)), "the first is swapped at");
    // What may not be spent is not, whatever our contract has.
    assert_eq!(lends(vec![lent(9, one)], 6), None, "it is swapped at");
    assert_eq!(lends(vec![lent(8, one), funding(8, None)], 1), None, "neither goes so far");
    assert_eq!(lends(Vec::new(), 1), ours, "nothing bounds what our contract spends");
    let elsewhere = Funding { token: START, ..lent(9, one) };
    assert_eq!(lends(vec![elsewhere, lent(9, other)], 1), Some(Some(7)), "the first lends another token");
    // What a pool lends nobody is asked for, whoever could.
    let mut steps = Steps::of(OWN).funded(vec![lent(9, one)]);
    steps.begin();
    steps.exact_out(hop(1, 0xaa, 7), true);
    let due = [head(0), 9_u128.to_be_bytes().to_vec(), record(2, 1, 0xaa, 7)].concat();
    assert_eq!(encode(&steps), Ok(due));
}
