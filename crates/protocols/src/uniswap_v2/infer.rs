//! What a pair charges, found by asking the pair.
//!
//! # Invariants
//! - A fee is returned only after the quoted output passed and one more reverted: in three sizes each way for code not
//!   seen before, in one size each way for code whose fee is cached.
//! - The fraction is the one with the smallest denominator of [`DENOMINATORS`] that explains every answer.
//! - Fees are found for each direction on its own. Where the output of one is too shallow to resolve a fee, the other
//!   direction's fee must explain what is seen there.
//!
//! # Limits
//! - A fork that truncates its fee on the input before the curve differs from the formula by at most one unit of input.
//!   It is caught where that unit is worth at least one unit of output in one of the six tests, which is likely, not sure.
//! - A fee that depends on who swaps, or on the hour, is seen as the probe saw it.
//!
//! # Cost
//! New code: about three times log2(reserve) swaps. Known code: four.

use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::U512;
use alloy_primitives::map::B256Map;

use crate::uniswap_v2::curve;
use crate::uniswap_v2::curve::Fee;
use crate::uniswap_v2::discover::Reason;
use crate::uniswap_v2::rig::Rig;
use crate::uniswap_v2::rig::Size;
use crate::uniswap_v2::rig::Stage;

/// Denominators a fee is looked for in, smallest first. Each divides the next, so the last is the finest grid.
const DENOMINATORS: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Reserve of the token that comes out from which one answer tells neighbours on the finest grid apart: for an input as
/// large as the reserve, the output moves by at least a quarter of the reserve per unit of gamma.
const RESOLVES: u128 = 10_000_000;

/// Fees found, by the hash of the pair's code. A cached fee is a guess to be confirmed, never an answer.
#[derive(Clone, Debug, Default)]
pub struct FeeCache(B256Map<[Fee; 2]>);

impl FeeCache {
    /// How many codes have a fee.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// No code has a fee yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Fees by the token that goes in.
pub(super) fn infer(rig: &mut Rig<'_>, cache: &mut FeeCache) -> Result<[Fee; 2], Reason> {
    let depth = rig.depth();
    // The deeper output resolves better.
    let first = usize::from(depth[0] > depth[1]);
    if depth[1 - first] < RESOLVES {
        return Err(Reason::Shallow);
    }
    let code = rig.code_hash();
    let even = [rig.stage(0, Size::Even)?, rig.stage(1, Size::Even)?];
    let guess = code.and_then(|hash| cache.0.get(&hash).copied());
    // Starts ask hundreds of thousands of pairs of one code: the swaps that confirm its fee show as well that it is not locked, and
    // what it hangs on.
    if let Some(fees) = guess
        && even.iter().zip(fees).all(|(stage, fee)| rig.charges_for_sure(stage, fee))
    {
        return Ok(fees);
    }
    rig.unlock(&even[first])?;
    let fees = match guess {
        Some(fees) if rig.charges(&even[0], fees[0]) && rig.charges(&even[1], fees[1]) => fees,
        _ => both_directions(rig, first)?,
    };
    for (stage, fee) in even.iter().zip(fees) {
        certain(rig, stage, fee)?;
    }
    remember(cache, code, fees);
    Ok(fees)
}

fn remember(cache: &mut FeeCache, code: Option<B256>, fees: [Fee; 2]) {
    if let Some(hash) = code {
        cache.0.entry(hash).or_insert(fees);
    }
}

/// Solves the direction that resolves better, then tries its fee on the other before solving that too.
fn both_directions(rig: &mut Rig<'_>, first: usize) -> Result<[Fee; 2], Reason> {
    let there = solve(rig, first)?;
    let mut same = true;
    for size in Size::ALL {
        let stage = rig.stage(1 - first, size)?;
        same &= rig.charges(&stage, there);
    }
    let back = if same { there } else { solve(rig, 1 - first)? };
    Ok(if first == 0 { [there, back] } else { [back, there] })
}

/// Range of `gamma` that explains one boundary, as fractions: `low <= gamma < high`.
struct Range {
    low: [U512; 2],
    high: [U512; 2],
}

impl Range {
    /// From "`y` passes and `y + 1` does not": the curve's inequality solved for gamma.
    fn new(stage: &Stage, y: u128) -> Self {
        let bound = |y: u128| {
            [U512::from(y) * U512::from(stage.r_in), U512::from(stage.x) * U512::from(stage.r_out.saturating_sub(y))]
        };
        Self { low: bound(y), high: bound(y + 1) }
    }

