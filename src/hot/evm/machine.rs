//! The machine: one reused EVM that owns its [`Db`].
//!
//! # Invariants
//! - No execution changes the base; [`Machine::commit_overlay`] and [`Machine::commit`] alone do.
//! - Every execution ends with an empty journal, whatever its outcome.

use alloy_primitives::{Address, Bytes, Log, TxKind, U256};
use revm::ExecuteEvm;
use revm::context::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction};
use revm::context::{BlockEnv, CfgEnv, Context, ContextTr, Journal, TxEnv};
use revm::handler::{MainBuilder, MainnetEvm};
use revm::state::EvmState;

use crate::hot::evm::db::Cold;
use crate::hot::evm::db::Db;
use crate::hot::evm::fork::Fork;
use crate::hot::evm::keccak;
use crate::hot::evm::keccak::Keccaks;
use crate::hot::evm::keccak::Remembers;
use crate::types::gas::GasCost;

/// What one transaction did.
#[derive(Debug)]
pub struct Executed {
    /// Status, gas, logs and output.
    pub result: ExecutionResult<HaltReason>,
    /// Every account and slot it loaded, with what they hold now.
    pub diff: EvmState,
}

impl Executed {
    /// It ended without revert or halt.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.result.is_success()
    }

    /// The same, and what it would be with other calldata. `quotient`: [`Machine::refund_quotient`].
    #[must_use]
    pub const fn gas(&self, quotient: u64) -> GasCost {
        let gas = self.result.gas();
        let (spent, refunded, floor) = (gas.total_gas_spent(), gas.inner_refunded(), gas.floor_gas());
        GasCost { spent, refunded, quotient, floor }
    }

    /// Gas charged, refunds taken off.
    #[must_use]
    pub fn gas_used(&self) -> u64 {
        self.result.tx_gas_used()
    }

    /// Logs of a success; none otherwise.
    #[must_use]
    pub fn logs(&self) -> &[Log] {
        match &self.result {
            ExecutionResult::Success { logs, .. } => logs,
            ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. } => &[],
        }
    }
}

