//! Where tokio lives: what dials, waits, reconnects and writes to disk.

pub mod block_builder;
pub mod bootstrap;
pub mod chain;
pub mod devnet;
pub mod dial;
pub mod export;
pub mod host;
pub mod ingest;
pub mod ledger;
pub mod record;
pub mod rpc;
pub mod sink;
pub mod submit;
