//! What a pool's quotes depend on, where that lies, and how storage and logs change it.

use alloy::sol_types::{SolCall, SolEvent};
use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::balancer_v1::MOST_TOKENS;
use crate::balancer_v1::Pool;
use crate::balancer_v1::abi;
use crate::balancer_v1::fixed;

/// What a pool holds of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Token {
    /// What the pool takes its balance for.
    pub balance: u128,
    /// Its weight, in eighteen decimals, not over the sum of all.
    pub weight: u128,
    /// The pool has taken the token's own word for the balance, which its log does not say.
    pub(super) gulped: bool,
}

/// All that a quote depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct State {
    /// In the order of the tokens; what lies behind them is empty.
    pub(super) held: [Token; MOST_TOKENS],
    pub(super) fee: u128,
}

/// Where it lies in the pool's storage.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Places {
    /// Slots of each token's balance and weight, in the order of the tokens.
    pub(super) tokens: Vec<[U256; 2]>,
    pub(super) fee: U256,
    /// Slots, and what they must hold for the pool to be what it was taken for: how many tokens there are, and that it is open.
    pub(super) fixed: Vec<(U256, U256)>,
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        let Self { address, tokens, places, state } = self;
        Self { address: *address, tokens: tokens.clone(), places: places.clone(), state: state.clone() }
    }

    /// Keeps the buffers.
    fn clone_from(&mut self, source: &Self) {
        self.address = source.address;
        self.tokens.clone_from(&source.tokens);
        self.places.tokens.clone_from(&source.places.tokens);
        self.places.fixed.clone_from(&source.places.fixed);
        self.places.fee = source.places.fee;
        self.state.clone_from(&source.state);
    }
}

/// A balance, if it is one that we can count with.
pub(super) fn balance(word: U256) -> Result<u128, ApplyError> {
    u128::try_from(word).map_err(|_| ApplyError::Contradiction)
}

/// A weight, if the pool would take it for one.
pub(super) fn weight(word: U256) -> Result<u128, ApplyError> {
    within(word, fixed::LEAST_WEIGHT, fixed::MOST_WEIGHT)
}

/// A fee, if the pool would take it for one.
pub(super) fn fee(word: U256) -> Result<u128, ApplyError> {
    within(word, fixed::LEAST_FEE, fixed::MOST_FEE)
}

fn within(word: U256, least: u128, most: u128) -> Result<u128, ApplyError> {
    let found = u128::try_from(word).ok().filter(|found| (least..=most).contains(found));
    found.ok_or(ApplyError::Contradiction)
}

impl Places {
    /// The state after `changes`, from `state` before them.
    pub(super) fn fold(&self, state: &State, changes: &[(U256, U256)]) -> Result<State, ApplyError> {
        let mut state = state.clone();
        for (slot, word) in changes {
            if self.fixed.iter().any(|(at, due)| at == slot && due != word) {
                return Err(ApplyError::Contradiction);
            }
            if *slot == self.fee {
                state.fee = fee(*word)?;
            }
            for ([of_balance, of_weight], held) in self.tokens.iter().zip(&mut state.held) {
                if slot == of_balance {
                    (held.balance, held.gulped) = (balance(*word)?, false);
                } else if slot == of_weight {
                    held.weight = weight(*word)?;
                }
            }
        }
        Ok(state)
    }
}

impl Pool {
    /// Takes a new state and says whether it differs.
    pub(super) fn set(&mut self, state: State) -> Applied {
        if *self.state == state {
            return Applied::Irrelevant;
        }
        *self.state = state;
        Applied::Changed
    }

    /// Applies one log of the pool's own.
    pub(super) fn hear(&mut self, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        let mut state = (*self.state).clone();
        match topics {
            [signature, _, from, to] if *signature == abi::LOG_SWAP::SIGNATURE_HASH => {
                self.moved(&mut state, *from, word(data, 0, 64)?, u128::checked_add)?;
                self.moved(&mut state, *to, word(data, 32, 64)?, u128::checked_sub)?;
            }
            [signature, _, token] if *signature == abi::LOG_JOIN::SIGNATURE_HASH => {
                self.moved(&mut state, *token, word(data, 0, 32)?, u128::checked_add)?;
            }
            [signature, _, token] if *signature == abi::LOG_EXIT::SIGNATURE_HASH => {
                self.moved(&mut state, *token, word(data, 0, 32)?, u128::checked_sub)?;
            }
            // Anonymous: the selector of what was called, and by whom. The data are that call's.
            [selector, _] if selector[4..].iter().all(|byte| *byte == 0) => {
                self.called(&mut state, &selector[..4], data)?;
            }
            _ => {}
        }
        Ok(self.set(state))
    }

    fn moved(
        &self,
        state: &mut State,
        token: B256,
        amount: U256,
        how: fn(u128, u128) -> Option<u128>,
    ) -> Result<(), ApplyError> {
        let place = self.place(Address::from_word(token)).ok_or(ApplyError::Contradiction)?;
        let held = &mut state.held[place];
        // What is not known stays so.
        if !held.gulped {
            held.balance = how(held.balance, balance(amount)?).ok_or(ApplyError::Contradiction)?;
        }
        Ok(())
    }

    /// What a call of the controller, or anybody's `gulp`, leaves. The rest says what it does in logs of its own.
    fn called(&self, state: &mut State, selector: &[u8], data: &[u8]) -> Result<(), ApplyError> {
        // Place and length of the calldata stand before it, and its selector.
        let argument = |at: usize| word(data, 68 + 32 * at, data.len());
        let held = |token: U256| self.place(Address::from_word(token.into()));
        if selector == abi::setSwapFeeCall::SELECTOR {
            state.fee = fee(argument(0)?)?;
        } else if selector == abi::gulpCall::SELECTOR {
            if let Some(place) = held(argument(0)?) {
                state.held[place].gulped = true;
            }
        } else if selector == abi::rebindCall::SELECTOR
            && let Some(place) = held(argument(0)?)
        {
            state.held[place] = Token { balance: balance(argument(1)?)?, weight: weight(argument(2)?)?, gulped: false };
        }
        Ok(())
    }
}

/// The word at a place of a log's data, which have to be so long.
fn word(data: &[u8], at: usize, due: usize) -> Result<U256, ApplyError> {
    let wrong = ApplyError::Data { have: data.len(), due: due.max(at + 32) };
    if data.len() != due {
        return Err(wrong);
    }
    data.get(at..at + 32).map(U256::from_be_slice).ok_or(wrong)
}
