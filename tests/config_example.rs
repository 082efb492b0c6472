//! The example says what the program does: it parses, holds every key, and each at its default.

use std::path::Path;

use peregrine::config::Config;

fn example() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml"))
}

fn written(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("write");
    file
}

#[test]
fn the_example_holds_every_key_at_its_default() {
    let config = Config::read_for_run(example()).unwrap_or_else(|error| panic!("{error}"));
    let (shown, default) = (config.shown(), Config::default().shown());
    let values = |text: &str| text.parse::<toml::Table>().expect("toml");
    let (shown, default) = (values(&shown), values(&default));
    for (name, table) in default.iter().filter(|(_, value)| value.is_table()) {
        for (key, value) in table.as_table().expect("a table") {
            // The ledger is somewhere by default; where it is in the example is the same.
            assert_eq!(shown[name.as_str()].get(key), Some(value), "{name}.{key}");
        }
    }
    // What is shown names every field, but those that are not set: the example sets all.
    let text = std::fs::read_to_string(example()).expect("the example");
    for key in shown.iter().flat_map(|(name, value)| keys(name, value)) {
        assert!(text.contains(&format!("\n{key} = ")), "{key} is not in the example");
    }
}

fn keys(name: &str, value: &toml::Value) -> Vec<String> {
    match value {
        toml::Value::Table(table) => table.keys().cloned().collect(),
        toml::Value::Array(rows) if rows.iter().all(toml::Value::is_table) => {
            rows.iter().filter_map(toml::Value::as_table).flat_map(|row| row.keys().cloned()).collect()
        }
        _ => vec![name.to_owned()],
    }
}

#[test]
fn what_is_shown_holds_no_secret() {
    let file = written(concat!(
        "[[node]]\nname = \"n\"\nws = \"wss://user:geheim@node.example/v3/geheim\"\n",
        "[[relay]]\nname = \"r\"\nurl = \"https://relay.example/geheim?key=geheim\"\ndialect = \"plain\"\n",
        "[executor]\naddress = \"0x00000000000000000000000000000000000000e1\"\nowner = \"env:OWNER\"\n",
    ));
    let shown = Config::read(file.path()).expect("a config").shown();
    assert!(!shown.contains("geheim"), "{shown}");
    assert!(shown.contains("wss://***@node.example/***") && shown.contains("https://relay.example/***"), "{shown}");
    assert!(shown.contains("env:OWNER"), "{shown}");
}

#[test]
fn a_key_in_the_wrong_place_is_refused_and_not_repeated() {
    let key = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    for text in [
        format!("[executor]\naddress = \"0x00000000000000000000000000000000000000e1\"\nowner = \"{key}\"\n"),
        format!(
            "[executor]\naddress = \"0x00000000000000000000000000000000000000e1\"\nowner = \"env:A\"\nkey = \"{key}\"\n"
        ),
        format!("owner = \"{key}\"\n"),
    ] {
        let file = written(&text);
        let error = Config::read(file.path()).expect_err("a naked key").to_string();
        assert!(!error.contains(key), "{error}");
    }
}

fn lending(protocol: &str, rest: &str) -> String {
    let address = "0x00000000000000000000000000000000000000e1";
    format!("[[lending]]\nname = \"x\"\nprotocol = \"{protocol}\"\naddress = \"{address}\"\n{rest}\n")
}

#[test]
fn markets_without_a_liquidator_are_worth_a_word() {
    let executor = "[executor]\naddress = \"0x00000000000000000000000000000000000000e1\"\nowner = \"env:A\"\n";
    let liquidator = "liquidator = \"0x00000000000000000000000000000000000000e2\"\n";
    let notes = |text: String| Config::read(written(&text).path()).expect("a config").notes();
    let [note] = &notes(lending("aave_v3", "") + executor)[..] else { panic!("one note due") };
    assert!(note.contains("executor.liquidator") && note.contains("none is liquidated"), "{note}");
    assert!(notes(lending("aave_v3", "") + executor + liquidator).is_empty());
    assert!(notes(executor.to_owned()).is_empty());
}

#[test]
fn an_unknown_key_or_a_value_out_of_range_is_named() {
    for (text, named) in [
        ("[search]\nmax_hop = 4\n", "max_hop"),
        ("[serach]\n", "serach"),
        ("[search]\nmax_hops = 7\n", "search.max_hops is 7, 2 to 6 due"),
        ("[search]\nbase_tokens = []\n", "search.base_tokens"),
        ("[search]\nbase_tokens = [\"0x12\"]\n", "base_tokens"),
        ("[search]\nevaluations = 0\n", "search.evaluations"),
        ("[chain]\nhardfork = \"frontier\"\n", "chain.hardfork is frontier, mainnet,"),
        ("[threads]\nhot = 0\n", "threads.hot is 0, 1 to 64 due"),
        ("[threads]\nhot = 2\ncores = [1, 1]\n", "threads.cores is 1 twice"),
        ("[bid]\nshare_bps = 10001\n", "bid.share_bps"),
        ("[bootstrap]\nbatch = 0\n", "bootstrap.batch"),
        (
            "[[factory]]\nname = \"x\"\nprotocol = \"y\"\naddress = \"0x00000000000000000000000000000000000000e1\"\n",
            "factory.protocol",
        ),
        (&lending("aave_v9", ""), "lending.protocol is \"aave_v9\", aave_v2, aave_v3 or morpho_blue due"),
        (&lending("aave_v3", &format!("market = \"{:#066x}\"", 7)), "lending.market"),
        (&lending("aave_v3", "account = []"), "account"),
        (&lending("morpho_blue", "oracle = \"0x00000000000000000000000000000000000000e1\""), "lending.oracle"),
        (&lending("morpho_blue", "accounts = [\"0x00000000000000000000000000000000000000e1\"]"), "lending.accounts"),
        (&lending("aave_v2", "").repeat(2), "twice, each market in one row due"),
        (&lending("", "").replace("name = \"x\"", "name = \"\""), "lending.name"),
        ("[[relay]]\nname = \"x\"\nurl = \"ftp://y\"\ndialect = \"plain\"\n", "relay.url"),
    ] {
        let file = written(text);
        let error = Config::read(file.path()).expect_err(text).to_string();
        assert!(error.contains(named), "{error}");
        assert!(error.contains(&file.path().display().to_string()), "{error} names no file");
    }
}

#[test]
fn a_searcher_needs_a_node_a_contract_pools_and_a_relay() {
    let executor = "[executor]\naddress = \"0x00000000000000000000000000000000000000e1\"\nowner = \"env:A\"\n";
    let node = "[[node]]\nname = \"n\"\nws = \"ws://127.0.0.1:1\"\n";
    let pool = "[[pool]]\naddress = \"0x00000000000000000000000000000000000000e2\"\n";
    let mut text = String::new();
    for (added, missing) in [("", "[[node]]"), (node, "[executor]"), (executor, "[[pool]]"), (pool, "[[relay]]")] {
        text.push_str(added);
        let file = written(&text);
        let error = Config::read_for_run(file.path()).expect_err(missing).to_string();
        assert!(error.contains(missing), "{error}");
    }
}
