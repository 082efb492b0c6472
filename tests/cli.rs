//! The program as a user meets it: exit codes, one sentence an error, the same output for the same input.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use alloy_primitives::keccak256;
use serde_json::{Value, json};

fn peregrine(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_peregrine")).args(arguments).output().expect("the program runs")
}

/// Exit code 2, nothing on stdout, and one sentence that holds all of `named`.
fn refuses(arguments: &[&str], named: &[&str]) {
    let output = peregrine(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty(), "{arguments:?} printed {}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.starts_with("peregrine: ") && !said.contains("panicked"), "{said}");
    for name in named {
        assert!(said.contains(name), "`{name}` is not named: {said}");
    }
}

fn text(dir: &Path) -> &str {
    dir.to_str().expect("a path of text")
}

/// A record of one small block, to be spoilt.
fn record(blocks: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    for file in ["block.json.zst", "prestate.json.zst"] {
        std::fs::copy(blocks.join("19923400").join(file), copy.path().join(file)).expect("copy");
    }
    std::fs::copy(blocks.join("codes.json.zst"), copy.path().join("codes.json.zst")).expect("copy");
    copy
}

fn read(path: &Path) -> Value {
    let text = zstd::decode_all(std::fs::File::open(path).expect("the file")).expect("zstd");
    serde_json::from_slice(&text).expect("json")
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, zstd::encode_all(text.as_bytes(), 1).expect("zstd")).expect("write");
}

#[test]
fn a_missing_or_empty_folder_is_named() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    refuses(&["replay", "block", "/no/such/folder"], &["/no/such/folder", "No such file"]);
    refuses(&["replay", "block", text(empty.path())], &[text(empty.path()), "no record here"]);
}

#[test]
fn bad_usage_is_one_sentence_and_exits_with_two() {
    for (arguments, named) in [
        (&["replay", "block"][..], "<DIR>"),
        (&["replay", "block", "x", "--max-hops", "7"], "--max-hops"),
        (&["replay", "block", "x", "--max-hops", "1"], "--max-hops"),
        (&["replay", "block", "x", "--min-profit", "much"], "--min-profit"),
        (&["replay", "block", "x", "--min-profit", ""], "--min-profit"),
        (&["replay", "block", "x", "--min-profit", "_"], "--min-profit"),
        (&["replay", "block", "x", "--min-profit", "0x"], "--min-profit"),
        (&["positions", "--config", "x", "--below", ""], "--below"),
        (&["positions", "--config", "x", "--below", "."], "--below"),
        (&["replay", "blok"], "blok"),
        (&["fly"], "fly"),
    ] {
        refuses(arguments, &[named, "--help"]);
    }
    // Without a verb the whole help is the answer.
    assert_eq!(peregrine(&["replay"]).status.code(), Some(2));
    assert!(peregrine(&["--help"]).status.success());
}

#[test]
fn a_place_that_cannot_be_written_is_named_before_any_work() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("block.json.zst"), b"").expect("write");
    for out in [text(dir.path()).to_owned(), "/no/such/folder/out.jsonl".to_owned()] {
        refuses(&["replay", "block", text(dir.path()), "--json", &out], &[&out, "cannot be written"]);
    }
}

#[test]
fn a_bad_config_is_named_with_its_key() {
    let config = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(config.path(), "[search]\nhops = 3\n").expect("write");
    refuses(&["replay", "block", "x", "--config", text(config.path())], &[text(config.path()), "hops"]);
    refuses(&["replay", "block", "x", "--config", "/no/such/file.toml"], &["/no/such/file.toml"]);
}

#[test]
fn a_missing_file_of_a_record_is_named() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    for file in ["prestate.json.zst", "codes.json.zst"] {
        let dir = record(&blocks);
        std::fs::remove_file(dir.path().join(file)).expect("remove");
        refuses(&["replay", "block", text(dir.path())], &[file, "No such file"]);
    }
}

