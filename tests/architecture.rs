//! The walls of the house. Inside a package there are no crate walls, so the arrows of the layer table are this test: every
//! path to a room or to a crate, in `use` trees, inline, in macros and in attributes, is held against [`ROOMS`]. A member of the
//! workspace is a room like any other, and what it is built from is held too.
//!
//! # What is held
//! - **Arrows**: what a room may name of the crate, of other crates and of `std`. [`ROOMS`] is the whole of it.
//! - **Form of imports**: outside the file they are written from `crate::`, one module a line; braces hold its items only.
//! - **Budget**: a folder has at most 12 files, a file 600 lines (300 by habit), a function 60, `main.rs` under 20.
//! - **Nesting** is at most 3. `if`, `match`, `for`, `while`, `loop` and the block of `let .. else` each count one;
//!   `else if` and match arms count with their head; closures and plain blocks count nothing; an inner `fn` starts anew.
//! - **Armed lints**: the rooms without clock, lock and sleep deny them at the top of their `mod.rs` or `lib.rs`.
//! - **Closures**: what a member must not even be built from, through whatever it names, by `Cargo.lock`.
//!
//! # Limits
//! - `#[cfg(test)]` code may name anything and be any shape (it holds the fast path against the slow one, so it must see
//!   both). Its files still count in the budget of files and folders.
//! - Tokens of a macro are read for paths, not for shape: a function made by a macro has no length.
//! - A path is read as it is written. One that goes through a re-export counts as the re-export's room.
//!
//! A wall in the wrong place is moved here, in the table, and the commit says why.

#[path = "architecture/arrows.rs"]
mod arrows;
#[path = "architecture/budget.rs"]
mod budget;
#[path = "architecture/closure.rs"]
mod closure;
#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/references.rs"]
mod references;
#[path = "architecture/self_tests.rs"]
mod self_tests;
#[path = "architecture/source.rs"]
mod source;
#[path = "architecture/words.rs"]
mod words;

use arrows::Crates::{self, Any, Only};
use arrows::Room;
use source::{Source, Violation};

/// Closed to every pure room, whatever crates it may name.
#[rustfmt::skip]
const PURE: &[&str] = &[
    "std::fs", "std::net", "std::process", "std::env", "std::thread", "alloy::providers", "alloy::transports",
];
/// `eyre` is for those who print: cli and live. All else says what went wrong in a type.
const EDGE: &[&str] = &["eyre", "revm"];
/// Tokio lives in edge, and in live, which makes the runtime.
const SYNC: &[&str] = &["tokio", "tokio_tungstenite", "alloy::providers", "alloy::transports"];
const REPLAY: &[&str] = &["eyre", "tokio", "tokio_tungstenite", "alloy::providers", "std::net", "std::process"];
const CONFIG: &[&str] = &["eyre", "tokio", "tokio_tungstenite", "revm", "std::net", "std::process"];
/// Makes threads and is handed sockets, so it may name those; serde for its table of the configuration.
const RT: &[&str] = &["eyre", "tokio", "tokio_tungstenite", "revm", "std::fs", "std::process", "std::env"];

const NOUNS: Crates = Only(&["alloy_primitives", "serde", "thiserror"]);
/// A key is a noun, and k256 is what wipes it.
const KEYS: Crates = Only(&["alloy_primitives", "k256", "serde", "thiserror"]);
const ABI: Crates = Only(&["alloy", "alloy_primitives", "alloy_sol_types", "serde", "thiserror"]);
const EVM: Crates = Only(&["alloy", "alloy_primitives", "revm", "serde", "thiserror"]);
const SIGNER: Crates = Only(&["alloy", "alloy_primitives", "k256", "secp256k1", "serde", "serde_json", "thiserror"]);
/// No serde: what the engine reads and writes are events and outcomes.
const ENGINE: Crates = Only(&["alloy", "alloy_primitives", "revm", "thiserror"]);
/// The loop of a thread: no tokio and no tracing. What it says goes into sinks and counters.
const WORKER: Crates = Only(&["alloy", "alloy_primitives", "crossbeam", "revm", "thiserror", "uuid"]);

