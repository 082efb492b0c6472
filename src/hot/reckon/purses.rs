//! Whose balances and allowances the EVM has been asked about. Maths needs none of them and the EVM does: a bundle that is
//! signed on the swap of somebody never met cannot be confirmed at once.
//!
//! # Invariants
//! - Who is met has been run over: what the EVM missed of him then was fetched, and is kept. Where it could not be fetched the
//!   next bundle is withdrawn, and nothing worse.
//! - No address is hashed with a seed: a replay meets the same people.
//!
//! # Limits
//! [`ROOM`] of them. A newer one takes the place of an older one, who is then met anew.
//!
//! # Cost
//! Thirty multiplications a trade, and two reads. Nothing allocates after construction but a longer list of trades than ever.

use alloy_primitives::Address;
use revm::context::TxEnv;

use crate::hot::state::pools::Pools;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::calldata::Hop;
use crate::protocols::calldata::Plan;
use crate::protocols::calldata::WETH;

/// Half a megabyte a thread.
const ROOM: usize = 1 << 16;

/// The ledger, and what the last transaction asks of it.
#[derive(Debug)]
pub(super) struct Purses {
    /// By its highest bits. Zero: nobody.
    met: Vec<u64>,
    /// The last transaction's.
    here: Vec<u64>,
}

impl Default for Purses {
    fn default() -> Self {
        Self { met: vec![0; ROOM], here: Vec::new() }
    }
}

impl Purses {
    pub(super) fn clear(&mut self) {
        self.here.clear();
    }

    /// Notes what `plan`, sent by `tx` to `router`, takes and gives.
    pub(super) fn note(&mut self, pools: &Pools<AnyPool>, plan: &Plan, tx: &TxEnv, router: Address) {
        for trade in plan.trades() {
            let hops = plan.hops(trade);
            let ends = hops.first().and_then(|hop| ends(pools, hop)).zip(hops.last().and_then(|hop| ends(pools, hop)));
            let Some((first, last)) = ends else { continue };
            // Ether that is sent along is wrapped by the router itself.
            if first[0] != WETH || tx.value.is_zero() {
                self.here.push(mark([tx.caller, router, first[0]]));
            }
            self.here.push(mark([trade.recipient, Address::ZERO, last[1]]));
        }
    }

    /// The EVM has been asked about all whom the last transaction concerns.
    pub(super) fn are_met(&self) -> bool {
        self.here.iter().all(|mark| self.met[place(*mark)] == *mark)
    }

    /// It is now.
    pub(super) fn meet(&mut self) {
        for mark in &self.here {
            self.met[place(*mark)] = *mark;
        }
    }
}

/// What goes into a hop, and what comes out.
fn ends(pools: &Pools<AnyPool>, hop: &Hop) -> Option<[Address; 2]> {
    match *hop {
        Hop::Made { token_in, token_out, .. } => Some([token_in, token_out]),
        Hop::At { pool, zero_for_one, .. } => {
            let [a, b] = <[_; 2]>::try_from(pools.pool(pools.find(pool)?).tokens()).ok()?;
            Some(if zero_for_one { [a, b] } else { [b, a] })
        }
    }
}

/// Three addresses in one number, never zero. Who makes two that are alike gains a bundle that is withdrawn.
fn mark(addresses: [Address; 3]) -> u64 {
    let words = addresses.iter().flat_map(|address| address.as_chunks::<4>().0);
    let mixed = words.fold(0xcbf2_9ce4_8422_2325, |mixed: u64, word| {
        (mixed ^ u64::from(u32::from_le_bytes(*word))).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    });
    mixed | 1
}

/// Its place in the ledger.
const fn place(mark: u64) -> usize {
    (mark >> (u64::BITS - ROOM.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::Purses;
    use super::ROOM;
    use super::mark;
    use super::place;

    fn people(count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(|index| {
            let who = Address::from_word(alloy_primitives::U256::from(index).into());
            mark([who, Address::repeat_byte(1), Address::repeat_byte(2)])
        })
    }

    #[test]
    fn who_was_met_is_known_until_somebody_takes_his_place() {
        let mut purses = Purses::default();
        assert!(purses.are_met(), "a transaction that concerns nobody");
        for mark in people(1_000) {
            purses.clear();
            purses.here.push(mark);
            assert!(!purses.are_met());
            purses.meet();
            assert!(purses.are_met());
        }
        let kept = people(1_000).filter(|mark| purses.met[place(*mark)] == *mark).count();
        assert!(kept > 980, "{kept} of 1000 have a place of their own");
        assert!(place(u64::MAX) == ROOM - 1 && place(1) == 0);
    }

    #[test]
    fn payer_spender_and_token_are_told_apart() {
        let [a, b, c] = [1, 2, 3].map(Address::repeat_byte);
        let all = [[a, b, c], [a, c, b], [b, a, c], [a, b, b], [a, a, c], [a, Address::ZERO, c]].map(mark);
        let apart: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(apart.len(), all.len());
    }
}
