//! `replay block`: a record through the engine, transaction by transaction.
//!
//! # Invariants
//! - The engine is the one that runs live; this file only feeds it and writes down what it says.
//! - Lines come out in one order for one input. No line of a block is returned unless the block executed to its header.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::consensus::Transaction as _;
use alloy_primitives::{Address, U256};
use revm::state::AccountInfo;

use crate::chain;
use crate::hot::engine::Engine;
use crate::hot::event::Event;
use crate::hot::event::Outcome;
use crate::hot::event::Spent;
use crate::hot::event::Trigger;
use crate::hot::evm::db::Cold;
use crate::hot::evm::db::Unknown;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::own::InstallError;
use crate::hot::evm::own::Own;
use crate::hot::refused::Refused;
use crate::hot::refused::Tally;
use crate::hot::search;
use crate::hot::search::Search;
use crate::hot::simulate::Proven;
use crate::hot::simulate::Prover;
use crate::hot::state::pools::Pools;
use crate::metrics::span::Span;
use crate::protocols::AnyPool;
use crate::protocols::DiscoveryCache;
use crate::protocols::amm::Amm;
use crate::protocols::executor::Bid;
use crate::replay::diagnose::diagnose;
use crate::replay::discover;
use crate::replay::execute;
use crate::replay::execute::Broken;
use crate::replay::execute::Receipts;
use crate::replay::execute::Verdict;
use crate::replay::record::Codes;
use crate::replay::record::Record;
use crate::replay::record::RecordError;
use crate::replay::record::tx_env;
use crate::replay::report::Elapsed;
use crate::replay::report::HopLine;
use crate::replay::report::Line;
use crate::replay::report::Opportunity;
use crate::replay::report::Refusals;
use crate::replay::report::Summary;
use crate::replay::report::Unusable;
use crate::types::amount::Wei;
use crate::types::amount::WeiPerGas;

/// How to replay.
#[derive(Clone, Debug)]
pub struct Options {
    /// Refuse what reads the unknown; else take it as empty and say so.
    pub strict: bool,
    /// How far and from where to look.
    pub search: search::config::Config,
}

/// Why a block has no report.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// Its files cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// It does not execute to its header.
    #[error("{dir}: record does not execute to its header: {broken}")]
    Broken {
        /// The record.
        dir: PathBuf,
        /// Where it goes wrong.
        broken: Broken,
    },
    /// Our own executor did not install.
    #[error("{dir}: {cause}")]
    Ours {
        /// The record.
        dir: PathBuf,
        /// Why.
        cause: InstallError,
    },
}

/// Replays records one after another; what it learns of a code serves the next.
pub struct Replayer {
    options: Options,
    codes: Option<Codes>,
    discovery_cache: DiscoveryCache,
}

