//! Is it a pool, where does it keep its reserves, what does it charge and what does that hang on.
//!
//! `trial`: its own `swap` on staged reserves, between plain tokens.
//!
//! # Invariants
//! - `Ok(None)`: no pool of this family. `Err`: one that cannot be used now, and why. `Ok(Some)`: its slots were written and followed, its
//!   own code paid what was foretold, and not one unit more, and all that the swap reads is known.
//! - Nothing is taken from a list of factories. What is taken from the code's hash alone is that fewer amounts do, and that code which
//!   has no `stable()`, whatever it holds, is none of this family's.

mod trial;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::address;
use alloy_primitives::map::B256Map;
use alloy_primitives::map::B256Set;

use crate::discover::Answer;
use crate::discover::Creation;
use crate::discover::Probe;
use crate::discover::Venue;
use crate::solidly::abi;
use crate::solidly::curve::Curve;
use crate::solidly::discover::trial::Trial;
use crate::solidly::pool::Pool;
use crate::solidly::pool::Terms;
use crate::solidly::pool::narrow;
use crate::types::pool_key::PoolKey;

/// Who calls, and who receives: an address nobody has. A contract could not be the sender (EIP-3607).
const NOBODY: Address = address!("0x7065726567726e6500000000000000000000501d");

/// Why what looks like a pool is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// It needs an account or a slot that is not known. Fetch it and ask again.
    #[error("needs slot {slot:?} of {at}, which is not known")]
    Cold {
        /// The contract.
        at: Address,
        /// The slot; `None` when the account itself is missing.
        slot: Option<U256>,
    },
    /// A reserve is zero.
    #[error("a reserve is zero")]
    Empty,
    /// A reserve does not fit 128 bits.
    #[error("a reserve is past 128 bits")]
    Range,
    /// A getter answers what no slot of the pool follows, or nothing.
    #[error("keeps its {0} where it is not understood")]
    Unread(&'static str),
    /// Its swap pays otherwise with any fee that its factory names, or not at all: paused, or another curve.
    #[error("pays by no curve of this family with a fee that its factory names")]
    Formula,
}

impl Venue for Pool {
    const PROTOCOL: &'static str = "solidly";

    const CREATION: Creation = Creation {
        topic: abi::PoolCreated::SIGNATURE_HASH,
        pool: |_factory, topics, data| {
            let topics = topics.iter().copied();
            let created = abi::PoolCreated::decode_raw_log(topics.clone(), data).map(|created| created.pool);
            created
                .or_else(|_| abi::PairCreated::decode_raw_log(topics, data).map(|made| made.pair))
                .ok()
                .map(PoolKey::from)
        },
    };

    const OTHER_CREATIONS: &'static [B256] = &[abi::PairCreated::SIGNATURE_HASH];

    type Cache = Codes;

    /// All of a pool's state is known or it is none.
    fn discover(
        probe: &mut impl Probe,
        codes: &mut Codes,
        key: PoolKey,
        _assume_empty: bool,
    ) -> Result<Option<Self>, String> {
        if key.id.is_some() {
            return Ok(None);
        }
        discover(probe, codes, key.contract).map_err(|reason| reason.to_string())
    }
}

/// What is learnt of codes.
#[derive(Debug, Default)]
pub struct Codes {
    /// Of volatile and of stable pools: those that were tried at all amounts.
    tried: B256Map<[bool; 2]>,
    /// Those that are none of this family's, whatever they hold: pairs of Uniswap's are asked by the hundred thousand.
    others: B256Set,
}

/// What a pool's getters tell.
#[derive(Clone, Copy, Debug)]
struct Found {
    pool: Address,
    factory: Address,
    tokens: [Address; 2],
    curve: Curve,
    reserves: [u128; 2],
    slots: [U256; 2],
}

fn discover(probe: &mut dyn Probe, codes: &mut Codes, pool: Address) -> Result<Option<Pool>, Reason> {
    let Some(code) = probe.code_hash(pool).filter(|code| !codes.others.contains(code)) else { return Ok(None) };
    // What tells it from a pair of Uniswap's.
    let stable = probe.call(pool, &abi::stableCall {}.abi_encode());
    if stable.output.is_none() && !stable.cold && stable.reads.is_empty() {
        codes.others.insert(code);
        return Ok(None);
    }
    let Some(found) = Found::of(probe, pool, stable)? else { return Ok(None) };
    let Found { tokens, curve, reserves, slots, .. } = found;
    let kind = usize::from(curve != Curve::Volatile);
    let is_tried = codes.tried.get(&code).is_some_and(|kinds| kinds[kind]);
    let mut trial = Trial::new(probe, found);
    let (fee, terms) = trial.terms(is_tried)?;
    let quoter = trial.is_quoter(fee)?;
    codes.tried.entry(code).or_default()[kind] = true;
    let terms = Terms { address: pool, tokens, curve, fee, slots, terms, quoter };
    Pool::new(terms, reserves).map(Some).ok_or(Reason::Unread("tokens"))
}

/// A call whose answer hangs on nothing that is not known. `None`: it reverts.
fn ask(probe: &mut dyn Probe, to: Address, data: &[u8]) -> Result<Option<Answer>, Reason> {
    certain(to, probe.call(to, data))
}

