//! Each rule catches the snippet that breaks it, and lets pass the one that does not.

use crate::source::{Source, Violation, mark_tests};
use crate::{FILE_LINES, FOLDER_FILES, FUNCTION_LINES, ROOMS, arrows, budget, closure, imports, words};

type Rule = fn(&[Source]) -> Vec<Violation>;

fn found(rule: Rule, path: &str, text: &str) -> Vec<String> {
    rule(&[Source::parse(path, text)]).iter().map(ToString::to_string).collect()
}

/// Fails unless `rule` finds exactly one thing, on `line`, and its message speaks of `words`.
#[track_caller]
fn catches(rule: Rule, path: &str, text: &str, line: usize, words: &str) {
    let found = found(rule, path, text);
    assert_eq!(found.len(), 1, "{text}: {found:#?}");
    assert!(found[0].starts_with(&format!("{path}:{line}: ")), "{}", found[0]);
    assert!(found[0].contains(words), "`{words}` is not in: {}", found[0]);
    assert!(found[0].contains("way out: "), "{}", found[0]);
}

#[track_caller]
fn passes(rule: Rule, path: &str, text: &str) {
    let found = found(rule, path, text);
    assert!(found.is_empty(), "{text}: {found:#?}");
}

#[test]
fn an_arrow_upwards_is_caught_however_it_is_written() {
    let path = "src/hot/search/graph.rs";
    for text in [
        "use crate::hot::build::bid::Bid;",
        "use crate::hot::{build::bid::Bid};",
        "use crate::{hot::build};",
        "use crate::hot as h;",
        "use crate as c;",
        "use crate::hot::*;",
        "use super::super::build;",
        "fn f() { crate::hot::build::go() }",
        "fn f() { super::super::build::go() }",
        "fn f(b: &crate::hot::build::Bid) {}",
        "impl crate::hot::build::Go for u8 {}",
        "fn f() { vec![crate::hot::build::go()] }",
        "macro_rules! m { () => { $crate::hot::build::go() } }",
        "macro_rules! m { () => { use crate::{hot::{build, refused}}; } }",
        "#[derive(D)] #[serde(with = \"crate::hot::build::hex\")] struct S;",
    ] {
        catches(arrows::check, path, text, 1, "`hot::search` may not name `crate::");
    }
}

#[test]
fn an_arrow_downwards_passes() {
    let text = "use crate::types::id::PoolId; use crate::hot::evm::whatif::Overlay; use crate::hot::refused::Refused;
        pub(in crate::hot) fn f() { crate::hot::search::sizing::go(); super::sizing::go(); self::go(); Vec::<u8>::new(); }";
    passes(arrows::check, "src/hot/search/graph.rs", text);
    passes(arrows::check, "src/hot/simulate/mod.rs", "use crate::hot::opportunity::Opportunity; use revm::Context;");
    passes(
        arrows::check,
        "src/replay/mod.rs",
        "use crate::edge::record::format::Frame; use crate::hot::engine::Engine;",
    );
    passes(arrows::check, "src/main.rs", "fn main() { peregrine::cli::run() }");
}

