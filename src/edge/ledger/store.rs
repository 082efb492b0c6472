//! The tables, and what each operation does to them.
//!
//! # Invariants
//! - An operation looks before it writes: one that is refused has changed nothing.
//! - `TOTALS` is what [`recount`] finds.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::edge::disk::ROOM_BYTES;
use crate::edge::ledger::LedgerError;
use crate::edge::ledger::Op;
use crate::edge::ledger::others::Liquidation;
use crate::edge::ledger::row::Answer;
use crate::edge::ledger::row::Bundle;
use crate::edge::ledger::row::Latency;
use crate::edge::ledger::row::Outcome;
use crate::edge::ledger::row::Row;
use crate::edge::ledger::row::State;
use crate::edge::ledger::row::Totals;

/// The layout below. A file of another one is refused, never rewritten by guess.
pub const SCHEMA: u64 = 1;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const BUNDLES: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("bundles");
/// Target block and uuid, of all bundles.
const BLOCKS: TableDefinition<'_, (u64, u128), ()> = TableDefinition::new("blocks");
/// The same, of those without an outcome.
const OPEN: TableDefinition<'_, (u64, u128), ()> = TableDefinition::new("open");
/// Target block and opportunity: the bundle that holds it.
const TAKEN: TableDefinition<'_, (u64, [u8; 32]), u128> = TableDefinition::new("taken");
const ANSWERS: TableDefinition<'_, (u128, u32), &[u8]> = TableDefinition::new("answers");
const OUTCOMES: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("outcomes");
const TOTALS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("totals");
/// Block, and place among the liquidations in it.
const LIQUIDATIONS: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("liquidations");
/// Start of the run in unix milliseconds, and stage.
const LATENCIES: TableDefinition<'_, (u64, &str), &[u8]> = TableDefinition::new("latencies");

/// Empty, but while it is tried whether there is room.
const ROOM: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("room");

/// A row of `BUNDLES`.
#[derive(Serialize, Deserialize)]
struct Held {
    bundle: Bundle,
    state: State,
    answers: u32,
}

/// Makes the tables of a new file; holds an old one against [`SCHEMA`].
pub fn prepare(db: &Database) -> Result<(), LedgerError> {
    let txn = db.begin_write().map_err(fail)?;
    {
        let mut meta = txn.open_table(META).map_err(fail)?;
        let have = meta.get("schema").map_err(fail)?.map(|have| have.value());
        match have {
            Some(SCHEMA) => {}
            Some(have) => return Err(LedgerError::Schema { have, due: SCHEMA }),
            None => drop(meta.insert("schema", SCHEMA).map_err(fail)?),
        }
        txn.open_table(BUNDLES).map_err(fail)?;
        txn.open_table(BLOCKS).map_err(fail)?;
        txn.open_table(OPEN).map_err(fail)?;
        txn.open_table(TAKEN).map_err(fail)?;
        txn.open_table(ANSWERS).map_err(fail)?;
        txn.open_table(OUTCOMES).map_err(fail)?;
        txn.open_table(TOTALS).map_err(fail)?;
        txn.open_table(LATENCIES).map_err(fail)?;
        txn.open_table(LIQUIDATIONS).map_err(fail)?;
    }
    txn.commit().map_err(fail)
}

/// The lease; zero without one.
pub fn leased(txn: &ReadTransaction) -> Result<u64, LedgerError> {
    let meta = txn.open_table(META).map_err(fail)?;
    Ok(meta.get("lease").map_err(fail)?.map_or(0, |lease| lease.value()))
}

/// Some operations, each with what came of it, in one transaction. An error: none of them is done.
pub fn commit<'a>(
    db: &Database,
    ops: impl IntoIterator<Item = &'a Op>,
) -> Result<Vec<Result<(), LedgerError>>, LedgerError> {
    let txn = db.begin_write().map_err(fail)?;
    let mut results = Vec::new();
    for op in ops {
        let result = apply(&txn, op);
        if let Err(broken @ (LedgerError::Store { .. } | LedgerError::Damaged { .. } | LedgerError::Row { .. })) =
            result
        {
            // Half an operation may be in the transaction: none of it is kept.
            return Err(broken);
        }
        results.push(result);
    }
    txn.commit().map_err(fail)?;
    Ok(results)
}

