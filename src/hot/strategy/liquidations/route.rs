//! Ways to sell what is seized and to buy what is repaid, through a token that the profit is kept in.
//!
//! # Invariants
//! - Amounts are the pools' own: what each pays for exactly what goes in, and the least that it takes for what must come out.
//! - No pool stands twice on a way: each swaps in the state that it was quoted in.
//! - A way ends at a pool that pays before it is paid: what that pays is what is repaid.
//!
//! # Limits
//! - No pool that only estimates what it pays stands on a way.
//! - A way goes through one base token at most on either side of the profit's token, and is not split over parallel pools.
//!
//! # Cost
//! To find ways: a quote for each pool between the two tokens and each base token, twice. To look at one: a quote a pool.

use alloy_primitives::I256;
use alloy_primitives::U256;

use crate::hot::search::cycles::Cycles;
use crate::hot::search::graph::OutEdge;
use crate::hot::state::pools::Edge;
use crate::hot::state::view::View;
use crate::protocols::amm::{Amm, Asked};
use crate::types::id::PoolId;
use crate::types::id::TokenId;

/// From what is seized to `token`, and from there to what is repaid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where the profit stays.
    pub token: TokenId,
    /// Pools that what is seized goes through; none where it is kept as it is.
    pub sale: Vec<Edge>,
    /// Pools that what is repaid comes out of, in the order of the way; none where it is what the sale brings.
    pub purchase: Vec<Edge>,
}

/// What goes into each pool of a route, and what comes out.
#[derive(Clone, Debug)]
pub struct Fill {
    /// Of the sale.
    pub sale: Vec<[U256; 2]>,
    /// Of the purchase.
    pub purchase: Vec<[U256; 2]>,
    /// What the sale brings, and what the purchase takes of it.
    pub turn: [U256; 2],
}

impl Route {
    /// The amounts for what is seized and repaid. `None`: a pool refuses.
    #[must_use]
    pub fn fill<V: View>(&self, view: &V, seized: U256, repaid: U256) -> Option<Fill> {
        let mut sale = Vec::new();
        let turn = self.walk(view, [seized, repaid], |swap| sale.push(swap))?;
        let mut purchase = sale.split_off(self.sale.len());
        purchase.reverse();
        Some(Fill { sale, purchase, turn })
    }

    /// What is left of the token; below zero it costs.
    #[must_use]
    pub fn gain<V: View>(&self, view: &V, seized: U256, repaid: U256) -> Option<I256> {
        let [brought, taken] = self.walk(view, [seized, repaid], |_| ())?;
        I256::try_from(brought).ok()?.checked_sub(I256::try_from(taken).ok()?)
    }

    /// From both ends to the turn: what the sale brings, and what the purchase takes of it. `swap` hears of the sale's pools in
    /// order, then of the purchase's from the last to the first.
    fn walk<V: View>(&self, view: &V, ends: [U256; 2], mut swap: impl FnMut([U256; 2])) -> Option<[U256; 2]> {
        let [mut brought, mut taken] = ends;
        for edge in &self.sale {
            let out = Side::Sale.quote(view, edge, brought)?;
            swap([brought, out]);
            brought = out;
        }
        for edge in self.purchase.iter().rev() {
            let into = Side::Purchase.quote(view, edge, taken)?;
            swap([into, taken]);
            taken = into;
        }
        Some([brought, taken])
    }
}

/// The best way by each base token for these amounts, with what it leaves of that; those that leave nothing are not given.
#[must_use]
pub fn routes<V: View>(view: &V, cycles: &Cycles, ends: [TokenId; 2], amounts: [U256; 2]) -> Vec<(U256, Route)> {
    let pays = |token: &TokenId| {
        let (route, [brought, taken]) = through(view, cycles, *token, ends, amounts)?;
        let gain = brought.checked_sub(taken).filter(|gain| !gain.is_zero())?;
        Some((gain, route))
    };
    cycles.bases().iter().filter_map(pays).collect()
}

/// A way for these amounts that need not leave anything, through the first base token that has one.
#[must_use]
pub fn any<V: View>(view: &V, cycles: &Cycles, ends: [TokenId; 2], amounts: [U256; 2]) -> Option<Route> {
    cycles.bases().iter().find_map(|token| through(view, cycles, *token, ends, amounts)).map(|(route, _)| route)
}