/// What every pipeline stage stands on.
const BASE: &[&str] = &["types", "chain", "metrics", "protocols"];
/// What engine and worker stand on.
#[rustfmt::skip]
const STAGES: &[&str] = &[
    "types", "chain", "metrics", "protocols", "hot::bundle", "hot::decode", "hot::engine", "hot::event", "hot::evm", 
    "hot::forecast", "hot::lending", "hot::opportunity", "hot::refused", "hot::rt", "hot::search", "hot::send", "hot::simulate", "hot::state",
];
/// What edge may know of the hot rooms.
#[rustfmt::skip]
const SEAM: &[&str] = &[
    "types", "chain", "metrics", "protocols", "hot::event", "hot::refused", "hot::rt", "hot::bundle::SignedBundle",
    "hot::send",
];
/// ... and what of them bootstrap needs besides.
#[rustfmt::skip]
const BOOTSTRAP: &[&str] = &["types", "chain", "metrics", "protocols", "hot::event", "hot::evm"];
const ALL: &[&str] =
    &["types", "chain", "metrics", "protocols", "hot", "edge", "replay", "config", "live", "cli", "devnet"];
/// The devnet but for its block builder, which is met at its door.
#[rustfmt::skip]
const WORLD: &[&str] = &[
    "protocols", "rpc", "devnet::abi", "devnet::anvil", "devnet::chain", "devnet::dice", "devnet::geth", "devnet::lending",
    "devnet::node", "devnet::opening", "devnet::process", "devnet::rivals", "devnet::seed", "devnet::traffic", "devnet::wallet",
    "devnet::world",
];

