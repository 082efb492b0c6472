//! What relays are sent: the trigger, if there is one, and our transaction behind it.
//!
//! # Invariants
//! - Only `hot::bundle` makes one, so each has passed the limits and is signed.
//! - No transaction in it may revert: all of it lands, or nothing.

use std::ops::Deref;

use alloy::consensus::SignableTransaction;
use alloy::consensus::TxEnvelope;
use alloy::eips::eip2718::Decodable2718;
use alloy_primitives::{B256, Bytes, keccak256};

use crate::hot::bundle::bid::ProfitSplit;
use crate::hot::bundle::target::Target;
use crate::types::amount::Gas;
use crate::types::amount::WeiPerGas;
use crate::types::buf::Buf;
use crate::types::buf::Stock;

/// A bundle for one block. Forging one does not compile:
///
/// ```compile_fail
/// let bundle = peregrine::hot::build::SignedBundle::new(1, None, todo!());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBundle {
    block: u64,
    nonce: u64,
    trigger: Option<B256>,
    ours: B256,
    hash: B256,
    /// The trigger's bytes, then ours.
    bytes: Buf,
    /// Where ours begin.
    cut: usize,
    gas_limit: Gas,
    price: WeiPerGas,
    terms: ProfitSplit,
}

/// A bundle's transactions: the trigger, if there is one, and ours.
#[derive(Clone, Copy, Debug)]
pub struct Txs<'a> {
    both: [&'a [u8]; 2],
    from: usize,
}

impl<'a> Deref for Txs<'a> {
    type Target = [&'a [u8]];

    fn deref(&self) -> &[&'a [u8]] {
        &self.both[self.from..]
    }
}

/// Our transaction and what was decided for it.
#[derive(Debug)]
pub(in crate::hot::bundle) struct Ours<'a> {
    pub raw: &'a [u8],
    pub hash: B256,
    pub nonce: u64,
    pub gas_limit: Gas,
    pub price: WeiPerGas,
    pub terms: ProfitSplit,
}

impl SignedBundle {
    pub(in crate::hot::bundle) fn new(block: u64, target: Option<&Target>, ours: Ours<'_>, stock: &mut Stock) -> Self {
        let trigger = target.map(Target::hash);
        let first = target.map_or(&[][..], Target::bytes);
        let hash = match trigger {
            Some(trigger) => keccak256([trigger.0, ours.hash.0].as_flattened()),
            None => keccak256(ours.hash),
        };
        Self {
            block,
            nonce: ours.nonce,
            trigger,
            ours: ours.hash,
            hash,
            bytes: stock.hold(&[first, ours.raw]),
            cut: first.len(),
            gas_limit: ours.gas_limit,
            price: ours.price,
            terms: ours.terms,
        }
    }

    /// The same, with what it turned out to cost.
    pub(in crate::hot::bundle) fn settled(&self, terms: ProfitSplit) -> Self {
        Self { terms, ..self.clone() }
    }

    /// The one block it is for.
    #[must_use]
    pub const fn block(&self) -> u64 {
        self.block
    }

    /// Keccak of the transactions' hashes, as Flashbots forecasts it. A relay may call it otherwise.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// The transaction it follows.
    #[must_use]
    pub const fn trigger(&self) -> Option<B256> {
        self.trigger
    }

    /// Our transaction's hash.
    #[must_use]
    pub const fn ours(&self) -> B256 {
        self.ours
    }

    /// Our transaction's nonce.
    #[must_use]
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// The transactions' raw bytes, in order; ours is the last.
    #[must_use]
    pub fn txs(&self) -> Txs<'_> {
        let (first, ours) = self.bytes.split_at(self.cut);
        Txs { both: [first, ours], from: usize::from(self.trigger.is_none()) }
    }

    /// Our transaction without its signature, and the digest that was signed. `None` for what [`crate::hot::bundle`] does
    /// not make.
    #[must_use]
    pub fn unsigned(&self) -> Option<(Bytes, B256)> {
        let TxEnvelope::Eip1559(ours) = TxEnvelope::decode_2718(&mut &self.bytes[self.cut..]).ok()? else {
            return None;
        };
        Some((ours.tx().encoded_for_signing().into(), ours.signature_hash()))
    }

    /// Our transaction's gas limit.
    #[must_use]
    pub const fn gas_limit(&self) -> Gas {
        self.gas_limit
    }

    /// What our transaction pays a unit of gas.
    #[must_use]
    pub const fn price(&self) -> WeiPerGas {
        self.price
    }

    /// How the profit is shared.
    #[must_use]
    pub const fn terms(&self) -> &ProfitSplit {
        &self.terms
    }
}
