//! A swap, as our contract reads it: it is told the pool's terms, and speaks with the manager itself.

use crate::amm::Amm;
use crate::execution::{Hop, ManagedStep, PlannedSwap, Steps, TERMS};
use crate::uniswap_v4::Pool;
use crate::uniswap_v4::key::Key;

/// Both currencies, fee, tick spacing and hooks, one after another.
fn packed(terms: &Key) -> [u8; TERMS] {
    let mut packed = [0; TERMS];
    let [zero, one] = terms.currencies;
    packed[..20].copy_from_slice(zero.as_slice());
    packed[20..40].copy_from_slice(one.as_slice());
    packed[40..43].copy_from_slice(&terms.fee.to_be_bytes()[1..]);
    packed[43..46].copy_from_slice(&terms.tick_spacing.to_be_bytes()[1..]);
    packed[46..].copy_from_slice(terms.hooks.as_slice());
    packed
}

/// Adds the swap to the path.
pub(super) fn write(pool: &Pool, swap: &PlannedSwap, steps: &mut Steps) {
    let hop = Hop { pool: pool.key(), token_in: swap.token_in, amount_out: swap.amount_out };
    steps.managed(hop, &ManagedStep { terms: &packed(pool.terms()), first_in: swap.leg.zero_for_one() });
}
