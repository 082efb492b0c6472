//! A block to work at: a machine behind it, and rounds of asking until nothing is missing.
//!
//! # Invariants
//! - Machines run off the async threads, and are made anew for each round: revm's is not `Send`, and must not be held
//!   while a node is waited for. Their state stays, and grows by what is read.
//! - A round asks everything that is open, then reads all that was missed at once, so that there are as many rounds as
//!   the longest chain of reads that depend on each other, and not as many as there are reads.

use std::collections::BTreeSet;
use std::num::NonZero;

use alloy_primitives::{Address, Bytes};
use futures_util::future::join_all;

use crate::edge::bootstrap::BootstrapError;
use crate::edge::bootstrap::Hear;
use crate::edge::bootstrap::Look;
use crate::edge::bootstrap::Progress;
use crate::edge::bootstrap::Rules;
use crate::edge::bootstrap::state_cache;
use crate::edge::bootstrap::state_cache::StateCache;
use crate::edge::chain::Chain;
use crate::edge::chain::Head;
use crate::hot::event::FetchedState;
use crate::hot::evm::block::BlockFields;
use crate::hot::evm::db::Cold;
use crate::hot::evm::db::Db;
use crate::hot::evm::db::Unknown;
use crate::hot::evm::fork::Fork;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::probe::EvmProbe;
use crate::protocols;
use crate::protocols::AnyPool;
use crate::protocols::DiscoveryCache;
use crate::protocols::discover::Probe;
use crate::types::pool_key::PoolKey;

/// More rounds than any contract's getters need: each follows one more pointer.
const MOST_ROUNDS: usize = 64;

/// A block to work at.
#[derive(Clone, Debug)]
pub(super) struct Discovery {
    pub(super) chain: Chain,
    pub(super) head: Head,
    chain_id: u64,
    fork: Fork,
}

/// Questions that are worth a machine of their own.
const SHARE: usize = 4_096;
/// Each has a copy of the state.
const MOST_MACHINES: usize = 4;

/// How many machines are asked at once.
fn machines(questions: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    (questions / SHARE).clamp(1, cores.min(MOST_MACHINES))
}

/// One question's answer and what it did without.
pub(super) type Asked<T> = (T, Vec<Cold>);

/// Puts a question to a machine, with what was learnt of the questions before it.
pub(super) type Ask<I, S, T> = fn(&mut Machine, &mut S, &I) -> Asked<T>;

impl Discovery {
    pub(super) fn new(chain: &Chain, rules: Rules, head: Head) -> Result<Self, BootstrapError> {
        let fork = rules.fork(head.number, head.timestamp)?;
        Ok(Self { chain: chain.clone(), head, chain_id: rules.chain_id, fork })
    }

