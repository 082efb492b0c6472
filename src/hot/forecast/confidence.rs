//! Who has been seen to do what the maths says: small, and learnt from the EVM alone.
//!
//! # What is learnt
//! - **A pool, in a direction**: proven when the EVM ran a real swap through it that way and every pool then stood exactly
//!   where the maths had put it. That covers the pair's fee, the token that goes in (no tax, no burn), the token that comes
//!   out (no rebase that the reserve would feel) and what the pair held beside its reserves. One difference takes it away, and
//!   `RECOVERY` agreements in a row bring it back: who differs now and then does not pass by agreeing now and then.
//! - **A router's code**: its hash, when the EVM first agreed on a call to it. Another code at the address is a stranger.
//! - **A shape of calldata**: barred for good once something was built on it and the EVM did not agree.
//!
//! # Limits
//! A token that is plain today and taxes tomorrow is found out by the next transaction through it, not before.

use alloy_primitives::B256;

use crate::hot::state::pools::EdgeId;

/// Agreements in a row that make good for one difference.
const RECOVERY: i8 = 8;
/// Shapes that may be barred one by one. With more than that something is wrong with all of it, and nothing is resolved.
const MOST_BARRED: usize = 256;

/// The ledger.
#[derive(Debug, Default)]
pub struct Confidence {
    /// By edge: above zero is proven.
    scores: Vec<i8>,
    /// By the router's place in its chain's table.
    codes: Vec<Option<B256>>,
    /// Place of the router and shape, in order.
    barred: Vec<(usize, u64)>,
}

impl Confidence {
    /// Nothing is known of so many routers.
    pub(super) fn of(routers: usize) -> Self {
        Self { codes: vec![None; routers], ..Self::default() }
    }

    pub(super) fn extend(&mut self, edges: usize) {
        self.scores.resize(edges, 0);
        self.barred.reserve(MOST_BARRED);
    }

    /// The way through a pool has been proven.
    #[must_use]
    pub fn is_plain(&self, edge: EdgeId) -> bool {
        self.scores.get(edge.index()).is_some_and(|score| *score > 0)
    }

    /// The router has this code, as far as it is known.
    #[must_use]
    pub fn knows(&self, router: usize, code: B256) -> bool {
        self.codes.get(router).is_some_and(|known| *known == Some(code))
    }

    /// The shape goes to the EVM.
    #[must_use]
    pub fn is_barred(&self, router: usize, shape: u64) -> bool {
        self.barred.len() >= MOST_BARRED || self.barred.binary_search(&(router, shape)).is_ok()
    }

    /// Ways through pools that are proven.
    #[must_use]
    pub fn proven(&self) -> usize {
        self.scores.iter().filter(|score| **score > 0).count()
    }

    /// Shapes that are barred.
    #[must_use]
    pub fn barred(&self) -> usize {
        self.barred.len()
    }

    pub(super) fn agreed(&mut self, edge: EdgeId) {
        if let Some(score) = self.scores.get_mut(edge.index()) {
            *score = (*score + 1).min(1);
        }
    }

    pub(super) fn differed(&mut self, edge: EdgeId) {
        if let Some(score) = self.scores.get_mut(edge.index()) {
            *score = 1 - RECOVERY;
        }
    }

    pub(super) fn learn(&mut self, router: usize, code: B256) {
        if let Some(known) = self.codes.get_mut(router) {
            known.get_or_insert(code);
        }
    }

    pub(super) fn bar(&mut self, router: usize, shape: u64) {
        if let Err(place) = self.barred.binary_search(&(router, shape)) {
            self.barred.insert(place, (router, shape));
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use alloy_primitives::U256;

    use super::Confidence;
    use super::MOST_BARRED;
    use super::RECOVERY;
    use crate::hot::state::pools::EdgeId;
    use crate::hot::state::pools::Pools;
    use crate::protocols::uniswap_v2::Fee;
    use crate::protocols::uniswap_v2::Layout;
    use crate::protocols::uniswap_v2::Pool;
    use alloy_primitives::Address;

    fn an_edge() -> EdgeId {
        let fee = Fee::new(3, 1_000).unwrap();
        let tokens = [Address::repeat_byte(1), Address::repeat_byte(2)];
        let layout = Layout::Packed { slot: U256::from(8) };
        let mut pools = Pools::default();
        let id = pools.add(Pool::new(Address::repeat_byte(3), tokens, [fee; 2], layout, [9, 9]).unwrap()).unwrap();
        pools.edges_of(id).next().unwrap()
    }

    #[test]
    fn one_agreement_proves_a_way_and_one_difference_takes_more_than_one_to_mend() {
        let (mut confidence, edge) = (Confidence::default(), an_edge());
        confidence.extend(2);
        assert!(!confidence.is_plain(edge));
        confidence.agreed(edge);
        confidence.agreed(edge);
        assert!(confidence.is_plain(edge));
        confidence.differed(edge);
        for _ in 1..RECOVERY {
            confidence.agreed(edge);
            assert!(!confidence.is_plain(edge));
        }
        confidence.agreed(edge);
        assert!(confidence.is_plain(edge));
    }

    #[test]
    fn a_router_is_known_by_the_code_that_was_agreed_on_first() {
        let mut confidence = Confidence::of(2);
        assert!(!confidence.knows(0, B256::ZERO));
        confidence.learn(0, B256::repeat_byte(1));
        confidence.learn(0, B256::repeat_byte(2));
        assert!(confidence.knows(0, B256::repeat_byte(1)) && !confidence.knows(0, B256::repeat_byte(2)));
    }

    #[test]
    fn a_barred_shape_stays_barred_and_too_many_bar_all() {
        let mut confidence = Confidence::default();
        confidence.bar(1, 7);
        confidence.bar(1, 7);
        assert!(confidence.is_barred(1, 7) && !confidence.is_barred(2, 7) && confidence.barred() == 1);
        for shape in 0..MOST_BARRED as u64 {
            confidence.bar(0, shape);
        }
        assert!(confidence.is_barred(2, 7));
    }
}
