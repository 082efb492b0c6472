//! Peregrine: a low-latency MEV searcher. It backruns and liquidates; it never sandwiches or front-runs a user.
//!
//! # The map
//! ```text
//!  record --> replay --> hot: state > what-if > search > simulate --> report
//!
//!  imports (down only):  cli > replay, config > edge > hot > protocols, metrics > types
//! ```
//! | room | what is decided there |
//! |---|---|
//! | [`types`] | units and dense ids |
//! | [`metrics`] | the stage timer: the hot rooms' one clock |
//! | [`protocols`] | what a protocol is: state, exact quotes, logs, storage, discovery; and our executor's calldata |
//! | [`hot::state`] | which pools there are, and how they stand under a transaction that has not happened |
//! | [`hot::evm`] | what a transaction does, on state in which the unknown is a miss |
//! | [`hot::search`] | which cycles could pay, and the best input of each: `Candidate` |
//! | [`hot::simulate`] | whether the EVM agrees, to the wei: `Proven` |
//! | [`hot::engine`] | the pipeline on one screen: event in, outcome out |
//! | [`hot::build`] | what is bid, what is signed, and the last limits: `SignedBundle` |
//! | [`edge`] | what dials, waits and writes: the feed of nodes, relays, the ledger, a local chain with its block builder |
//! | [`replay`] | recorded blocks through that engine; is the record exact, and if not, where it breaks |
//! | [`config`], [`cli`] | settings, verbs |
//!
//! `hot::build` and `edge` are the rooms of the live path. They stand and are tested; no verb runs them yet.
//!
//! The arrows are held by `tests/architecture.rs`; what a claim rests on is listed in the README.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod cli;
pub mod config;
pub mod edge;
pub mod hot;
pub mod live;
pub mod metrics;
pub mod protocols;
pub mod replay;
pub mod types;
