//! Markets, whom their prices can sink, and what a pending transaction makes of them.
//!
//! # Cost
//! A block: its changed slots, one look of the EVM for each question, and the positions near the edge. A pending transaction:
//! a lookup for each account and slot that it changed; where that moves a price, one look, and the positions near the edge
//! that hang on it. Once a quarter of an hour of chain time, or when prices have gone far, the index is made anew: two healths a position.

use std::collections::BTreeSet;
use std::collections::HashSet;

use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::map::AddressMap;
use alloy_primitives::map::HashMap;
use revm::context::result::ExecutionResult;
use revm::state::Account;
use revm::state::EvmState;
use revm::state::EvmStorageSlot;

use crate::hot::evm::db::Db;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Machine;
use crate::protocols::AnyLending;
use crate::protocols::amm::Applied;
use crate::protocols::lending::About;
use crate::protocols::lending::Health;
use crate::protocols::lending::Lending;
use crate::protocols::lending::Question;
use crate::protocols::lending::near::Near;
use crate::protocols::lending::seed::Seed;
use crate::types::news::AccountNews;
use crate::types::news::BlockNews;
use crate::types::news::Want;

/// Seconds that an index of positions is good for.
const HORIZON: u64 = 900;

/// A question, and the last answer.
#[derive(Clone, Debug)]
struct Asked {
    question: Question,
    answer: Option<U256>,
}

#[derive(Clone, Debug)]
struct Kept {
    market: AnyLending,
    near: Option<Near>,
    asked: Vec<Asked>,
    /// Not all of its slots are known.
    open: bool,
}

/// What was laid over a market, as it was before.
#[derive(Clone, Copy, Debug)]
enum Under {
    Slot(Address, U256, U256),
    Answer(usize, U256),
}

/// A slot that a transaction has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    at: Address,
    slot: U256,
    was: U256,
    is: U256,
}

/// A position that can be liquidated.
#[derive(Clone, Copy, Debug)]
pub struct Sunk {
    /// In which market: a place in [`Book::market`].
    pub market: usize,
    /// Whose.
    pub account: Address,
    /// How it stands.
    pub health: Health,
}

/// By contract and slot.
type Reads = AddressMap<HashMap<U256, Vec<(usize, usize)>>>;

/// All markets.
#[derive(Clone, Debug, Default)]
pub struct Book {
    markets: Vec<Kept>,
    /// Whose storage each contract holds.
    sites: AddressMap<Vec<usize>>,
    /// What each slot that was read for an answer answers: market, and place among its questions.
    reads: Reads,
    laid: Vec<(usize, Under)>,
    /// Who may have sunk by what is laid over: market, account.
    suspects: Vec<(usize, Address)>,
    /// Pairs of debt and collateral of which a liquidation has been rehearsed, or waits to be.
    paired: HashSet<(usize, Address, Address)>,
    unrehearsed: Vec<Rehearsal>,
}

/// A pair of which somebody has a position: market, account, debt, collateral.
pub type Rehearsal = (usize, Address, Address, Address);

impl Book {
    /// The markets of `seeds`, as far as the machine's state knows them. `wants` is given what it does not.
    #[must_use]
    pub fn new(seeds: &[Seed], machine: &mut Machine, wants: &mut Vec<Want>) -> Self {
        let markets = seeds.iter().filter_map(AnyLending::seeded);
        let kept = |market| Kept { market, near: None, asked: Vec::new(), open: true };
        let mut book = Self { markets: markets.map(kept).collect(), ..Self::default() };
        book.settle(machine, wants);
        book
    }

