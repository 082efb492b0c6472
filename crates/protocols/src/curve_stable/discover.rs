//! Is it a pool of this family, where does it keep its state, and which version of the contract is it.
//!
//! `getter`: the slots behind what it tells. `trial`: its own code against each version, at the balances of `stage`. `backing`: is it
//! a metapool, and of which base pool.
//!
//! # Invariants
//! - `Ok(None)`: no such pool. `Err`: one, or what looks like one, that cannot be used, and why. `Ok(Some)`: its slots were written
//!   and followed, and its own code paid what was foretold, and not one unit more, at many amounts and balances.
//! - Nothing is taken from a list of pools or from the code's hash.

mod backing;
mod getter;
mod stage;
mod trial;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::address;

use crate::curve_stable::abi;
use crate::curve_stable::abi::signed;
use crate::curve_stable::discover::getter::Effect;
use crate::curve_stable::discover::getter::Reading;
use crate::curve_stable::discover::trial::Stage;
use crate::curve_stable::discover::trial::Trial;
use crate::curve_stable::invariant::MOST_COINS;
use crate::curve_stable::layout::Layout;
use crate::curve_stable::pool::Pool;
use crate::curve_stable::swap::State;
use crate::curve_stable::swap::Terms;
use crate::discover::Creation;
use crate::discover::Probe;
use crate::discover::Venue;
use crate::types::pool_key::PoolKey;

/// Decimals that a coin may have which cannot tell.
const DECIMALS: [u8; 3] = [18, 6, 8];

/// How a pool names ether among its coins.
const ETHER: Address = address!("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE");

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
    /// What a quote depends on is kept by another contract: lent balances, rates.
    #[error("what it pays hangs on storage of {at}")]
    Elsewhere {
        /// The contract.
        at: Address,
    },
    /// A rate is asked of an asset at each swap: it moves with that asset's storage, and with the clock where the asset earns by the second.
    #[error("its rates are asked of {at} at each swap, and may move with the clock")]
    Rates {
        /// The asset, or what it asks in turn.
        at: Address,
    },
    /// One of its coins is the share of another pool, whose price it does not ask at each swap.
    #[error("a metapool that remembers its base pool's price: its rates move with the clock")]
    Meta,
    /// A metapool whose base pool is refused, or is none of this family.
    #[error("its base pool {at} cannot be used")]
    Base {
        /// The base pool.
        at: Address,
    },
    /// More coins than are counted with here.
    #[error("more than {MOST_COINS} coins")]
    Many,
    /// Fewer than two coins that are known tokens, or ether where it is known what stands for that.
    #[error("fewer than two of its coins are tokens that are known")]
    Coins,
    /// A balance is zero, or out of range.
    #[error("a balance is zero or out of range")]
    Empty,
    /// `A` is being moved over time.
    #[error("its A is on the move")]
    Ramping,
    /// A getter is missing, or answers what no slot of the pool follows.
    #[error("keeps its {0} where it is not understood")]
    Unread(&'static str),
    /// It pays by no version of the contract that is known.
    #[error("pays by no known version of the contract")]
    Formula,
}

impl Venue for Pool {
    const PROTOCOL: &'static str = "curve_stable";

    /// The registry's word: the factories' own logs do not name the pool.
    const CREATION: Creation = Creation {
        topic: abi::PoolAdded::SIGNATURE_HASH,
        pool: |_registry, topics, data| {
            let topics = topics.iter().copied();
            abi::PoolAdded::decode_raw_log(topics, data).ok().map(|added| added.pool.into())
        },
    };

    type Cache = ();

    /// All of a pool's state is known or it is none.
    fn discover(
        probe: &mut impl Probe,
        (): &mut (),
        key: PoolKey,
        _assume_empty: bool,
    ) -> Result<Option<Self>, String> {
        if key.id.is_some() {
            return Ok(None);
        }
        discover(probe, key.contract).map_err(|reason| reason.to_string())
    }
}

fn discover(probe: &mut dyn Probe, pool: Address) -> Result<Option<Pool>, Reason> {
    let Some(found) = Found::of(probe, pool)? else { return Ok(None) };
    if let Some((mut backing, behind)) = backing::learn(probe, pool, &found)? {
        let terms = backing::terms(probe, (pool, &found), (&backing, &behind))?;
        backing.coins = backing::routes(probe, (pool, &found), (&backing, &behind), terms)?;
        return made(pool, found, terms)?.over(backing, behind).map(Some).ok_or(Reason::Empty);
    }
    if getter::ask(probe, pool, &abi::base_poolCall {}.abi_encode())?.is_some() {
        return Err(Reason::Meta);
    }
    plain(probe, pool, found).map(Some)
}

