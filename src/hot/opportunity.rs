//! What a strategy believes would pay, in the one form in which every later stage reads it: how it is run, the token it gains, how
//! much, what that is worth, and whether it stands behind a pending transaction. No stage asks which strategy it is.
//!
//! # Invariants
//! - It is a belief and no more: anybody may state one. The EVM alone turns it into a `Proven`, to the wei.
//! - What is run is [`Swaps`], through pools and back to the first token, or a [`Plan`] that writes its own calldata.
//!
//! # Cost
//! Swaps are plain data of fixed size: stating and copying them allocates nothing, and no call on them is dynamic. A plan is shared
//! behind an `Arc` and called through its trait: for what allocates while it is found, and is run rarely.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use alloy_primitives::{Address, Bytes, U256};

use crate::hot::search::MAX_HOPS;
use crate::hot::state::pools::Edge;
use crate::hot::state::pools::Pools;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::execution::Steps;
use crate::protocols::executor::EncodeError;
use crate::protocols::lending::taken::Position;
use crate::types::amount::Wei;
use crate::types::decision::Hop;
use crate::types::decision::Path;
use crate::types::id::TokenId;

/// What the rest of the house knows of a strategy: enough to name what it finds, and to know it again where it was written down.
#[derive(Debug)]
pub struct Profile {
    /// The name of what it finds in the state as it is.
    pub base: &'static str,
    /// The name of what it finds behind a pending transaction. May be the same.
    pub behind: &'static str,
    /// Its length is counted in pools: nothing else stands on its path.
    pub counts_hops: bool,
    /// Whether a path that was written down is one of its own.
    pub wrote: fn(&Path) -> bool,
}

impl Profile {
    /// The name of what it finds.
    #[must_use]
    pub const fn name(&self, behind: bool) -> &'static str {
        if behind { self.behind } else { self.base }
    }
}

/// What is run, if it is more than swaps from a token and back to it.
pub trait Plan: fmt::Debug + Send + Sync {
    /// The most gas that its proof may use.
    fn gas(&self) -> u64;

    /// What each of its runs leaves, in units of the one token: a bid is divided among them.
    fn gains(&self) -> &[u128];

    /// The calldata of our contract at `own` for this block, with this bid.
    ///
    /// # Errors
    /// Something does not fit.
    fn calldata(&self, pools: &Pools<AnyPool>, own: Address, block: u64, bid: Wei) -> Result<Bytes, EncodeError>;

    /// Its way, for people and journals.
    fn hops(&self, pools: &Pools<AnyPool>) -> Vec<Hop>;

    /// Positions of others that it closes, in order.
    fn positions(&self) -> Vec<Position> {
        Vec::new()
    }
}

/// Pools one after another, from a token and back to it: what goes into the first, and what comes out of each.
#[derive(Clone, Copy, Debug)]
pub struct Swaps {
    hops: [Edge; MAX_HOPS],
    amounts: [u128; MAX_HOPS + 1],
    count: usize,
}

impl Swaps {
    /// `None` unless there are one to [`MAX_HOPS`] hops, each with an amount that goes in and one that comes out.
    #[must_use]
    pub fn new(hops: &[Edge], amounts: &[u128]) -> Option<Self> {
        let count = hops.len();
        if count > MAX_HOPS || amounts.len() != count + 1 {
            return None;
        }
        let mut swaps = Self { hops: [*hops.first()?; MAX_HOPS], amounts: [0; MAX_HOPS + 1], count };
        swaps.hops[..count].copy_from_slice(hops);
        swaps.amounts[..=count].copy_from_slice(amounts);
        Some(swaps)
    }

    /// The pools in order, with the token that goes into and comes out of each.
    #[must_use]
    pub fn hops(&self) -> &[Edge] {
        &self.hops[..self.count]
    }

    /// What goes into the first pool, then what comes out of each.
    #[must_use]
    pub fn amounts(&self) -> &[u128] {
        &self.amounts[..=self.count]
    }

    /// What goes into the first pool.
    #[must_use]
    pub const fn amount_in(&self) -> u128 {
        self.amounts[0]
    }

    /// The hop that our contract makes first. It goes them in order where the last pool pays before it is paid, or none does: else behind
    /// the last one that does, so that this lends what is spent there.
    fn first(&self, pools: &Pools<AnyPool>) -> usize {
        let lends = |edge: &Edge| pools.pool(edge.pool).execution().lends();
        let last = self.hops().iter().rposition(lends).map_or(0, |at| at + 1);
        if last == self.count { 0 } else { last }
    }

    /// What the hop that is made first spends.
    #[must_use]
    pub fn spends(&self, pools: &Pools<AnyPool>) -> u128 {
        self.amounts[self.first(pools)]
    }

    /// The path as the executor reads it, in the place of what `steps` holds. Where it is not gone in order the profit is kept at a stop,
    /// and what the first hop spends goes on from there.
    pub fn write(&self, pools: &Pools<AnyPool>, steps: &mut Steps) {
        let first = self.first(pools);
        if first == 0 {
            steps.begin();
        } else {
            steps.begin_with(pools.token(self.hops[first].token_in));
        }
        self.write_hops(first..self.count, pools, steps);
        if first > 0 {
            steps.stop(pools.token(self.hops[0].token_in), self.amounts[0]);
            self.write_hops(0..first, pools, steps);
        }
    }

