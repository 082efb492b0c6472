//! Peregrine: a low-latency MEV searcher.

pub mod protocols;
pub mod types;
