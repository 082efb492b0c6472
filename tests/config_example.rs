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
    let config = Config::read_for_run(example()).unwrap_or_else(|error| panic!("{error}")).remove(0);
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
fn a_second_contract_that_liquidates_is_refused_in_a_sentence_that_says_what_to_do() {
    let executor = "[executor]\naddress = \"0x00000000000000000000000000000000000000e1\"\nowner = \"env:A\"\n";
    let liquidator = "liquidator = \"0x00000000000000000000000000000000000000e2\"\n";
    let read = |text: String| Config::read(written(&text).path());
    for rows in [String::new(), lending("aave_v3", "")] {
        let error = read(format!("{rows}{executor}{liquidator}")).expect_err("a second contract").to_string();
        assert!(error.contains("executor.liquidator is no key any more") && error.contains("drop the key"), "{error}");
        assert!(!error.contains('\n'), "{error}");
        // One contract and rows of markets are all that liquidations need.
        assert!(read(format!("{rows}{executor}")).expect("a config").notes().is_empty());
    }
}

#[test]
fn what_is_another_chains_is_refused_by_key_and_value() {
    let (weth, usdc) = ("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48");
    let ours = "0x4200000000000000000000000000000000000006";
    let base = "[chain]\nid = 8453\nbase_fee_elasticity = 6\nbase_fee_denominator = 250\n";
    for (text, named) in [
        (
            format!("{base}hardfork = \"mainnet\"\n"),
            "chain.hardfork is mainnet, the schedule of chain 1, and chain.id is 8453",
        ),
        (format!("{base}wrapped_native = \"{weth}\"\n"), "that of mainnet, and chain.id is 8453 (base)"),
        (
            format!("{base}[search]\nbase_tokens = [\"{weth}\"]\n"),
            "(that of mainnet), chain.wrapped_native of chain.id 8453",
        ),
        (
            format!("{base}[search]\nbase_tokens = [\"{ours}\", \"{usdc}\"]\n"),
            "a token of mainnet, and chain.id is 8453",
        ),
        (
            format!("[search]\nbase_tokens = [\"{ours}\"]\n"),
            "search.base_tokens is 0x4200000000000000000000000000000000000006 first",
        ),
        ("[chain]\nid = 8453\n".to_owned(), "chain.base_fee_elasticity is 0 or unset"),
        ("[chain]\nid = 42161\n".to_owned(), "chain.slot_seconds is 0"),
        ("[chain]\nid = 31337\n".to_owned(), "chain.hardfork is unset, and chain.id 31337 has no schedule"),
        ("[chain]\nid = 31337\nhardfork = \"prague\"\n".to_owned(), "chain.wrapped_native is unset"),
        ("[chain]\nid = 31337\nhardfork = \"base\"\n".to_owned(), "chain.hardfork is base, the schedule of chain 8453"),
        ("[chain]\nbase_fee_denominator = 0\n".to_owned(), "chain.base_fee_denominator is 0"),
    ] {
        let file = written(&text);
        let error = Config::read(file.path()).expect_err(&text).to_string();
        assert!(error.contains(named) && error.contains(&file.path().display().to_string()), "{error}");
        assert!(!error.contains('\n'), "one sentence: {error}");
    }
}

#[test]
fn a_chain_has_what_its_table_says_and_a_key_overrides_it() {
    let read = |text: &str| Config::read(written(text).path()).unwrap_or_else(|error| panic!("{error}"));
    let fees = "base_fee_elasticity = 6\nbase_fee_denominator = 250\n";
    let base = read(&format!("[chain]\nid = 8453\n{fees}"));
    assert_eq!((base.chain.slot_seconds, base.chain.hardfork.as_str()), (2, "base"));
    assert_eq!(base.search.base_tokens, peregrine::chain::BASE.base_tokens);
    assert!(base.notes().iter().any(|note| note.contains("nothing can be sent on chain.id 8453 (base)")));
    let devnet =
        read(&format!("[chain]\nid = 8453\nhardfork = \"prague\"\ndata_fee = \"none\"\nslot_seconds = 1\n{fees}"));
    assert_eq!((devnet.chain.inexact(), devnet.chain.slot_seconds), (None, 1));
    // A token that is nobody's is the user's to name.
    let token = "0x00000000000000000000000000000000000000e1";
    let own = read(&format!("[chain]\nwrapped_native = \"{token}\"\n"));
    assert_eq!(own.search.base_tokens[0].to_string().to_lowercase(), token);
    let none =
        read(&format!("[chain]\nid = 31337\nhardfork = \"prague\"\nslot_seconds = 2\nwrapped_native = \"{token}\"\n"));
    assert_eq!(none.search.base_tokens.len(), 1);
    assert!(none.chain.inexact().is_some_and(|why| why.contains("chain.data_fee")));
    assert_eq!(read("").chain, peregrine::chain::Config::of(1));
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