/// A pool whose rates follow from decimals alone.
fn plain(probe: &mut dyn Probe, pool: Address, found: Found) -> Result<Pool, Reason> {
    let terms = Trial::new(probe, pool, &found, Stage::plain(&found)).terms()?;
    made(pool, found, terms)
}

fn made(pool: Address, found: Found, terms: Terms) -> Result<Pool, Reason> {
    let Found { coins, ether, signed, layout, state, .. } = found;
    let pool = Pool::new(pool, (&coins, signed), terms, layout, state).ok_or(Reason::Empty)?;
    Ok(pool.paid_in_ether(ether))
}

/// The rate that follows from a coin's decimals, or those that it may have where it cannot tell.
fn rates(probe: &mut dyn Probe, coin: Option<Address>) -> Vec<U256> {
    let answer = coin.and_then(|coin| probe.call(coin, &abi::decimalsCall {}.abi_encode()).word(0));
    let told = answer.and_then(|word| u8::try_from(word).ok()).filter(|decimals| *decimals <= 18);
    let all = told.map_or_else(|| DECIMALS.to_vec(), |decimals| vec![decimals]);
    all.into_iter().map(|decimals| U256::from(10).pow(U256::from(36 - decimals))).collect()
}

/// What a pool's getters tell.
#[derive(Debug)]
pub(super) struct Found {
    /// By the contract's places.
    pub coins: Vec<Option<Address>>,
    /// The place of the coin that is ether.
    pub ether: Option<usize>,
    /// What may be each coin's rate: one, where the coin can tell its decimals.
    pub rates: Vec<Vec<U256>>,
    /// Its lists are asked for by `int128`.
    pub signed: bool,
    pub layout: Layout,
    pub state: State,
    /// What `A` is multiplied by where it is kept.
    pub precision: u32,
}

impl Found {
    /// `None`: no pool of this family.
    fn of(probe: &mut dyn Probe, pool: Address) -> Result<Option<Self>, Reason> {
        if probe.code_hash(pool).is_none() || getter::ask(probe, pool, &abi::ACall {}.abi_encode())?.is_none() {
            return Ok(None);
        }
        let Some(signed) = has_balances(probe, pool)? else { return Ok(None) };
        // Another family: pools of coins that are worth anything.
        if getter::ask(probe, pool, &abi::gammaCall {}.abi_encode())?.is_some() {
            return Ok(None);
        }
        let balances = balances(probe, pool, signed)?;
        let (coins, ether) = coins(probe, pool, signed, balances.len());
        let found = Self { ether, ..Self::read(probe, pool, (coins, signed), &balances)? };
        if found.coins.iter().flatten().count() < 2 {
            return Err(Reason::Coins);
        }
        Ok(Some(found))
    }

    fn read(
        probe: &mut dyn Probe,
        pool: Address,
        (coins, signed): (Vec<Option<Address>>, bool),
        balances: &[Reading],
    ) -> Result<Self, Reason> {
        let unread = |what| move || Reason::Unread(what);
        let held = balances.iter().map(|reading| reading.only(Effect::Adds)).collect::<Option<Vec<_>>>();
        let admin_held = balances.iter().filter_map(|reading| reading.only(Effect::Takes)).collect();
        let (amp, still, precision) = amplification(probe, pool)?;
        let fee = learned(probe, pool, &abi::feeCall {}.abi_encode())?.ok_or_else(unread("fee"))?;
        let admin = learned(probe, pool, &abi::admin_feeCall {}.abi_encode())?.ok_or_else(unread("admin fee"))?;
        let offpeg = learned(probe, pool, &abi::offpeg_fee_multiplierCall {}.abi_encode())?;
        let layout = Layout {
            held: held.ok_or_else(unread("balances"))?,
            admin_held,
            amp,
            still,
            fee: fee.1.ok_or_else(unread("fee"))?,
            admin_fee: admin.1,
            offpeg: offpeg.and_then(|(_, slot)| slot),
        };
        let constant = |reading: Option<(U256, Option<U256>)>| reading.map_or(0, |(value, _)| value.saturating_to());
        let state = State { admin_fee: constant(Some(admin)), offpeg: constant(offpeg), ..State::default() };
        let mut known = Vec::new();
        for slot in layout.slots() {
            known.push((slot, probe.slot(pool, slot).ok_or(Reason::Cold { at: pool, slot: Some(slot) })?));
        }
        let state = layout.fold(&state, &known).map_err(|_| Reason::Empty)?;
        let rates = coins.iter().map(|coin| rates(probe, *coin)).collect();
        Ok(Self { coins, ether: None, rates, signed, layout, state, precision })
    }
}

