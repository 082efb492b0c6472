//! A block's changes by executing it on a machine of our own.
//!
//! # Invariants
//! - Believed only if gas, logs bloom and receipts root come out as the header says.
//! - What the block reads and we do not know is read at its parent; of the system's contracts at the block itself, since
//!   they are written before its first transaction.
//!
//! # Cost
//! The block is run over and over, assuming what is not known to be empty, until nothing is assumed any more: the longest
//! chain of reads that depend on each other, not the number of reads, is what a node is waited for.

use std::collections::BTreeSet;

use alloy::rpc::types::eth::Block;
use alloy::rpc::types::eth::Transaction;
use alloy_primitives::{Address, U256};
use revm::state::EvmState;

use crate::edge::bootstrap::discovery::Discovery;
use crate::edge::bootstrap::keep::Keep;
use crate::edge::bootstrap::keep::SYSTEM;
use crate::edge::bootstrap::state_cache;
use crate::edge::bootstrap::state_cache::StateCache;
use crate::edge::chain::ChainError;
use crate::edge::chain::Head;
use crate::hot::event::AccountUpdate;
use crate::hot::event::StateKey;
use crate::hot::evm::block;
use crate::hot::evm::block::Receipts;
use crate::hot::evm::block::Verdict;
use crate::hot::evm::db::Cold;
use crate::hot::evm::db::Unknown;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Machine;

/// More runs than the reads of any block depend on each other.
const MOST_RUNS: usize = 48;

/// What one run showed.
struct Run {
    missed: Vec<Cold>,
    /// `None`: a transaction did not run.
    verdict: Option<Verdict>,
    update: Vec<AccountUpdate>,
}

/// What the block changed. `None`: it cannot be executed to its header. Where what is known leads elsewhere it is run afresh: a
/// value may be wrong that a trace told, or that a node gave while it made the next block.
pub(super) async fn changes(keep: &Keep, head: &Head) -> Result<Option<Vec<AccountUpdate>>, ChainError> {
    match executed(keep, head, Values::Known).await? {
        Some(changes) => Ok(Some(changes)),
        None => afresh(keep, head).await,
    }
}

/// What the block changed, without anything that is known: all values are read anew at the parent.
pub(super) async fn afresh(keep: &Keep, head: &Head) -> Result<Option<Vec<AccountUpdate>>, ChainError> {
    executed(keep, head, Values::Anew).await
}

async fn executed(keep: &Keep, head: &Head, values: Values) -> Result<Option<Vec<AccountUpdate>>, ChainError> {
    let Some(run) = attempt(keep, head, values).await? else { return Ok(None) };
    if !run.verdict.is_some_and(Verdict::is_exact) {
        return Ok(None);
    }
    let listing = keep.chain.listing(head.hash).await?;
    let rest = keep.unowned(&listing).read(&keep.chain, head.hash).await?;
    let touched = run.update.iter().map(|update| update.address);
    let mut update = keep.behind(head.parent, touched).concern(run.update);
    update.extend(rest.accounts);
    Ok(Some(update))
}

/// Whom the block touches when it is executed, to its header or not.
pub(super) async fn touched(keep: &Keep, head: &Head) -> Result<Vec<Address>, ChainError> {
    let run = attempt(keep, head, Values::Known).await?;
    Ok(run.into_iter().flat_map(|run| run.update).map(|update| update.address).collect())
}

/// What is not known already is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    Known,
    /// Only codes are.
    Anew,
}

/// What a block is run on: as much of what is known as it asks for.
struct BlockState<'a> {
    keep: &'a Keep,
    values: Values,
    discovery: Discovery,
    known: StateCache,
    shared: BTreeSet<Address>,
}

impl BlockState<'_> {
    /// Takes whole accounts, with every slot that is known of them: few runs ask for them all. What the system's own contracts held at
    /// the parent is not what the block reads, since they are written before its first transaction.
    fn share(&mut self, state_keys: &[StateKey]) {
        let address = |key: &StateKey| match key {
            StateKey::Account(address) | StateKey::Slot(address, _) => Some(*address),
            StateKey::BlockHash(_) => None,
        };
        let asked: BTreeSet<Address> = state_keys.iter().filter_map(address).collect();
        let new: Vec<Address> = asked.difference(&self.shared).copied().collect();
        let wanted = (self.discovery.head.parent, self.values == Values::Known);
        self.keep.share(&mut self.known, wanted, new.iter().copied());
        for address in new.iter().filter(|address| SYSTEM.contains(address)) {
            let Some(account) = self.known.accounts.get_mut(address) else { continue };
            account.slots.values_mut().for_each(|value| *value = None);
        }
        self.shared.extend(new);
    }

    /// Reads what is wanted and nobody knows: the system's contracts at the block, all else at its parent.
    async fn read(&mut self, state_keys: Vec<StateKey>) -> Result<(), ChainError> {
        let is_system = |want: &StateKey| matches!(want, StateKey::Slot(address, _) if SYSTEM.contains(address));
        let (system, rest): (Vec<StateKey>, Vec<StateKey>) = state_keys.into_iter().partition(is_system);
        for (at, state_keys) in [(self.discovery.head.parent, rest), (self.discovery.head.hash, system)] {
            let missing = self.known.missing(state_keys);
            if !missing.is_empty() {
                let read = missing.read(&self.discovery.chain, at).await?;
                self.known.learn(&read.accounts);
                self.known.hashes.extend(read.hashes);
            }
        }
        Ok(())
    }
}

