//! The executor's transaction: EIP-1559, encoded and signed.
//!
//! # Invariants
//! - Tip zero: the builder is paid by the executor, out of the profit, and so not at all when there is none.
//! - The fee cap is the target block's base fee: in any other block the transaction is worth nothing, and says so.
//!
//! # Cost
//! It is written once, and hashed twice: to be signed, and as it was signed. No allocation once the buffers have grown.

use alloy::rlp::Encodable;
use alloy::rlp::Header;
use alloy_primitives::{Address, B256, U256, keccak256};

use crate::hot::refused::Refused;
use crate::types::amount::Gas;
use crate::types::amount::WeiPerGas;
use crate::types::onetime::OneTime;
use crate::types::secret::Key;

/// EIP-2718's number of the type.
const DYNAMIC: u8 = 2;
/// A storage key with its length before it.
const KEY: usize = 33;
/// An address with its length before it.
const ADDRESS: usize = 21;

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
    pub data: &'a [u8],
    /// Slots to warm, in order of their accounts; empty: none.
    pub access: &'a [(Address, U256)],
}

/// Buffers, used again.
#[derive(Debug, Default)]
pub struct Paper {
    fields: Vec<u8>,
    raw: Vec<u8>,
}

impl Paper {
    /// The transaction last signed: its raw bytes.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// What the fields make, without or with a signature.
    fn close(&mut self) {
        self.raw.clear();
        self.raw.push(DYNAMIC);
        list(self.fields.len()).encode(&mut self.raw);
        self.raw.extend_from_slice(&self.fields);
    }
}

impl Draft<'_> {
    /// Writes it, signed: its hash. With a nonce prepared ahead, or deterministic.
    pub fn sign(&self, key: &Key, nonce: Option<OneTime>, paper: &mut Paper) -> Result<B256, Refused> {
        self.write(&mut paper.fields);
        paper.close();
        let digest = keccak256(&paper.raw);
        let signature = match nonce {
            Some(nonce) => key.sign_once(&digest, nonce),
            None => key.sign(&digest),
        };
        let signature = signature.map_err(|_| Refused::Unsigned)?;
        signature.v().encode(&mut paper.fields);
        signature.r().encode(&mut paper.fields);
        signature.s().encode(&mut paper.fields);
        paper.close();
        Ok(keccak256(&paper.raw))
    }

    /// The fields that are signed, in the place of what `out` holds.
    fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        self.chain_id.encode(out);
        self.nonce.encode(out);
        // The tip.
        0u64.encode(out);
        self.price.0.encode(out);
        self.gas_limit.0.encode(out);
        self.to.encode(out);
        // The value.
        U256::ZERO.encode(out);
        self.data.encode(out);
        self.write_access(out);
    }

    fn write_access(&self, out: &mut Vec<u8>) {
        let items = || self.access.chunk_by(|one, next| one.0 == next.0);
        list(items().map(|slots| list(item(slots.len())).length() + item(slots.len())).sum()).encode(out);
        for slots in items() {
            list(item(slots.len())).encode(out);
            slots[0].0.encode(out);
            list(slots.len() * KEY).encode(out);
            slots.iter().for_each(|(_, slot)| B256::from(*slot).encode(out));
        }
    }
}

/// A list of so many bytes within.
const fn list(payload_length: usize) -> Header {
    Header { list: true, payload_length }
}

/// Bytes within an account's entry of an access list.
fn item(slots: usize) -> usize {
    ADDRESS + list(slots * KEY).length() + slots * KEY
}
