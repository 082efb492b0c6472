//! A pool on the bench: the vault is asked what swaps would move, on the balances that there are and on others.
//!
//! # Invariants
//! - A pool is accepted only if every answer is ours to the unit, refusals at the bounds included.
//!
//! # Cost
//! Some twenty swaps for every two tokens, by the EVM.

use alloy::sol_types::SolCall;
use alloy_primitives::{Bytes, I256, U256};

use crate::amm::{Amm, Leg};
use crate::balancer_v2::abi;
use crate::balancer_v2::curve::Powers;
use crate::balancer_v2::discover::learn::NOBODY;
use crate::balancer_v2::pool::Pool;
use crate::balancer_v2::pool::Terms;
use crate::balancer_v2::storage::Balance;
use crate::discover::Probe;

/// What is fixed of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    In,
    Out,
}

/// Balances on which a unit of a power's last decimal shows: it has eighteen.
const LARGE: u128 = 1 << 100;

/// Parts of a balance that are swapped, up to what the pool refuses.
const PARTS: [u128; 5] = [2, 4, 10, 1_000, 1_000_000];

/// The pool that all of these are, if its code swaps as we count.
///
/// # Errors
/// It does not, or no pool can be so.
pub(super) fn swaps_as_counted(
    probe: &mut impl Probe,
    terms: Terms,
    held: Vec<Balance>,
    fee: U256,
) -> Result<Pool, String> {
    let unfit = "its tokens, weights, balances or fee are none of a weighted pool";
    let large = vec![Balance { cash: LARGE, managed: 0 }; held.len()];
    let mut failure = String::new();
    for powers in [Powers::General, Powers::Products] {
        let terms = Terms { powers, ..terms.clone() };
        let staged = Pool::new(terms.clone(), large.clone(), fee).ok_or(unfit)?;
        let pool = Pool::new(terms, held.clone(), fee).ok_or(unfit)?;
        let written = staged.terms().layout.write(&large);
        match answers_as(probe, &staged, &written).and_then(|()| answers_as(probe, &pool, &[])) {
            Ok(()) => return Ok(pool),
            Err(other) => failure = other,
        }
    }
    Err(failure)
}

/// The vault answers as the pool does, between every two of its tokens.
fn answers_as(probe: &mut impl Probe, pool: &Pool, written: &[(U256, U256)]) -> Result<(), String> {
    let tokens = pool.tokens();
    let pairs = tokens.iter().flat_map(|token_in| tokens.iter().map(move |token_out| (*token_in, *token_out)));
    for leg in pairs.filter_map(|(token_in, token_out)| pool.leg(token_in, token_out)) {
        for given in [Given::In, Given::Out] {
            answers_through(probe, pool, written, leg, given)?;
        }
    }
    Ok(())
}

fn answers_through(
    probe: &mut impl Probe,
    pool: &Pool,
    written: &[(U256, U256)],
    leg: Leg,
    given: Given,
) -> Result<(), String> {
    let of = match given {
        Given::In => leg.token_in(),
        Given::Out => leg.token_out(),
    };
    let balance = pool.balance(of).total();
    for amount in PARTS.map(|part| U256::from(balance / part)) {
        let (ours, name) = match given {
            Given::In => (pool.quote_in(leg, amount), "pays"),
            Given::Out => (pool.asks(leg, amount), "asks"),
        };
        let theirs = queried(probe, pool, written, leg, given, amount);
        if theirs != ours.ok() {
            let tokens = [leg.token_in(), leg.token_out()].map(|place| pool.tokens().get(place).copied());
            return Err(format!("{name} {theirs:?} for {amount}, not {ours:?}, through {tokens:?}"));
        }
    }
    Ok(())
}

/// What the vault says it would move of the other token. `None`: it reverts.
fn queried(
    probe: &mut impl Probe,
    pool: &Pool,
    written: &[(U256, U256)],
    leg: Leg,
    given: Given,
    amount: U256,
) -> Option<U256> {
    let Terms { vault, id, tokens, .. } = pool.terms();
    let assets = vec![*tokens.get(leg.token_in())?, *tokens.get(leg.token_out())?];
    let step = abi::BatchSwapStep {
        poolId: *id,
        assetInIndex: U256::ZERO,
        assetOutIndex: U256::ONE,
        amount,
        userData: Bytes::new(),
    };
    let funds =
        abi::FundManagement { sender: NOBODY, fromInternalBalance: false, recipient: NOBODY, toInternalBalance: false };
    let kind = match given {
        Given::In => abi::SwapKind::GIVEN_IN,
        Given::Out => abi::SwapKind::GIVEN_OUT,
    };
    let data = abi::queryBatchSwapCall { kind, swaps: vec![step], assets, funds }.abi_encode();
    let overrides: Vec<_> = written.iter().map(|(slot, word)| (*vault, *slot, *word)).collect();
    let output = probe.call_with(NOBODY, *vault, &data, &overrides).output?;
    let deltas = abi::queryBatchSwapCall::abi_decode_returns(&output).ok()?;
    // Positive is what the vault takes.
    let [into, out]: [I256; 2] = deltas.try_into().ok()?;
    let (given_back, other) = match given {
        Given::In => (into, -out),
        Given::Out => (-out, into),
    };
    (given_back.into_raw() == amount).then(|| other.into_raw())
}
