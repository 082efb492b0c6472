//! Names the transaction at which a broken record first goes wrong.
//!
//! A header has one hash for all receipts, so it cannot say which of them is wrong. What can:
//! 1. **A repair that makes the block exact.** A V2-family pair's reserves should be its balances. Where they are not, the
//!    reserves are mended (from the balances, else by each single bit) and the block executed again: if it now
//!    executes to its header, that slot was wrong, and the first transaction to read it is the first to differ.
//! 2. A transaction that cannot run on this state at all.
//! 3. A transaction with a log that the header's bloom denies.
//!
//! # Limits
//! Damage elsewhere that changes amounts alone leaves no such trace; then the block is named, and that is said.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, U256};

use crate::hot::evm::machine::Machine;
use crate::hot::evm::own;
use crate::hot::evm::probe::EvmProbe;
use crate::protocols::discover::Probe;
use crate::replay::execute;
use crate::replay::execute::Broken;
use crate::replay::execute::Verdict;
use crate::replay::record::Record;

alloy::sol! {
    /// What a pair of any fork answers. Of these the selectors alone are used.
    function getReserves();
    function token0();
    function token1();
}

/// A pair's slot that holds both reserves, as `uint112 | uint112 | uint32` from the low end.
struct Packed {
    pair: Address,
    slot: U256,
    value: U256,
    balances: [U256; 2],
}

impl Packed {
    /// The reserves and the balances are two answers to one question.
    fn contradicts_balances(&self) -> bool {
        self.with_balances() != self.value
    }

    fn with_balances(&self) -> U256 {
        let low = U256::MAX >> 144;
        let timestamp = (self.value >> 224) << 224;
        timestamp | (self.balances[0] & low) | ((self.balances[1] & low) << 112)
    }

    /// What the slot may have held before it was damaged, most likely first.
    fn repairs(&self) -> impl Iterator<Item = U256> + '_ {
        let flips = (0..224).map(|bit| self.value ^ (U256::from(1) << bit));
        std::iter::once(self.with_balances()).chain(flips)
    }
}

/// The first transaction at which `record` differs from its header; `found` is how the execution ended.
#[must_use]
pub fn diagnose(record: &Record, found: &Result<Verdict, Broken>) -> Broken {
    let suspects: Vec<Packed> = pairs(record).into_iter().filter(Packed::contradicts_balances).collect();
    if let Some(broken) = suspects.iter().find_map(|packed| try_balances(record, packed)) {
        return broken;
    }
    if let Some(broken) = suspects.iter().find_map(|packed| try_bits(record, packed)) {
        return broken;
    }
    match found {
        Err(broken) => broken.clone(),
        Ok(verdict) => by_bloom(record, *verdict),
    }
}

fn try_balances(record: &Record, packed: &Packed) -> Option<Broken> {
    attempt(record, packed, packed.with_balances())
}

fn try_bits(record: &Record, packed: &Packed) -> Option<Broken> {
    packed.repairs().skip(1).find_map(|value| attempt(record, packed, value))
}

/// Executes the block with `value` in the slot; exact means that the slot was wrong.
fn attempt(record: &Record, packed: &Packed, value: U256) -> Option<Broken> {
    let mut machine = execute::machine(record);
    machine.db_mut().tell_slot(packed.pair, packed.slot, value);
    machine.db_mut().record_reads(true);
    let mut first = None;
    let verdict = execute::run(record, &mut machine, |index, _, machine| {
        if first.is_none() && machine.db().reads().contains(&(packed.pair, packed.slot)) {
            first = Some(index);
        }
    });
    let index = first.filter(|_| verdict.is_ok_and(Verdict::is_exact))?;
    let what = format!(
        "slot {:#x} of pair {:#x} holds {:#x}, and the block executes to its header with {:#x}",
        packed.slot, packed.pair, packed.value, value
    );
    Some(Broken::at(record, index, what))
}

fn by_bloom(record: &Record, verdict: Verdict) -> Broken {
    let differs = match (verdict.gas, verdict.root) {
        (false, _) => format!("gas used is {}, the header has {}", verdict.gas_used, record.header.gas_used),
        (true, _) => format!("the receipts do not have the header's root {}", record.header.receipts_root),
    };
    match execute::first_denied_by_bloom(record) {
        Some(index) => Broken::at(record, index, format!("{differs}; the header's bloom denies a log")),
        None => {
            Broken { at: None, what: format!("{differs}; no transaction can be named, as receipts are not recorded") }
        }
    }
}

/// Every contract that answers as a pair does and keeps its reserves in one slot.
fn pairs(record: &Record) -> Vec<Packed> {
    let mut machine = execute::machine(record);
    machine.db().contracts().into_iter().filter_map(|address| pair(&mut machine, address)).collect()
}

fn pair(machine: &mut Machine, pair: Address) -> Option<Packed> {
    let mut probe = EvmProbe::new(machine);
    let reserves = probe.call(pair, &getReservesCall::SELECTOR);
    let (r0, r1) = (reserves.word(0)?, reserves.word(1)?);
    let mut balance = |selector: &[u8; 4]| {
        let token = Address::from_word(probe.call(pair, selector).word(0)?.into());
        probe.call(token, &own::balance_of(pair)).word(0)
    };
    let balances = [balance(&token0Call::SELECTOR)?, balance(&token1Call::SELECTOR)?];
    let low = U256::MAX >> 144;
    reserves.reads.iter().filter(|(at, _)| *at == pair).find_map(|(_, slot)| {
        let value = probe.slot(pair, *slot)?;
        let packs = value & low == r0 && (value >> 112) & low == r1;
        packs.then_some(Packed { pair, slot: *slot, value, balances })
    })
}
