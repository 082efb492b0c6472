//! A transaction as nodes show it. What follows from the rest of it is not demanded: the sender is in the signature, a chain's id
//! in the configuration or in `v`, the type in the fields that it has.
//!
//! # Invariants
//! - What was derived is proven: the transaction hashes to the hash that it came with, or, where it came without one, its
//!   signature is the sender's that it names. What proves nothing is no transaction.
//! - A field that is null is absent.
//! - One that says its type and is whole is read as alloy reads it: hash and sender are the node's word.
//!
//! # Cost
//! Of one that is not whole: a keccak a guess, and a recovery where the sender is missing.

mod fields;
mod form;

use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::{Recovered, SignerRecoverable};
use alloy::rpc::types::eth::Transaction;
use alloy_primitives::{Address, B256, Signature};
use serde::Deserialize;
use serde_json::Value;

use crate::edge::chain::transaction::fields::Fields;
use crate::edge::chain::transaction::form::Form;

/// Why it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not an object.
    #[error("no object")]
    Form,
    /// A field is missing that nothing gives, or is not what it has to be.
    #[error("`{0}` is missing or not what it has to be")]
    Field(&'static str),
    /// A kind that is not known here.
    #[error("of type {0}, 0 to 4 due")]
    Type(u64),
    /// Its fields are those of another transaction, or of none.
    #[error("its fields do not make its hash")]
    Unproven,
    /// It has neither hash nor sender.
    #[error("neither `hash` nor `from`")]
    Unnamed,
}

/// A transaction, and which of its fields had to be derived.
#[derive(Clone, Debug)]
pub struct Shown {
    /// With its sender.
    pub tx: Recovered<TxEnvelope>,
    /// In the node's own names.
    pub derived: Vec<&'static str>,
}

/// What can be missing, by the names that nodes give it.
const DERIVABLE: [&str; 8] = ["from", "hash", "type", "chainId", "value", "input", "accessList", "yParity"];
/// What serves in the place of one of these.
const OTHERWISE: [(&str, &str); 2] = [("input", "data"), ("yParity", "v")];

/// Reads a transaction. `chain_id`: of the chain that it is on, where that is known.
///
/// # Errors
/// It cannot be read, or nothing proves what was read.
pub fn read_transaction(value: &Value, chain_id: Option<u64>) -> Result<Shown, Unreadable> {
    let fields = Fields(value.as_object().ok_or(Unreadable::Form)?);
    // Without its type alloy may take it for a legacy one, whatever else it has.
    if let Some(Ok(tx)) = fields.has("type").then(|| Transaction::deserialize(value)) {
        return Ok(Shown { tx: tx.inner, derived: Vec::new() });
    }
    guess(&fields, chain_id)
}

fn guess(fields: &Fields<'_>, chain_id: Option<u64>) -> Result<Shown, Unreadable> {
    let given = Form::of(fields)?;
    let (hash, from) = (fields.word("hash")?, fields.address("from")?);
    if hash.is_none() && from.is_none() {
        return Err(Unreadable::Unnamed);
    }
    let mut why = None;
    for form in given.guesses(fields, chain_id) {
        let parities = form.parities(fields)?;
        let typed = match form.build(fields) {
            Ok(typed) => typed,
            Err(error) => {
                why.get_or_insert(error);
                continue;
            }
        };
        for odd in parities {
            let signature = Signature::new(fields.due("r")?, fields.due("s")?, odd);
            let tx = TxEnvelope::new_unhashed(typed.clone(), signature);
            if let Some(sender) = proven(&tx, hash, from) {
                return Ok(Shown { tx: Recovered::new_unchecked(tx, sender), derived: derived(fields) });
            }
        }
    }
    Err(why.unwrap_or(Unreadable::Unproven))
}

/// The hash of what cannot be read, if that much can: its node may be asked for it.
#[must_use]
pub fn transaction_hash(value: &Value) -> Option<B256> {
    Fields(value.as_object()?).word("hash").ok().flatten()
}

/// Its sender, if hash or signature say that it is what was shown.
fn proven(tx: &TxEnvelope, hash: Option<B256>, from: Option<Address>) -> Option<Address> {
    match (hash, from) {
        (Some(hash), _) if *tx.tx_hash() != hash => None,
        // As everywhere: a node's word for the sender is taken.
        (Some(_), Some(from)) => Some(from),
        (Some(_), None) => tx.recover_signer().ok(),
        (None, from) => tx.recover_signer().ok().filter(|signer| Some(*signer) == from),
    }
}

fn derived(fields: &Fields<'_>) -> Vec<&'static str> {
    let serves = |name: &str| OTHERWISE.iter().any(|(of, other)| *of == name && fields.has(other));
    let absent = |name: &&str| !fields.has(name) && !serves(name);
    DERIVABLE.into_iter().filter(absent).collect()
}

#[cfg(test)]
mod tests;