/// Writes as much as the next rows may need, and takes it back: an error where there is no room.
pub fn probe(db: &Database) -> Result<(), LedgerError> {
    // No zeros: a file system may keep those without room.
    let bytes = vec![0xa5; ROOM_BYTES];
    let txn = db.begin_write().map_err(fail)?;
    txn.open_table(ROOM).map_err(fail)?.insert("room", bytes.as_slice()).map_err(fail)?;
    txn.commit().map_err(fail)?;
    let txn = db.begin_write().map_err(fail)?;
    txn.delete_table(ROOM).map_err(fail)?;
    txn.commit().map_err(fail)
}

/// One operation, inside a transaction.
fn apply(txn: &WriteTransaction, op: &Op) -> Result<(), LedgerError> {
    match op {
        Op::Decide(bundle) => decide(txn, bundle),
        Op::Answer(uuid, answer) => add_answer(txn, *uuid, answer),
        Op::Settle(uuid, outcome) => settle(txn, *uuid, outcome),
        Op::Revive(uuid) => revive(txn, *uuid),
        Op::Lease(block) => {
            txn.open_table(META).map_err(fail)?.insert("lease", *block).map_err(fail)?;
            Ok(())
        }
        Op::Liquidations(block, all) => {
            let mut table = txn.open_table(LIQUIDATIONS).map_err(fail)?;
            table.retain_in((*block, 0)..=(*block, u32::MAX), |_, _| false).map_err(fail)?;
            for (place, liquidation) in (0..).zip(all) {
                table.insert((*block, place), encode(liquidation)?.as_slice()).map_err(fail)?;
            }
            Ok(())
        }
        Op::Forget(above) => {
            let mut table = txn.open_table(LIQUIDATIONS).map_err(fail)?;
            table.retain_in((above.saturating_add(1), 0).., |_, _| false).map_err(fail)
        }
        Op::Latencies(run, stages) => {
            let mut table = txn.open_table(LATENCIES).map_err(fail)?;
            for (stage, latency) in stages {
                table.insert((*run, stage.as_str()), encode(latency)?.as_slice()).map_err(fail)?;
            }
            Ok(())
        }
    }
}

fn decide(txn: &WriteTransaction, bundle: &Bundle) -> Result<(), LedgerError> {
    let mut bundles = txn.open_table(BUNDLES).map_err(fail)?;
    let mut taken = txn.open_table(TAKEN).map_err(fail)?;
    let uuid = bundle.uuid;
    if bundles.get(uuid.as_u128()).map_err(fail)?.is_some() {
        return Err(LedgerError::Exists { uuid });
    }
    let place = (bundle.target, bundle.opportunity.0);
    let holder = taken.get(place).map_err(fail)?.map(|held| Uuid::from_u128(held.value()));
    if holder != bundle.replaces {
        return Err(holder
            .map_or(LedgerError::Unknown { uuid: bundle.replaces.unwrap_or(uuid) }, |by| LedgerError::Taken { by }));
    }
    if let Some(old) = holder {
        let mut held = read_held(&bundles, old)?;
        if held.state == State::Settled {
            return Err(LedgerError::Settled { uuid: old });
        }
        held.state = State::Replaced;
        bundles.insert(old.as_u128(), encode(&held)?.as_slice()).map_err(fail)?;
    }
    let held = Held { bundle: bundle.clone(), state: State::Decided, answers: 0 };
    bundles.insert(uuid.as_u128(), encode(&held)?.as_slice()).map_err(fail)?;
    taken.insert(place, uuid.as_u128()).map_err(fail)?;
    let row = (bundle.target, uuid.as_u128());
    txn.open_table(BLOCKS).map_err(fail)?.insert(row, ()).map_err(fail)?;
    txn.open_table(OPEN).map_err(fail)?.insert(row, ()).map_err(fail)?;
    change_totals(txn, |totals| totals.decided += 1)
}

fn add_answer(txn: &WriteTransaction, uuid: Uuid, answer: &Answer) -> Result<(), LedgerError> {
    let mut bundles = txn.open_table(BUNDLES).map_err(fail)?;
    let mut held = read_held(&bundles, uuid)?;
    let mut answers = txn.open_table(ANSWERS).map_err(fail)?;
    answers.insert((uuid.as_u128(), held.answers), encode(answer)?.as_slice()).map_err(fail)?;
    let first = held.answers == 0;
    held.answers += 1;
    if held.state == State::Decided {
        held.state = State::Sent;
    }
    bundles.insert(uuid.as_u128(), encode(&held)?.as_slice()).map_err(fail)?;
    change_totals(txn, |totals| {
        totals.requests += 1;
        totals.sent += u64::from(first);
    })
}

