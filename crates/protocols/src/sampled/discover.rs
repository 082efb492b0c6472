//! A pool out of a row of configuration, or out of what is known of its contract.
//!
//! # Invariants
//! - `Ok(None)`: no row describes it, and it is of no known kind. `Err`: a row does, and it cannot be used, and why.

use alloy::sol;
use alloy::sol_types::SolEvent;
use std::sync::Arc;

use crate::amm::Amm;
use crate::discover::{Creation, Probe, Venue};
use crate::sampled::known;
use crate::sampled::{Answers, Pool, Terms};
use crate::types::pool_key::PoolKey;

sol! {
    /// Mooniswap's factory.
    event Deployed(address indexed mooniswap, address indexed token1, address indexed token2);
}

impl Venue for Pool {
    const PROTOCOL: &'static str = "sampled";

    const CREATION: Creation = Creation {
        topic: Deployed::SIGNATURE_HASH,
        pool: |_, topics, data| {
            let log = Deployed::decode_raw_log(topics.iter().copied(), data).ok()?;
            Some(log.mooniswap.into())
        },
    };

    type Cache = ();

    fn discover(
        probe: &mut impl Probe,
        (): &mut (),
        key: PoolKey,
        _assume_empty: bool,
    ) -> Result<Option<Self>, String> {
        if probe.code_hash(key.contract).is_none() {
            return Ok(None);
        }
        let row = match probe.described(key) {
            Some(row) => row,
            None if key.id.is_some() => return Ok(None),
            None => match known::described(probe, key.contract)? {
                Some(row) => row,
                None => return Ok(None),
            },
        };
        let terms = Terms::new(key, &row, probe.wrapped_native())?;
        let mut pool = Self { fixed: Arc::new(terms), answers: Arc::new(Answers::default()), stale: true, seen: 0 };
        pool.sample(probe)?;
        Ok(Some(pool))
    }
}

/// The pool as one that is asked, where another protocol knows it and cannot use it.
///
/// # Errors
/// Why: of a row what is wrong with it, else the other protocol's reason.
pub fn instead(probe: &mut impl Probe, key: PoolKey, reason: String) -> Result<Pool, String> {
    let is_row = probe.described(key).is_some();
    // It may be usable once more is known.
    if probe.has_missed() && !is_row {
        return Err(reason);
    }
    match Pool::discover(probe, &mut (), key, false) {
        Ok(Some(pool)) => Ok(pool),
        Err(own) if is_row => Err(own),
        Ok(None) | Err(_) => Err(reason),
    }
}
