//! What a hot thread reads of a frame is what alloy reads of it, or nothing: every transaction of the recorded blocks, and
//! frames with a byte turned over.

mod common;

use alloy::consensus::transaction::Recovered;
use alloy::consensus::{Transaction as _, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::rpc::types::eth::Transaction;
use peregrine::hot::decode::{PendingTx, Unread};
use peregrine::hot::evm::block;
use peregrine::replay::record::{self, Codes, Record};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The notice that a node would have sent when the transaction was pending.
fn notice(tx: &Transaction) -> String {
    let mut tx = serde_json::to_value(tx).expect("json");
    for field in ["blockHash", "blockNumber", "transactionIndex"] {
        tx[field] = Value::Null;
    }
    json!({"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": "0x1", "result": tx}}).to_string()
}

/// As the edge reads it.
fn slowly(frame: &str) -> Option<Recovered<TxEnvelope>> {
    let frame: Value = serde_json::from_str(frame).ok()?;
    serde_json::from_value::<Transaction>(frame["params"]["result"].clone()).ok().map(|tx| tx.inner)
}

/// They tell the same transaction.
fn same(fast: &PendingTx, slow: &Recovered<TxEnvelope>) -> Result<(), String> {
    let mut raw = Vec::new();
    fast.encode(&mut raw);
    let due = slow.inner().encoded_2718();
    if raw != due {
        return Err(format!("bytes {} and {}", alloy_primitives::hex::encode(raw), alloy_primitives::hex::encode(due)));
    }
    let (mine, theirs) = (fast.env(), block::tx_env(slow));
    let heads = (fast.hash(), fast.sender(), fast.to()) == (*slow.inner().tx_hash(), slow.signer(), slow.inner().to());
    if mine != theirs || !heads {
        return Err(format!("{mine:?} and {theirs:?}"));
    }
    Ok(())
}

fn recorded() -> Vec<Transaction> {
    let Some(blocks) = common::mainnet("blocks") else { return Vec::new() };
    let dirs = record::find(&[blocks]).expect("records");
    let codes = Codes::of(&dirs[0]).expect("codes");
    let read = |dir: &std::path::PathBuf| Record::read(dir, &codes).unwrap_or_else(|error| panic!("{error}")).txs;
    dirs.iter().flat_map(read).collect()
}

#[test]
fn every_recorded_transaction_is_read_as_alloy_reads_it_or_left_to_the_edge_for_its_type() {
    let (mut read, mut left, mut tx) = (0, 0, PendingTx::default());
    for recorded in recorded() {
        let frame = notice(&recorded);
        let slow = slowly(&frame).expect("alloy reads what it wrote");
        match tx.read(&frame) {
            Ok(()) => {
                same(&tx, &slow).unwrap_or_else(|error| panic!("{}: {error}", slow.inner().tx_hash()));
                read += 1;
            }
            Err(Unread::Type(kind)) => {
                assert!(kind > 2 && kind == u64::from(slow.inner().tx_type() as u8));
                left += 1;
            }
            Err(error) => panic!("{}: {error}: {frame}", slow.inner().tx_hash()),
        }
    }
    println!("{read} transactions read, {left} left to the edge");
}

/// As anvil 1.7.1 announces one, with an access list put in.
const LISTED: &str = r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x9f","result":{"type":"0x2","chainId":"0x1","nonce":"0x3","gas":"0x3d090","maxFeePerGas":"0x77359400","maxPriorityFeePerGas":"0x1","to":"0x7a250d5630b4cf539739df2c5dacb4c659f2488d","value":"0xde0b6b3a7640000","accessList":[{"address":"0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2","storageKeys":["0x0000000000000000000000000000000000000000000000000000000000000003","0x0000000000000000000000000000000000000000000000000000000000000004"]},{"storageKeys":[],"address":"0x7a250d5630b4cf539739df2c5dacb4c659f2488d"}],"input":"0x7ff36ab5","r":"0x5ae2a4d4b4d5ff5c0c5a4e1f7f5ae1d8a1b0fd5a9fd4c3ff2a0ff9ab0bbc1f15","s":"0x1ae2a4d4b4d5ff5c0c5a4e1f7f5ae1d8a1b0fd5a9fd4c3ff2a0ff9ab0bbc1f15","yParity":"0x1","v":"0x1","hash":"0xb2a1fd9d1a2bc7e1ab3fd0c3d1ee3f41b6a0a5ed4b05ffb2b6c3bc7e1a0d1ee0","blockHash":null,"blockNumber":null,"transactionIndex":null,"from":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","gasPrice":"0x77359400"}}}"#;

