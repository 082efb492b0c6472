//! Is a pool a metapool: does it ask another pool at each swap what that one's share is worth, and what does the answer follow from.
//!
//! # Invariants
//! - The base pool is found by what the metapool reads, and is held to all that a pool of its own is. What it answers to
//!   `get_virtual_price` is ours in other states of it, too, and the metapool pays by it.
//! - Whatever stands in slots of the metapool's that are not understood, it asks the base pool: a price that it might remember for a
//!   while would be another one some blocks on. Neither does what it says move with the clock, nor does a swap read a fourth contract.
//!
//! - Coins of the base pool are ways through where the metapool pays for them, and for its own first coin, what is foretold, and not
//!   one unit more, in several states of both pools.
//!
//! # Cost
//! The base pool's own trial, and some four hundred calls.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::curve_stable::abi;
use crate::curve_stable::discover::Found;
use crate::curve_stable::discover::Reason;
use crate::curve_stable::discover::getter;
use crate::curve_stable::discover::getter::Effect;
use crate::curve_stable::discover::getter::NOBODY;
use crate::curve_stable::discover::plain;
use crate::curve_stable::discover::stage;
use crate::curve_stable::discover::trial::Stage;
use crate::curve_stable::discover::trial::Trial;
use crate::curve_stable::meta::Backing;
use crate::curve_stable::meta::Base;
use crate::curve_stable::meta::Behind;
use crate::curve_stable::meta::Metapool;
use crate::curve_stable::meta::SHARE;
use crate::curve_stable::swap::Terms;
use crate::discover::Answer;
use crate::discover::Probe;
use crate::discover::plain_balance_slot;

/// What is put into slots that are not understood: nothing, a flag, and a time that is far off.
const OTHERS: [u64; 3] = [0, 1, 1 << 40];
/// Seconds after which what is said must be the same.
const LATER: [u64; 2] = [3_600, 1_000_000];
/// What a share is made to be worth in other states of the base pool, in hundredths.
const WORTH: [u64; 3] = [100, 137, 61];
/// States in which swaps through the base pool are tried.
const THROUGH: usize = 5;

/// The base pool of a metapool. `None`: it asks nobody for a price.
pub(super) fn learn(probe: &mut dyn Probe, pool: Address, found: &Found) -> Result<Option<(Backing, Behind)>, Reason> {
    if found.coins.len() != 2 {
        return Ok(None);
    }
    let said = probe.call(pool, &question(found));
    let Some(base) = asked(probe, pool, &said) else { return Ok(None) };
    let share = found.coins.get(SHARE).copied().flatten().filter(|share| *share != pool).ok_or(Reason::Coins)?;
    let refused = Reason::Base { at: base };
    let of_base = Found::of(probe, base).and_then(|of_base| plain(probe, base, of_base.ok_or(refused)?));
    let of_base = of_base.map_err(|why| if matches!(why, Reason::Cold { .. }) { why } else { refused })?;
    let counted = getter::learn(probe, share, &abi::totalSupplyCall {}.abi_encode(), U256::ONE)?;
    let counted = counted.ok_or(Reason::Unread("shares"))?;
    let supply = counted.only(Effect::Adds).ok_or(Reason::Unread("shares"))?;
    let (terms, layout, coins) = (*of_base.terms(), of_base.layout().clone(), of_base.tokens_alone());
    let backing = Backing { pool: base, terms, layout, coins, share, supply };
    let there = u128::try_from(counted.value).map_err(|_| Reason::Empty)?;
    let behind = Behind { state: *of_base.state(), supply: there };
    prices(probe, &backing, &behind)?;
    asks_always(probe, (pool, found), (base, &said))?;
    Ok(Some((backing, behind)))
}

/// What a part of the first coin would pay.
fn question(found: &Found) -> Vec<u8> {
    abi::get_dyCall { i: 0, j: 1, dx: U256::from(found.state.held[0] / 7) }.abi_encode()
}

