//! Sans-IO knowledge of protocols: one folder a protocol, and THE registry of them.
//!
//! To add a DEX: its folder, a `pub mod`, a variant of [`AnyPool`] and a line in `each!`.

#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod amm;
pub mod discover;
pub mod executor;
pub mod math;
pub mod uniswap_v2;
pub mod uniswap_v3;
