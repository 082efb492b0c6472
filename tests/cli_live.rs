//! The verbs of the live path from the outside: bad input is one lowercase sentence and exit code 2, secrets stay secret.

use std::path::Path;
use std::process::{Command, Output};

const KEY: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

fn peregrine(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peregrine"));
    command.args(args).env("PEREGRINE_TEST_OWNER", KEY).output().expect("the binary runs")
}

#[track_caller]
fn refused(args: &[&str], named: &str) {
    let output = peregrine(args);
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    assert_eq!(said.lines().count(), 1, "one sentence: {said}");
    assert!(said.starts_with("peregrine: ") && said.contains(named), "{said} names no {named}");
    assert!(!said.contains("panicked") && !said.contains(KEY), "{said}");
}

fn config(folder: &Path, more: &str) -> String {
    let path = folder.join("config.toml");
    let ledger = folder.join("ledger");
    let text = format!(
        "[executor]\naddress = \"0x00000000000000000000000000000000000000e1\"\nowner = \"env:PEREGRINE_TEST_OWNER\"\n\
         [record]\nledger = \"{}\"\n[[pool]]\naddress = \"0x00000000000000000000000000000000000000e2\"\n\
         [[relay]]\nname = \"r\"\nurl = \"http://127.0.0.1:1/{KEY}\"\ndialect = \"plain\"\n{more}",
        ledger.display()
    );
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("text").to_owned()
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    refused(&["run"], "--config");
    refused(&["run", "--config", "/nowhere/at.all"], "/nowhere/at.all");
    refused(&["check", "--config", "/nowhere/at.all"], "/nowhere/at.all");
    refused(&["run", "--config", &config(folder.path(), "")], "[[node]]");
    refused(&["check", "--config", &config(folder.path(), "[bid]\nshare = 1\n")], "share");
    refused(&["demo", "--seconds", "0"], "--seconds");
    refused(&["demo", "--json", "/nowhere/at.all"], "/nowhere/at.all");
}

#[test]
fn a_check_shows_the_config_without_secrets_and_says_what_does_not_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(folder.path(), "[[node]]\nname = \"n\"\nws = \"ws://127.0.0.1:1\"\n");
    let output = peregrine(&["check", "--config", &config]);
    let said = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("url = \"http://127.0.0.1:1/***\"") && said.contains("max_hops = 4"), "{said}");
    assert!(!said.contains(KEY), "{said}");
    let output = peregrine(&["check", "--config", &config, "--dial"]);
    let said = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("executor.owner: the key of 0x"), "{said}");
    assert!(said.contains("node n http: NOT AS DUE") && said.contains("relay r: NOT AS DUE"), "{said}");
    assert!(!said.contains(KEY), "{said}");
}

#[test]
fn a_searcher_whose_node_does_not_answer_says_so_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(folder.path(), "[[node]]\nname = \"deaf\"\nws = \"ws://127.0.0.1:1\"\n");
    let output = peregrine(&["run", "--config", &config]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("node deaf") && !said.contains(KEY), "{said}");
}

#[test]
fn the_doctor_names_every_point_with_what_mends_it() {
    let output = peregrine(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).expect("text");
    let findings: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    assert!(findings.len() >= 12, "{text}");
    for finding in &findings {
        assert!(["good", "costs", "unknown"].contains(&finding["verdict"].as_str().expect("a verdict")), "{finding}");
        assert!(finding["mend"].as_str().is_some_and(|mend| mend.len() > 8), "{finding}");
    }
}
