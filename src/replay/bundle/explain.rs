//! Runs a bundle's case, and holds what happened against what was predicted.
//!
//! # Invariants
//! - Nothing is assumed: a read of what the file does not hold is an error that names it.
//! - The profit is measured as the prover measures it; the call tree is of a second run, whose outcome is the same.

use alloy::consensus::Transaction as _;
use alloy::consensus::TxEip1559;
use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::Recovered;
use alloy::eips::eip2718::Decodable2718;
use alloy::rlp::Decodable;
use alloy_primitives::{Address, U256, keccak256};
use revm::context::TxEnv;

use crate::hot::evm::block;
use crate::hot::evm::db::Db;
use crate::hot::evm::db::Unknown;
use crate::hot::evm::fork::{Fork, Rules};
use crate::hot::evm::machine::Between;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::own;
use crate::protocols::LENDING_PROTOCOLS;
use crate::replay::bundle::Case;
use crate::replay::bundle::report::Explained;
use crate::replay::bundle::report::HopReport;
use crate::replay::bundle::report::Legend;
use crate::replay::bundle::report::Pair;
use crate::replay::bundle::report::RunReport;
use crate::replay::bundle::report::Split;
use crate::replay::bundle::report::StateReport;
use crate::replay::bundle::report::Trace;
use crate::replay::bundle::trace;
use crate::replay::bundle::trace::Call;
use crate::replay::bundle::trace::Emitted;
use crate::replay::bundle::words;
use crate::types::decision::Hop;
use crate::types::update::FetchedState;

/// EIP-1559's number among transactions.
const TYPE: u8 = 2;

/// The trigger as the EVM takes it.
///
/// # Errors
/// Its bytes are no transaction, or not the one that they are named.
pub fn trigger(case: &Case) -> Result<Option<TxEnv>, String> {
    let Some(pending) = &case.trigger else { return Ok(None) };
    if keccak256(&pending.raw) != pending.hash {
        return Err(format!("trigger's bytes hash to {}, {} due", keccak256(&pending.raw), pending.hash));
    }
    let tx = TxEnvelope::decode_2718(&mut &pending.raw[..]).map_err(|error| format!("trigger: {error}"))?;
    Ok(Some(block::tx_env(&Recovered::new_unchecked(tx, pending.sender))))
}

/// Our transaction as the EVM takes it.
///
/// # Errors
/// Its bytes are no transaction, or not the one whose digest was signed.
pub fn ours(case: &Case) -> Result<TxEnv, String> {
    let (unsigned, digest) = (&case.bundle.unsigned, case.bundle.digest);
    if keccak256(unsigned) != digest {
        return Err(format!("our transaction's bytes hash to {}, {digest} due", keccak256(unsigned)));
    }
    let (kind, mut rest) = unsigned.split_first().ok_or("our transaction has no bytes")?;
    if *kind != TYPE {
        return Err(format!("our transaction is of type {kind}, {TYPE} due"));
    }
    let tx = TxEip1559::decode(&mut rest).map_err(|error| format!("our transaction: {error}"))?;
    Ok(TxEnv {
        tx_type: TYPE,
        caller: case.owner,
        gas_limit: tx.gas_limit,
        gas_price: tx.max_fee_per_gas,
        gas_priority_fee: Some(tx.max_priority_fee_per_gas),
        kind: tx.kind(),
        value: tx.value,
        nonce: tx.nonce,
        chain_id: Some(tx.chain_id),
        data: tx.input,
        access_list: tx.access_list,
        ..TxEnv::default()
    })
}

/// The question before and after ours: how much of the start token the executor holds.
#[must_use]
pub fn look(case: &Case, machine: &Machine) -> TxEnv {
    let token = token(case);
    machine.look(token, token, own::balance_of(case.executor))
}

fn token(case: &Case) -> Address {
    let path = &case.bundle.of.path;
    path.token.or(path.hops.first().map(|hop| hop.token_in)).unwrap_or(case.weth)
}

