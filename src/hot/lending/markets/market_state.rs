//! One market: what is known of it, what it asks, and the index of positions near the edge.

use std::collections::BTreeSet;
use std::ops::Range;

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use revm::context::result::ExecutionResult;
use revm::state::EvmState;

use crate::hot::evm::db::Db;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Machine;
use crate::protocols::AnyLending;
use crate::protocols::amm::Applied;
use crate::protocols::lending::About;
use crate::protocols::lending::Lending;
use crate::protocols::lending::Question;
use crate::protocols::lending::trigger_index::TriggerIndex;
use crate::types::update::StateKey;

/// Seconds that an index of positions is good for. The next is begun at half of it, and is made by then: in so many slices, one
/// a block or more, and in fewer where prices have gone far.
const HORIZON: u64 = 3_600;
const SLICES: usize = 128;
const SOON: usize = 16;

/// A question, and the last answer.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) answer: Option<U256>,
}

/// A market as the book keeps it.
#[derive(Clone, Debug)]
pub(super) struct MarketState {
    pub(super) market: AnyLending,
    /// `None` until the index is made, and where what governance sets has changed under it.
    pub(super) trigger_index: Option<TriggerIndex>,
    /// The one that comes after it, while it is being made.
    next: Option<TriggerIndex>,
    pub(super) asked: Vec<Asked>,
    /// Whose slots may not all be known. `None`: nothing is missing. The market's own are looked at with them.
    open: Option<BTreeSet<Address>>,
}

impl MarketState {
    /// A market of which nothing has been read yet.
    pub(super) fn new(market: AnyLending) -> Self {
        let open = Some(market.accounts().into_iter().collect());
        Self { market, trigger_index: None, next: None, asked: Vec::new(), open }
    }

    /// Not all of its slots are known, or not all that it asks is answered.
    pub(super) fn state_keys(&self) -> bool {
        self.open.is_some() || self.asked.iter().any(|asked| asked.answer.is_none())
    }

    /// Takes slots; whose positions they are is looked at from now on.
    pub(super) fn apply(&mut self, at: Address, slots: &[(U256, U256)]) {
        for (slot, value) in slots {
            // A value that contradicts the rest is refused by the market, and a proof would say so.
            if self.market.apply_slots(at, &[(*slot, *value)]) != Ok(Applied::Changed) {
                continue;
            }
            // More may be missing behind a word that changed: a new reserve's, a side that an account has begun to use.
            self.open.get_or_insert_default();
            if let Some(account) = self.market.owner(*slot) {
                self.look_at(account);
            } else if self.market.is_term(at, *slot) {
                (self.trigger_index, self.next) = (None, None);
            }
        }
    }

    /// Looks at a position whatever moves from now on, and at whether something of it is missing.
    pub(super) fn look_at(&mut self, account: Address) {
        self.open.get_or_insert_default().insert(account);
        self.trigger_index.iter_mut().chain(&mut self.next).for_each(|trigger_index| trigger_index.touch(account));
    }

    /// Takes a log; whom it names is watched.
    pub(super) fn hear(&mut self, at: Address, topics: &[B256], data: &[u8]) {
        // A log that is not what it should be names nobody: the position is not followed, and nothing else is lost.
        if let Ok(Some(account)) = self.market.apply_log(at, topics, data) {
            self.open.get_or_insert_default().insert(account);
        }
    }

    /// Reads what is missing out of the state, until nothing more of it is known; what is still missing. `None`: nothing was.
    pub(super) fn fill(&mut self, db: &Db) -> Option<Vec<(Address, U256)>> {
        let mut fetched = Vec::new();
        loop {
            let accounts: Vec<Address> = self.open.as_ref()?.iter().copied().collect();
            let missing = self.market.missing_of(&accounts);
            let known = missing.iter().filter_map(|(at, slot)| Some((*at, *slot, db.known_slot(*at, *slot)?)));
            let known: Vec<(Address, U256, U256)> = known.collect();
            // What is asked for again though it was told is refused by the market.
            if known.is_empty() || known == fetched {
                self.open = self.open.take().filter(|_| !missing.is_empty());
                return Some(missing);
            }
            for (at, slot, value) in &known {
                self.apply(*at, &[(*slot, *value)]);
            }
            fetched = known;
        }
    }

    /// Notes an answer, and gives it to the market; who may sink by it.
    pub(super) fn set(&mut self, index: usize, answer: U256) -> Vec<Address> {
        let Some(asked) = self.asked.get_mut(index) else { return Vec::new() };
        asked.answer = Some(answer);
        self.market.answer(asked.question.about, answer);
        let About::Price(feed) = asked.question.about else { return Vec::new() };
        self.next.iter_mut().for_each(|next| next.reprice(feed, answer));
        self.trigger_index.iter_mut().flat_map(|trigger_index| trigger_index.moved(feed, answer)).collect()
    }

    /// Keeps the index: once it ages, the next is made beside it, so many positions a time; at once where there is none that
    /// holds. Which of the market's positions were looked at for it.
    pub(super) fn renew(&mut self, at: u64) -> Range<usize> {
        let Self { market, trigger_index, next, .. } = self;
        let serving = trigger_index.as_ref().filter(|trigger_index| !trigger_index.is_over(at));
        *next = next.take().filter(|next| !next.is_over(at));
        if next.is_none() && serving.is_none_or(|trigger_index| trigger_index.ages(at)) {
            *next = Some(TriggerIndex::begun(at, at.saturating_add(HORIZON)));
        }
        let Some(index) = next else { return 0..0 };
        let count = serving.map_or(usize::MAX, |trigger_index| {
            trigger_index.seen() / if trigger_index.is_wide() { SOON } else { SLICES } + 1
        });
        let first = index.seen();
        // Looked at whatever moves, until something is known of them.
        index.take(market, at, count).into_iter().for_each(|account| index.touch(account));
        let taken = first..index.seen();
        if index.is_whole(market) {
            *trigger_index = next.take();
        }
        taken
    }
}

/// An answer, and what was read for it. `Err`: something is not known, and what.
pub(super) fn ask(machine: &mut Machine, question: &Question) -> Result<(Option<U256>, EvmState), Option<StateKey>> {
    let asked = machine.call(question.to, question.to, question.data.clone());
    let executed = asked.map_err(|error| if let ExecuteError::Cold(cold) = error { cold.state_key() } else { None })?;
    let answer = match &executed.result {
        ExecutionResult::Success { output, .. } => output.data().get(..32).map(U256::from_be_slice),
        ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. } => None,
    };
    Ok((answer, executed.diff))
}
