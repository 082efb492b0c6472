//! Nouns and units; those that protocols speak in too are theirs. No I/O, no clock, nothing of the crate.

#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod buf;
pub mod decision;
pub mod gas;
pub mod id;
pub mod onetime;
pub mod secret;
pub mod text;
pub mod update;
pub mod wei_text;

pub use peregrine_protocols::types::amount;
pub use peregrine_protocols::types::pool_key;
