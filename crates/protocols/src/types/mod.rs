//! Nouns that protocols speak in. No I/O, no clock, nothing of the crate.

pub mod amount;
pub mod pool_key;
