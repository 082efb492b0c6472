//! What the hot rooms know of the chain.

pub mod margins;
pub mod pools;
pub mod sites;
pub mod view;
