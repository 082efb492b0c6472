//! A toy: the same amount of wrapped ether out by one pool and back by another, wherever more comes back. It knows nothing of cycles,
//! and no file of the product knows of it.

use std::sync::Arc;

use alloy_primitives::{Address, Bytes, U256};
use peregrine::hot::event::Outcome;
use peregrine::hot::opportunity::{self, Gain, Opportunity, Plan, Profile, Swaps};
use peregrine::hot::state::pools::{Edge, Pools};
use peregrine::hot::state::view::View;
use peregrine::hot::strategy::{Context, Strategy};
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::execution::Steps;
use peregrine::protocols::executor::{Bid, EncodeError, Run};
use peregrine::types::amount::Wei;
use peregrine::types::decision::Hop;

/// What goes in: a tenth of an ether.
pub const AMOUNT: u128 = 100_000_000_000_000_000;

pub static PROFILE: Profile =
    Profile { base: "round_trip", behind: "round_trip_behind", counts_hops: true, wrote: |_| false };

/// The toy.
#[derive(Debug, Default)]
pub struct RoundTrip {
    /// It writes its own calldata.
    pub planned: bool,
    /// It promises so many wei more than it has seen.
    pub boast: u128,
}

impl Strategy for RoundTrip {
    fn is_concerned(&self, context: &Context<'_>) -> bool {
        context.is_base() || !context.touched.moved.is_empty()
    }

    fn look(&mut self, context: &mut Context<'_>, outcome: &mut Outcome) {
        for opportunity in self.found(context) {
            match context.prove(&opportunity) {
                Ok(proof) => outcome.proven.push(proof),
                Err(reason) => outcome.reject(opportunity, reason),
            }
        }
    }
}

impl RoundTrip {
    fn found(&self, context: &mut Context<'_>) -> Vec<Opportunity> {
        let ether = context.search.cycles().bases()[0];
        let behind = !context.is_base();
        let view = context.overlay.over(context.pools);
        let tables = view.tables();
        let edges = tables.iter().flat_map(|pool| tables.edges_of(tables.find(pool.key()).expect("its own key")));
        let edges: Vec<Edge> = edges.map(|id| tables.edge(id)).collect();
        let quote = |edge: &Edge, amount: u128| {
            let out = view.pool(edge.pool).quote_in(edge.leg, U256::from(amount)).ok()?;
            u128::try_from(out).ok()
        };
        let mut all = Vec::new();
        for out in edges.iter().filter(|edge| edge.token_in == ether) {
            let is_back = |edge: &&Edge| edge.token_in == out.token_out && edge.token_out == ether;
            for back in edges.iter().filter(is_back).filter(|edge| edge.pool != out.pool) {
                let Some(between) = quote(out, AMOUNT) else { continue };
                let Some(end) = quote(back, between).filter(|end| *end > AMOUNT) else { continue };
                let gross = end - AMOUNT + self.boast;
                let swaps = Swaps::new(&[*out, *back], &[AMOUNT, between, end]).expect("two hops");
                all.push(self.opportunity(
                    behind,
                    Gain { token: ether, gross, value: Some(Wei(U256::from(gross))) },
                    swaps,
                ));
            }
        }
        all
    }

    fn opportunity(&self, behind: bool, gain: Gain, swaps: Swaps) -> Opportunity {
        match self.planned {
            true => {
                Opportunity::of_plan(&PROFILE, behind, gain, Arc::new(Planned { gain, gains: [gain.gross], swaps }))
            }
            false => Opportunity::of_swaps(&PROFILE, behind, gain, swaps),
        }
    }
}

/// The same swaps, in words of its own.
#[derive(Debug)]
struct Planned {
    gain: Gain,
    gains: [u128; 1],
    swaps: Swaps,
}

impl Plan for Planned {
    fn gas(&self) -> u64 {
        1_000_000
    }

    fn gains(&self) -> &[u128] {
        &self.gains
    }

    fn calldata(&self, pools: &Pools<AnyPool>, own: Address, block: u64, bid: Wei) -> Result<Bytes, EncodeError> {
        let mut steps = Steps::of(own);
        self.swaps.write(pools, &mut steps);
        let (token, min_profit) = (pools.token(self.gain.token), self.gain.gross);
        let (bid, amount_in) = (Bid::Wei(bid), self.swaps.amount_in());
        Run { block, token, min_profit, bid, amount_in, steps: &steps }.encode()
    }

    fn hops(&self, pools: &Pools<AnyPool>) -> Vec<Hop> {
        let pairs = self.swaps.amounts().windows(2).map(|pair| [pair[0], pair[1]]);
        self.swaps.hops().iter().zip(pairs).map(|(edge, pair)| opportunity::hop(pools, edge, pair)).collect()
    }
}
