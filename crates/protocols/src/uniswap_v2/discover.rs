//! Is it a pair, where does it keep its reserves, and can it be used.
//!
//! # Invariants
//! - `Ok(None)`: not a pair. `Err`: a pair, or it may be one, that cannot be used now, and why. `Ok(Some)`: its fee and
//!   layout have been tested on its own code.
//! - Nothing is taken from a list of factories or from the code's hash alone.

use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::discover::Answer;
use crate::discover::Creation;
use crate::discover::Probe;
use crate::discover::Venue;
use crate::types::pool_key::PoolKey;
use crate::uniswap_v2::abi;
use crate::uniswap_v2::infer;
use crate::uniswap_v2::infer::FeeCache;
use crate::uniswap_v2::layout::Layout;
use crate::uniswap_v2::layout::narrow;
use crate::uniswap_v2::pool::Pool;
use crate::uniswap_v2::rig::NOBODY;
use crate::uniswap_v2::rig::Rig;

impl Venue for Pool {
    const PROTOCOL: &'static str = "uniswap_v2";

    const CREATION: Creation = Creation {
        topic: abi::PairCreated::SIGNATURE_HASH,
        pool: |_factory, topics, data| {
            let topics = topics.iter().copied();
            abi::PairCreated::decode_raw_log(topics, data).ok().map(|created| created.pair.into())
        },
    };

    type Cache = FeeCache;

    /// All of a pair's state is known or it is none.
    fn discover(
        probe: &mut impl Probe,
        fees: &mut FeeCache,
        key: PoolKey,
        _assume_empty: bool,
    ) -> Result<Option<Self>, String> {
        if key.id.is_some() {
            return Ok(None);
        }
        discover(probe, key.contract, fees).map_err(|reason| reason.to_string())
    }
}

/// Why what looks like a pair is not used.
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
    /// A reserve or a balance does not fit the contract's `uint112`.
    #[error("a reserve or balance is past uint112")]
    Range,
    /// Too little in it to tell one fee from the next.
    #[error("too shallow to resolve its fee")]
    Shallow,
    /// Its swap reverts whatever is asked: locked, paused, another interface, or a token that cannot be moved.
    #[error("its swap cannot be executed")]
    NotExecutable,
    /// What it pays is on no constant-product curve: a stable pair, or a fee that varies with the size.
    #[error("does not follow a constant product")]
    NotConstantProduct,
    /// A constant product, with a fee no fraction up to a millionth explains.
    #[error("its fee is no fraction with a denominator up to 1000000")]
    OddFee,
}

impl Reason {
    /// [`Reason::Cold`] when that is why the call ended, else `other`.
    pub(super) fn cold_or(answer: &Answer, other: Self) -> Self {
        match answer.reads.last() {
            Some(&(at, slot)) if answer.cold => Self::Cold { at, slot: Some(slot) },
            _ => other,
        }
    }
}

/// Asks `address` whether it is a pair and how it works.
///
/// # Errors
/// It may be a pair but cannot be used now: see [`Reason`].
pub fn discover(probe: &mut dyn Probe, address: Address, fees: &mut FeeCache) -> Result<Option<Pool>, Reason> {
    if probe.code_hash(address).is_none() {
        return Ok(None);
    }
    let token0 = ask_address(probe, address, &abi::token0Call {}.abi_encode())?;
    let token1 = ask_address(probe, address, &abi::token1Call {}.abi_encode())?;
    let (Some(token0), Some(token1)) = (token0, token1) else {
        return Ok(None);
    };
    let tokens = [token0, token1];
    if token0 == token1 || tokens.contains(&address) || !has_factory(probe, address) {
        return Ok(None);
    }
    let answer = probe.call(address, &abi::getReservesCall {}.abi_encode());
    let Some(words) = reserve_words(&answer) else {
        return if answer.cold { Err(cold(address, &answer)) } else { Ok(None) };
    };
    let [Some(r0), Some(r1)] = words.map(narrow) else {
        return Err(Reason::Range);
    };
    if r0 == 0 || r1 == 0 {
        return Err(Reason::Empty);
    }
    let reserves = [r0, r1];
    let layout = learn(probe, address, &answer, reserves);
    let mut rig = Rig::new(probe, address, tokens, reserves);
    let fees = infer::infer(&mut rig, fees)?;
    Ok(Pool::new(address, tokens, fees, layout, reserves))
}

