//! StableSwap, Curve's pools of coins that are worth about the same: `exchange(int128, int128, uint256, uint256)`.
//!
//! Versions of the contract round in different places. Which one a pool is, and where it keeps its state, is found by asking it and by
//! trying it, never by a list.
//!
//! - `invariant`: `D` and `y`, in the contract's own steps. `swap`: what is paid for what, and what that leaves. `inverse`: the
//!   smallest input that pays so much. `bound`: the same curve in floats, which only steer.
//! - `meta`: pools one of whose coins is another pool's share, and swaps that go through that pool.
//! - `layout`: where the state is kept. `pool`: the state, and [`Amm`](crate::amm::Amm) over it. `snapshot`: written down.
//! - `discover`: is it a pool, where are its slots, which version is it.
//! - `abi`: selectors and topics.
//!
//! # Limits
//! - Two to four coins, whose rates do not move, but for the share of a base pool that is asked at each swap. `A` stands still. A
//!   metapool that remembers its base pool's price for a while, a coin whose rate another contract tells, and balances that another
//!   contract counts are refused. Where the fee grows, and through a base pool, no input is named for an output.
//! - Ether is swapped as the token that stands for it, where that is known; through a base pool it is not.
//! - Through a base pool a metapool's first coin is swapped, where deposits of that pool are of the known kind.

pub mod abi;
mod bound;
mod discover;
mod invariant;
mod inverse;
mod layout;
pub mod meta;
mod pool;
mod snapshot;
mod swap;
#[cfg(test)]
mod tests;

pub use discover::Reason;
pub use invariant::MOST_COINS;
pub use invariant::Product;
pub use layout::Layout;
pub use pool::Pool;
pub use swap::Exchanged;
pub use swap::Said;
pub use swap::Settle;
pub use swap::Standing;
pub use swap::State;
pub use swap::Terms;
pub use swap::WHOLE;
