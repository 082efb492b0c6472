//! A pool's getters, and the slots behind them: what a getter reads is written over, one slot at a time, and the answer tells which
//! of them it is made of.
//!
//! # Invariants
//! - A slot is a number's only when the answer moved by just as much as the slot was moved.
//! - A getter that reads another contract's storage tells of a number that we cannot follow: it is refused.

use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::address;

use crate::curve_stable::discover::Reason;
use crate::discover::Answer;
use crate::discover::Probe;

/// Who asks: an address nobody has.
pub(super) const NOBODY: Address = address!("0x7065726567726e650000000000000000000c07fe");

/// What a slot does to a getter's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The answer grows as the slot does.
    Adds,
    /// It falls by as much.
    Takes,
    /// It grows by a hundredth.
    AddsHundredth,
    /// Anything else, nothing included.
    Other,
}

/// What a getter answered, and the slots that it read for it.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub value: U256,
    pub slots: Vec<(U256, Effect)>,
}

impl Reading {
    /// The one slot with this effect.
    pub(super) fn only(&self, effect: Effect) -> Option<U256> {
        let mut of = self.slots.iter().filter(|(_, found)| *found == effect).map(|(slot, _)| *slot);
        of.next().filter(|_| of.next().is_none())
    }

    /// How many have it.
    pub(super) fn count(&self, effect: Effect) -> usize {
        self.slots.iter().filter(|(_, found)| *found == effect).count()
    }
}

/// An answer of one word. `None`: there is no such getter.
pub(super) fn ask(probe: &mut dyn Probe, to: Address, data: &[u8]) -> Result<Option<(U256, Answer)>, Reason> {
    let answer = probe.call(to, data);
    if answer.cold {
        let slot = answer.reads.last().map(|(_, slot)| *slot);
        return Err(Reason::Cold { at: answer.reads.last().map_or(to, |(at, _)| *at), slot });
    }
    let one = answer.output.as_ref().is_some_and(|bytes| bytes.len() == 32);
    Ok(answer.word(0).filter(|_| one).map(|word| (word, answer)))
}

/// An answer of one word, and what each slot behind it does when `step` is added to it.
pub(super) fn learn(probe: &mut dyn Probe, pool: Address, data: &[u8], step: U256) -> Result<Option<Reading>, Reason> {
    let Some((value, answer)) = ask(probe, pool, data)? else { return Ok(None) };
    let mut slots = Vec::new();
    for (at, slot) in answer.reads {
        if at != pool {
            return Err(Reason::Elsewhere { at });
        }
        let held = probe.slot(at, slot).ok_or(Reason::Cold { at, slot: Some(slot) })?;
        let moved = probe.call_with(NOBODY, pool, data, &[(at, slot, held.wrapping_add(step))]).word(0);
        slots.push((slot, effect(value, moved, step)));
    }
    Ok(Some(Reading { value, slots }))
}

fn effect(before: U256, after: Option<U256>, step: U256) -> Effect {
    let Some(after) = after else { return Effect::Other };
    if after == before.wrapping_add(step) {
        Effect::Adds
    } else if before == after.wrapping_add(step) {
        Effect::Takes
    } else if after == before.wrapping_add(step / U256::from(100)) && step > U256::from(99) {
        Effect::AddsHundredth
    } else {
        Effect::Other
    }
}
