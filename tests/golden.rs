//! Bundles of a recorded run, explained: what stands in `bundles/` comes out, and what is wrong with a file is said.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use alloy_primitives::U256;
use peregrine::hot::strategy;
use peregrine::replay::bundle::report::Explained;
use peregrine::replay::bundle::{Case, explain, show};
use serde_json::{Value, json};

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).filter(|p| p.is_dir()).collect();
    all.sort();
    all
}

fn bundles() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles")
}

fn case(of: &str) -> Case {
    Case::read(&bundles().join(of).join("case.json.zst")).unwrap_or_else(|error| panic!("{error}"))
}

fn explained(case: &Case) -> Explained {
    explain::explain(case).unwrap_or_else(|error| panic!("{error}"))
}

fn peregrine(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_peregrine")).args(arguments).output().expect("the program runs")
}

#[test]
fn each_strategy_has_a_case_and_each_case_comes_out() {
    for strategy in strategy::names() {
        let cases = folders(&bundles().join(strategy));
        assert!(!cases.is_empty(), "{strategy} has no case in bundles/{strategy}");
        for folder in cases {
            let story = std::fs::read_to_string(folder.join("story.md")).expect("a story");
            assert!(story.starts_with("# ") && story.lines().count() > 2, "{}", folder.display());
            let case = folder.join("case.json.zst");
            let output = peregrine(&["replay", "bundle", case.to_str().expect("text"), "--json"]);
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
            let said: Value = serde_json::from_slice(&output.stdout).expect("json");
            let due = std::fs::read(folder.join("expected.json")).expect("what is expected");
            let due: Value = serde_json::from_slice(&due).expect("json");
            assert_eq!(said, due, "{}", folder.display());
            assert_eq!((&said["verdict"], &said["strategy"]), (&json!("as_predicted"), &json!(strategy)));
        }
    }
    let known: Vec<PathBuf> = strategy::names().iter().map(|strategy| bundles().join(strategy)).collect();
    assert_eq!(folders(&bundles()), known, "a folder of bundles/ is of no strategy");
}

#[test]
fn a_backrun_goes_through_both_families_behind_its_trigger() {
    let said = explained(&case("backrun/v2_v3"));
    let protocols: Vec<&str> = said.hops.iter().map(|hop| hop.protocol.as_str()).collect();
    assert_eq!(protocols, ["uniswap_v2", "uniswap_v3"]);
    assert!(said.trigger_run.as_ref().is_some_and(|run| run.success));
    let parts = [&said.split.gas_cost, &said.split.builder, &said.split.take];
    let sum: U256 = parts.iter().map(|pair| pair.predicted.parse::<U256>().expect("a number")).sum();
    assert_eq!(sum.to_string(), said.split.value.predicted);
    // All of it is in the text, and every call in the trace.
    let text = show::text(&said, true);
    for word in ["as predicted", "take-home", "executor.run()", "uniswapV3SwapCallback", "pool 1 (uniswap_v2)", "wei"] {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }
    assert!(!show::text(&said, false).contains("executor.run()"));
}

#[test]
fn without_its_trigger_a_backrun_is_reverted_and_the_reason_is_named() {
    let mut case = case("backrun/v2_v3");
    case.trigger = None;
    let said = explained(&case);
    assert_eq!((said.verdict, said.run.success), ("reverted", false));
    let failure = said.run.failure.expect("a reason");
    assert!(failure.starts_with("reverted: "), "{failure}");
    assert!(said.split.take.actual.is_none() || said.split.take.actual.is_some_and(|take| take.starts_with('-')));
}

#[test]
fn in_another_block_the_executors_own_error_is_named() {
    let mut case = case("atomic_arb/two_pairs");
    case.block.number += 1;
    let said = explained(&case);
    let run = &said.run;
    assert_eq!((said.verdict, run.failure.as_deref()), ("reverted", Some("reverted: WrongBlock()")));
    assert_eq!(run.failed_in, Some(case.executor));
    let text = show::text(&said, false);
    assert!(text.contains("reverted: WrongBlock(), in executor") && text.contains("not reached"), "{text}");
}

#[test]
fn a_prediction_that_does_not_come_true_is_marked_at_its_hop() {
    let mut case = case("atomic_arb/two_pairs");
    assert!(explained(&case).split.is_equal());
    case.bundle.of.path.hops[1].amount_out += U256::from(1);
    let said = explained(&case);
    assert_eq!((said.verdict, said.hops[1].is_equal(), said.hops[0].is_equal()), ("differs", false, true));
    assert!(show::text(&said, false).contains("<- differs"));
}

/// Exit code 2, and one sentence that holds `named`.
fn refuses(text: &[u8], named: &str) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    let path = file.path().to_str().expect("text");
    let output = peregrine(&["replay", "bundle", path]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.trim_end().lines().count()), (Some(2), 1), "{named}: {said}");
    assert!(said.contains(named) && said.contains(path) && !said.contains("panicked"), "{named}: {said}");
}

#[test]
fn what_is_no_bundle_is_refused_in_one_sentence() {
    let good: Value = serde_json::from_str(&case("backrun/v2_v3").text().expect("text")).expect("json");
    let spoilt = |change: &dyn Fn(&mut Value)| {
        let mut value = good.clone();
        change(&mut value);
        value.to_string().into_bytes()
    };
    refuses(b"", "not a bundle's file");
    refuses(b"notes of mine", "not a bundle's file");
    refuses(b"[1, 2]", "not a bundle's file");
    refuses(&good.to_string().as_bytes()[..5000], "not a bundle's file");
    refuses(&[0x28, 0xb5, 0x2f, 0xfd, 0, 1], "");
    refuses(&spoilt(&|case| case["format"] = json!("peregrine bundle 9")), "format is `peregrine bundle 9`");
    refuses(&spoilt(&|case| case["strange"] = json!(1)), "unknown field `strange`");
    refuses(&spoilt(&|case| case["chain"]["hardfork"] = json!("frontier")), "chain.hardfork is frontier");
    refuses(&spoilt(&|case| case["trigger"]["raw"] = json!("0x02")), "trigger's bytes hash to");
    refuses(&spoilt(&|case| case["bundle"]["digest"] = case["trigger"]["hash"].clone()), "bytes hash to");
    let without = |name: &str| {
        let address = good[name].clone();
        spoilt(&|case| {
            let accounts = case["accounts"].as_array_mut().expect("accounts");
            accounts.retain(|account| account["address"] != address);
        })
    };
    refuses(&without("owner"), "our transaction reads what is not in the file: account 0x");
    refuses(&without("weth"), "reads what is not in the file: account 0x");
    let nonce = spoilt(&|case| {
        let owner = case["owner"].clone();
        let accounts = case["accounts"].as_array_mut().expect("accounts");
        let account = accounts.iter_mut().find(|account| account["address"] == owner).expect("the owner");
        account["nonce"] = json!(9_999);
    });
    refuses(&nonce, "our transaction does not run on this state");
    let output = peregrine(&["replay", "bundle", "/no/such/file"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/file"));
}
