//! Which amounts to try, and what was seen.

use std::collections::BTreeSet;
use std::fmt::{Display, Formatter};

use alloy_primitives::{Address, U256};

/// Amounts due each way.
pub const DUE: usize = 50;

/// Amounts from `low` to `high`: both ends with their neighbours, even steps of the logarithm, and even steps. The same
/// for the same ends. All of them where there are fewer than due.
pub fn spread(low: U256, high: U256) -> BTreeSet<U256> {
    let mut amounts = BTreeSet::new();
    for near in (0..3).map(U256::from) {
        amounts.insert(low.saturating_add(near));
        amounts.insert(high.saturating_sub(near));
    }
    let octaves = (high / low.max(U256::ONE)).bit_len();
    amounts.extend((0..40).map(|step| high >> (octaves * step / 40)));
    let tenth = |whole: U256, parts: u64| (1..parts).map(move |part| whole / U256::from(parts) * U256::from(part));
    amounts.extend(tenth(high, 17));
    // Few octaves fall on one another; then even steps fill up.
    if amounts.len() < 2 * DUE {
        amounts.extend(tenth(high.saturating_sub(low), 61).map(|part| low.saturating_add(part)));
    }
    if high.saturating_sub(low) < U256::from(2 * DUE) {
        amounts.extend((0..2 * DUE).map(|step| low.saturating_add(U256::from(step))));
    }
    amounts.retain(|amount| (low..=high).contains(amount));
    amounts
}

/// Largest amount with `known(amount)`, which holds up to some amount and not above. `None` when it never holds.
pub fn largest(known: impl Fn(U256) -> bool) -> Option<U256> {
    let (mut holds, mut fails) = (U256::ONE, U256::ONE << 255);
    if !known(holds) {
        return None;
    }
    while fails - holds > U256::ONE {
        let middle = holds + (fails - holds) / U256::from(2);
        *(if known(middle) { &mut holds } else { &mut fails }) = middle;
    }
    Some(holds)
}

/// One pool, one way, one kind of amount.
#[derive(Clone, Copy)]
pub struct Way {
    pub pool: Address,
    pub zero_for_one: bool,
    pub exact_in: bool,
    /// The unknown counts as empty.
    pub emptied: bool,
}

impl Display for Way {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let way = if self.zero_for_one { "0 for 1" } else { "1 for 0" };
        let kind = if self.exact_in { "exact in" } else { "exact out" };
        let world = if self.emptied { ", the unknown empty" } else { "" };
        write!(f, "{} {way} {kind}{world}", self.pool)
    }
}

/// What was compared.
#[derive(Default)]
pub struct Seen {
    pub v2: usize,
    pub v3: usize,
    /// Amounts quoted, exact input and exact output, to the unit what the contract does.
    pub equal: [usize; 2],
    /// Amounts refused that the contract reverts or fills in part.
    pub refused: usize,
    /// V3, taking the unknown as empty on both sides: equal or refused as above.
    pub emptied: usize,
    /// V3, stopped by a price limit inside the known: equal.
    pub limited: usize,
    /// V3 ways on which an emptied walk over a thousand words and more ran out of the gas of a look.
    pub spent: usize,
    /// V3 swaps among the equal ones that cross an initialised tick.
    pub crossing: usize,
    /// V3 ways whose first bitmap word the record does not have: nothing can be quoted.
    pub blind: Vec<Way>,
    /// Other ways with fewer amounts than due.
    pub few: Vec<String>,
    pub differences: Vec<String>,
}

impl Seen {
    pub fn differs(&mut self, way: Way, amount: U256, what: String) {
        self.differences.push(format!("{way}: amount {amount}: {what}"));
    }

    pub fn total(&self) -> usize {
        self.equal[0] + self.equal[1] + self.refused + self.emptied + self.limited
    }

    pub fn add(&mut self, other: Self) {
        self.v2 += other.v2;
        self.v3 += other.v3;
        self.equal[0] += other.equal[0];
        self.equal[1] += other.equal[1];
        self.refused += other.refused;
        self.emptied += other.emptied;
        self.limited += other.limited;
        self.spent += other.spent;
        self.crossing += other.crossing;
        self.blind.extend(other.blind);
        self.few.extend(other.few);
        self.differences.extend(other.differences);
    }
}
