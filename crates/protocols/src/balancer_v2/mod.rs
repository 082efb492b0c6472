//! Balancer V2: pools that keep the product of their balances, each to the power of its weight. One vault holds the tokens of all pools,
//! and a contract of each pool's own reckons for it.
//!
//! A pool is recognised by what it does: the vault vouches for it, its weights are part of its code, and between every two of its
//! tokens it swaps as we count.
//!
//! - `log_exp`, `curve`: the arithmetic, exactly.
//! - `storage`: where balances, fee and pause are kept. `logs`: what changes them.
//! - `pool`: the state, and [`Amm`](crate::amm::Amm) over it. `snapshot`: the state, written down and read back.
//! - `discover`, and its `learn` and `rig`: is it a pool, where is its state, does its code swap so.
//! - `step`: how our contract swaps here, and how the vault lends to it. `abi`: selectors and topics.
//!
//! - `stable`: the arithmetic of stable pools, which nothing here swaps by yet.
//!
//! # Limits
//! - Pools of other kinds (stable, linear, managed, bootstrapping) are refused, with the reason.

mod abi;
mod curve;
mod discover;
mod log_exp;
mod logs;
mod pool;
mod snapshot;
pub mod stable;
mod step;
mod storage;

#[cfg(test)]
mod tests;

pub use curve::Powers;
pub use pool::Pool;
pub use pool::Terms;
pub use step::FLASH;
pub use storage::Balance;
pub use storage::Field;
pub use storage::Layout;