    /// True without markets.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.markets.is_empty()
    }

    /// A market.
    #[must_use]
    pub fn market(&self, at: usize) -> Option<&AnyLending> {
        self.markets.get(at).map(|kept| &kept.market)
    }

    /// All markets.
    pub fn iter(&self) -> impl Iterator<Item = &AnyLending> {
        self.markets.iter().map(|kept| &kept.market)
    }

    /// Contracts whose logs may name new borrowers, and slots be positions.
    #[must_use]
    pub fn is_site(&self, address: Address) -> bool {
        self.sites.contains_key(&address)
    }

    /// Takes a block that the machine's state stands behind.
    pub fn grow(&mut self, news: &BlockNews, machine: &mut Machine, wants: &mut Vec<Want>) {
        self.lift();
        self.take(&news.accounts);
        for log in &news.logs {
            for at in self.sites.get(&log.address).into_iter().flatten() {
                let Some(kept) = self.markets.get_mut(*at) else { continue };
                // A log that is not what it should be names nobody: the position is not followed, and nothing else is lost.
                let _broken = kept.market.apply_log(log.address, &log.topics, &log.data);
                kept.open = true;
            }
        }
        self.settle(machine, wants);
    }

    /// Takes what was told behind the tip.
    pub fn told(&mut self, accounts: &[AccountNews], machine: &mut Machine, wants: &mut Vec<Want>) {
        self.lift();
        let is_ours = |address: &Address| self.sites.contains_key(address) || self.reads.contains_key(address);
        let unanswered = |kept: &Kept| kept.open || kept.asked.iter().any(|asked| asked.answer.is_none());
        // Most of what is told is somebody's swap's.
        if accounts.iter().any(|account| is_ours(&account.address)) || self.markets.iter().any(unanswered) {
            self.take(accounts);
            self.settle(machine, wants);
        }
    }

    /// Takes back what blocks have changed: these are the slots that they wrote, and the machine's state is what it was below
    /// them. What is not known there any more is as it was; a proof would miss it.
    pub fn rewind<'a>(&mut self, undone: impl Iterator<Item = &'a AccountNews>, machine: &mut Machine) {
        self.lift();
        let below = |account: &AccountNews| {
            let slots = account.slots.iter();
            let slots = slots.filter_map(|(slot, _)| Some((*slot, machine.db().known_slot(account.address, *slot)?)));
            AccountNews { address: account.address, slots: slots.collect(), ..AccountNews::default() }
        };
        let below: Vec<AccountNews> = undone.map(below).collect();
        self.take(&below);
        self.settle(machine, &mut Vec::new());
    }

    fn take(&mut self, accounts: &[AccountNews]) {
        for account in accounts {
            for at in self.sites.get(&account.address).into_iter().flatten() {
                let Some(kept) = self.markets.get_mut(*at) else { continue };
                apply(kept, account.address, &account.slots);
            }
        }
    }

    /// Reads what is missing out of the state, asks every question anew, and keeps the index.
    fn settle(&mut self, machine: &mut Machine, wants: &mut Vec<Want>) {
        let at = now(machine);
        let mut grown = false;
        for kept in self.markets.iter_mut().filter(|kept| kept.open) {
            let missing = fill(kept, machine.db());
            kept.open = !missing.is_empty();
            wants.extend(missing.into_iter().map(|(address, slot)| Want::Slot(address, slot)));
            let questions = kept.market.questions();
            grown |= kept.asked.len() != questions.len() || kept.near.is_none();
        }
        if grown || self.sites.is_empty() {
            self.find_sites();
        }
        self.reads.clear();
        for place in 0..self.markets.len() {
            self.ask_all(place, machine, wants);
            let Some(kept) = self.markets.get_mut(place) else { continue };
            if kept.near.as_ref().is_none_or(|near| near.stale(at)) {
                let (mut near, unknown) = Near::new(&kept.market, at, at.saturating_add(HORIZON));
                // Looked at whatever moves, until something is known of them.
                unknown.into_iter().for_each(|account| near.touch(account));
                kept.near = Some(near);
                self.pair(place);
            }
        }
        wants.sort_unstable();
        wants.dedup();
    }

    /// Notes the pairs that somebody has and that have not been rehearsed.
    fn pair(&mut self, place: usize) {
        let Self { markets, paired, unrehearsed, .. } = self;
        let Some(kept) = markets.get(place) else { return };
        for account in kept.market.accounts() {
            for (debt, collateral) in kept.market.pairs(account) {
                if debt != collateral && paired.insert((place, debt, collateral)) {
                    unrehearsed.push((place, account, debt, collateral));
                }
            }
        }
    }

    /// Pairs of which no liquidation has been rehearsed yet.
    pub const fn unrehearsed(&mut self) -> &mut Vec<Rehearsal> {
        &mut self.unrehearsed
    }

    /// The contracts that answer for a market's prices.
    #[must_use]
    pub fn oracles(&self, place: usize) -> Vec<Address> {
        let asked = self.markets.get(place).into_iter().flat_map(|kept| &kept.asked);
        let prices = asked.filter(|asked| matches!(asked.question.about, About::Price(_)));
        let mut all: Vec<Address> = prices.map(|asked| asked.question.to).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Lays over a market that all its feeds answer this.
    pub fn lay_prices(&mut self, place: usize, answer: U256) {
        let Some(kept) = self.markets.get_mut(place) else { return };
        for at in 0..kept.asked.len() {
            let is_price = |asked: &&mut Asked| matches!(asked.question.about, About::Price(_));
            let Some(asked) = kept.asked.get_mut(at).filter(is_price) else { continue };
            let Some(was) = asked.answer else { continue };
            asked.answer = Some(answer);
            self.laid.push((place, Under::Answer(at, was)));
            set(kept, at, answer);
        }
    }

    fn find_sites(&mut self) {
        self.sites.clear();
        for (place, kept) in self.markets.iter().enumerate() {
            for site in kept.market.sites() {
                self.sites.entry(site).or_default().push(place);
            }
        }
    }

    /// Asks a market's questions in the base state, and notes what was read for each.
    fn ask_all(&mut self, place: usize, machine: &mut Machine, wants: &mut Vec<Want>) {
        let Self { markets, reads, .. } = self;
        let Some(kept) = markets.get_mut(place) else { return };
        let before: Vec<Option<U256>> = kept.asked.drain(..).map(|asked| asked.answer).collect();
        for (index, question) in kept.market.questions().into_iter().enumerate() {
            let answer = ask(machine, &question).map_or_else(
                |want| {
                    wants.extend(want);
                    None
                },
                |(answer, diff)| {
                    note(reads, &diff, (place, index));
                    machine.take_back(diff);
                    answer
                },
            );
            kept.asked.push(Asked { question, answer });
            // Without an answer the market keeps the last: a proof would miss it, or revert.
            if let Some(answer) = answer.filter(|answer| before.get(index) != Some(&Some(*answer))) {
                set(kept, index, answer);
            }
        }
    }

    /// What of a transaction's diff concerns the markets: their slots, and those that were read for an answer.
    #[must_use]
    pub fn concerns(&self, diff: &EvmState) -> Vec<Change> {
        let is_ours = |address: &Address| self.sites.contains_key(address) || self.reads.contains_key(address);
        let changed = |(address, account): (&Address, &Account)| {
            let slots = account.changed_storage_slots();
            let change = |(slot, value): (&U256, &EvmStorageSlot)| Change {
                at: *address,
                slot: *slot,
                was: value.original_value,
                is: value.present_value,
            };
            slots.map(change).collect::<Vec<_>>()
        };
        let mut all: Vec<Change> = diff.iter().filter(|(address, _)| is_ours(address)).flat_map(changed).collect();
        // A diff has no order, and what is laid over what must have one.
        all.sort_unstable();
        all
    }

    /// Lays over the markets what a transaction has changed, whose diff lies over the machine's state. Whether a position, or
    /// what a market asks others for, has moved.
    pub fn lay(&mut self, changes: &[Change], machine: &mut Machine) -> bool {
        let before = self.suspects.len();
        let mut open = BTreeSet::new();
        for change in changes {
            let reads = self.reads.get(&change.at).and_then(|reads| reads.get(&change.slot));
            open.extend(reads.into_iter().flatten().copied());
            for place in self.sites.get(&change.at).into_iter().flatten() {
                let Some(kept) = self.markets.get_mut(*place) else { continue };
                let applied = kept.market.apply_slots(change.at, &[(change.slot, change.is)]);
                if applied != Ok(Applied::Changed) {
                    continue;
                }
                self.laid.push((*place, Under::Slot(change.at, change.slot, change.was)));
                self.suspects.extend(kept.market.owner(change.slot).map(|account| (*place, account)));
                // Its own words are a part of what a rate model is asked.
                open.extend(kept.market.pair().into_iter().flat_map(|_| (0..kept.asked.len()).map(|at| (*place, at))));
            }
        }
        let moved = !open.is_empty() || self.suspects.len() > before;
        open.into_iter().for_each(|(place, index)| self.ask_again(place, index, machine));
        self.suspects.sort_unstable();
        self.suspects.dedup();
        moved
    }

    /// Asks one question of a market again.
    fn ask_again(&mut self, place: usize, index: usize, machine: &mut Machine) {
        let Self { markets, laid, suspects, .. } = self;
        let Some(kept) = markets.get_mut(place) else { return };
        let question = kept.market.questions().into_iter().nth(index);
        let (Some(question), Some(asked)) = (question, kept.asked.get_mut(index)) else { return };
        // What is not known in the what-if, or reverts there, is no answer: nobody is sunk by it.
        let Ok((Some(answer), diff)) = ask(machine, &question) else { return };
        machine.take_back(diff);
        // What has no answer in the base could not be taken off again.
        let Some(was) = asked.answer.filter(|was| *was != answer) else { return };
        asked.answer = Some(answer);
        laid.push((place, Under::Answer(index, was)));
        suspects.extend(set(kept, index, answer).into_iter().map(|account| (place, account)));
    }

    /// Takes off what was laid over.
    pub fn lift(&mut self) {
        self.lift_to(0);
        self.suspects.clear();
    }

    /// What is laid over has become true.
    pub fn commit(&mut self) {
        self.laid.clear();
        self.suspects.clear();
    }

    /// How much is laid over: for [`Self::lift_to`].
    #[must_use]
    pub const fn height(&self) -> usize {
        self.laid.len()
    }

    /// Takes off what was laid over since it was this high.
    pub fn lift_to(&mut self, height: usize) {
        while self.laid.len() > height {
            let Some((place, under)) = self.laid.pop() else { return };
            let Some(kept) = self.markets.get_mut(place) else { continue };
            match under {
                Under::Slot(address, slot, value) => {
                    // It stood there before.
                    let _known = kept.market.apply_slots(address, &[(slot, value)]);
                }
                Under::Answer(at, answer) => {
                    if let Some(asked) = kept.asked.get_mut(at) {
                        asked.answer = Some(answer);
                    }
                    set(kept, at, answer);
                }
            }
        }
    }

    /// Who can be liquidated behind what is laid over: of those that it may have sunk. `base`: of all that are near the edge.
    /// In one order: what secures a debt, as far as it does, the most first, and of the markets in turn; whose collateral is worth
    /// nothing is left out.
    #[must_use]
    pub fn sunk(&self, base: bool, at: u64) -> Vec<Sunk> {
        let near = |(place, kept): (usize, &Kept)| {
            let under = kept.near.as_ref().filter(|_| base).map(Near::under).unwrap_or_default();
            under.into_iter().map(move |account| (place, account))
        };
        let all = self.suspects.iter().copied().chain(self.markets.iter().enumerate().flat_map(near));
        let mut sunk: Vec<Sunk> = all.filter_map(|(market, account)| self.stands(market, account, at)).collect();
        let worth = |sunk: &Sunk| sunk.health.collateral.min(sunk.health.debt);
        sunk.sort_by_key(|sunk| (sunk.market, std::cmp::Reverse(worth(sunk)), sunk.account));
        sunk.dedup_by_key(|sunk| (sunk.market, sunk.account));
        // Base currencies differ, so that markets cannot be held against each other: each gets its turn.
        let mut ranked: Vec<(usize, Sunk)> = Vec::with_capacity(sunk.len());
        for sunk in sunk {
            let rank = ranked.last().filter(|(_, last)| last.market == sunk.market).map_or(0, |(rank, _)| rank + 1);
            ranked.push((rank, sunk));
        }
        ranked.sort_by_key(|(rank, sunk)| (*rank, sunk.market));
        ranked.into_iter().map(|(_, sunk)| sunk).collect()
    }

    fn stands(&self, market: usize, account: Address, at: u64) -> Option<Sunk> {
        let health = self.market(market)?.health(account, at).ok()?;
        (health.sinks() && !health.collateral.is_zero()).then_some(Sunk { market, account, health })
    }
}

