//! A node's announcement of a pending transaction, read where it lies: fields are borrowed from the frame, then written
//! into one transaction that is used again and again.
//!
//! # Invariants
//! - What is read here is what `alloy` reads of the same frame, or nothing: `tests/decode.rs` holds the one against the other.
//! - Hash and sender are the node's word. [`PendingTx::encode`] gives bytes that must still hash to it.
//! - What a frame leaves out, or has null for, is derived from the rest, and proven by the hash: `loose`.
//!
//! # Limits
//! - Types 0, 1 and 2. Blobs and authorisations are left to the edge, which reads them at its leisure: a bundle cannot hold
//!   the first, and the second are rare.
//! - A string with an escape in it is not read: hexadecimal has none.
//!
//! # Cost
//! No allocation once the buffers have grown, of a frame that leaves nothing out.

mod access;
mod input;
mod json;
mod loose;
mod raw;

use alloy::eips::eip2930::AccessList;
use alloy::eips::eip2930::AccessListItem;
use alloy_primitives::{Address, B256, TxKind, U256};
use revm::context::TxEnv;

pub use json::Unread;

/// A transaction's kind, of those that are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum TxType {
    /// Before EIP-2718.
    #[default]
    Legacy = 0,
    /// EIP-2930.
    Listed = 1,
    /// EIP-1559.
    Dynamic = 2,
}

/// A pending transaction. One is made for a thread, and read into.
#[derive(Clone, Debug, Default)]
pub struct PendingTx {
    kind: TxType,
    hash: B256,
    sender: Address,
    /// `None`: it makes a contract.
    to: Option<Address>,
    /// None of a legacy transaction that is valid on every chain.
    chain_id: Option<u64>,
    nonce: u64,
    gas: u64,
    /// Wei per gas: the price, or the most it pays.
    price: u128,
    /// Wei per gas to the builder; none before EIP-1559.
    tip: u128,
    value: U256,
    input: input::Input,
    access: access::List,
    /// Legacy: `v` as it is signed; else the parity.
    v: u64,
    r: U256,
    s: U256,
}

impl PendingTx {
    /// Reads an `eth_subscription` notice of a full pending transaction.
    ///
    /// # Errors
    /// It is none that is read here. What was read before is lost.
    pub fn read(&mut self, frame: &str) -> Result<(), Unread> {
        self.read_on(frame, None)
    }

    /// [`PendingTx::read`], of a node on the chain of this id: a transaction need not say it.
    ///
    /// # Errors
    /// As of [`PendingTx::read`].
    pub fn read_on(&mut self, frame: &str, chain_id: Option<u64>) -> Result<(), Unread> {
        json::read(frame, self, chain_id)
    }

    /// As it was announced.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Who sent it, says the node; or the signature, where the node does not.
    #[must_use]
    pub const fn sender(&self) -> Address {
        self.sender
    }

    /// What is called; `None` for the making of a contract.
    #[must_use]
    pub const fn to(&self) -> Option<Address> {
        self.to
    }

    /// Its calldata.
    #[must_use]
    pub fn input(&self) -> &[u8] {
        &self.input
    }

    /// As the EVM takes it. Its calldata is this one's; its access list is the EVM's own, and is allocated.
    #[must_use]
    pub fn env(&self) -> TxEnv {
        TxEnv {
            tx_type: self.kind as u8,
            caller: self.sender,
            gas_limit: self.gas,
            gas_price: self.price,
            kind: self.to.map_or(TxKind::Create, TxKind::Call),
            value: self.value,
            data: self.input.shared(),
            nonce: self.nonce,
            chain_id: self.chain_id,
            access_list: self.access_list(),
            gas_priority_fee: (self.kind == TxType::Dynamic).then_some(self.tip),
            ..TxEnv::default()
        }
    }

    fn access_list(&self) -> AccessList {
        let item = |(address, keys): (Address, &[B256])| AccessListItem { address, storage_keys: keys.to_vec() };
        AccessList(self.access.iter().map(item).collect())
    }
}
