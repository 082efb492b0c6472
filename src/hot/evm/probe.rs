//! Discovery's questions, answered by the machine.

use alloy_primitives::{Address, B256, Bytes, U256, address};
use revm::context::result::ExecutionResult;
use revm::state::{AccountInfo, Bytecode};

use crate::hot::evm::db::Cold;
use crate::hot::evm::db::Replaced;
use crate::hot::evm::db::Unknown;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Machine;
use crate::protocols::discover::Announcement;
use crate::protocols::discover::Answer;
use crate::protocols::discover::Described;
use crate::protocols::discover::PLAIN_TOKEN;
use crate::protocols::discover::Probe;
use crate::types::pool_key::PoolKey;

/// The sender of questions. No key is known for it, and no contract knows it.
pub const PROBER: Address = address!("0x000000000000000000000000506572656772696e");

/// Seconds between blocks, for looks at what is to come: a guess at a number that only has to grow.
const SLOT: u64 = 12;

/// Ether of whoever is asked with some: more than a pool's amounts, and far from the end of a word.
const PLENTY: U256 = U256::from_limbs([0, 0, 1, 0]);

/// A machine lent to discovery.
pub struct EvmProbe<'a> {
    machine: &'a mut Machine,
    missed: Vec<Cold>,
}

impl<'a> EvmProbe<'a> {
    /// Lends the machine.
    pub fn new(machine: &'a mut Machine) -> Self {
        if machine.db().known_account(PROBER).is_none() {
            machine.db_mut().tell_whole_account(PROBER, AccountInfo::default());
        }
        Self { machine, missed: Vec::new() }
    }

    /// Everything unknown that the questions so far met, in order; a thing may stand there more than once.
    #[must_use]
    pub fn into_missed(self) -> Vec<Cold> {
        self.missed
    }

    fn ask(&mut self, (from, to): (Address, Address), data: &[u8], (unknown, value): (Unknown, U256)) -> Answer {
        let db = self.machine.db_mut();
        let before = db.unknown();
        db.set_unknown(unknown);
        db.clear_notes();
        db.record_reads(true);
        let outcome = self.machine.call_paying(from, to, Bytes::copy_from_slice(data), value);
        let db = self.machine.db_mut();
        db.record_reads(false);
        db.set_unknown(before);
        let reads = db.reads().to_vec();
        let cold = matches!(outcome, Err(ExecuteError::Cold(_))) || !db.assumed().is_empty();
        self.missed.extend_from_slice(db.assumed());
        if let Err(ExecuteError::Cold(cold)) = &outcome {
            self.missed.push(*cold);
        }
        let result = outcome.map(|executed| executed.result);
        let gas = result.as_ref().map_or(0, |result| result.tx_gas_used());
        let output = match result {
            Ok(ExecutionResult::Success { output, .. }) => Some(output.into_data().to_vec()),
            Ok(ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. }) | Err(_) => None,
        };
        Answer { output, cold, reads, gas }
    }
}

impl EvmProbe<'_> {
    /// With these slots in the place of what is there; what is not known counts as zero.
    fn ask_over(
        &mut self,
        (from, to): (Address, Address),
        data: &[u8],
        overrides: &[(Address, U256, U256)],
        value: U256,
    ) -> Answer {
        // Proofs are kept for the state as it is, and nothing laid over it is no other state.
        if overrides.is_empty() {
            return self.ask((from, to), data, (Unknown::AssumeEmpty, value));
        }
        let under = self.machine.db_mut().override_slots(overrides);
        let answer = self.ask((from, to), data, (Unknown::AssumeEmpty, value));
        self.machine.db_mut().restore_slots(under);
        answer
    }

    /// Makes each of `tokens` a plain one.
    fn stage(&mut self, tokens: &[Address]) -> Vec<Replaced> {
        let code = Bytecode::new_legacy(Bytes::from_static(&PLAIN_TOKEN));
        let plain = AccountInfo { nonce: 1, code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() };
        let db = self.machine.db_mut();
        tokens.iter().map(|token| db.replace_account(*token, plain.clone())).collect()
    }

    /// Puts back what stood there before.
    fn strike(&mut self, aside: Vec<Replaced>) {
        for replaced in aside.into_iter().rev() {
            self.machine.db_mut().restore_account(replaced);
        }
    }
}

impl Probe for EvmProbe<'_> {
    fn call(&mut self, to: Address, data: &[u8]) -> Answer {
        self.ask((PROBER, to), data, (Unknown::Refuse, U256::ZERO))
    }

    fn call_with(&mut self, from: Address, to: Address, data: &[u8], overrides: &[(Address, U256, U256)]) -> Answer {
        self.ask_over((from, to), data, overrides, U256::ZERO)
    }

    fn call_staged(
        &mut self,
        from: Address,
        to: Address,
        data: &[u8],
        overrides: &[(Address, U256, U256)],
        tokens: &[Address],
    ) -> Answer {
        let aside = self.stage(tokens);
        let answer = self.call_with(from, to, data, overrides);
        self.strike(aside);
        answer
    }

    fn call_paying(
        &mut self,
        from: Address,
        to: Address,
        data: &[u8],
        overrides: &[(Address, U256, U256)],
        tokens: &[Address],
        value: U256,
    ) -> Answer {
        let mut aside = self.stage(tokens);
        aside.extend([from, to].map(|at| self.machine.db_mut().endow(at, PLENTY)));
        let answer = self.ask_over((from, to), data, overrides, value);
        self.strike(aside);
        answer
    }

    fn call_later(
        &mut self,
        from: Address,
        to: Address,
        data: &[u8],
        overrides: &[(Address, U256, U256)],
        seconds: u64,
    ) -> Answer {
        let mut later = self.machine.block().clone();
        later.timestamp = later.timestamp.saturating_add(U256::from(seconds));
        later.number = later.number.saturating_add(U256::from(seconds.div_ceil(SLOT)));
        let now = self.machine.replace_block(later);
        let answer = self.call_with(from, to, data, overrides);
        self.machine.replace_block(now);
        answer
    }

    fn slot(&mut self, at: Address, slot: U256) -> Option<U256> {
        let known = self.machine.db().known_slot(at, slot);
        if known.is_none() {
            self.missed.push(Cold::Slot(at, slot));
        }
        known
    }

    fn contracts(&self) -> Vec<Address> {
        self.machine.db().contracts()
    }

    fn wrapped_native(&self) -> Option<Address> {
        self.machine.db().announced().wrapped_native
    }

    fn announcement(&self, key: PoolKey) -> Option<Announcement> {
        self.machine.db().announced().pools.get(&key).cloned()
    }

    fn described(&self, key: PoolKey) -> Option<Described> {
        self.machine.db().announced().described.get(&key).cloned()
    }

    fn announced(&self, contract: Address) -> Vec<PoolKey> {
        self.machine.db().announced().of(contract)
    }

    fn has_missed(&self) -> bool {
        !self.missed.is_empty()
    }

    fn code_hash(&mut self, at: Address) -> Option<B256> {
        let Some(info) = self.machine.db().known_account(at) else {
            self.missed.push(Cold::Account(at));
            return None;
        };
        (!info.is_empty_code_hash()).then_some(info.code_hash)
    }
}
