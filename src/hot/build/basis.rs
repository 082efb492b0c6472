//! What a bundle is built on: a proof, or what is reckoned ahead of one.
//!
//! # Invariants
//! - Made of a [`Proven`] or of a [`Reckoned`] and of nothing else: its fields are closed.

use alloy_primitives::{Address, U256};

use crate::hot::reckon::Reckoned;
use crate::hot::simulate::Proven;
use crate::hot::state::pools::Edge;
use crate::types::amount::Gas;
use crate::types::amount::Wei;
use crate::types::id::TokenId;

/// A candidate with what it costs.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    pub(in crate::hot::build) hops: &'a [Edge],
    pub(in crate::hot::build) amounts: &'a [u128],
    pub(in crate::hot::build) start: TokenId,
    pub(in crate::hot::build) gross: u128,
    pub(in crate::hot::build) value: Option<Wei>,
    pub(in crate::hot::build) gas: Gas,
    /// The bid that the gas was measured with.
    pub(in crate::hot::build) paid: Wei,
    pub(in crate::hot::build) assumed: usize,
    pub(in crate::hot::build) access: &'a [(Address, U256)],
}

impl<'a> From<&'a Proven> for Basis<'a> {
    fn from(proven: &'a Proven) -> Self {
        let candidate = proven.candidate();
        Self {
            hops: candidate.hops(),
            amounts: candidate.amounts(),
            start: candidate.start(),
            gross: candidate.gross(),
            value: candidate.value(),
            gas: proven.gas_used(),
            paid: proven.builder_paid(),
            assumed: proven.assumed(),
            access: proven.access(),
        }
    }
}

impl<'a> From<&'a Reckoned> for Basis<'a> {
    fn from(reckoned: &'a Reckoned) -> Self {
        let candidate = reckoned.candidate();
        Self {
            hops: candidate.hops(),
            amounts: candidate.amounts(),
            start: candidate.start(),
            gross: candidate.gross(),
            value: candidate.value(),
            gas: reckoned.gas(),
            paid: reckoned.paid(),
            // Pools that are proven, at amounts that are theirs: nothing is guessed. Which slots a run would touch is not known.
            assumed: 0,
            access: &[],
        }
    }
}
