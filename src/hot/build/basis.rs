//! What a bundle is built on: a proof, or what is reckoned ahead of one.
//!
//! # Invariants
//! - Made of a [`Proven`] or of a [`Reckoned`] and of nothing else: its fields are closed.

use alloy_primitives::{Address, U256};

use crate::hot::lending::Liquidation;
use crate::hot::reckon::Reckoned;
use crate::hot::simulate::Deal;
use crate::hot::simulate::Proven;
use crate::hot::state::pools::Edge;
use crate::types::amount::Gas;
use crate::types::amount::Wei;
use crate::types::id::TokenId;

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub(in crate::hot::build) enum What<'a> {
    /// By the executor: through these, with what goes in and what comes out of each, from and to this token, for this gain.
    Cycle(&'a [Edge], &'a [u128], TokenId, u128),
    /// By the liquidator.
    Liquidation(&'a Liquidation),
}

/// A candidate with what it costs.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    pub(in crate::hot::build) what: What<'a>,
    pub(in crate::hot::build) value: Option<Wei>,
    pub(in crate::hot::build) gas: Gas,
    /// The bid that the gas was measured with.
    pub(in crate::hot::build) paid: Wei,
    pub(in crate::hot::build) assumed: usize,
    pub(in crate::hot::build) access: &'a [(Address, U256)],
}

impl<'a> From<&'a Proven> for Basis<'a> {
    fn from(proven: &'a Proven) -> Self {
        let what = match proven.deal() {
            Deal::Cycle(it) => What::Cycle(it.hops(), it.amounts(), it.start(), it.gross()),
            Deal::Liquidation(liquidation) => What::Liquidation(liquidation),
        };
        Self {
            what,
            value: proven.deal().value(),
            gas: proven.gas_used(),
            paid: proven.builder_paid(),
            assumed: proven.assumed(),
            access: proven.access(),
        }
    }
}

impl<'a> From<&'a Reckoned> for Basis<'a> {
    fn from(reckoned: &'a Reckoned) -> Self {
        let it = reckoned.candidate();
        Self {
            what: What::Cycle(it.hops(), it.amounts(), it.start(), it.gross()),
            value: it.value(),
            gas: reckoned.gas(),
            paid: reckoned.paid(),
            // Pools that are proven, at amounts that are theirs: nothing is guessed. Which slots a run would touch is not known.
            assumed: 0,
            access: &[],
        }
    }
}
