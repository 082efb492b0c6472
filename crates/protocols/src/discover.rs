//! How a protocol recognises its pools. Discovery asks through [`Probe`] and never knows what answers: an EVM over a
//! record in replay, a node when live.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde::{Deserialize, Serialize};

use crate::amm::Amm;
use crate::types::pool_key::PoolKey;

/// One call's answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// What the call returned. `None` when it reverted, halted, or read a slot that is not known.
    pub output: Option<Vec<u8>>,
    /// It read a slot or an account that is not known (strict calls end there; the slot is the last of `reads`).
    pub cold: bool,
    /// Storage slots read, in order, without duplicates.
    pub reads: Vec<(Address, U256)>,
    /// Gas that it took, where that is known.
    pub gas: u64,
}

impl Answer {
    /// The `index`th 32-byte word of the output.
    #[must_use]
    pub fn word(&self, index: usize) -> Option<U256> {
        let bytes = self.output.as_ref()?.get(index * 32..index * 32 + 32)?;
        Some(U256::from_be_slice(bytes))
    }
}

/// Runtime code of a token that does nothing but what a token should: `balanceOf`, `transfer` and, without asking for an
/// allowance, `transferFrom`; an owner's balance in the slot numbered as his address. Istanbul's opcodes alone.
pub const PLAIN_TOKEN: [u8; 103] = hex!(
    "60003560e01c" // selector
    "8063a9059cbb14602557" // transfer: jump
    "6323b872dd14604457" // transferFrom: jump
    "60043554" "60005260206000f3" // balanceOf, or anything else: return the slot of the first argument
    "5b"
    "602435" "335403" "3355" // the sender's balance less the amount
    "602435" "60043554" "01" "60043555" // the receiver's balance and the amount
    "600160005260206000f3" // true
    "5b"
    "604435" "60043554" "03" "60043555" // the owner's balance less the amount
    "604435" "60243554" "01" "60243555" // the receiver's balance and the amount
    "600160005260206000f3" // true
);

/// The slot in which [`PLAIN_TOKEN`] keeps a balance.
#[must_use]
pub fn plain_balance_slot(owner: Address) -> U256 {
    U256::from_be_slice(owner.as_slice())
}

/// How a factory says that it has made a pool.
#[derive(Clone, Copy, Debug)]
pub struct Creation {
    /// The log's signature.
    pub topic: B256,
    /// The pool that a log of this signature names: the contract that says it, topics, data.
    pub pool: fn(Address, &[B256], &[u8]) -> Option<PoolKey>,
}

/// What a log said by which a pool was announced that is one of many at a contract: the contract may not tell its terms.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Announcement {
    /// The signature, and what else is indexed.
    pub topics: Vec<B256>,
    /// The rest.
    pub data: Bytes,
}

/// A pool as a row of configuration describes it, of whatever contract.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// Its tokens, by their places.
    pub tokens: Vec<Address>,
    /// The function that says what an amount pays.
    pub quote: String,
    /// The one that swaps.
    pub swap: String,
    /// The same from the second token to the first, where the functions do not say which token goes in; without, that way is closed.
    pub quote_back: Option<String>,
    /// See there.
    pub swap_back: Option<String>,
    /// Who says what an amount pays. Without: the contract.
    pub quoter: Option<Address>,
    /// How it names ether. Without: it takes the token that stands for ether.
    pub ether: Option<Address>,
}

/// What is known of a chain's venues and lies in no contract's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// The token that stands for ether.
    pub wrapped_native: Option<Address>,
    /// The logs by which pools were announced.
    pub pools: BTreeMap<PoolKey, Announcement>,
    /// Pools that the configuration describes.
    pub described: BTreeMap<PoolKey, Described>,
}

impl Announced {
    /// The pools of a contract.
    #[must_use]
    pub fn of(&self, contract: Address) -> Vec<PoolKey> {
        let least = PoolKey::from(contract);
        let pools = self.pools.range(least..).map(|(key, _)| *key);
        pools.take_while(|key| key.contract == contract).collect()
    }
}

/// A question to a pool's contract whose answer follows from the pool's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The calldata.
    pub data: Vec<u8>,
    /// Words of the answer, by position, and what they are if the state is right.
    pub due: Vec<(usize, U256)>,
}

/// What discovery may ask.
pub trait Probe {
    /// Read-only call; a slot that is not known ends it.
    fn call(&mut self, to: Address, data: &[u8]) -> Answer;

    /// Call with storage overrides and a sender; slots that are not known count as zero. Nothing is kept.
    fn call_with(&mut self, from: Address, to: Address, data: &[u8], overrides: &[(Address, U256, U256)]) -> Answer;