impl Replayer {
    /// A replayer.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, codes: None, discovery_cache: DiscoveryCache::default() }
    }

    /// Runs one record and returns its lines.
    pub fn block(&mut self, dir: &Path) -> Result<Vec<Line>, BlockError> {
        let mut span = Span::start();
        let codes = match self.codes.take().filter(|codes| codes.serve(dir)) {
            Some(codes) => codes,
            None => Codes::of(dir)?,
        };
        let record = Record::read(dir, &codes);
        self.codes = Some(codes);
        let record = record?;
        let (mut engine, unusable) = self.engine(&record)?;
        let load = span.lap();
        let mut run = Run::new(&record, unusable);
        let verdict = run.feed(&mut engine);
        match verdict {
            Ok(verdict) if verdict.is_exact() => Ok(run.finish(&engine, load, verdict)),
            found => Err(BlockError::Broken { dir: dir.to_path_buf(), broken: diagnose(&record, &found) }),
        }
    }

    /// An engine at the start of the record's block, and the pools it does without.
    pub fn engine(&mut self, record: &Record) -> Result<(Engine, Vec<Unusable>), BlockError> {
        let mut machine = execute::machine(record);
        let found = discover::pools(&mut machine, &mut self.discovery_cache, !self.options.strict);
        let mut pools = Pools::default();
        for pool in found.pools {
            // Addresses are distinct and so are a pool's tokens, so every pool is new.
            let _known = pools.add(pool);
        }
        let own = Own::install(&mut machine, record.fork.has_cancun_opcodes(), chain::RECORDED.wrapped_native)
            .map_err(|cause| BlockError::Ours { dir: record.dir.clone(), cause })?;
        let bases = &self.options.search.base_tokens;
        for token in bases.iter().filter(|token| pools.find_token(**token).is_some()) {
            own.mark_balance_slots(&mut machine, *token);
        }
        for held in self.options.search.capital.iter().filter(|held| pools.find_token(held.token).is_some()) {
            own.hold(&mut machine, held.token, held.most);
        }
        let unknown = if self.options.strict { Unknown::Refuse } else { Unknown::AssumeEmpty };
        let prover =
            Prover::new(own, OWNER_NONCE, unknown, Bid::Wei(Wei(U256::ZERO))).funded(self.options.search.fundings());
        let bases: Vec<_> = bases.iter().map(|token| pools.intern(*token)).collect();
        let search = &self.options.search;
        let fundings = search.fundings_by(|token| pools.intern(token));
        let mut cycles =
            Search::new(&bases, search.max_hops, search.effort()).within(search.budget()).funded(&fundings);
        cycles.extend(&pools);
        let unusable = found.unusable.into_iter().map(|(pool, reason)| Unusable { pool, reason }).collect();
        Ok((Engine::new(machine, pools, cycles, prover, Wei(search.min_profit_wei)), unusable))
    }
}

/// The owner has sent one transaction: the executor's creation.
const OWNER_NONCE: u64 = 1;

/// One block on its way through the engine.
struct Run<'a> {
    record: &'a Record,
    gas_price: WeiPerGas,
    lines: Vec<Line>,
    receipts: Receipts,
    refused: Tally,
    spent: Spent,
    gross: U256,
    found: usize,
    unusable: Vec<Unusable>,
}

impl<'a> Run<'a> {
    fn new(record: &'a Record, unusable: Vec<Unusable>) -> Self {
        Self {
            record,
            gas_price: gas_price(record),
            lines: Vec::new(),
            receipts: Receipts::default(),
            refused: Tally::default(),
            spent: Spent::default(),
            gross: U256::ZERO,
            found: 0,
            unusable,
        }
    }

    /// The start of the block, then each transaction as pending and as included.
    fn feed(&mut self, engine: &mut Engine) -> Result<Verdict, Broken> {
        let outcome = engine.on_event(Event::Head);
        self.write(engine, None, &outcome);
        for (index, tx) in self.record.txs.iter().enumerate() {
            let outcome = offer(engine, self.record, index)?;
            if let Some(Trigger::Ran(result)) = &outcome.trigger {
                self.receipts.push(tx, result);
            }
            self.write(engine, Some(index), &outcome);
            engine.on_event(Event::Included);
        }
        Ok(self.receipts.verdict(&self.record.header))
    }

    fn write(&mut self, engine: &Engine, trigger_index: Option<usize>, outcome: &Outcome) {
        let block = self.record.header.number;
        for proven in &outcome.proven {
            let opportunity = self.opportunity(engine, trigger_index, proven);
            self.gross += opportunity.gross_profit_eth_wei;
            self.found += 1;
            self.lines.push(Line::Opportunity(opportunity));
        }
        for (reason, count) in outcome.refused.iter() {
            self.refused.add_many(reason, count);
            // What died before it had an amount is in the summary; a line each would drown the rest.
            if reason >= Refused::BelowMinimum {
                let kind = "refused";
                self.lines.push(Line::Refused(Refusals { kind, block, trigger_index, reason: reason.name(), count }));
            }
        }
        self.spent.execute += outcome.spent.execute;
        self.spent.search += outcome.spent.search;
        self.spent.simulate += outcome.spent.simulate;
    }

