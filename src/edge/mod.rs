//! Where tokio lives: what dials, waits, reconnects and writes to disk.

pub mod builder;
pub mod ledger;
pub mod rpc;
