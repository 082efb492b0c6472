//! The contract at `executor.address`, as the chain has it: `check --dial` and the start of a live run say what is wrong with it.

use std::path::PathBuf;
use std::process::{Command, Output};

use alloy_primitives::{Address, Bytes, hex};
use peregrine::config::Config;
use peregrine::live::{How, start};
use serde_json::{Value, json};

use crate::rig::Rig;

/// The rig's configuration as a file, with another executor.
fn file(rig: &Rig, name: &str, address: Address) -> (PathBuf, Config) {
    let mut config = rig.config();
    config.executor.as_mut().expect("one").address = address;
    let path = rig.folder.path().join(format!("{name}.toml"));
    std::fs::write(&path, config.shown()).expect("written");
    (path, config)
}

async fn called(arguments: &[&str], path: &PathBuf) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peregrine"));
    command.args(arguments).arg("--config").arg(path);
    tokio::task::spawn_blocking(move || command.output().expect("the binary runs")).await.expect("joined")
}

/// Code with other immutables, or whatever else, at an address of its own.
async fn put(rig: &Rig, at: u8, code: &[u8]) -> Address {
    let address = Address::repeat_byte(at);
    rig.ask("anvil_setCode", json!([address, Bytes::copy_from_slice(code)])).await;
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_that_cannot_earn_is_told_by_a_check_and_by_a_live_run_with_what_mends_it() {
    let rig = Rig::start(52).await;
    let code = rig.ask("eth_getCode", json!([rig.net.executor, "latest"])).await;
    let code = hex::decode(code.as_str().expect("text")).expect("hex");
    let with = |old: Address, new: Address| {
        let [text, old, new] = [hex::encode(&code), hex::encode(old.into_word()), hex::encode(new.into_word())];
        assert!(text.contains(&old));
        hex::decode(text.replace(&old, &new)).expect("hex")
    };
    let (owner, weth, other) = (rig.net.owner.address(), rig.config().chain.wrapped_native, Address::repeat_byte(0x77));
    let stranger = rig.net.wallet().expect("a wallet");
    let cases = [
        ("none", Address::repeat_byte(0x31), "there is no code", true),
        ("a_person", owner, "there is no code", true),
        (
            "a_pool",
            rig.net.pools[0].address,
            "may be an executor that was deployed before the one that liquidates",
            false,
        ),
        ("cut", put(&rig, 0x32, &code[..code.len() - 1]).await, "not that of contracts/artifacts/executor.json", false),
        ("delegated", put(&rig, 0x33, &[&[0xef, 1, 0], &rig.net.executor[..]].concat()).await, "not that of", false),
        (
            "anothers",
            rig.net.employ(&stranger).await.expect("deployed"),
            &format!("owner is {}", stranger.address()),
            true,
        ),
        ("anothers_too", put(&rig, 0x34, &with(owner, other)).await, &format!("owner is {other}"), true),
        ("weth", put(&rig, 0x35, &with(weth, other)).await, &format!("unwraps {other}"), true),
    ];
    let deploys =
        format!("the owner 0x{} and wrapped ether 0x{}", hex::encode(owner.into_word()), hex::encode(weth.into_word()));
    for (name, address, named, hopeless) in cases {
        let (path, config) = file(&rig, name, address);
        let checked = called(&["check", "--dial"], &path).await;
        let said = String::from_utf8(checked.stdout).expect("text");
        let line = said.lines().find(|line| line.starts_with("# executor.address: NOT AS DUE")).expect(&said);
        assert_eq!(checked.status.code(), Some(1), "{name}: {said}");
        assert!(
            line.contains(named) && line.contains(&address.to_string()) && line.contains(&deploys),
            "{name}: {line}"
        );
        if hopeless {
            let run = called(&["run", "--live"], &path).await;
            let said = String::from_utf8(run.stderr).expect("text");
            assert_eq!((run.status.code(), said.lines().count()), (Some(1), 1), "{name}: {said}");
            assert!(said.contains(named) && said.contains(&deploys), "{name}: {said}");
        }
        if name == "none" {
            // A dry run earns nothing either way: it goes on.
            let searcher = start(&config, How::Dry, 0, &mut |_| ()).await.expect("a dry run");
            rig.blocks(&searcher, 2).await;
            searcher.stop().await;
        }
    }
    let (path, _) = file(&rig, "good", rig.net.executor);
    let checked = called(&["check", "--dial"], &path).await;
    let said = String::from_utf8(checked.stdout).expect("text");
    assert!(checked.status.success() && said.contains("the contract, and ours"), "{said}");
    // The build for chains without Cancun's opcodes is as good.
    let build: Value = serde_json::from_str(include_str!("../../contracts/artifacts/executor.json")).expect("json");
    let creation = hex::decode(build["istanbul"]["creation"].as_str().expect("text")).expect("hex");
    let creation = [&creation[..], &owner.into_word()[..], &weth.into_word()[..]].concat();
    let call = json!([{"from": owner, "data": Bytes::from(creation)}, "latest"]);
    let code = hex::decode(rig.ask("eth_call", call).await.as_str().expect("text")).expect("hex");
    let (path, _) = file(&rig, "istanbul", put(&rig, 0x36, &code).await);
    let checked = called(&["check", "--dial"], &path).await;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
