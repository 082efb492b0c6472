//! Markets, whom their prices can sink, and what a pending transaction makes of them.
//!
//! - `kept`: one market. `overlay`: what is laid over them.
//!
//! # Cost
//! A block: its changed slots, one look of the EVM for each question, and the positions near the edge. A pending transaction:
//! a lookup for each account and slot that it changed; where that moves a price, one look, and the positions near the edge
//! that hang on it. Twice an hour of chain time, or when prices have gone far, the index is made anew, beside the old one and a few
//! positions a block: two healths a position. At once, for all, at the start and when governance has changed what all hang on.

mod market_state;
mod overlay;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashSet;
use std::ops::Range;

use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::map::AddressMap;
use alloy_primitives::map::HashMap;
use revm::state::EvmState;

use crate::hot::evm::db::Db;
use crate::hot::evm::machine::Machine;
use crate::hot::lending::markets::market_state::Asked;
use crate::hot::lending::markets::market_state::MarketState;
use crate::hot::lending::markets::overlay::Under;
use crate::hot::state::sites::Sites;
use crate::protocols::AnyLending;
use crate::protocols::lending::About;
use crate::protocols::lending::Health;
use crate::protocols::lending::Holding;
use crate::protocols::lending::Lending;
use crate::protocols::lending::market_spec::MarketSpec;
use crate::protocols::lending::trigger_index::TriggerIndex;
use crate::types::update::AccountUpdate;
use crate::types::update::BlockUpdate;
use crate::types::update::StateKey;

pub use overlay::Change;
pub use overlay::Said;

/// A position that can be liquidated.
#[derive(Clone, Copy, Debug)]
pub struct Liquidatable {
    /// In which market: a place in [`Markets::market`].
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
pub struct Markets {
    markets: Vec<MarketState>,
    /// Whose storage each contract holds.
    sites: Sites<usize>,
    /// What each slot that was read for an answer answers: market, and place among its questions.
    reads: Reads,
    /// Slots that undone blocks wrote, until they are as the state has them below.
    stale: BTreeSet<(Address, U256)>,
    overlay: Vec<(usize, Under)>,
    /// Who may have sunk by what is laid over: market, account.
    suspects: Vec<(usize, Address)>,
    /// Pairs of debt and collateral of which a liquidation has been prewarmed, or waits to be.
    paired: HashSet<(usize, Address, Address)>,
    to_prewarm: Vec<Prewarm>,
    /// Behind which block each of the last markets was opened, those of the start apart.
    opened: Vec<u64>,
}

/// A pair of which somebody has a position: market, account, debt, collateral.
pub type Prewarm = (usize, Address, Address, Address);

impl Markets {
    /// The markets of `specs`, as far as the machine's state knows them. `state_keys` is given what it does not.
    #[must_use]
    pub fn new(specs: &[MarketSpec], machine: &mut Machine, state_keys: &mut Vec<StateKey>) -> Self {
        let markets = specs.iter().filter_map(AnyLending::from_spec);
        let mut book = Self { markets: markets.map(MarketState::new).collect(), ..Self::default() };
        book.absorb(machine, state_keys);
        book
    }

    /// Takes a market that is new behind this block, as far as the machine's state knows it.
    pub fn open(&mut self, spec: &MarketSpec, block: u64, machine: &mut Machine, state_keys: &mut Vec<StateKey>) {
        let Some(market) = AnyLending::from_spec(spec) else { return };
        self.revert();
        self.markets.push(MarketState::new(market));
        self.opened.push(block);
        self.absorb(machine, state_keys);
    }