#[test]
fn wrong_json_and_wrong_hex_are_named_with_the_place() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let spoil = |file: &str, text: &str| {
        let dir = record(&blocks);
        write(&dir.path().join(file), text);
        dir
    };
    for file in ["block.json.zst", "prestate.json.zst", "codes.json.zst"] {
        let dir = spoil(file, "{\"a\": ");
        refuses(&["replay", "block", text(dir.path())], &[file, "line 1"]);
        let dir = spoil(file, "[1, 2]");
        refuses(&["replay", "block", text(dir.path())], &[file]);
        std::fs::write(dir.path().join(file), b"this is no zstd").expect("write");
        refuses(&["replay", "block", text(dir.path())], &[file]);
    }
    let dir = record(&blocks);
    let path = dir.path().join("prestate.json.zst");
    let mut state = read(&path);
    let first = state.as_object().expect("accounts").keys().next().expect("one").clone();
    state[&first]["balance"] = json!("0xzz");
    write(&path, &state.to_string());
    refuses(&["replay", "block", text(dir.path())], &["prestate.json.zst", "line 1"]);
    let dir = record(&blocks);
    let path = dir.path().join("block.json.zst");
    let mut block = read(&path);
    block["transactions"][3]["value"] = json!("0xno");
    write(&path, &block.to_string());
    refuses(&["replay", "block", text(dir.path())], &["block.json.zst", "transaction 3"]);
}

#[test]
fn a_block_that_contradicts_its_own_hashes_is_named() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let spoilt = |change: &dyn Fn(&mut Value)| {
        let dir = record(&blocks);
        let path = dir.path().join("block.json.zst");
        let mut block = read(&path);
        change(&mut block);
        write(&path, &block.to_string());
        dir
    };
    let dir = spoilt(&|block| block["gasUsed"] = json!("0x1"));
    refuses(&["replay", "block", text(dir.path())], &["block.json.zst", "header hashes to"]);
    let dir = spoilt(&|block| block["transactions"][2]["gas"] = json!("0x5209"));
    refuses(&["replay", "block", text(dir.path())], &["block.json.zst", "transaction 2 hashes to"]);
    let dir = spoilt(&|block| {
        block["transactions"].as_array_mut().expect("a list").pop();
    });
    refuses(&["replay", "block", text(dir.path())], &["block.json.zst", "root"]);
    let dir = spoilt(&|block| block["number"] = json!("0x10"));
    let dir2 = spoilt(&|block| {
        block["number"] = json!("0x10");
        block["timestamp"] = json!("0x55ba43eb");
    });
    refuses(&["replay", "block", text(dir.path())], &["block.json.zst", "block 16"]);
    refuses(&["replay", "block", text(dir2.path())], &["block.json.zst", "older than istanbul"]);
}

#[test]
fn code_that_is_unknown_or_not_what_its_hash_says_is_named() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let dir = record(&blocks);
    let path = dir.path().join("prestate.json.zst");
    let mut state = read(&path);
    let unknown = keccak256("nobody's code").to_string();
    let (account, hash) = {
        let accounts = state.as_object_mut().expect("accounts");
        let (name, account) = accounts.iter_mut().find(|(_, a)| a.get("codeHash").is_some()).expect("a contract");
        let hash = account["codeHash"].as_str().expect("a hash").to_owned();
        account["codeHash"] = json!(unknown);
        (name.clone(), hash)
    };
    write(&path, &state.to_string());
    let output = peregrine(&["replay", "block", text(dir.path())]);
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&unknown) && said.contains(&account.to_lowercase()), "{said}");
    let dir = record(&blocks);
    let path = dir.path().join("codes.json.zst");
    let mut codes = read(&path);
    codes[&hash] = json!("0x6001");
    write(&path, &codes.to_string());
    refuses(&["replay", "block", text(dir.path())], &["codes.json.zst", &hash]);
}

#[test]
fn a_damaged_reserve_is_named_with_its_transaction_and_leaves_no_file() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    for file in ["block.json.zst", "prestate.json.zst", "block_hashes.json"] {
        std::fs::copy(blocks.join("12047794").join(file), dir.path().join(file)).expect("copy");
    }
    std::fs::copy(blocks.join("codes.json.zst"), dir.path().join("codes.json.zst")).expect("copy");
    let path = dir.path().join("prestate.json.zst");
    let mut state = read(&path);
    let slot = &mut state["0x4dc02e1bb2ec1ce4c50c351e6e06505e7b1dce8d"]["storage"][format!("{:#066x}", 8)];
    let digits = slot.as_str().expect("a slot").to_owned();
    let last = u8::from_str_radix(&digits[65..], 16).expect("hex") ^ 4;
    *slot = json!(format!("{}{last:x}", &digits[..65]));
    write(&path, &state.to_string());
    let out = dir.path().join("out.jsonl");
    refuses(&["replay", "block", text(dir.path()), "--json", text(&out)], &[text(dir.path()), "transaction 34", "0x"]);
    assert!(!out.exists(), "a partial report was left");
    assert!(std::fs::read_dir(dir.path()).expect("the folder").count() == 4, "a temporary file was left");
}

