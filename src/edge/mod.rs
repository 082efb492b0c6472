//! Where tokio lives: what dials, waits, reconnects and writes to disk.

pub mod rpc;
pub mod submit;