/// The slot or account a call ended at.
fn cold(address: Address, answer: &Answer) -> Reason {
    Reason::cold_or(answer, Reason::Cold { at: address, slot: None })
}

/// A call that answers one word which is an address other than zero. `None` when the contract answers otherwise.
fn ask_address(probe: &mut dyn Probe, to: Address, data: &[u8]) -> Result<Option<Address>, Reason> {
    let answer = probe.call(to, data);
    if answer.cold {
        return Err(cold(to, &answer));
    }
    Ok(as_address(&answer))
}

fn as_address(answer: &Answer) -> Option<Address> {
    let word = answer.word(0).filter(|_| answer.output.as_ref().is_some_and(|bytes| bytes.len() == 32))?;
    let fits = !word.is_zero() && word >> 160 == U256::ZERO;
    fits.then(|| Address::from_word(word.into()))
}

/// A pair names its factory. A swap never reads that slot, so in a record it is often not known: that is no evidence
/// against.
fn has_factory(probe: &mut dyn Probe, pool: Address) -> bool {
    let answer = probe.call(pool, &abi::factoryCall {}.abi_encode());
    answer.cold || as_address(&answer).is_some()
}

/// Two reserves, with or without a timestamp after them (some forks leave it out).
fn reserve_words(answer: &Answer) -> Option<[U256; 2]> {
    let bytes = answer.output.as_ref()?;
    let shaped = bytes.len() == 64 || bytes.len() == 96;
    shaped.then_some([answer.word(0)?, answer.word(1)?])
}

/// The one layout that explains `getReserves` and that `getReserves` follows when the slots are written.
fn learn(probe: &mut dyn Probe, pool: Address, answer: &Answer, reserves: [u128; 2]) -> Layout {
    let mut own: Vec<(U256, U256)> = Vec::new();
    for &(at, slot) in &answer.reads {
        if at == pool
            && let Some(word) = probe.slot(at, slot)
        {
            own.push((slot, word));
        }
    }
    let packed = own.iter().filter(|(_, word)| Layout::unpack(*word) == reserves);
    let mut candidates: Vec<Layout> = packed.map(|(slot, _)| Layout::Packed { slot: *slot }).collect();
    let alone = |reserve: u128| own.iter().filter(move |(_, word)| *word == U256::from(reserve)).map(|(slot, _)| *slot);
    for slot0 in alone(reserves[0]) {
        let others = alone(reserves[1]).filter(|slot1| *slot1 != slot0);
        candidates.extend(others.map(|slot1| Layout::Split { slots: [slot0, slot1] }));
    }
    candidates.retain(|layout| follows(probe, pool, *layout));
    match candidates[..] {
        [layout] => layout,
        _ => Layout::Opaque,
    }
}

/// Does `getReserves` answer what is written by this layout? Coincidence does not survive this.
fn follows(probe: &mut dyn Probe, pool: Address, layout: Layout) -> bool {
    // Any two values that differ in every byte, a full 112 bits long.
    let written = [0xb1a2_9384_7566_5748_392a_1b0c_fdee_u128, 0x8091_a2b3_c4d5_e6f7_0819_2a3b_4c5d_u128];
    let overrides: Vec<_> = layout.write(written).into_iter().map(|(slot, word)| (pool, slot, word)).collect();
    let answer = probe.call_with(NOBODY, pool, &abi::getReservesCall {}.abi_encode(), &overrides);
    reserve_words(&answer) == Some(written.map(U256::from))
}
