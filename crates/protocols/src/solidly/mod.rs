//! Solidly and its forks (Velodrome V2, Aerodrome): pools of two tokens on `x * y` (volatile) or on `x^3 * y + y^3 * x` (stable), each with
//! its own `Sync` log. The fee is a part of the input, rounded down, and leaves the pool with the swap; what it is the factory says.
//!
//! A fork is recognised by what its pools do, never by a list: [`Pool`] is made only of a contract whose own `swap` paid what was foretold,
//! and not one unit more.
//!
//! - `curve`: the pool's own check solved for the output and for the input, exactly. `quoter`: what `getAmountOut` answers, which may be
//!   less. `bound`: the same curves in floats, which only steer.
//! - `pool`: the state, and [`Amm`](crate::amm::Amm) over it. `snapshot`: written down.
//! - `discover`: is it a pool, where are its reserves, what does it charge, what does that hang on.
//! - `abi`: selectors and topics.
//!
//! # Limits
//! - Reserves and inputs of up to 128 bits; the contracts take more.
//! - The fee and the leave to swap are as they were when it was asked. The slots that its factory answered out of are sites of the pool:
//!   where one changes the pool is asked anew. A fee that hangs on who swaps or on the hour is seen as the probe saw it.

pub mod abi;
mod bound;
mod curve;
mod discover;
mod pool;
mod quoter;
mod snapshot;
#[cfg(test)]
mod tests;

pub use curve::Curve;
pub use curve::Fee;
pub use discover::Reason;
pub use pool::Pool;
pub use pool::Terms;
