//! What is said of a bundle: for scripts as JSON, for people by `show`. Amounts are decimal strings.

use alloy_primitives::{Address, B256, U256};
use serde::Serialize;

use crate::replay::bundle::Case;
use crate::replay::bundle::trace::Call;
use crate::types::pool_key::PoolKey;
use crate::types::update::AccountUpdate;

/// A bundle, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// `bundle`.
    pub kind: &'static str,
    /// `as_predicted`, `differs`, or `reverted`.
    pub verdict: &'static str,
    /// `backrun` or `atomic_arb`.
    pub strategy: String,
    /// The block it is for.
    pub block: u64,
    /// The block below.
    pub parent: B256,
    /// Its name, as Flashbots forecasts it.
    pub bundle: Option<B256>,
    /// Our transaction's hash.
    pub ours: Option<B256>,
    /// The digest that our signature is over.
    pub digest: B256,
    /// The transaction it follows.
    pub trigger: Option<B256>,
    /// What it ran on.
    pub state: StateReport,
    /// How the trigger ran.
    pub trigger_run: Option<RunReport>,
    /// How ours ran.
    pub run: RunReport,
    /// Each pool on the way.
    pub hops: Vec<HopReport>,
    /// Who got what.
    pub split: Split,
    /// Names for addresses.
    #[serde(skip)]
    pub legend: Legend,
    /// The call trees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

/// Call trees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The trigger's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Call>,
    /// Ours.
    pub ours: Call,
}

/// The state that was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateReport {
    /// Accounts.
    pub accounts: usize,
    /// Those with code.
    pub contracts: usize,
    /// Bytes of their code.
    pub code_bytes: usize,
    /// Slots.
    pub slots: usize,
    /// Each account with slots.
    pub used: Vec<Used>,
}

/// An account's part of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Used {
    /// Which.
    pub address: Address,
    /// Slots.
    pub slots: usize,
}

impl StateReport {
    /// What a case holds.
    #[must_use]
    pub fn of(case: &Case) -> Self {
        let code = |account: &AccountUpdate| account.code.as_ref().map_or(0, |code| code.len());
        let with = case.accounts.iter().filter(|account| !account.slots.is_empty());
        Self {
            accounts: case.accounts.len(),
            contracts: case.accounts.iter().filter(|account| code(account) > 0).count(),
            code_bytes: case.accounts.iter().map(code).sum(),
            slots: case.accounts.iter().map(|account| account.slots.len()).sum(),
            used: with.map(|account| Used { address: account.address, slots: account.slots.len() }).collect(),
        }
    }
}

/// A transaction's run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// Without revert or halt.
    pub success: bool,
    /// Gas charged.
    pub gas_used: u64,
    /// Gas it might have used.
    pub gas_limit: u64,
    /// Why it failed, in the words of the innermost call that did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Whose code that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_in: Option<Address>,
}

impl RunReport {
    pub(super) fn new(success: bool, gas_used: u64, gas_limit: u64, call: &Option<Call>) -> Self {
        let culprit = call.as_ref().filter(|_| !success).and_then(Call::culprit);
        let failure = culprit.and_then(|call| call.failure.clone());
        Self { success, gas_used, gas_limit, failure, failed_in: culprit.map(|call| call.to) }
    }
}

/// What was predicted, and what came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// When it was decided.
    pub predicted: String,
    /// In this run; nothing where it did not come to it.
    pub actual: Option<String>,
}

impl Pair {
    pub(super) fn new(predicted: U256, actual: Option<U256>) -> Self {
        Self { predicted: predicted.to_string(), actual: actual.map(|amount| amount.to_string()) }
    }

    /// `earned - spent`, which may be below nothing.
    pub(super) fn signed(predicted: U256, earned: Option<U256>, spent: U256) -> Self {
        let left = |earned: U256| match earned.checked_sub(spent) {
            Some(left) => left.to_string(),
            None => format!("-{}", spent - earned),
        };
        Self { predicted: predicted.to_string(), actual: earned.map(left) }
    }

    /// To the unit.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.actual.as_ref() == Some(&self.predicted)
    }
}

/// One pool on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HopReport {
    /// The pool.
    pub pool: PoolKey,
    /// Its protocol.
    pub protocol: String,
    /// What goes in.
    pub token_in: Address,
    /// What comes out.
    pub token_out: Address,
    /// How much goes in.
    pub amount_in: Pair,
    /// How much comes out.
    pub amount_out: Pair,
}

impl HopReport {
    /// To the unit.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.amount_in.is_equal() && self.amount_out.is_equal()
    }
}

/// Who got what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Split {
    /// The start token.
    pub token: Address,
    /// What was earned of it, in its units.
    pub gross: Pair,
    /// The same in wei of ether.
    pub value: Pair,
    /// What the chain took for gas, in wei.
    pub gas_cost: Pair,
    /// What the block's builder got, in wei.
    pub builder: Pair,
    /// What was left to us, in wei.
    pub take: Pair,
}

impl Split {
    /// To the wei.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        [&self.gross, &self.value, &self.gas_cost, &self.builder, &self.take].into_iter().all(Pair::is_equal)
    }
}

/// Names for addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Legend(Vec<(Address, String)>);

impl Legend {
    pub(super) fn of(case: &Case) -> Self {
        let mut all = vec![
            (case.executor, "executor".to_owned()),
            (case.owner, "owner".to_owned()),
            (case.weth, "weth".to_owned()),
            (case.block.beneficiary, "builder".to_owned()),
        ];
        all.extend(case.trigger.as_ref().map(|trigger| (trigger.sender, "user".to_owned())));
        let hops = case.bundle.of.path.hops.iter().enumerate();
        all.extend(hops.map(|(at, hop)| (hop.pool.contract, format!("pool {} ({})", at + 1, hop.protocol))));
        Self(all)
    }

    /// The name, or the address.
    #[must_use]
    pub fn name(&self, address: Address) -> String {
        let known = self.0.iter().find(|(known, _)| *known == address);
        known.map_or_else(|| address.to_string(), |(_, name)| name.clone())
    }
}