    /// Runs `job` on a machine over `db`, which comes back as the job has left it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        db: Db,
        job: impl FnOnce(&mut Machine) -> T + Send + 'static,
    ) -> Result<(Db, T), BootstrapError> {
        let (chain_id, fork, env) = (self.chain_id, self.fork, terms(&self.head).env(self.fork));
        let run = tokio::task::spawn_blocking(move || {
            let mut machine = Machine::new(chain_id, fork, env, db);
            let answer = job(&mut machine);
            (std::mem::take(machine.db_mut()), answer)
        });
        run.await.map_err(|_| BootstrapError::Stopped)
    }

    /// Asks each machine its share of the questions, all at once. Questions and answers in order.
    async fn ask_all<I, S, T>(
        &self,
        machines: &mut Vec<(Db, S)>,
        mut open: Vec<I>,
        ask: Ask<I, S, T>,
    ) -> Result<Vec<(I, Asked<T>)>, BootstrapError>
    where
        I: Send + 'static,
        S: Send + 'static,
        T: Send + 'static,
    {
        let share = open.len().div_ceil(machines.len().max(1)).max(1);
        let runs = machines.drain(..).map(|(mut db, mut state)| {
            let rest = open.split_off(open.len().min(share));
            let share = std::mem::replace(&mut open, rest);
            db.set_unknown(Unknown::Refuse);
            self.run(db, move |machine| {
                let mut answers = Vec::with_capacity(share.len());
                for item in share {
                    let answer = ask(machine, &mut state, &item);
                    answers.push((item, answer));
                }
                (state, answers)
            })
        });
        let mut answers = Vec::new();
        for run in join_all(runs.collect::<Vec<_>>()).await {
            let (db, (state, part)) = run?;
            machines.push((db, state));
            answers.extend(part);
        }
        Ok(answers)
    }

    /// Asks until nothing is missing; what is missed is read behind this block. Few questions are told what they miss, many have all that
    /// is known before them.
    pub(super) async fn settle<I, S, T>(
        &self,
        known: &mut StateCache,
        mut open: Vec<I>,
        ask: Ask<I, S, T>,
        hear: Hear<'_>,
    ) -> Result<Vec<(I, T)>, BootstrapError>
    where
        I: Send + 'static,
        S: Default + Send + 'static,
        T: Send + 'static,
    {
        let few = open.len() < SHARE;
        let db = || if few { known.db_of_nothing() } else { known.db() };
        let mut machines: Vec<_> = (0..machines(open.len())).map(|_| (db(), S::default())).collect();
        let (mut settled, mut told) = (Vec::with_capacity(open.len()), BTreeSet::new());
        let mut round = 1;
        while !open.is_empty() {
            let mut state_keys = Vec::new();
            for (item, (answer, missed)) in self.ask_all(&mut machines, std::mem::take(&mut open), ask).await? {
                let missed = state_cache::state_keys(missed);
                let untold = few && missed.iter().any(|key| !told.contains(key));
                let is_whole = !untold && known.missing(missed.iter().copied()).is_empty();
                if is_whole || round > MOST_ROUNDS {
                    settled.push((item, answer));
                } else {
                    state_keys.extend(missed);
                    open.push(item);
                }
            }
            let missing = known.missing(state_keys.iter().copied());
            let read = if missing.is_empty() {
                FetchedState::default()
            } else {
                let size = missing.accounts.len() + missing.slots.len();
                hear(Progress::Asking { round, open: open.len(), missing: size });
                round += 1;
                missing.read_heard(&self.chain, self.head.hash, hear).await?
            };
            known.learn(&read.accounts);
            known.hashes.extend(read.hashes.iter().copied());
            for (db, _) in &mut machines {
                if few { known.tell_of(db, &state_keys) } else { known.tell(db, &read) }
            }
            if few {
                told.extend(state_keys);
            }
        }
        Ok(settled)
    }

    /// Asks for pools by their keys.
    pub(super) async fn pools(
        &self,
        known: &mut StateCache,
        keys: Vec<PoolKey>,
        hear: Hear<'_>,
    ) -> Result<Vec<(PoolKey, Result<AnyPool, String>)>, BootstrapError> {
        self.settle(known, keys, ask_pool, hear).await
    }

    /// What contracts answer on our machine, in the order asked. `None`: one reverts.
    pub(super) async fn answers(
        &self,
        known: &mut StateCache,
        calls: Vec<(Address, Bytes)>,
        hear: Hear<'_>,
    ) -> Result<Vec<Option<Bytes>>, BootstrapError> {
        let open = calls.into_iter().enumerate().map(|(place, (to, data))| (place, to, data)).collect();
        let mut answers = self.settle(known, open, ask_view, hear).await?;
        answers.sort_unstable_by_key(|((place, ..), _)| *place);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// Runs looks, so that all they read is known.
    pub(super) async fn warm(
        &self,
        known: &mut StateCache,
        looks: Vec<Look>,
        hear: Hear<'_>,
    ) -> Result<(), BootstrapError> {
        self.settle(known, looks, ask_look, hear).await.map(drop)
    }
}

/// A block's terms as the EVM takes them.
pub(super) fn terms(head: &Head) -> BlockFields {
    BlockFields {
        number: head.number,
        timestamp: head.timestamp,
        beneficiary: head.beneficiary,
        gas_limit: head.gas_limit,
        base_fee: head.base_fee.unwrap_or(0),
        mix_hash: head.mix_hash,
        excess_blob_gas: head.excess_blob_gas,
        ..BlockFields::default()
    }
}

fn ask_pool(
    machine: &mut Machine,
    discovery_cache: &mut DiscoveryCache,
    key: &PoolKey,
) -> Asked<Result<AnyPool, String>> {
    let mut probe = EvmProbe::new(machine);
    let answer = match protocols::discover(&mut probe, discovery_cache, *key, false) {
        Ok(Some(pool)) => Ok(pool),
        Ok(None) => Err("is no pool of a known protocol, or has no price yet".to_owned()),
        Err(reason) => Err(reason),
    };
    (answer, probe.into_missed())
}

fn ask_look(machine: &mut Machine, _: &mut (), look: &Look) -> Asked<()> {
    // Makes the prober known.
    let _probe = EvmProbe::new(machine);
    let db = machine.db_mut();
    db.set_unknown(Unknown::AssumeEmpty);
    db.clear_notes();
    let outcome = machine.call(look.from, look.to, look.data.clone());
    let mut missed = machine.db().assumed().to_vec();
    if let Err(ExecuteError::Cold(cold)) = outcome {
        missed.push(cold);
    }
    ((), missed)
}

/// `None`: it reverts.
fn ask_view(machine: &mut Machine, _: &mut (), (_, to, data): &(usize, Address, Bytes)) -> Asked<Option<Bytes>> {
    let mut probe = EvmProbe::new(machine);
    let answer = probe.call(*to, data).output.map(Bytes::from);
    (answer, probe.into_missed())
}