/// The answer, if it hangs on nothing that is not known. `None`: it reverts.
fn certain(to: Address, answer: Answer) -> Result<Option<Answer>, Reason> {
    if answer.cold {
        let slot = answer.reads.last();
        return Err(
            slot.map_or(Reason::Cold { at: to, slot: None }, |(at, slot)| Reason::Cold { at: *at, slot: Some(*slot) })
        );
    }
    Ok(answer.output.is_some().then_some(answer))
}

/// The answer, if it is one word.
fn ask_word(probe: &mut dyn Probe, to: Address, data: &[u8]) -> Result<Option<U256>, Reason> {
    Ok(ask(probe, to, data)?.as_ref().and_then(only_word))
}

fn only_word(answer: &Answer) -> Option<U256> {
    answer.word(0).filter(|_| answer.output.as_ref().is_some_and(|bytes| bytes.len() == 32))
}

fn ask_address(probe: &mut dyn Probe, to: Address, data: &[u8]) -> Result<Option<Address>, Reason> {
    let word = ask_word(probe, to, data)?.filter(|word| !word.is_zero() && word.bit_len() <= 160);
    Ok(word.map(|word| Address::from_word(B256::from(word))))
}

impl Found {
    /// `None`: no pool of this family. `stable`: what it answers to that.
    fn of(probe: &mut dyn Probe, pool: Address, stable: Answer) -> Result<Option<Self>, Reason> {
        let Some(token0) = ask_address(probe, pool, &abi::token0Call {}.abi_encode())? else { return Ok(None) };
        let stable = certain(pool, stable)?.as_ref().and_then(only_word).filter(|word| *word <= U256::ONE);
        let Some(stable) = stable else { return Ok(None) };
        let token1 = ask_address(probe, pool, &abi::token1Call {}.abi_encode())?;
        let factory = ask_address(probe, pool, &abi::factoryCall {}.abi_encode())?;
        let (Some(token1), Some(factory)) = (token1, factory) else { return Ok(None) };
        let tokens = [token0, token1];
        if token0 == token1 || tokens.contains(&pool) {
            return Ok(None);
        }
        let Some(answer) = ask(probe, pool, &abi::getReservesCall {}.abi_encode())? else { return Ok(None) };
        let (Some(r0), Some(r1)) = (answer.word(0), answer.word(1)) else { return Ok(None) };
        let (Some(first), Some(second)) = (narrow(r0), narrow(r1)) else { return Err(Reason::Range) };
        if first == 0 || second == 0 {
            return Err(Reason::Empty);
        }
        let reserves = [first, second];
        let slots = slots(probe, pool, &answer, reserves)?;
        let curve = if stable.is_zero() { Curve::Volatile } else { units(probe, pool)? };
        Ok(Some(Self { pool, factory, tokens, curve, reserves, slots }))
    }
}

/// A stable pool's units of a whole token, which it scales by.
fn units(probe: &mut dyn Probe, pool: Address) -> Result<Curve, Reason> {
    let unread = Reason::Unread("decimals");
    let answer = ask(probe, pool, &abi::metadataCall {}.abi_encode())?.ok_or(unread)?;
    let unit = |place| answer.word(place).and_then(narrow).filter(|unit| *unit > 0).ok_or(unread);
    Ok(Curve::Stable { units: [unit(0)?, unit(1)?] })
}

/// Where each reserve is kept, alone: the one way that explains `getReserves` and that it follows when the slots are written.
fn slots(probe: &mut dyn Probe, pool: Address, answer: &Answer, reserves: [u128; 2]) -> Result<[U256; 2], Reason> {
    let mut own = Vec::new();
    for &(at, slot) in answer.reads.iter().filter(|(at, _)| *at == pool) {
        let word = probe.slot(at, slot).ok_or(Reason::Cold { at, slot: Some(slot) })?;
        own.push((slot, word));
    }
    let of = |reserve: u128| own.iter().filter(move |(_, word)| *word == U256::from(reserve)).map(|(slot, _)| *slot);
    let pairs = of(reserves[0]).flat_map(|first| of(reserves[1]).map(move |second| [first, second]));
    let mut pairs: Vec<_> = pairs.filter(|[first, second]| first != second).collect();
    pairs.retain(|slots| is_followed(probe, pool, *slots));
    match pairs[..] {
        [slots] => Ok(slots),
        _ => Err(Reason::Unread("reserves")),
    }
}

/// Does `getReserves` answer what is written there? Coincidence does not survive this.
fn is_followed(probe: &mut dyn Probe, pool: Address, slots: [U256; 2]) -> bool {
    // Any two values that differ in every byte.
    let written =
        [0xb1a2_9384_7566_5748_392a_1b0c_fdee_u128, 0x8091_a2b3_c4d5_e6f7_0819_2a3b_4c5d_u128].map(U256::from);
    let overrides = [(pool, slots[0], written[0]), (pool, slots[1], written[1])];
    let answer = probe.call_with(NOBODY, pool, &abi::getReservesCall {}.abi_encode(), &overrides);
    [answer.word(0), answer.word(1)] == written.map(Some)
}