#[test]
fn the_same_input_gives_the_same_output_byte_for_byte() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let (a, b) = (blocks.join("13217637"), blocks.join("12047794"));
    let run = |dirs: &[&str], strict: bool| {
        let mut arguments = vec!["replay", "block"];
        arguments.extend(dirs);
        arguments.extend(strict.then_some("--strict"));
        let output = peregrine(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).expect("text");
        lines.lines().map(without_times).collect::<Vec<_>>()
    };
    for strict in [false, true] {
        let (first, second) = (run(&[text(&a), text(&b)], strict), run(&[text(&a), text(&b)], strict));
        assert_eq!(first, second);
        // Nor does a block's report depend on what was replayed before it.
        let apart = [run(&[text(&a)], strict), run(&[text(&b)], strict)].concat();
        assert_eq!(first, apart);
    }
}

fn without_times(line: &str) -> String {
    line.split(",\"elapsed_us\"").next().unwrap_or(line).to_owned()
}

#[test]
fn every_line_has_the_shape_that_scripts_rely_on() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let output = peregrine(&["replay", "block", text(&blocks.join("12047794"))]);
    let lines = String::from_utf8(output.stdout).expect("text");
    let mut kinds = Vec::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).expect("json");
        let keys: &[&str] = match line["kind"].as_str().expect("a kind") {
            "opportunity" => &[
                "block",
                "trigger_index",
                "trigger",
                "strategy",
                "token",
                "amount_in",
                "amount_out",
                "gross_profit",
                "gross_profit_eth_wei",
                "gas_used",
                "net_profit_eth_wei",
                "hops",
                "assumed_slots",
            ],
            "refused" => &["block", "trigger_index", "reason", "count"],
            "summary" => &[
                "block",
                "txs",
                "gas_used",
                "gas_matches_header",
                "receipts_root_matches_header",
                "pools",
                "tokens",
                "opportunities",
                "gross_profit_eth_wei",
                "elapsed_us",
            ],
            other => panic!("unknown kind {other}"),
        };
        for key in keys {
            assert!(line.get(key).is_some(), "{key} is missing in {line}");
        }
        kinds.push(line["kind"].as_str().expect("a kind").to_owned());
    }
    assert!(kinds.contains(&"opportunity".to_owned()) && kinds.last().is_some_and(|kind| kind == "summary"));
}

/// A record spoilt in its block, the header's hash made right again where `rehash` says so.
fn spoilt(blocks: &Path, change: &dyn Fn(&mut Value)) -> tempfile::TempDir {
    let dir = record(blocks);
    let path = dir.path().join("block.json.zst");
    let mut block = read(&path);
    change(&mut block);
    let header: alloy::rpc::types::Header = serde_json::from_value(block.clone()).expect("a header");
    block["hash"] = json!(header.inner.hash_slow());
    write(&path, &block.to_string());
    dir
}

#[test]
fn a_block_of_a_fork_to_come_and_a_sender_who_did_not_sign_are_named() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let dir = record(&blocks);
    let path = dir.path().join("block.json.zst");
    let mut block = read(&path);
    block["blockAccessListHash"] = json!(keccak256("later"));
    block["hash"] = json!(keccak256("a header with one field more"));
    write(&path, &block.to_string());
    refuses(&["replay", "block", text(dir.path())], &["block.json.zst", "blockAccessListHash", "unknown fork"]);
    let dir = spoilt(&blocks, &|block| {
        block["transactions"][1]["from"] = json!("0x00000000000000000000000000000000000000aa");
    });
    refuses(&["replay", "block", text(dir.path())], &["block.json.zst", "transaction 1", "sender"]);
}

