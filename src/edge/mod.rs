//! Where tokio lives: what dials, waits, reconnects and writes to disk.

pub mod devnet;
pub mod rpc;