/// The time of the block that is being built, in seconds.
#[must_use]
pub fn now(machine: &Machine) -> u64 {
    machine.block().timestamp.saturating_to()
}

/// Slots into a market; whose positions they are is looked at from now on.
fn apply(kept: &mut Kept, address: Address, slots: &[(U256, U256)]) {
    // A value that contradicts the rest is refused by the market, and a proof would say so.
    let _refused = kept.market.apply_slots(address, slots);
    if let Some(near) = &mut kept.near {
        slots.iter().filter_map(|(slot, _)| kept.market.owner(*slot)).for_each(|account| near.touch(account));
    }
}

/// Reads what is missing out of the state, until nothing more of it is known; what is still missing.
/// Whose positions become known so are looked at.
fn fill(kept: &mut Kept, db: &Db) -> Vec<(Address, U256)> {
    let mut told = Vec::new();
    loop {
        let missing = kept.market.missing();
        let known = missing.iter().filter_map(|(at, slot)| Some((*at, *slot, db.known_slot(*at, *slot)?)));
        let known: Vec<(Address, U256, U256)> = known.collect();
        // What is asked for again though it was told is refused by the market.
        if known.is_empty() || known == told {
            return missing;
        }
        for (at, slot, value) in &known {
            apply(kept, *at, &[(*slot, *value)]);
        }
        told = known;
    }
}

