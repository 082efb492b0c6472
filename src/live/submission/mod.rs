//! What becomes of a signed bundle: sent, followed to its block, settled.

pub mod inclusion;
pub mod lease;
pub mod mined;
pub mod realised;
pub mod resting;
pub mod sender;
pub mod unread;
pub mod warm;
