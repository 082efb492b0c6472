//! Lending markets as the engine follows them: positions by storage, prices by asking the oracles in the EVM, and what would
//! become of both behind a transaction that has not happened.
//!
//! - [`markets`]: what is known, block by block, and laid over it. `route`: ways to sell what is seized. `choice`: the best
//!   liquidation of a position.
//!
//! # Invariants
//! - A market stands behind the same block as the engine's state. What a pending transaction changes is laid over it and taken
//!   off again: [`markets::Markets::apply_overlay`], [`markets::Markets::revert`].
//! - Prices are the oracles' own answers in the block that is being built, whatever stands behind them: aggregators,
//!   adapters, pools. A slot that one of them reads tells when it has to be asked again.
//!
//! # Limits
//! - It allocates: this is not the path of a swap. Nothing of it is reached without `[[lending]]`, and behind a pending
//!   transaction that moves no price and no position it costs a lookup for each account changed.

mod choice;
pub mod markets;
mod route;

pub use choice::Leg;
pub use choice::Liquidation;
pub use choice::best;
pub use choice::prewarm;
pub use choice::sized;
pub use route::Route;
