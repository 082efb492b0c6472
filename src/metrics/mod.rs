//! Numbers about ourselves. Writing one costs an addition; nothing here does I/O.

#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod count;
pub mod said;
pub mod span;
pub mod stage;
