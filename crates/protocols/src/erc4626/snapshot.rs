//! A vault written down, for the journal: all of it, so that what is read back quotes and follows as it did.
//!
//! # Invariants
//! - What is read is held against the same bounds as what is discovered; a file makes no vault that a chain could not.

use serde::Deserialize;
use serde::Serialize;

use crate::erc4626::Pool;
use crate::erc4626::State;
use crate::erc4626::Terms;

/// The form on disk.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolSnapshot {
    terms: Terms,
    state: State,
}

impl From<Pool> for PoolSnapshot {
    fn from(pool: Pool) -> Self {
        Self { terms: pool.terms().clone(), state: pool.state() }
    }
}

impl TryFrom<PoolSnapshot> for Pool {
    type Error = String;

    fn try_from(written: PoolSnapshot) -> Result<Self, String> {
        let vault = written.terms.tokens[1];
        let pool = Self::new(written.terms, written.state);
        pool.ok_or_else(|| format!("{vault} is no vault: its tokens, slots or amounts cannot be"))
    }
}
