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

/// What both verbs say of a file that neither takes.
#[track_caller]
fn both_refuse(config: &str, named: &str) {
    refused(&["check", "--config", config], named);
    refused(&["run", "--config", config], named);
}

#[test]
fn a_check_refuses_what_a_run_would_in_the_same_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = "[[node]]\nname = \"n\"\nws = \"ws://127.0.0.1:1\"\n";
    let with = |more: &str| config(folder.path(), &format!("{node}{more}"));
    let url = format!("http://127.0.0.1:1/{KEY}");
    let again = |name: &str, url: &str| format!("[[relay]]\nname = \"{name}\"\nurl = \"{url}\"\ndialect = \"plain\"\n");
    both_refuse(&config(folder.path(), ""), "no [[node]]");
    both_refuse(&config(folder.path(), "[[node]]\nname = \"n\"\nipc = \"/x\"\n"), "no [[node]] with http or ws");
    both_refuse(&config(folder.path(), "[[node]]\nname = \"n\"\nhttp = \"http://x\"\n"), "no [[node]] with ws or ipc");
    both_refuse(&with(&again("r", "http://127.0.0.1:2")), "relay.name is \"r\" twice");
    both_refuse(&with(&again("s", &url)), "relay.url is of s the one of r, too");
    both_refuse(&with(&again("s", "http://127.0.0.1:2").replace("plain", "flashbots")), "executor.identity is unset");
    both_refuse(&with("[bid]\ncap_wei = \"3000000000000000000\"\n"), "bid.cap_wei");
    both_refuse(&with("[bid]\ncap_wei = \"\"\n"), "`bid.cap_wei`: \"\" is no amount in wei");
    both_refuse(&with("[ingest]\npending_room = 0\n"), "ingest.pending_room is 0");
    let text = std::fs::read_to_string(with("")).expect("written");
    let gone = folder.path().join("gone/ledger");
    let nowhere = text.replace(&folder.path().join("ledger").display().to_string(), &gone.display().to_string());
    std::fs::write(folder.path().join("nowhere.toml"), nowhere).expect("written");
    both_refuse(&folder.path().join("nowhere.toml").display().to_string(), "record.ledger is");
    let wrong = text.replace("00000000000000000000000000000000000000e1", "88e6A0c2dDD26FEEb64F039a2c41296Fcb3f5640");
    std::fs::write(folder.path().join("wrong.toml"), wrong).expect("written");
    both_refuse(&folder.path().join("wrong.toml").display().to_string(), "line 2: executor.address is 0x88e6A0c2");
}

#[test]
fn a_check_says_of_a_key_that_is_not_there_that_a_run_would_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(folder.path(), "[[node]]\nname = \"n\"\nws = \"ws://127.0.0.1:1\"\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_peregrine"));
    let output =
        command.args(["check", "--config", &config]).env_remove("PEREGRINE_TEST_OWNER").output().expect("runs");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{said}");
    assert!(said.contains("# run would end here: executor.owner: NOT AS DUE: env:PEREGRINE_TEST_OWNER"), "{said}");
}

#[test]
fn logs_carry_no_colours_where_stderr_is_no_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(folder.path(), "[[node]]\nname = \"deaf\"\nws = \"ws://127.0.0.1:1\"\n");
    for (name, value) in [("PEREGRINE_LOG", "trace"), ("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peregrine"));
        command.args(["run", "--config", &config]).env("PEREGRINE_TEST_OWNER", KEY).env("PEREGRINE_LOG", "trace");
        let output = command.env(name, value).output().expect("the binary runs");
        let said = String::from_utf8(output.stderr).expect("text");
        // A log line, and the complaint.
        assert!(said.lines().count() >= 2 && said.contains("node deaf"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
    }
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

/// A disk that is full takes no line: `/dev/full` is one.
#[test]
fn what_cannot_be_said_on_stderr_ends_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    // Nobody listens there: it warns, and then ends with a sentence.
    let config = config(folder.path(), "[[node]]\nname = \"n\"\nws = \"ws://127.0.0.1:1\"\n");
    for (filter, format) in [("trace", "text"), ("trace", "json"), ("warn", "text")] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
        let status = Command::new(env!("CARGO_BIN_EXE_peregrine"))
            .args(["run", "--config", &config])
            .env("PEREGRINE_TEST_OWNER", KEY)
            .env("PEREGRINE_LOG", filter)
            .env("PEREGRINE_LOG_FORMAT", format)
            .stderr(full)
            .status()
            .expect("the binary runs");
        assert_eq!(status.code(), Some(1), "the node's absence, and no panic");
    }
}

#[test]
fn a_damaged_ledger_is_one_sentence_that_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(folder.path(), "[[node]]\nname = \"n\"\nws = \"ws://127.0.0.1:1\"\n");
    let ledger = folder.path().join("ledger");
    // It is made before a node is looked for.
    assert_eq!(peregrine(&["run", "--config", &config]).status.code(), Some(1));
    let whole = std::fs::read(&ledger).expect("a ledger");
    let mut zeroed = whole.clone();
    zeroed[4_096..3 * 4_096].fill(0);
    let mut flipped = whole.clone();
    (0..512).for_each(|at| flipped[at] ^= 0x11);
    let halved = whole[..whole.len() / 2].to_vec();
    for bytes in [zeroed, flipped, halved, b"notes of mine".to_vec()] {
        std::fs::write(&ledger, &bytes).expect("written");
        let output = peregrine(&["run", "--config", &config]);
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "one sentence: {said}");
        assert!(said.contains("record.ledger") && said.contains(ledger.to_str().expect("text")), "{said}");
        assert!(said.contains("move it away") && !said.contains("fault of peregrine"), "{said}");
    }
}
