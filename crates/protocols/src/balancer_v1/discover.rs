//! Is it a pool, what does it hold, and does its own code swap as we count.
//!
//! # Invariants
//! - `Ok(None)`: no such pool. `Err`: it is one, or says so, and cannot be used now, and why.
//! - The slots that are kept are those that its getters answer out of: another value there is another answer.
//! - Every pair of its tokens has been swapped by its own code, between plain tokens, both ways.

use alloy::sol_types::{SolCall, SolEvent};
use alloy_primitives::{Address, U256, address};

use crate::amm::Amm;
use crate::balancer_v1::MOST_TOKENS;
use crate::balancer_v1::Pool;
use crate::balancer_v1::abi;
use crate::balancer_v1::state;
use crate::balancer_v1::state::Places;
use crate::balancer_v1::state::State;
use crate::balancer_v1::state::Token;
use crate::discover::{Answer, Creation, Probe, Venue, asked, plain_balance_slot, stored};
use crate::types::pool_key::PoolKey;

/// Who swaps: an address nobody has.
const NOBODY: Address = address!("0x7065726567726e650000000000000000000b4a17");

/// Parts of a balance that are swapped to see whether the pool pays as we count: from all that it takes down.
const PARTS: [u128; 3] = [2, 100, 1_000_000];

impl Venue for Pool {
    const PROTOCOL: &'static str = "balancer_v1";

    const CREATION: Creation = Creation {
        topic: abi::LOG_NEW_POOL::SIGNATURE_HASH,
        pool: |_factory, topics, data| {
            let made = abi::LOG_NEW_POOL::decode_raw_log(topics.iter().copied(), data).ok()?;
            Some(made.pool.into())
        },
    };

    type Cache = ();

    fn discover(probe: &mut impl Probe, (): &mut (), key: PoolKey, assume_empty: bool) -> Result<Option<Self>, String> {
        let address = key.contract;
        if key.id.is_some() || !is_named_so(probe, address) {
            return Ok(None);
        }
        let mut asked = Asked { probe, address };
        let mut fixed = Vec::new();
        let (open, slot) = asked.flag(&abi::isPublicSwapCall {}.abi_encode())?;
        if !open {
            return Err("it is not open to swaps".to_owned());
        }
        fixed.push(slot);
        let (fee, fee_slot) = asked.stored(&abi::getSwapFeeCall {}.abi_encode())?;
        let tokens = asked.tokens(assume_empty, &mut fixed)?;
        let mut state = State { fee: state::fee(fee).map_err(|_| "its fee is out of range")?, ..State::default() };
        let mut slots = Vec::with_capacity(tokens.len());
        for (token, held) in tokens.iter().copied().zip(&mut state.held) {
            let (balance, of_balance) = asked.stored(&abi::getBalanceCall { token }.abi_encode())?;
            let (weight, of_weight) = asked.stored(&abi::getDenormalizedWeightCall { token }.abi_encode())?;
            let balance = state::balance(balance).map_err(|_| "a balance is past 128 bits")?;
            let weight = state::weight(weight).map_err(|_| "a weight is out of range")?;
            *held = Token { balance, weight, gulped: false };
            slots.push([of_balance, of_weight]);
        }
        let places = Places { tokens: slots, fee: fee_slot, fixed };
        let pool = Self { address, tokens, places, state: Box::new(state) };
        swaps_as_counted(probe, &pool)?;
        Ok(Some(pool))
    }
}

/// It says what it is without a look at its storage.
fn is_named_so(probe: &mut impl Probe, address: Address) -> bool {
    if probe.code_hash(address).is_none() {
        return false;
    }
    let answer = probe.call(address, &abi::getColorCall {}.abi_encode());
    answer.reads.is_empty() && answer.output.is_some_and(|said| said.len() == 32 && said.starts_with(abi::COLOR))
}

/// A pool that is asked.
struct Asked<'a, P> {
    probe: &'a mut P,
    address: Address,
}

impl<P: Probe> Asked<'_, P> {
    fn answer(&mut self, data: &[u8]) -> Result<Answer, String> {
        asked(self.probe, self.address, data)
    }

    fn stored(&mut self, data: &[u8]) -> Result<(U256, U256), String> {
        stored(self.probe, NOBODY, self.address, data)
    }

    /// What a getter says of a part of a slot; the slot, and the whole of what it holds.
    fn flag(&mut self, data: &[u8]) -> Result<(bool, (U256, U256)), String> {
        let answer = self.answer(data)?;
        let slot = answer.reads.last().map(|(_, slot)| *slot).ok_or("a getter reads nothing")?;
        let held = self.probe.slot(self.address, slot).ok_or("a slot is not known")?;
        Ok((answer.word(0) == Some(U256::ONE), (slot, held)))
    }

    /// All tokens. Where how many there are is not known and what is not known is to be taken as empty: those of the contracts around
    /// that it is known to hold.
    fn tokens(&mut self, assume_empty: bool, fixed: &mut Vec<(U256, U256)>) -> Result<Vec<Address>, String> {
        let listed = self.answer(&abi::getCurrentTokensCall {}.abi_encode());
        let tokens = match listed {
            Ok(answer) => {
                let (count, slot) = self.stored(&abi::getNumTokensCall {}.abi_encode())?;
                fixed.push((slot, count));
                let output = answer.output.unwrap_or_default();
                abi::getCurrentTokensCall::abi_decode_returns(&output).map_err(|_| "does not list its tokens")?
            }
            Err(reason) if !assume_empty => return Err(reason),
            Err(_) => self.bound(),
        };
        let twice = (1..tokens.len()).any(|at| tokens[..at].contains(&tokens[at]));
        if (2..=MOST_TOKENS).contains(&tokens.len()) && !twice {
            Ok(tokens)
        } else {
            Err(format!("{} tokens of it are known, 2 to {MOST_TOKENS} different ones due", tokens.len()))
        }
    }

    fn bound(&mut self) -> Vec<Address> {
        let mut tokens = self.probe.contracts();
        tokens.retain(|token| {
            let answer = self.probe.call(self.address, &abi::isBoundCall { token: *token }.abi_encode());
            !answer.cold && answer.word(0) == Some(U256::ONE)
        });
        tokens
    }
}

/// Its own code pays what we count, for any two tokens both ways.
fn swaps_as_counted(probe: &mut impl Probe, pool: &Pool) -> Result<(), String> {
    let pairs = pool.tokens.iter().flat_map(|one| pool.tokens.iter().map(move |other| [*one, *other]));
    for (tokens, part) in pairs.flat_map(|pair| PARTS.map(|part| (pair, part))) {
        let Some(leg) = pool.leg(tokens[0], tokens[1]) else { continue };
        let amount = U256::from(pool.state.held[leg.token_in()].balance / part);
        if staged(probe, pool, tokens, amount) != pool.quote_in(leg, amount).ok() {
            return Err(format!("pays something else for {amount} of {} in {}", tokens[0], tokens[1]));
        }
    }
    Ok(())
}

/// What a swap pays between plain tokens. `None`: it reverts.
fn staged(probe: &mut impl Probe, pool: &Pool, tokens: [Address; 2], amount: U256) -> Option<U256> {
    let call = abi::swapExactAmountInCall {
        token_in: tokens[0],
        amount_in: amount,
        token_out: tokens[1],
        least_out: U256::ZERO,
        most_price: U256::MAX,
    };
    let funds = [(tokens[0], plain_balance_slot(NOBODY), U256::MAX >> 1)];
    probe.call_staged(NOBODY, pool.address, &call.abi_encode(), &funds, &tokens).word(0)
}
