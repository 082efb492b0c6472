//! What is written in a row, and the curve between answers.

use alloy_primitives::{Address, U256, keccak256};
use proptest::prelude::*;

use crate::amm::{Leg, QuoteError};
use crate::sampled::{Curve, Filling, Function, LONGEST};

const TOKENS: [Address; 2] = [Address::with_last_byte(1), Address::with_last_byte(2)];

fn calldata(text: &str) -> Vec<u8> {
    let leg = Leg::find(&TOKENS, TOKENS[1], TOKENS[0]).expect("its tokens");
    let with = Filling { leg, tokens: [TOKENS[1], TOKENS[0]], amount_in: 77, recipient: Address::with_last_byte(9) };
    let mut data = [0xee; LONGEST];
    let function = Function::parse(text).expect(text);
    let size = function.write(&with, &mut data);
    data[..size].to_vec()
}

fn words(signature: &str, words: &[u64]) -> Vec<u8> {
    let mut data = keccak256(signature)[..4].to_vec();
    words.iter().for_each(|word| data.extend_from_slice(&U256::from(*word).to_be_bytes::<32>()));
    data
}

#[test]
fn a_function_is_written_as_its_contract_reads_it() {
    let told = calldata("getReturn(address token_in, address token_out, uint256 amount_in)");
    assert_eq!(told, words("getReturn(address,address,uint256)", &[2, 1, 77]));
    let told = calldata("exchange(int128 index_in, int128 index_out, uint amount_in, uint256 0) returns (uint256)");
    assert_eq!(told, words("exchange(int128,int128,uint256,uint256)", &[1, 0, 77, 0]));
    let told = calldata(
        "q((address token_in, address token_out, uint24 500, uint256 amount_in) p, bool zero_for_one, bool true)",
    );
    assert_eq!(told, words("q((address,address,uint24,uint256),bool,bool)", &[2, 1, 500, 77, 0, 1]));
    // What is empty lies behind the words.
    let told = calldata("swap(uint128 amount_in, address recipient, bytes 0x, uint8 0x1f, bytes 0x)");
    assert_eq!(told, words("swap(uint128,address,bytes,uint8,bytes)", &[77, 9, 160, 31, 160, 0]));
    let told =
        calldata("f(int8 -1, uint256 amount_in, bytes2 0xabcd, address 0x00000000000000000000000000000000000000aa)");
    let mut due = words("f(int8,uint256,bytes2,address)", &[0, 77, 0, 0xaa]);
    due[4..36].fill(0xff);
    due[68..70].copy_from_slice(&[0xab, 0xcd]);
    assert_eq!(told, due);
}

#[test]
fn the_word_that_is_the_amount_is_the_first_or_the_one_that_says_so() {
    let answer = |text: &str| Function::parse(text).map(|function| function.answer());
    assert_eq!(answer("q(uint256 amount_in)"), Ok(0));
    assert_eq!(answer("q(uint256 amount_in) returns (int256)"), Ok(0));
    assert_eq!(answer(" q ( uint256 amount_in ) returns ( uint160 , uint256 amount_out , bool ) "), Ok(2 - 1));
}

#[test]
fn what_makes_no_sense_is_named() {
    let refused = |text: &str| Function::parse(text).expect_err(text);
    for (text, says) in [
        ("", "no arguments"),
        ("quote", "no arguments"),
        ("1quote(uint256 amount_in)", "no function's name"),
        ("q(uint256 amount_in", "no closing"),
        ("q((uint256 amount_in)", "no closing"),
        ("q(uint256)", "not a type and what is put there"),
        ("q(uint256 amount_in, )", "not a type and what is put there"),
        ("q(uint256 calldata amount_in)", "not a type and what is put there"),
        ("q(string name)", "no type that is one word"),
        ("q(uint257 amount_in)", "no type that is one word"),
        ("q(uint256[] amount_in)", "no type that is one word"),
        ("q(uint8 amount_in)", "nothing that a uint8 can be"),
        ("q(uint8 256)", "nothing that a uint8 can be"),
        ("q(int8 128)", "nothing that a int8 can be"),
        ("q(uint256 -1)", "nothing that a uint256 can be"),
        ("q(address amount_in)", "nothing that a address can be"),
        ("q(address 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB49)", "nothing that a address can be"),
        ("q(bytes 0x12)", "only empty ones"),
        ("q((bytes 0x))", "none in a struct"),
        ("q(bytes4 0x1234)", "nothing that a bytes4 can be"),
        ("q(uint256 amount_in) view", "where returns"),
        ("q(uint256 amount_in) returns uint256", "where returns"),
        ("q(uint256 amount_in) returns (uint256, uint160 amountOut)", "none is named amount_out"),
        ("q(uint256 amount_in) returns (uint256[] amount_out)", "no type that is one word"),
    ] {
        assert!(refused(text).contains(says), "{text}: {}", refused(text));
    }
    let many = format!("q({})", ["uint256 1"; 17].join(","));
    assert!(refused(&many).contains("17 words"));
    assert!(Function::parse("q(address 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48)").is_ok());
}