    /// Lets go of the markets that were opened above this block.
    fn close(&mut self, above: u64) {
        let gone = self.opened.iter().rev().take_while(|block| **block > above).count();
        if gone == 0 {
            return;
        }
        self.opened.truncate(self.opened.len() - gone);
        let left = self.markets.len() - gone;
        self.markets.truncate(left);
        self.paired.retain(|(place, ..)| *place < left);
        self.to_prewarm.retain(|(place, ..)| *place < left);
        self.find_sites();
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

    /// Takes a block that the machine's state stands behind.
    pub fn grow(&mut self, update: &BlockUpdate, machine: &mut Machine, state_keys: &mut Vec<StateKey>) {
        if self.is_empty() {
            return;
        }
        self.revert();
        update.accounts.iter().for_each(|account| self.apply(account.address, &account.slots));
        for log in &update.logs {
            let Self { markets, sites, .. } = self;
            let hear = |kept: &mut MarketState| kept.hear(log.address, &log.topics, &log.data);
            sites.of_log(log.address, &log.topics, |place| markets.get_mut(place).into_iter().for_each(hear));
        }
        self.absorb(machine, state_keys);
    }

    /// Takes what was told behind the tip.
    pub fn fetched(&mut self, accounts: &[AccountUpdate], machine: &mut Machine, state_keys: &mut Vec<StateKey>) {
        self.revert();
        // Most of what is told is somebody's swap's.
        if accounts.iter().any(|account| self.is_ours(account.address))
            || self.markets.iter().any(MarketState::state_keys)
        {
            accounts.iter().for_each(|account| self.apply(account.address, &account.slots));
            self.absorb(machine, state_keys);
        }
    }

    /// Takes back what blocks above this one have changed: these are the slots that they wrote, and the machine's state is what it
    /// was below them. A market that was opened behind one of them is let go of. What is not known there any more stays as it was until it has been read again.
    pub fn rewind<'a>(
        &mut self,
        (undone, down_to): (impl Iterator<Item = &'a AccountUpdate>, u64),
        machine: &mut Machine,
        state_keys: &mut Vec<StateKey>,
    ) {
        if self.is_empty() {
            return;
        }
        self.revert();
        self.close(down_to);
        for account in undone.filter(|account| !self.sites.at(account.address).is_empty()) {
            self.stale.extend(account.slots.iter().map(|(slot, _)| (account.address, *slot)));
        }
        self.absorb(machine, state_keys);
    }

    /// A slot of somebody's position, or of everybody's terms.
    fn is_a_markets(&self, at: Address, slot: U256) -> bool {
        let markets = self.sites.at(at).iter().filter_map(|place| self.market(*place));
        markets.into_iter().any(|market| market.owner(slot).is_some() || market.is_term(at, slot))
    }

    /// Whose storage is a market's, or read for an answer.
    fn is_ours(&self, address: Address) -> bool {
        !self.sites.at(address).is_empty() || self.reads.contains_key(&address)
    }

    fn apply(&mut self, at: Address, slots: &[(U256, U256)]) {
        let Self { markets, sites, .. } = self;
        let numbers = slots.iter().map(|(slot, _)| *slot);
        sites.of_slots(at, numbers, |place| markets.get_mut(place).into_iter().for_each(|kept| kept.apply(at, slots)));
    }

    /// Takes what undone blocks wrote as the state has it now, and asks for what it does not know, until it does.
    fn refresh(&mut self, db: &Db, state_keys: &mut Vec<StateKey>) {
        for (at, slot) in std::mem::take(&mut self.stale) {
            if let Some(value) = db.known_slot(at, slot) {
                self.apply(at, &[(slot, value)]);
            } else if self.is_a_markets(at, slot) {
                self.stale.insert((at, slot));
                state_keys.push(StateKey::Slot(at, slot));
            }
        }
    }

    /// Reads what is missing out of the state, asks every question anew, and keeps the index.
    fn absorb(&mut self, machine: &mut Machine, state_keys: &mut Vec<StateKey>) {
        let at = now(machine);
        self.refresh(machine.db(), state_keys);
        let mut grown = false;
        for kept in &mut self.markets {
            let Some(missing) = kept.fill(machine.db()) else { continue };
            state_keys.extend(missing.into_iter().map(|(address, slot)| StateKey::Slot(address, slot)));
            grown = true;
        }
        if grown {
            self.find_sites();
        }
        self.reads.clear();
        for place in 0..self.markets.len() {
            self.ask_all(place, machine, state_keys);
            let Some(kept) = self.markets.get_mut(place) else { continue };
            let looked_at = kept.renew(at);
            self.pair(place, at, looked_at);
        }
        state_keys.sort_unstable();
        state_keys.dedup();
    }

    /// Notes the pairs that some of a market's positions have and that have not been prewarmed, each with whoever has most of both
    /// sides: what is sold for him goes furthest into the pools, and it is no dust that somebody was given.
    fn pair(&mut self, place: usize, at: u64, positions: Range<usize>) {
        let Self { markets, paired, to_prewarm, .. } = self;
        let Some(MarketState { market, .. }) = markets.get(place) else { return };
        let mut new: BTreeMap<(Address, Address), (U256, Address)> = BTreeMap::new();
        for account in positions.filter_map(|position| market.account(position)) {
            let is_new = |pair: &(Address, Address)| pair.0 != pair.1 && !paired.contains(&(place, pair.0, pair.1));
            let mut pairs = market.pairs(account).into_iter().filter(is_new).peekable();
            // Known once for all pairs of one, and for nobody who has none that is new.
            let holdings = pairs.peek().and_then(|_| market.holdings(account, at).ok()).unwrap_or_default();
            for pair in pairs {
                let worth = worth_of(market, &holdings, pair);
                let most = new.entry(pair).or_insert((worth, account));
                *most = (*most).max((worth, account));
            }
        }
        for ((debt, collateral), (_, account)) in new {
            paired.insert((place, debt, collateral));
            to_prewarm.push((place, account, debt, collateral));
        }
    }

    /// How many pairs wait to be prewarmed.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.to_prewarm.len()
    }

