//! Pinned threads.

#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod search;
pub mod state;
