//! Amounts of swaps through pools that only estimate, as their contracts say them: asked behind the event, before the proof.
//!
//! # Invariants
//! - What comes out spends what was sized, and each amount is the contract's answer or the pool's own quote for the one before.

use alloy_primitives::U256;

use crate::hot::opportunity::{Opportunity, Swaps};
use crate::hot::refused::Refused;
use crate::hot::search::MAX_HOPS;
use crate::hot::state::pools::Edge;
use crate::hot::strategy::Context;
use crate::protocols::AnyPool;
use crate::protocols::amm::{Amm, Asked};

impl Context<'_> {
    /// The opportunity with amounts that were asked for. `None` where no pool on it need be asked.
    ///
    /// # Errors
    /// A contract answers something that leaves nothing, or what it needs is not known.
    pub(super) fn asked(&mut self, opportunity: &Opportunity) -> Result<Option<Opportunity>, Refused> {
        let Some(swaps) = opportunity.swaps() else { return Ok(None) };
        let is_asked = |edge: &Edge| self.pools.pool(edge.pool).asked() != Asked::Never;
        if !swaps.hops().iter().any(is_asked) {
            return Ok(None);
        }
        if self.prover.suspects(self.pools, swaps) {
            return Err(Refused::Distrusted);
        }
        let mut amounts = [0; MAX_HOPS + 1];
        amounts[0] = swaps.amount_in();
        for (at, edge) in swaps.hops().iter().enumerate() {
            amounts[at + 1] = self.pays(edge, amounts[at])?;
        }
        let count = swaps.hops().len();
        let gross = amounts[count].checked_sub(amounts[0]).filter(|gross| *gross > 0).ok_or(Refused::NoGain)?;
        let swaps = Swaps::new(swaps.hops(), &amounts[..=count]).ok_or(Refused::Unencodable)?;
        Ok(Some(opportunity.gaining(gross, swaps)))
    }

    fn pays(&mut self, edge: &Edge, amount_in: u128) -> Result<u128, Refused> {
        let pool: &AnyPool =
            if self.is_base() { self.pools.pool(edge.pool) } else { self.overlay.pool(self.pools, edge.pool) };
        if let Some(question) = pool.question(edge.leg, amount_in) {
            return self.prover.ask(self.machine, &question);
        }
        let out = pool.quote_in(edge.leg, U256::from(amount_in)).map_err(|_| Refused::NoGain)?;
        u128::try_from(out).map_err(|_| Refused::NoGain)
    }
}
