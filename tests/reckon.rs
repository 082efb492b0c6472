//! A pending transaction resolved by maths stands where the EVM puts it, or is left to the EVM.

mod common;

#[path = "reckon/bench.rs"]
mod bench;
#[path = "reckon/calldata.rs"]
mod calldata;
#[path = "reckon/causes.rs"]
mod causes;
#[path = "reckon/devnet.rs"]
mod devnet;
#[path = "reckon/records.rs"]
mod records;
