//! What the benches share: inputs, the allocator of the binary, and how long to look.
//!
//! Real blocks and pools come from the recorded mainnet folder and the recorded quotes, which lie outside the repository;
//! a bench without its input says `SKIPPED` and measures nothing.
#![allow(dead_code, reason = "each bench uses its own part")]

use std::time::Duration;

use criterion::Criterion;

pub mod block;
pub mod dice;
pub mod inputs;
pub mod v3;
pub mod world;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Short looks: the whole of `cargo bench` takes minutes, not a quarter of an hour.
pub fn criterion() -> Criterion {
    Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(400))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50)
        .configure_from_args()
}
