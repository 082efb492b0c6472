//! Pinned threads: no await, no lock, no sleep, no allocation once warm (the EVM apart, which has a stated budget).

#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod build;
pub mod engine;
pub mod event;
pub mod evm;
pub mod refused;
pub mod search;
pub mod simulate;
pub mod state;
