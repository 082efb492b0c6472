//! A pool's own `swap` on staged reserves, between plain tokens: what it charges, and what else it asks of others.
//!
//! # Invariants
//! - On a stage the balance of the token that comes out is its reserve, so that no surplus counts as a second payment.
//! - A fee is believed only where the pool pays what is foretold with it and reverts for one unit more: at its own reserves, and, for code
//!   that has not been tried yet, at others from next to nothing on.
//!
//! # Cost
//! Code that was not tried yet: some ninety calls. Known code: two dozen, most of them to `getAmountOut`.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::U256;

use crate::amm::QuoteError;
use crate::discover::Answer;
use crate::discover::Probe;
use crate::discover::plain_balance_slot;
use crate::site::Term;
use crate::solidly::abi;
use crate::solidly::curve::Curve;
use crate::solidly::curve::Fee;
use crate::solidly::curve::Side;
use crate::solidly::discover::Found;
use crate::solidly::discover::NOBODY;
use crate::solidly::discover::Reason;
use crate::solidly::discover::ask_word;
use crate::solidly::quoter;

/// What fees are parts of, the likeliest first.
const WHOLES: [u64; 3] = [10_000, 1_000_000, 1_000_000_000_000_000_000];
/// What a pool charges whose factory names no fee: the first ones did.
const FIRST: (u64, u64) = (1, 10_000);
/// Reserves that a pool is staged with, in eighteen decimals.
const SIZES: [[u128; 2]; 3] = [
    [3_000_017_000_000_000, 4_100_023_000_000_000],
    [1_700_000_000_000_000_019, 1_300_000_000_000_000_007],
    [1_000_003_000_000_000_000_000_000, 4_400_009_000_000_000_000_000_000],
];
/// Parts of the reserve that go in.
const SHARES: [(u128, u128); 4] = [(1, 7), (1, 100_003), (3, 2), (40, 1)];

/// A pool under trial.
pub(super) struct Trial<'a> {
    probe: &'a mut dyn Probe,
    found: Found,
}

impl<'a> Trial<'a> {
    pub(super) fn new(probe: &'a mut dyn Probe, found: Found) -> Self {
        Self { probe, found }
    }

    /// What the pool charges, and what that hangs on. `is_tried`: its code has passed at all amounts before.
    pub(super) fn terms(&mut self, is_tried: bool) -> Result<(Fee, Vec<Term>), Reason> {
        let own = self.found.reserves;
        let first = self.swap(own, 0, own[0] / 7, 1);
        self.terms_of(&first)?;
        let fees = self.named()?;
        let fee = fees.into_iter().find(|fee| self.is_paid(*fee, is_tried)).ok_or(Reason::Formula)?;
        let (token_in, x) = (0, own[0] / 7);
        let out = self.found.curve.largest_out(fee, Side::of(own, token_in), x).unwrap_or(1);
        let answer = self.swap(own, token_in, x, out);
        Ok((fee, self.terms_of(&answer)?))
    }

    /// Fees that the factory names.
    fn named(&mut self) -> Result<Vec<Fee>, Reason> {
        let Found { pool, factory, curve, .. } = self.found;
        let stable = curve != Curve::Volatile;
        let mut fees = Vec::new();
        for data in [abi::getFeeCall { pool, stable }.abi_encode(), abi::by_kind::getFeeCall { stable }.abi_encode()] {
            let Some(part) = ask_word(self.probe, factory, &data)? else { continue };
            let Ok(part) = u64::try_from(part) else { continue };
            fees.extend(WHOLES.into_iter().filter_map(|whole| Fee::new(part, whole)));
        }
        fees.extend(Fee::new(FIRST.0, FIRST.1));
        Ok(fees)
    }

    /// What the swap read of others than the pool and the tokens, as it stands there.
    fn terms_of(&mut self, answer: &Answer) -> Result<Vec<Term>, Reason> {
        let Found { pool, tokens, .. } = self.found;
        let mut terms = Vec::new();
        for &(at, slot) in answer.reads.iter().filter(|(at, _)| !tokens.contains(at)) {
            // The pool's own must be known all the same: what is not counts as zero on a stage, a lock or what is divided by among it.
            let value = self.probe.slot(at, slot).ok_or(Reason::Cold { at, slot: Some(slot) })?;
            if at != pool {
                terms.push(Term { at, slot, value });
            }
        }
        Ok(terms)
    }