#[test]
fn nothing_in_a_record_makes_the_program_panic() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let run = |dir: &Path| {
        let output = peregrine(&["replay", "block", text(dir)]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("fault of peregrine") && !said.contains("panicked"), "{said}");
        (output, said)
    };
    // Code that starts as a delegation does and is none.
    let dir = record(&blocks);
    let code = alloy_primitives::hex!("ef010000");
    let hash = keccak256(code).to_string();
    let path = dir.path().join("codes.json.zst");
    let mut codes = read(&path);
    codes[&hash] = json!("0xef010000");
    write(&path, &codes.to_string());
    let path = dir.path().join("prestate.json.zst");
    let mut state = read(&path);
    let accounts = state.as_object_mut().expect("accounts");
    accounts.values_mut().find(|a| a.get("codeHash").is_some()).expect("a contract")["codeHash"] = json!(hash);
    write(&path, &state.to_string());
    refuses(&["replay", "block", text(dir.path())], &["codes.json.zst", &hash, "malformed"]);
    // A header that claims more blob gas than there can be.
    let dir = spoilt(&blocks, &|block| block["excessBlobGas"] = json!("0xffffffffffffffff"));
    let (output, _) = run(dir.path());
    assert!([Some(0), Some(2)].contains(&output.status.code()));
    // A block without transactions.
    let dir = spoilt(&blocks, &|block| {
        block["transactions"] = json!([]);
        block["gasUsed"] = json!("0x0");
        block["logsBloom"] = json!(format!("0x{}", "00".repeat(256)));
        for root in ["transactionsRoot", "receiptsRoot"] {
            block[root] = json!(alloy::consensus::EMPTY_ROOT_HASH);
        }
    });
    std::fs::write(dir.path().join("prestate.json.zst"), zstd::encode_all(&b"{}"[..], 1).expect("zstd"))
        .expect("write");
    let (output, said) = run(dir.path());
    assert!(output.status.success(), "{said}");
    let lines = String::from_utf8(output.stdout).expect("text");
    let summary: Value = serde_json::from_str(lines.lines().last().expect("a summary")).expect("json");
    assert_eq!((&summary["txs"], &summary["pools"], &summary["tokens"]), (&json!(0), &json!(0), &json!(0)));
}

#[test]
fn a_record_is_found_from_inside_its_folder() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let program = Command::new(env!("CARGO_BIN_EXE_peregrine"))
        .args(["replay", "block", "."])
        .current_dir(blocks.join("19923400"))
        .output()
        .expect("the program runs");
    assert!(program.status.success(), "{}", String::from_utf8_lossy(&program.stderr));
}

/// Lines of a kind from a replay of `block` with more arguments.
fn lines(blocks: &Path, block: &str, more: &[&str], kind: &str) -> Vec<Value> {
    let dir = blocks.join(block);
    let output = peregrine(&[&["replay", "block", text(&dir)], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("json"));
    lines.filter(|line| line["kind"] == kind).collect()
}

#[test]
fn options_change_what_is_found() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let wei = |line: &Value| line["gross_profit_eth_wei"].as_str().and_then(|wei| wei.parse::<u128>().ok());
    let all = lines(&blocks, "13217637", &[], "opportunity");
    let rich = lines(&blocks, "13217637", &["--min-profit", "20000000000000000"], "opportunity");
    assert!(!rich.is_empty() && rich.len() < all.len());
    assert!(rich.iter().all(|line| wei(line) >= Some(20_000_000_000_000_000)));
    let short = lines(&blocks, "13217637", &["--max-hops", "2"], "opportunity");
    assert!(!short.is_empty() && short.len() < all.len());
    assert!(short.iter().all(|line| line["hops"].as_array().is_some_and(|hops| hops.len() == 2)));
}

#[test]
fn strict_refuses_as_cold_what_was_assumed_before() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let assumed = |line: &&Value| line["assumed_slots"].as_u64() > Some(1);
    let lenient = lines(&blocks, "13217637", &[], "opportunity");
    let strict = lines(&blocks, "13217637", &["--strict"], "opportunity");
    assert!(strict.len() < lenient.len(), "{} of {}", strict.len(), lenient.len());
    assert!(lenient.iter().any(|line| assumed(&line)), "nothing was assumed, so nothing is shown");
    // What is left rests on the executor's own balance of the start token alone.
    assert!(!strict.iter().any(|line| assumed(&line)));
    let cold = lines(&blocks, "15199017", &["--strict"], "refused");
    let all: Vec<_> = cold.into_iter().chain(lines(&blocks, "13217637", &["--strict"], "refused")).collect();
    assert!(all.iter().any(|line| line["reason"] == "cold"), "{all:?}");
}
