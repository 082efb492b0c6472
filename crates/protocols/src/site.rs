//! Where the state of a pool or a market lives: contracts, and which of their slots and logs.

use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

/// Which of a contract's slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slots {
    /// None: logs tell.
    None,
    /// All: the contract is its own.
    All,
    /// These: the contract holds others besides. Who learns of a new slot of its own names it from then on.
    Listed(Vec<U256>),
    /// These, and never another: a token's contract need not be followed whole for one balance.
    Only(Vec<U256>),
}

/// Which of a contract's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// None.
    None,
    /// All.
    All,
    /// Those with this id behind the signature: the contract speaks of others besides.
    Of(B256),
}

/// One contract that state lives at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSite {
    /// The contract.
    pub at: Address,
    /// What of its storage.
    pub slots: Slots,
    /// What of its logs.
    pub logs: Logs,
}

impl StateSite {
    /// A contract that holds nothing else. `log_fed`: its storage cannot be read.
    #[must_use]
    pub const fn whole(at: Address, log_fed: bool) -> Self {
        Self { at, slots: if log_fed { Slots::None } else { Slots::All }, logs: Logs::All }
    }
}

/// A slot of another contract, such as a factory's, that what was learnt of a pool hangs on: its fee, the leave to swap. Where it changes
/// the pool is asked anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// The contract.
    pub at: Address,
    /// The slot.
    pub slot: U256,
    /// What it held when the pool was asked.
    pub value: U256,
}

/// Does a change of slots of the contract `at` put another value into a term?
#[must_use]
pub fn breaks(terms: &[Term], at: Address, changes: &[(U256, U256)]) -> bool {
    let is_broken = |term: &Term, slot: U256, to: U256| term.slot == slot && term.value != to;
    let mut here = terms.iter().filter(|term| term.at == at);
    here.any(|term| changes.iter().any(|(slot, to)| is_broken(term, *slot, *to)))
}

/// The contracts that terms lie at, and their slots.
#[must_use]
pub fn sites_of(terms: &[Term]) -> Vec<StateSite> {
    let mut listed: Vec<(Address, Vec<U256>)> = Vec::new();
    for term in terms {
        match listed.iter_mut().find(|(at, _)| *at == term.at) {
            Some((_, slots)) => slots.push(term.slot),
            None => listed.push((term.at, vec![term.slot])),
        }
    }
    listed.into_iter().map(|(at, slots)| StateSite { at, slots: Slots::Listed(slots), logs: Logs::None }).collect()
}