/// Runs it.
///
/// # Errors
/// The file holds less than the bundle reads, or what it holds makes no sense. One sentence.
pub fn explain(case: &Case) -> Result<Explained, String> {
    let (trigger, ours) = (trigger(case)?, ours(case)?);
    let fork = Rules::of(&case.chain).at(case.block.number, case.block.timestamp);
    let mut machine = machine(case, fork);
    let look = look(case, &machine);
    let (mut traced_trigger, mut trigger_run) = (None, None);
    if let Some(tx) = trigger {
        let (gas_limit, executed) = (tx.gas_limit, machine.execute(tx.clone()));
        let executed = executed.map_err(|error| stopped("the trigger", &error))?;
        traced_trigger = traced(case, fork, &mut machine, tx);
        trigger_run = Some(RunReport::new(executed.is_success(), executed.gas_used(), gas_limit, &traced_trigger));
        machine.set_overlay(executed.diff);
    }
    let gas_limit = ours.gas_limit;
    let between = machine.execute_between(ours.clone(), &look).map_err(|error| stopped("our transaction", &error))?;
    let traced_ours = traced(case, fork, &mut machine, ours);
    let executed = &between.executed;
    let run = RunReport::new(executed.is_success(), executed.gas_used(), gas_limit, &traced_ours);
    let logs = traced_ours.as_ref().map(Call::all_logs).unwrap_or_default();
    let path = &case.bundle.of.path.hops;
    // Where several positions are liquidated a pool may come by again: each time its next log is meant.
    let before = |at: usize| path.iter().take(at).filter(|other| other.pool == path[at].pool).count();
    let hops: Vec<_> = path.iter().enumerate().map(|(at, hop)| hop_report(hop, before(at), &logs)).collect();
    let split = split(case, &between);
    let equal = hops.iter().all(HopReport::is_equal) && split.is_equal();
    let verdict = match (run.success, equal) {
        (false, _) => "reverted",
        (true, true) => "as_predicted",
        (true, false) => "differs",
    };
    Ok(Explained {
        kind: "bundle",
        verdict,
        strategy: case.strategy.clone(),
        block: case.block.number,
        parent: case.bundle.parent,
        bundle: case.names.map(|names| names.bundle),
        ours: case.names.map(|names| names.ours),
        digest: case.bundle.digest,
        trigger: case.trigger.as_ref().map(|trigger| trigger.hash),
        state: StateReport::of(case),
        trigger_run,
        run,
        hops,
        split,
        legend: Legend::of(case),
        trace: traced_ours.map(|ours| Trace { trigger: traced_trigger, ours }),
    })
}

fn machine(case: &Case, fork: Fork) -> Machine {
    let mut db = Db::default();
    db.set_unknown(Unknown::Refuse);
    db.tell(&FetchedState { at: case.bundle.parent, accounts: case.accounts.clone(), hashes: case.hashes.clone() });
    Machine::new(case.chain.id, fork, case.block.terms().env(fork), db)
}

/// The call tree of `tx`, on the machine's state as it is.
fn traced(case: &Case, fork: Fork, machine: &mut Machine, tx: TxEnv) -> Option<Call> {
    let (block, db) = (machine.block().clone(), std::mem::take(machine.db_mut()));
    let (db, call) = trace::trace(case.chain.id, fork, block, db, tx);
    *machine.db_mut() = db;
    call
}

fn stopped(what: &str, error: &ExecuteError) -> String {
    match error {
        ExecuteError::Cold(cold) => format!("{what} reads what is not in the file: {cold}"),
        ExecuteError::Invalid(_) | ExecuteError::Evm(_) => format!("{what} does not run on this state: {error}"),
    }
}

fn hop_report(hop: &Hop, before: usize, logs: &[&Emitted]) -> HopReport {
    let lends = LENDING_PROTOCOLS.contains(&hop.protocol.as_ref());
    let moved = if lends { words::liquidated(hop, before, logs) } else { words::swapped(hop, before, logs) };
    let (into, out) = moved.unzip();
    HopReport {
        pool: hop.pool,
        protocol: hop.protocol.to_string(),
        token_in: hop.token_in,
        token_out: hop.token_out,
        amount_in: Pair::new(hop.amount_in, into),
        amount_out: Pair::new(hop.amount_out, out),
    }
}

/// Who got what.
fn split(case: &Case, between: &Between) -> Split {
    let (bundle, token) = (&case.bundle, token(case));
    let executed = &between.executed;
    let balances = |of: Address| {
        let account = executed.diff.get(&of);
        account.map_or((U256::ZERO, U256::ZERO), |account| (account.original_info().balance, account.info.balance))
    };
    let (before, after) = balances(case.block.beneficiary);
    let paid = after.saturating_sub(before);
    let gain = own::number(between.after.output()).zip(own::number(between.before.output()));
    let gain = gain.and_then(|(after, before)| after.checked_sub(before));
    let gross = gain.and_then(|gain| {
        if token != case.weth {
            return Some(gain);
        }
        // What the builder got came out of ether held or of wrapped ether earned: either way it was earned.
        let (held, left) = balances(case.executor);
        (gain + paid + left).checked_sub(held)
    });
    let value = if token == case.weth { gross } else { gross.filter(|gross| *gross == bundle.of.path.gross) };
    let value = if token == case.weth { value } else { value.map(|_| bundle.value) };
    let gas_cost = U256::from(executed.gas_used()) * U256::from(case.block.base_fee);
    Split {
        token,
        gross: Pair::new(bundle.of.path.gross, gross),
        value: Pair::new(bundle.value, value),
        gas_cost: Pair::new(bundle.gas_cost, Some(gas_cost)),
        builder: Pair::new(bundle.bid, Some(paid)),
        take: Pair::signed(bundle.take, value, gas_cost + paid),
    }
}
