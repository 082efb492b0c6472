//! What a bundle is built on: a proof, or what is forecast ahead of one.
//!
//! # Invariants
//! - Made of a [`Proven`] or of a [`Forecast`] and of nothing else: its fields are closed.

use alloy_primitives::{Address, U256};

use crate::hot::forecast::Forecast;
use crate::hot::opportunity::Opportunity;
use crate::hot::simulate::Proven;
use crate::types::amount::Wei;
use crate::types::gas::GasCost;

/// An opportunity with what it costs.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    pub(in crate::hot::bundle) opportunity: &'a Opportunity,
    pub(in crate::hot::bundle) gas: GasCost,
    /// The bid that the gas was measured with.
    pub(in crate::hot::bundle) paid: Wei,
    pub(in crate::hot::bundle) assumed: usize,
    pub(in crate::hot::bundle) access: &'a [(Address, U256)],
}

impl<'a> From<&'a Proven> for Basis<'a> {
    fn from(proven: &'a Proven) -> Self {
        Self {
            opportunity: proven.opportunity(),
            gas: proven.gas(),
            paid: proven.builder_paid(),
            assumed: proven.assumed(),
            access: proven.access(),
        }
    }
}

impl<'a> From<&'a Forecast> for Basis<'a> {
    fn from(forecasts: &'a Forecast) -> Self {
        Self {
            opportunity: forecasts.opportunity(),
            gas: GasCost::plain(forecasts.gas()),
            paid: forecasts.paid(),
            // Pools that are proven, at amounts that are theirs: nothing is guessed. Which slots a run would touch is not known.
            assumed: 0,
            access: &[],
        }
    }
}