/// What may name what. `at` is a module path: a row holds for the module and all below it, unless rows below it exist;
/// then it is that `mod.rs` alone. `*` stands for one folder or file that no other row names. A room may always name
/// itself. `may` opens modules or items, with all below them; `doors` open a module's items but not its submodules.
/// `crates` are the other crates it may name, `bans` the paths of `std` and of those crates that it may not.
#[rustfmt::skip]
const ROOMS: &[Room] = &[
    // Nouns that protocols speak in are theirs, and shown again.
    Room { at: "types", may: &["protocols::types"], doors: &[], crates: NOUNS, bans: PURE },
    Room { at: "types::*", may: &["types"], doors: &[], crates: NOUNS, bans: PURE },
    // Transactions (hot::build) and relay headers (edge::submit) are signed with the same type of key, and neither may name
    // the other. Where a key is read from is not its business: `std::fs` and `std::env` stay closed.
    Room { at: "types::secret", may: &[], doors: &[], crates: KEYS, bans: PURE },
    Room { at: "types::onetime", may: &["types::secret"], doors: &[], crates: KEYS, bans: PURE },
    Room { at: "metrics", may: &["types"], doors: &[], crates: Only(&[]), bans: PURE },
    // What is true of one chain, as constants: no EVM is needed to say it, and of protocols only what a router and a factory are.
    Room { at: "chain", may: &["types", "protocols::calldata"], doors: &[], crates: Only(&["alloy_hardforks", "alloy_op_hardforks",
        "alloy_primitives", "serde"]), bans: PURE },
    // Sans-IO: a protocol knows the shared traits and maths, never its neighbour, never the registry above it.
    Room { at: "protocols", may: &["protocols"], doors: &[], crates: ABI, bans: PURE },
    Room { at: "protocols::types", may: &[], doors: &[], crates: NOUNS, bans: PURE },
    Room { at: "protocols::math", may: &["protocols::types"], doors: &[], crates: ABI, bans: PURE },
    Room { at: "protocols::math::*", may: &["protocols::types", "protocols::math"], doors: &[], crates: ABI, bans: PURE },
    // What pools with weights or with ticks share is more than sums: it refuses, shows its stretches and says what a log meant, in the
    // words that every pool answers in.
    Room { at: "protocols::math::weighted", may: &["protocols::types", "protocols::math", "protocols::amm"], doors: &[],
        crates: ABI, bans: PURE },
    Room { at: "protocols::math::concentrated", may: &["protocols::types", "protocols::math", "protocols::amm"], doors: &[],
        crates: ABI, bans: PURE },
    // Where a pool keeps its state.
    Room { at: "protocols::site", may: &["protocols::types"], doors: &[], crates: ABI, bans: PURE },
    // How a swap is made in a venue is said in the venue's own words, by the traits.
    Room { at: "protocols::amm", may: &["protocols::types", "protocols::math", "protocols::execution", "protocols::discover",
        "protocols::site"], doors: &[], crates: ABI, bans: PURE },
    Room { at: "protocols::execution", may: &["protocols::types", "protocols::amm", "protocols::flash"], doors: &[],
        crates: Only(&["alloy_primitives"]), bans: PURE },
    // What a log or a slot meant is said in the same words of a pool and of a market, and both are asked through the same probe.
    Room { at: "protocols::lending", may: &["protocols::types", "protocols::math", "protocols::amm",
        "protocols::discover", "protocols::execution", "protocols::site"], doors: &[], crates: ABI, bans: PURE },
    Room { at: "protocols::flash", may: &["protocols::types", "protocols::math"], doors: &[], crates: ABI, bans: PURE },
    // What a venue is asked to be recognised, and its pool: the two speak of each other.
    Room { at: "protocols::discover", may: &["protocols::types", "protocols::amm"], doors: &[], crates: ABI, bans: PURE },
    // Which routers and factories there are is a chain's to say; what they are is said here.
    Room { at: "protocols::calldata", may: &["protocols::types"], doors: &[], crates: ABI, bans: PURE },
    // Our own contract: its calldata, and its artifact, which is JSON.
    Room { at: "protocols::executor", may: &["protocols::types", "protocols::execution"], doors: &[], crates: Only(&["alloy", "alloy_primitives", "serde",
        "serde_json", "thiserror"]), bans: PURE },
    Room { at: "protocols::*", may: &["protocols::types", "protocols::math", "protocols::amm", "protocols::lending",
        "protocols::flash", "protocols::discover", "protocols::execution", "protocols::site"], doors: &[], crates: ABI, bans: PURE },
    // One way: state > evm > search > simulate > forecast > strategy, bundle. The engine sees all of it, no stage sees the engine.
    Room { at: "hot", may: &["types", "chain", "metrics", "protocols", "hot"], doors: &[], crates: ABI, bans: PURE },
    Room { at: "hot::refused", may: &["types", "protocols"], doors: &[], crates: ABI, bans: PURE },
    Room { at: "hot::rt", may: &["types", "metrics"], doors: &[], crates: Any, bans: RT },
    // An outcome carries what the stages made; it never reaches into how. A pending transaction says its own shape.
    Room { at: "hot::event", may: &["types", "protocols", "hot::refused", "hot::rt::worth", "hot::evm::machine::ExecuteError",
        "hot::opportunity::Opportunity", "hot::simulate::Proven", "hot::bundle::SignedBundle"], doors: &[], crates: ENGINE,
        bans: PURE },
    Room { at: "hot::state", may: BASE, doors: &[], crates: ABI, bans: PURE },
    Room { at: "hot::evm", may: &["types", "chain", "metrics", "protocols", "hot::state"], doors: &[], crates: EVM, bans: PURE },
    Room { at: "hot::search", may: &["types", "chain", "metrics", "protocols", "hot::state", "hot::evm::whatif", "hot::refused"],
        doors: &[], crates: ABI, bans: PURE },
    // State beside the pools: it asks oracles in the EVM.
    Room { at: "hot::lending", may: &["types", "chain", "metrics", "protocols", "hot::state", "hot::evm"], doors: &[], crates: EVM,
        bans: PURE },
    // What all later stages read. Below all strategies, so that no stage can name one.
    Room { at: "hot::opportunity", may: &["types", "protocols", "hot::state", "hot::search::MAX_HOPS"], doors: &[], crates: ABI,
        bans: PURE },
    Room { at: "hot::simulate", may: &["types", "chain", "metrics", "protocols", "hot::state", "hot::evm", "hot::refused",
        "hot::opportunity"], doors: &[], crates: EVM, bans: PURE },
    // Maths in the place of a run: of the EVM it reads the state and holds its own result against a run; of proofs it
    // remembers what they cost.
    Room { at: "hot::forecast", may: &["types", "chain", "protocols", "hot::state", "hot::evm", "hot::opportunity",
        "hot::search::MAX_HOPS", "hot::simulate::Proven"], doors: &[], crates: EVM, bans: PURE },
    // The trait and the registry, which alone names strategies.
    Room { at: "hot::strategy", may: &["types", "hot::event", "hot::opportunity", "hot::strategy"], doors: &[], crates: ENGINE,
        bans: PURE },
    // A strategy's folder, or what all work on: the stages below, the trait, and never another strategy.
    Room { at: "hot::strategy::*", may: &["types", "chain", "metrics", "protocols", "hot::state", "hot::evm", "hot::search",
        "hot::lending", "hot::opportunity", "hot::simulate", "hot::forecast", "hot::refused", "hot::event"],
        doors: &["hot::strategy"], crates: EVM, bans: PURE },
    // A supply of nonces comes through `rt`.
    Room { at: "hot::bundle", may: &["types", "chain", "metrics", "protocols", "hot::state", "hot::refused",
        "hot::rt::inbox", "hot::opportunity", "hot::simulate::Proven", "hot::forecast::Forecast"], doors: &[], crates: SIGNER, bans: PURE },
    // A bundle onto a relay's socket, one that edge has dialled.
    Room { at: "hot::send", may: &["types", "hot::rt", "hot::bundle::SignedBundle"], doors: &[], crates: Only(&[
        "alloy_primitives", "httparse", "rand", "thiserror", "uuid"]), bans: PURE },
    // What a node says, read into nouns: before the pipeline, and without it.
    Room { at: "hot::decode", may: &["types"], doors: &[], crates: Only(&["alloy", "alloy_primitives", "revm", "serde",
        "serde_json", "thiserror"]), bans: PURE },
    // All of hot but the worker; of strategies the trait and the registry: it runs them, and knows none by name.
    Room { at: "hot::engine", may: STAGES, doors: &["hot::strategy"], crates: ENGINE, bans: PURE },
    // The loop of a pinned thread, above the engine. What it is given of edge and live comes as values, traits and sinks.
    Room { at: "hot::worker", may: STAGES, doors: &[], crates: WORKER, bans: PURE },
    // Siblings meet at their doors; ingest and submit not even there. `chain` dials through `rpc`, and names no other.
    Room { at: "edge", may: &["types", "chain", "metrics", "protocols", "hot", "edge", "rpc"], doors: &[], crates: Any, bans: EDGE },
    Room { at: "edge::chain", may: SEAM, doors: &["edge::rpc"], crates: Any, bans: EDGE },
    // An answer over a websocket has the forms that one over HTTP has: `rpc` reads both.
    Room { at: "edge::ingest", may: SEAM, doors: &["edge::chain", "edge::dial", "edge::record", "edge::rpc"], crates: Any, bans: EDGE },
    // `rpc` for the process's one TLS provider.
    Room { at: "edge::submit", may: SEAM, doors: &["edge::chain", "edge::dial", "edge::record", "edge::ledger", "edge::rpc"],
        crates: Any, bans: EDGE },
    // Runs the discovery that `protocols` describe, and blocks, on a machine of its own, off the hot threads: what a pool
    // is, and what a block changed, is found out by the same EVM that will prove on it.
    Room { at: "edge::bootstrap", may: BOOTSTRAP, doors: &["edge::*"], crates: Any, bans: &["eyre"] },
    // A journal says with what settings a run was made: they are nouns, beside the code that reads them.
    Room { at: "edge::record", may: &["types", "chain", "metrics", "protocols", "hot::event", "hot::refused", "hot::rt",
        "hot::bundle::config", "hot::forecast::config", "hot::search::config", "edge::disk"], doors: &[], crates: Any, bans: EDGE },
    // What happened to bundles is said in the ledger's own nouns. That a file is not written is said by all in one way: `disk`.
    Room { at: "edge::sink", may: &["types", "edge::disk", "edge::ledger"], doors: &[], crates: Any, bans: EDGE },
    Room { at: "edge::*", may: SEAM, doors: &["edge::*"], crates: Any, bans: EDGE },
    // Shown again as `edge::rpc`.
    Room { at: "rpc", may: &[], doors: &[], crates: Any, bans: EDGE },
    // What the searcher is tested against: of the searcher it knows nothing. A chain of its own may run on an EVM of its own.
    Room { at: "devnet", may: &["protocols", "rpc", "devnet"], doors: &[], crates: Any, bans: &["eyre"] },
    Room { at: "devnet::block_builder", may: &["rpc"], doors: &[], crates: Any, bans: EDGE },
    Room { at: "devnet::*", may: WORLD, doors: &["devnet::block_builder", "devnet"], crates: Any, bans: &["eyre"] },
    // Files in, report out. It cannot submit, because it cannot name what submits.
    Room { at: "replay", may: &["types", "chain", "metrics", "protocols", "hot", "config", "edge::record::format"], doors: &[],
        crates: Any, bans: REPLAY },
    Room { at: "config", may: &["types", "chain", "metrics", "protocols", "hot", "edge"], doors: &[], crates: Any, bans: CONFIG },
    Room { at: "live", may: &["types", "chain", "metrics", "protocols", "hot", "edge", "config", "devnet"], doors: &[],
        crates: Any, bans: &[] },
    Room { at: "cli", may: ALL, doors: &[], crates: Any, bans: SYNC },
    Room { at: "lib", may: ALL, doors: &[], crates: Any, bans: &[] },
    Room { at: "main", may: &["cli"], doors: &[], crates: Any, bans: &[] },
];