    /// As [`Probe::call_with`], with each of `tokens` replaced by an empty [`PLAIN_TOKEN`]: so a pool shows what it does
    /// itself, whatever its tokens do.
    fn call_staged(
        &mut self,
        from: Address,
        to: Address,
        data: &[u8],
        overrides: &[(Address, U256, U256)],
        tokens: &[Address],
    ) -> Answer;

    /// As [`Probe::call_staged`], with so much ether; caller and callee have plenty of it. Of a probe that has none to give: no answer.
    fn call_paying(
        &mut self,
        _from: Address,
        _to: Address,
        _data: &[u8],
        _overrides: &[(Address, U256, U256)],
        _tokens: &[Address],
        _value: U256,
    ) -> Answer {
        Answer::default()
    }

    /// As [`Probe::call_with`], in a block so many seconds later. Of a probe without a clock: now.
    fn call_later(
        &mut self,
        from: Address,
        to: Address,
        data: &[u8],
        overrides: &[(Address, U256, U256)],
        _seconds: u64,
    ) -> Answer {
        self.call_with(from, to, data, overrides)
    }

    /// A storage slot's value, `None` when not known.
    fn slot(&mut self, at: Address, slot: U256) -> Option<U256>;

    /// Contracts that are known, for whoever looks for what a pool does not list. None where anything can be asked for.
    fn contracts(&self) -> Vec<Address> {
        Vec::new()
    }

    /// The token that stands for ether on this chain, where that is known.
    fn wrapped_native(&self) -> Option<Address> {
        None
    }

    /// What the log said by which a pool was announced, where that is known.
    fn announcement(&self, _key: PoolKey) -> Option<Announcement> {
        None
    }

    /// How the configuration describes a pool, where it does.
    fn described(&self, _key: PoolKey) -> Option<Described> {
        None
    }

    /// The pools of a contract whose announcements are known.
    fn announced(&self, _contract: Address) -> Vec<PoolKey> {
        Vec::new()
    }

    /// Something that was asked for so far is not known.
    fn has_missed(&self) -> bool {
        false
    }

    /// Hash of a contract's code, for caches. `None` without code.
    fn code_hash(&mut self, at: Address) -> Option<B256>;
}

/// An answer, if all that it needs is known.
///
/// # Errors
/// What it needs that is not known: it is fetched, and asked again.
pub fn asked(probe: &mut impl Probe, to: Address, data: &[u8]) -> Result<Answer, String> {
    let answer = probe.call(to, data);
    match answer.reads.last() {
        Some((at, slot)) if answer.cold => Err(format!("needs slot {slot:?} of {at}, which is not known")),
        _ if answer.cold => Err("needs an account that is not known".to_owned()),
        _ => Ok(answer),
    }
}

/// What a getter answers out of a slot of its own contract, and which: another value there is another answer. `nobody` asks.
///
/// # Errors
/// See [`asked`]; or it answers nothing, or out of something else.
pub fn stored(probe: &mut impl Probe, nobody: Address, at: Address, data: &[u8]) -> Result<(U256, U256), String> {
    let answer = asked(probe, at, data)?;
    let value = answer.word(0).ok_or("a getter does not answer")?;
    let slot = answer.reads.last().map(|(_, slot)| *slot).unwrap_or_default();
    let other = value.wrapping_add(U256::ONE);
    let again = probe.call_with(nobody, at, data, &[(at, slot, other)]);
    if again.word(0) == Some(other) { Ok((value, slot)) } else { Err("keeps its state elsewhere".to_owned()) }
}

/// A protocol whose pools can be found: what its pool type must say besides what a pool does.
pub trait Venue: Amm + Sized {
    /// Name in output, config and metrics.
    const PROTOCOL: &'static str;

    /// How its factories say that they have made a pool.
    const CREATION: Creation;

    /// Other signatures that [`Self::CREATION`] reads a pool out of: forks say more of what they make, or other things.
    const OTHER_CREATIONS: &'static [B256] = &[];

    /// What is learnt of codes and storage layouts while asking, and serves the next question too.
    type Cache: Default;

    /// The keys of pools that a contract leads to, as far as it tells: those that it holds and lists, or the one that another contract
    /// holds and it reckons for. For whoever has the state and none of the logs by which they were announced. None where the contract
    /// is its pool, whose key is its address.
    fn keys(_probe: &mut impl Probe, _contract: Address) -> Vec<PoolKey> {
        Vec::new()
    }

    /// Asks for a pool of this protocol by its key: without an id, whether the contract is one. `assume_empty`: parts of the state
    /// that are not known are taken as empty, as an EVM that assumes empty slots would take them.
    ///
    /// # Errors
    /// It is a pool, or looks like one, and cannot be used: why.
    fn discover(
        probe: &mut impl Probe,
        cache: &mut Self::Cache,
        key: PoolKey,
        assume_empty: bool,
    ) -> Result<Option<Self>, String>;
}
