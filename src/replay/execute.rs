//! Does the record execute to its header? Gas, logs bloom and receipts root say so; there is no other judge.

use std::fmt::{Display, Formatter};

use alloy::rpc::types::eth::Transaction;
use alloy_primitives::{B256, BloomInput};
use revm::state::AccountInfo;

use crate::chain;
use crate::hot::evm::db::Cold;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Executed;
use crate::hot::evm::machine::Machine;
use crate::replay::record::Record;
use crate::replay::record::tx_env;

pub use crate::hot::evm::block::Receipts;
pub use crate::hot::evm::block::Verdict;

/// A record that does not execute to its header, and the first transaction that shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Broken {
    /// Position in the block, and hash. `None` when no single transaction can be told apart.
    pub at: Option<(usize, B256)>,
    /// What differs, and how it is known.
    pub what: String,
}

impl Display for Broken {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.at {
            Some((index, hash)) => write!(f, "first differs at transaction {index} ({hash}): {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl Broken {
    /// Names transaction `index` of `record`.
    #[must_use]
    pub fn at(record: &Record, index: usize, what: String) -> Self {
        let at = record.txs.get(index).map(|tx| (index, *tx.inner.inner().tx_hash()));
        Self { at, what }
    }

    /// A transaction that could not be run to its end.
    #[must_use]
    pub fn stopped(record: &Record, index: usize, error: &ExecuteError) -> Self {
        Self::at(record, index, format!("the state does not let the block execute: {error}"))
    }
}

/// A machine at the start of the record's block.
#[must_use]
pub fn machine(record: &Record) -> Machine {
    Machine::new(chain::RECORDED.id, record.fork, record.block_env(), record.db())
}

/// Executes one recorded transaction. A record holds every account that its block touched and that existed, so an
/// absent account that one of its own transactions touches did not exist; an absent slot is a hole in the record.
pub fn step(machine: &mut Machine, tx: &Transaction) -> Result<Executed, ExecuteError> {
    loop {
        match machine.execute(tx_env(tx)) {
            Err(ExecuteError::Cold(Cold::Account(address))) => {
                // Known from now on, so the same miss cannot come twice.
                machine.db_mut().tell_whole_account(address, AccountInfo::default());
            }
            outcome => return outcome,
        }
    }
}

/// Executes the whole block on `machine`, calling `seen` with every transaction's outcome before it is committed.
pub fn run(
    record: &Record,
    machine: &mut Machine,
    mut seen: impl FnMut(usize, &Executed, &mut Machine),
) -> Result<Verdict, Broken> {
    let mut receipts = Receipts::default();
    for (index, tx) in record.txs.iter().enumerate() {
        machine.db_mut().clear_notes();
        let executed = step(machine, tx).map_err(|error| Broken::stopped(record, index, &error))?;
        receipts.push(tx, &executed.result);
        seen(index, &executed, machine);
        machine.commit(executed.diff);
    }
    Ok(receipts.verdict(&record.header))
}

/// The first transaction with a log that the header's bloom denies.
#[must_use]
pub fn first_denied_by_bloom(record: &Record) -> Option<usize> {
    let mut first = None;
    let due = record.header.logs_bloom;
    // An error ends the walk; what was seen before it still stands.
    let _ends_early = run(record, &mut machine(record), |index, executed, _| {
        let denied = executed.logs().iter().any(|log| {
            let topics = log.topics().iter().map(|topic| topic.as_slice());
            std::iter::once(log.address.as_slice()).chain(topics).any(|item| !due.contains_input(BloomInput::Raw(item)))
        });
        if denied && first.is_none() {
            first = Some(index);
        }
    });
    first
}
