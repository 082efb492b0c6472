//! A pair written down, for the journal: all of it, so that what is read back quotes and follows as it did.
//!
//! # Invariants
//! - What is read is held against the same bounds as what is discovered; a file makes no pair that a chain could not.

use alloy_primitives::Address;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::Amm;
use crate::uniswap_v2::curve::Fee;
use crate::uniswap_v2::layout::Layout;
use crate::uniswap_v2::pool::Pool;

/// The form on disk.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolSnapshot {
    address: Address,
    tokens: [Address; 2],
    /// Parts kept and parts in the whole, by the token that goes in.
    fees: [(u32, u32); 2],
    layout: Layout,
    reserves: [u128; 2],
}

impl From<Pool> for PoolSnapshot {
    fn from(pool: Pool) -> Self {
        let tokens = [pool.tokens()[0], pool.tokens()[1]];
        let fees = pool.fees().map(|fee| (fee.num(), fee.den()));
        Self { address: pool.address(), tokens, fees, layout: pool.layout(), reserves: pool.state() }
    }
}

impl TryFrom<PoolSnapshot> for Pool {
    type Error = String;

    fn try_from(kept: PoolSnapshot) -> Result<Self, String> {
        let fee = |(num, den)| Fee::new(num, den);
        let [a, b] = kept.fees.map(fee);
        let pool = a.zip(b).and_then(|(a, b)| Self::new(kept.address, kept.tokens, [a, b], kept.layout, kept.reserves));
        pool.ok_or_else(|| format!("{} is no uniswap_v2 pair: its tokens, fees or reserves cannot be", kept.address))
    }
}