/// The pool that is asked for the price of its share. All that it answers out of is known where all of the question's answer is.
fn asked(probe: &mut dyn Probe, pool: Address, said: &Answer) -> Option<Address> {
    let mut others: Vec<Address> = said.reads.iter().map(|(at, _)| *at).filter(|at| *at != pool).collect();
    others.dedup();
    let question = abi::get_virtual_priceCall {}.abi_encode();
    others.into_iter().find(|at| probe.call(*at, &question).word(0).is_some())
}

/// The base pool as it stands, and in other states, with a share worth as much as it might be.
fn states(backing: &Backing, behind: &Behind) -> Vec<Behind> {
    let mut all = vec![*behind];
    for (turn, state) in stage::states(&behind.state, &backing.terms).into_iter().enumerate() {
        // Of one share, the price is `D` times what prices are counted in.
        let Some(d) = Base::new(backing.terms, state, 1).and_then(|base| base.virtual_price()) else { continue };
        let worth = U256::from(WORTH[turn % WORTH.len()]) * U256::from(10).pow(U256::from(16));
        let supply = u128::try_from(d / worth).unwrap_or(0);
        all.push(Behind { state, supply });
    }
    all.retain(|behind| backing.price(behind).is_some());
    all
}

/// What the base pool answers is what is reckoned.
fn prices(probe: &mut dyn Probe, backing: &Backing, behind: &Behind) -> Result<(), Reason> {
    let question = abi::get_virtual_priceCall {}.abi_encode();
    let all = states(backing, behind);
    // Its own state, and a good part of those that it is put into.
    if all.first() != Some(behind) || all.len() < 4 {
        return Err(Reason::Empty);
    }
    for behind in all {
        let answer = probe.call_with(NOBODY, backing.pool, &question, &backing.written(&behind));
        if answer.word(0) != backing.price(&behind) {
            return Err(Reason::Base { at: backing.pool });
        }
    }
    Ok(())
}

/// It asks the base pool at each swap.
fn asks_always(
    probe: &mut dyn Probe,
    (pool, found): (Address, &Found),
    (base, said): (Address, &Answer),
) -> Result<(), Reason> {
    let question = question(found);
    for seconds in LATER {
        if probe.call_later(NOBODY, pool, &question, &[], seconds).output != said.output {
            return Err(Reason::Meta);
        }
    }
    for &(at, slot) in &said.reads {
        let known = probe.slot(at, slot).unwrap_or_default();
        let is_address_of_base = known << 96 == U256::from_be_bytes(base.into_word().0) << 96;
        if at != pool || is_address_of_base || found.layout.slots().any(|own| own == slot) {
            continue;
        }
        for value in OTHERS.map(U256::from) {
            let reads = probe.call_with(NOBODY, pool, &question, &[(pool, slot, value)]).reads;
            if !reads.iter().any(|(at, _)| *at == base) {
                return Err(Reason::Meta);
            }
        }
    }
    Ok(())
}

/// The version that a metapool is, at its base pool's price as it stands and in other states.
pub(super) fn terms(
    probe: &mut dyn Probe,
    (pool, found): (Address, &Found),
    (backing, behind): (&Backing, &Behind),
) -> Result<Terms, Reason> {
    let price = backing.price(behind).ok_or(Reason::Empty)?;
    let held = shares(probe, pool, backing.share)?;
    let mut trial = Trial::new(probe, pool, found, stage_of(found, &[], price, held.clone()));
    let terms = trial.terms()?;
    if let Some(at) = trial.stranger(&[backing.pool, backing.share]) {
        return Err(Reason::Rates { at });
    }
    for behind in states(backing, behind) {
        let terms = at_price(terms, backing.price(&behind))?;
        trial.put([held.clone(), backing.written(&behind)].concat());
        if !trial.agrees_as_it_stands(&terms) {
            return Err(Reason::Formula);
        }
    }
    Ok(terms)
}