    /// Does the pool pay just what is foretold with this fee, wherever it is put?
    fn is_paid(&mut self, fee: Fee, is_tried: bool) -> bool {
        let mut stages = vec![self.found.reserves];
        if !is_tried {
            stages.extend(SIZES.map(|size| self.sized(size)));
        }
        let shares = if is_tried { &SHARES[..1] } else { &SHARES[..] };
        let mut tried = 0;
        for (reserves, token_in) in stages.into_iter().flat_map(|reserves| [(reserves, 0), (reserves, 1)]) {
            for (part, of) in shares {
                let x = reserves[token_in].saturating_mul(*part) / of;
                match self.holds(fee, reserves, token_in, x) {
                    Some(true) => tried += 1,
                    Some(false) => return false,
                    None => {}
                }
            }
        }
        tried > 0
    }

    /// What has eighteen decimals, in the units of the tokens; some at least.
    fn sized(&self, size: [u128; 2]) -> [u128; 2] {
        let Curve::Stable { units } = self.found.curve else { return size };
        let of = |place: usize| {
            let amount = U256::from(size[place]) * U256::from(units[place]) / U256::from(1_000_000_000_000_000_000_u64);
            amount.saturating_to::<u128>().max(1_000)
        };
        [of(0), of(1)]
    }

    /// Is what is foretold what the pool pays, and one more not? `None`: nothing is foretold.
    fn holds(&mut self, fee: Fee, reserves: [u128; 2], token_in: usize, x: u128) -> Option<bool> {
        let due = match self.found.curve.largest_out(fee, Side::of(reserves, token_in), x) {
            Ok(due) => due,
            // Less than one unit comes out: one must revert.
            Err(QuoteError::TooSmall) if x > 0 => 0,
            Err(_) => return None,
        };
        let is_enough = due == 0 || self.swap(reserves, token_in, x, due).output.is_some();
        Some(is_enough && self.swap(reserves, token_in, x, due.saturating_add(1)).output.is_none())
    }

    fn swap(&mut self, reserves: [u128; 2], token_in: usize, x: u128, y: u128) -> Answer {
        let Found { pool, tokens, slots, .. } = self.found;
        let mut out = [U256::ZERO; 2];
        out[1 - token_in] = U256::from(y);
        let call = abi::swapCall { amount0Out: out[0], amount1Out: out[1], to: NOBODY, data: Bytes::new() };
        let mut overrides: Vec<(Address, U256, U256)> = Vec::new();
        for place in 0..2 {
            let more = if place == token_in { x } else { 0 };
            let held = U256::from(reserves[place]);
            overrides.push((pool, slots[place], held));
            overrides.push((tokens[place], plain_balance_slot(pool), held + U256::from(more)));
        }
        self.probe.call_staged(NOBODY, pool, &call.abi_encode(), &overrides, &tokens)
    }

    /// Does its `getAmountOut` answer what is foretold, at its own reserves and at others?
    pub(super) fn is_quoter(&mut self, fee: Fee) -> Result<bool, Reason> {
        let Found { pool, tokens, slots, curve, reserves, .. } = self.found;
        for reserves in [reserves, self.sized(SIZES[1])] {
            for (token_in, (part, of)) in [0, 1].into_iter().flat_map(|place| SHARES.map(|share| (place, share))) {
                let x = reserves[token_in].saturating_mul(part) / of;
                let call = abi::getAmountOutCall { amountIn: U256::from(x), tokenIn: tokens[token_in] };
                let overrides = [(pool, slots[0], U256::from(reserves[0])), (pool, slots[1], U256::from(reserves[1]))];
                let answer = self.probe.call_with(NOBODY, pool, &call.abi_encode(), &overrides);
                self.terms_of(&answer)?;
                if answer.word(0) != quoter::amount_out(curve, fee, Side::of(reserves, token_in), x) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
