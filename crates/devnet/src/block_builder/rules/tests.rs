//! The rules, without a node.

use std::collections::BTreeMap;

use alloy::consensus::SignableTransaction;
use alloy::consensus::TxEip1559;
use alloy::consensus::TxEnvelope;
use alloy::eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Signature, TxKind, U256};
use k256::ecdsa::SigningKey;

use crate::block_builder::order::Bundle;
use crate::block_builder::order::BundleId;
use crate::block_builder::order::Tx;
use crate::block_builder::order::bundle_hash;
use crate::block_builder::rules::Candidate;
use crate::block_builder::rules::Choice;
use crate::block_builder::rules::Merge;
use crate::block_builder::rules::Trial;
use crate::block_builder::rules::public::check_fees;
use crate::block_builder::rules::public::check_nonces;
use crate::block_builder::rules::public::{fitting, order_public};
use crate::block_builder::rules::verdict::LeftOut;
use crate::block_builder::rules::verdict::Value;

const BASE_FEE: u64 = 100;

fn tx(key: u8, nonce: u64, tip: u128) -> Tx {
    let key = SigningKey::from_slice(&[key; 32]).unwrap();
    let max_fee_per_gas = u128::from(BASE_FEE) + tip;
    let unsigned = TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas,
        max_priority_fee_per_gas: tip,
        to: TxKind::Call(Address::repeat_byte(9)),
        ..TxEip1559::default()
    };
    let (signature, id) = key.sign_prehash_recoverable(unsigned.signature_hash().as_slice());
    let signature = Signature::from_bytes_and_parity(&signature.to_bytes(), id.is_y_odd());
    let signed = TxEnvelope::Eip1559(unsigned.into_signed(signature));
    Tx::decode(0, signed.encoded_2718().into()).unwrap()
}

fn value(paid: u64, gas: u64) -> Value {
    Value { paid: U256::from(paid), gas }
}

fn candidate(id: u64, txs: Vec<Tx>, paid: u64, gas: u64) -> Candidate {
    let bundle = Bundle {
        id: BundleId(id),
        hash: bundle_hash(&txs),
        signer: Address::ZERO,
        target: 1,
        txs,
        reverting: Vec::new(),
        min_timestamp: 0,
        max_timestamp: 0,
    };
    Candidate::new(bundle, value(paid, gas))
}

fn merge(candidates: &[Candidate]) -> Merge {
    Merge::new(candidates.to_vec(), BTreeMap::new(), 30_000_000)
}

/// Tries everything; all keep their promise.
fn run(mut merge: Merge) -> (Vec<u64>, Vec<(BundleId, LeftOut)>) {
    while let Some(candidate) = merge.next_candidate() {
        let trial = Trial::Works(candidate.value);
        merge.report(candidate, &trial);
    }
    let Choice { chosen, left_out, .. } = merge.finish();
    (chosen.iter().map(|one| one.bundle.id.0).collect(), left_out)
}

#[test]
fn more_per_gas_goes_before_more_in_all() {
    let much = candidate(0, vec![tx(1, 0, 0)], 1_000, 100);
    let dense = candidate(1, vec![tx(2, 0, 0)], 110, 10);
    let first = candidate(2, vec![tx(3, 0, 0)], 220, 20);
    assert_eq!(run(merge(&[much, dense, first])), (vec![1, 2, 0], vec![]), "of equals the first to come");
}

#[test]
fn payments_are_compared_without_rounding_and_without_overflow() {
    let huge = Value { paid: U256::MAX, gas: u64::MAX };
    let less = Value { paid: U256::MAX - U256::ONE, gas: u64::MAX };
    assert!(huge.compare(&less).is_gt());
    assert!(value(1, 3).compare(&value(333, 1_000)).is_gt());
    assert!(value(1, 3).compare(&value(2, 6)).is_eq());
}

#[test]
fn a_nonce_is_used_once_and_the_loser_learns_by_whom() {
    let target = tx(1, 0, 0);
    let rich = candidate(0, vec![target.clone(), tx(2, 0, 0)], 300, 10);
    let poor = candidate(1, vec![target, tx(3, 0, 0)], 200, 10);
    let by = rich.bundle.hash;
    let outbid = LeftOut::Outbid { by, paid: U256::from(300), gas: 10 };
    assert_eq!(run(merge(&[poor, rich])), (vec![0], vec![(BundleId(1), outbid)]));
}

#[test]
fn one_that_fails_behind_another_is_outbid_by_that_one() {
    let first = candidate(0, vec![tx(1, 0, 0)], 300, 10);
    let second = candidate(1, vec![tx(2, 0, 0)], 200, 10);
    let third = candidate(2, vec![tx(3, 0, 0)], 100, 10);
    let by = first.bundle.hash;
    let mut merge = merge(&[first, second, third]);
    for _ in 0..2 {
        let next = merge.next_candidate().unwrap();
        let trial = Trial::Works(next.value);
        merge.report(next, &trial);
    }
    let last = merge.next_candidate().unwrap();
    merge.report(last, &Trial::Fails { with: Some(BundleId(0)) });
    let Choice { chosen, left_out, .. } = merge.finish();
    assert_eq!(chosen.len(), 2);
    assert_eq!(left_out, [(BundleId(2), LeftOut::Outbid { by, paid: U256::from(300), gas: 10 })]);
}