/// An answer, and what was read for it. `Err`: something is not known, and what.
fn ask(machine: &mut Machine, question: &Question) -> Result<(Option<U256>, EvmState), Option<Want>> {
    let asked = machine.call(question.to, question.to, question.data.clone());
    let executed = asked.map_err(|error| if let ExecuteError::Cold(cold) = error { cold.want() } else { None })?;
    let answer = match &executed.result {
        ExecutionResult::Success { output, .. } => output.data().get(..32).map(U256::from_be_slice),
        ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. } => None,
    };
    Ok((answer, executed.diff))
}

/// Notes what was read for the answer to a question.
fn note(reads: &mut Reads, diff: &EvmState, question: (usize, usize)) {
    for (address, account) in diff {
        let by_slot = reads.entry(*address).or_default();
        account.storage.keys().for_each(|slot| by_slot.entry(*slot).or_default().push(question));
    }
}

/// Gives the market an answer; who may sink by it.
fn set(kept: &mut Kept, index: usize, answer: U256) -> Vec<Address> {
    let Some(asked) = kept.asked.get(index) else { return Vec::new() };
    match asked.question.about {
        About::Cash(asset) => kept.market.set_cash(asset, answer),
        About::Price(feed) => {
            kept.market.set_price(feed, answer);
            if let Some(near) = &mut kept.near {
                return near.moved(feed, answer).collect();
            }
        }
    }
    Vec::new()
}
