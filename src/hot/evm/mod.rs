//! One EVM over state we hold ourselves: a slot that is not known is a miss, never a zero and never an RPC.

pub mod block;
pub mod code;
pub mod db;
pub mod deployed;
pub mod fork;
pub mod keccak;
pub mod machine;
pub mod own;
pub mod probe;
pub mod whatif;