#[test]
fn each_wall_of_the_plan_stands() {
    for (path, text) in [
        ("src/types/id.rs", "use crate::metrics::Count;"),
        ("src/types/id.rs", "use tokio::sync::mpsc;"),
        ("src/types/id.rs", "use std::fs;"),
        ("src/types/id.rs", "use core::net::IpAddr;"),
        ("crates/protocols/src/uniswap_v3/quote.rs", "use crate::protocols::uniswap_v2::Pool;"),
        ("crates/protocols/src/uniswap_v3/quote.rs", "use super::super::uniswap_v2::Pool;"),
        ("crates/protocols/src/uniswap_v3/quote.rs", "use crate::protocols::AnyPool;"),
        ("crates/protocols/src/uniswap_v3/quote.rs", "use crate::hot::state::State;"),
        ("crates/protocols/src/amm.rs", "use crate::protocols::curve::Pool;"),
        ("crates/protocols/src/math/mod.rs", "use revm::primitives::U256;"),
        ("crates/protocols/src/math/tick.rs", "use crate::amm::Leg;"),
        ("crates/protocols/src/math/concentrated/walk.rs", "use crate::uniswap_v3::Pool;"),
        ("crates/protocols/src/lib.rs", "use std::{net::TcpStream};"),
        // A member is a room, by whatever name it is called.
        ("crates/protocols/src/curve/quote.rs", "use crate::uniswap_v2::Pool;"),
        ("crates/protocols/src/curve/quote.rs", "fn f() { crate::protocols::uniswap_v2::go() }"),
        ("crates/protocols/src/curve/quote.rs", "use peregrine::types::secret::Key;"),
        ("crates/protocols/src/types/amount.rs", "use crate::amm::Amm;"),
        ("src/types/id.rs", "use peregrine_protocols::amm::Amm;"),
        ("src/chain/mod.rs", "use peregrine_protocols::uniswap_v2::Pool;"),
        ("crates/rpc/src/lib.rs", "use peregrine_protocols::AnyPool;"),
        ("crates/devnet/src/world/mod.rs", "use peregrine::hot::engine::Engine;"),
        ("crates/devnet/src/rivals/mod.rs", "use crate::block_builder::rules::Merge;"),
        ("crates/devnet/src/block_builder/pool.rs", "use crate::wallet::Wallet;"),
        ("src/edge/submit/plain.rs", "use peregrine_devnet::Wallet;"),
        ("src/hot/worker/io.rs", "use peregrine_rpc::Rpc;"),
        ("src/edge/sink/lines.rs", "use crate::edge::submit::Submitter;"),
        ("src/edge/submit/plain.rs", "use crate::edge::sink::Fact;"),
        ("src/hot/state/mod.rs", "use crate::hot::evm::Evm;"),
        ("src/hot/evm/mod.rs", "use crate::hot::search::Candidate;"),
        ("src/hot/search/mod.rs", "use crate::hot::evm::Evm;"),
        ("src/hot/search/mod.rs", "fn f() { revm::go() }"),
        ("src/hot/simulate/mod.rs", "use crate::hot::search::Candidate;"),
        ("src/hot/simulate/mod.rs", "use crate::hot::strategy::names;"),
        ("src/hot/bundle/mod.rs", "use crate::hot::strategy::named;"),
        ("src/hot/opportunity.rs", "use crate::hot::strategy::PROFILES;"),
        ("src/hot/strategy/backruns/mod.rs", "use crate::hot::strategy::auctions::PROFILE;"),
        ("src/hot/strategy/backruns/mod.rs", "use crate::hot::engine::Engine;"),
        ("src/hot/strategy/backruns/mod.rs", "use crate::hot::bundle::SignedBundle;"),
        ("src/hot/engine/mod.rs", "use crate::hot::strategy::backruns::Backruns;"),
        ("src/hot/worker/mod.rs", "use crate::hot::strategy::backruns::Backruns;"),
        ("src/hot/simulate/mod.rs", "use crate::hot::build::Limits;"),
        ("src/hot/forecast/mod.rs", "use crate::hot::engine::Engine;"),
        ("src/hot/forecast/mod.rs", "use crate::hot::build::SignedBundle;"),
        ("src/hot/simulate/mod.rs", "use crate::hot::forecast::Forecaster;"),
        ("src/hot/bundle/mod.rs", "use crate::hot::forecast::Forecaster;"),
        ("src/hot/bundle/mod.rs", "use crate::hot::search::Candidate;"),
        ("src/hot/bundle/mod.rs", "use crate::hot::simulate::runner::Runner;"),
        ("src/hot/engine.rs", "use serde::Deserialize;"),
        ("src/hot/engine.rs", "use std as s;"),
        ("src/hot/engine.rs", "extern crate tokio;"),
        ("src/hot/engine.rs", "use crate::config::Config;"),
        ("src/hot/rt/port.rs", "use tokio::net::TcpStream;"),
        ("src/hot/worker/io.rs", "use tokio::sync::mpsc;"),
        ("src/hot/worker/io.rs", "fn f() { tracing::debug!(\"said\") }"),
        ("src/hot/worker/message.rs", "use crate::edge::bootstrap::Loaded;"),
        ("src/hot/worker/message.rs", "use crate::live::keeper::Keeper;"),
        ("src/hot/worker/mod.rs", "use crate::config::Config;"),
        ("src/edge/ingest/heads.rs", "use crate::edge::submit::Dialect;"),
        ("src/edge/submit/plain.rs", "use crate::edge::ingest::Source;"),
        ("src/edge/bootstrap.rs", "use crate::hot::state::State;"),
        ("src/edge/bootstrap/keep/mod.rs", "use crate::hot::engine::Engine;"),
        ("src/edge/bootstrap.rs", "use crate::edge::record::writer::Writer;"),
        ("src/edge/submit/plain.rs", "use crate::hot::simulate::Proven;"),
        ("src/replay/block.rs", "use crate::edge::submit::Dialect;"),
        ("src/replay/block.rs", "use crate::edge::chain::Chain;"),
        ("src/replay/block.rs", "use eyre::Result;"),
        ("src/config/mod.rs", "use crate::cli::Args;"),
        ("src/cli/check.rs", "use tokio::runtime::Runtime;"),
        ("src/main.rs", "fn main() { peregrine::hot::engine::go() }"),
    ] {
        catches(arrows::check, path, text, 1, " may not name ");
    }
}

