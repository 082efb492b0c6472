//! What a pending transaction makes of the markets, laid over them and taken off again.
//!
//! # Limits
//! - Who begins to owe another asset by it has no health until his block: a slot that the transaction did not read is not known.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use alloy_primitives::Address;
use alloy_primitives::U256;
use revm::state::Account;
use revm::state::EvmState;
use revm::state::EvmStorageSlot;

use crate::hot::evm::machine::Machine;
use crate::hot::lending::markets::Markets;
use crate::hot::lending::markets::market_state;
use crate::hot::lending::markets::market_state::Asked;
use crate::hot::lending::markets::market_state::MarketState;
use crate::protocols::amm::Applied;
use crate::protocols::lending::About;
use crate::protocols::lending::Lending;
use crate::protocols::lending::Question;
use crate::protocols::lending::choice;
use crate::protocols::lending::choice::LiquidationPrice;

/// What was laid over a market, as it was before.
#[derive(Clone, Copy, Debug)]
pub(super) enum Under {
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

/// A question, and what is answered.
#[derive(Clone, Debug)]
pub struct Said {
    /// What, and who is asked.
    pub question: Question,
    /// The first word of the answer.
    pub answer: U256,
}

impl Markets {
    /// What of a transaction's diff concerns the markets: their slots, and those that were read for an answer.
    #[must_use]
    pub fn concerns(&self, diff: &EvmState) -> Vec<Change> {
        if self.is_empty() {
            return Vec::new();
        }
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
        let mut all: Vec<Change> =
            diff.iter().filter(|(address, _)| self.is_ours(**address)).flat_map(changed).collect();
        // A diff has no order, and what is laid over what must have one.
        all.sort_unstable();
        all
    }

    /// Lays over the markets what a transaction has changed, whose diff lies over the machine's state. Whether a position, or
    /// what a market asks others for, has moved.
    pub fn apply_overlay(&mut self, changes: &[Change], machine: &mut Machine) -> bool {
        let before = self.suspects.len();
        let mut open: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for change in changes {
            let reads = self.reads.get(&change.at).and_then(|reads| reads.get(&change.slot));
            for (place, index) in reads.into_iter().flatten() {
                open.entry(*place).or_default().insert(*index);
            }
            for place in self.sites.at(change.at) {
                let Some(MarketState { market, asked, .. }) = self.markets.get_mut(*place) else { continue };
                if market.apply_slots(change.at, &[(change.slot, change.is)]) != Ok(Applied::Changed) {
                    continue;
                }
                self.overlay.push((*place, Under::Slot(change.at, change.slot, change.was)));
                let all = if market.is_term(change.at, change.slot) { market.accounts() } else { Vec::new() };
                let liquidatable = market.owner(change.slot).into_iter().chain(all);
                self.suspects.extend(liquidatable.map(|account| (*place, account)));
                // Its own words are a part of what a rate model is asked.
                if market.asks_with_state() {
                    open.entry(*place).or_default().extend(0..asked.len());
                }
            }
        }
        let moved = !open.is_empty() || self.suspects.len() > before;
        open.into_iter().for_each(|(place, indexes)| self.ask_again(place, &indexes, machine));
        self.suspects.sort_unstable();
        self.suspects.dedup();
        moved
    }

    /// Asks questions of a market again.
    fn ask_again(&mut self, place: usize, indexes: &BTreeSet<usize>, machine: &mut Machine) {
        let Self { markets, overlay, suspects, .. } = self;
        let Some(kept) = markets.get_mut(place) else { return };
        for (index, question) in kept.market.questions().into_iter().enumerate() {
            // A category with a price of its own is asked for before all cash: where it has just got it, places have moved.
            let same = |asked: &&Asked| indexes.contains(&index) && asked.question.about == question.about;
            let Some(asked) = kept.asked.get(index).filter(same) else { continue };
            // What is not known in the what-if, or reverts there, is no answer: nobody is sunk by it.
            let Ok((Some(answer), diff)) = market_state::ask(machine, &question) else { continue };
            machine.take_back(diff);
            // What has no answer in the base could not be taken off again.
            let Some(was) = asked.answer.filter(|was| *was != answer) else { continue };
            overlay.push((place, Under::Answer(index, was)));
            suspects.extend(kept.set(index, answer).into_iter().map(|account| (place, account)));
        }
    }

    /// Takes off what was laid over.
    pub fn revert(&mut self) {
        self.revert_to(0);
        self.suspects.clear();
    }

    /// What is laid over has become true. Whom it changed, or may have sunk, is looked at until the index is made anew.
    pub fn commit(&mut self) {
        self.overlay.clear();
        for (place, account) in self.suspects.drain(..) {
            self.markets.get_mut(place).into_iter().for_each(|kept| kept.look_at(account));
        }
    }

    /// How much is laid over: for [`Self::revert_to`].
    #[must_use]
    pub const fn height(&self) -> usize {
        self.overlay.len()
    }

    /// Takes off what was laid over since it was this high.
    pub fn revert_to(&mut self, height: usize) {
        while self.overlay.len() > height {
            let Some((place, under)) = self.overlay.pop() else { return };
            let Some(kept) = self.markets.get_mut(place) else { continue };
            match under {
                Under::Slot(address, slot, value) => {
                    // It stood there before.
                    let _known = kept.market.apply_slots(address, &[(slot, value)]);
                }
                Under::Answer(at, answer) => drop(kept.set(at, answer)),
            }
        }
    }

    /// Lays over a market that one of its prices is where the position sinks; all that the market's oracles then say. Empty where
    /// no single price does it.
    pub fn apply_sinking(&mut self, place: usize, account: Address, at: u64) -> Vec<Said> {
        let Some(kept) = self.markets.get_mut(place) else { return Vec::new() };
        let MarketState { market, asked, .. } = &*kept;
        if !market.health(account, at).is_ok_and(|health| health.is_liquidatable()) {
            let edge = |feed: Address| {
                let mut priced = asked.iter().enumerate();
                let (index, asked) = priced.find(|(_, asked)| asked.question.about == About::Price(feed))?;
                let was = asked.answer?;
                let edge = choice::edge(market, account, feed, was, at).ok()??;
                let (LiquidationPrice::Falling(price) | LiquidationPrice::Rising(price)) = edge;
                Some((index, was, price))
            };
            let Some((index, was, price)) = market.feeds_of(account).into_iter().find_map(edge) else {
                return Vec::new();
            };
            self.overlay.push((place, Under::Answer(index, was)));
            kept.set(index, price);
        }
        let prices = kept.asked.iter().filter(|asked| matches!(asked.question.about, About::Price(_)));
        let mut all: Vec<Said> = Vec::new();
        for Asked { question, answer } in prices {
            // Two categories may have one price: it is laid over the first.
            if let Some(answer) = answer.filter(|_| all.iter().all(|said| said.question != *question)) {
                all.push(Said { question: question.clone(), answer });
            }
        }
        all
    }
}
