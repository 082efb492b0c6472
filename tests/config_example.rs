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
fn a_pool_that_is_described_in_a_way_that_makes_no_sense_is_named_with_the_reason() {
    let [a, b] = ["0x00000000000000000000000000000000000000a1", "0x00000000000000000000000000000000000000a2"];
    let pool = format!("[[pool]]\naddress = \"{a}\"\n");
    let tokens = format!("tokens = [\"{a}\", \"{b}\"]\n");
    let (quote, swap) = (
        "quote = \"q(uint256 amount_in, bool zero_for_one)\"\n",
        "swap = \"s(bool zero_for_one, uint128 amount_in)\"\n",
    );
    let read = |text: &str| Config::read(written(text).path());
    let whole = format!("{pool}{tokens}{quote}{swap}");
    let shown = read(&whole).expect("a config").shown();
    assert!(shown.contains("quote = ") && shown.contains("zero_for_one"), "{shown}");
    for (text, named) in [
        (format!("{pool}{quote}"), "pool.swap is unset"),
        (format!("{pool}{swap}{tokens}"), "pool.quote is unset"),
        (format!("{pool}{tokens}"), "pool.quote is unset"),
        (format!("{pool}ether = \"{b}\"\n"), "pool.quote is unset"),
        (format!("{pool}{quote}{swap}"), "its tokens are not 2 to 8"),
        (whole.replace("a2", "a1"), "its tokens are not 2 to 8"),
        (whole.replace("uint128 amount_in", "uint128 7"), "takes no amount_in"),
        (whole.replace("q(", "q"), "no arguments"),
        (whole.replace("uint256 amount_in", "uint256 amount"), "nothing that a uint256 can be"),
        (format!("{whole}quote_back = \"q(uint256 amount_in)\"\n"), "of quote_back and swap_back there is one"),
        (format!("{whole}{pool}"), "A1 twice"),
    ] {
        let error = read(&text).expect_err(named).to_string();
        assert!(error.contains(named) && !error.contains('\n'), "{error}");
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
    // Beyond this host the chain's own table counts, and a check says what a live run would.
    assert!(devnet.notes().iter().any(|note| note.contains("nothing can be sent on chain.id 8453 (base)")));
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

/// Reads a file of this text, which is wrong: the sentence, without the file's name.
#[track_caller]
fn wrong(text: &str) -> String {
    let file = written(text);
    let error = Config::read(file.path()).expect_err(text).to_string();
    assert!(!error.contains('\n'), "one sentence: {error}");
    let name = format!("{}: ", file.path().display());
    error.strip_prefix(&name).unwrap_or_else(|| panic!("{error} names no file")).to_owned()
}

#[test]
fn an_address_whose_capitals_are_not_its_checksum_is_named_with_key_and_line_wherever_it_stands() {
    // The last letter in the other case.
    let (good, bad) = ("0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640", "0x88e6A0c2dDD26FEEb64F039a2c41296Fcb3f5640");
    let weth = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2";
    let factory = "[[factory]]\nname = \"x\"\nprotocol = \"uniswap_v2\"\n";
    let id = format!("{:#066x}", 7);
    let places = [
        ("executor.address", 2, "[executor]\naddress = \"@\"\nowner = \"env:A\"\n".to_owned()),
        ("chain.wrapped_native", 2, "[chain]\nwrapped_native = \"@\"\n".to_owned()),
        ("search.base_tokens", 4, format!("[search]\nbase_tokens = [\n  \"{weth}\",\n  \"@\", # one\n]\n")),
        ("factory.address", 4, format!("{factory}address = \"@\"\n")),
        ("factory.address", 8, format!("{factory}address = \"{weth}\"\n{factory}address = \"@\"\n")),
        ("pool.address", 2, "[[pool]]\naddress = \"@\"\n".to_owned()),
        ("pool.address", 2, format!("[[pool]]\naddress = \"@/{id}\"\n")),
        ("pool.address", 1, "pool = [{ address = \"@\" }]\n".to_owned()),
        ("lending.address", 4, "[[lending]]\nname = \"x\"\nprotocol = \"aave_v3\"\naddress = \"@\"\n".to_owned()),
        ("lending.oracle", 5, lending("aave_v3", "oracle = \"@\"")),
        ("lending.accounts", 5, lending("aave_v3", &format!("accounts = [\"{weth}\", \"@\"]"))),
    ];
    for (key, line, text) in &places {
        let said = wrong(&text.replace('@', bad));
        let due = format!("line {line}: {key} is {bad}");
        assert!(said.starts_with(&due) && said.contains("EIP-55"), "{said}, {due} due");
        // Without the prefix it is the same address.
        assert!(wrong(&text.replace('@', &bad[2..])).contains("EIP-55"), "{text}");
        // Whoever writes no capitals, or nothing else, has written no checksum.
        let others = [good.to_owned(), good.to_lowercase(), format!("0x{}", good[2..].to_uppercase())];
        for other in others {
            let file = written(&text.replace('@', &other));
            let read = Config::read(file.path());
            assert!(read.is_ok() || *key == "chain.wrapped_native", "{other}: {read:?}");
        }
    }
}

#[test]
fn an_amount_is_decimal_digits_in_quotes_and_shown_so() {
    for (table, key) in [
        ("bid", "floor_wei"),
        ("bid", "cap_wei"),
        ("limits", "max_bid_wei"),
        ("limits", "min_net_wei"),
        ("search", "min_profit_wei"),
    ] {
        for none in ["", "_", "0x", "0x_", " ", "1 ether", "1e18", "1.5", "-1", "1,000", "ten"] {
            let said = wrong(&format!("# an amount\n[{table}]\n{key} = \"{none}\"\n"));
            assert!(said.starts_with(&format!("line 3: `{table}.{key}`: \"{none}\" is no amount in wei")), "{said}");
        }
        for number in ["0", "1", "-1", "1000000000000000000", "10000000000000000000000"] {
            let said = wrong(&format!("[{table}]\n{key} = {number}\n"));
            let due = format!("line 2: `{table}.{key}`: the integer {number}, its digits in quotes due: \"{number}\"");
            assert_eq!(said, due);
        }
        for odd in ["1.5", "true", "[]", "1979-05-27"] {
            let said = wrong(&format!("[{table}]\n{key} = {odd}\n"));
            assert!(said.starts_with(&format!("line 2: `{table}.{key}`: ")) && said.contains("in quotes"), "{said}");
        }
    }
    let file = written("[bid]\ncap_wei = \"0x64\"\nfloor_wei = \"1_0\"\n[limits]\nmin_net_wei = \"007\"\n");
    let shown = Config::read(file.path()).expect("a config").shown();
    for due in
        ["cap_wei = \"100\"", "floor_wei = \"10\"", "min_net_wei = \"7\"", "max_bid_wei = \"2000000000000000000\""]
    {
        assert!(shown.contains(due), "{shown}");
    }
}

fn node(rows: &str) -> String {
    format!("[[node]]\nname = \"n\"\n{rows}\n")
}

fn relay(name: &str, url: &str) -> String {
    format!("[[relay]]\nname = \"{name}\"\nurl = \"{url}\"\ndialect = \"plain\"\n")
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_its_line_and_what_is_due() {
    let (good, other) = ("ws = \"ws://127.0.0.1:1\"", "[[node]]\nname = \"m\"\n");
    let executor = "[executor]\naddress = \"0x00000000000000000000000000000000000000e1\"\nowner = \"env:A\"\n";
    let signed = relay("r", "https://r.example").replace("plain", "flashbots");
    let long = "https://r.example/geheim";
    for (text, due) in [
        ("[ingest]\npending_room = 0\n".to_owned(), "line 2: ingest.pending_room is 0, 1 to 1000000 due"),
        ("[ingest]\n\npending_room = 10000000\n".to_owned(), "line 3: ingest.pending_room is 10000000, 1 to"),
        ("[ingest]\nfetch_per_tx = 0\n".to_owned(), "line 2: ingest.fetch_per_tx is 0, 1 to 1000000 due"),
        ("[ingest]\nfetch_per_block = 1000001\n".to_owned(), "line 2: ingest.fetch_per_block is 1000001, 1 to"),
        ("[ingest]\nfetch_per_tx = 9\nfetch_per_sender = 8\n".to_owned(), "line 3: ingest.fetch_per_sender is 8, and"),
        ("[ingest]\nfetch_per_block = 2047\n".to_owned(), "line 2: ingest.fetch_per_block is 2047, and"),
        ("[ingest]\nping_ms = 0\n".to_owned(), "line 2: ingest.ping_ms is 0, 1 to 3600000 due"),
        ("[ingest]\nsilence_ms = 0\n".to_owned(), "line 2: ingest.silence_ms is 0"),
        ("[ingest]\nhead_silence_ms = 0\n".to_owned(), "line 2: ingest.head_silence_ms is 0"),
        ("[ingest]\ntimeout_ms = 0\n".to_owned(), "line 2: ingest.timeout_ms is 0"),
        ("[ingest]\nretry_least_ms = 0\n".to_owned(), "line 2: ingest.retry_least_ms is 0"),
        ("[ingest]\nremember_ms = 0\n".to_owned(), "line 2: ingest.remember_ms is 0, 1 to 86400000 due"),
        ("[ingest]\ntimeout_ms = 18446744073709551615\n".to_owned(), "line 2: ingest.timeout_ms is 18446744073709551615"),
        ("[ingest]\ntimeout_ms = -1\n".to_owned(), "line 2: `ingest.timeout_ms`: invalid value: integer `-1`"),
        ("[ingest]\nretry_least_ms = 200\nretry_most_ms = 100\n".to_owned(), "line 3: ingest.retry_most_ms is 100, and"),
        ("[ingest]\nretry_least_ms = 20000\n".to_owned(), "ingest.retry_most_ms is 10000, and ingest.retry_least_ms 20000"),
        ("[ingest]\nping_ms = 15000\n".to_owned(), "ingest.silence_ms is 15000, and ingest.ping_ms 15000, more than"),
        (node("ws = \"http://127.0.0.1:1\""), "line 3: node.ws is of n not a URL of a websocket, ws:// or wss://"),
        (node("ws = \"127.0.0.1:8546\""), "line 3: node.ws is"),
        (node("ws = \"\""), "line 3: node.ws is"),
        (node("ws = \"ws://\""), "line 3: node.ws is"),
        (node("ws = \"WS://127.0.0.1:1\""), "line 3: node.ws is"),
        (node("ws = \"ws://127.0.0.1:1 \""), "line 3: node.ws is"),
        (node(&format!("{good}\nhttp = \"ws://127.0.0.1:1\"")), "line 4: node.http is of n not a URL for requests"),
        (node(&format!("{good}\nipc = \"\"")), "line 4: node.ipc is"),
        (node(&format!("{good}\nipc = \"ipc://x\"")), "line 4: node.ipc is"),
        (node(""), "line 1: node.ws is of n unset, and so are ipc and http, one of them due"),
        (node(good).replace("\"n\"", "\"\""), "line 2: node.name is \"\""),
        (node(good).repeat(2), "line 5: node.name is \"n\" twice"),
        (format!("{}{other}{good}\n", node(good)), "line 6: node.ws is of m the ws of n, too, each node in one row"),
        ("[bid]\ncap_wei = \"3000000000000000000\"\n".to_owned(), "line 2: bid.cap_wei is 3000000000000000000, and limits.max_bid_wei 2000000000000000000, at most"),
        ("[limits]\nmax_bid_wei = \"5\"\n".to_owned(), "bid.cap_wei is 1000000000000000000, and limits.max_bid_wei 5"),
        ("[limits]\nmax_bundles_per_block = 0\n".to_owned(), "line 2: limits.max_bundles_per_block is 0, at least 1"),
        ("[limits]\nmax_gas = 20999\n".to_owned(), "line 2: limits.max_gas is 20999"),
        (relay("r", "https://a.example") + &relay("r", "https://b.example"), "line 6: relay.name is \"r\" twice"),
        (relay("r", long) + &relay("s", long), "line 7: relay.url is of s the one of r, too, each relay in one row due"),
        (relay("r", "https://A.example:443") + &relay("s", "https://a.example/"), "line 7: relay.url is of s the one of r"),
        (format!("{executor}{signed}"), "executor.identity is unset, and relay r wants signatures, env:NAME or"),
        (format!("{executor}{}sign = true\n", relay("r", "https://r.example")), "executor.identity is unset, and relay r"),
        ("[record]\nledger = \"x\"\njournal = \"x\"\n".to_owned(), "line 3: record.journal is x, that of record.ledger"),
        ("[record]\nledger = \"x\"\njournal = \"./x\"\n".to_owned(), "line 3: record.journal is ./x, that of record.ledger"),
        ("[search]\nbase_tokens = [\"0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\", \"0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2\"]\n".to_owned(), "line 2: search.base_tokens is 0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2 twice"),
        ("[[pool]]\naddress = \"0x0000000000000000000000000000000000000000\"\n".to_owned(), "line 2: pool.address is 0x0"),
        (lending("aave_v3", "oracle = \"0x0000000000000000000000000000000000000000\""), "line 5: lending.oracle is address 0"),
    ] {
        let said = wrong(&text);
        assert!(said.contains(due) && !said.contains("geheim"), "{said}: {due} due");
        assert_eq!(said.starts_with("line "), due.starts_with("line "), "{said}");
    }
    // What looks like it and makes sense.
    for text in [
        node("http = \"http://127.0.0.1:1\""),
        node("ipc = \"/data/geth.ipc\""),
        relay("r", "https://r.example/fast") + &relay("s", "https://r.example/slow"),
        "[ingest]\nretry_least_ms = 100\nretry_most_ms = 100\n".to_owned(),
        format!("{executor}identity = \"env:B\"\n{signed}"),
        "[bid]\ncap_wei = \"5\"\n[limits]\nmax_bid_wei = \"5\"\n".to_owned(),
    ] {
        assert!(Config::read(written(&text).path()).is_ok(), "{text}");
    }
}
