//! What becomes of a signed bundle: sent, followed to its block, settled.

pub mod gate;
pub mod mined;
pub mod sender;
pub mod settle;
