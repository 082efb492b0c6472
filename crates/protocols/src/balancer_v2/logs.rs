//! What the vault and the pool say, and what it does to a pool. The vault says by how much balances move, not where they stand.
//!
//! # Invariants
//! - A log is applied whole or not at all.
//! - What one says against what is known (more gone than was there) is a contradiction.

use alloy::sol_types::SolEvent;
use alloy_primitives::B256;
use alloy_primitives::I256;
use alloy_primitives::U256;

use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::balancer_v2::abi;
use crate::balancer_v2::pool::Pool;
use crate::balancer_v2::pool::fee_of;

/// The log has as many topics and bytes as it should.
fn shaped(topics: &[B256], data: &[u8], due: (usize, usize)) -> Result<(), ApplyError> {
    if topics.len() != due.0 {
        return Err(ApplyError::Topics { have: topics.len(), due: due.0 });
    }
    if data.len() != due.1 {
        return Err(ApplyError::Data { have: data.len(), due: due.1 });
    }
    Ok(())
}

/// A word of data, of which [`shaped`] has said that it is there.
fn word(data: &[u8], index: usize) -> U256 {
    U256::from_be_slice(data.get(index * 32..index * 32 + 32).unwrap_or_default())
}

fn signed(value: U256) -> Result<i128, ApplyError> {
    i128::try_from(I256::from_raw(value)).map_err(|_| ApplyError::Contradiction)
}

impl Pool {
    /// Of the vault, about this pool.
    pub(super) fn vault_log(&mut self, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        let [signature, id, rest @ ..] = topics else { return Ok(Applied::Irrelevant) };
        if *id != self.terms.id {
            return Ok(Applied::Irrelevant);
        }
        match *signature {
            abi::Swap::SIGNATURE_HASH => {
                shaped(topics, data, (4, 64))?;
                let [token_in, token_out] = [0, 1].map(|at| rest.get(at).copied().unwrap_or_default());
                let [into, out] = [signed(word(data, 0))?, signed(word(data, 1))?];
                self.moves([(token_in, into, 0), (token_out, -out, 0)])
            }
            abi::PoolBalanceManaged::SIGNATURE_HASH => {
                shaped(topics, data, (4, 64))?;
                let token = rest.get(1).copied().unwrap_or_default();
                let [cash, managed] = [signed(word(data, 0))?, signed(word(data, 1))?];
                self.moves([(token, cash, managed)])
            }
            abi::PoolBalanceChanged::SIGNATURE_HASH => self.joined_or_left(topics, data),
            abi::TokensDeregistered::SIGNATURE_HASH => Err(ApplyError::Contradiction),
            _ => Ok(Applied::Irrelevant),
        }
    }

    /// Of the pool itself.
    pub(super) fn pool_log(&mut self, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        match topics.first().copied().unwrap_or_default() {
            abi::SwapFeePercentageChanged::SIGNATURE_HASH => {
                shaped(topics, data, (1, 32))?;
                let fee = fee_of(word(data, 0)).ok_or(ApplyError::Contradiction)?;
                let changed = std::mem::replace(&mut self.state.fee, fee) != fee;
                Ok(applied(changed))
            }
            abi::PausedStateChanged::SIGNATURE_HASH => {
                shaped(topics, data, (1, 32))?;
                let paused = !word(data, 0).is_zero();
                let changed = std::mem::replace(&mut self.state.paused, paused) != paused;
                Ok(applied(changed))
            }
            _ => Ok(Applied::Irrelevant),
        }
    }

    /// Each token, by how much its cash moves, and by how much what is managed of it.
    fn moves<const N: usize>(&mut self, moves: [(B256, i128, i128); N]) -> Result<Applied, ApplyError> {
        let place = |token: B256| self.terms.tokens.iter().position(|own| own.into_word() == token);
        let mut new = [(0, Default::default()); N];
        for (to, (token, cash, managed)) in new.iter_mut().zip(moves) {
            let place = place(token).ok_or(ApplyError::Contradiction)?;
            let held = self.state.held.get(place).and_then(|held| held.moved(cash, managed));
            *to = (place, held.ok_or(ApplyError::Contradiction)?);
        }
        let mut changed = false;
        for (place, balance) in new {
            let Some(held) = self.state.held.get_mut(place) else { continue };
            changed |= std::mem::replace(held, balance) != balance;
        }
        Ok(applied(changed))
    }

    /// Tokens in the pool's order; the protocol's share leaves with what the provider takes, or out of what he brings.
    fn joined_or_left(&mut self, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        if topics.len() != 3 {
            return Err(ApplyError::Topics { have: topics.len(), due: 3 });
        }
        let count = self.terms.tokens.len();
        // Three offsets, and of each list its length and its words.
        let due = 32 * (3 + 3 * (1 + count));
        let said = abi::PoolBalanceChanged::decode_raw_log(topics.iter().copied(), data);
        let said = said.map_err(|_| ApplyError::Data { have: data.len(), due })?;
        if said.tokens != self.terms.tokens || said.deltas.len() != count || said.protocolFeeAmounts.len() != count {
            return Err(ApplyError::Contradiction);
        }
        let delta = |(delta, fee): (&I256, &U256)| {
            let [delta, fee] = [signed(delta.into_raw())?, signed(*fee)?];
            delta.checked_sub(fee).ok_or(ApplyError::Contradiction)
        };
        let deltas = || said.deltas.iter().zip(&said.protocolFeeAmounts).map(delta);
        for (held, delta) in self.state.held.iter().zip(deltas()) {
            held.moved(delta?, 0).ok_or(ApplyError::Contradiction)?;
        }
        let mut changed = false;
        for (held, delta) in self.state.held.iter_mut().zip(deltas()) {
            let new = held.moved(delta?, 0).ok_or(ApplyError::Contradiction)?;
            changed |= std::mem::replace(held, new) != new;
        }
        Ok(applied(changed))
    }
}

/// Whether anything differs, in the words of the trait.
pub(super) const fn applied(changed: bool) -> Applied {
    if changed { Applied::Changed } else { Applied::Irrelevant }
}
