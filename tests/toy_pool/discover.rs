//! Is it a pool of a bank, and does the bank keep it where we read it.

use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;

use crate::amm::Amm;
use crate::discover::Answer;
use crate::discover::Creation;
use crate::discover::Probe;
use crate::discover::Venue;
use crate::site::Slots;
use crate::site::StateSite;
use crate::toy_pool::Pool;
use crate::toy_pool::PoolMade;
use crate::toy_pool::VAULTCall;
use crate::toy_pool::countCall;
use crate::toy_pool::idsCall;
use crate::toy_pool::poolCall;
use crate::types::pool_key::PoolKey;

/// Pools of a bank that are asked for one by one. A contract that is no bank may answer the count of anything.
const LISTED: u64 = 10_000;

impl Venue for Pool {
    const PROTOCOL: &'static str = "toy_pool";

    const CREATION: Creation = Creation {
        topic: PoolMade::SIGNATURE_HASH,
        pool: |bank, topics, data| {
            let made = PoolMade::decode_raw_log(topics.iter().copied(), data).ok()?;
            Some(PoolKey { contract: bank, id: Some(made.id) })
        },
    };

    type Cache = ();

    fn keys(probe: &mut impl Probe, contract: Address) -> Vec<PoolKey> {
        if vault(&probe.call(contract, &VAULTCall {}.abi_encode())).is_none() {
            return Vec::new();
        }
        let count = probe.call(contract, &countCall {}.abi_encode()).word(0).unwrap_or_default();
        let mut id = |place| probe.call(contract, &idsCall { place: U256::from(place) }.abi_encode()).word(0);
        let key = |id| PoolKey { contract, id: Some(B256::from(id)) };
        (0..count.saturating_to::<u64>().min(LISTED)).map_while(|place| id(place).map(key)).collect()
    }

    fn discover(
        probe: &mut impl Probe,
        (): &mut (),
        key: PoolKey,
        _assume_empty: bool,
    ) -> Result<Option<Self>, String> {
        let (bank, Some(id)) = (key.contract, key.id) else { return Ok(None) };
        let Some(vault) = vault(&asked(probe, bank, &VAULTCall {}.abi_encode())?) else { return Ok(None) };
        let answer = asked(probe, bank, &poolCall { id }.abi_encode())?;
        let Some(Ok(said)) = answer.output.as_ref().map(|output| poolCall::abi_decode_returns(output)) else {
            return Ok(None);
        };
        if said.tokens.contains(&Address::ZERO) {
            return Ok(None);
        }
        if said.reserves.iter().any(U256::is_zero) {
            return Err("a reserve is zero".to_owned());
        }
        let pool = Self::new((bank, vault, id), said.tokens, said.fee, said.reserves);
        let pool = pool.ok_or_else(|| "a reserve or the fee is out of range".to_owned())?;
        if is_stored_so(probe, &pool, &answer) { Ok(Some(pool)) } else { Err("keeps its state elsewhere".to_owned()) }
    }
}

/// The slots that the pool names are those that its getter reads, and hold what it answers.
fn is_stored_so(probe: &mut impl Probe, pool: &Pool, answer: &Answer) -> bool {
    let mut again = Pool { fee: 0, reserves: [0; 3], ..pool.clone() };
    let holds = |StateSite { at, slots, .. }: StateSite| {
        let Slots::Listed(slots) = slots else { return false };
        let held: Vec<(U256, U256)> = slots.iter().filter_map(|slot| Some((*slot, probe.slot(at, *slot)?))).collect();
        let read = held.len() == slots.len() && slots.iter().all(|slot| answer.reads.contains(&(at, *slot)));
        read && again.apply_slots(at, &held).is_ok()
    };
    pool.sites().into_iter().all(holds) && again.state() == pool.state()
}

/// An answer, of which nothing that it needs is unknown.
fn asked(probe: &mut impl Probe, to: Address, data: &[u8]) -> Result<Answer, String> {
    let answer = probe.call(to, data);
    if answer.cold { Err("needs state that is not known".to_owned()) } else { Ok(answer) }
}

/// An address that is one.
fn vault(answer: &Answer) -> Option<Address> {
    let word = answer.word(0).filter(|_| answer.output.as_ref().is_some_and(|bytes| bytes.len() == 32))?;
    (!word.is_zero() && word >> 160 == U256::ZERO).then(|| Address::from_word(word.into()))
}
