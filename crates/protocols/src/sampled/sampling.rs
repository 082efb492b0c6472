//! Which inputs a contract is asked for, and what its answers rest on.
//!
//! Inputs are powers of two, from where half of the price of a small one is left, or where the contract answers no more, down to a millionth
//! of that. Where answers end between two powers the end is looked for.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256, address};

use crate::amm::{Amm, Leg};
use crate::discover::Probe;
use crate::sampled::curve::{BITS, Curve};
use crate::sampled::{Answers, Pool};
use crate::site::Term;

/// Answers a leg: their inputs span a factor of a million.
const OCTAVES: usize = 20;

/// The first look at a pool: from here, in such steps.
const FIRST: (usize, usize) = (12, 8);

/// An answer with as many bits tells a price to a millionth.
const PRECISE: u32 = 20;

/// Looks between two powers for where answers end.
const BISECTIONS: usize = 5;

/// Gas that a sample may take in all, and slots: a stranger's contract is asked, on a thread that others wait for. Curve's and
/// Mooniswap's take three to ten million.
const MOST_GAS: u64 = 40_000_000;
const MOST_READS: usize = 1_024;

/// The part of a small input's price that is left where sampling ends.
const HALF: f64 = 0.5;

/// Seconds behind which answers are held against those of now: a block, and an hour.
const LATER: [u64; 2] = [12, 3_600];

/// Who asks where the sender matters to a probe: an address nobody has.
const NOBODY: Address = address!("0x7065726567726e650000000000000000000a5eed");

/// Asks for all that a pool quotes by.
pub(super) fn sample(probe: &mut impl Probe, pool: &Pool) -> Result<Answers, String> {
    let mut reads = BTreeSet::new();
    let (mut curves, mut moves, mut all, mut gas) = (Vec::new(), false, 0, 0);
    let legs: Vec<Leg> = pool.fixed.legs().collect();
    for (place, leg) in legs.into_iter().enumerate() {
        let before = pool.answers.curves.get(place).and_then(|curve| curve.most().checked_ilog2());
        let mut asking = Asking { probe, pool, leg, answers: BTreeMap::new(), reads: &mut reads, gas: &mut gas };
        let curve = asking.curve(before.map(|top| top as usize))?;
        moves |= asking.moves(&curve)?;
        all += curve.samples().count();
        curves.push(curve);
    }
    if all == 0 {
        return Err("its contract pays nothing for whatever goes in".to_owned());
    }
    let term = |(at, slot)| probe.slot(at, slot).map(|value| Term { at, slot, value });
    let known: Option<Vec<Term>> = reads.into_iter().map(term).collect();
    let reads = known.ok_or("a slot that its answers rest on is not known")?;
    Ok(Answers { curves, reads, moves })
}

struct Asking<'a, P> {
    probe: &'a mut P,
    pool: &'a Pool,
    leg: Leg,
    /// By the input. `None`: it reverts, or pays nothing.
    answers: BTreeMap<u128, Option<u128>>,
    reads: &'a mut BTreeSet<(Address, U256)>,
    /// What all answers of the pool have taken.
    gas: &'a mut u64,
}