fn at_price(terms: Terms, price: Option<U256>) -> Result<Terms, Reason> {
    let mut terms = terms;
    terms.rates[SHARE] = price.ok_or(Reason::Empty)?;
    Ok(terms)
}

/// The metapool's first coin and some more are plain tokens, and its share is worth so much.
fn stage_of(found: &Found, more: &[Address], price: U256, beside: Vec<(Address, U256, U256)>) -> Stage {
    let tokens = found.coins.iter().take(SHARE).flatten().chain(more).copied().collect();
    let rates = vec![found.rates.first().cloned().unwrap_or_default(), vec![price]];
    Stage { tokens, rates, beside }
}

/// The coins of the base pool that are ways through: all that are known, or none where the metapool does not pay for them as foretold.
pub(super) fn routes(
    probe: &mut dyn Probe,
    (pool, found): (Address, &Found),
    (backing, behind): (&Backing, &Behind),
    terms: Terms,
) -> Result<Vec<Option<Address>>, Reason> {
    let coins: Vec<Address> = backing.coins.iter().flatten().copied().collect();
    let places: Vec<usize> = (0..backing.coins.len()).filter(|place| backing.coins[*place].is_some()).collect();
    let own: Vec<Address> = found.coins.iter().flatten().copied().collect();
    if coins.iter().any(|coin| own.contains(coin) || *coin == backing.pool) {
        return Ok(Vec::new());
    }
    let price = backing.price(behind).ok_or(Reason::Empty)?;
    let mut beside = shares(probe, pool, backing.share)?;
    // Its coins lie at the base pool.
    let plenty = U256::from(u128::MAX);
    beside.extend(coins.iter().map(|coin| (*coin, plain_balance_slot(backing.pool), plenty)));
    let mut trial = Trial::new(probe, pool, found, stage_of(found, &coins, price, beside.clone()));
    let both = |behind: &Behind| {
        let both = backing.base(behind).zip(backing.price(behind));
        both.and_then(|(base, price)| Metapool::new(terms, found.state, base, price)).ok_or(Reason::Empty)
    };
    for behind in states(backing, behind).into_iter().take(THROUGH) {
        trial.put([beside.clone(), backing.written(&behind)].concat());
        if !trial.pays_through(&both(&behind)?, &places) {
            return Ok(Vec::new());
        }
    }
    trial.put([beside, backing.written(behind)].concat());
    let as_it_stands = both(behind)?;
    let unknown = places.iter().find_map(|place| trial.unknown_through(&as_it_stands, *place, &[pool, backing.pool]));
    unknown.map_or_else(|| Ok(backing.coins.clone()), |(at, slot)| Err(Reason::Cold { at, slot: Some(slot) }))
}

/// The slots by which whoever tries has shares to give, and the pool has some to pay. The token of shares plays itself: the base
/// pool asks it how many there are.
fn shares(probe: &mut dyn Probe, pool: Address, share: Address) -> Result<Vec<(Address, U256, U256)>, Reason> {
    let plenty = U256::from(u128::MAX);
    let questions = [
        abi::balanceOfCall { owner: NOBODY }.abi_encode(),
        abi::balanceOfCall { owner: pool }.abi_encode(),
        abi::allowanceCall { owner: NOBODY, spender: pool }.abi_encode(),
    ];
    let mut all = Vec::new();
    for question in questions {
        let reads = probe.call_with(NOBODY, share, &question, &[]).reads;
        let mut slots = reads.into_iter().filter(|(at, _)| *at == share).map(|(_, slot)| slot);
        let is_its =
            |slot: &U256| probe.call_with(NOBODY, share, &question, &[(share, *slot, plenty)]).word(0) == Some(plenty);
        let slot = slots.find(is_its).ok_or(Reason::Unread("shares"))?;
        all.push((share, slot, plenty));
    }
    Ok(all)
}
