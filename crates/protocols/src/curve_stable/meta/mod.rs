//! Metapools: two coins, the second of which is the share of another pool, at that pool's price.
//!
//! A swap of one of the pool's own two coins for the other is any pool's, but for the rate. `exchange_underlying` goes further: it
//! puts a coin into the base pool or takes one out of it on the way.
//!
//! - `base`: a pool whose shares are counted: what one is worth, what a deposit makes, what a withdrawal in one coin pays.
//! - `backing`: where a share's price is kept, and what of it changes.
//! - `through`: a swap that goes through the base pool, as it is made and as it is estimated.

mod backing;
mod base;
#[cfg(test)]
mod tests;
mod through;

pub use backing::Backing;
pub use backing::Behind;
pub use base::Base;
pub use through::Metapool;
pub use through::Remembered;
pub use through::Through;

/// Places of the meta coin and of the share among a metapool's own two coins: its authors put the share second.
pub(super) const META: usize = 0;
pub(super) const SHARE: usize = 1;
