//! Uniswap V2 and its forks: constant product, fee on the input, two tokens, one `Sync` log per change.
//!
//! A fork is recognised by what its pairs do, never by a list: [`discover`] finds where the reserves are kept and what
//! the fee is by executing the pair's own code.
//!
//! - `curve`: the pair's K check solved for the output and for the input, exactly.
//! - `layout`: where a pair keeps its reserves.
//! - `pool`: the state, and [`Amm`](crate::amm::Amm) over it.
//! - `kept`: the state, written down and read back.
//! - `discover`, `rig`, `infer`: is it a pair, how to execute its swap, what does it charge.
//! - `abi`: selectors and topics.

pub mod abi;
mod curve;
mod discover;
mod infer;
mod layout;
mod pool;
mod rig;
mod snapshot;

pub use curve::Fee;
pub use curve::MAX_RESERVE;
pub use discover::Reason;
pub use discover::discover;
pub use infer::FeeCache;
pub use layout::Layout;
pub use pool::Pool;