fn settle(txn: &WriteTransaction, uuid: Uuid, outcome: &Outcome) -> Result<(), LedgerError> {
    let mut bundles = txn.open_table(BUNDLES).map_err(fail)?;
    let mut held = read_held(&bundles, uuid)?;
    if held.state == State::Settled {
        return Err(LedgerError::Settled { uuid });
    }
    held.state = State::Settled;
    bundles.insert(uuid.as_u128(), encode(&held)?.as_slice()).map_err(fail)?;
    let mut outcomes = txn.open_table(OUTCOMES).map_err(fail)?;
    outcomes.insert(uuid.as_u128(), encode(outcome)?.as_slice()).map_err(fail)?;
    txn.open_table(OPEN).map_err(fail)?.remove((held.bundle.target, uuid.as_u128())).map_err(fail)?;
    change_totals(txn, |totals| totals.settle(&held.bundle, outcome))
}

fn revive(txn: &WriteTransaction, uuid: Uuid) -> Result<(), LedgerError> {
    let mut bundles = txn.open_table(BUNDLES).map_err(fail)?;
    let mut held = read_held(&bundles, uuid)?;
    if held.state != State::Settled {
        return Err(LedgerError::Open { uuid });
    }
    let taken = txn.open_table(TAKEN).map_err(fail)?;
    let place = (held.bundle.target, held.bundle.opportunity.0);
    let holder = taken.get(place).map_err(fail)?.map(|holder| holder.value());
    held.state = match held.answers {
        _ if holder != Some(uuid.as_u128()) => State::Replaced,
        0 => State::Decided,
        _ => State::Sent,
    };
    bundles.insert(uuid.as_u128(), encode(&held)?.as_slice()).map_err(fail)?;
    let mut outcomes = txn.open_table(OUTCOMES).map_err(fail)?;
    drop(outcomes.remove(uuid.as_u128()).map_err(fail)?);
    txn.open_table(OPEN).map_err(fail)?.insert((held.bundle.target, uuid.as_u128()), ()).map_err(fail)?;
    // Sums cannot be taken back where they saturated: a reorg is rare, so it pays for a count.
    let totals = count(&bundles, &outcomes)?;
    write_totals(txn, &totals)
}

fn change_totals(txn: &WriteTransaction, change: impl FnOnce(&mut Totals)) -> Result<(), LedgerError> {
    let mut totals = {
        let table = txn.open_table(TOTALS).map_err(fail)?;
        let held = table.get("all").map_err(fail)?;
        held.map(|held| decode(held.value())).transpose()?.unwrap_or_default()
    };
    change(&mut totals);
    write_totals(txn, &totals)
}

fn write_totals(txn: &WriteTransaction, totals: &Totals) -> Result<(), LedgerError> {
    let mut table = txn.open_table(TOTALS).map_err(fail)?;
    table.insert("all", encode(totals)?.as_slice()).map_err(fail)?;
    Ok(())
}

/// Profit and loss, as kept.
pub fn totals(txn: &ReadTransaction) -> Result<Totals, LedgerError> {
    let table = txn.open_table(TOTALS).map_err(fail)?;
    let held = table.get("all").map_err(fail)?;
    Ok(held.map(|held| decode(held.value())).transpose()?.unwrap_or_default())
}

/// Profit and loss, counted anew from the rows.
pub fn recount(txn: &ReadTransaction) -> Result<Totals, LedgerError> {
    count(&txn.open_table(BUNDLES).map_err(fail)?, &txn.open_table(OUTCOMES).map_err(fail)?)
}

fn count(
    bundles: &impl ReadableTable<u128, &'static [u8]>,
    outcomes: &impl ReadableTable<u128, &'static [u8]>,
) -> Result<Totals, LedgerError> {
    let mut totals = Totals::default();
    for entry in bundles.iter().map_err(fail)? {
        let (uuid, held) = entry.map_err(fail)?;
        let held: Held = decode(held.value())?;
        totals.decided += 1;
        totals.requests += u64::from(held.answers);
        totals.sent += u64::from(held.answers > 0);
        if let Some(outcome) = outcomes.get(uuid.value()).map_err(fail)? {
            totals.settle(&held.bundle, &decode(outcome.value())?);
        }
    }
    Ok(totals)
}