    /// Of this pair nothing could be prewarmed now: it is noted again with the next index, whoever has it then.
    pub fn propose_again(&mut self, (place, _, debt, collateral): &Prewarm) {
        self.paired.remove(&(*place, *debt, *collateral));
    }

    /// Pairs of which no liquidation has been prewarmed yet.
    pub const fn to_prewarm(&mut self) -> &mut Vec<Prewarm> {
        &mut self.to_prewarm
    }

    fn find_sites(&mut self) {
        self.sites.clear();
        for (place, kept) in self.markets.iter().enumerate() {
            kept.market.sites().iter().for_each(|site| self.sites.add(place, site));
        }
    }

    /// Asks a market's questions in the base state, and notes what was read for each.
    fn ask_all(&mut self, place: usize, machine: &mut Machine, state_keys: &mut Vec<StateKey>) {
        let Self { markets, reads, .. } = self;
        let Some(kept) = markets.get_mut(place) else { return };
        // By what it is about: questions move when there are more of them.
        let before: Vec<(About, Option<U256>)> =
            kept.asked.drain(..).map(|asked| (asked.question.about, asked.answer)).collect();
        for (index, question) in kept.market.questions().into_iter().enumerate() {
            let answer = market_state::ask(machine, &question).map_or_else(
                |want| {
                    state_keys.extend(want);
                    None
                },
                |(answer, diff)| {
                    note(reads, &diff, (place, index));
                    machine.take_back(diff);
                    answer
                },
            );
            let last = before.get(index).filter(|(about, _)| *about == question.about).and_then(|(_, answer)| *answer);
            kept.asked.push(Asked { question, answer });
            // Without an answer the market keeps the last: a proof would miss it, or revert.
            if let Some(answer) = answer.filter(|answer| last != Some(*answer)) {
                kept.set(index, answer);
            }
        }
    }

    /// Who can be liquidated behind what is laid over: of those that it may have sunk. `base`: of all that are near the edge.
    /// In one order: what secures a debt, as far as it does, the most first, and of the markets in turn; whose collateral is worth
    /// nothing is left out.
    #[must_use]
    pub fn liquidatable(&self, base: bool, at: u64) -> Vec<Liquidatable> {
        let trigger_index = |(place, kept): (usize, &MarketState)| {
            let under = kept.trigger_index.as_ref().filter(|_| base).map(TriggerIndex::under).unwrap_or_default();
            under.into_iter().map(move |account| (place, account))
        };
        let all = self.suspects.iter().copied().chain(self.markets.iter().enumerate().flat_map(trigger_index));
        let mut liquidatable: Vec<Liquidatable> =
            all.filter_map(|(market, account)| self.stands(market, account, at)).collect();
        let worth = |liquidatable: &Liquidatable| liquidatable.health.collateral.min(liquidatable.health.debt);
        liquidatable.sort_by_key(|liquidatable| {
            (liquidatable.market, std::cmp::Reverse(worth(liquidatable)), liquidatable.account)
        });
        liquidatable.dedup_by_key(|liquidatable| (liquidatable.market, liquidatable.account));
        // Base currencies differ, so that markets cannot be held against each other: each gets its turn.
        let mut ranked: Vec<(usize, Liquidatable)> = Vec::with_capacity(liquidatable.len());
        for liquidatable in liquidatable {
            let rank =
                ranked.last().filter(|(_, last)| last.market == liquidatable.market).map_or(0, |(rank, _)| rank + 1);
            ranked.push((rank, liquidatable));
        }
        ranked.sort_by_key(|(rank, liquidatable)| (*rank, liquidatable.market));
        ranked.into_iter().map(|(_, liquidatable)| liquidatable).collect()
    }

    fn stands(&self, market: usize, account: Address, at: u64) -> Option<Liquidatable> {
        let health = self.market(market)?.health(account, at).ok()?;
        (health.is_liquidatable() && !health.collateral.is_zero()).then_some(Liquidatable { market, account, health })
    }
}

/// The lesser side of what somebody owes of one asset and holds of another, in base currency; nothing where that is not known.
fn worth_of(market: &AnyLending, holdings: &[Holding], (debt, collateral): (Address, Address)) -> U256 {
    let of = |asset: Address| holdings.iter().find(|holding| holding.asset == asset);
    let owed = of(debt).and_then(|holding| market.worth(debt, holding.debt)).unwrap_or_default();
    let held = of(collateral).and_then(|holding| market.worth(collateral, holding.collateral)).unwrap_or_default();
    owed.min(held)
}

/// The time of the block that is being built, in seconds.
#[must_use]
pub fn now(machine: &Machine) -> u64 {
    machine.block().timestamp.saturating_to()
}

/// Notes what was read for the answer to a question.
fn note(reads: &mut Reads, diff: &EvmState, question: (usize, usize)) {
    for (address, account) in diff {
        let by_slot = reads.entry(*address).or_default();
        account.storage.keys().for_each(|slot| by_slot.entry(*slot).or_default().push(question));
    }
}
