use alloy::consensus::Header;
use alloy::rpc::types::eth;

use super::*;

/// Of a chain behind the merge, with a transaction that lacks its sender and its type.
fn shown() -> (Map<String, Value>, B256) {
    let header = Header { number: 7, gas_limit: 30, timestamp: 9, base_fee_per_gas: Some(5), ..Header::default() };
    let hash = header.hash_slow();
    let header = eth::Header { hash, inner: header, total_difficulty: None, size: None };
    let block = Block::<Transaction>::new(header, BlockTransactions::Full(Vec::new()));
    let Ok(Value::Object(fields)) = serde_json::to_value(block) else { panic!("an object") };
    (fields, hash)
}

#[test]
fn a_header_whose_absent_fields_are_null_is_read_and_one_that_is_filled_up_hashes_to_its_hash() {
    let (whole, hash) = shown();
    for nulls in [
        &["blockAccessListHash", "requestsHash", "withdrawals"][..],
        &["uncles", "size"],
        &["mixHash", "nonce", "sha3Uncles"],
    ] {
        let mut fields = whole.clone();
        fields.extend(nulls.iter().map(|name| ((*name).to_owned(), Value::Null)));
        let block = filled(fields, 1).expect("a block");
        assert_eq!((block.header.hash, block.header.inner.hash_slow()), (hash, hash), "{nulls:?}");
    }
    // What it cannot do without, and what would not be its own.
    for (name, value) in [("gasUsed", Value::Null), ("transactions", Value::Null)] {
        let mut fields = whole.clone();
        fields.insert(name.to_owned(), value);
        assert!(filled(fields, 1).is_none(), "{name}");
    }
    let mut fields = whole;
    (fields["mixHash"], fields["gasUsed"]) = (Value::Null, json!("0x1"));
    assert!(filled(fields, 1).is_none(), "not the hash of what it says");
}

#[test]
fn a_head_and_a_log_take_null_for_absence() {
    let head = json!({
        "number": "0x1", "hash": B256::repeat_byte(1), "parentHash": B256::ZERO, "timestamp": "0x2", "gasUsed": "0x3",
        "gasLimit": "0x4", "baseFeePerGas": null, "miner": null, "mixHash": null, "excessBlobGas": null,
        "blockAccessListHash": null, "transactions": null
    });
    let head: Head = serde_json::from_value(head).expect("a head");
    assert_eq!((head.number, head.base_fee, head.beneficiary, head.mix_hash), (1, None, Address::ZERO, B256::ZERO));
    let log = json!({
        "address": Address::ZERO, "topics": null, "data": null, "blockHash": B256::ZERO, "transactionHash": B256::ZERO,
        "logIndex": "0x0", "removed": null, "blockTimestamp": null
    });
    let log: Log = serde_json::from_value(log).expect("a log");
    assert!(!log.removed && log.data.is_empty() && log.topics.is_empty());
}
