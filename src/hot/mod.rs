//! Pinned threads: no await, no lock, no sleep, no allocation once warm (the EVM apart, which has a stated budget).

#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod evm;
pub mod search;
pub mod state;
