//! Peregrine: a low-latency MEV searcher. It backruns and liquidates; it never sandwiches or front-runs a user.
//!
//! # The map
//! ```text
//!  nodes ---> edge: ingest, bootstrap ---> live: dispatcher ==> hot: state > what-if > strategy > simulate > bundle
//!                                                                                                    |
//!  relays <--- edge: submit <--- edge: ledger <--- live: submission <-----------------------------------'
//!
//!  record --> replay --> hot: state > what-if > strategy > simulate --> report
//!
//!  imports (down only):  cli > live, replay, config > edge > hot > chain, metrics > types > protocols
//! ```
//! | room | what is decided there |
//! |---|---|
//! | [`types`] | units and dense ids |
//! | [`chain`] | what is true of one chain: ids, wrapped tokens, forks, fees, routers, factories |
//! | [`metrics`] | what is counted and timed, each with its name and its sentence; the hot rooms' one clock |
//! | [`protocols`] | a package of its own, `crates/protocols`. What a protocol is: state, exact quotes, logs, storage, discovery; and our executor's calldata |
//! | [`hot::state`] | which pools there are, and how they stand under a transaction that has not happened |
//! | [`hot::evm`] | what a transaction does, on state in which the unknown is a miss |
//! | [`hot::search`] | which cycles could pay, and the best input of each: `Candidate` |
//! | [`hot::lending`] | lending markets as they stand and as a price would leave them |
//! | [`hot::strategy`] | what looks for opportunities, a folder each, and the registry of them |
//! | [`hot::opportunity`] | what a strategy found, as every later stage reads it: `Opportunity` |
//! | [`hot::simulate`] | whether the EVM agrees, to the wei: `Proven` |
//! | [`hot::forecast`] | what a known router's calldata does to pools, by maths; the EVM confirms it behind |
//! | [`hot::engine`] | the pipeline on one screen: event in, outcome out; the chain's tip, and the way back |
//! | [`hot::bundle`] | what is bid, what is signed, and the last limits: `SignedBundle` |
//! | [`hot::worker`] | the loop of a hot thread: its inbox, its sockets, the last yes or no before a send |
//! | [`hot::rt`] | hot threads, their cores, their inboxes, their ways out |
//! | [`edge`] | what dials, waits and writes: the feed of nodes, state at a block, relays, the ledger |
//! | [`live`] | what runs where, and what it speaks to; what becomes of a bundle; the numbers of a run |
//! | [`replay`] | recorded blocks through that engine; is the record exact, and if not, where it breaks |
//! | [`config`], [`cli`] | settings, verbs |
//! | [`peregrine_devnet`] | a package of its own, `crates/devnet`. A local chain with its block builder, rivals and traffic: for `cli`, `live`, tests |
//!
//! The arrows are held by `tests/architecture.rs`; what a claim rests on is listed in the README.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod chain;
pub mod cli;
pub mod config;
pub mod edge;
pub mod hot;
pub mod live;
pub mod metrics;
pub mod replay;
pub mod types;

pub use peregrine_protocols as protocols;