#[test]
fn a_member_has_itself_under_both_names() {
    for text in ["use crate::amm::Amm; use crate::types::pool_key::PoolKey;", "use crate::protocols::amm::{Amm, Leg};"]
    {
        passes(arrows::check, "crates/protocols/src/curve/quote.rs", text);
    }
    passes(arrows::check, "src/hot/state/mod.rs", "use peregrine_protocols::amm::Amm; use crate::protocols::AnyPool;");
    passes(arrows::check, "src/types/mod.rs", "pub use peregrine_protocols::types::amount;");
}

#[test]
fn a_closed_package_is_found_through_others() {
    let lock = |last: &str| {
        let entry = |name: &str, needs: &str| format!("[[package]]\nname = \"{name}\"\ndependencies = [{needs}]\n");
        entry("peregrine-protocols", "\"alloy-core 1.7.3\"") + &entry("alloy-core", last) + &entry("serde", "")
    };
    assert!(closure::check(&lock("\"serde\"")).is_empty());
    let found = closure::check(&lock("\"serde\", \"tokio\""));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("peregrine-protocols > alloy-core > tokio is closed"), "{}", found[0]);
}

#[test]
fn a_sibling_is_named_at_its_door() {
    passes(arrows::check, "src/edge/bootstrap.rs", "use crate::edge::chain::Chain; use crate::edge::record::Tap;");
    passes(
        arrows::check,
        "src/edge/bootstrap.rs",
        "fn f() { crate::edge::chain::Chain::dial(); crate::edge::chain::dial() }",
    );
}

#[test]
fn a_file_in_no_room_is_caught() {
    catches(arrows::check, "src/utils/mod.rs", "", 1, "in no room");
    catches(arrows::check, "src/hot/helpers.rs", "", 1, "in no room");
    passes(arrows::check, "crates/protocols/src/a_new_dex/quote.rs", "");
}

#[test]
fn test_code_may_name_anything() {
    let text = "#[cfg(test)] mod tests { use crate::hot::engine::Engine; } #[cfg(test)] use std::fs;";
    passes(arrows::check, "crates/protocols/src/curve/quote.rs", text);
    let folder = ["#[cfg(test)] mod tests;", "use revm::Context;", "use revm::Context;"];
    let paths = [
        "crates/protocols/src/curve/mod.rs",
        "crates/protocols/src/curve/tests.rs",
        "crates/protocols/src/curve/test.rs",
    ];
    let mut sources: Vec<_> = paths.iter().zip(folder).map(|(path, text)| Source::parse(path, text)).collect();
    mark_tests(&mut sources);
    // The declaration decides, not the name.
    let found = arrows::check(&sources);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].at, "crates/protocols/src/curve/test.rs");
    catches(arrows::check, "src/types/id.rs", "#[cfg(any(test, debug_assertions))] use std::fs;", 1, "std::fs");
}

#[test]
fn imports_that_hide_their_way_are_caught() {
    let path = "src/hot/search/graph.rs";
    for text in [
        "use crate::{types, metrics};",
        "use crate::types::{id::PoolId, amount::Gas};",
        "use crate::types::id::{self, PoolId};",
        "use {crate::types::id::PoolId, std::fmt};",
        "use super::sizing::Size;",
        "mod inner { use super::super::sizing::Size; }",
        "#[path = \"../build/bid.rs\"] mod bid;",
        "include!(\"../build/bid.rs\");",
    ] {
        assert!(!found(imports::check, path, text).is_empty(), "{text}");
    }
    let modules = [Source::parse("src/types/id.rs", ""), Source::parse(path, "use crate::types::{id};")];
    assert_eq!(imports::check(&modules).len(), 1, "braces around a module");
    let fine = "use crate::types::id::{PoolId, TokenId}; pub use sizing::Size; use std::{fmt, mem};
        mod inner { use super::*; } #[cfg(test)] mod tests { use super::*; }";
    passes(imports::check, path, fine);
}

#[test]
fn a_long_file_is_caught() {
    let text = "//\n".repeat(FILE_LINES);
    passes(budget::check, "src/types/id.rs", &text);
    catches(budget::check, "src/types/id.rs", &(text + "//\n"), FILE_LINES + 1, "601 lines");
    passes(budget::check, "src/main.rs", &"//\n".repeat(19));
    catches(budget::check, "src/main.rs", &"//\n".repeat(20), 20, "20 lines");
}

