//! Out of a journal's replay: a bundle with the state that its execution reads.
//!
//! # Invariants
//! - What is written stands as it is before the trigger, in the engine's own state: nothing is fetched.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use alloy_primitives::{Address, U256};
use revm::state::EvmState;

use crate::hot::evm::db::Db;
use crate::hot::evm::machine::Machine;
use crate::hot::strategy;
use crate::replay::bundle::Block;
use crate::replay::bundle::Case;
use crate::replay::bundle::FORMAT;
use crate::replay::bundle::Pending;
use crate::replay::bundle::explain;
use crate::replay::journal::Judged;
use crate::replay::journal::Thread;
use crate::types::update::AccountUpdate;

/// The bundle of a decision that came out; `None` when it has none.
///
/// # Errors
/// Its transactions do not run on the state that it was decided on: a fault of ours.
pub fn slice(thread: &mut Thread, judged: &Judged) -> Result<Option<Case>, String> {
    let Some(bundle) = judged.decided.decision.bundle.clone() else { return Ok(None) };
    let (setup, event) = (thread.setup().clone(), &judged.event);
    let Some(engine) = thread.engine() else { return Ok(None) };
    let machine = engine.machine_mut();
    // The next event forgets it, too.
    machine.drop_overlay();
    let trigger = event.trigger.clone();
    let profile = strategy::of_path(&bundle.of.path).ok_or("its path is of no strategy that is known here")?;
    let ours = setup.executor;
    let mut case = Case {
        format: FORMAT.to_owned(),
        strategy: profile.name(trigger.is_some()).to_owned(),
        chain: setup.chain,
        block: block(machine),
        owner: setup.owner,
        executor: ours,
        weth: setup.weth,
        names: judged.decided.names,
        trigger: trigger.map(|of| Pending { hash: of.hash, sender: of.sender, raw: of.raw }),
        bundle,
        accounts: Vec::new(),
        hashes: machine.db().block_hashes(),
    };
    let mut read = Read::default();
    if let Some(tx) = explain::trigger(&case)? {
        let executed = machine.execute(tx).map_err(|error| format!("trigger: {error}"))?;
        read.add(&executed.diff);
        machine.set_overlay(executed.diff);
    }
    let look = explain::look(&case, machine);
    let between = machine.execute_between(explain::ours(&case)?, &look).map_err(|error| format!("bundle: {error}"))?;
    read.add(&between.executed.diff);
    machine.drop_overlay();
    case.accounts = read.accounts(machine.db());
    Ok(Some(case))
}

fn block(machine: &Machine) -> Block {
    let block = machine.block();
    Block {
        number: block.number.saturating_to(),
        timestamp: block.timestamp.saturating_to(),
        beneficiary: block.beneficiary,
        gas_limit: block.gas_limit,
        base_fee: block.basefee,
        mix_hash: block.prevrandao.unwrap_or_default(),
        excess_blob_gas: block.blob_excess_gas_and_price.as_ref().map_or(0, |blob| blob.excess_blob_gas),
    }
}

/// Accounts and slots that were loaded.
#[derive(Default)]
struct Read(BTreeMap<Address, BTreeSet<U256>>);

impl Read {
    fn add(&mut self, diff: &EvmState) {
        for (address, account) in diff {
            self.0.entry(*address).or_default().extend(account.storage.keys().copied());
        }
    }

    /// What the state's base has there. What it has not was made by the trigger.
    fn accounts(&self, db: &Db) -> Vec<AccountUpdate> {
        let account = |(address, slots): (&Address, &BTreeSet<U256>)| {
            let info = db.known_account(*address)?;
            let known = |slot: &U256| Some((*slot, db.known_slot(*address, *slot)?));
            Some(AccountUpdate {
                address: *address,
                balance: Some(info.balance),
                nonce: Some(info.nonce),
                code: Some(info.code.as_ref().map(|code| code.original_bytes()).unwrap_or_default()),
                slots: slots.iter().filter_map(known).collect(),
                destroyed: false,
            })
        };
        self.0.iter().filter_map(account).collect()
    }
}