    /// Hops in a row, of which the last pays our contract.
    fn write_hops(&self, row: Range<usize>, pools: &Pools<AnyPool>, steps: &mut Steps) {
        for (index, (edge, pair)) in self.pairs().enumerate().take(row.end).skip(row.start) {
            let next = self.hops().get(index + 1).filter(|_| index + 1 < row.end);
            pools.write_step(edge, pair, next, steps);
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (&Edge, [u128; 2])> {
        self.hops().iter().zip(self.amounts().windows(2).map(|pair| [pair[0], pair[1]]))
    }
}

/// What a strategy believes would pay.
#[derive(Clone, Debug)]
pub struct Opportunity {
    profile: &'static Profile,
    behind: bool,
    token: TokenId,
    gross: u128,
    value: Option<Wei>,
    body: Body,
}

/// How it is run.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "swaps are found behind every other event, and must not allocate")]
enum Body {
    Swaps(Swaps),
    Plan(Arc<dyn Plan>),
}

/// What it gains.
#[derive(Clone, Copy, Debug)]
pub struct Gain {
    /// The token that the profit is held in.
    pub token: TokenId,
    /// What is left of it, before gas and bid, in its units.
    pub gross: u128,
    /// The same in ether. `None` when the pools know no way to it.
    pub value: Option<Wei>,
}

impl Opportunity {
    /// Swaps, run by the executor. `behind`: found behind a pending transaction.
    #[must_use]
    pub const fn of_swaps(profile: &'static Profile, behind: bool, gain: Gain, swaps: Swaps) -> Self {
        let Gain { token, gross, value } = gain;
        Self { profile, behind, token, gross, value, body: Body::Swaps(swaps) }
    }

    /// A plan, run by the contract that the profile says.
    #[must_use]
    pub fn of_plan(profile: &'static Profile, behind: bool, gain: Gain, plan: Arc<dyn Plan>) -> Self {
        let Gain { token, gross, value } = gain;
        Self { profile, behind, token, gross, value, body: Body::Plan(plan) }
    }

    /// The same way with other amounts, that leave so much: what it is worth is in proportion.
    #[must_use]
    pub fn gaining(&self, gross: u128, swaps: Swaps) -> Self {
        let of = |value: Wei| {
            let value = value.0.checked_mul(U256::from(gross))?.checked_div(U256::from(self.gross))?;
            Some(Wei(value))
        };
        Self { gross, value: self.value.and_then(of), body: Body::Swaps(swaps), ..*self }
    }

    /// What is known of the strategy that found it.
    #[must_use]
    pub const fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// The strategy's name in reports, in the ledger and in metrics.
    #[must_use]
    pub const fn strategy(&self) -> &'static str {
        self.profile.name(self.behind)
    }

    /// Whether it stands behind a pending transaction.
    #[must_use]
    pub const fn behind(&self) -> bool {
        self.behind
    }

    /// The token that the profit is held in.
    #[must_use]
    pub const fn token(&self) -> TokenId {
        self.token
    }

    /// What is left of it, before gas and bid, in its units.
    #[must_use]
    pub const fn gross(&self) -> u128 {
        self.gross
    }

    /// The same in ether. `None` when the pools know no way to it.
    #[must_use]
    pub const fn value(&self) -> Option<Wei> {
        self.value
    }

    /// The swaps, where it is nothing else.
    #[must_use]
    pub const fn swaps(&self) -> Option<&Swaps> {
        if let Body::Swaps(swaps) = &self.body { Some(swaps) } else { None }
    }

    /// The plan, where it is more than swaps.
    #[must_use]
    pub fn plan(&self) -> Option<&dyn Plan> {
        if let Body::Plan(plan) = &self.body { Some(plan.as_ref()) } else { None }
    }

    /// What each of several runs leaves; none where it is one run.
    #[must_use]
    pub fn gains(&self) -> &[u128] {
        self.plan().map(Plan::gains).unwrap_or_default()
    }

    /// Positions of others that it closes, in order.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        self.plan().map(Plan::positions).unwrap_or_default()
    }

    /// Its way, in addresses.
    #[must_use]
    pub fn path(&self, pools: &Pools<AnyPool>) -> Path {
        let (hops, token) = match &self.body {
            Body::Swaps(swaps) => (swaps.pairs().map(|(edge, pair)| hop(pools, edge, pair)).collect(), None),
            Body::Plan(plan) => (plan.hops(pools), Some(pools.token(self.token))),
        };
        Path { hops, token, gross: U256::from(self.gross), value: self.value.map(|value| value.0) }
    }
}

/// A pool on a way, in addresses.
#[must_use]
pub fn hop(pools: &Pools<AnyPool>, edge: &Edge, [amount_in, amount_out]: [u128; 2]) -> Hop {
    Hop {
        pool: pools.pool(edge.pool).key(),
        protocol: Cow::Borrowed(pools.pool(edge.pool).protocol()),
        token_in: pools.token(edge.token_in),
        token_out: pools.token(edge.token_out),
        amount_in: U256::from(amount_in),
        amount_out: U256::from(amount_out),
    }
}
