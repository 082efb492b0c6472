use alloy::consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip4844Variant, TxEip7702, TxLegacy};
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::eip2930::{AccessList, AccessListItem};
use alloy::eips::eip7702::Authorization;
use alloy_primitives::{Bytes, TxKind, U256};
use serde_json::json;

use super::*;
use crate::types::secret::Key;

const HOME: u64 = 31_337;

fn key() -> Key {
    Key::from_bytes(&[7; 32]).expect("a key")
}

fn signed<T: SignableTransaction<Signature>>(tx: T) -> TxEnvelope
where
    TxEnvelope: From<alloy::consensus::Signed<T>>,
{
    let signature = key().sign(&tx.signature_hash()).expect("signed");
    tx.into_signed(signature).into()
}

/// One of each type; of the first, one that is valid on every chain besides.
fn all() -> Vec<TxEnvelope> {
    let (input, to) = (Bytes::from_static(&[0xd0, 0xe3]), Address::repeat_byte(9));
    let access_list = AccessList(vec![AccessListItem { address: to, storage_keys: vec![B256::repeat_byte(1)] }]);
    let authorization = Authorization { chain_id: U256::from(HOME), address: to, nonce: 1 };
    let by = key().sign(&authorization.signature_hash()).expect("signed");
    let legacy = TxLegacy {
        chain_id: Some(HOME),
        nonce: 3,
        gas_price: 5,
        gas_limit: 21_000,
        to: TxKind::Call(to),
        value: U256::from(6),
        input,
    };
    let listed = TxEip2930 {
        chain_id: HOME,
        nonce: 3,
        gas_price: 5,
        gas_limit: 22_000,
        to: TxKind::Create,
        access_list: access_list.clone(),
        ..TxEip2930::default()
    };
    let dynamic = TxEip1559 {
        chain_id: HOME,
        nonce: 4,
        gas_limit: 22_000,
        max_fee_per_gas: 9,
        max_priority_fee_per_gas: 2,
        to: TxKind::Call(to),
        value: U256::from(6),
        ..TxEip1559::default()
    };
    let blob = TxEip4844 {
        chain_id: HOME,
        gas_limit: 22_000,
        max_fee_per_gas: 9,
        max_priority_fee_per_gas: 2,
        to,
        blob_versioned_hashes: vec![B256::repeat_byte(1)],
        max_fee_per_blob_gas: 7,
        ..TxEip4844::default()
    };
    let set_code = TxEip7702 {
        chain_id: HOME,
        gas_limit: 22_000,
        max_fee_per_gas: 9,
        max_priority_fee_per_gas: 2,
        to,
        authorization_list: vec![authorization.into_signed(by)],
        access_list,
        ..TxEip7702::default()
    };
    vec![
        signed(legacy.clone()),
        signed(TxLegacy { chain_id: None, ..legacy }),
        signed(listed),
        signed(dynamic),
        signed(<TxEip4844Variant>::TxEip4844(blob)),
        signed(set_code),
    ]
}

/// As a node shows it while it is pending.
fn shown(tx: &TxEnvelope) -> Value {
    let inner = Recovered::new_unchecked(tx.clone(), key().address());
    let tx = Transaction {
        inner,
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: None,
        block_timestamp: None,
    };
    serde_json::to_value(tx).expect("json")
}

#[track_caller]
fn same(value: &Value, due: &TxEnvelope) -> Vec<&'static str> {
    let read = read_transaction(value, Some(HOME)).unwrap_or_else(|error| panic!("{error}: {value}"));
    assert_eq!(read.tx.inner().encoded_2718(), due.encoded_2718(), "{value}");
    assert_eq!((read.tx.signer(), read.tx.inner().tx_hash()), (key().address(), due.tx_hash()));
    read.derived
}

