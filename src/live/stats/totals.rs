//! What became of our bundles since the run began, and the status that `demo --json` writes and `/status` serves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use alloy_primitives::I256;
use serde::Serialize;

use crate::edge::disk::{Standing, Writes};
use crate::edge::ingest::Ingest;
use crate::edge::ingest::SourceStats;
use crate::edge::ingest::hearing::Heard;
use crate::edge::ledger::row::Bundle;
use crate::edge::ledger::row::Outcome;
use crate::edge::sink::{Fact, Sink};
use crate::hot::refused::Refused;
use crate::hot::strategy;
use crate::live::fetches;
use crate::live::fetches::Fetches;
use crate::live::stats::meter::Latency;
use crate::live::stats::meter::Meters;
use crate::live::stats::quiet::Lack;
use crate::metrics::count::Counter;
use crate::metrics::stage::Stage;
use crate::protocols::LENDING_PROTOCOLS;
use crate::protocols::PROTOCOLS;

/// The book.
#[derive(Debug)]
pub struct Stats {
    began: Instant,
    seed: u64,
    /// When the run began, in unix milliseconds.
    since_ms: u64,
    pages: Mutex<Pages>,
    /// What it sees nothing of, each with its reason.
    lacking: Mutex<BTreeMap<Lack, String>>,
    /// Files that it writes.
    files: Files,
    /// What it has fetched for strangers.
    fetches: Arc<Fetches>,
}

/// The files that a run writes as it goes.
#[derive(Clone, Debug)]
pub struct Files {
    /// The ledger.
    pub ledger: Arc<Writes>,
    /// The journal, where there is one.
    pub journal: Option<Arc<Writes>>,
    /// The file of facts, where there is one.
    pub facts: Option<Arc<Writes>>,
}

impl Files {
    /// Each of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Writes>> {
        std::iter::once(&self.ledger).chain(&self.journal).chain(&self.facts)
    }
}

#[derive(Clone, Debug)]
struct Pages {
    by_strategy: BTreeMap<String, u64>,
    by_protocol: BTreeMap<String, u64>,
    by_hops: BTreeMap<String, u64>,
    landed: u64,
    lost: u64,
    lost_explained: u64,
    mismatched: u64,
    predicted: I256,
    realised: I256,
    /// Those lost to another searcher.
    outbid: u64,
}

/// The object of SPEC.md.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Since the start.
    pub seconds: u64,
    /// Of the demo's world; 0 elsewhere.
    pub seed: u64,
    /// Followed.
    pub blocks: u64,
    /// Pending transactions heard of.
    pub pending_seen: u64,
    /// Candidates that the EVM proved.
    pub opportunities: u64,
    /// To relays, or that would have been.
    pub bundles_sent: u64,
    /// In the chain.
    pub bundles_landed: u64,
    /// ... by strategy.
    pub landed_by_strategy: BTreeMap<String, u64>,
    /// ... by protocol on the path; a bundle counts once for each.
    pub landed_by_protocol: BTreeMap<String, u64>,
    /// ... by length of the path.
    pub landed_by_hops: BTreeMap<String, u64>,
    /// Landed with another profit than predicted.
    pub mismatched: u64,
    /// Of those that landed, after gas and bid.
    pub profit_predicted_wei: String,
    /// By balances.
    pub profit_realised_wei: String,
    /// Not in the chain.
    pub lost: u64,
    /// ... and the chain shows why.
    pub lost_explained: u64,
    /// ... to another searcher.
    pub outbid: u64,
    /// Triggers and candidates that came to nothing, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Everything else that is counted.
    pub counters: BTreeMap<&'static str, u64>,
    /// By stage.
    pub latency_us: BTreeMap<&'static str, Percentiles>,
    /// What the run has seen nothing of for long, and why.
    pub lacking: BTreeMap<&'static str, String>,
    /// Whether the ledger is written: while it is not, nothing is sent.
    pub ledger: Standing,
    /// Whether the journal is, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<Standing>,
    /// Whether the file of facts is, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<Standing>,
    /// What pending transactions have made it fetch, and which of them wanted too much.
    pub fetches: fetches::Standing,
    /// How each source is heard.
    pub sources: Vec<Source>,
}

/// A source, as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Source {
    /// Node and kind.
    pub name: String,
    /// Pending transactions that it told of first.
    pub pending_first: u64,
    /// Heads that it told of first.
    pub heads_first: u64,
    /// What of it decodes, and what does not.
    #[serde(flatten)]
    pub heard: Heard,
}

impl Source {
    /// All of a feed, in the order of their numbers.
    #[must_use]
    pub fn all(ingest: &Ingest) -> Vec<Self> {
        let source = |SourceStats { name, txs, heads, heard }: SourceStats| {
            let (pending_first, heads_first) = (txs.first, heads.first);
            Self { name, pending_first, heads_first, heard }
        };
        ingest.stats().into_iter().map(source).collect()
    }
}

/// Of one stage, in µs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Percentiles {
    /// Half were faster.
    pub p50: f64,
    /// 99 of 100 were faster.
    pub p99: f64,
    /// 999 of 1000 were faster.
    pub p999: f64,
    /// Samples.
    pub n: u64,
}

impl From<Latency> for Percentiles {
    fn from(latency: Latency) -> Self {
        Self { p50: latency.p50_us, p99: latency.p99_us, p999: latency.p999_us, n: latency.count }
    }
}

