//! `peregrine devnet` as a user meets it: what it writes, what it prints, how it ends, and what it refuses.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use alloy_primitives::Address;
use alloy_primitives::U64;
use peregrine::edge::ingest::Node;
use peregrine::edge::rpc::Rpc;
use peregrine::edge::submit::config::Relay;
use peregrine::edge::submit::keys;
use peregrine::hot::bundle::config::{Bid, Executor, Limits};
use peregrine::types::secret::Place;
use serde::de::DeserializeOwned;
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_peregrine");

/// A table of the config, as the rooms that own it read it.
fn table<T: DeserializeOwned>(config: &toml::Table, name: &str) -> T {
    config[name].clone().try_into().unwrap_or_else(|error| panic!("[{name}]: {error}"))
}

#[test]
fn config_and_keys_stand_when_it_is_up_and_a_signal_ends_it_well() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("a.net.toml");
    let mut child = Command::new(PROGRAM)
        .args(["devnet", "--seed", "9", "--slot", "1", "--rate", "30", "--rivals", "1", "--strength", "100", "--out"])
        .arg(&out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut line = || lines.next().expect("a line").expect("text");
    let up: Vec<String> = (0..5).map(|_| line()).collect();
    let blocks: Vec<String> = (0..6).map(|_| line()).collect();

    let config: toml::Table = std::fs::read_to_string(&out).expect("config").parse().expect("toml");
    let node: Node = table::<Vec<Node>>(&config, "node").remove(0);
    let executor: Executor = table(&config, "executor");
    assert_eq!(executor.out_of_range(), None);
    assert_eq!(table::<Bid>(&config, "bid").out_of_range(), None);
    assert_eq!(table::<Limits>(&config, "limits").out_of_range(), None);
    let relay: Relay = table::<Vec<Relay>>(&config, "relay").remove(0);
    assert_eq!((relay.out_of_range(), relay.sign, relay.timeout_ms), (None, true, 1_000));
    assert_eq!(
        config["chain"],
        toml::Value::Table("id = 1\nhardfork = \"prague\"\nslot_seconds = 1".parse().expect("toml"))
    );
    assert_eq!(config["metrics"]["listen"].as_str(), Some("127.0.0.1:0"));
    let factories: Vec<(&str, Address)> = config["factory"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            (
                row["protocol"].as_str().expect("text"),
                row["address"].as_str().expect("text").parse().expect("an address"),
            )
        })
        .collect();
    assert_eq!(
        factories.iter().map(|(protocol, _)| *protocol).collect::<Vec<_>>(),
        ["uniswap_v2", "uniswap_v2", "uniswap_v3"]
    );
    for (key, ending) in [("journal", "a.net.journal"), ("ledger", "a.net.ledger")] {
        assert_eq!(config["record"][key].as_str(), dir.path().join(ending).to_str());
    }

    // Keys: beside it, for their owner's eyes, two of them, and printed nowhere.
    let identity = executor.identity.clone().expect("an identity");
    let said = up.concat() + &blocks.concat() + &std::fs::read_to_string(&out).expect("config");
    for (place, ending) in [(&executor.owner, "a.net.owner.key"), (&identity, "a.net.identity.key")] {
        let path = dir.path().join(ending);
        assert_eq!(*place, Place::File(path.clone()));
        assert_eq!(std::fs::metadata(&path).expect("a key").permissions().mode() & 0o777, 0o600);
        assert!(!said.contains(std::fs::read_to_string(&path).expect("a key").trim()));
    }
    let [owner, identity] = [&executor.owner, &identity].map(|place| keys::read(place).expect("a key"));
    assert_ne!(owner.address(), identity.address());

    // Where the config leads to, the chain is, with the executor and the factories on it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let rpc = Rpc::new(node.http.as_deref().expect("http"), Duration::from_secs(10)).expect("a url");
    for contract in factories.iter().map(|(_, address)| *address).chain([executor.address]) {
        let code: String = runtime.block_on(rpc.call("eth_getCode", json!([contract, "latest"]))).expect("code");
        assert!(code.len() > 1_000, "{contract}: {code}");
    }
    assert!(up[1].contains(node.http.as_deref().expect("http")) && up[2].contains(&relay.url), "{up:?}");
    assert!(up[4].ends_with(out.to_str().expect("text")), "{up:?}");
    let number =
        |line: &String| line.strip_prefix("block ").and_then(|rest| rest.split(':').next()?.parse::<u64>().ok());
    let numbers: Vec<u64> = blocks.iter().filter_map(number).collect();
    assert!(numbers.len() == 6 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{blocks:?}");
    assert!(
        blocks.iter().all(|line| line.contains(" txs, ") && line.contains(" bundles in") && line.contains(" left out"))
    );
    println!("{}\n{}", up.join("\n"), blocks.join("\n"));

    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let ended = child.wait().expect("it ends");
    let mut complaints = String::new();
    child.stderr.take().expect("stderr").read_to_string(&mut complaints).expect("text");
    assert_eq!((ended.code(), complaints.as_str()), (Some(0), ""));
    assert!(runtime.block_on(rpc.call::<U64>("eth_chainId", json!([]))).is_err(), "the node is still there");
}

