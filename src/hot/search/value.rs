//! What an amount of a token is worth in ether, by the pools' own quotes.
//!
//! # Limits
//! The value ranks and filters; it is what one sale would pay now, with no regard to what the candidate itself moves.
//!
//! # Cost
//! One exact quote for each direct pool to wrapped ether; without any, one for each pool on the two-hop ways through
//! another base token. Nothing allocates.

use alloy_primitives::U256;

use crate::hot::search::cycles::Cycles;
use crate::hot::search::graph::OutEdge;
use crate::hot::state::pools::Edge;
use crate::hot::state::view::View;
use crate::protocols::amm::Amm;
use crate::protocols::amm::Asked;
use crate::protocols::amm::QuoteError;
use crate::types::amount::Wei;
use crate::types::id::TokenId;

/// Worth of `amount` of `token` in ether, where `cycles.bases()[0]` is wrapped ether. `None` when no way pays.
#[must_use]
pub fn in_ether<V: View>(cycles: &Cycles, view: &V, token: TokenId, amount: u128) -> Option<Wei> {
    let (ether, others) = cycles.bases().split_first()?;
    let amount = U256::from(amount);
    if token == *ether {
        return Some(Wei(amount));
    }
    let graph = cycles.graph();
    let direct = best(view, graph.between(token, *ether), amount);
    let through =
        |base: &TokenId| best(view, graph.between(*base, *ether), best(view, graph.between(token, *base), amount)?);
    // Not the direct way alone: a dusty pool there would hide a deep way round.
    others.iter().filter_map(through).chain(direct).max().map(Wei)
}

/// The most that any of parallel ways pays.
fn best<V: View>(view: &V, ways: &[OutEdge], amount: U256) -> Option<U256> {
    quotes(view, ways, amount).filter_map(Result::ok).max()
}

/// What each of parallel ways that can be used pays, or why it does not.
fn quotes<V: View>(view: &V, ways: &[OutEdge], amount: U256) -> impl Iterator<Item = Result<U256, QuoteError>> {
    // A quarantined pool quotes what may be wrong; and what a profit is worth decides the bid, so that no estimate says it.
    let is_usable =
        |edge: &Edge| !view.tables().is_quarantined(edge.pool) && view.tables().pool(edge.pool).asked() == Asked::Never;
    let usable = ways.iter().map(|way| view.tables().edge(way.edge)).filter(is_usable);
    usable.map(move |edge| view.pool(edge.pool).quote_in(edge.leg, amount))
}

/// The most that amounts up to a given one are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// There is no way to ether that can be used: they are of unknown value, all of them.
    Never,
    /// No more than this.
    Within(Wei),
    /// Not known: a way refuses so much, and may take less.
    Open,
}

/// Bounds what up to `amount` of `token` is worth by [`in_ether`].
#[must_use]
pub fn bound<V: View>(cycles: &Cycles, view: &V, token: TokenId, amount: u128) -> Bound {
    let Some((ether, others)) = cycles.bases().split_first() else { return Bound::Never };
    let amount = U256::from(amount);
    if token == *ether {
        return Bound::Within(Wei(amount));
    }
    let graph = cycles.graph();
    let through = |base: &TokenId| match sale(view, graph.between(token, *base), amount)? {
        Some(paid) => sale(view, graph.between(*base, *ether), paid),
        None => Ok(None),
    };
    let direct = sale(view, graph.between(token, *ether), amount);
    let all = others.iter().map(through).chain([direct]);
    match all.reduce(|one, next| Ok(one?.max(next?))) {
        Some(Ok(Some(most))) => Bound::Within(Wei(most)),
        Some(Ok(None)) | None => Bound::Never,
        Some(Err(Refuses)) => Bound::Open,
    }
}

/// A way takes less than it is asked to, or what it would pay is not known.
struct Refuses;

/// The most that any of parallel ways pays, nothing where it is too little for a unit; `None` without any.
fn sale<V: View>(view: &V, ways: &[OutEdge], amount: U256) -> Result<Option<U256>, Refuses> {
    quotes(view, ways, amount).try_fold(None, |most: Option<U256>, quote| match quote {
        Ok(paid) => Ok(most.max(Some(paid))),
        Err(QuoteError::TooSmall) => Ok(most.max(Some(U256::ZERO))),
        Err(QuoteError::TooLarge | QuoteError::UnknownTick) => Err(Refuses),
    })
}