/// A number and its slot; without a slot it is a constant. `None`: there is no such getter.
fn learned(probe: &mut dyn Probe, pool: Address, data: &[u8]) -> Result<Option<(U256, Option<U256>)>, Reason> {
    let Some(reading) = getter::learn(probe, pool, data, U256::ONE)? else { return Ok(None) };
    match reading.only(Effect::Adds) {
        Some(slot) if reading.slots.len() == 1 => Ok(Some((reading.value, Some(slot)))),
        None if reading.slots.is_empty() => Ok(Some((reading.value, None))),
        _ => Err(Reason::Unread("fees")),
    }
}

/// The slot of `A`, what says that it stands still, and its precision.
#[expect(clippy::type_complexity, reason = "three parts of one layout, taken apart at once")]
fn amplification(probe: &mut dyn Probe, pool: Address) -> Result<(U256, Option<(U256, U256)>, u32), Reason> {
    // A step of a hundred shows in either, and the kept number by which one.
    let reading = getter::learn(probe, pool, &abi::ACall {}.abi_encode(), U256::from(100))?;
    let reading = reading.ok_or(Reason::Unread("A"))?;
    let of = |effect| {
        reading.only(effect).filter(|_| reading.count(Effect::Adds) + reading.count(Effect::AddsHundredth) == 1)
    };
    let found = of(Effect::Adds).map(|slot| (slot, 1));
    let found = found.or_else(|| of(Effect::AddsHundredth).map(|slot| (slot, 100)));
    let others: Vec<U256> =
        reading.slots.iter().filter(|(_, effect)| *effect == Effect::Other).map(|(slot, _)| *slot).collect();
    match (found, &others[..]) {
        (Some((amp, precision)), []) => Ok((amp, None, precision)),
        (Some((amp, precision)), [guard]) => {
            let at = probe.slot(pool, *guard).ok_or(Reason::Cold { at: pool, slot: Some(*guard) })?;
            Ok((amp, Some((*guard, at)), precision))
        }
        // Where it is on the move the getter reads both ends of it, and both times.
        (_, [_, _, ..]) => Err(Reason::Ramping),
        (None, _) => Err(Reason::Unread("A")),
    }
}

fn balance(signed: bool, place: usize) -> Vec<u8> {
    if signed {
        signed::balancesCall { place: i128::try_from(place).unwrap_or_default() }.abi_encode()
    } else {
        abi::balancesCall { place: U256::from(place) }.abi_encode()
    }
}

fn coin(signed: bool, place: usize) -> Vec<u8> {
    if signed {
        signed::coinsCall { place: i128::try_from(place).unwrap_or_default() }.abi_encode()
    } else {
        abi::coinsCall { place: U256::from(place) }.abi_encode()
    }
}

/// Does it tell a balance by its place, and is the place an `int128`?
fn has_balances(probe: &mut dyn Probe, pool: Address) -> Result<Option<bool>, Reason> {
    for signed in [false, true] {
        if getter::ask(probe, pool, &balance(signed, 0))?.is_some() {
            return Ok(Some(signed));
        }
    }
    Ok(None)
}

/// Each coin's balance: past the last there is no answer.
fn balances(probe: &mut dyn Probe, pool: Address, signed: bool) -> Result<Vec<Reading>, Reason> {
    let mut all = Vec::new();
    while let Some(reading) = getter::learn(probe, pool, &balance(signed, all.len()), U256::ONE)? {
        if all.len() == MOST_COINS {
            return Err(Reason::Many);
        }
        if reading.value.is_zero() {
            return Err(Reason::Empty);
        }
        all.push(reading);
    }
    Ok(all)
}

/// The coins that are known and are tokens, and which of them is ether: it is shown as the token that stands for it, where that is known.
fn coins(probe: &mut dyn Probe, pool: Address, signed: bool, count: usize) -> (Vec<Option<Address>>, Option<usize>) {
    let mut one = |place| {
        let word = probe.call(pool, &coin(signed, place)).word(0)?;
        let fits = !word.is_zero() && word >> 160 == U256::ZERO;
        fits.then(|| Address::from_word(word.into())).filter(|token| *token != pool)
    };
    let mut coins: Vec<Option<Address>> = (0..count).map(&mut one).collect();
    let ether = coins.iter().position(|coin| *coin == Some(ETHER));
    let wrapped = probe.wrapped_native();
    coins.iter_mut().filter(|coin| **coin == Some(ETHER)).for_each(|coin| *coin = wrapped);
    (coins, ether.filter(|_| wrapped.is_some()))
}