/// Why a transaction did not run to an end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// It read what the state does not know.
    #[error(transparent)]
    Cold(#[from] Cold),
    /// It is not valid on this state: nonce, balance, gas limit, fee.
    #[error("transaction is not valid: {0}")]
    Invalid(#[from] InvalidTransaction),
    /// The header or the EVM itself is at fault.
    #[error("{0}")]
    Evm(String),
}

impl From<EVMError<Cold>> for ExecuteError {
    fn from(error: EVMError<Cold>) -> Self {
        match error {
            EVMError::Database(cold) => Self::Cold(cold),
            EVMError::Transaction(invalid) => Self::Invalid(invalid),
            other => Self::Evm(other.to_string()),
        }
    }
}

/// A transaction's outcome with what a look said before and after it.
#[derive(Debug)]
pub struct Between {
    /// The look before.
    pub before: EvmResult,
    /// The look after.
    pub after: EvmResult,
    /// The transaction. Its diff holds what the looks loaded, too.
    pub executed: Executed,
}

/// A look's outcome.
pub type EvmResult = ExecutionResult<HaltReason>;

/// With hashes to remember where other chains keep what is theirs.
type EvmContext = Context<BlockEnv, TxEnv, CfgEnv, Db, Journal<Db>, Keccaks>;
type Inner = MainnetEvm<EvmContext>;

impl Remembers for EvmContext {
    fn keccaks(&mut self) -> &mut Keccaks {
        &mut self.chain
    }
}

/// One EVM for one block's rules.
pub struct Machine {
    evm: Inner,
}

impl Machine {
    /// An EVM under `fork`'s rules in `block`, on `db`.
    #[must_use]
    pub fn new(chain_id: u64, fork: Fork, block: BlockEnv, db: Db) -> Self {
        let mut context = EvmContext::new(db, fork.spec);
        context.cfg.chain_id = chain_id;
        context.cfg.blob_base_fee_update_fraction = Some(fork.blob_update_fraction);
        context.block = block;
        let mut evm = context.build_mainnet();
        keccak::install(&mut evm.instruction);
        Self { evm }
    }

    /// Refunds give back what was spent, divided by this, at most.
    #[must_use]
    pub fn refund_quotient(&self) -> u64 {
        self.evm.ctx.cfg.gas_params.max_refund_quotient()
    }

    /// Moves on to another block, under `fork`'s rules. The state stays.
    pub fn enter(&mut self, fork: Fork, block: BlockEnv) {
        if self.evm.ctx.cfg.spec == fork.spec {
            self.evm.ctx.block = block;
            return;
        }
        // Opcodes, gas and precompiles are chosen when the EVM is built.
        let db = std::mem::take(self.db_mut());
        *self = Self::new(self.evm.ctx.cfg.chain_id, fork, block, db);
    }

    /// Puts another block of the same rules in the place of the one being built, which comes back.
    pub const fn replace_block(&mut self, block: BlockEnv) -> BlockEnv {
        std::mem::replace(&mut self.evm.ctx.block, block)
    }

    /// The block being built.
    #[must_use]
    pub fn block(&self) -> &BlockEnv {
        &self.evm.ctx.block
    }

    /// The state.
    #[must_use]
    pub fn db(&self) -> &Db {
        self.evm.ctx.db_ref()
    }

    /// The state, to tell it things.
    pub fn db_mut(&mut self) -> &mut Db {
        self.evm.ctx.db_mut()
    }

    /// Runs a transaction as the chain would. Nothing is kept.
    pub fn execute(&mut self, tx: TxEnv) -> Result<Executed, ExecuteError> {
        let outcome = self.evm.transact_one(tx);
        let diff = self.evm.finalize();
        Ok(Executed { result: outcome?, diff })
    }

    /// Runs a transaction between two looks at the state, all in one journal: what the looks return before and after it.
    pub fn execute_between(&mut self, tx: TxEnv, look: &TxEnv) -> Result<Between, ExecuteError> {
        let outcome = self.between(tx, look);
        self.end(outcome)
    }

    /// As [`Machine::execute_between`], for a transaction that is itself only a look: its sender need not be able to send.
    pub fn look_between(&mut self, tx: TxEnv, look: &TxEnv) -> Result<Between, ExecuteError> {
        let outcome = self.looking(|evm| {
            let before = evm.transact_one(look.clone())?;
            let result = evm.transact_one(tx)?;
            Ok((before, result, evm.transact_one(look.clone())?))
        });
        self.end(outcome.map_err(ExecuteError::from))
    }

    /// Ends the journal of a transaction between two looks: also where it stopped.
    fn end(
        &mut self,
        outcome: Result<(EvmResult, EvmResult, EvmResult), ExecuteError>,
    ) -> Result<Between, ExecuteError> {
        let diff = self.evm.finalize();
        let (before, result, after) = outcome?;
        Ok(Between { before, after, executed: Executed { result, diff } })
    }

    fn between(&mut self, tx: TxEnv, look: &TxEnv) -> Result<(EvmResult, EvmResult, EvmResult), ExecuteError> {
        let before = self.looking(|evm| evm.transact_one(look.clone()))?;
        let result = self.evm.transact_one(tx)?;
        let after = self.looking(|evm| evm.transact_one(look.clone()))?;
        Ok((before, result, after))
    }

    /// The id that transactions are for.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.evm.ctx.cfg.chain_id
    }

    /// A look's transaction.
    #[must_use]
    pub fn look(&self, from: Address, to: Address, data: Bytes) -> TxEnv {
        let gas_limit = self.evm.ctx.block.gas_limit.min(CALL_GAS);
        TxEnv { caller: from, gas_limit, kind: TxKind::Call(to), data, ..TxEnv::default() }
    }

    /// A read-only look: sender, nonce, balance and fees do not matter. Nothing is kept.
    pub fn call(&mut self, from: Address, to: Address, data: Bytes) -> Result<Executed, ExecuteError> {
        self.call_paying(from, to, data, U256::ZERO)
    }

    /// The same, with ether.
    pub fn call_paying(
        &mut self,
        from: Address,
        to: Address,
        data: Bytes,
        value: U256,
    ) -> Result<Executed, ExecuteError> {
        let tx = TxEnv { value, ..self.look(from, to, data) };
        self.looking(|evm| {
            let outcome = evm.transact_one(tx);
            let diff = evm.finalize();
            Ok(Executed { result: outcome?, diff })
        })
        .map_err(ExecuteError::from)
    }

    /// Lets a transaction run for which sender, nonce, balance and fees do not matter.
    fn looking<T>(&mut self, run: impl FnOnce(&mut Inner) -> Result<T, EVMError<Cold>>) -> Result<T, EVMError<Cold>> {
        let careful = self.evm.ctx.cfg.clone();
        let cfg = &mut self.evm.ctx.cfg;
        (cfg.disable_nonce_check, cfg.tx_chain_id_check) = (true, false);
        (cfg.disable_base_fee, cfg.disable_balance_check, cfg.disable_eip3607) = (true, true, true);
        cfg.disable_fee_charge = true;
        let outcome = run(&mut self.evm);
        self.evm.ctx.cfg = careful;
        outcome
    }

    /// Lays a diff over the base, in place of the last one: executions and calls see it, the base does not change.
    pub fn set_overlay(&mut self, diff: EvmState) {
        self.db_mut().set_overlay(diff);
    }

    /// Takes the overlay off again and forgets it.
    pub fn drop_overlay(&mut self) {
        let diff = self.db_mut().take_overlay();
        self.take_back(diff);
    }

    /// Forgets a diff. The next one is written where it was.
    pub fn take_back(&mut self, mut diff: EvmState) {
        diff.clear();
        self.evm.ctx.journal_mut().state = diff;
    }

    /// Makes the overlay part of the base.
    pub fn commit_overlay(&mut self) {
        let diff = self.db_mut().take_overlay();
        self.db_mut().commit(diff);
    }

    /// Makes a diff part of the base.
    pub fn commit(&mut self, diff: EvmState) {
        self.db_mut().commit(diff);
    }
}

/// Gas of a look: far more than any getter needs, below every block gas limit since Istanbul.
const CALL_GAS: u64 = 8_000_000;

/// Balance given to accounts of our own in replay: more ether than any gas bill, less than would overflow.
pub const OWN_BALANCE: U256 = U256::from_limbs([0, 1 << 32, 0, 0]);
