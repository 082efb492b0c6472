//! Peregrine: a low-latency MEV searcher.

pub mod hot;
pub mod protocols;
pub mod types;
