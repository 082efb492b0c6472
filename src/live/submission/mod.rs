//! What becomes of a signed bundle: sent, followed to its block, settled.

pub mod inclusion;
pub mod mined;
pub mod send_gate;
pub mod sender;
