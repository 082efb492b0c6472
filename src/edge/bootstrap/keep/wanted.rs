//! What is missed, new or found wrong: read at the tip, and known from then on.
//!
//! # Invariants
//! - A want is noted as known before it is read, and only behind the tip and while no block is being learnt: no block's changes pass
//!   it by.

use std::sync::Arc;

use alloy::consensus::Transaction as _;
use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::Recovered;
use alloy_primitives::{Address, B256, U256};
use serde_json::Value;
use serde_json::json;

use crate::edge::bootstrap::BootstrapError;
use crate::edge::bootstrap::LendingRow;
use crate::edge::bootstrap::discovery::Discovery;
use crate::edge::bootstrap::keep::{Inner, Keep};
use crate::edge::bootstrap::lending;
use crate::edge::bootstrap::snapshot::Snapshot;
use crate::edge::bootstrap::state_cache::Missing;
use crate::edge::bootstrap::state_cache::StateCache;
use crate::edge::chain::ChainError;
use crate::hot::event::AccountUpdate;
use crate::hot::event::FetchedState;
use crate::hot::event::StateKey;
use crate::protocols::AnyPool;
use crate::protocols::lending::market_spec::MarketSpec;
use crate::types::pool_key::PoolKey;

/// A pool that was read anew.
#[derive(Clone, Debug)]
pub struct Reseeded {
    /// Its account, its slots, and whatever else it reads, as they are behind the block.
    pub fetched: FetchedState,
    /// The pool; or why it cannot be used.
    pub pool: Result<AnyPool, String>,
}

/// A market that was read while the chain went on.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What it holds and whatever else answers its questions, as they are behind the block.
    pub fetched: FetchedState,
    /// What makes it; or why it cannot be used.
    pub spec: Result<MarketSpec, String>,
}

/// Whether so many accounts and slots may be fetched.
pub type Allow<'a> = &'a (dyn Fn(u64) -> bool + Send + Sync);

impl Keep {
    /// What was missed, as it is behind the tip. Nothing is told (an empty [`FetchedState`]) of another block than the tip, or while
    /// the next is being learnt: ask again behind that. What is known is not read again, though the engine may know less than
    /// we do: blocks have told us, and a node that answers for a block while it makes the next one (anvil) would tell of that.
    pub async fn fetch(&self, at: B256, state_keys: &[StateKey]) -> Result<FetchedState, ChainError> {
        let all = self.fetch_if(at, state_keys, &|_| true).await?;
        Ok(all.unwrap_or_else(|| FetchedState { at, ..FetchedState::default() }))
    }

    /// The same, if so much may be fetched that has no value yet; asked before anything of it becomes known. `None`: it may not.
    pub async fn fetch_if(
        &self,
        at: B256,
        state_keys: &[StateKey],
        allow: Allow<'_>,
    ) -> Result<Option<FetchedState>, ChainError> {
        let nothing = FetchedState { at, ..FetchedState::default() };
        {
            let inner = self.lock();
            if inner.at != at || inner.learning {
                return Ok(Some(nothing));
            }
            let missing = inner.known.missing(state_keys.iter().copied()).len() as u64;
            if missing > 0 && !allow(missing) {
                return Ok(None);
            }
        }
        let Some(missing) = self.expect(at, state_keys) else { return Ok(Some(nothing)) };
        self.take(&missing.read(&self.chain, at).await?);
        let inner = self.lock();
        Ok(Some(if inner.at == at { inner.known.fetched(at, state_keys) } else { nothing }))
    }

    /// All that a pending transaction reads, in one go.
    pub async fn prefetch(&self, at: B256, tx: &Recovered<TxEnvelope>) -> Result<FetchedState, ChainError> {
        let all = self.prefetch_if(at, tx, &|_| true).await?;
        Ok(all.unwrap_or_else(|| FetchedState { at, ..FetchedState::default() }))
    }

    /// The same, if so much may be fetched. `None`: it may not.
    pub async fn prefetch_if(
        &self,
        at: B256,
        tx: &Recovered<TxEnvelope>,
        allow: Allow<'_>,
    ) -> Result<Option<FetchedState>, ChainError> {
        // What was asked behind another block is void before the node is.
        if !self.stands(at) {
            return Ok(Some(FetchedState { at, ..FetchedState::default() }));
        }
        let call = call(tx);
        let state_keys = self.reads(at, tx, &call).await?;
        self.fetch_if(at, &state_keys, allow).await
    }

    /// Reads a pool, wherever its state lives, and whatever it reads, anew, and asks it what it is. Also how a new pool is taken up.
    pub async fn reseed(&self, at: B256, pool: PoolKey) -> Result<Reseeded, BootstrapError> {
        let announced = Arc::clone(&self.lock().known.announced);
        let mut known = StateCache { announced, ..StateCache::default() };
        let keys = self.keys_of(pool);
        let read = known.missing(keys).read(&self.chain, at).await?;
        known.learn(&read.accounts);
        let head = self.chain.block(at).await?;
        let head = head.ok_or_else(|| BootstrapError::NoBlock { host: self.chain.host().to_owned() })?;
        let discovery = Discovery::new(&self.chain, self.rules, head)?;
        let mut answers = discovery.pools(&mut known, vec![pool], &mut |_| ()).await?;
        let answer = answers.pop().map_or_else(|| Err("gave no answer".to_owned()), |(_, answer)| answer);
        let mut fetched = fetched(at, known);
        let state_keys: Vec<StateKey> = fetched.accounts.iter().flat_map(state_keys_of).collect();
        if self.expect(at, &state_keys).is_some() {
            self.follow(pool, answer.as_ref().ok());
            self.take(&fetched);
        } else {
            fetched = FetchedState { at, ..FetchedState::default() };
        }
        Ok(Reseeded { fetched, pool: answer })
    }

