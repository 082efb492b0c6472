//! Where tokio lives: what dials, waits, reconnects and writes to disk.

pub mod bootstrap;
pub mod chain;
pub mod descriptors;
pub mod dial;
pub mod disk;
pub mod export;
pub mod host;
pub mod ingest;
pub mod ledger;
pub mod record;
pub mod sink;
pub mod stderr;
pub mod submit;

pub use peregrine_rpc as rpc;
