//! Peregrine: a low-latency MEV searcher. It backruns and liquidates; it never sandwiches or front-runs a user.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod cli;
pub mod config;
pub mod edge;
pub mod hot;
pub mod metrics;
pub mod protocols;
pub mod replay;
pub mod types;
