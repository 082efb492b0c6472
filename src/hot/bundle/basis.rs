//! What a bundle is built on: a proof, or what is forecast ahead of one.
//!
//! # Invariants
//! - Made of a [`Proven`] or of a [`Forecast`] and of nothing else: its fields are closed.

use alloy_primitives::{Address, U256};

use crate::hot::forecast::Forecast;
use crate::hot::lending::Liquidation;
use crate::hot::simulate::Opportunity;
use crate::hot::simulate::Proven;
use crate::hot::state::pools::Edge;
use crate::types::amount::Gas;
use crate::types::amount::Wei;
use crate::types::id::TokenId;

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub(in crate::hot::bundle) enum Planned<'a> {
    /// By the executor: through these, with what goes in and what comes out of each, from and to this token, for this gain.
    Cycle(&'a [Edge], &'a [u128], TokenId, u128),
    /// By the liquidator.
    Liquidation(&'a Liquidation),
}

/// A candidate with what it costs.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    pub(in crate::hot::bundle) what: Planned<'a>,
    pub(in crate::hot::bundle) value: Option<Wei>,
    pub(in crate::hot::bundle) gas: Gas,
    /// The bid that the gas was measured with.
    pub(in crate::hot::bundle) paid: Wei,
    pub(in crate::hot::bundle) assumed: usize,
    pub(in crate::hot::bundle) access: &'a [(Address, U256)],
}

impl<'a> From<&'a Proven> for Basis<'a> {
    fn from(proven: &'a Proven) -> Self {
        let what = match proven.opportunity() {
            Opportunity::Cycle(it) => Planned::Cycle(it.hops(), it.amounts(), it.start(), it.gross()),
            Opportunity::Liquidation(liquidation) => Planned::Liquidation(liquidation),
        };
        Self {
            what,
            value: proven.opportunity().value(),
            gas: proven.gas_used(),
            paid: proven.builder_paid(),
            assumed: proven.assumed(),
            access: proven.access(),
        }
    }
}

impl<'a> From<&'a Forecast> for Basis<'a> {
    fn from(forecasts: &'a Forecast) -> Self {
        let it = forecasts.candidate();
        Self {
            what: Planned::Cycle(it.hops(), it.amounts(), it.start(), it.gross()),
            value: it.value(),
            gas: forecasts.gas(),
            paid: forecasts.paid(),
            // Pools that are proven, at amounts that are theirs: nothing is guessed. Which slots a run would touch is not known.
            assumed: 0,
            access: &[],
        }
    }
}
