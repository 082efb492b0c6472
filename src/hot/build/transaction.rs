//! The executor's transaction: EIP-1559, encoded and signed.
//!
//! # Invariants
//! - Tip zero: the builder is paid by the executor, out of the profit, and so not at all when there is none.
//! - The fee cap is the target block's base fee: in any other block the transaction is worth nothing, and says so.

use alloy::consensus::SignableTransaction;
use alloy::consensus::TxEip1559;
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::eip2930::AccessList;
use alloy::eips::eip2930::AccessListItem;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};

use crate::hot::refused::Refused;
use crate::types::amount::Gas;
use crate::types::amount::WeiPerGas;
use crate::types::onetime::OneTime;
use crate::types::secret::Key;

/// What goes into it.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The chain it is valid on.
    pub chain_id: u64,
    /// The owner's next.
    pub nonce: u64,
    /// Most gas it may use.
    pub gas_limit: Gas,
    /// What it pays a unit.
    pub price: WeiPerGas,
    /// The executor.
    pub to: Address,
    /// Its calldata.
    pub data: Bytes,
    /// Accounts and slots to warm; empty: none.
    pub access: &'a [(Address, Vec<U256>)],
}

impl Draft<'_> {
    /// Raw bytes and hash. With a nonce prepared ahead, or deterministic.
    pub fn sign(self, key: &Key, nonce: Option<OneTime>) -> Result<(Bytes, B256), Refused> {
        let item = |(address, slots): &(Address, Vec<U256>)| AccessListItem {
            address: *address,
            storage_keys: slots.iter().map(|slot| B256::from(*slot)).collect(),
        };
        let tx = TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit.0,
            max_fee_per_gas: self.price.0,
            max_priority_fee_per_gas: 0,
            to: TxKind::Call(self.to),
            value: U256::ZERO,
            access_list: AccessList(self.access.iter().map(item).collect()),
            input: self.data,
        };
        let signature = match nonce {
            Some(nonce) => key.sign_once(&tx.signature_hash(), nonce),
            None => key.sign(&tx.signature_hash()),
        };
        let signature = signature.map_err(|_| Refused::Unsigned)?;
        let signed = tx.into_signed(signature);
        Ok((signed.encoded_2718().into(), *signed.hash()))
    }
}