fn keys(names: &[&str]) -> BTreeMap<String, u64> {
    names.iter().map(|name| ((*name).to_owned(), 0)).collect()
}

impl Stats {
    /// Of a run that began at `since_ms`, in unix milliseconds; `seed` of the world it is about, if it is one of ours.
    #[must_use]
    pub fn new(seed: u64, since_ms: u64, (files, fetches): (Files, Arc<Fetches>)) -> Self {
        let pages = Pages {
            by_strategy: keys(&strategy::names()),
            by_protocol: keys(&[PROTOCOLS, LENDING_PROTOCOLS].concat()),
            by_hops: keys(&["2", "3", "4"]),
            landed: 0,
            lost: 0,
            lost_explained: 0,
            mismatched: 0,
            predicted: I256::ZERO,
            realised: I256::ZERO,
            outbid: 0,
        };
        let (pages, lacking) = (Mutex::new(pages), Mutex::default());
        Self { began: Instant::now(), seed, since_ms, pages, lacking, files, fetches }
    }

    /// What it has fetched for strangers.
    #[must_use]
    pub const fn fetches(&self) -> &Arc<Fetches> {
        &self.fetches
    }

    /// The files that it writes.
    #[must_use]
    pub const fn files(&self) -> &Files {
        &self.files
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lacking(&self) -> MutexGuard<'_, BTreeMap<Lack, String>> {
        self.lacking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is nothing of a kind, for a reason; or there is something again.
    pub fn lacks(&self, lack: Lack, why: Option<String>) {
        match why {
            Some(why) => self.lacking().insert(lack, why),
            None => self.lacking().remove(&lack),
        };
    }

    /// How it stands; of its sources nothing is known here.
    #[must_use]
    pub fn status(&self, meters: &Meters) -> Status {
        let pages = self.pages().clone();
        Status {
            seconds: self.began.elapsed().as_secs(),
            seed: self.seed,
            blocks: meters.count(Counter::Blocks),
            pending_seen: meters.count(Counter::Pending),
            opportunities: meters.count(Counter::Opportunities),
            bundles_sent: meters.count(Counter::Sent),
            bundles_landed: pages.landed,
            landed_by_strategy: pages.by_strategy,
            landed_by_protocol: pages.by_protocol,
            landed_by_hops: pages.by_hops,
            mismatched: pages.mismatched,
            profit_predicted_wei: pages.predicted.to_string(),
            profit_realised_wei: pages.realised.to_string(),
            lost: pages.lost,
            lost_explained: pages.lost_explained,
            outbid: pages.outbid,
            refused: Refused::ALL.iter().map(|reason| (reason.name(), meters.refused(*reason))).collect(),
            counters: Counter::ALL.iter().map(|counter| (counter.name(), meters.count(*counter))).collect(),
            latency_us: Stage::ALL.iter().map(|stage| (stage.name(), meters.latency(*stage).into())).collect(),
            lacking: self.lacking().iter().map(|(lack, why)| (lack.name(), why.clone())).collect(),
            ledger: self.files.ledger.standing(),
            journal: self.files.journal.as_ref().map(|journal| journal.standing()),
            facts: self.files.facts.as_ref().map(|facts| facts.standing()),
            fetches: self.fetches.standing(),
            sources: Vec::new(),
        }
    }
}

impl Sink for Stats {
    fn take(&self, fact: &Fact) {
        let (bundle, outcome, forward) = match fact {
            Fact::Settled { bundle, outcome } => (bundle, outcome, true),
            Fact::Reopened { bundle, outcome } => (bundle, outcome, false),
            _ => return,
        };
        // Bundles of earlier runs are settled, and are not this run's numbers.
        if bundle.decided_ms >= self.since_ms {
            self.pages().turn(bundle, outcome, forward);
        }
    }
}

impl Pages {
    fn turn(&mut self, bundle: &Bundle, outcome: &Outcome, forward: bool) {
        let step = |count: &mut u64| *count = if forward { *count + 1 } else { count.saturating_sub(1) };
        let add = |sum: &mut I256, amount: I256| {
            *sum = if forward { sum.saturating_add(amount) } else { sum.saturating_sub(amount) };
        };
        match outcome {
            Outcome::Landed { realised, .. } => {
                step(&mut self.landed);
                step(self.by_strategy.entry(bundle.strategy.clone()).or_default());
                // Of a path that names more than pools the length says nothing.
                if strategy::named(&bundle.strategy).is_none_or(|profile| profile.counts_hops) {
                    step(self.by_hops.entry(bundle.pools.len().to_string()).or_default());
                }
                for protocol in &bundle.protocols {
                    step(self.by_protocol.entry(protocol.clone()).or_default());
                }
                if *realised != bundle.predicted {
                    step(&mut self.mismatched);
                }
                add(&mut self.predicted, bundle.predicted);
                add(&mut self.realised, *realised);
            }
            Outcome::Lost { reason } => {
                step(&mut self.lost);
                if !matches!(reason, crate::edge::ledger::landed::Reason::Unknown) {
                    step(&mut self.lost_explained);
                }
                if matches!(reason, crate::edge::ledger::landed::Reason::Outbid { .. }) {
                    step(&mut self.outbid);
                }
            }
            Outcome::Unsent => (),
        }
    }
}
