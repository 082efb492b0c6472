//! A pool written down, for the journal: all of it, so that what is read back quotes and follows as it did.
//!
//! # Invariants
//! - What is read is held against the same bounds as what is discovered; a file makes no pool that a chain could not.

use serde::Deserialize;
use serde::Serialize;

use crate::solidly::pool::Pool;
use crate::solidly::pool::Terms;

/// The form on disk.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolSnapshot {
    terms: Terms,
    reserves: [u128; 2],
}

impl From<Pool> for PoolSnapshot {
    fn from(pool: Pool) -> Self {
        Self { terms: pool.terms().clone(), reserves: pool.state() }
    }
}

impl TryFrom<PoolSnapshot> for Pool {
    type Error = String;

    fn try_from(kept: PoolSnapshot) -> Result<Self, String> {
        let address = kept.terms.address;
        let pool = Self::new(kept.terms, kept.reserves);
        pool.ok_or_else(|| format!("{address} is no solidly pool: its tokens, slots or units cannot be"))
    }
}