#[test]
fn the_config_of_a_devnet_with_markets_leads_to_everyone_who_owes() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("lent.toml");
    let mut child = Command::new(PROGRAM)
        .args(["devnet", "--seed", "4", "--slot", "20", "--rate", "1", "--lending", "--out"])
        .arg(&out)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let up: Vec<String> = lines.by_ref().take(5).map(|line| line.expect("text")).collect();
    assert!(up.len() == 5 && up[4].ends_with(out.to_str().expect("text")), "{up:?}");
    let called = Command::new(PROGRAM).args(["positions", "--json", "--config"]).arg(&out).output();
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success() && child.wait().expect("it ends").success());
    let called = called.expect("the program runs");
    assert!(called.status.success(), "{}", String::from_utf8_lossy(&called.stderr));
    let found: serde_json::Value = serde_json::from_slice(&called.stdout).expect("json");
    let positions = found["positions"].as_array().expect("a list");
    for protocol in ["aave_v2", "aave_v3", "morpho_blue"] {
        assert!(positions.iter().filter(|row| row["protocol"] == protocol).count() >= 36, "{protocol}");
    }
    let config = std::fs::read_to_string(&out).expect("config");
    assert!(config.contains("[[lending]]") && !config.contains("liquidator"), "one contract does both: {config}");
}

#[test]
fn bad_input_is_one_sentence_and_exits_with_two_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, out) = (dir.path().to_str().expect("text"), dir.path().join("net.toml"));
    let out = out.to_str().expect("text");
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = held.local_addr().expect("an address").to_string();
    for (arguments, named) in [
        (&["--out", "/no/such/folder/net.toml"][..], "/no/such/folder/net.toml: cannot be written"),
        (&["--out", folder], "cannot be written: is a directory"),
        (&["--out", out, "--listen", &port], "cannot listen on 127.0.0.1"),
        (&["--out", out, "--listen", "0.0.0.0:0"], "0.0.0.0:0 is not a loopback address"),
        (&["--out", out, "--listen", "here"], "--listen"),
        (&["--out", out, "--rate", "0"], "0 transactions a second"),
        (&["--out", out, "--rate", "NaN"], "transactions a second"),
        (&["--out", out, "--slot", "0"], "--slot"),
        (&["--out", out, "--strength", "101"], "--strength"),
        (&["--out", out, "--rivals", "9"], "--rivals"),
    ] {
        refuses(arguments, named, dir.path());
    }
}

fn refuses(arguments: &[&str], named: &str, dir: &Path) {
    let output = Command::new(PROGRAM).arg("devnet").args(arguments).output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty() && said.trim_end().lines().count() == 1, "{said}");
    assert!(said.starts_with("peregrine: ") && said.contains(named), "{arguments:?}: {said}");
    assert_eq!(std::fs::read_dir(dir).expect("a folder").count(), 0, "{arguments:?} left a file");
}
