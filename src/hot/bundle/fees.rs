//! EIP-1559: what a unit of gas costs in the block after a given one.

use alloy_primitives::{B256, U256};

use crate::chain::BaseFee;
use crate::types::amount::Gas;
use crate::types::amount::WeiPerGas;

/// What a header says of its gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Most gas it could hold.
    pub gas_limit: Gas,
    /// Gas it holds.
    pub gas_used: Gas,
    /// What it charged.
    pub base_fee: WeiPerGas,
    /// The chain's parameters.
    pub rule: BaseFee,
}

impl Parent {
    /// The base fee of the block after this one: exact, since consensus demands it.
    #[must_use]
    pub fn next_base_fee(&self) -> WeiPerGas {
        let target_block = self.gas_limit.0.checked_div(self.rule.elasticity).unwrap_or(0);
        let away = self.gas_used.0.abs_diff(target_block);
        if target_block == 0 || away == 0 || self.rule.denominator == 0 {
            return self.base_fee;
        }
        // 128 + 64 bits. Divided twice and not by the product, as the rule rounds twice.
        let step = U256::from(self.base_fee.0) * U256::from(away)
            / U256::from(target_block)
            / U256::from(self.rule.denominator);
        let step = u128::try_from(step).unwrap_or(u128::MAX);
        WeiPerGas(if self.gas_used.0 > target_block {
            self.base_fee.0.saturating_add(step.max(1))
        } else {
            self.base_fee.0.saturating_sub(step)
        })
    }
}