impl<P: Probe> Asking<'_, P> {
    fn ask(&mut self, into: u128) -> Result<Option<u128>, String> {
        if let Some(known) = self.answers.get(&into) {
            return Ok(*known);
        }
        let answer = self.once(into)?;
        self.answers.insert(into, answer);
        Ok(answer)
    }

    fn once(&mut self, into: u128) -> Result<Option<u128>, String> {
        let Some(question) = self.pool.question(self.leg, into) else { return Ok(None) };
        let answer = crate::discover::asked(self.probe, question.to, &question.data).inspect_err(|_| {
            // What else it misses shows where that counts as nothing: one fetch for all of it.
            self.probe.call_with(NOBODY, question.to, &question.data, &[]);
        })?;
        self.reads.extend(answer.reads.iter().copied());
        *self.gas += answer.gas;
        if *self.gas > MOST_GAS || self.reads.len() > MOST_READS {
            return Err(format!("its answers take more than {MOST_GAS} gas or {MOST_READS} slots"));
        }
        Ok(answer.word(question.word).and_then(amount))
    }

    fn power(&mut self, exponent: usize) -> Result<Option<u128>, String> {
        if exponent >= BITS { Ok(None) } else { self.ask(1 << exponent) }
    }

    /// What a small input pays a unit, as far as answers tell: the best of those that tell it to a millionth, or of all.
    fn best(&self) -> f64 {
        let price = |precise: u32| {
            let all = self.answers.iter().filter_map(|(into, out)| Some((*into, (*out)?)));
            let told = all.filter(move |(_, out)| out.checked_ilog2().is_some_and(|bits| bits >= precise));
            told.map(|(into, out)| out as f64 / into as f64).fold(0.0, f64::max)
        };
        let precise = price(PRECISE);
        if precise > 0.0 { precise } else { price(0) }
    }

    /// The part of the best price that is left at a power. `None`: no answer.
    fn left(&mut self, exponent: usize) -> Result<Option<f64>, String> {
        let out = self.power(exponent)?;
        Ok(out.map(|out| out as f64 / (1_u128 << exponent) as f64 / self.best()))
    }

    /// A first power where about half of the price is left.
    fn first(&mut self) -> Result<usize, String> {
        let (from, step) = FIRST;
        for exponent in (from..BITS).step_by(step) {
            self.power(exponent)?;
        }
        let best = self.best();
        let fits = |(into, out): (&u128, &Option<u128>)| {
            let out = (*out)?;
            (out as f64 / *into as f64 >= best / 2.0).then_some(into.ilog2() as usize)
        };
        Ok(self.answers.iter().filter_map(fits).max().unwrap_or(from))
    }

    fn curve(&mut self, before: Option<usize>) -> Result<Curve, String> {
        let mut top = match before {
            Some(top) => top,
            None => self.first()?,
        };
        // What a small one pays is known first.
        self.power(top.saturating_sub(OCTAVES / 2))?;
        self.power(top.saturating_sub(OCTAVES))?;
        // Up to the first power that leaves half or less, or the last that is answered: of one state the same, wherever it is looked
        // for from.
        while top > 0 && self.left(top)?.is_none_or(|left| left <= HALF) {
            top -= 1;
        }
        let mut ends = false;
        while top + 1 < BITS && self.left(top)?.is_some_and(|left| left > HALF) && !ends {
            ends = self.power(top + 1)?.is_none();
            top += usize::from(!ends);
        }
        for exponent in top.saturating_sub(OCTAVES)..top {
            self.power(exponent)?;
        }
        if ends && self.power(top)?.is_some() {
            self.end(top)?;
        }
        let span = (1 << top.saturating_sub(OCTAVES))..(2 << top);
        let samples = self.answers.range(span).filter_map(|(into, out)| Some([*into, (*out)?]));
        Ok(Curve::new(samples.collect()))
    }

    /// Looks for where answers end, above a power that has one.
    fn end(&mut self, top: usize) -> Result<(), String> {
        let (mut known, mut past) = (1_u128 << top, 2_u128 << top);
        for _ in 0..BISECTIONS {
            let middle = known + (past - known) / 2;
            match self.ask(middle)? {
                Some(_) => known = middle,
                None => past = middle,
            }
        }
        Ok(())
    }

    /// Whether the same question has another answer later. One that has another at once is no pool.
    fn moves(&mut self, curve: &Curve) -> Result<bool, String> {
        let Some([into, out]) = curve.samples().last() else { return Ok(false) };
        if self.once(into)? != Some(out) {
            return Err("its contract answers the same question in two ways".to_owned());
        }
        let Some(question) = self.pool.question(self.leg, into) else { return Ok(false) };
        let mut later = |seconds| {
            let answer = self.probe.call_later(NOBODY, question.to, &question.data, &[], seconds);
            answer.word(question.word).and_then(amount)
        };
        Ok(LATER.into_iter().any(|seconds| later(seconds) != Some(out)))
    }
}

/// An amount that can be counted with, above nothing.
fn amount(word: U256) -> Option<u128> {
    u128::try_from(word).ok().filter(|amount| *amount > 0 && amount >> BITS == 0)
}
