//! Pinned threads: no await, no lock, no sleep. Quotes, overlay, screen and sizing allocate nothing once warm
//! (`tests/no_alloc.rs`); running a transaction and proving a candidate do, as the EVM does.

#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod bundle;
pub mod decode;
pub mod engine;
pub mod event;
pub mod evm;
pub mod forecast;
pub mod lending;
pub mod opportunity;
pub mod refused;
pub mod rt;
pub mod search;
pub mod send;
pub mod simulate;
pub mod state;
pub mod strategy;
pub mod worker;
