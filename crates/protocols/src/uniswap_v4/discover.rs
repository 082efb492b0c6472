//! Which pool of a manager is it, and can it be used.
//!
//! # Invariants
//! - The manager stores no terms: they are those of the log that announced the pool, and believed only where they hash to its id.
//! - The manager's own getter reads where we read: a contract that keeps its pools elsewhere is none of this protocol.
//!
//! # Limits
//! A pool whose announcement is not known is not found, whatever its state.

use crate::discover::{Announcement, Creation, Probe, Venue, asked};
use crate::types::pool_key::PoolKey;
use crate::uniswap_v4::Pool;
use crate::uniswap_v4::Unfit;
use crate::uniswap_v4::key;
use crate::uniswap_v4::key::Initialized;
use crate::uniswap_v4::logs::manager;
use crate::uniswap_v4::storage::Home;
use alloy::sol_types::{SolCall, SolEvent};
use alloy_primitives::Address;
use alloy_primitives::B256;

mod getter {
    alloy::sol! {
        function extsload(bytes32 slot) external view returns (bytes32);
    }
}

impl Venue for Pool {
    const PROTOCOL: &'static str = "uniswap_v4";

    const CREATION: Creation = Creation {
        topic: manager::Initialize::SIGNATURE_HASH,
        pool: |manager, topics, data| {
            let made = key::initialized(topics, data)?;
            Some(PoolKey { contract: manager, id: Some(made.id) })
        },
    };

    type Cache = ();

    fn keys(probe: &mut impl Probe, contract: Address) -> Vec<PoolKey> {
        let named = |key: &PoolKey| probe.announcement(*key).and_then(|said| terms(*key, &said)).is_some();
        probe.announced(contract).into_iter().filter(named).collect()
    }

    fn discover(probe: &mut impl Probe, (): &mut (), key: PoolKey, assume_empty: bool) -> Result<Option<Self>, String> {
        let said = probe.announcement(key);
        let Some(made) = said.and_then(|said| terms(key, &said)) else { return Ok(None) };
        let manager = key.contract;
        if probe.code_hash(manager).is_none() {
            return Ok(None);
        }
        let slot0 = Home::of(made.id).slot0();
        let answer = asked(probe, manager, &getter::extsloadCall { slot: B256::from(slot0) }.abi_encode())?;
        let Some(word) = answer.word(0).filter(|_| answer.reads.contains(&(manager, slot0))) else { return Ok(None) };
        if word.is_zero() {
            return Err("it is not initialised".to_owned());
        }
        let ether = probe.wrapped_native();
        let loaded = Self::load(manager, made.key, ether, |slot| probe.slot(manager, slot));
        let mut pool = loaded.map_err(|unfit: Unfit| unfit.to_string())?;
        pool.assume_empty = assume_empty;
        Ok(Some(pool))
    }
}

/// What a log said of the pool that this key names.
fn terms(key: PoolKey, said: &Announcement) -> Option<Initialized> {
    key::initialized(&said.topics, &said.data).filter(|made| Some(made.id) == key.id)
}