/// What no way by a base token leaves more of, for these amounts: its best sale and its best purchase, each as if the other were
/// not there. Those that leave nothing are not given.
pub fn bounds<V: View>(
    view: &V,
    cycles: &Cycles,
    [from, to]: [TokenId; 2],
    [seized, repaid]: [U256; 2],
) -> impl Iterator<Item = (TokenId, U256)> {
    cycles.bases().iter().filter_map(move |token| {
        let (_, brought) = best(view, cycles, [from, *token], &[to], seized, (&[], Side::Sale, to))?;
        let (_, taken) = best(view, cycles, [*token, to], &[from], repaid, (&[], Side::Purchase, to))?;
        let gain = brought.checked_sub(taken).filter(|gain| !gain.is_zero())?;
        Some((*token, gain))
    })
}

/// The best way by one base token, what the sale brings there, and what the purchase takes.
fn through<V: View>(
    view: &V,
    cycles: &Cycles,
    token: TokenId,
    [from, to]: [TokenId; 2],
    [seized, repaid]: [U256; 2],
) -> Option<(Route, [U256; 2])> {
    let (sale, brought) = best(view, cycles, [from, token], &[to], seized, (&[], Side::Sale, to))?;
    let pools: Vec<PoolId> = sale.iter().map(|edge| edge.pool).collect();
    let (purchase, taken) = best(view, cycles, [token, to], &[from], repaid, (&pools, Side::Purchase, to))?;
    let is_way = !(sale.is_empty() && purchase.is_empty());
    is_way.then_some((Route { token, sale, purchase }, [brought, taken]))
}

/// What is fixed: what goes in, or what comes out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sale,
    Purchase,
}

impl Side {
    fn quote<V: View>(self, view: &V, edge: &Edge, amount: U256) -> Option<U256> {
        let pool = view.pool(edge.pool);
        match self {
            Self::Sale => pool.quote_in(edge.leg, amount).ok(),
            Self::Purchase => pool.quote_out(edge.leg, amount).ok(),
        }
    }

    /// Whether an amount is better: more that is paid, or less that is taken.
    fn is_better(self, than: Option<U256>, amount: U256) -> bool {
        than.is_none_or(|than| if self == Self::Sale { amount > than } else { amount < than })
    }
}

/// The best way between two tokens, straight or by one base token that is not among `but`; no pool of `used` on it, and none that
/// takes before it pays where `repaid` comes out: there the whole way ends.
fn best<V: View>(
    view: &V,
    cycles: &Cycles,
    [from, to]: [TokenId; 2],
    but: &[TokenId],
    amount: U256,
    (used, side, repaid): (&[PoolId], Side, TokenId),
) -> Option<(Vec<Edge>, U256)> {
    if from == to {
        return Some((Vec::new(), amount));
    }
    let one = |tokens: [TokenId; 2], amount: U256, and: Option<PoolId>| {
        let ways = cycles.graph().between(tokens[0], tokens[1]);
        let ends = |pool: PoolId| tokens[1] != repaid || view.pool(pool).execution().lends();
        swap(view, ways, amount, side, |pool| used.contains(&pool) || and == Some(pool) || !ends(pool))
    };
    let mut best = one([from, to], amount, None).map(|(edge, amount)| (vec![edge], amount));
    for base in cycles.bases().iter().filter(|base| **base != from && **base != to && !but.contains(base)) {
        let [first, second] = match side {
            Side::Sale => [[from, *base], [*base, to]],
            Side::Purchase => [[*base, to], [from, *base]],
        };
        let Some((near, between)) = one(first, amount, None) else { continue };
        let Some((far, end)) = one(second, between, Some(near.pool)) else { continue };
        if side.is_better(best.as_ref().map(|(_, amount)| *amount), end) {
            let edges = if side == Side::Sale { vec![near, far] } else { vec![far, near] };
            best = Some((edges, end));
        }
    }
    best
}

/// The best of parallel pools.
fn swap<V: View>(
    view: &V,
    ways: &[OutEdge],
    amount: U256,
    side: Side,
    is_out: impl Fn(PoolId) -> bool,
) -> Option<(Edge, U256)> {
    let mut best: Option<(Edge, U256)> = None;
    for way in ways {
        let edge = view.tables().edge(way.edge);
        // A quarantined pool quotes what may be wrong, and so does one that an overlay has silenced: its rates are zero.
        if is_out(edge.pool) || view.tables().is_quarantined(edge.pool) || view.rate(way.edge) <= 0.0 {
            continue;
        }
        // What only estimates what it pays would have to be asked: a way's amounts are the pools' own.
        if view.pool(edge.pool).asked() != Asked::Never {
            continue;
        }
        let Some(amount) = side.quote(view, &edge, amount) else { continue };
        if side.is_better(best.map(|(_, amount)| amount), amount) {
            best = Some((edge, amount));
        }
    }
    best
}
