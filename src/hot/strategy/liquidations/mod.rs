//! Liquidations: positions that have sunk, in the state as it is or behind a pending transaction, as many in one run as pay together.
//!
//! - `together`: who is looked at, and what goes into one run. [`choice`]: the best liquidation of a position. [`route`]: ways to
//!   sell what is seized. [`plan`]: how a run is made, and what is said of it. `prewarm`: what a run will read.
//!
//! # Limits
//! - It is not called off by a new head: the search before it has learnt by then, and a replay must learn the same.
//! - It allocates: this is not the path of a swap. Nothing of it is reached without `[[lending]]`, nor behind a pending
//!   transaction that moves no price and no position.

pub mod choice;
pub mod plan;
mod prewarm;
pub mod route;
mod together;

use crate::hot::event::Outcome;
use crate::hot::opportunity::Profile;
use crate::hot::state::view::Overlay;
use crate::hot::strategy::Context;
use crate::hot::strategy::Strategy;
use crate::metrics::span::Span;
use crate::protocols::AnyPool;
use crate::protocols::LENDING_PROTOCOLS;

/// A path that begins at a lending market.
pub static PROFILE: Profile = Profile {
    base: "liquidation",
    behind: "liquidation",
    counts_hops: false,
    wrote: |path| path.hops.first().is_some_and(|hop| LENDING_PROTOCOLS.contains(&hop.protocol.as_ref())),
};

/// Liquidations.
#[derive(Debug, Default)]
pub struct Liquidations {
    /// The pools behind a run. A buffer, used again.
    sold: Overlay<AnyPool>,
}

impl Strategy for Liquidations {
    fn is_concerned(&self, context: &Context<'_>) -> bool {
        context.is_base() || context.markets_moved
    }

    /// Looks in the state that the event leaves, and adds what is proven to `outcome`.
    fn look(&mut self, context: &mut Context<'_>, outcome: &mut Outcome) {
        if !context.markets.is_empty() {
            let mut span = Span::start();
            let found = together::look(context, &mut self.sold, outcome);
            self.sold.clear();
            outcome.spent.simulate += span.lap();
            outcome.proven.extend(found);
        }
    }

    fn idle(&mut self, context: &mut Context<'_>) {
        if !context.markets.is_empty() {
            prewarm::prewarm(context);
        }
    }
}