/// Runs the block until nothing is missed. `None`: there is no end to it, or its rules are not known.
async fn attempt(keep: &Keep, head: &Head, values: Values) -> Result<Option<Run>, ChainError> {
    let Some(mut block) = keep.chain.full(head.hash).await? else {
        return Err(keep.chain.missing(head.hash));
    };
    let Ok(discovery) = Discovery::new(&keep.chain, keep.rules, head.clone()) else { return Ok(None) };
    let mut known = keep.behind(head.parent, []);
    if values == Values::Anew {
        known.hashes.clear();
    }
    known.hashes.insert(head.number.saturating_sub(1), head.parent);
    let mut state = BlockState { keep, values, discovery, known, shared: BTreeSet::new() };
    let ends: Vec<StateKey> = ends(&block).map(StateKey::Account).collect();
    state.share(&ends);
    state.read(ends).await?;
    for _ in 0..MOST_RUNS {
        let db = state.known.db();
        let Ok((_, (run, back))) = state.discovery.run(db, move |machine| (run(machine, &block), block)).await else {
            return Ok(None);
        };
        block = back;
        let missed = state_cache::state_keys(run.missed.iter().copied());
        if state.known.missing(missed.iter().copied()).is_empty() {
            return Ok(Some(run));
        }
        state.share(&missed);
        state.read(missed).await?;
    }
    Ok(None)
}

/// Who is named by the block itself.
fn ends(block: &Block) -> impl Iterator<Item = Address> {
    use alloy::consensus::Transaction as _;
    let txs = block.transactions.as_transactions().unwrap_or_default();
    let ends = txs.iter().flat_map(|tx| [Some(tx.inner.signer()), tx.inner.inner().to()]).flatten();
    ends.chain([block.header.beneficiary])
}

/// Executes the block; what is not known counts as empty and is listed.
fn run(machine: &mut Machine, block: &Block) -> Run {
    let txs: &[Transaction] = block.transactions.as_transactions().unwrap_or_default();
    let mut receipts = Receipts::default();
    let (mut missed, mut whole) = (Vec::new(), true);
    let mut touched = Touched::default();
    machine.db_mut().set_unknown(Unknown::AssumeEmpty);
    for tx in txs {
        machine.db_mut().clear_notes();
        let outcome = machine.execute(block::tx_env(&tx.inner));
        missed.extend_from_slice(machine.db().assumed());
        match outcome {
            Ok(executed) => {
                receipts.push(tx, &executed.result);
                touched.note(&executed.diff);
                machine.commit(executed.diff);
            }
            Err(ExecuteError::Cold(cold)) => {
                missed.push(cold);
                whole = false;
            }
            Err(_) => whole = false,
        }
    }
    let verdict = whole.then(|| receipts.verdict(&block.header));
    Run { missed, verdict, update: touched.update(machine) }
}

/// What the transactions so far may have changed.
#[derive(Default)]
struct Touched {
    /// Accounts, and their slots behind them.
    places: BTreeSet<(Address, Option<U256>)>,
    destroyed: BTreeSet<Address>,
}

impl Touched {
    fn note(&mut self, diff: &EvmState) {
        for (address, account) in diff.iter().filter(|(_, account)| account.is_touched()) {
            self.places.insert((*address, None));
            self.places.extend(account.changed_storage_slots().map(|(slot, _)| (*address, Some(*slot))));
            if account.is_selfdestructed() {
                self.destroyed.insert(*address);
            }
        }
    }

    /// What stands there now.
    fn update(&self, machine: &Machine) -> Vec<AccountUpdate> {
        let mut update: Vec<AccountUpdate> = Vec::new();
        for (address, slot) in &self.places {
            match slot {
                None => update.extend(account(machine, *address, self.destroyed.contains(address))),
                Some(slot) => {
                    let last = update.last_mut().filter(|last| last.address == *address);
                    let Some((last, value)) = last.zip(machine.db().known_slot(*address, *slot)) else { continue };
                    last.slots.push((*slot, value));
                }
            }
        }
        update
    }
}

fn account(machine: &Machine, address: Address, destroyed: bool) -> Option<AccountUpdate> {
    let info = machine.db().known_account(address)?;
    let code = Some(info.code.as_ref().map(|code| code.original_bytes()).unwrap_or_default());
    let (balance, nonce) = (Some(info.balance), Some(info.nonce));
    Some(AccountUpdate { address, balance, nonce, code, destroyed, ..AccountUpdate::default() })
}
