//! Lending markets as the engine follows them: positions by storage, prices by asking the oracles in the EVM, and what would
//! become of both behind a transaction that has not happened.
//!
//! [`markets`] is what is known, block by block, and laid over it. What is made of it is a strategy's.
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

pub mod markets;
