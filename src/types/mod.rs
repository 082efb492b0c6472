//! Nouns and units. No I/O, no clock, nothing of the crate.

#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod amount;
pub mod buf;
pub mod decision;
pub mod id;
pub mod onetime;
pub mod pool_key;
pub mod secret;
pub mod update;