#[test]
fn a_full_folder_is_caught() {
    let mut sources: Vec<_> = (0..FOLDER_FILES).map(|i| Source::parse(&format!("src/types/f{i}.rs"), "")).collect();
    sources.push(Source::parse("src/types/below/mod.rs", ""));
    assert!(budget::check(&sources).is_empty());
    sources.push(Source::parse("src/types/z.rs", ""));
    let found = budget::check(&sources);
    assert_eq!(found.len(), 1, "{found:#?}");
    let said = format!("one of {} files", FOLDER_FILES + 1);
    assert!(found[0].to_string().contains(&said), "{}", found[0]);
}

#[test]
fn a_long_function_is_caught() {
    let body = |lines: usize| {
        let mut text = "/// Doc comments and attributes are free.\n#[inline]\npub fn f() {\n".to_owned();
        text.push_str(&"    go();\n".repeat(lines - 2));
        text + "}\n"
    };
    passes(budget::check, "src/types/id.rs", &body(FUNCTION_LINES));
    catches(budget::check, "src/types/id.rs", &body(FUNCTION_LINES + 1), 3, "`f` has 61 lines");
    let inside = format!("impl S {{\n{}}}", body(FUNCTION_LINES + 1));
    catches(budget::check, "src/types/id.rs", &inside, 4, "`f` has 61 lines");
    passes(budget::check, "src/types/id.rs", &format!("#[cfg(test)] mod t {{\n{}}}", body(FUNCTION_LINES + 1)));
}

#[test]
fn deep_nesting_is_caught() {
    let path = "src/types/id.rs";
    for text in [
        "fn f() { for a in b { if c { match d { _ => while e {} } } } }",
        "fn f() { loop { if let Some(a) = b { if c {} else if d { for e in g {} if h {} } else { loop { break; } } } } }",
        "fn f() { a.iter().map(|b| if c { loop { match d { _ => { let Some(e) = g else { return }; } } } }) }",
        "trait T { fn f() { loop { loop { loop { loop {} } } } } }",
    ] {
        let found = found(budget::check, path, text);
        assert!(found.iter().all(|found| found.contains("nested 4 deep")) && !found.is_empty(), "{text}: {found:#?}");
    }
    passes(budget::check, path, "fn f() { for a in b { if c {} else if d {} else if e { match g { _ => h } } } }");
    passes(budget::check, path, "fn f() { loop { loop { loop { fn g() { loop { loop { loop {} } } } } } } }");
    passes(budget::check, path, "fn f() { { { { { a } } } } }");
}

#[test]
fn a_room_that_arms_no_lints_is_caught() {
    let armed = "#![deny(clippy::disallowed_types, clippy::disallowed_methods)] pub mod state;";
    passes(arrows::check_armed, "src/hot/mod.rs", armed);
    passes(arrows::check_armed, "src/hot/mod.rs", "//! Still empty.");
    passes(arrows::check_armed, "src/edge/mod.rs", "pub mod chain;");
    catches(arrows::check_armed, "src/hot/mod.rs", "pub mod state;", 1, "does not arm");
    let half = "#![deny(clippy::disallowed_types)] #![allow(clippy::disallowed_methods)] pub mod state;";
    catches(arrows::check_armed, "src/hot/mod.rs", half, 1, "does not arm");
}

#[test]
fn every_row_leads_to_a_row_and_stands_once() {
    let rooms: Vec<&str> = ROOMS.iter().map(|room| room.at).collect();
    for room in ROOMS {
        assert_eq!(rooms.iter().filter(|at| **at == room.at).count(), 1, "{}", room.at);
        for open in room.may.iter().chain(room.doors) {
            let known = rooms.iter().any(|at| open == at || open.strip_prefix(at).is_some_and(|r| r.starts_with("::")));
            assert!(known, "`{}` may name `{open}`, which is no room", room.at);
        }
    }
}

#[test]
fn a_retired_word_and_what_is_one_chains_are_found_where_they_are_declared() {
    let of = |path: &str, text: &str| [Source::parse(path, text)];
    for text in
        ["struct SignerDesk;", "fn pay_owed() {}", "enum A { LowFaith }", "struct A { sieve: u8 }", "mod purses {}"]
    {
        assert_eq!(words::retired(&of("src/hot/a.rs", text)).len(), 1, "{text}");
    }
    for text in ["struct Desktop;", "fn known() { let desk = 1; }", "#[cfg(test)] mod tests { fn what_is_owed() {} }"] {
        assert!(words::retired(&of("src/hot/a.rs", text)).is_empty(), "{text}");
    }
    let weth = r#"const A: Address = address!("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");"#;
    for text in [weth, "use crate::chain::MAINNET;", "fn f() -> u64 { chain::BASE.id }"] {
        assert_eq!(words::chains(&of("src/hot/a.rs", text)).len(), 1, "{text}");
        assert!(words::chains(&of("src/chain/known/a.rs", text)).is_empty(), "{text}");
    }
}