/// Rooms whose `mod.rs` denies clock, lock and sleep, and how.
const ARMED: &[&str] = &["types", "chain", "metrics", "protocols", "hot"];
const LINTS: &[&str] = &["disallowed_types", "disallowed_methods"];

/// What a member must not be built from, through whatever it names: package, and the packages that are closed to it.
const CLOSED: &[(&str, &[&str])] = &[("peregrine-protocols", &["tokio", "revm", "reqwest", "mio", "peregrine"])];

/// Files a folder may hold; its sub-folders do not count, since a room may have any number of plug-ins.
const FOLDER_FILES: usize = 12;
const FILE_LINES: usize = 600;
/// From `fn` to the closing brace; attributes and doc comments are free.
const FUNCTION_LINES: usize = 60;
const MAIN_LINES: usize = 19;
const NESTING: usize = 3;

#[test]
fn every_path_follows_an_arrow() {
    hold(arrows::check);
}

#[test]
fn imports_are_written_from_the_crate_one_module_a_line() {
    hold(imports::check);
}

#[test]
fn no_member_is_built_from_what_it_must_not_hold() {
    let broken = closure::check(include_str!("../Cargo.lock"));
    assert!(broken.is_empty(), "{} broken:\n\n{}\n", broken.len(), broken.join("\n\n"));
}

#[test]
fn folders_files_functions_and_nesting_stay_within_budget() {
    hold(budget::check);
}

#[test]
fn no_name_holds_a_word_that_was_retired() {
    hold(words::retired);
}

#[test]
fn outside_chain_nothing_knows_one_chain_from_another() {
    hold(words::chains);
}

#[test]
fn rooms_without_clock_and_lock_arm_their_lints() {
    hold(arrows::check_armed);
}

/// Runs a rule over every package and fails with everything it found at once.
#[track_caller]
fn hold(rule: fn(&[Source]) -> Vec<Violation>) {
    let sources = source::load();
    for root in ["src/lib.rs", "crates/devnet/src/lib.rs", "crates/protocols/src/lib.rs", "crates/rpc/src/lib.rs"] {
        assert!(sources.iter().any(|source| source.path == root), "{root} was not found");
    }
    let broken: Vec<String> = rule(&sources).iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{} broken:\n\n{}\n", broken.len(), broken.join("\n\n"));
}