    fn opportunity(&self, engine: &Engine, trigger_index: Option<usize>, proven: &Proven) -> Opportunity {
        let opportunity = proven.opportunity();
        let path = opportunity.path(engine.pools());
        let ends = |end: Option<U256>| end.unwrap_or_default();
        let gross = opportunity.value().unwrap_or_default().0;
        let cost = (proven.gas_used() * self.gas_price).0;
        Opportunity {
            kind: "opportunity",
            block: self.record.header.number,
            trigger_index,
            trigger: trigger_index.map(|index| *self.record.txs[index].inner.inner().tx_hash()),
            strategy: opportunity.strategy(),
            token: engine.pools().token(opportunity.token()),
            amount_in: ends(path.hops.first().map(|hop| hop.amount_in)),
            amount_out: ends(path.hops.last().map(|hop| hop.amount_out)),
            gross_profit: path.gross,
            gross_profit_eth_wei: gross,
            gas_used: proven.gas_used().0,
            net_profit_eth_wei: difference(gross, cost),
            hops: path.hops.into_iter().map(HopLine::from).collect(),
            assumed_slots: proven.assumed(),
        }
    }

    /// The lines of a block that executed to its header.
    fn finish(mut self, engine: &Engine, load: Duration, verdict: Verdict) -> Vec<Line> {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.lines.push(Line::Summary(Summary {
            kind: "summary",
            block: self.record.header.number,
            txs: self.record.txs.len(),
            gas_used: verdict.gas_used,
            gas_matches_header: verdict.gas,
            receipts_root_matches_header: verdict.root,
            pools: engine.pools().len(),
            tokens: tokens(engine.pools()),
            opportunities: self.found,
            gross_profit_eth_wei: self.gross,
            unusable: self.unusable,
            refused: self.refused.iter().map(|(reason, count)| (reason.name(), count)).collect(),
            elapsed_us: Elapsed {
                load: us(load),
                execute: us(self.spent.execute),
                search: us(self.spent.search),
                simulate: us(self.spent.simulate),
            },
        }));
        self.lines
    }
}

/// Offers a transaction as pending. The record plays the edge: see [`execute::step`] for what a miss means here.
fn offer(engine: &mut Engine, record: &Record, index: usize) -> Result<Outcome, Broken> {
    loop {
        let outcome = engine.on_event(Event::Pending(Box::new(tx_env(&record.txs[index]))));
        match &outcome.trigger {
            Some(Trigger::Stopped(ExecuteError::Cold(Cold::Account(address)))) => {
                engine.machine_mut().db_mut().tell_whole_account(*address, AccountInfo::default());
            }
            Some(Trigger::Stopped(error)) => return Err(Broken::stopped(record, index, error)),
            Some(Trigger::Ran(_)) | None => return Ok(outcome),
        }
    }
}

/// Tokens that the pools hold. (The table knows the base tokens as well, held or not.)
fn tokens(pools: &Pools<AnyPool>) -> usize {
    let held: BTreeSet<Address> = pools.iter().flat_map(|pool| pool.tokens().iter().copied()).collect();
    held.len()
}

/// What a unit of gas costs at least: the base fee. Before London nothing was due, so the block's median price stands in.
fn gas_price(record: &Record) -> WeiPerGas {
    if let Some(base_fee) = record.header.base_fee_per_gas {
        return WeiPerGas(u128::from(base_fee));
    }
    let mut prices: Vec<u128> = record.txs.iter().map(|tx| tx.inner.inner().max_fee_per_gas()).collect();
    prices.sort_unstable();
    WeiPerGas(prices.get(prices.len() / 2).copied().unwrap_or(0))
}

/// `a - b` as a decimal string, negative where `b` is larger.
fn difference(a: U256, b: U256) -> String {
    if a >= b { (a - b).to_string() } else { format!("-{}", b - a) }
}