#[test]
fn one_that_loses_value_in_its_place_is_tried_once_more_at_the_new_value() {
    let sinks = candidate(0, vec![tx(1, 0, 0)], 300, 10);
    let other = candidate(1, vec![tx(2, 0, 0)], 200, 10);
    let mut merge = merge(&[sinks, other]);
    let first = merge.next_candidate().unwrap();
    assert_eq!(first.bundle.id, BundleId(0));
    merge.report(first, &Trial::Works(value(100, 10)));
    let second = merge.next_candidate().unwrap();
    assert_eq!(second.bundle.id, BundleId(1));
    merge.report(second.clone(), &Trial::Works(second.value));
    let again = merge.next_candidate().unwrap();
    assert_eq!((again.bundle.id, again.value), (BundleId(0), value(100, 10)));
    // The second time it is taken at whatever it pays.
    merge.report(again, &Trial::Works(value(1, 10)));
    assert!(merge.next_candidate().is_none());
    let Choice { chosen, left_out, .. } = merge.finish();
    assert_eq!((chosen.len(), left_out.len()), (2, 0));
    assert_eq!(chosen[1].value, value(1, 10));
}

#[test]
fn five_percent_less_is_still_what_was_promised() {
    assert!(value(95, 10).keeps(&value(100, 10)));
    assert!(!value(94, 10).keeps(&value(100, 10)));
    assert!(value(190, 20).keeps(&value(100, 10)));
}

#[test]
fn one_that_pays_nothing_in_its_place_is_outbid() {
    let first = candidate(0, vec![tx(1, 0, 0)], 300, 10);
    let second = candidate(1, vec![tx(2, 0, 0)], 200, 10);
    let mut merge = merge(&[first, second]);
    let next = merge.next_candidate().unwrap();
    merge.report(next, &Trial::Works(value(300, 10)));
    let next = merge.next_candidate().unwrap();
    merge.report(next, &Trial::Works(value(0, 10)));
    let Choice { left_out, .. } = merge.finish();
    assert!(matches!(left_out[..], [(BundleId(1), LeftOut::Outbid { .. })]));
}

#[test]
fn what_does_not_fit_is_left_out_and_smaller_ones_behind_it_are_not() {
    let big = candidate(0, vec![tx(1, 0, 0), tx(1, 1, 0)], 300, 10);
    let small = candidate(1, vec![tx(2, 0, 0)], 200, 10);
    let merge = Merge::new(vec![big, small], BTreeMap::new(), 30_000);
    assert_eq!(run(merge), (vec![1], vec![(BundleId(0), LeftOut::NoRoom)]));
}

#[test]
fn nonces_follow_the_sender_through_the_bundle() {
    let sender = tx(1, 0, 0).sender;
    let nonces = BTreeMap::from([(sender, 5)]);
    let good = [tx(1, 5, 0), tx(2, 7, 0), tx(1, 6, 0)];
    assert_eq!(check_nonces(&good, &nonces), Ok(()));
    let gap = [tx(1, 5, 0), tx(1, 7, 0)];
    assert_eq!(check_nonces(&gap, &nonces), Err(LeftOut::Nonce { tx: gap[1].hash, have: 7, due: 6 }));
    let used = [tx(1, 4, 0)];
    assert_eq!(check_nonces(&used, &nonces), Err(LeftOut::Nonce { tx: used[0].hash, have: 4, due: 5 }));
}

#[test]
fn a_transaction_below_the_base_fee_names_itself() {
    let poor = [tx(1, 0, 0)];
    assert_eq!(check_fees(&poor, BASE_FEE), Ok(()));
    let due = LeftOut::Fee { tx: poor[0].hash, have: 100, due: 101 };
    assert_eq!(check_fees(&poor, BASE_FEE + 1), Err(due));
}

fn hashes(txs: &[Tx]) -> Vec<B256> {
    txs.iter().map(|tx| tx.hash).collect()
}

#[test]
fn public_transactions_go_by_tip_and_by_nonce() {
    let (low, high) = (tx(1, 0, 1), tx(1, 1, 50));
    let middle = tx(2, 0, 10);
    let ordered = order_public(vec![high.clone(), low.clone(), middle.clone()], &BTreeMap::new(), BASE_FEE);
    assert_eq!(hashes(&ordered), hashes(&[middle, low, high]), "the rich one waits for its sender's poor one");
}

#[test]
fn public_transactions_whose_nonce_a_bundle_used_are_gone_and_those_that_wait_come_last() {
    let nonces = BTreeMap::from([(tx(1, 0, 0).sender, 1), (tx(2, 0, 0).sender, 0)]);
    let (used, next) = (tx(1, 0, 90), tx(1, 1, 1));
    let gap = tx(2, 1, 80);
    let ordered = order_public(vec![used, gap.clone(), next.clone()], &nonces, BASE_FEE);
    assert_eq!(hashes(&ordered), hashes(&[next.clone(), gap.clone()]));
    let dear = order_public(vec![gap.clone(), next.clone()], &nonces, BASE_FEE + 2);
    assert_eq!(hashes(&dear), hashes(&[next, gap]), "below the base fee it waits");
}

#[test]
fn of_a_sender_whose_transaction_does_not_fit_none_behind_it_is_taken() {
    let (first, big, behind, other) = (tx(1, 0, 9), tx(2, 0, 8), tx(2, 1, 7), tx(3, 0, 6));
    let gas = first.gas_limit;
    let taken = fitting(vec![first.clone(), big.clone(), behind.clone(), other.clone()], 2 * gas);
    assert_eq!(hashes(&taken), hashes(&[first.clone(), big]));
    assert!(fitting(vec![first, behind, other], gas - 1).is_empty());
}