/// One bundle with everything about it.
pub fn row(txn: &ReadTransaction, uuid: Uuid) -> Result<Row, LedgerError> {
    let held = read_held(&txn.open_table(BUNDLES).map_err(fail)?, uuid)?;
    let mut answers = Vec::new();
    let table = txn.open_table(ANSWERS).map_err(fail)?;
    for entry in table.range((uuid.as_u128(), 0)..(uuid.as_u128(), held.answers)).map_err(fail)? {
        answers.push(decode(entry.map_err(fail)?.1.value())?);
    }
    let outcomes = txn.open_table(OUTCOMES).map_err(fail)?;
    let outcome = outcomes.get(uuid.as_u128()).map_err(fail)?;
    let outcome = outcome.map(|outcome| decode(outcome.value())).transpose()?;
    Ok(Row { bundle: held.bundle, state: held.state, answers, outcome })
}

/// The bundle that holds an opportunity in a block.
pub fn holder(txn: &ReadTransaction, target: u64, opportunity: [u8; 32]) -> Result<Option<Uuid>, LedgerError> {
    let table = txn.open_table(TAKEN).map_err(fail)?;
    Ok(table.get((target, opportunity)).map_err(fail)?.map(|held| Uuid::from_u128(held.value())))
}

/// Which bundles to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// For one block.
    Block(u64),
    /// Without an outcome.
    Open,
    /// All.
    All,
}

/// The uuids of some bundles, by target block.
pub fn list(txn: &ReadTransaction, which: Which) -> Result<Vec<Uuid>, LedgerError> {
    let (table, from, to) = match which {
        Which::Block(block) => (BLOCKS, block, block),
        Which::Open => (OPEN, 0, u64::MAX),
        Which::All => (BLOCKS, 0, u64::MAX),
    };
    let table = txn.open_table(table).map_err(fail)?;
    let range = table.range((from, 0)..=(to, u128::MAX)).map_err(fail)?;
    range.map(|entry| Ok(Uuid::from_u128(entry.map_err(fail)?.0.value().1))).collect()
}

/// The latencies of a run, by stage.
pub fn latencies(txn: &ReadTransaction, run: u64) -> Result<Vec<(String, Latency)>, LedgerError> {
    let table = txn.open_table(LATENCIES).map_err(fail)?;
    let mut found = Vec::new();
    for entry in table.range((run, "")..(run.saturating_add(1), "")).map_err(fail)? {
        let (key, held) = entry.map_err(fail)?;
        found.push((key.value().1.to_owned(), decode(held.value())?));
    }
    Ok(found)
}

/// The liquidations of some blocks.
pub fn liquidations(txn: &ReadTransaction, blocks: RangeInclusive<u64>) -> Result<Vec<Liquidation>, LedgerError> {
    let table = txn.open_table(LIQUIDATIONS).map_err(fail)?;
    let range = table.range((*blocks.start(), 0)..=(*blocks.end(), u32::MAX)).map_err(fail)?;
    range.map(|entry| decode(entry.map_err(fail)?.1.value())).collect()
}

/// A consistent view.
pub fn read(db: &Database) -> Result<ReadTransaction, LedgerError> {
    db.begin_read().map_err(fail)
}

fn read_held(bundles: &impl ReadableTable<u128, &'static [u8]>, uuid: Uuid) -> Result<Held, LedgerError> {
    let held = bundles.get(uuid.as_u128()).map_err(fail)?.ok_or(LedgerError::Unknown { uuid })?;
    decode(held.value())
}

fn encode(row: &impl Serialize) -> Result<Vec<u8>, LedgerError> {
    serde_json::to_vec(row).map_err(|error| LedgerError::Row { cause: error.to_string() })
}

fn decode<T: DeserializeOwned>(row: &[u8]) -> Result<T, LedgerError> {
    serde_json::from_slice(row).map_err(|error| LedgerError::Row { cause: error.to_string() })
}

/// The database's own failure.
pub fn fail(error: impl Into<redb::Error>) -> LedgerError {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    let error: redb::Error = error.into();
    let cause = error.to_string();
    let is_damaged = match &error {
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableDoesNotExist(_) => true,
        redb::Error::Io(error) => matches!(error.kind(), InvalidData | UnexpectedEof),
        _ => false,
    };
    if is_damaged { LedgerError::Damaged { path: PathBuf::new(), cause } } else { LedgerError::Store { cause } }
}
