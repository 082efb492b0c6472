//! A transaction's call tree, with gas, value, reasons and logs.

use std::borrow::Cow;

use alloy_primitives::{Address, B256, Bytes, Log, U256};
use revm::Context;
use revm::InspectEvm;
use revm::Inspector;
use revm::context::BlockEnv;
use revm::context::ContextTr;
use revm::context::TxEnv;
use revm::handler::MainBuilder;
use revm::handler::MainnetContext;
use revm::interpreter::CallInputs;
use revm::interpreter::CallOutcome;
use revm::interpreter::CallScheme;
use revm::interpreter::CreateInputs;
use revm::interpreter::CreateOutcome;
use revm::interpreter::InstructionResult;
use revm::interpreter::InterpreterResult;
use serde::Serialize;

use crate::hot::evm::db::Db;
use crate::hot::evm::fork::Fork;
use crate::replay::bundle::words;

/// One call, and those made within it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The opcode, in lower case.
    pub kind: Cow<'static, str>,
    /// Who calls.
    pub from: Address,
    /// Whose code runs.
    pub to: Address,
    /// Wei, in decimals.
    pub value: String,
    /// The function, where its selector is known; else the selector.
    pub function: String,
    /// Calldata.
    pub input: Bytes,
    /// What came back.
    pub output: Bytes,
    /// Gas it was given.
    pub gas_limit: u64,
    /// Gas it used, with the calls within.
    pub gas_used: u64,
    /// Why it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Logs that it emitted itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<Emitted>,
    /// Calls within, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Self>,
}

/// A log. One of a call that was reverted is there, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Emitted {
    /// Who.
    pub address: Address,
    /// Signature and indexed fields.
    pub topics: Vec<B256>,
    /// The rest.
    pub data: Bytes,
    /// The event's name, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<&'static str>,
}

impl Call {
    /// All logs below, with those of reverted calls.
    #[must_use]
    pub fn all_logs(&self) -> Vec<&Emitted> {
        self.logs.iter().chain(self.calls.iter().flat_map(Self::all_logs)).collect()
    }

    /// The innermost call that failed and made those above it fail.
    #[must_use]
    pub fn culprit(&self) -> Option<&Self> {
        self.failure.as_ref()?;
        Some(self.calls.last().and_then(Self::culprit).unwrap_or(self))
    }
}

/// Runs `tx` and returns its call tree, with the state handed in. `None`: it did not begin.
#[must_use]
pub fn trace(chain_id: u64, fork: Fork, block: BlockEnv, db: Db, tx: TxEnv) -> (Db, Option<Call>) {
    let mut context: MainnetContext<Db> = Context::new(db, fork.spec);
    context.cfg.chain_id = chain_id;
    context.cfg.blob_base_fee_update_fraction = Some(fork.blob_update_fraction);
    context.block = block;
    let mut evm = context.build_mainnet_with_inspector(Tracer::default());
    // How it ended is known from a run without a tracer.
    let _outcome = evm.inspect_tx(tx);
    let root = evm.inspector.root.take();
    (std::mem::take(evm.ctx.db_mut()), root)
}

#[derive(Default)]
struct Tracer {
    open: Vec<Call>,
    root: Option<Call>,
}

impl Tracer {
    fn end(&mut self, result: &InterpreterResult) {
        let Some(mut call) = self.open.pop() else { return };
        call.gas_used = result.gas.total_gas_spent();
        call.output = result.output.clone();
        call.failure = failure(result.result, &result.output);
        match self.open.last_mut() {
            Some(above) => above.calls.push(call),
            None => self.root = Some(call),
        }
    }
}

fn failure(result: InstructionResult, output: &[u8]) -> Option<String> {
    match result {
        result if result.is_ok() => None,
        InstructionResult::Revert => Some(words::reason(output)),
        halt => Some(format!("halted: {halt:?}")),
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Tracer {
    fn log(&mut self, _: &mut CTX, log: Log) {
        let Some(call) = self.open.last_mut() else { return };
        let (topics, data) = (log.topics().to_vec(), log.data.data.clone());
        let event = topics.first().and_then(|topic| words::event(*topic));
        call.logs.push(Emitted { address: log.address, topics, data, event });
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let input = inputs.input.bytes(context);
        let kind = match inputs.scheme {
            CallScheme::Call => "call",
            CallScheme::CallCode => "callcode",
            CallScheme::DelegateCall => "delegatecall",
            CallScheme::StaticCall => "staticcall",
        };
        self.open.push(Call {
            kind: Cow::Borrowed(kind),
            from: inputs.caller,
            to: inputs.bytecode_address,
            value: inputs.value.transfer().unwrap_or_default().to_string(),
            function: words::function(&input),
            input,
            gas_limit: inputs.gas_limit,
            ..Call::default()
        });
        None
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.end(&outcome.result);
    }

    fn create(&mut self, _: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.open.push(Call {
            kind: Cow::Borrowed("create"),
            from: inputs.caller(),
            to: Address::ZERO,
            value: inputs.value().to_string(),
            function: "constructor".to_owned(),
            input: inputs.init_code().clone(),
            gas_limit: inputs.gas_limit(),
            ..Call::default()
        });
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        if let (Some(call), Some(address)) = (self.open.last_mut(), outcome.address) {
            call.to = address;
        }
        self.end(&outcome.result);
    }
}

/// Ether that a call moves, if any.
#[must_use]
pub fn moves(call: &Call) -> Option<U256> {
    call.value.parse().ok().filter(|value: &U256| !value.is_zero())
}