#[test]
fn an_access_list_is_read_in_either_order_of_its_fields() {
    let mut tx = PendingTx::default();
    tx.read(LISTED).expect("readable");
    same(&tx, &slowly(LISTED).expect("readable")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(tx.env().access_list.0.len(), 2);
}

#[test]
fn what_is_no_notice_of_a_full_transaction_is_refused() {
    let mut tx = PendingTx::default();
    let hash = r#"{"params":{"subscription":"0x1","result":"0xb2a1fd9d1a2bc7e1ab3fd0c3d1ee3f41b6a0a5ed4b05ffb2b6c3bc7e1a0d1ee0"}}"#;
    for frame in [
        "",
        "{}",
        "null",
        hash,
        &LISTED[..LISTED.len() - 1],
        &LISTED.replace("\"blockHash\":null", "\"blockHash\":\"0x1\""),
    ] {
        assert_eq!(tx.read(frame), Err(Unread::Form), "{frame}");
    }
    assert_eq!(tx.read(&LISTED.replace("\"type\":\"0x2\"", "\"type\":\"0x3\"")), Err(Unread::Type(3)));
    assert_eq!(
        tx.read(&LISTED.replace("\"yParity\":\"0x1\",\"v\":\"0x1\"", "\"v\":\"0x25\"")),
        Err(Unread::Field("yParity"))
    );
    assert_eq!(tx.read(&LISTED.replace("\"maxFeePerGas\"", "\"maxfee\"")), Err(Unread::Field("maxFeePerGas")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn a_frame_with_bytes_turned_over_is_read_as_alloy_reads_it_or_not_at_all(
        places in prop::collection::vec((0..LISTED.len(), 32u8..127), 1..4),
    ) {
        let mut frame = LISTED.as_bytes().to_vec();
        for (at, byte) in places {
            frame[at] = byte;
        }
        let frame = String::from_utf8(frame).expect("ascii");
        let mut tx = PendingTx::default();
        // What alloy does not read goes no further than our own EVM, and its bytes must hash to its hash.
        if let (Ok(()), Some(slow)) = (tx.read(&frame), slowly(&frame)) {
            prop_assert_eq!(same(&tx, &slow), Ok(()));
        }
    }
}

/// A notice some of whose fields are absent, or null.
fn without(frame: &str, names: &[&str], is_null: bool) -> String {
    let mut frame: Value = serde_json::from_str(frame).expect("json");
    let fields = frame["params"]["result"].as_object_mut().expect("an object");
    for name in names {
        match is_null {
            true => drop(fields.insert((*name).to_owned(), Value::Null)),
            false => drop(fields.remove(*name)),
        }
    }
    frame.to_string()
}

#[test]
fn what_a_frame_leaves_out_is_derived_and_what_proves_nothing_is_left_to_the_edge() {
    let sets: [&[&str]; 6] = [
        &["from"],
        &["type"],
        &["chainId"],
        &["from", "chainId", "type"],
        &["v", "yParity"],
        &["from", "chainId", "type", "v", "yParity"],
    ];
    let (mut read, mut tx) = (0, PendingTx::default());
    // Every seventh: a recovery takes its time.
    for recorded in recorded().iter().step_by(7) {
        let frame = notice(recorded);
        let slow = slowly(&frame).expect("alloy reads what it wrote");
        if slow.inner().tx_type() as u8 > 2 {
            for names in sets {
                assert!(
                    tx.read_on(&without(&frame, names, false), Some(1)).is_err(),
                    "a type that is left to the edge"
                );
            }
            continue;
        }
        for (names, is_null) in sets.iter().flat_map(|names| [(names, false), (names, true)]) {
            let less = without(&frame, names, is_null);
            tx.read_on(&less, Some(1)).unwrap_or_else(|error| panic!("{error}: {less}"));
            same(&tx, &slow).unwrap_or_else(|error| panic!("without {names:?}: {error}"));
            read += 1;
        }
        let other = without(&frame, &["nonce"], false).replace("\"gas\":\"0x", "\"nonce\":\"0xffff\",\"gas\":\"0x");
        assert!(tx.read_on(&without(&other, &["from"], true), Some(1)).is_err(), "not the hash of what it says");
    }
    println!("{read} frames that leave something out");
}

#[test]
fn what_is_empty_need_not_be_there_and_an_unknown_chain_is_not_guessed() {
    let Some(dynamic) = recorded().into_iter().find(|tx| {
        tx.inner.inner().is_eip1559() && tx.inner.inner().access_list().is_some_and(|list| list.0.is_empty())
    }) else {
        return;
    };
    let (frame, mut tx) = (notice(&dynamic), PendingTx::default());
    let slow = slowly(&frame).expect("alloy reads what it wrote");
    for names in [&["accessList"][..], &["accessList", "from", "gasPrice"]] {
        tx.read_on(&without(&frame, names, true), Some(1)).expect("readable");
        same(&tx, &slow).unwrap_or_else(|error| panic!("{error}"));
    }
    let homeless = without(&frame, &["chainId"], false);
    assert_eq!(tx.read(&homeless), Err(Unread::Field("chainId")));
    assert_eq!(tx.read_on(&homeless, Some(5)), Err(Unread::Field("chainId")), "another chain's");
    let called = frame.replace("\"input\"", "\"data\"");
    tx.read_on(&called, Some(1)).expect("readable");
    same(&tx, &slow).unwrap_or_else(|error| panic!("{error}"));
}