#[test]
fn what_can_be_derived_is_derived_alone_and_together_whether_it_is_absent_or_null() {
    let together: [&[&str]; 9] = [
        &["from"],
        &["hash"],
        &["type"],
        &["chainId"],
        &["yParity"],
        &["v"],
        &["v", "yParity"],
        &["from", "chainId", "type"],
        &["from", "chainId", "type", "v", "yParity"],
    ];
    for (tx, names) in all().iter().flat_map(|tx| together.map(|names| (tx, names))) {
        let [mut absent, mut null] = [shown(tx), shown(tx)];
        for name in names {
            absent.as_object_mut().expect("an object").remove(*name);
            null[*name] = Value::Null;
        }
        for value in [&absent, &null] {
            let derived = same(value, tx);
            assert!(!names.contains(&"from") || derived.contains(&"from"), "{derived:?}");
        }
    }
}

#[test]
fn what_is_empty_or_said_in_another_form_is_read_too() {
    let [legacy, dynamic] = [all().swap_remove(0), all().swap_remove(3)];
    let mut value = shown(&dynamic);
    for name in ["accessList", "input", "from"] {
        value[name] = Value::Null;
    }
    assert_eq!(same(&value, &dynamic), ["from", "input", "accessList"]);
    (value["nonce"], value["gas"], value["maxFeePerGas"]) = (json!(4), json!("22000"), json!("0x09"));
    (value["type"], value["chainId"]) = (json!(2), json!("31337"));
    same(&value, &dynamic);
    let mut value = shown(&legacy);
    let fields = value.as_object_mut().expect("an object");
    let (input, gas) = (fields.remove("input").expect("input"), fields.remove("gas").expect("gas"));
    fields.extend([("data".to_owned(), input), ("gasLimit".to_owned(), gas), ("from".to_owned(), Value::Null)]);
    assert_eq!(same(&value, &legacy), ["from", "accessList"]);
}

#[test]
fn what_proves_nothing_is_no_transaction_and_the_field_at_fault_is_named() {
    let dynamic = shown(&all()[3]);
    let with = |name: &str, to: Value| {
        let mut value = dynamic.clone();
        (value["from"], value[name]) = (Value::Null, to);
        read_transaction(&value, Some(HOME)).map(|shown| shown.tx).unwrap_err()
    };
    assert_eq!(with("nonce", json!("0x5")), Unreadable::Unproven);
    assert_eq!(with("chainId", json!("0x5")), Unreadable::Unproven);
    assert_eq!(with("value", Value::Null), Unreadable::Unproven);
    assert_eq!(with("nonce", Value::Null), Unreadable::Field("nonce"));
    assert_eq!(with("r", json!("0xzz")), Unreadable::Field("r"));
    assert_eq!(with("gas", json!("-1")), Unreadable::Field("gas"));
    assert_eq!(with("type", json!("0x7e")), Unreadable::Type(126));
    assert_eq!(with("hash", Value::Null), Unreadable::Unnamed);
    assert_eq!(with("hash", json!("0x1")), Unreadable::Field("hash"));
    // The chain is not known: nothing gives it.
    let mut abroad = dynamic.clone();
    (abroad["chainId"], abroad["from"]) = (Value::Null, Value::Null);
    assert_eq!(read_transaction(&abroad, None).map(|shown| shown.tx).unwrap_err(), Unreadable::Field("chainId"));
    // A sender that is not the signature's, and no hash.
    let mut foreign = dynamic.clone();
    (foreign["hash"], foreign["from"]) = (Value::Null, json!(Address::repeat_byte(1)));
    assert_eq!(read_transaction(&foreign, Some(HOME)).map(|shown| shown.tx).unwrap_err(), Unreadable::Unproven);
    for none in [json!(null), json!([]), json!("0x1"), json!({})] {
        assert!(read_transaction(&none, Some(HOME)).is_err());
    }
    assert_eq!(transaction_hash(&json!({"hash": B256::repeat_byte(3), "x": 1})), Some(B256::repeat_byte(3)));
    assert_eq!((transaction_hash(&json!({})), transaction_hash(&json!({"hash": 3}))), (None, None));
}