    /// Whole parts of `den` that reach the curve, lowest and highest.
    fn parts(&self, den: u32) -> [U512; 2] {
        let den = U512::from(den);
        let ceil = |[top, bottom]: [U512; 2]| (!bottom.is_zero()).then(|| (den * top).div_ceil(bottom));
        let low = ceil(self.low).unwrap_or(U512::MAX);
        // Nothing is left to pay at `y + 1`: every gamma up to one explains it.
        let high = ceil(self.high).map_or(den, |high| high.saturating_sub(U512::ONE));
        [low, high.min(den)]
    }

    /// Can one gamma lie in both?
    fn meets(&self, other: &Self) -> bool {
        let below = |[a, b]: [U512; 2], [c, d]: [U512; 2]| d.is_zero() || a * d < c * b;
        below(self.low, other.high) && below(other.low, self.high)
    }
}

/// Finds the largest output in three sizes and the simplest fee that explains all of them.
fn solve(rig: &mut Rig<'_>, token_in: usize) -> Result<Fee, Reason> {
    if rig.depth()[1 - token_in] < RESOLVES {
        return Err(Reason::Shallow);
    }
    let mut ranges = Vec::new();
    for size in Size::ALL {
        let stage = rig.stage(token_in, size)?;
        let y = boundary(rig, &stage)?;
        ranges.push(Range::new(&stage, y));
    }
    // Three ranges that meet two by two have a gamma in common: they are intervals.
    if !ranges.iter().all(|a| ranges.iter().all(|b| a.meets(b))) {
        return Err(Reason::NotConstantProduct);
    }
    let explains = |den: u32| {
        let bounds = ranges.iter().map(|range| range.parts(den));
        let [low, high] = bounds.reduce(|a, b| [a[0].max(b[0]), a[1].min(b[1])])?;
        // More than one would need a pool below `RESOLVES`.
        let parts = (low == high).then(|| U256::from(low))?;
        Fee::new(den - u32::try_from(parts).ok()?, den)
    };
    DENOMINATORS.into_iter().find_map(explains).ok_or(Reason::OddFee)
}

/// The largest output the pair pays, by bisection.
fn boundary(rig: &mut Rig<'_>, stage: &Stage) -> Result<u128, Reason> {
    let free = Fee::new(0, 1).and_then(|fee| curve::largest_out(stage.x, stage.r_in, stage.r_out, fee).ok());
    let most = free.ok_or(Reason::Shallow)?;
    // Paying more than a pool without a fee: another curve (or no check at all).
    if rig.pays(stage, most + 1) {
        return Err(Reason::NotConstantProduct);
    }
    let (mut passes, mut fails) = (0, most + 1);
    while fails - passes > 1 {
        let y = passes + (fails - passes) / 2;
        if rig.pays(stage, y) {
            passes = y;
        } else {
            fails = y;
        }
    }
    // Executes (the lock was tried), yet pays nothing here.
    if passes == 0 { Err(Reason::NotConstantProduct) } else { Ok(passes) }
}

/// Refuses a fee that hangs on a slot whose value is not known: moving the slot must not move the boundary.
fn certain(rig: &mut Rig<'_>, stage: &Stage, fee: Fee) -> Result<(), Reason> {
    // A direction with no room for a payment shows nothing, either way.
    let Ok(y) = curve::largest_out(stage.x, stage.r_in, stage.r_out, fee) else { return Ok(()) };
    for (at, slot) in rig.unsure(stage, y) {
        // A flag, and a number that no fee survives.
        for value in [U256::ONE, U256::ONE << 100] {
            if !rig.charges_with(stage, fee, &[(at, slot, value)]) {
                return Err(Reason::Cold { at, slot: Some(slot) });
            }
        }
    }
    Ok(())
}
