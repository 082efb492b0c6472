//! Where the state of a pool or a market lives: contracts, and which of their slots and logs.

use alloy_primitives::{Address, B256, U256};

/// Which of a contract's slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slots {
    /// None: logs tell.
    None,
    /// All: the contract is its own.
    All,
    /// These: the contract holds others besides. Who learns of a new slot of its own names it from then on.
    Listed(Vec<U256>),
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