    /// Reads a market of a contract that holds many, and whatever it asks: one that is new. These have borrowed in it.
    ///
    /// # Errors
    /// The node does not answer as due.
    pub async fn open_market(
        &self,
        at: B256,
        row: &LendingRow,
        (market, accounts): (B256, Vec<Address>),
    ) -> Result<Opened, BootstrapError> {
        let head = self.chain.block(at).await?;
        let head = head.ok_or_else(|| BootstrapError::NoBlock { host: self.chain.host().to_owned() })?;
        let discovery = Discovery::new(&self.chain, self.rules, head)?;
        let row = LendingRow { market: Some(market), accounts, ..row.clone() };
        let (mut known, nothing) = (StateCache::default(), Snapshot::default());
        let found =
            lending::load(&discovery, &mut known, (std::slice::from_ref(&row), 1), &nothing, &mut |_| ()).await?;
        let mut fetched = fetched(at, known);
        let state_keys: Vec<StateKey> = fetched.accounts.iter().flat_map(state_keys_of).collect();
        if self.expect(at, &state_keys).is_some() {
            for contract in found.whole {
                self.lock().known.accounts.entry(contract).or_default().whole = true;
            }
            self.take(&fetched);
        } else {
            fetched = FetchedState { at, ..FetchedState::default() };
        }
        let refused = found.unusable.into_iter().next().map(|(_, reason)| reason);
        let spec = found.specs.into_iter().next();
        Ok(Opened { fetched, spec: spec.ok_or_else(|| refused.unwrap_or_else(|| "gave no answer".to_owned())) })
    }

    /// All that is known to be a pool's.
    fn keys_of(&self, pool: PoolKey) -> Vec<StateKey> {
        let inner = self.lock();
        inner.followed.keys_of(&inner.known, pool)
    }

    /// A pool as it was read, or `None`: it cannot be used.
    fn follow(&self, key: PoolKey, read: Option<&AnyPool>) {
        let mut inner = self.lock();
        let Inner { known, followed, moved, .. } = &mut *inner;
        match read {
            Some(pool) => followed.add(known, pool),
            None => followed.remove(known, key),
        }
        // Whatever it was taken for when the state was loaded, it is to be asked.
        moved.insert(key.contract);
    }

    /// Notes wants as known, if `at` is the tip: what of them has no value yet.
    fn expect(&self, at: B256, state_keys: &[StateKey]) -> Option<Missing> {
        let mut inner = self.lock();
        if inner.at != at || inner.learning {
            return None;
        }
        inner.known.expect(state_keys);
        Some(inner.known.missing(state_keys.iter().copied()))
    }

    /// Takes what was read, if its block is still the tip.
    fn take(&self, read: &FetchedState) {
        let mut inner = self.lock();
        if inner.at == read.at {
            inner.known.learn(&read.accounts);
            inner.fetched.extend(read.accounts.iter().flat_map(state_keys_of));
            inner.known.hashes.extend(read.hashes.iter().copied());
        }
    }

    /// Number and time of the block that follows `at`, as far as they are known. Of the time only that it goes on is: it is what
    /// a contract looks at that sums up prices over time, and reads more once the block is another.
    fn next(&self, at: B256) -> Option<(u64, u64)> {
        let inner = self.lock();
        let (number, timestamp) = inner.numbered.filter(|_| inner.at == at)?;
        Some((number.saturating_add(1), timestamp.saturating_add(1)))
    }

    /// What a transaction reads, by whatever the node can do.
    async fn reads(&self, at: B256, tx: &Recovered<TxEnvelope>, call: &Value) -> Result<Vec<StateKey>, ChainError> {
        if !self.no_call_trace.is_absent() {
            match self.chain.prestate(at, call, self.next(at)).await {
                Ok(accounts) => {
                    self.no_call_trace.had();
                    return Ok(accounts.iter().flat_map(state_keys_of).collect());
                }
                // In whatever way it is not had: the list is the next best.
                Err(error) => self.no_call_trace.learn("a call's trace", &error),
            }
        }
        let listed = match self.chain.access_list(at, call).await {
            Ok(listed) => listed,
            // It reverts there, and a list of what it read is not given. Nothing is done behind such a transaction; should it
            // not revert with us, the rest is missed one by one.
            Err(ChainError::Refused { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let item = |(address, slots): (Address, Vec<U256>)| {
            let slots = slots.into_iter().map(move |slot| StateKey::Slot(address, slot));
            slots.chain([StateKey::Account(address)]).collect::<Vec<_>>()
        };
        let ends = [Some(tx.signer()), tx.inner().to()].into_iter().flatten().map(StateKey::Account);
        Ok(listed.into_iter().flat_map(item).chain(ends).collect())
    }
}

/// All of it.
fn fetched(at: B256, mut known: StateCache) -> FetchedState {
    let hashes = std::mem::take(&mut known.hashes).into_iter().collect();
    FetchedState { at, accounts: known.into_all(), hashes }
}

fn state_keys_of(update: &AccountUpdate) -> Vec<StateKey> {
    let slots = update.slots.iter().map(|(slot, _)| StateKey::Slot(update.address, *slot));
    slots.chain([StateKey::Account(update.address)]).collect()
}

/// A transaction as a call: without nonce and fees, of which no answer here depends.
fn call(tx: &Recovered<TxEnvelope>) -> Value {
    let inner = tx.inner();
    let [gas, value] = [U256::from(inner.gas_limit()), inner.value()];
    let mut call = json!({"from": tx.signer(), "gas": gas, "value": value, "input": inner.input()});
    if let Some(to) = inner.to() {
        call["to"] = json!(to);
    }
    call
}
