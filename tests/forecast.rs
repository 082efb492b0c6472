//! A pending transaction resolved by maths stands where the EVM puts it, or is left to the EVM.

mod common;

#[path = "forecast/bench.rs"]
mod bench;
#[path = "forecast/calldata.rs"]
mod calldata;
#[path = "forecast/causes.rs"]
mod causes;
#[path = "forecast/devnet.rs"]
mod devnet;
#[path = "forecast/records.rs"]
mod records;
