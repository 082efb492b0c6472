//! Is it a weighted pool of a vault, where is its state kept, and does its own code swap as we count.
//!
//! # Invariants
//! - `Ok(None)`: no pool of a vault. `Err`: it is one and cannot be used now, or is of another kind, and why.
//! - A slot is the state's place only where another word in it makes the getters say what that word says.
//! - Between every two of its tokens the vault has been asked for swaps, told what goes in and told what comes out, on the balances that
//!   there are and on large ones: where a unit of the last decimal shows, and so how the pool takes powers.
//!
//! # Limits
//! - Weights that lie in storage (liquidity bootstrapping, managed pools) change with time or at somebody's will: refused.

mod learn;
mod rig;

use alloy::sol_types::{SolCall, SolEvent};
use alloy_primitives::{Address, B256, U256};

use crate::balancer_v2::abi;
use crate::balancer_v2::curve::Powers;
use crate::balancer_v2::pool::Pool;
use crate::balancer_v2::pool::Terms;
use crate::balancer_v2::pool::contract_of;
use crate::balancer_v2::storage::{Balance, Field};
use crate::discover::{Answer, Creation, Probe, Venue, asked};
use crate::types::pool_key::PoolKey;

impl Venue for Pool {
    const PROTOCOL: &'static str = "balancer_v2";

    const CREATION: Creation = Creation {
        topic: abi::PoolRegistered::SIGNATURE_HASH,
        pool: |vault, topics, data| {
            let made = abi::PoolRegistered::decode_raw_log(topics.iter().copied(), data).ok()?;
            Some(PoolKey { contract: vault, id: Some(made.poolId) })
        },
    };

    type Cache = ();

    /// The vault keeps no list, but a pool knows its vault and its id, and the id begins with the pool's own address.
    fn keys(probe: &mut impl Probe, contract: Address) -> Vec<PoolKey> {
        let id = probe.call(contract, &abi::getPoolIdCall {}.abi_encode()).word(0).map(B256::from);
        let Some(id) = id.filter(|id| contract_of(*id) == contract) else { return Vec::new() };
        let vault = address(&probe.call(contract, &abi::getVaultCall {}.abi_encode()));
        vault.map(|contract| PoolKey { contract, id: Some(id) }).into_iter().collect()
    }

    /// All of a pool's state is known or it is none.
    fn discover(
        probe: &mut impl Probe,
        (): &mut (),
        key: PoolKey,
        _assume_empty: bool,
    ) -> Result<Option<Self>, String> {
        let (vault, Some(id)) = (key.contract, key.id) else { return Ok(None) };
        if probe.code_hash(vault).is_none() {
            return Ok(None);
        }
        // Another venue's id begins with no contract: nothing is looked for there before the vault has vouched for it.
        let contract = contract_of(id);
        let said = asked(probe, vault, &abi::getPoolCall { poolId: id }.abi_encode())?;
        if address(&said) != Some(contract) {
            return Ok(None);
        }
        let weights = weights(probe, contract)?;
        let answer = asked(probe, vault, &abi::getPoolTokensCall { poolId: id }.abi_encode())?;
        let said = abi::getPoolTokensCall::abi_decode_returns(answer.output.as_deref().unwrap_or_default());
        let tokens = said.map_err(|_| "the vault does not say what it has")?.tokens;
        let (layout, held) = learn::balances(probe, (vault, id), &tokens, &answer)?;
        if held.iter().any(|held| held.total() == 0) {
            return Err("a balance is zero".to_owned());
        }
        let (fee, charged) = fee(probe, contract)?;
        let pauses = [pause(probe, contract)?, pause(probe, vault)?];
        let terms = Terms { vault, id, tokens, weights, powers: Powers::General, layout, fee, pauses };
        rig::swaps_as_counted(probe, terms, held, charged).map(Some)
    }
}

/// An address that is one.
fn address(answer: &Answer) -> Option<Address> {
    let word = answer.word(0).filter(|word| !word.is_zero() && word.bit_len() <= 160)?;
    Some(Address::from_word(word.into()))
}

/// Weights that are part of the pool's code.
fn weights(probe: &mut impl Probe, contract: Address) -> Result<Vec<u64>, String> {
    let answer = asked(probe, contract, &abi::getNormalizedWeightsCall {}.abi_encode())?;
    let said = answer.output.as_ref().map(|output| abi::getNormalizedWeightsCall::abi_decode_returns(output));
    let Some(Ok(weights)) = said else { return Err("a pool of the vault, but not a weighted one".to_owned()) };
    if !answer.reads.is_empty() {
        return Err("its weights lie in storage, where they can change".to_owned());
    }
    let narrow =
        weights.into_iter().map(|weight| u64::try_from(weight).map_err(|_| "a weight is more than one".to_owned()));
    narrow.collect()
}

/// Where the pool keeps its fee, and what it is.
fn fee(probe: &mut impl Probe, contract: Address) -> Result<(Field, U256), String> {
    let data = abi::getSwapFeePercentageCall {}.abi_encode();
    let answer = asked(probe, contract, &data)?;
    let charged = answer.word(0).ok_or("does not say its fee")?;
    let field = learn::field(probe, contract, &data, &answer).ok_or("keeps its fee elsewhere")?;
    Ok((field, charged))
}

/// Where a contract keeps whether it is paused. `None`: it cannot be, or not any longer, and then it does not look.
fn pause(probe: &mut impl Probe, contract: Address) -> Result<Option<Field>, String> {
    let data = abi::getPausedStateCall {}.abi_encode();
    let answer = asked(probe, contract, &data)?;
    if answer.output.is_some() && answer.word(0) != Some(U256::ZERO) {
        return Err("it is paused, or its vault is".to_owned());
    }
    if answer.output.is_none() || answer.reads.is_empty() {
        return Ok(None);
    }
    learn::flag(probe, contract, &data, &answer).map(Some).ok_or_else(|| "keeps its pause elsewhere".to_owned())
}

/// A balance as the vault's getter says it.
pub(super) fn balance_said(answer: &Answer) -> Option<(Balance, u32)> {
    let amount = |index| u128::try_from(answer.word(index)?).ok();
    let balance = Balance::new(amount(0)?, amount(1)?)?;
    Some((balance, u32::try_from(answer.word(2)?).ok()?))
}