/// A constant product behind a fee of 0.3 %, sampled at powers of two.
fn product(reserves: [u128; 2], top: u32) -> (Curve, impl Fn(u128) -> u128) {
    let pays = move |into: u128| {
        let into = U256::from(into) * U256::from(997);
        let out: U256 = into * U256::from(reserves[1]) / (U256::from(reserves[0]) * U256::from(1000) + into);
        out.to::<u128>()
    };
    let samples = (top.saturating_sub(20)..=top).map(|power| [1_u128 << power, pays(1 << power)]);
    (Curve::new(samples.collect()), pays)
}

proptest! {
    #[test]
    fn more_in_never_pays_less_and_the_smallest_input_is_the_smallest(
        samples in prop::collection::vec([1..1_u128 << 100, 1..1_u128 << 100], 1..12), part in 0..=1_000_u128, more in 0..1_u128 << 90,
    ) {
        let curve = Curve::new(samples);
        let Some(most) = curve.samples().last() else { return Ok(()) };
        let into = most[0] / 1_000 * part;
        let quote = |into: u128| curve.quote_in(U256::from(into));
        let Ok(out) = quote(into) else { return Ok(()) };
        prop_assert!(quote((into + more).min(most[0])).expect("no more than the most") >= out);
        let least = curve.quote_out(U256::from(out)).expect("it was paid");
        prop_assert!(least <= into && quote(least).expect("an answer") >= out);
        prop_assert!(quote(least - 1).map_or(true, |less| less < out));
        for [into, out] in curve.samples() {
            prop_assert_eq!(quote(into), Ok(out));
        }
        prop_assert_eq!(quote(most[0] + 1), Err(QuoteError::TooLarge));
    }

    #[test]
    fn stretches_lie_nowhere_below_what_is_quoted(
        samples in prop::collection::vec([1..1_u128 << 100, 1..1_u128 << 100], 1..12), part in 1..=1_000_u128,
    ) {
        let curve = Curve::new(samples);
        let into = curve.most() / 1_000 * part;
        let (mut left, mut most) = (into as f64, 0.0);
        curve.segments(|stretch| {
            let more = left.min(f64::from(stretch.in_max));
            most += stretch.reserve_out * more / (stretch.reserve_in + more);
            left -= more;
            left > 0.0
        });
        if let Ok(out) = curve.quote_in(U256::from(into)) {
            prop_assert!(most * (1.0 + 1e-9) >= out as f64, "{most} of {out}");
        }
    }

    #[test]
    fn of_a_constant_product_it_is_the_curve_itself(
        reserves in [1_u128 << 60..1 << 90, 1_u128 << 60..1 << 90], part in 1..1_000_000_u128,
    ) {
        let top = reserves[0].ilog2();
        let (curve, pays) = product(reserves, top);
        let into = (1_u128 << top) / 1_000_000 * part;
        let (ours, theirs) = (curve.quote_in(U256::from(into)).unwrap_or(0), pays(into));
        // Answers are rounded, and the smallest of them have forty bits.
        prop_assert!(ours.abs_diff(theirs) <= theirs / 1_000_000_000 + 2, "{ours} of {theirs}");
    }

    #[test]
    fn what_is_written_down_is_read_back(samples in prop::collection::vec([1..1_u128 << 100, 1..1_u128 << 100], 0..12)) {
        let curve = Curve::new(samples);
        let text = serde_json::to_string(&curve).expect("text");
        prop_assert_eq!(serde_json::from_str::<Curve>(&text).expect("a curve"), curve);
    }
}

#[test]
fn no_file_makes_a_curve_that_falls() {
    for text in ["[[2,2],[1,3]]", "[[1,2],[2,2]]", "[[0,1]]", "[[1,1],[5192296858534827628530496329220096,2]]"] {
        assert!(serde_json::from_str::<Curve>(text).is_err(), "{text}");
    }
    assert!(serde_json::from_str::<Curve>("[[1,1],[2,2]]").is_ok());
}
