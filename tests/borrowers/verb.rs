//! `peregrine positions`, as it is called.

use std::path::Path;
use std::process::{Command, Output};

use alloy::consensus::TxEip1559;
use alloy::sol_types::SolCall;
use alloy_primitives::utils::{format_ether, parse_ether};
use alloy_primitives::{Address, B256, I256, TxKind, U256};
use peregrine_devnet::lending::Feed;
use serde_json::{Value, json};

use crate::follower::getUserAccountDataCall;
use crate::rows;
use crate::world::World;

/// A configuration of node and markets alone.
fn config(world: &World) -> tempfile::NamedTempFile {
    let mut text = "[chain]\nhardfork = \"prague\"\n[bootstrap]\nverify_pools = 1000\n".to_owned();
    text += &format!("[[node]]\nname = \"anvil\"\nhttp = \"{}\"\n", world.net.node.http());
    for row in rows(world) {
        let (name, protocol, address) = (row.name, row.protocol, row.address);
        text += &format!("[[lending]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\naddress = \"{address}\"\n");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn run(path: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peregrine"));
    command.args(["positions", "--config"]).arg(path).args(options).output().unwrap()
}

async fn called(config: &tempfile::NamedTempFile, options: &'static [&str]) -> String {
    let path = config.path().to_owned();
    let output = tokio::task::spawn_blocking(move || run(&path, options)).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn number(value: &Value) -> U256 {
    value.as_str().unwrap().parse().unwrap()
}

/// Each health of Aave's held against the market's own; all factors, in the order printed.
async fn factors(world: &World, found: &Value) -> Vec<U256> {
    let block: B256 = serde_json::from_value(found["block_hash"].clone()).unwrap();
    let positions = found["positions"].as_array().unwrap();
    let call = |row: &Value| {
        let address = |key: &str| row[key].as_str().unwrap().parse::<Address>().unwrap();
        (address("address"), getUserAccountDataCall { user: address("account") }.abi_encode().into())
    };
    let aave = || positions.iter().filter(|row| row["protocol"].as_str().unwrap().starts_with("aave"));
    let calls: Vec<_> = aave().map(call).collect();
    assert!(!calls.is_empty());
    let answers = world.chain().views(block, &calls).await.unwrap();
    for (row, answer) in aave().zip(&answers) {
        let due = getUserAccountDataCall::abi_decode_returns(answer).unwrap();
        assert_eq!((number(&row["collateral"]), number(&row["debt"])), (due.collateral, due.debt), "{row}");
        assert_eq!(row["health_factor"], format_ether(due.health), "{row}");
    }
    positions.iter().map(|row| parse_ether(row["health_factor"].as_str().unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_lists_everyone_who_owes_by_health_with_the_price_that_sinks_him_and_what_that_earns() {
    let world = World::lending(55).await;
    let config = config(&world);
    let found: Value = serde_json::from_str(&called(&config, &["--json"]).await).unwrap();
    let healths = factors(&world, &found).await;
    assert_eq!(healths.len(), world.net.lending.as_ref().unwrap().borrowers.len());
    assert!(healths.is_sorted() && healths[0] > parse_ether("1").unwrap());
    for row in found["positions"].as_array().unwrap() {
        let edge = &row["edges"][0];
        let rises = edge["when"] == "rising";
        assert_eq!(number(&edge["sinks_at"]) > number(&edge["price"]), rises, "{row}");
        assert_eq!(!edge["distance_percent"].as_str().unwrap().starts_with('-'), rises, "{row}");
        assert_eq!(row["assets"].as_array().unwrap().len(), 2, "{row}");
        let earns: I256 = row["liquidation"]["earns"].as_str().unwrap().parse().unwrap();
        assert!(earns.is_positive() && row["liquidation"]["now"] == false, "{row}");
        if row["protocol"] == "morpho_blue" {
            continue;
        }
        // A bonus of 4 to 7 % of what is repaid, half of the debt at most, less the market's tenth of it.
        let debt = I256::try_from(number(&row["debt"])).unwrap();
        let part = |of: i64| debt * I256::try_from(of).unwrap() / I256::try_from(1_000).unwrap();
        assert!(earns > part(18) && earns < part(36), "{row}");
    }
    sink(&world).await;
    let now: Value = serde_json::from_str(&called(&config, &["--json", "--below", "1"]).await).unwrap();
    let liquidatable = factors(&world, &now).await;
    assert!(
        !liquidatable.is_empty()
            && liquidatable.len() < healths.len()
            && liquidatable.iter().all(|factor| *factor < parse_ether("1").unwrap())
    );
    assert!(now["positions"].as_array().unwrap().iter().all(|row| row["liquidation"]["now"] == true));
    let table = called(&config, &["--below", "1.05"]).await;
    println!("{table}");
    let line = table.lines().nth(1).unwrap();
    let first: Address = now["positions"][0]["account"].as_str().unwrap().parse().unwrap();
    assert!(line.contains(&first.to_string()) && line.ends_with("now"), "{line}");
    assert!(table.contains(&format!("{} of them can be liquidated", liquidatable.len())), "{table}");
}

/// Wrapped ether falls by a fifth.
async fn sink(world: &World) {
    let lending = world.net.lending.as_ref().unwrap();
    let feed = lending.feeds[0];
    let signed = lending.reporter.sign(TxEip1559 {
        chain_id: 1,
        nonce: lending.feeds.len() as u64,
        gas_limit: 400_000,
        max_fee_per_gas: 1_000_000_000_000,
        to: TxKind::Call(feed.aggregator),
        input: Feed::answer(U256::from(2), feed.opening / 5 * 4).into(),
        ..TxEip1559::default()
    });
    world.net.rpc.call::<B256>("eth_sendRawTransaction", json!([signed.raw])).await.unwrap();
    world.net.mine().await.unwrap();
}

#[test]
fn what_is_missing_or_no_number_is_one_sentence() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let said = |options: &[&str], due: &str| {
        let output = run(file.path(), options);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && text.contains(due) && text.lines().count() == 1, "{text}");
    };
    said(&[], "no [[node]], at least one due");
    std::fs::write(file.path(), "[[node]]\nname = \"n\"\nhttp = \"http://127.0.0.1:1\"\n").unwrap();
    said(&[], "no [[lending]], at least one due");
    for wrong in ["many", "-1", "1e3"] {
        said(&[&format!("--below={wrong}")], "a number like 1.05 due");
    }
}
