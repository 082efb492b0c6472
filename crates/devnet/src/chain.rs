//! Setting up a chain: many transactions of one account at once, each of which must succeed.

use alloy::consensus::TxEip1559;
use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::TxKind;
use alloy_primitives::U64;
use alloy_primitives::U256;
use peregrine_rpc::Rpc;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::DevnetError;
use crate::wallet::Wallet;

/// Transactions a block of the set-up takes: with [`GAS`] each they fit its gas limit.
const BLOCK: usize = 400;
/// Gas of one transaction of the set-up. A V3 pool's creation needs 4.6 million.
const GAS: u64 = 16_000_000;
/// Gas limit of the blocks of the set-up.
pub(super) const SETUP_GAS_LIMIT: u64 = BLOCK as u64 * GAS;
/// Far above the base fee of a chain that has just begun.
const MAX_FEE: u128 = 100_000_000_000;

/// One transaction of the set-up.
pub(super) struct Step {
    pub(super) what: String,
    pub(super) to: TxKind,
    pub(super) value: U256,
    pub(super) data: Bytes,
}

impl Step {
    pub(super) fn call(what: impl Into<String>, to: Address, data: Vec<u8>) -> Self {
        Self { what: what.into(), to: TxKind::Call(to), value: U256::ZERO, data: data.into() }
    }
}

/// What the chain says of a mined transaction.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    status: U64,
    contract_address: Option<Address>,
}

/// The chain in the hands of one account.
pub(super) struct Chain {
    pub(super) rpc: Rpc,
    wallet: Wallet,
    nonce: u64,
}

impl Chain {
    pub(super) const fn new(rpc: Rpc, wallet: Wallet) -> Self {
        Self { rpc, wallet, nonce: 0 }
    }

    pub(super) const fn me(&self) -> Address {
        self.wallet.address()
    }

    /// Sets balances of ether.
    pub(super) async fn endow(&mut self, accounts: &[(Address, U256)]) -> Result<(), DevnetError> {
        let params: Vec<Value> = accounts.iter().map(|(account, amount)| json!([account, amount])).collect();
        self.rpc.batch::<Value>("anvil_setBalance", &params).await?;
        Ok(())
    }

    /// Sends all, mines, and demands that all succeeded. The contracts created, in order.
    pub(super) async fn run(&mut self, steps: Vec<Step>) -> Result<Vec<Address>, DevnetError> {
        let mut created = Vec::new();
        for steps in steps.chunks(BLOCK) {
            let (mut raw, mut hashes) = (Vec::new(), Vec::new());
            for step in steps {
                let signed = self.wallet.sign(TxEip1559 {
                    nonce: self.nonce,
                    gas_limit: GAS,
                    max_fee_per_gas: MAX_FEE,
                    to: step.to,
                    value: step.value,
                    input: step.data.clone(),
                    ..TxEip1559::default()
                });
                self.nonce += 1;
                raw.push(json!([signed.raw]));
                hashes.push(json!([signed.hash]));
            }
            self.rpc.batch::<Value>("eth_sendRawTransaction", &raw).await?;
            self.mine().await?;
            let receipts: Vec<Option<Receipt>> = self.rpc.batch("eth_getTransactionReceipt", &hashes).await?;
            for (step, receipt) in steps.iter().zip(receipts) {
                let receipt = receipt.ok_or_else(|| DevnetError::Unmined(step.what.clone()))?;
                if receipt.status.is_zero() {
                    return Err(DevnetError::Reverted(step.what.clone()));
                }
                created.extend(receipt.contract_address);
            }
        }
        Ok(created)
    }

    pub(super) async fn mine(&self) -> Result<(), DevnetError> {
        self.rpc.call::<Value>("evm_mine", json!([])).await?;
        Ok(())
    }

    /// Answers of many view calls.
    pub(super) async fn ask(&self, calls: &[(Address, Vec<u8>)]) -> Result<Vec<Bytes>, DevnetError> {
        let call = |(to, data): &(Address, Vec<u8>)| json!([{"to": to, "data": Bytes::from(data.clone())}, "latest"]);
        let params: Vec<Value> = calls.iter().map(call).collect();
        Ok(self.rpc.batch("eth_call", &params).await?)
    }
}

/// Whole ether, in wei.
pub(super) fn ether(whole: u64) -> U256 {
    U256::from(whole) * U256::from(1_000_000_000_000_000_000u64)
}
